"""The guard looks at what the pass for the features saw on its way: the same features, the same looks, and no second pass."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from medkt.domains import domain
from medkt.guard import default_guard
from medkt.guard.looks import looks_at, places_looked_at
from medkt.io import read_image
from medkt.models.small import load_small
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View, look_at
from medkt.pipeline.answer import sight_of
from medkt.pipeline.look import shown_plane
from medkt.presence import TappingGuard
from medkt.segmentation.slicewise import features_of_planes


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(
        tmp_path_factory.mktemp("mri"), domain="mri", finding="", seed=5, format="nifti", shape=(11, 64, 64),
        spacing_mm=(8.0, 3.6, 3.6),
    )  # fmt: skip


def test_a_tapped_pass_gives_the_same_features_and_the_same_looks(head: Path) -> None:
    encoder, image, kind = load_small(), read_image(head), domain("mri")
    guard = default_guard(encoder)
    assert isinstance(guard, TappingGuard)
    tap = guard.tap(encoder)
    assert tap is not None
    looked = look_at(image, kind, View(modality="mri"))
    show = partial(shown_plane, image, looked)
    plain, _ = features_of_planes(encoder, looked.positions, show, None)
    features, _ = features_of_planes(encoder, looked.positions, show, None, tap=tap)
    assert torch.equal(plain, features)
    assert sum(map(len, tap.rows)) == len(looked.positions) > 8  # of several batches
    sight = sight_of(encoder, image, kind, looked, features)
    places = places_looked_at(len(looked.positions))
    without = looks_at(sight, places, tap.layer)
    np.testing.assert_allclose(looks_at(replace(sight, tapped=tap), places, tap.layer), without, atol=1e-5)
    other = replace(tap, layer=tap.layer - 1)
    np.testing.assert_array_equal(looks_at(replace(sight, tapped=other), places, tap.layer), without)


def test_a_run_with_a_guard_encodes_no_plane_twice(head: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline.load("small", device="cpu")
    seen: list[int] = []
    prefix = type(pipeline.encoder).image_prefix

    def counted(self: object, pixels: torch.Tensor, layer: int) -> torch.Tensor:
        seen.append(len(pixels))
        return prefix(self, pixels, layer)  # type: ignore[arg-type]

    monkeypatch.setattr(type(pipeline.encoder), "image_prefix", counted)
    strict = replace(pipeline.settings, presence=replace(pipeline.settings.presence, threshold=2.0))
    result = replace(pipeline, settings=strict).segment_file(head, ["mri_glioma"], view=View(modality="mri"))
    assert sum(seen) == len(result.findings[0].looked.positions)


def test_a_guard_that_knows_no_image_taps_nothing() -> None:
    encoder = load_small()
    assert replace(default_guard(encoder), known=None).tap(encoder) is None

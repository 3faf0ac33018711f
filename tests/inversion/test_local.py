"""Lesions made inside normal studies: what changes, what does not, and what a bad start is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from inversion.toy_encoder import SIDE, Toy
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.inversion import InversionSettings, LocalSettings, invert_cached, local_invert
from medkt.inversion.local import blob, body_of, places
from medkt.inversion.sheet import contact_sheet
from medkt.models.framing import normalise

TEXTS = ("a round bright spot", "several dark lines")
FEW = LocalSettings(steps=6, radius=(0.1, 0.2), dtype="float32")


def make_studies(count: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 + 0.4 * torch.rand(1, count, 1, SIDE, SIDE, generator=generator)


def test_lesions_come_to_fit_the_text_and_the_rest_stays() -> None:
    encoder, studies = Toy().eval(), make_studies()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = local_invert(encoder, TEXTS, replace(FEW, steps=30), start=studies)
    assert found.pixels.shape == (2, 3, 3, SIDE, SIDE)
    assert 0 <= float(found.pixels.min()) < float(found.pixels.max()) <= 1
    plain = encoder.encode_image(normalise(studies[0].expand(-1, 3, -1, -1), encoder.spec))
    wanted = encoder.encode_text(encoder.tokenize(TEXTS))
    was = functional.cosine_similarity(plain[None], wanted[:, None], dim=-1)
    assert bool((found.similarity > was).all())
    features = encoder.encode_image(normalise(found.pixels.flatten(0, 1), encoder.spec))
    said = functional.cosine_similarity(features, wanted.repeat_interleave(3, dim=0)).reshape(2, 3)
    torch.testing.assert_close(found.similarity, said.detach())
    moved = (found.pixels[:, :, :1] - studies).abs() > 1e-3
    assert 0 < float(moved.float().mean()) < 0.6  # a blob with a soft edge, not the picture
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_what_is_far_from_the_blob_is_the_study_itself() -> None:
    encoder, studies = Toy().eval(), make_studies(1)
    small = local_invert(encoder, TEXTS[:1], replace(FEW, radius=(0.05, 0.06), edge=0.02), start=studies)
    change = (small.pixels[0, 0, 0] - studies[0, 0, 0]).abs()
    assert float((change < 1e-6).float().mean()) > 0.8
    assert float(change.max()) > 0


def test_the_same_seed_gives_the_same_images_and_no_image_depends_on_its_company() -> None:
    studies = make_studies()
    first, again = (local_invert(Toy(), TEXTS, FEW, start=studies, seed=3) for _ in range(2))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, local_invert(Toy(), TEXTS, FEW, start=studies, seed=4).pixels)
    alone = local_invert(Toy(), TEXTS[1:], FEW, start=studies, seed=3)
    torch.testing.assert_close(alone.pixels[0], first.pixels[1], rtol=0, atol=1e-4)
    in_parts = local_invert(Toy(), TEXTS, replace(FEW, rows_at_once=2), start=studies, seed=3)
    torch.testing.assert_close(in_parts.pixels, first.pixels, rtol=0, atol=1e-4)


class Larger(Toy):
    """The same for pictures of 24 x 24, which it makes smaller."""

    spec = replace(Toy.spec, input_size=24)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        return super().image_prefix(functional.adaptive_avg_pool2d(pixels, SIDE), layer)


def test_any_input_size_and_colour_starts() -> None:
    encoder = Larger()
    found = local_invert(encoder, TEXTS[:1], FEW, start=torch.rand(1, 2, 3, 24, 24))
    assert found.pixels.shape == (1, 2, 3, 24, 24)
    assert torch.equal(found.pixels[:, :, 0], found.pixels[:, :, 2])


def test_a_blob_lies_in_the_body_and_is_as_large_as_asked() -> None:
    study = torch.zeros(1, 1, 64, 64)
    study[..., 20:44, 30:54] = 0.5
    inside = body_of(study, LocalSettings())
    assert bool(inside[0, 32, 42])
    assert not bool(inside[0, 32, 10])
    mask = blob((32.5, 32.5), np.random.default_rng(0), LocalSettings(radius=(0.1, 0.1), wobble=0.0), 64)
    area = float((mask > 0.5).float().sum())
    assert area == pytest.approx(np.pi * (1.15 * 0.1 * 64) ** 2, rel=0.05)
    assert float(mask[32, 32]) == pytest.approx(1, abs=1e-3)
    assert float(mask[0, 0]) == pytest.approx(0, abs=1e-3)


def test_places_follow_the_gradient_inside_the_body() -> None:
    encoder, studies = Toy().eval(), make_studies(2)[0]
    vectors = functional.normalize(encoder.encode_text(encoder.tokenize([TEXTS[0]] * 2)), dim=-1).detach()
    found = places(encoder, studies, vectors, FEW)
    torch.testing.assert_close(found.flatten(1).sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert bool((found[:, 0] == 0).all())
    assert bool((found[:, :, -1] == 0).all())
    even = places(encoder, studies, vectors, replace(FEW, sharpen=0.0))
    assert len(even[0].unique()) == 2  # nothing, or the same everywhere in the body
    assert len(found[0].unique()) > 10
    dark = places(encoder, torch.zeros_like(studies), vectors, FEW)
    assert float(dark[0].max()) > 0  # a picture without a body has places all the same


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (torch.rand(1, 2, 1, SIDE + 1, SIDE + 1), "the normal studies have the shape"),
        (torch.rand(3, 2, 1, SIDE, SIDE), "the normal studies have the shape"),
        (torch.rand(1, 0, 1, SIDE, SIDE), "1 or more images"),
        (torch.full((1, 2, 1, SIDE, SIDE), 1.5), "outside 0 to 1"),
        (torch.full((1, 2, 1, SIDE, SIDE), float("nan")), "outside 0 to 1"),
    ],
)
def test_a_bad_start_is_refused(start: Tensor, told: str) -> None:
    with pytest.raises(InputError, match=told):
        local_invert(Toy(), TEXTS, FEW, start=start)


def test_a_broken_encoder_is_told() -> None:
    encoder = Toy()
    with torch.no_grad():
        encoder.first.weight.fill_(float("nan"))
    with pytest.raises(NumericalError, match="NaN or infinite before the first step"):
        local_invert(encoder, TEXTS, FEW, start=make_studies())


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": 0.0}, {"radius": (0.2, 0.1)}, {"edge": 0.0}, {"black": 1.0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"setting {next(iter(wrong))} cannot be"):
        LocalSettings(**wrong)  # type: ignore[arg-type]


def test_local_inversions_are_kept_in_the_cache(tmp_path: Path) -> None:
    encoder, studies = Toy(), make_studies()
    made = invert_cached(encoder, TEXTS, FEW, images=3, start=studies, folder=tmp_path)
    entries = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(entries) == 2
    encoder.rows.clear()
    again = invert_cached(encoder, TEXTS, FEW, images=3, start=studies, folder=tmp_path)
    assert torch.equal(made.pixels, again.pixels)
    assert not encoder.rows
    invert_cached(encoder, TEXTS, FEW, images=3, start=make_studies(seed=1), folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4  # other studies, other entries
    assert contact_sheet(again)[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="needs normal studies to start from"):
        invert_cached(encoder, TEXTS, FEW, images=3, folder=tmp_path)
    whole = invert_cached(encoder, TEXTS, InversionSettings(steps=2), images=3, folder=tmp_path)
    assert isinstance(whole.settings, InversionSettings)

"""`classify`: words of one class that are not understood hold back that class alone, and the others are compared without it.

In CT findings are shown in windows of their own, and so compared in several softmaxes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guards import HALF, STRANGE, SaysSo

from medkt.concepts import Concept, concept_from_text
from medkt.io import read_image
from medkt.phantom.study import write_study
from medkt.pipeline import Classification, View, classify
from medkt.spatial import Image

ASKED = ["us_cyst", "us_carcinoma", concept_from_text("a round spot")]


def asked(path: Path, guard: SaysSo | None, concepts: list = ASKED) -> Classification:  # type: ignore[type-arg]
    return classify(path, concepts=concepts, view=View(modality="ultrasound"), guard=guard, guarded=guard is not None)


@pytest.fixture(scope="module")
def breast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(
        tmp_path_factory.mktemp("us"), domain="ultrasound", finding="us_cyst", seed=2, format="png", side=96
    )


def test_the_others_are_compared_without_it(breast: Path) -> None:
    result = asked(breast, SaysSo(words={"us_carcinoma": (HALF,)}))
    assert result.no_claim == ()
    assert [one.no_claim for one in result.scores] == [(), (HALF,), (), ()]
    left = [one.probabilities for one in result.scores if not one.no_claim]
    np.testing.assert_allclose(np.sum(left, axis=0), 1, atol=1e-6)
    without = asked(breast, None, [ASKED[0], ASKED[2]])
    for one, other in zip([result.scores[k] for k in (0, 2, 3)], without.scores, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_where_fewer_than_two_are_left_nothing_is_claimed(breast: Path) -> None:
    every = {one if isinstance(one, str) else one.id: (HALF,) for one in ASKED}
    assert asked(breast, SaysSo(words=every)).no_claim == (HALF,)
    assert asked(breast, SaysSo(image=(STRANGE,))).no_claim == (STRANGE,)
    assert asked(breast, SaysSo()).no_claim == ()


ADENOPATHY, NODULE, SPOT = "ct_adenopathy", "ct_nodule", concept_from_text("a round spot")  # mediastinum, lung, none


@pytest.fixture(scope="module")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Three slices through a nodule."""
    folder = tmp_path_factory.mktemp("ct")
    image = read_image(write_study(folder, domain="ct", finding="ct_nodule", seed=2, format="nifti", side=96))
    few = slice(10, 13)
    return replace(image, values=image.values[few], geometry=replace(image.geometry, shape=image.values[few].shape))


def shares(
    chest: Image, concepts: Sequence[str | Concept], guard: SaysSo | None = None, window: str | None = None
) -> tuple[dict[str, list[float]], Classification]:
    view = View(modality="ct", window=window)
    result = classify(chest, concepts=concepts, view=view, guard=guard, guarded=guard is not None)
    return {one.name: one.probabilities.tolist() for one in result.scores}, result


def test_a_class_of_another_window_is_left_out_too(chest: Image) -> None:
    for silent in (ADENOPATHY, SPOT):
        name = silent if isinstance(silent, str) else silent.id
        left, _ = shares(chest, [NODULE, silent], SaysSo(words={name: (HALF,)}))
        alone, _ = shares(chest, [NODULE])
        for one in ("solid nodule", "normal"):
            np.testing.assert_allclose(left[one], alone[one], atol=1e-6)


def test_no_share_hangs_on_the_order_of_the_findings(chest: Image) -> None:
    found, result = shares(chest, [ADENOPATHY, NODULE, SPOT])
    again, _ = shares(chest, [SPOT, NODULE, ADENOPATHY])
    for name, one in found.items():
        np.testing.assert_allclose(one, again[name], rtol=1e-5)
    assert any("(mediastinum, lung) (normal in lung): shares need not sum to 1" in said for said in result.warnings)


def test_in_one_window_the_shares_sum_to_one(chest: Image) -> None:
    found, result = shares(chest, [ADENOPATHY, NODULE], window="soft")
    np.testing.assert_allclose(np.sum(list(found.values()), axis=0), 1, atol=1e-6)
    assert not any("need not sum" in said for said in result.warnings)

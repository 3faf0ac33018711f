"""Several prompts a class: MedCLIP's two rules by hand, and ours where no rule is named.

Its own numbers are in `tests/test_oracles.py`, its classifier assembled from others' parts in `tests/models/test_medclip.py`.
"""

import numpy as np
import pytest
import torch
from bright_spots import BrightSpots
from drawing import forced

from medkt.config import presets, resolve
from medkt.errors import SettingsError
from medkt.models.small import load_small
from medkt.saliency.explain import prepare_plane
from medkt.saliency.phrases import phrase_scores
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.zero_shot import ClassSettings, class_cosines, score_planes

RULES = ("medclip", "medclip-ensemble")


def of_name(name: str) -> ClassSettings:
    return resolve(ClassSettings, preset=name, folder="classification")


def test_the_rules_by_hand() -> None:
    images = torch.eye(3)[:2]
    prompts = [torch.tensor([[1.0, 0, 0], [0, 1, 0]]), torch.tensor([[0.6, 0.8, 0.0]])]
    assert class_cosines(images, prompts, "largest").tolist() == [[1.0, pytest.approx(0.6)], [1.0, pytest.approx(0.8)]]
    assert class_cosines(images, prompts, "mean").tolist() == [[0.5, pytest.approx(0.6)], [0.5, pytest.approx(0.8)]]


def test_without_a_name_a_class_is_the_mean_direction_of_its_prompts() -> None:
    plane = np.random.default_rng(0).random((20, 33), dtype=np.float32)
    asked = [ConceptTexts(id="a", prompts=("bright", "dark", "bright")), ConceptTexts(id="b", prompts=("dark",))]
    found = {
        name: score_planes(BrightSpots(), [0], lambda _: plane, asked, of_name(name))
        for name in ("default", "largest", "mean")
    }
    usual = score_planes(BrightSpots(), [0], lambda _: plane, asked)
    np.testing.assert_array_equal(usual.cosines, found["default"].cosines)
    np.testing.assert_array_equal(usual.probabilities, found["default"].probabilities)
    bright, dark = (float(score_planes(BrightSpots(), [0], lambda _: plane, [
        ConceptTexts(id="x", prompts=(word,)), ConceptTexts(id="y", prompts=("else",))]).cosines[0, 0]) for word in ("bright", "dark"))  # fmt: skip
    assert found["largest"].cosines[0, 0] == pytest.approx(max(bright, dark))
    assert found["mean"].cosines[0, 0] == pytest.approx((2 * bright + dark) / 3)
    assert usual.cosines[0, 0] == pytest.approx((2 * bright + dark) / 5**0.5)


def test_what_is_not_there_is_said() -> None:
    assert {*RULES, "default", "largest", "mean", "phrases"} == set(presets("classification"))
    assert of_name("default") == ClassSettings()
    asked = [ConceptTexts(id=one, prompts=(one,)) for one in ("bright", "dark")]
    with pytest.raises(SettingsError, match="'bright-spots' has no padded pooling of texts: that is MedCLIP's"):
        score_planes(BrightSpots(), [0], lambda _: np.zeros((9, 9), np.float32), asked, of_name("medclip"))
    for name in ("rule", "text_pooling", "window", "pixels"):
        with pytest.raises(SettingsError, match=f"unknown {name} 'odd' of a classification; known: "):
            forced(ClassSettings, **{name: "odd"})


def test_by_phrases_a_class_is_the_mean_of_its_prompts() -> None:
    small, plane = load_small(), np.random.default_rng(0).random((64, 64), dtype=np.float32)
    asked = [
        ConceptTexts(id="a", prompts=("a bright cyst and no nodule", "a dark nodule")),
        ConceptTexts(id="b", prompts=("a cyst",)),
    ]
    told: list[tuple[str, int, int]] = []
    found = score_planes(
        small, [0, 1], lambda _: plane, asked, of_name("phrases"), progress=lambda *one: told.append(one)
    )
    pixels = prepare_plane(small, plane).pixels[None]
    one, two, other = phrase_scores(small, pixels, ["a bright cyst and no nodule", "a dark nodule", "a cyst"])[
        0
    ].tolist()
    np.testing.assert_allclose(found.cosines, [[(one + two) / 2, other]] * 2, atol=1e-6)
    assert told == [("presence", 1, 2), ("presence", 2, 2)]
    with pytest.raises(SettingsError, match="'bright-spots' pools its picture without regard to the text"):
        score_planes(BrightSpots(), [0], lambda _: plane, asked, of_name("phrases"))

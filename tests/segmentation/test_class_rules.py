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
    assert {*RULES, "default", "largest", "mean"} == set(presets("classification"))
    assert of_name("default") == ClassSettings()
    asked = [ConceptTexts(id=one, prompts=(one,)) for one in ("bright", "dark")]
    with pytest.raises(SettingsError, match="'bright-spots' has no padded pooling of texts: that is MedCLIP's"):
        score_planes(BrightSpots(), [0], lambda _: np.zeros((9, 9), np.float32), asked, of_name("medclip"))
    for name in ("rule", "text_pooling", "window", "pixels"):
        with pytest.raises(SettingsError, match=f"unknown {name} 'odd' of a classification; known: "):
            forced(ClassSettings, **{name: "odd"})

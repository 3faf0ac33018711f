"""Calibrated decisions on volumes: which slices are looked at, which stand by themselves, and what stays of the others.

By hand: with a calibration the study is decided by its score alone; a slice stands by itself from `present_above` on, is looked
at from the lower of that and `weak` on, and stays if slices that touch lead to one that stands by itself. Without the gate
the calibration speaks and outlines nothing away. A concept without a calibration keeps the settings' own thresholds.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from segmentation.bright_spots import BrightSpots
from whole_line import bright_pipeline

from combinations.test_passed_over import SETTINGS, volume
from medkt.calibration import Calibration, CalibrationSettings, Scorer, segment_calibrated
from medkt.calibration.conformal import tail_of
from medkt.concepts import concept_from_text
from medkt.domains import domain
from medkt.pipeline import View
from medkt.segmentation.volume import VolumeSettings

BRIGHT, OTHER = concept_from_text("a bright spot"), concept_from_text("bright too")
VIEW = View(modality="mri", step_mm=0.0)
#          alone  |  a chain that leads to a strong one  |   between two empty ones
SPOTS = [0, 120.0, 0, 130, 160, 250, 170, 0, 150, 0]


def calibration(above: float, presence: object) -> Calibration:
    """One whose normals exceed `above` in a twentieth of cases, and whose "absent" ends a little below."""
    key = Scorer.of(BrightSpots(), BRIGHT, domain("mri"), settings=presence, view=VIEW).key  # type: ignore[arg-type]
    scores = above + np.array([*np.linspace(-0.02, -0.01, 17), -0.001, 0.0])
    settings = CalibrationSettings()
    rates = settings.false_positive_rate, settings.false_positive_rate + settings.abstain_rate
    made = Calibration(key=key, site="here", settings=settings, normals=tail_of(scores, *rates))
    assert made.present_above == pytest.approx(above)
    return made


ABOVE = {"below weak": 0.76, "between": 0.86, "above threshold": 0.93, "above all": 0.9999999}


@pytest.mark.parametrize(("gate", "hysteresis"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(
    ("place", "aggregate"),
    [("below weak", "supported"), ("between", "top_mean"), ("above threshold", "supported"), ("above all", "max")],
)
def test_a_calibrated_volume(place: str, aggregate: str, gate: bool, hysteresis: bool) -> None:
    image = volume(SPOTS)
    presence = replace(SETTINGS.presence, gate=gate, aggregate=aggregate, threshold=0.9, weak=0.8, support=0.8)
    settings = replace(SETTINGS, presence=presence, volume=VolumeSettings(hysteresis=hysteresis))
    pipeline = bright_pipeline(settings)
    above = ABOVE[place]
    rule = calibration(above, presence)
    done = segment_calibrated(
        pipeline, image, [OTHER, BRIGHT], view=VIEW, find=lambda key: rule if key.concept == BRIGHT.id else None
    )
    other, finding = done.result.findings
    assert (other.concept.id, finding.concept.id) == (OTHER.id, BRIGHT.id)
    found = finding.found
    scores = Scorer.of(BrightSpots(), BRIGHT, domain("mri"), settings=presence, view=VIEW).score(image)
    per_slice = found.presence.scores.tolist()
    outcome = "present" if scores.score > above else "absent" if scores.score <= rule.absent_up_to else "abstain"
    assert done.decisions[BRIGHT.id].outcome == outcome
    assert (outcome == "present") is (place != "above all")
    assert found.presence.present is (outcome == "present" or not gate)

    weak, strong = (-np.inf, -np.inf) if not gate else (min(0.8, above), above)
    shown = outcome == "present" or not gate
    looked = [k for k, score in enumerate(per_slice) if score >= weak] if shown else []
    assert [one.index for one in found.slices] == looked
    masks = every_mask()
    at = {k: masks[k] for k in looked if k in masks}
    expected = staying(at, {k for k in at if per_slice[k] >= strong or not hysteresis})
    assert {k for k, _ in found.masks()} == (set() if outcome == "abstain" else expected)  # without a claim, no mask
    own = [k for k in masks if per_slice[k] >= 0.8 or not gate]  # both say "bright"
    stand = {k for k in own if per_slice[k] >= 0.9 or not gate or not hysteresis}
    assert {k for k, _ in other.found.masks()} == staying({k: masks[k] for k in own}, stand)


@cache
def every_mask() -> dict[int, np.ndarray]:
    """Every slice's mask, none left out."""
    open_ = replace(SETTINGS, presence=replace(SETTINGS.presence, gate=False), volume=VolumeSettings(hysteresis=False))
    (finding,) = bright_pipeline(open_).segment(volume(SPOTS), [BRIGHT], view=VIEW).findings
    return dict(finding.found.masks())


def staying(at: dict[int, np.ndarray], strong: set[int]) -> set[int]:
    """The slices from which slices that touch lead to a strong one; each slice holds one piece here."""
    kept = set(strong)
    while more := {k for k in at if k not in kept and any(j in kept and (at[j] & at[k]).any() for j in (k - 1, k + 1))}:
        kept |= more
    return kept

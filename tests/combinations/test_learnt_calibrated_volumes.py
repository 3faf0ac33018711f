"""Learnt concepts, each decided by a calibration of its own weights, on volumes.

By hand: a learnt concept is scored by the encoder that was taught it, so its calibration is looked for under that encoder's
weights. Its volume is then that of this encoder alone with the calibration's threshold as the settings' own, with `weak`
lowered to it. What has no calibration keeps the thresholds of the settings; what nobody taught keeps the base.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learnt import make_words, with_gain, write_learnt
from segmentation.bright_spots import BrightSpots
from whole_line import bright_pipeline

from combinations.test_passed_over import SETTINGS, volume
from medkt.calibration import Calibration, CalibrationSettings, Scorer, ScoringKey, segment_calibrated
from medkt.calibration.conformal import tail_of
from medkt.concepts import Concept, concept_from_text
from medkt.domains import domain
from medkt.pipeline import StudyResult, View
from medkt.segmentation.slicewise import SegmentationSettings

PALE, WHITE = (make_words(f"{name}_disc", f"bright {name} disc", modality="mri") for name in ("pale", "white"))
PLAIN = concept_from_text("a bright spot")
GAINS = {PALE.id: 8.0, WHITE.id: 0.5, PLAIN.id: 3.0}  # the last is the base's
ABOVE = {PALE.id: 0.86, WHITE.id: 0.97, PLAIN.id: 0.93}
VIEW = View(modality="mri", step_mm=0.0)
SPOTS = [120.0, 0, 130, 250, 170, 0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("learnt")
    return [write_learnt(folder / f"{one.id}.medkt", one, GAINS[one.id]) for one in (PALE, WHITE)]


def calibration(concept: Concept, settings: SegmentationSettings) -> Calibration:
    """One of the encoder that was taught the concept."""
    encoder = with_gain(BrightSpots(), GAINS[concept.id])
    key = Scorer.of(encoder, concept, domain("mri"), settings=settings.presence, view=VIEW).key
    if concept is not PLAIN:
        key = replace(key, weights=key.weights.replace("generated:", "adapted:"))  # one digest, by another way to it
    how = CalibrationSettings()
    scores = ABOVE[concept.id] + np.array([*np.linspace(-0.02, -0.01, 17), -0.001, 0.0])
    normals = tail_of(scores, how.false_positive_rate, how.false_positive_rate + how.abstain_rate)
    return Calibration(key=key, site="here", settings=how, normals=normals)


def alone(concept: Concept, settings: SegmentationSettings, above: float | None) -> StudyResult:
    """The concept by its own encoder, without packages and calibrations."""
    if above is not None and settings.presence.gate:
        presence = replace(settings.presence, threshold=above, weak=min(settings.presence.weak, above))
        settings = replace(settings, presence=presence)
    pipeline = replace(bright_pipeline(settings), encoder=with_gain(BrightSpots(), GAINS[concept.id]))
    return pipeline.segment(volume(SPOTS), [concept], view=VIEW)


@pytest.mark.parametrize(
    ("calibrated", "gate"), [((PALE, WHITE, PLAIN), True), ((WHITE,), True), ((PALE, PLAIN), False)]
)
def test_each_learnt_concept_of_a_volume_is_decided_by_the_calibration_of_its_own_weights(
    calibrated: tuple[Concept, ...], gate: bool, files: list[Path]
) -> None:
    presence = replace(SETTINGS.presence, gate=gate, aggregate="max", threshold=0.9, weak=0.8)
    settings = replace(SETTINGS, presence=presence)
    rules = {rule.key: rule for rule in (calibration(one, settings) for one in calibrated)}
    asked: list[ScoringKey] = []
    pipeline = bright_pipeline(settings).with_packages(files)

    def find(key: ScoringKey) -> Calibration | None:
        asked.append(key)
        return rules.get(key)

    done = segment_calibrated(pipeline, volume(SPOTS), [PLAIN, WHITE, PALE], view=VIEW, find=find)
    assert set(done.decisions) == {one.id for one in calibrated}
    assert len({key.weights for key in asked}) == 3
    volumes = set()
    for finding, concept in zip(done.result.findings, (PLAIN, WHITE, PALE), strict=True):
        assert finding.concept.id == concept.id
        above = ABOVE[concept.id] if concept in calibrated else None
        wanted = alone(concept, settings, above)
        (expected,) = wanted.findings
        assert finding.found.presence.score == expected.found.presence.score
        assert finding.found.presence.present == expected.found.presence.present
        mask = wanted.mask(expected).values
        np.testing.assert_array_equal(done.result.mask(finding).values, mask)
        if above is not None:
            outcome = done.decisions[concept.id].outcome
            assert (outcome == "present") is (expected.found.presence.score > above)
        volumes.add((finding.found.presence.score, mask.sum()))
    assert len(volumes) == 3  # so that another encoder's answer would show

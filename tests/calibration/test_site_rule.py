"""A site's calibrations as a rule of the pipeline: one look at a study however many concepts they decide, from Python too."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from segmentation.bright_spots import BrightSpots
from whole_line import bright_pipeline

import medkt
from medkt.calibration import Calibration, Scorer, ScoringKey, SiteCalibrations, calibrate, segment_calibrated
from medkt.calibration.rule import CalibratedPresence
from medkt.calibration.store import write_calibration
from medkt.concepts import Concept, concept_from_text
from medkt.domains import domain
from medkt.errors import SettingsError
from medkt.pipeline import Pipeline, StudyRules, View
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Geometry, Image

CHEST = View(modality="cxr")
ASKED = tuple(concept_from_text(text) for text in ("a bright spot", "bright too", "something dark"))
PRESENCE = PresenceSettings(rule="cosine")


def picture(seed: int, *, spot: float = 0.0) -> Image:
    values = 60 + np.random.default_rng(seed).gamma(2.0, 15.0, (40, 32))
    values[4:12, 4:12] += spot
    return Image(values=np.clip(values, 0, 255).astype(np.uint8)[None], geometry=Geometry.of_pixels(40, 32))


@cache
def calibration(concept: int) -> Calibration:
    asked = Scorer.of(BrightSpots(), ASKED[concept], domain("cxr"), settings=PRESENCE, view=CHEST)
    return replace(calibrate(asked.key, [asked.score(picture(seed)) for seed in range(30)]), novelty=None)


def pipeline_with(rule: StudyRules | None = None, **changed: str) -> Pipeline:
    method = SaliencySettings(method=M2IBSettings(steps=2, samples=2))
    settings = SegmentationSettings(presence=PRESENCE, saliency=method, **changed)  # type: ignore[arg-type]
    return replace(bright_pipeline(settings), rule=rule)


def find(key: ScoringKey) -> Calibration | None:
    return next((calibration(k) for k, one in enumerate(ASKED) if one.id == key.concept), None)


@pytest.mark.parametrize("count", [1, 3])
def test_the_encoder_looks_at_a_study_once_however_many_concepts_are_calibrated(count: int) -> None:
    pipeline = pipeline_with(SiteCalibrations(find=find))
    encoder: BrightSpots = pipeline.encoder  # type: ignore[assignment]
    result = pipeline.segment(picture(0), ASKED[:count], view=CHEST)
    answers = [one.found.presence for one in result.findings]
    assert all(isinstance(one, CalibratedPresence) for one in answers)
    assert encoder.prefixes == 1 + any(one.present for one in answers)  # the look, and the maps of what is seen


def asked_at_a_site(concept: Concept, image: Image, pipeline: Pipeline) -> CalibratedPresence:
    (finding,) = medkt.segment(image, concepts=[concept], model=pipeline, view=CHEST, site="ours").findings
    assert isinstance(finding.found.presence, CalibratedPresence)
    return finding.found.presence


@pytest.mark.parametrize("spot", [0.0, 150.0])
def test_a_site_is_named_in_python_as_on_the_command_line(spot: float) -> None:
    write_calibration(replace(calibration(0), site="ours"))
    answer = asked_at_a_site(ASKED[0], picture(0, spot=spot), pipeline_with())
    done = segment_calibrated(pipeline_with(), picture(0, spot=spot), [ASKED[0]], view=CHEST, find=find)
    assert answer.decision == done.decisions[ASKED[0].id]
    assert answer.reason == done.result.findings[0].found.presence.reason


def test_a_site_that_cannot_decide_is_an_error_before_any_look() -> None:
    pipeline = pipeline_with()
    with pytest.raises(SettingsError, match="--site ours: no calibration for"):
        asked_at_a_site(ASKED[1], picture(0), pipeline)
    with pytest.raises(SettingsError, match="all prompts of a concept: they need settings of texts=all"):
        asked_at_a_site(ASKED[0], picture(0), pipeline_with(texts="first"))
    assert pipeline.encoder.prefixes == 0  # type: ignore[attr-defined]
    unsaid = medkt.segment(picture(0), concepts=[ASKED[1]], model=pipeline, view=CHEST)
    assert not isinstance(unsaid.findings[0].found.presence, CalibratedPresence)


def test_a_concept_without_a_calibration_is_decided_by_the_rule_that_was_there() -> None:
    class Never:
        def decide(self, scores: object) -> object:
            from medkt.presence import Presence

            return Presence(score=0.0, state="not seen", reason="never", margins=scores.margins, scores=scores.scores)  # type: ignore[attr-defined]

    rule = SiteCalibrations(find=lambda key: find(key) if key.concept == ASKED[0].id else None, otherwise=Never())  # type: ignore[arg-type]
    first, second = pipeline_with(rule).segment(picture(0), ASKED[:2], view=CHEST).findings
    assert isinstance(first.found.presence, CalibratedPresence)
    assert second.found.presence.reason == "never"

"""Scores are those of the pipeline; keys change with what changes scores; strange images are seen to be strange."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guards import STRANGE, SaysSo
from segmentation.bright_spots import BrightSpots
from whole_line import bright_pipeline

from medkt.calibration import (
    Calibration,
    Scorer,
    assess,
    calibrate,
    fit_novelty,
    score_cases,
    scoring_key,
    segment_calibrated,
)
from medkt.calibration.assessment import said_of
from medkt.calibration.cases import ScoredCases, domain_of_cases
from medkt.calibration.rule import reasons_of
from medkt.concepts import concept_from_text
from medkt.datasets import Case
from medkt.domains import domain
from medkt.errors import InputError
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View
from medkt.report.study_folder import SiteDecisions, record_of_result
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Geometry, Image

BRIGHT = concept_from_text("a bright spot")
CHEST = View(modality="cxr")


def picture(seed: int, *, spot: float = 0.0) -> Image:
    """A grainy film of 40 x 32 with grey levels of 8 bits, more dark than bright; a spot brightens a corner."""
    values = 60 + np.random.default_rng(seed).gamma(2.0, 15.0, (40, 32))
    values[4:12, 4:12] += spot
    return Image(values=np.clip(values, 0, 255).astype(np.uint8)[None], geometry=Geometry.of_pixels(40, 32))


def scorer(**settings: float | str) -> Scorer:
    """The bare cosine: softmax scores of this encoder are all 1 in single precision."""
    presence = PresenceSettings(**{"rule": "cosine", **settings})  # type: ignore[arg-type]
    return Scorer.of(BrightSpots(), BRIGHT, domain("cxr"), settings=presence, view=CHEST)


def pipeline_with(**settings: float | str) -> Pipeline:
    presence = PresenceSettings(**{"rule": "cosine", **settings})  # type: ignore[arg-type]
    return bright_pipeline(
        SegmentationSettings(presence=presence, saliency=SaliencySettings(method=M2IBSettings(steps=2, samples=2)))
    )


def rule(number: int = 30) -> Calibration:
    asked = scorer()
    return calibrate(asked.key, [asked.score(picture(seed)) for seed in range(number)])


def test_the_score_is_the_pipelines() -> None:
    result = pipeline_with().segment(picture(0, spot=90.0), [BRIGHT], view=CHEST)
    assert scorer().score(picture(0, spot=90.0)).score == result.findings[0].found.presence.score


def test_the_key_changes_with_what_changes_scores_and_with_nothing_else() -> None:
    own, kind, encoder = scorer().key, domain("cxr"), BrightSpots()

    def key(settings: PresenceSettings | None = None, view: View = CHEST) -> object:
        return scoring_key(encoder, BRIGHT, kind, settings=settings, view=view)

    cosine = PresenceSettings(rule="cosine")
    assert key(cosine) == own
    assert key(replace(cosine, threshold=0.9, gate=False)) == own
    assert key() != own
    assert key(replace(cosine, support=0.01)) != own
    assert key(cosine, replace(CHEST, step_mm=3.0)) != own
    own = key()
    assert key(view=replace(CHEST, step_mm=3.0)) != own
    assert scoring_key(encoder, BRIGHT, domain("ct"), view=CHEST) != own
    assert scoring_key(encoder, concept_from_text("something dark"), kind, view=CHEST) != own
    with_other_weights = BrightSpots()
    with_other_weights.gain.data += 1
    assert scoring_key(with_other_weights, BRIGHT, kind, view=CHEST) != own


@pytest.mark.parametrize("strange", ["noise", "inverted", "another modality"])
def test_strange_images_are_unlike(strange: str) -> None:
    asked, films = scorer(), [picture(seed) for seed in range(60)]
    known = fit_novelty([asked.score(film) for film in films])
    assert known is not None
    values = films[0].values
    shown = {
        "noise": np.random.default_rng(0).integers(0, 256, values.shape).astype(np.uint8),
        "inverted": 255 - values,
        "another modality": np.where(values > 90, 255, 0).astype(np.uint8),
    }[strange]
    odd = asked.score(Image(values=shown, geometry=films[0].geometry))
    for claim in ("present", "absent"):
        assert known.unlike(odd, claim=claim), strange
    like = [bool(known.unlike(asked.score(picture(seed)), claim="absent")) for seed in range(100, 140)]
    assert np.mean(like) <= 0.2


def test_calibrated_decisions_replace_the_threshold() -> None:
    """A threshold that all scores reach, and one that none does: the calibration decides in spite of both."""
    found = replace(rule(), novelty=None)
    normal = min(range(30), key=lambda seed: scorer().score(picture(seed)).score)
    for threshold in (0.0, 0.999999):
        pipeline = pipeline_with(threshold=threshold, weak=0.0)
        for spot, outcome in ((0.0, "absent"), (150.0, "present")):
            image = picture(normal, spot=spot)
            done = segment_calibrated(pipeline, image, [BRIGHT], view=CHEST, find=lambda _: found)
            (finding,) = done.result.findings
            assert done.decisions[BRIGHT.id].outcome == outcome
            assert finding.found.presence.present is (outcome == "present")
            assert done.result.mask(finding).values.any() == (outcome == "present")
            assert finding.found.presence.reason == done.decisions[BRIGHT.id].reason
            assert done.result.settings.presence == replace(pipeline.settings.presence, extent_mm=0.0)  # the domain's


def test_of_what_is_unlike_nothing_is_outlined_and_the_reason_is_a_warning() -> None:
    found = rule()
    odd = Image(values=255 - picture(0).values, geometry=picture(0).geometry)
    done = segment_calibrated(pipeline_with(), odd, [BRIGHT], view=CHEST, find=lambda _: found)
    assert done.decisions[BRIGHT.id].outcome == "abstain"
    assert not done.result.mask(done.result.findings[0]).values.any()
    assert any("no claim, for the study is unlike" in warning for warning in done.result.warnings)


def test_a_guard_comes_before_a_calibration() -> None:
    found = replace(rule(), novelty=None)
    image = picture(0, spot=150.0)
    pipeline = replace(pipeline_with(), guard=SaysSo(image=(STRANGE,)))
    done = segment_calibrated(pipeline, image, [BRIGHT], view=CHEST, find=lambda _: found)
    (finding,) = done.result.findings
    assert done.decisions[BRIGHT.id].outcome == "present"  # what the calibration says by itself
    answer = finding.found.presence
    assert (answer.state, answer.reasons) == ("no claim", (STRANGE,))
    assert not done.result.mask(finding).values.any()
    decided = SiteDecisions(site="here", decisions=done.decisions, calibrations={BRIGHT.id: found})
    record = record_of_result(done.result, case="x", files={BRIGHT.id: {}}, decided=decided)
    (told,) = record["findings"]
    assert (told["decision"], told["calibration"]["outcome"], told["calibration"]["probability"]) == (
        "no claim",
        "abstain",
        None,
    )
    between = replace(
        done.decisions[BRIGHT.id],
        outcome="abstain",
        reason="bright: no claim: score 0.5 lies where neither can be said",
    )
    assert [(one.code, one.sentence) for one in reasons_of(between)] == [
        ("between-rates", "score 0.5 lies where neither can be said")
    ]
    assert [one.code for one in reasons_of(replace(between, unlike=("it is strange",)))] == ["unlike-site"]


def test_what_a_guard_stops_counts_in_n_and_is_never_called_anything() -> None:
    guard = SaysSo(image=(STRANGE,))
    asked = replace(scorer(), guard=guard)
    stopped = [asked.score(picture(seed)) for seed in range(3)]
    assert [one.held for one in stopped] == [(STRANGE,)] * 3
    assert stopped[0].score == scorer().score(picture(0)).score
    passed = [scorer().score(picture(seed)) for seed in range(3, 30)]
    made = calibrate(asked.key, [*stopped, *passed])
    assert made.normals.count == 30
    assert any(
        "of 3 of 30 normals the guard lets nothing be claimed (unlike-modality 3)" in note for note in made.notes
    )
    assert made.judge(replace(stopped[0], score=1e9)).outcome == "abstain"
    shares = said_of(made, [*stopped, *passed])
    assert shares.abstain.estimate >= 3 / 30
    held = assess(made, passed, [replace(stopped[0], score=1e9), replace(passed[0], score=1e9)])
    assert held.sensitivity is not None
    assert held.sensitivity.estimate == 0.5  # one of two, though both score above


def test_without_a_calibration_all_is_as_before() -> None:
    pipeline, image = pipeline_with(), picture(0, spot=90.0)
    done = segment_calibrated(pipeline, image, [BRIGHT, concept_from_text("something dark")], view=CHEST)
    plain = pipeline.segment(image, [BRIGHT, concept_from_text("something dark")], view=CHEST)
    assert done.decisions == {}
    for one, other in zip(done.result.findings, plain.findings, strict=True):
        assert one.found.presence.reason == other.found.presence.reason


def test_one_study_a_patient() -> None:
    three = tuple(scorer().score(picture(seed)) for seed in range(3))
    kept = ScoredCases(studies=three, present=(False, False, True), patients=("a", "a", "a")).one_a_patient()
    assert (len(kept), kept.set_aside, len(kept.of(False)), len(kept.of(True))) == (2, 1, 1, 1)


def test_each_image_counts_once() -> None:
    four = tuple(scorer().score(picture(seed)) for seed in range(4))
    digests, patients = ("x", "y", "x", "x"), ("a", "b", "c", "d")
    made = ScoredCases(studies=four, present=(False,) * 4, patients=patients, digests=digests).each_image_once()
    assert (made.patients, made.digests, made.copies, len(made.of(False))) == (("a", "b"), ("x", "y"), 2, 2)
    with pytest.raises(
        InputError, match="studies 1 and 3 are one image, voxel for voxel, once with the finding and once without"
    ):
        replace(
            made, studies=four, present=(False, False, True, False), patients=patients, digests=digests
        ).each_image_once()


def test_cases_that_cannot_be_scored(tmp_path: Path) -> None:
    folder = tmp_path
    path = write_study(folder / "good", domain="cxr", finding="", seed=1, format="png", side=32)
    (folder / "bad.png").write_bytes(b"no picture")
    good = [Case(case_id=f"c{k}", image=path, modality="cxr") for k in range(20)]
    bad = Case(case_id="broken", image=folder / "bad.png", modality="cxr")
    done = score_cases(scorer(), [*good, bad], presumed=False)
    assert (len(done), sum(done.failed.values()), done.present[0]) == (20, 1, False)
    with pytest.raises(InputError, match=r"2 of 4 studies cannot be scored.*The first: case 'broken'"):
        score_cases(scorer(), [*good[:2], bad, bad], presumed=False)
    with pytest.raises(InputError, match="case 'c0' is of cxr, the calibration is for ct"):
        score_cases(Scorer.of(BrightSpots(), BRIGHT, domain("ct")), good, presumed=False)
    assert domain_of_cases(good).name == "cxr"
    assert domain_of_cases(good, "ct").name == "ct"
    with pytest.raises(InputError, match="there is no case to calibrate with"):
        domain_of_cases([])

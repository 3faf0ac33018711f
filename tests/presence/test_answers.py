"""Seen, not seen, no claim: what each state is, and that a guard and a rule speak for every concept of a study."""

from dataclasses import replace

import numpy as np
import pytest
from combinations.test_passed_over import SETTINGS, volume
from guards import HALF, STRANGE, SaysSo
from whole_line import bright_pipeline

from medkt.concepts import concept_from_text
from medkt.errors import SettingsError
from medkt.pipeline import StudyResult, View
from medkt.presence import Guard, PlaneScores, Presence, PresenceRule, Reason, withheld
from medkt.segmentation.presence import ThresholdRule

BRIGHT, OTHER = concept_from_text("a bright spot"), concept_from_text("bright too")
VIEW = View(modality="mri", step_mm=0.0)
SPOTS = [0, 120.0, 0, 160, 250, 170]
SEEN = Presence(
    score=0.9, state="seen", reason="x: seen", margins=np.ones(1, np.float32), scores=np.ones(1, np.float32)
)


def test_no_claim_has_reasons_and_nothing_else_has() -> None:
    assert withheld(SEEN, (), concept="x") is SEEN
    held = withheld(SEEN, [STRANGE], concept="x")
    assert (held.state, held.present, held.claims, held.reasons) == ("no claim", False, False, (STRANGE,))
    assert held.reason == "x: no claim: this does not look like a chest radiograph"
    twice = withheld(held, [HALF], concept="x")
    assert twice.reasons == (HALF, STRANGE)
    assert withheld(replace(SEEN, every=True), [STRANGE], concept="x").present  # looked at, for the gate is off
    with pytest.raises(SettingsError, match="no claim is made for reasons"):
        replace(SEEN, state="no claim")
    with pytest.raises(SettingsError, match="no claim is made for reasons"):
        replace(SEEN, reasons=(STRANGE,))


@pytest.mark.parametrize("code", ["", "Unlike", "un like", "-x", "a;b", "x-"])
def test_a_code_is_one_for_tables(code: str) -> None:
    with pytest.raises(SettingsError, match="a code of small letters"):
        Reason(code=code, sentence="it is strange")


def segmented(guard: SaysSo | None, *, gate: bool = True, rule: PresenceRule | None = None) -> StudyResult:
    settings = replace(SETTINGS, presence=replace(SETTINGS.presence, gate=gate))
    pipeline = replace(bright_pipeline(settings), guard=guard, rule=rule)
    return pipeline.segment(volume(SPOTS), [BRIGHT, OTHER], view=VIEW)


def test_a_guard_that_stops_the_study_leaves_no_mask_and_says_why() -> None:
    guard = SaysSo(image=(STRANGE,))
    assert isinstance(guard, Guard)
    result = segmented(guard)
    assert guard.seen == [(len(SPOTS), 2)]  # once for both concepts
    for finding in result.findings:
        answer = finding.found.presence
        assert (answer.state, answer.reasons) == ("no claim", (STRANGE,))
        assert answer.score > 0.9  # it would have been seen
        assert answer.reason in result.warnings
        assert not result.mask(finding).values.any()
        assert finding.found.slices == ()


def test_words_stop_their_own_concept_alone() -> None:
    plain = segmented(None)
    result = segmented(SaysSo(words={BRIGHT.id: (HALF,)}))
    stopped, seen = result.findings
    assert stopped.found.presence.reasons == (HALF,)
    assert not result.mask(stopped).values.any()
    assert seen.found.presence.state == "seen"
    np.testing.assert_array_equal(result.mask(seen).values, plain.mask(plain.findings[1]).values)
    assert plain.mask(plain.findings[0]).values.any()


def test_without_the_gate_the_map_is_made_and_the_mask_is_not() -> None:
    open_ = segmented(None, gate=False)
    assert {one.found.presence.state for one in open_.findings} == {"not decided"}
    assert open_.mask(open_.findings[0]).values.any()
    result = segmented(SaysSo(image=(STRANGE,)), gate=False)
    for finding in result.findings:
        assert finding.found.presence.state == "no claim"
        assert len(finding.found.slices) == len(SPOTS)
        assert result.saliency(finding).values.any()
        assert not result.mask(finding).values.any()


class FewSlices:
    """A rule of one's own: at least three slices above a half, or nothing is said."""

    def decide(self, scores: PlaneScores) -> Presence:
        enough = int((scores.scores > 0.5).sum()) >= 3
        answer = ThresholdRule(settings=SETTINGS.presence).decide(scores)
        return answer if enough else withheld(answer, [Reason(code="few", sentence="few")], concept=scores.concept)


def test_a_rule_of_ones_own_decides() -> None:
    assert isinstance(FewSlices(), PresenceRule)
    assert [one.found.presence.state for one in segmented(None, rule=FewSlices()).findings] == ["seen", "seen"]
    pipeline = replace(bright_pipeline(SETTINGS), rule=FewSlices())
    (finding,) = pipeline.segment(volume([0, 250.0]), [BRIGHT], view=VIEW).findings
    assert [one.code for one in finding.found.presence.reasons] == ["few"]

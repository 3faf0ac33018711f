"""What is unlike the calibration: far embeddings, far grey levels, doubts that no study there met."""

import numpy as np
import pytest

from calibration.studies import KEY, WIDTH, studies, study
from medkt.calibration import calibrate, fit_novelty
from medkt.errors import InputError


def test_like_studies_are_rarely_flagged() -> None:
    """Two distances at 2 % each; 400 studies have a standard error of 1 %."""
    known = fit_novelty(studies(300))
    assert known is not None
    flagged = [bool(known.unlike(one, claim="absent")) for one in studies(400, seed=1)]
    assert np.mean(flagged) <= 0.04 + 0.02


def test_the_promised_rate_is_what_half_of_the_studies_can_promise() -> None:
    known = fit_novelty(studies(40))
    assert known is not None
    assert known.normals.rate == pytest.approx(0.0477, abs=1e-3)  # 20 of them are judged
    assert fit_novelty(studies(19)) is None


def test_a_far_embedding_says_nothing_against_present_where_findings_are_unknown() -> None:
    known = fit_novelty(studies(100))
    assert known is not None
    (far,) = studies(1, seed=2, at=40.0)
    assert known.unlike(far, claim="present") == ()
    (reason,) = known.unlike(far, claim="absent")
    assert "deviations from the normals of the calibration" in reason


def test_with_findings_known_a_study_is_unlike_where_it_is_far_from_both_kinds() -> None:
    known = fit_novelty(studies(100), studies(60, seed=3, at=40.0))
    assert known is not None
    for at, unlike in ((0.0, 0), (40.0, 0), (20.0, 1), (80.0, 1)):
        (one,) = studies(1, seed=4, at=at)
        for claim in ("present", "absent"):
            assert len(known.unlike(one, claim=claim)) == unlike, at


def test_far_grey_levels_are_flagged_whatever_would_be_said() -> None:
    known = fit_novelty(studies(100))
    assert known is not None
    odd = study(0.0, grey_levels=np.full(6, 9.0))
    for claim in ("present", "absent"):
        assert any("grey levels or shape" in reason for reason in known.unlike(odd, claim=claim))


def test_where_all_studies_are_equal_a_little_is_allowed() -> None:
    known = fit_novelty([study(float(k)) for k in range(30)])
    assert known is not None
    assert known.unlike(study(0.0, grey_levels=np.full(6, 1e-6)), claim="absent") == ()
    assert known.unlike(study(0.0, grey_levels=np.full(6, 0.5)), claim="absent")


def test_a_doubt_counts_where_the_calibration_did_not_meet_it() -> None:
    met = "values down to -12: it was normalised"
    known = fit_novelty(studies(100, doubts=(met,)))
    assert known is not None
    assert known.unlike(study(0.0, doubts=("values down to -7.5: it was normalised",)), claim="present") == ()
    assert known.unlike(study(0.0, doubts=("no air in it",)), claim="present") == ("no air in it",)
    assert "normalised" not in str(known)  # digests only: a sentence may quote a file


def test_judging_turns_a_claim_into_none() -> None:
    rule = calibrate(KEY, studies(100))
    like, odd = study(9.0), study(9.0, grey_levels=np.full(6, 9.0))
    assert rule.judge(like).outcome == "present"
    judged = rule.judge(odd)
    assert (judged.outcome, len(judged.unlike)) == ("abstain", 1)
    assert "no claim, for the study is unlike" in judged.reason


def test_another_model_has_another_width() -> None:
    known = fit_novelty(studies(30))
    assert known is not None
    with pytest.raises(InputError, match=f"expected {WIDTH} numbers of a study, got 5"):
        known.normals.distance(np.zeros(5))

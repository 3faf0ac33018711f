"""Numbers of a calibration against other routes to them, and the picture."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from calibration.studies import KEY, studies, study
from medkt.calibration import assess, calibrate
from medkt.calibration.assessment import held_out
from medkt.calibration.figure import draw_calibration


def scores_of(some: tuple[object, ...]) -> np.ndarray:
    return np.array([one.score for one in some], np.float64)  # type: ignore[attr-defined]


def test_halves_keep_the_promise_on_average() -> None:
    found = held_out(np.random.default_rng(2).normal(size=400), 0.1)
    assert found is not None
    assert found.mean == pytest.approx(0.1, abs=0.02)
    assert found.low < 0.1 < found.high
    assert held_out(np.arange(30.0), 0.05) is None  # 15 cannot promise 0.05


def test_a_whole_assessment_and_a_second_sample() -> None:
    normals, findings = studies(120), studies(60, seed=1, score=3.0)
    rule = calibrate(KEY, normals, findings)
    found = assess(
        rule, normals, findings, check_normals=studies(200, seed=2), check_findings=studies(100, seed=3, score=3.0)
    )
    assert found.auc is not None
    assert found.auc.estimate == pytest.approx(0.983, abs=0.02)  # Phi(3 / sqrt 2)
    assert found.sensitivity is not None
    assert found.sensitivity.estimate == pytest.approx(np.mean(scores_of(findings) > rule.present_above))
    assert found.probabilities is not None
    assert found.probabilities.numbers["ece"] < 0.06
    assert found.risk_coverage is not None
    assert found.risk_coverage.area < 0.02
    assert found.check is not None
    assert found.check["normal"].present.estimate <= 0.1
    assert found.check["finding"].absent.estimate <= 0.12
    for shares in found.check.values():
        assert shares.present.estimate + shares.absent.estimate + shares.abstain.estimate == pytest.approx(1)


def test_normals_alone_have_no_auc() -> None:
    normals = studies(60)
    found = assess(calibrate(KEY, normals), normals)
    assert (found.auc, found.sensitivity, found.probabilities, found.risk_coverage, found.check) == (None,) * 5
    assert found.held_out is not None


@pytest.mark.parametrize("labelled", [False, True])
def test_the_picture(labelled: bool) -> None:
    normals = tuple(study(score) for score in np.random.default_rng(0).beta(0.3, 4, 40))
    findings = tuple(study(score) for score in np.random.default_rng(1).beta(4, 1, 30)) if labelled else ()
    rule = calibrate(KEY, normals, findings)
    drawn = draw_calibration(
        rule, assess(rule, normals, findings), normals=scores_of(normals), findings=scores_of(findings)
    )
    width, height = Picture.open(BytesIO(drawn)).size
    assert (width > 2 * height) is labelled

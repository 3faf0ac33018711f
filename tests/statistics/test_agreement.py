import numpy as np
import pytest
from row_wise import CaseRow, CaseTable, bland_altman_of_volumes

from medkt.errors import InputError
from medkt.statistics import BootstrapSettings, bland_altman

QUICK = BootstrapSettings(resamples=500)


def _patients(count: int) -> np.ndarray:
    return np.arange(count).astype(str)


def test_by_hand() -> None:
    reference, prediction = np.array([10.0, 20, 30, 40]), np.array([12.0, 19, 33, 44])
    found = bland_altman(reference=reference, prediction=prediction, patients=_patients(4), settings=QUICK)
    spread = np.std([2, -1, 3, 4], ddof=1)
    assert found.means.tolist() == [11, 19.5, 31.5, 42]
    assert found.bias.estimate == pytest.approx(2)
    assert found.lower.estimate == pytest.approx(2 - 1.959964 * spread)
    assert found.upper.estimate == pytest.approx(2 + 1.959964 * spread)
    assert found.trend == pytest.approx(0.8)
    assert found.lower.low < found.lower.estimate < found.lower.high


def test_limits_hold_95_per_cent_of_normal_differences() -> None:
    random = np.random.default_rng(0)
    reference = random.uniform(5, 50, 600)
    prediction = reference + random.normal(1, 2, 600)
    found = bland_altman(reference=reference, prediction=prediction, patients=_patients(600), settings=QUICK)
    inside = (found.differences > found.lower.estimate) & (found.differences < found.upper.estimate)
    assert inside.mean() == pytest.approx(0.95, abs=0.02)
    assert abs(found.trend) < 0.1


def test_missing_volumes_are_counted_and_nothing_to_compare_is_no_error() -> None:
    rows = [
        CaseRow(case_id="1", numbers={"volume_reference_ml": 3.0, "volume_prediction_ml": 4.0}),
        CaseRow(case_id="2", status="failed"),
    ]
    found = bland_altman_of_volumes(CaseTable.of(rows), QUICK)
    assert (found.cases, found.left_out, found.bias.estimate) == (1, 1, 1)
    assert np.isnan(found.trend)
    none = bland_altman(reference=np.full(2, np.nan), prediction=np.ones(2), patients=_patients(2), settings=QUICK)
    assert (none.cases, none.bias.note) == (0, "no value")


def test_guards() -> None:
    with pytest.raises(InputError, match="got 2 references, 3 predictions and 2 patients"):
        bland_altman(reference=np.ones(2), prediction=np.ones(3), patients=_patients(2))
    with pytest.raises(InputError, match="no case has the metric 'volume_reference_ml'"):
        bland_altman_of_volumes(CaseTable.of([CaseRow(case_id="1", numbers={"dsc": 1.0})]))

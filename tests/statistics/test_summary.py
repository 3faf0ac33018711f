import numpy as np
import pytest
from row_wise import NOT_STATED, CaseRow, CaseTable, count, summarise, summarise_by

from medkt.errors import InputError
from medkt.statistics import BootstrapSettings

QUICK = BootstrapSettings(resamples=200)
NAN = float("nan")


def _row(name: str, value: float, outcome: str = "normal", **more: object) -> CaseRow:
    return CaseRow(case_id=name, numbers={"dsc": float(value)}, outcome=outcome, **more)  # type: ignore[arg-type]


TABLE = CaseTable.of([
    _row("1", 0.9, patient_id="a", groups={"sex": "F"}),
    _row("2", 0.7, patient_id="a", groups={"sex": "F"}),
    _row("3", 0.5, patient_id="b", groups={"sex": "M"}),
    _row("4", 0.0, "prediction empty"),
    _row("5", 0.0, "reference empty", groups={"sex": "M"}),
    _row("6", NAN, "both empty", missing={"dsc": "both masks are empty"}, groups={"sex": ""}),
    CaseRow(case_id="7", status="missing"),
    CaseRow(case_id="8", status="failed"),
])  # fmt: skip


def test_a_mean_says_of_how_many_cases_it_speaks() -> None:
    found = summarise(TABLE, "dsc", QUICK)
    assert found.mean.estimate == pytest.approx(2.1 / 5)
    assert found.median.estimate == pytest.approx(0.5)
    assert found.quartiles == pytest.approx((0, 0.7))
    counts = found.counts
    assert (counts.cases, counts.used, counts.patients) == (8, 5, 4)
    assert (counts.no_number, counts.missing, counts.failed) == (1, 1, 1)
    assert (counts.both_empty, counts.reference_empty, counts.prediction_empty) == (1, 1, 1)
    assert counts.why == {"both masks are empty": 1}
    assert counts.cases == counts.used + counts.no_number + counts.missing + counts.failed


def test_positives_and_negatives_apart() -> None:
    assert [row.case_id for row in TABLE.positives.rows] == ["1", "2", "3", "4", "7", "8"]
    assert [row.case_id for row in TABLE.negatives.rows] == ["5", "6", "7", "8"]


def test_subgroups() -> None:
    found = summarise_by(TABLE, "dsc", "sex", QUICK)
    assert list(found) == [NOT_STATED, "F", "M"]
    assert found["F"].mean.estimate == pytest.approx(0.8)
    assert found["F"].mean.note == "one patient: no interval"
    assert found["M"].counts.used == 2
    assert found[NOT_STATED].counts.cases == 4
    with pytest.raises(InputError, match="no case has a group 'site'; the table has: sex"):
        summarise_by(TABLE, "dsc", "site")


def test_infinite_distances_are_counted_and_the_median_stays() -> None:
    table = CaseTable.of(_row(str(k), value) for k, value in enumerate([1.0, 2, 3, np.inf]))
    found = summarise(table, "dsc", QUICK)
    assert (found.counts.infinite, found.mean.estimate, found.median.estimate) == (1, np.inf, 2.5)
    assert found.quartiles == (2, np.inf)
    assert np.isnan(found.sd)


def test_nothing_with_a_number() -> None:
    table = CaseTable.of([_row("1", NAN, "both empty")])
    found = summarise(table, "dsc")
    assert np.isnan([found.mean.estimate, found.sd, *found.quartiles]).all()
    assert count(table, "dsc").why == {"no number was computed": 1}


def test_a_case_id_twice_and_an_unknown_metric_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 case ids stand twice in a table \(1\)"):
        CaseTable.of([_row("1", 0.5), _row("1", 0.6)])
    with pytest.raises(InputError, match="no case has the metric 'nsd@2mm'; the table has: dsc"):
        summarise(TABLE, "nsd@2mm")


def test_a_row_of_a_case_result() -> None:
    class Result:
        case_id, outcome = "7", "reference empty"
        numbers, missing = {"dsc": 0.0}, dict[str, str]()

    row = CaseRow.of(Result(), patient_id="p", groups={"sex": "F"})
    assert (row.case_id, row.patient, row.value("dsc"), row.groups["sex"]) == ("7", "p", 0, "F")
    assert CaseRow(case_id="7").patient == "case:7"

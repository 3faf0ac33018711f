"""Two runs pair by pair, against rows met by case id; ours beside published values."""

from pathlib import Path

import numpy as np
import pytest
from row_wise import CaseRow, CaseTable, compare
from run_tables import make_outcomes, row, write_run

from medkt.datasets.protocol import load_protocol
from medkt.errors import InputError
from medkt.statistics import BootstrapSettings
from medkt.tasks.masks.comparison import compare_runs
from medkt.tasks.masks.evaluation import evaluate_scores
from medkt.tasks.masks.published import beside_published, protocol_lines
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.words_compared import COMPARED_HEAD, compared_row

FEW = BootstrapSettings(resamples=200)


def _run(path: Path, shift: float, concepts: tuple[str, ...] = ("cyst", "nodule"), count: int = 12) -> Path:
    random = np.random.default_rng(5)
    numbers = random.uniform(0.2, 0.6, count)
    moved = numbers + shift * random.uniform(0, 2, count)
    rows = [row(concepts[n % len(concepts)], dsc=round(float(moved[n]), 6)) for n in range(count)]
    return write_run(path, make_outcomes(rows, patients=9)) / "results.parquet"


def test_the_comparison_is_that_of_the_case_tables(tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", 0.0), _run(tmp_path / "b", 0.1)
    found = compare_runs(first, second, settings=FEW)
    tables = []
    for path in (first, second):
        scores = read_scores(path)
        rows = [
            CaseRow(
                case_id=str(n), patient_id=scores.patient.words[scores.patient.codes[n]],
                numbers={"dsc": float(scores.numbers["dsc"][n])},
            )
            for n in np.flatnonzero(scores.concept.are("cyst")).tolist()
        ]  # fmt: skip
        tables.append(CaseTable.of(rows))
    wanted = compare(first=tables[0], second=tables[1], metric="dsc", settings=FEW)
    line = next(one for one in found.lines if (one.concept, one.part) == ("cyst", "all"))
    assert line.comparison.cases == wanted.cases == 6
    assert line.comparison.mean.estimate == pytest.approx(wanted.mean.estimate)
    assert line.comparison.shift == wanted.shift
    assert line.comparison.wilcoxon_p == wanted.wilcoxon_p
    assert line.comparison.permutation == wanted.permutation
    assert wanted.mean.estimate > 0
    assert line.holm_wilcoxon >= line.comparison.wilcoxon_p
    assert len(compared_row(line)) == len(COMPARED_HEAD)


def test_holm_is_over_the_concepts_of_one_metric(tmp_path: Path) -> None:
    found = compare_runs(_run(tmp_path / "a", 0.0), _run(tmp_path / "b", 0.1), settings=FEW)
    of_all = [line for line in found.lines if line.part == "all"]
    smallest = min(of_all, key=lambda line: line.comparison.permutation.p_value)
    assert len(of_all) == 2
    assert smallest.holm_permutation == pytest.approx(2 * smallest.comparison.permutation.p_value)


def test_other_cases_other_patients_and_other_numbers_are_refused(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", 0.0)
    more = _run(tmp_path / "b", 0.0, count=14)
    with pytest.raises(InputError, match=r"2 stand in one only: case-012 cyst \(second only\), .*--salt FIRST/salt"):
        compare_runs(first, more)
    with pytest.raises(InputError, match=r"has no table results\.parquet"):
        compare_runs(first, tmp_path / "results.parquet")
    outcomes = make_outcomes([row(dsc=0.5)] * 12, patients=9)
    one = write_run(tmp_path / "c", outcomes) / "results.parquet"
    moved = write_run(tmp_path / "d", make_outcomes([row(dsc=0.5)] * 12, patients=5)) / "results.parquet"
    with pytest.raises(InputError, match="cases belong to other patients in the second run"):
        compare_runs(one, moved)
    other = write_run(tmp_path / "e", make_outcomes([row(iou=0.5)] * 12, patients=9)) / "results.parquet"
    with pytest.raises(InputError, match="no number in common"):
        compare_runs(one, other)


def test_ours_stand_beside_the_published_values(tmp_path: Path) -> None:
    """The slab's NSD stands beside what is published, the boundary's never."""
    names = {"dsc": 0.5, "nsd@2px": 0.2, "nsd_slab@2px": 0.6}
    run = write_run(tmp_path / "a", make_outcomes([row(**names), row(**{**names, "dsc": 0.7})])) / "results.parquet"
    evaluation = evaluate_scores(read_scores(run), FEW)
    protocol = load_protocol("udiat")
    rows = beside_published(protocol, {"base": evaluation, "kt": evaluation})
    values = {(one.metric, one.arm): one.published and one.published.value for one in rows}
    assert values == {
        ("dsc", "base"): 56.25, ("dsc", "kt"): 58.23, ("nsd@2px", "base"): None, ("nsd@2px", "kt"): None,
        ("nsd_slab@2px", "base"): 59.44, ("nsd_slab@2px", "kt"): 61.56,
    }  # fmt: skip
    assert rows[0].ours.estimate == pytest.approx(60.0)
    said = "\n".join(protocol_lines(protocol, {"base": evaluation}, label_tuned=True))
    assert "our settings: tuned on labels of such data" in said
    assert "unclear: the paper counts 110 benign" in said
    assert "label-tuned in the publication: the learning rate" in said

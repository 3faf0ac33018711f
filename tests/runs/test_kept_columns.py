"""Columns of the manifest have names of their own in the tables, and tables of earlier versions are still read."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import read_metadata, read_table, write_table

from medkt.errors import InputError, SettingsError
from medkt.runs.failures import Failure
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.merge import merge_runs
from medkt.runs.outcomes import Outcome, failure
from medkt.runs.query import query
from medkt.runs.tables import write_tables
from medkt.tasks.manifest import plan_of
from medkt.tasks.masks.comparison import require_same_cases
from medkt.tasks.masks.scores import read_scores

KEPT = ("dsc", "status", "case", "case_id", "failure", "concept", "unit", "kept_dsc", "sex")
MANIFEST = """case_id,image,patient_id,dsc,status,case,failure,unit,kept_dsc,sex
a-1,one.nii,p1,0.97,inpatient,7,none,Doe,0.5,F
a-2,one.nii,p2,0.96,outpatient,8,,Roe,0.4,M
"""


def _run(path: Path, columns: tuple[str, ...]) -> RunFolder:
    """Two cases, the first with a DSC of 0.25, the second failed."""
    path.mkdir()
    (path / "one.nii").touch()
    (path / "cases.csv").write_text(MANIFEST)
    folder = RunFolder(path / "run")
    folder.make()
    plan = plan_of(path / "cases.csv", concepts=str, asked=["cyst"], keep_ids=True, columns=columns)
    folder.claim({"manifest": plan.digest, "shard": "1/1", "columns": list(plan.columns)})
    first, second = plan.works(b"salt", {1: (0, 0), 2: (0, 0)})
    done = Outcome(
        key=first.key, number=1, round=0, state="done",
        rows=[{**first.columns, "concept": "cyst", "outcome": "normal", "dsc": 0.25, "present": True}],
    )  # fmt: skip
    failed = failure(second, Failure(kind="geometry", code="slices-missing", numbers={"missing": 3}))
    with Ledger(folder.ledger) as ledger:
        ledger.add(plan.names(b"salt"))
        ledger.record([done, failed], {})
        write_tables(folder, ledger)
    return folder


def test_no_column_of_the_manifest_takes_the_place_of_a_result(tmp_path: Path) -> None:
    columns = tuple(name for name in KEPT if name not in ("case_id", "concept"))
    folder = _run(tmp_path / "kept", columns)
    table = read_table(folder.table("results"))
    assert table["case_id"].to_pylist() == ["a-1", "a-2"]
    assert table["status"].to_pylist() == ["done", "failed"]
    assert table["failure"].to_pylist() == [None, "geometry"]
    assert table["dsc"].to_pylist() == [0.25, None]
    assert table["patient"].to_pylist() == ["p1", "p2"]
    assert table["kept_dsc"].to_pylist() == ["0.97", "0.96"]
    assert table["kept_kept_dsc"].to_pylist() == ["0.5", "0.4"]
    assert table["kept_status"].to_pylist() == ["inpatient", "outpatient"]
    assert table["kept_case"].to_pylist() == ["7", "8"]
    scores = read_scores(folder.table("results"), by=("status", "dsc"))
    assert [scores.groups["status"].words[code] for code in scores.groups["status"].codes] == [
        "inpatient",
        "outpatient",
    ]
    assert str(scores.numbers["dsc"].tolist()) == "[0.25, nan]"
    assert scores.status.are("failed").tolist() == [False, True]
    plain = _run(tmp_path / "plain", ())  # and the results are those of a run that keeps nothing
    results = [name for name in table.column_names if not name.startswith("kept_")]
    assert table.select(results).to_pylist() == read_table(plain.table("results")).to_pylist()


@pytest.mark.parametrize("pair", [("site", "SITE"), ("Größe", "GRÖSSE"), ("sex", "Sex")])
def test_columns_that_sql_takes_for_one_are_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    """Before, a query gave the values of one of them under both names; a table that has them is refused there."""
    path = tmp_path / "cases.csv"
    path.write_text(f"case_id,image,{pair[0]},{pair[1]}\na,one.nii,1,2\n")
    (tmp_path / "one.nii").touch()
    assert plan_of(path, concepts=str, asked=["cyst"], columns=pair[:1]).columns == pair[:1]
    with pytest.raises(SettingsError, match="differ in upper and lower case only, which SQL takes for one"):
        plan_of(path, concepts=str, asked=["cyst"], columns=pair)
    folder = _run(tmp_path / "kept", ())
    table = read_table(folder.table("results"))
    for name in pair:
        table = table.append_column(f"kept_{name}", pa.array([name, name]))
    write_table(table, folder.table("results"))
    with pytest.raises(InputError, match=r"SQL takes the columns .* for one"):
        query([folder.path], "SELECT * FROM results")


def test_the_columns_need_no_quotes_in_sql(tmp_path: Path) -> None:
    folder = _run(tmp_path / "kept", ("status", "case"))
    answer = query([folder.path], "SELECT case_id, kept_case, kept_status, status FROM results ORDER BY case_id")
    assert list(answer.rows) == [("a-1", "7", "inpatient", "done"), ("a-2", "8", "outpatient", "failed")]


def test_the_schema_is_said(tmp_path: Path) -> None:
    folder = _run(tmp_path / "kept", ("sex",))
    assert folder.read().schema == 2
    for name in ("results", "failures", "timings"):
        assert read_metadata(folder.table(name)).metadata[b"medkt_schema"] == b"2"


def _old_run(path: Path) -> Path:
    """A run as the first schema wrote it: the failed case has the manifest's DSC in the place of a result."""
    path.mkdir()
    rows = {
        "case": ["a-1", "a-2"], "patient": ["p1", "p2"], "concept": ["cyst", "cyst"], "status": ["done", "failed"],
        "failure": [None, "geometry"], "present": [True, None], "dsc": [0.25, 0.97], "outcome": ["normal", None],
        "sex": ["F", "M"],
    }  # fmt: skip
    write_table(pa.table(rows), path / "results.parquet")
    failures = {"case": ["a-2"], "failure": ["geometry"], "message": ["3 slices"], "number": [2]}
    write_table(pa.table(failures), path / "failures.parquet")
    write_table(pa.table({"case": ["a-1", "a-2"], "total_s": [1.0, 2.0]}), path / "timings.parquet")
    record = {"identity": {"manifest": "m", "shard": "1/1", "columns": ["dsc", "sex"]}, "models": None}
    (path / "run.json").write_text(json.dumps(record))
    return path


def test_a_run_of_the_first_schema_is_read(tmp_path: Path) -> None:
    old = _old_run(tmp_path / "old")
    scores = read_scores(old / "results.parquet", by=("sex",))
    assert scores.groups["sex"].words == ("F", "M")
    assert str(scores.numbers["dsc"].tolist()) == "[0.25, nan]"  # a failed case has no number, whatever stands there
    asked = "SELECT case_id, kept_sex, total_s FROM results JOIN timings USING (case_id) ORDER BY 1"
    assert list(query([old], asked).rows) == [("a-1", "F", 1.0), ("a-2", "M", 2.0)]
    new = _run(tmp_path / "new", ("sex",))
    both = query([old, new.path], "SELECT kept_sex, count(*) FROM results GROUP BY 1 ORDER BY 1")
    assert list(both.rows) == [("F", 2), ("M", 2)]
    require_same_cases(old / "results.parquet", new.table("results"))


def test_a_run_of_the_first_schema_is_not_gone_on_with(tmp_path: Path) -> None:
    old = _old_run(tmp_path / "old")
    with pytest.raises(SettingsError, match="is a run of another version of medkt, whose tables have other columns"):
        RunFolder(old).claim({"manifest": "m", "shard": "1/1", "columns": ["dsc", "sex"]})
    with pytest.raises(SettingsError, match="is a run of another version of medkt"):
        merge_runs([old], tmp_path / "whole")


def test_cases_of_one_run_only_are_told_across_schemas(tmp_path: Path) -> None:
    old, new = _old_run(tmp_path / "old"), _run(tmp_path / "new", ("sex",))
    table = read_table(new.table("results")).slice(1)
    write_table(table, new.table("results"))
    with pytest.raises(InputError, match=r"1 stand in one only: a-1 cyst \(first only\)"):
        require_same_cases(old / "results.parquet", new.table("results"))

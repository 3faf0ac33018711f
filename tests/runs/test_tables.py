"""Tables, questions to them, shards joined: equal whatever way the outcomes came in."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
from pyarrow.parquet import read_table

from medkt.errors import InputError, OutputError, SettingsError
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.merge import merge_runs, shard_folder, shards_below
from medkt.runs.outcomes import Outcome
from medkt.runs.query import lines_of, query
from medkt.runs.tables import write_tables
from medkt.runs.work import Row, Shard

from .runs import tables_of


def _outcome(number: int) -> Outcome:
    rows: list[Row] = [
        {
            "concept": "nodule",
            "present": number % 2 == 0,
            "dsc": 1 if number == 4 else number / 10,
            "site": f"s{number % 3}",
        },
        {"concept": "cyst", "present": None, "dsc": None, "voxels": number},
    ]
    if number % 5 == 0:
        return Outcome(
            key=f"case-{number:02}", number=number, round=0, state="failed", kind="timeout", code="slices-missing",
            numbers={"missing": 3},
            rows=[{"concept": "cyst"}, {"concept": "nodule"}],
        )  # fmt: skip
    return Outcome(
        key=f"case-{number:02}", number=number, round=0, state="done", rows=rows, seconds={"read": 0.25, "compute": 1.0}
    )


def _make(path: Path, numbers: list[int], *, shard: str = "1/1", salt: bytes = b"s" * 16, left: int = 0) -> RunFolder:
    folder = RunFolder(path)
    folder.make()
    folder.claim({"manifest": "m", "shard": shard})
    folder.claim_models({"encoder": "e"})
    (path / "salt").write_text(salt.hex())
    with Ledger(folder.ledger) as ledger:
        ledger.add([(n, f"case-{n:02}") for n in [*numbers, *range(100, 100 + left)]])
        ledger.record([_outcome(n) for n in numbers], {})
        write_tables(folder, ledger)
    for number in numbers:
        (folder.cases / f"case-{number:02}").mkdir(exist_ok=True)
        (folder.cases / f"case-{number:02}" / "result.json").write_text(str(number))
    return folder


def test_tables_are_sorted_and_typed(tmp_path: Path) -> None:
    folder = _make(tmp_path / "run", [7, 4, 5, 2])
    table = read_table(folder.table("results"))
    assert table.column_names == ["case_id", "concept", "status", "failure", "present", "dsc", "site", "voxels"]
    pairs = list(zip(table["case_id"].to_pylist(), table["concept"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(pairs) == 8
    assert table.schema.field("dsc").type == pa.float64()  # 1 and 0.7 are of one column
    assert table.schema.field("voxels").type == pa.int64()
    assert table["failure"].null_count == 6
    (failure,) = read_table(folder.table("failures")).to_pylist()
    assert failure == {
        "case_id": "case-05", "failure": "timeout", "code": "slices-missing", "message": "3 slices are missing", "number": 5,
    }  # fmt: skip
    assert read_table(folder.table("timings"))["total_s"].to_pylist() == [1.25, 1.25, 0.0, 1.25]
    assert (folder.path / "failures.csv").read_text().count("\n") == 2


def test_the_order_of_arrival_does_not_show(tmp_path: Path) -> None:
    numbers = list(range(1, 12))
    first, second = _make(tmp_path / "a", numbers), _make(tmp_path / "b", numbers[::-1])
    assert tables_of(first) == tables_of(second)


def _shards(tmp_path: Path, **options: object) -> list[Path]:
    parts = {1: [1, 4, 7, 10], 2: [2, 5, 8], 3: [3, 6, 9]}
    for index, numbers in parts.items():
        shard = Shard(index=index, count=3)
        _make(shard_folder(tmp_path / "run", shard), numbers, shard=str(shard), **options)  # type: ignore[arg-type]
    return list(shards_below(tmp_path / "run"))


def test_shards_merged_are_the_single_run(tmp_path: Path) -> None:
    single = _make(tmp_path / "single", list(range(1, 11)))
    parts = _shards(tmp_path)
    assert len(parts) == 3
    summary = merge_runs(parts, tmp_path / "run")
    merged = RunFolder(tmp_path / "run")
    assert summary.states == {"pending": 0, "running": 0, "done": 8, "failed": 2}
    assert tables_of(merged) == tables_of(single)
    assert merged.read().identity == single.read().identity
    for number in range(1, 11):
        assert (merged.cases / f"case-{number:02}" / "result.json").read_text() == str(number)
    merge_runs(parts, tmp_path / "run")  # again, in its place
    assert tables_of(merged) == tables_of(single)


@pytest.mark.parametrize("empty", [1, 2, 3])
def test_a_shard_without_a_case_is_merged_too(tmp_path: Path, empty: int) -> None:
    """It has loaded no model; two that have loaded different ones are no parts of one run."""
    for index in (1, 2, 3):
        made = _make(
            shard_folder(tmp_path / "run", Shard(index=index, count=3)),
            [] if index == empty else [index],
            shard=f"{index}/3",
        )
        if index == empty:
            made.write_record(replace(made.read(), models=None))
    parts = shards_below(tmp_path / "run")
    assert merge_runs(parts, tmp_path / "run").total == 2
    assert RunFolder(tmp_path / "run").read().models == {"encoder": "e"}
    other = next(one for one in map(RunFolder, reversed(parts)) if one.read().models)
    other.write_record(replace(other.read(), models={"encoder": "other"}))
    with pytest.raises(SettingsError, match="encoder: "):
        merge_runs(parts, tmp_path / "run")


def test_what_does_not_belong_together_is_not_merged(tmp_path: Path) -> None:
    parts = _shards(tmp_path)
    with pytest.raises(InputError, match="shard 2 of 3 is missing"):
        merge_runs([parts[0], parts[2]], tmp_path / "two")
    with pytest.raises(SettingsError, match="are no parts of one whole; give each once"):
        merge_runs([parts[0], parts[0]], tmp_path / "two")
    with pytest.raises(InputError, match="there is no shard to merge"):
        merge_runs([], tmp_path / "two")
    with pytest.raises(OutputError, match="holds a run that is no merger of shards"):
        merge_runs(parts, parts[0])
    (parts[1] / "salt").write_text((b"t" * 16).hex())
    with pytest.raises(SettingsError, match="the shards have several salts"):
        merge_runs(parts, tmp_path / "salts")
    record = RunFolder(parts[1]).read()
    RunFolder(parts[1]).write_record(replace(record, identity={**record.identity, "manifest": "other"}))
    with pytest.raises(SettingsError, match='manifest: "m" in the run, "other" now'):
        merge_runs(parts, tmp_path / "two")


def test_unfinished_shards_are_merged_only_when_asked(tmp_path: Path) -> None:
    shard = Shard(index=1, count=2)
    _make(shard_folder(tmp_path / "run", shard), [1, 2], shard=str(shard), left=3)
    with pytest.raises(InputError, match="shard 2 of 2 is missing"):
        merge_runs(shards_below(tmp_path / "run"), tmp_path / "run")
    summary = merge_runs(shards_below(tmp_path / "run"), tmp_path / "run", partial=True)
    assert summary.states["pending"] == 3


def test_cases_that_have_not_ended_are_said(tmp_path: Path) -> None:
    _make(tmp_path / "run", [1, 2], left=3)
    with pytest.raises(InputError, match="3 cases have not ended; run it again, or say --partial"):
        merge_runs([tmp_path / "run"], tmp_path / "out")


def test_a_question_in_sql(tmp_path: Path) -> None:
    one, two = _make(tmp_path / "one", [1, 2, 5]), _make(tmp_path / "it's two", [3])
    answer = query([one.path], "SELECT concept, count(*) AS n, avg(dsc) AS mean FROM results GROUP BY 1 ORDER BY 1")
    assert answer.columns == ("concept", "n", "mean")
    assert list(answer.rows) == [("cyst", 3, None), ("nodule", 3, pytest.approx(0.15))]
    both = query([one.path, two.path], "SELECT run, count(*) FROM results GROUP BY 1 ORDER BY 1")
    assert list(both.rows) == [("it's two", 2), ("one", 6)]
    assert list(lines_of(answer, "csv")) == ["concept,n,mean", "cyst,3,", "nodule,3,0.15"]
    assert json.loads(next(iter(lines_of(answer, "json")))) == {"concept": "cyst", "n": 3, "mean": None}
    assert next(iter(lines_of(answer, "table"))) == "concept  n  mean"
    assert list(lines_of(query([one.path], "SELECT message FROM failures"), "csv")) == [
        "message",
        "3 slices are missing",
    ]
    quoted = query([one.path], """SELECT 'it, "took" long' AS words""")
    assert list(lines_of(quoted, "csv")) == ["words", '"it, ""took"" long"']


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DROP VIEW results", "a query is one SELECT"),
        ("SELECT 1; SELECT 2", "a query is one SELECT"),
        ("SET enable_external_access = true", "a query is one SELECT"),
        ("COPY results TO 'x.csv'", "a query is one SELECT"),
        ("INSTALL httpfs", "a query is one SELECT"),
        ("SELEC 1", "no SQL that DuckDB reads"),
        ("SELECT nothing FROM results", "cannot be answered: .*nothing"),
        ("SELECT * FROM read_csv('/etc/passwd')", "cannot be answered: Permission"),
        ("SELECT * FROM read_text('{run}/run.json')", "cannot be answered: Permission"),
        ("SELECT * FROM 'https://example.org/x.parquet'", "cannot be answered"),
    ],
)
def test_a_question_reads_the_tables_and_nothing_else(tmp_path: Path, sql: str, says: str) -> None:
    folder = _make(tmp_path / "run", [1])
    with pytest.raises(SettingsError, match=says):
        query([folder.path], sql.format(run=folder.path))


def test_a_run_without_tables_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no table results.parquet; it is no run of `medkt batch`, or not ended"):
        query([tmp_path], "SELECT 1")


def test_no_cell_of_a_csv_runs_as_a_formula(tmp_path: Path) -> None:
    """Kept columns hold what a manifest holds; the CSV is for people and their spreadsheets, Parquet keeps the words."""
    cells = ["=1+1", "+cmd", "-2.5", "@sum(a1)", "F", "-x"]
    folder = RunFolder(tmp_path / "run")
    folder.make()
    with Ledger(folder.ledger) as ledger:
        ledger.add([(n, f"case-{n}") for n in range(1, 7)])
        rows = [{"concept": "cyst", "dsc": -0.5, "site": cell} for cell in cells]
        done = [
            Outcome(key=f"case-{n}", number=n, round=0, state="done", rows=[one]) for n, one in enumerate(rows, start=1)
        ]
        ledger.record(done, {})
        write_tables(folder, ledger)
    assert read_table(folder.table("results"))["site"].to_pylist() == cells
    written = pa.csv.read_csv(folder.table("results", "csv")).to_pydict()
    assert written["site"] == ["'=1+1", "'+cmd", "-2.5", "'@sum(a1)", "F", "'-x"]
    assert written["dsc"] == [-0.5] * 6

"""`medkt query`: what it writes, and what it refuses."""

from pathlib import Path

import pytest
from runs.test_tables import _make
from whole_line import Command

from medkt.cli.main import COMMANDS

COMMANDS.setdefault("query", ("medkt.cli.query", "questions to the tables of runs"))


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        ("table", ["concept  n", "-------  -", "cyst     2", "nodule   2"]),
        ("csv", ["concept,n", "cyst,2", "nodule,2"]),
        ("json", ['{"concept": "cyst", "n": 2}', '{"concept": "nodule", "n": 2}']),
    ],
)
def test_an_answer(style: str, lines: list[str], tmp_path: Path, medkt: Command) -> None:
    _make(tmp_path / "run", [1, 2])
    sql = "SELECT concept, count(*) AS n FROM results GROUP BY 1 ORDER BY 1"
    said = medkt("query", tmp_path / "run", sql, "--format", style)
    assert (said.code, said.out.splitlines()) == (0, lines)


def test_what_is_refused(tmp_path: Path, medkt: Command) -> None:
    said = medkt("query", "SELECT 1")
    assert (said.code, "give a run and a question" in said.err) == (2, True)
    said = medkt("query", tmp_path, "SELECT 1")
    assert (said.code, "has no table results.parquet" in said.err) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY results TO '{there}'",
        "EXPLAIN ANALYZE COPY results TO '{there}'",
        "explain analyze copy (SELECT 0.97 AS dsc) to '{table}'",
        "/* a */ EXPLAIN -- b\n (ANALYZE, FORMAT json) COPY results TO '{there}'",
        "EXPLAIN ANALYZE CREATE TABLE more AS SELECT 1",
        "EXPLAIN ANALYZE ATTACH '{there}'",
        "EXPLAIN EXPLAIN ANALYZE COPY results TO '{there}'",
        "SELECT 1; COPY results TO '{there}'",
        "ATTACH '{there}'",
        "EXPORT DATABASE '{there}'",
        "SET threads = 1",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('{table}')",
        "SELECT * FROM '{table}'",
        "SELECT * FROM read_parquet('{table}')",
        "SELECT * FROM glob('/*')",
        "WITH x AS (SELECT * FROM read_text('{table}')) SELECT * FROM x",
        "SELECT * FROM statement",
        "",
    ],
)
def test_nothing_is_written_and_no_file_is_read(sql: str, tmp_path: Path, medkt: Command) -> None:
    _make(tmp_path / "run", [1, 2])
    table, there = tmp_path / "run" / "results.parquet", tmp_path / "there"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = medkt("query", tmp_path / "run", sql.format(there=there, table=table))
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("sql", ["EXPLAIN SELECT 1", "explain analyze SELECT count(*) FROM results", "FROM results"])
def test_a_select_and_its_explanation_are_answered(sql: str, tmp_path: Path, medkt: Command) -> None:
    _make(tmp_path / "run", [1, 2])
    assert medkt("query", tmp_path / "run", sql).code == 0


def test_a_damaged_table_is_one_line(tmp_path: Path, medkt: Command) -> None:
    _make(tmp_path / "run", [1, 2])
    (tmp_path / "run" / "results.parquet").write_bytes(b"PAR1 and no more")
    said = medkt("query", tmp_path / "run", "SELECT 1")
    assert (said.code, "results.parquet: is damaged" in said.err) == (2, True)

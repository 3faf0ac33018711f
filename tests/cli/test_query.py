"""`medkt query`: what it writes, and what it refuses."""

from pathlib import Path

import pytest
from cohort.test_tables import _make
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

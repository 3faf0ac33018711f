"""A run whose ledger an earlier version wrote goes on: nothing is done again, nothing is lost, and what only reads leaves it."""

import sqlite3
from pathlib import Path

import pytest

from medkt.cli.main import main
from medkt.errors import UnreadableError
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.integrity import verify_run
from medkt.runs.ledger import VERSION, Ledger

from .fake_studies import FakeFactory
from .inline import Inline
from .runs import SALT, make_cases, make_plan, make_run, steps_in, tables_of

# as medkt 0.1 made it, before a ledger had a version
FIRST = """
CREATE TABLE IF NOT EXISTS cases (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, state TEXT NOT NULL DEFAULT 'pending',
    kind TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_state ON cases (state, kind);
CREATE TABLE IF NOT EXISTS outcomes (number INTEGER PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, end INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
WORDS = ["ok", "missing", "ok", "ok"]


def _go(tmp_path: Path) -> RunFolder:
    folder = make_run(tmp_path / "run")
    cases = make_cases(tmp_path / "images", WORDS)
    run_cohort(folder, make_plan(cases), Inline(FakeFactory(tmp_path / "log"), folder.workers), salt=SALT)
    return folder


def _as_the_first_version_wrote_it(path: Path) -> None:
    """The same rows in its tables."""
    now = sqlite3.connect(path)
    cases = now.execute("SELECT number, key, state, kind, round, tries FROM cases").fetchall()
    outcomes = now.execute("SELECT number, payload FROM cases JOIN outcomes USING (key)").fetchall()
    files = now.execute("SELECT name, end FROM files").fetchall()
    now.close()
    path.unlink()
    first = sqlite3.connect(path)
    first.executescript(FIRST)
    first.executemany("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)", cases)
    first.executemany("INSERT INTO outcomes VALUES (?, ?)", outcomes)
    first.executemany("INSERT INTO files VALUES (?, ?)", files)
    first.commit()
    first.close()


def test_a_run_goes_on_with_its_ledger_taken_over(tmp_path: Path) -> None:
    folder = _go(tmp_path)
    before, done = tables_of(folder), steps_in(tmp_path / "log")
    _as_the_first_version_wrote_it(folder.ledger)
    _go(tmp_path)
    assert steps_in(tmp_path / "log") == done
    assert tables_of(folder) == before
    assert verify_run(folder.path).sound
    database = sqlite3.connect(folder.ledger)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    left = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert left == {"cases", "outcomes", "files", "facts"}
    database.close()


def test_what_was_left_to_do_is_done(tmp_path: Path) -> None:
    folder = _go(tmp_path)
    before = tables_of(folder)
    _as_the_first_version_wrote_it(folder.ledger)
    database = sqlite3.connect(folder.ledger)
    (key,) = database.execute("SELECT key FROM cases WHERE number = 3").fetchone()
    database.execute("UPDATE cases SET state = 'running', round = 1 WHERE number = 3")
    database.execute("DELETE FROM outcomes WHERE number = 3")
    database.commit()
    database.close()
    (tmp_path / "log").unlink()
    _go(tmp_path)
    assert list(steps_in(tmp_path / "log")) == ["PLANTED-ID-2"]
    assert tables_of(folder) == before
    with Ledger(folder.ledger, read_only=True) as ledger:
        assert ledger.counts() == {"pending": 0, "running": 0, "done": 3, "failed": 1}
        assert key in [name for _, name in ledger.names()]


def test_status_verify_and_query_leave_the_file_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _go(tmp_path)
    _as_the_first_version_wrote_it(folder.ledger)
    before = folder.ledger.read_bytes()
    assert main(["batch", "status", str(folder.path)]) == 0
    assert "3 of 4 cases done, 1 failed (1 unreadable)" in capsys.readouterr().out
    assert main(["batch", "verify", str(folder.path)]) == 0
    capsys.readouterr()
    question = "SELECT status, count(*) AS n FROM results GROUP BY 1 ORDER BY 1"
    assert main(["query", str(folder.path), question, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == ["status,n", "done,6", "failed,2"]
    assert folder.ledger.read_bytes() == before


def test_a_ledger_is_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    """What is left of a table by the name of the earlier one is no ground to lose it."""
    folder = _go(tmp_path)
    _as_the_first_version_wrote_it(folder.ledger)
    database = sqlite3.connect(folder.ledger)
    database.execute("CREATE TABLE outcomes_1 (number INTEGER)")
    database.commit()
    database.close()
    with pytest.raises(UnreadableError, match="move it away"):
        Ledger(folder.ledger)
    database = sqlite3.connect(folder.ledger)
    assert database.execute("SELECT count(*) FROM outcomes").fetchone() == (4,)
    assert database.execute("PRAGMA user_version").fetchone() == (0,)
    database.close()
    folder.ledger.unlink()  # the advice: it is made anew from the workers' files
    before = tables_of(folder)
    done = steps_in(tmp_path / "log")
    _go(tmp_path)
    assert (tables_of(folder), steps_in(tmp_path / "log")) == (before, done)

"""Which case stands where: a SQLite file that the coordinator alone writes, and that can be made anew from the outcomes.

States are pending, running, done and failed. How far each worker's file was read stands in the same transaction as what
was read from it, so that a kill at any moment loses nothing and counts nothing twice; and an outcome is taken only for
a case that has none of the same round. WAL keeps the file whole; what the last moments before a power cut did not reach
the disk is read again from the workers' files.
"""

import json
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from medkt.errors import InputError, OutputError, UnreadableError
from medkt.io.scratch import scratch_folder
from medkt.runs.inputs import ABSENT
from medkt.runs.outcomes import Outcome, read_outcomes
from medkt.runs.progress import RunStatus

STATES = ("pending", "running", "done", "failed")
AT_ONCE = 2000  # outcomes of a worker's file in one transaction

VERSION = 4
_TABLES = """
CREATE TABLE IF NOT EXISTS cases (
    key TEXT PRIMARY KEY, number INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending',
    kind TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    inputs TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '', gone TEXT NOT NULL DEFAULT '',
    row TEXT NOT NULL DEFAULT '', silent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_state ON cases (state, kind);
CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, end INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_EARLIER = """
ALTER TABLE cases RENAME TO cases_1;
ALTER TABLE outcomes RENAME TO outcomes_1;
DROP INDEX IF EXISTS by_state;
"""
_TAKEN_OVER = """
INSERT INTO cases (key, number, state, kind, round, tries) SELECT key, number, state, kind, round, tries FROM cases_1;
INSERT INTO outcomes SELECT key, payload FROM outcomes_1 JOIN cases_1 USING (number);
DROP TABLE outcomes_1;
DROP TABLE cases_1;
"""
_SECOND = "ALTER TABLE cases ADD COLUMN row TEXT NOT NULL DEFAULT '';"
_THIRD = "ALTER TABLE cases ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;"  # what was done before knew no such state
_SILENCE = (
    "CREATE INDEX IF NOT EXISTS by_silence ON cases (key) WHERE silent;"  # few are, and their number is asked for often
)
_COUNTED = "gone <> 'row'"  # cases whose row left the manifest are kept, and counted nowhere


class Ledger:
    """An open ledger; `with Ledger(path) as ledger`.

    Raises:
        UnreadableError: the file is there and is no ledger.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            raise InputError(f"{path}: there is no such file; give the folder of a run of `medkt batch`")
        with self._said():
            self._database = read_only_database(path) if read_only else _opened(path, "mode=rwc")
            if not read_only:
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=NORMAL")
            if not read_only or self._version() < VERSION:
                self._make_tables()
            self._database.execute("SELECT key FROM cases LIMIT 1").fetchone()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(sqlite3.OperationalError):  # what is not in the file yet stands in the log beside it
            self._database.close()

    def _version(self) -> int:
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

    def _make_tables(self) -> None:
        version = self._version()
        earlier = bool(self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'outcomes'").fetchone())
        script = f"{_EARLIER}{_TABLES}{_TAKEN_OVER}" if earlier and version < 2 else _TABLES
        script += _SECOND if earlier and version == 2 else ""
        script += _THIRD if earlier and version in (2, 3) else ""
        self._database.executescript(f"BEGIN IMMEDIATE;{script}{_SILENCE}PRAGMA user_version = {VERSION};COMMIT;")

    # ---- cases

    def add(self, cases: Iterable[tuple[int, str]]) -> int:
        """Put cases (number, key) in as pending, all or none; those that are there stay as they are. Gives how many there are.

        Raises:
            InputError: two cases have one key.
        """
        with self._transaction():
            known = self.total()
            if known:
                return known
            try:
                self._database.executemany("INSERT INTO cases (number, key) VALUES (?, ?)", cases)
            except sqlite3.IntegrityError as error:
                raise InputError(_TWICE) from error
        return self.total()

    def plan(self, cases: Iterable[tuple[int, str, str, str]], *, rows: str = "") -> int:
        """The cases as the manifest has them now: number, key, digits of the row, inputs. Gives how many there are.

        New ones are put in as pending; those that are there keep their state and take the number; those whose row is gone
        count no more, and count again once it is back. `rows` says what all digits of rows depend on: see `knows`.

        Raises:
            InputError: two cases have one key.
        """
        with self._transaction():
            self._make_present()
            try:
                self._database.executemany("INSERT INTO present VALUES (?, ?, ?, ?)", cases)
            except sqlite3.IntegrityError as error:
                raise InputError(_TWICE) from error
            self._database.execute(
                "INSERT INTO cases (key, number, row) SELECT key, number, row FROM present WHERE true "
                "ON CONFLICT (key) DO UPDATE SET number = excluded.number, row = excluded.row, gone = '' "
                "WHERE number <> excluded.number OR row <> excluded.row OR gone <> ''"
            )
            self._database.execute("UPDATE cases SET gone = 'row' WHERE key NOT IN (SELECT key FROM present)")
            self.remember("rows", rows)
        return self.total()

    def knows(self, rows: str) -> bool:
        """Whether the cases were planned from these rows, so that their numbers and the digits of their rows still hold."""
        return rows != "" and self.fact("rows") == rows

    def ended(self) -> Iterator[tuple[int, str, str, str]]:
        """Number, key, digits of the row, and what it was made from, of each case that has an outcome, by number."""
        wanted = (
            f"SELECT number, key, row, inputs FROM cases WHERE state IN ('done', 'failed') AND {_COUNTED} AND inputs <> '' "
            "ORDER BY number"
        )
        with self._said():
            yield from self._database.execute(wanted)

    def changed(self, cases: Iterable[tuple[str, str]]) -> int:
        """In the place of `plan`: key and inputs as they are now of those cases alone that have others. Gives how many there are."""
        with self._transaction():
            self._make_present()
            self._database.executemany("INSERT INTO present VALUES (0, ?, '', ?)", cases)
            self._database.execute("UPDATE cases SET gone = '' WHERE gone = 'inputs'")
        return self.total()

    def _make_present(self) -> None:
        self._database.execute("DROP TABLE IF EXISTS present")
        self._database.execute(
            "CREATE TEMP TABLE present (number INTEGER, key TEXT PRIMARY KEY, row TEXT, inputs TEXT)"
        )

    def compare(self) -> tuple[int, int]:
        """After `plan` or `changed`: cases with other inputs than they were done with are pending again, in a new round; gives how many.

        Those whose inputs are gone keep their outcome, and are noted (`gone`); the second number.
        """
        ended = f"present.key = cases.key AND state IN ('done', 'failed') AND {_COUNTED} AND cases.inputs <> ''"
        with self._transaction():
            changed = self._database.execute(
                "UPDATE cases SET state = 'pending', kind = '', round = round + 1, tries = 0 "
                f"FROM present WHERE {ended} AND present.inputs <> cases.inputs AND present.inputs NOT IN ('', ?)",
                (ABSENT,),
            ).rowcount
            gone = self._database.execute(
                f"UPDATE cases SET gone = 'inputs' FROM present WHERE {ended} AND cases.inputs <> ? AND present.inputs = ?",
                (ABSENT, ABSENT),
            ).rowcount
        return int(changed), int(gone)

    def without_folder(self, folders: Collection[str]) -> int:
        """Cases that left a folder which is not among these are pending again, in a new round; gives how many."""
        with self._said():
            wanted = f"SELECT key FROM cases WHERE state = 'done' AND result <> '' AND {_COUNTED}"
            lost = [key for (key,) in self._database.execute(wanted) if key not in folders]
        change = "UPDATE cases SET state = 'pending', round = round + 1, tries = 0 WHERE key = ?"
        with self._transaction():
            self._database.executemany(change, ((key,) for key in lost))
        return len(lost)

    def gone(self) -> Iterator[tuple[str, str]]:
        """Key of each case whose row or inputs are gone, and which of them ("row", "inputs"), sorted by key."""
        with self._said():
            # few are, so that these are sorted (+), and not all looked up in the order of their keys
            yield from self._database.execute("SELECT key, gone FROM cases WHERE gone <> '' ORDER BY +key")

    def total(self) -> int:
        """How many cases there are."""
        with self._said():
            return int(self._database.execute(f"SELECT count(*) FROM cases WHERE {_COUNTED}").fetchone()[0])

    def names(self) -> Iterator[tuple[int, str]]:
        """Number and key of every case, by number."""
        with self._said():
            yield from self._database.execute(f"SELECT number, key FROM cases WHERE {_COUNTED} ORDER BY number")

    def counts(self) -> Mapping[str, int]:
        """How many cases are in each state."""
        with self._said():
            wanted = f"SELECT state, count(*) FROM cases WHERE {_COUNTED} GROUP BY state"
            found = dict(self._database.execute(wanted).fetchall())
        return {state: int(found.get(state, 0)) for state in STATES}

    def silent(self) -> int:
        """How many cases are done without a claim on some finding."""
        with self._said():
            wanted = f"SELECT count(*) FROM cases WHERE state = 'done' AND silent AND {_COUNTED}"
            return int(self._database.execute(wanted).fetchone()[0])

    def failures(self) -> Mapping[str, int]:
        """How many cases failed, by kind."""
        wanted = f"SELECT kind, count(*) FROM cases WHERE state = 'failed' AND {_COUNTED} GROUP BY kind ORDER BY kind"
        with self._said():
            return {str(kind): int(count) for kind, count in self._database.execute(wanted)}

    def summary(self) -> RunStatus:
        """Where the run stands."""
        return RunStatus(total=self.total(), states=self.counts(), failures=self.failures(), no_claim=self.silent())

    def unfinished(self) -> dict[int, tuple[int, int]]:
        """Round and tries of each case that has no outcome, by number."""
        wanted = f"SELECT number, round, tries FROM cases WHERE state IN ('pending', 'running') AND {_COUNTED}"
        with self._said():
            return {int(number): (int(turn), int(tries)) for number, turn, tries in self._database.execute(wanted)}

    def set_back(self) -> None:
        """What was running when a coordinator ended is pending again."""
        with self._said():
            self._database.execute("UPDATE cases SET state = 'pending' WHERE state = 'running'")

    def mark(self, keys: Iterable[str], state: str, *, tries: int = 0) -> None:
        """Cases that were handed out (running) or came back without an outcome (pending); `tries` are added."""
        rows = [(state, tries, key) for key in keys]
        with self._transaction():
            self._database.executemany(
                "UPDATE cases SET state = ?, tries = tries + ? WHERE key = ? AND state IN ('pending', 'running')",
                rows,
            )

    def retry(self, kinds: Sequence[str] = ()) -> int:
        """Failed cases, of some kinds or all, become pending in a new round; gives how many."""
        chosen = f"state = 'failed' AND {_COUNTED}"
        if kinds:
            chosen += f" AND kind IN ({', '.join('?' * len(kinds))})"
        change = f"UPDATE cases SET state = 'pending', kind = '', round = round + 1, tries = 0 WHERE {chosen}"
        with self._transaction():
            return int(self._database.execute(change, tuple(kinds)).rowcount)

    # ---- outcomes

    def record(self, outcomes: Iterable[Outcome], ends: Mapping[str, int]) -> list[Outcome]:
        """Take outcomes in, with how far the files they stand in are read now; gives those that were new."""
        with self._transaction():
            new = [outcome for outcome in outcomes if self._take(outcome)]
            self._database.executemany(
                "INSERT INTO files VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET end = max(end, excluded.end)",
                ends.items(),
            )
        return new

    def collect(self, path: Path) -> Iterator[list[Outcome]]:
        """Take in what a worker's file holds beyond what was read of it; gives what was new, some at a time."""
        start = self.read_of(path.name)
        if path.stat().st_size <= start:
            return
        lines = read_outcomes(path, start=start)
        while batch := list(islice(lines, AT_ONCE)):
            yield self.record([outcome for outcome, _ in batch], {path.name: batch[-1][1]})

    def read_of(self, name: str) -> int:
        """How many bytes of a worker's file are taken in."""
        with self._said():
            found = self._database.execute("SELECT end FROM files WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome, sorted by key, with the case's number as the manifest has it now; cases without one are left out."""
        wanted = (
            f"SELECT number, payload FROM cases JOIN outcomes USING (key) WHERE state IN ('done', 'failed') AND {_COUNTED} "
            "ORDER BY key"
        )
        with self._said():
            for number, payload in self._database.execute(wanted):
                try:
                    outcome = replace(Outcome.from_line(payload), number=int(number))
                except (ValueError, KeyError, TypeError) as error:
                    raise self._damaged(error) from error
                yield outcome

    def require_sound(self) -> None:
        """Go through the whole file.

        Raises:
            UnreadableError: it is damaged.
        """
        with self._said():
            for (word,) in self._database.execute("PRAGMA integrity_check(1)"):
                if word != "ok":
                    raise sqlite3.DatabaseError(word)

    # ---- facts

    def fact(self, name: str) -> Any:
        """A remembered value, None where there is none."""
        with self._said():
            found = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return json.loads(found[0]) if found else None

    def remember(self, name: str, value: Any) -> None:
        with self._said():
            self._database.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value, allow_nan=False))
            )

    def _take(self, outcome: Outcome) -> bool:
        change = (
            "UPDATE cases SET state = ?, kind = ?, round = ?, inputs = ?, result = ?, silent = ? WHERE key = ? "
            "AND (round < ? OR (round = ? AND state IN ('pending', 'running')))"
        )
        turn, told = outcome.round, (outcome.inputs, outcome.result)
        values = (outcome.state, outcome.kind, turn, *told, int(bool(outcome.unclaimed)), outcome.key, turn, turn)
        if not self._database.execute(change, values).rowcount:
            return False
        payload = outcome.line().decode().rstrip("\n")
        self._database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (outcome.key, payload))
        return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._said():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has undone it already
                    with suppress(sqlite3.Error):
                        self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLite raises, in a line: the disk is at fault, or the file is."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if _is_other_file(error):
                raise self._damaged(error) from error
            raise OutputError(
                f"{self.path}: cannot be read or written ({error}); check space and permission"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> UnreadableError:
        return UnreadableError(
            f"{self.path}: is no ledger of medkt, or is damaged ({type(error).__name__}); move it away: the next run makes it "
            "anew from the workers' files, a merged run by `medkt batch merge`"
        )


_TWICE = "the manifest names a case id twice; every case needs an id of its own"


def _is_other_file(error: Exception) -> bool:
    return any(
        words in str(error) for words in ("no such table", "no such column", "already exists", "there is already")
    )


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None, timeout=30)


def read_only_database(path: Path) -> sqlite3.Connection:
    """The database as it is, also where its folder can not be written; one of an earlier version as a copy in memory."""
    database = _readable(path)
    if int(database.execute("PRAGMA user_version").fetchone()[0]) >= VERSION:
        return database
    copy = sqlite3.connect(":memory:", isolation_level=None)
    database.backup(copy)
    database.close()
    return copy


def _readable(path: Path) -> sqlite3.Connection:
    database = _opened(path, "mode=ro")
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # a log beside it wants a file of its own, and the folder takes none
        database.close()
    else:
        return database
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file() or not log.stat().st_size:
        return _opened(path, "immutable=1")
    with scratch_folder() as folder:  # the log has what the file has not
        for part in (path, log):
            shutil.copyfile(part, folder / part.name)
        beside = _opened(folder / path.name, "mode=rw")
        copy = sqlite3.connect(":memory:", isolation_level=None)
        beside.backup(copy)
        beside.close()
    return copy

"""Which case stands where: a SQLite file that the coordinator alone writes, and that can be made anew from the outcomes.

States are pending, running, done and failed. How far each worker's file was read stands in the same transaction as what
was read from it, so that a kill at any moment loses nothing and counts nothing twice; and an outcome is taken only for
a case that has none of the same round. WAL keeps the file whole; what the last moments before a power cut did not reach
the disk is read again from the workers' files.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from medkt.cohort.outcomes import Outcome, read_outcomes
from medkt.errors import InputError, OutputError, UnreadableError

STATES = ("pending", "running", "done", "failed")
AT_ONCE = 2000  # outcomes of a worker's file in one transaction

_TABLES = """
CREATE TABLE IF NOT EXISTS cases (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, state TEXT NOT NULL DEFAULT 'pending',
    kind TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_state ON cases (state, kind);
CREATE TABLE IF NOT EXISTS outcomes (number INTEGER PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, end INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


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
        mode = "ro" if read_only else "rwc"
        try:
            self._database = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
            )
            if not read_only:
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=NORMAL")
                self._database.executescript(_TABLES)
            self._database.execute("SELECT number FROM cases LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            raise UnreadableError(
                f"{path}: is no ledger of medkt, or is damaged ({error}); delete it: the next run makes it anew from "
                "the workers' files"
            ) from error

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

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
                raise InputError("the manifest names a case id twice; every case needs an id of its own") from error
        return self.total()

    def total(self) -> int:
        """How many cases there are."""
        return int(self._database.execute("SELECT count(*) FROM cases").fetchone()[0])

    def names(self) -> Iterator[tuple[int, str]]:
        """Number and key of every case, by number."""
        yield from self._database.execute("SELECT number, key FROM cases ORDER BY number")

    def counts(self) -> Mapping[str, int]:
        """How many cases are in each state."""
        found = dict(self._database.execute("SELECT state, count(*) FROM cases GROUP BY state").fetchall())
        return {state: int(found.get(state, 0)) for state in STATES}

    def failures(self) -> Mapping[str, int]:
        """How many cases failed, by kind."""
        wanted = "SELECT kind, count(*) FROM cases WHERE state = 'failed' GROUP BY kind ORDER BY kind"
        return {str(kind): int(count) for kind, count in self._database.execute(wanted)}

    def unfinished(self) -> dict[int, tuple[int, int]]:
        """Round and tries of each case that has no outcome, by number."""
        wanted = "SELECT number, round, tries FROM cases WHERE state IN ('pending', 'running')"
        return {int(number): (int(turn), int(tries)) for number, turn, tries in self._database.execute(wanted)}

    def set_back(self) -> None:
        """What was running when a coordinator ended is pending again."""
        self._database.execute("UPDATE cases SET state = 'pending' WHERE state = 'running'")

    def mark(self, numbers: Iterable[int], state: str, *, tries: int = 0) -> None:
        """Cases that were handed out (running) or came back without an outcome (pending); `tries` are added."""
        rows = [(state, tries, number) for number in numbers]
        with self._transaction():
            self._database.executemany(
                "UPDATE cases SET state = ?, tries = tries + ? WHERE number = ? AND state IN ('pending', 'running')",
                rows,
            )

    def retry(self, kinds: Sequence[str] = ()) -> int:
        """Failed cases, of some kinds or all, become pending in a new round; gives how many."""
        chosen = "state = 'failed'"
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
        found = self._database.execute("SELECT end FROM files WHERE name = ?", (path.name,)).fetchone()
        start = int(found[0]) if found else 0
        if path.stat().st_size <= start:
            return
        lines = read_outcomes(path, start=start)
        while batch := list(islice(lines, AT_ONCE)):
            yield self.record([outcome for outcome, _ in batch], {path.name: batch[-1][1]})

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome, sorted by key; cases without one are left out."""
        wanted = "SELECT payload FROM cases JOIN outcomes USING (number) WHERE state IN ('done', 'failed') ORDER BY key"
        for (payload,) in self._database.execute(wanted):
            yield Outcome.from_line(payload)

    # ---- facts

    def fact(self, name: str) -> Any:
        """A remembered value, None where there is none."""
        found = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else None

    def remember(self, name: str, value: Any) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value, allow_nan=False)))

    def _take(self, outcome: Outcome) -> bool:
        change = (
            "UPDATE cases SET state = ?, kind = ?, round = ? WHERE number = ? AND key = ? "
            "AND (round < ? OR (round = ? AND state IN ('pending', 'running')))"
        )
        turn = outcome.round
        key = (outcome.number, outcome.key)
        if not self._database.execute(change, (outcome.state, outcome.kind, turn, *key, turn, turn)).rowcount:
            return False
        payload = outcome.line().decode().rstrip("\n")
        self._database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (outcome.number, payload))
        return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OutputError(f"{self.path}: cannot be written ({error}); check space and permission") from error
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

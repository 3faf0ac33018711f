"""What became of a case, as one line of JSON in a file that one worker alone appends to.

These files are the truth of a run. A line counts when it is whole: a worker that is killed while writing leaves a line
without an end, which is not read. Nobody appends after such a line, for every worker process begins a file of its own.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medkt.codes import SENTENCES, Number, numbers_for, sentence_of
from medkt.errors import OutputError, UnreadableError
from medkt.io.locks import let_go, take
from medkt.runs.failures import Failure
from medkt.runs.work import Row, Value, Work

CaseState = Literal["done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one case.

    Attributes:
        key, number, round: of the `Work`.
        state: "done" or "failed".
        kind, code, numbers: why it failed, see `failures`; "" and none where it did not.
        rows: of the result table; of a failed case without numbers.
        seconds: by step.
        inputs: what it was made from, see `inputs`; "" where nothing is known.
        made: what it was made with, see `made`; "" where nothing is known.
        result: digest of the case's folder; "" where there is none.
    """

    key: str
    number: int
    round: int
    state: CaseState
    kind: str = ""
    code: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    inputs: str = ""
    made: str = ""
    result: str = ""

    @property
    def message(self) -> str:
        """The sentence of the code, with its numbers; nothing else is known of a failure here."""
        return sentence_of(self.code, self.numbers)

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """The concepts of which nothing was claimed."""
        return tuple(str(row["concept"]) for row in self.rows if row.get("no_claim"))

    def line(self) -> bytes:
        """One line of JSON with its end; its last entry is the checksum of what stands before it."""
        body = json.dumps(self.plain(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()[:-1]
        return body + _SUM + _sum(body) + b'"}\n'

    def plain(self) -> dict[str, Any]:
        rows = [{name: _finite(value) for name, value in row.items()} for row in self.rows]
        seconds = {step: round(value, 4) for step, value in self.seconds.items()}
        return {
            "key": self.key, "number": self.number, "round": self.round, "state": self.state, "kind": self.kind,
            "code": self.code if self.code in SENTENCES else "", "numbers": numbers_for(self.code, self.numbers), "rows": rows,
            "seconds": seconds, "inputs": self.inputs, "made": self.made, "result": self.result,
        }  # fmt: skip

    @classmethod
    def from_line(cls, line: bytes | str) -> "Outcome":
        """The outcome that `line` made.

        Raises:
            ValueError: its checksum is not that of the rest, or it is no mapping.
        """
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError("is no mapping")
        body, _, told = (line.encode() if isinstance(line, str) else line).rstrip().rpartition(_SUM)
        summed = values.pop("sum", None)
        if "inputs" in values and (summed is None or told != _sum(body) + b'"}'):  # earlier runs have no checksum
            raise ValueError("the checksum is another")
        values.pop("message", None)  # of a run by medkt 0.1 or before, which kept words
        return cls(**{**values, "rows": tuple(values["rows"])})


def failure(work: Work, why: Failure, seconds: Mapping[str, float] | None = None) -> Outcome:
    """The outcome of a case that failed: its rows without numbers."""
    return Outcome(
        key=work.key, number=work.number, round=work.round, state="failed", kind=why.kind, code=why.code,
        numbers=why.numbers, rows=tuple({**work.columns, **head} for head in work.heads), seconds=seconds or {},
        inputs=work.inputs,
    )  # fmt: skip


class OutcomeFile:
    """A worker's own file: created, locked while the worker lives, appended to and flushed to the disk line by line."""

    def __init__(self, folder: Path, *, prefix: str = "worker") -> None:
        self.name = f"{prefix}-{secrets.token_hex(8)}.jsonl"
        self._path = folder / self.name
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror}); check space and permission") from error
        take(self._descriptor, self._path)

    def append(self, outcome: Outcome) -> int:
        """Write one line, and give the size of the file after it.

        Raises:
            OutputError: no space left.
        """
        left = memoryview(outcome.line())
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise OutputError(f"{self.name}: cannot be written ({error.strerror}); make space and run again") from error
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        let_go(self._descriptor, self._path)


def read_outcomes(path: Path, *, start: int = 0) -> Iterator[tuple[Outcome, int]]:
    """The whole lines of a file from byte `start` on, each with the byte after it.

    Raises:
        UnreadableError: a line that has an end and is no outcome.
    """
    with path.open("rb") as file:
        file.seek(start)
        end = start
        for line in file:
            if not line.endswith(b"\n"):
                return  # its writer was killed
            end += len(line)
            try:
                yield Outcome.from_line(line), end
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableError(
                    f"{path.name}: the line that ends at byte {end} is no outcome of a case, or was changed since; take the "
                    "file out of the run's folder `workers` and run again: its cases are done again"
                ) from error


_SUM = b',"sum":"'


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).hexdigest().encode()


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value

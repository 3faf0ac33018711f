"""Studies that are a word in a text file, and a runner that does what the word says; for tests of all that runs cases.

The word is the image file's content: `ok`, `slow SECONDS`, `missing` (unreadable), `bug`, `memory`, `die` (the process
ends), `die-once`, `hang-once`. What a runner does with a case is noted in `log`, a line a step, so that a test can
count what was done, how often, and in which thread. Workers import this module, so it imports little.
"""

import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medkt.errors import GeometryError, OutputError, UnreadableError, WeightsError
from medkt.runs.work import Row
from medkt.tasks.cases import CaseWork


@dataclass(frozen=True)
class FakeFactory:
    """Makes a `FakeRunner`; `model` is what its facts say, "broken" loads not, "dead" ends the process."""

    log: Path
    model: str = "fake"
    device: str = "cpu"

    def __call__(self) -> "FakeRunner":
        if self.model == "broken":
            raise WeightsError("weights of the fake model: a key is missing")
        if self.model == "dead":
            os._exit(9)
        return FakeRunner(self.log, self.model, self.device)


@dataclass(frozen=True)
class FakeRunner:
    log: Path
    model: str
    device: str

    def facts(self) -> Mapping[str, Any]:
        return {"encoder": {"name": self.model, "digest": "0" * 8}, "device": self.device}

    def read(self, work: CaseWork) -> str:
        self._note("read", work)
        word = work.case.image.read_text(encoding="utf-8") if work.case.image.exists() else "missing"
        if word == "missing":
            raise UnreadableError(f"{work.case.image}: is damaged")
        if word == "geometry":
            raise GeometryError(f"{work.case.image}: slices are missing")
        return word

    def compute(self, work: CaseWork, study: str) -> str:
        self._note("compute", work)
        word, _, rest = study.partition(" ")
        marker = work.case.image.with_suffix(".once")
        if word == "bug":
            raise RuntimeError(f"cannot say {work.case.patient_id}")
        if word == "memory":
            raise MemoryError
        if word == "die" or (word == "die-once" and _first_time(marker)):
            os._exit(11)
        if word == "slow" or (word == "hang-once" and _first_time(marker)):
            time.sleep(float(rest))
        return word

    def write(self, work: CaseWork, result: str) -> Sequence[Row]:
        if result == "full":
            raise OutputError("the disk is full")
        number = int(hashlib.sha256(work.case.case_id.encode()).hexdigest()[:6], 16) / 16**6
        self._note("write", work)
        return [{"concept": name, "present": number > 0.5, "score": round(number, 6)} for name in work.concepts]

    def _note(self, step: str, work: CaseWork) -> None:
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{step} {work.case.case_id} {threading.current_thread().name}\n".encode())
        os.close(descriptor)


def _first_time(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

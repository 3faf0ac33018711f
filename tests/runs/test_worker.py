"""What a worker tells when its disk fails: the run ends in a line, and the case is neither done nor failed."""

import errno
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medkt.datasets.case import Case
from medkt.runs import worker as worker_module
from medkt.runs.outcomes import OutcomeFile, read_outcomes
from medkt.runs.work import Row
from medkt.runs.worker import _Case, _Line, _work
from medkt.tasks.cases import CaseWork

WORK = CaseWork(key="case-1", number=1, case=Case(case_id="PLANTED-ID", image=Path("PLANTED.png")), concepts=("cyst",))


class _Pipe:
    """To the coordinator, which only listens."""

    def __init__(self) -> None:
        self._theirs, self.end = multiprocessing.Pipe()

    @property
    def told(self) -> list[tuple[Any, ...]]:
        heard = []
        while self._theirs.poll():
            heard.append(self._theirs.recv())
        return heard


class _Runner:
    """Writes a folder; or fails with an error of the system while it does."""

    def __init__(self, cases: Path, error: int = 0) -> None:
        self.cases, self.error = cases, error

    def facts(self) -> Mapping[str, Any]:
        return {"device": "cpu"}

    def read(self, work: CaseWork) -> Any:
        raise NotImplementedError

    def compute(self, work: CaseWork, study: Any) -> Any:
        raise NotImplementedError

    def write(self, work: CaseWork, result: Any) -> Sequence[Row]:
        if self.error:
            raise OSError(self.error, os.strerror(self.error), "PLANTED.nii.gz")
        (self.cases / work.key).mkdir()
        (self.cases / work.key / "mask.nii.gz").write_bytes(b"mask")
        return [{"concept": "cyst"}]


@dataclass(frozen=True)
class _Factory:
    cases: Path
    device: str = "cpu"

    def __call__(self) -> _Runner:
        return _Runner(self.cases)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    (tmp_path / "cases").mkdir()
    return tmp_path / "cases"


def _line(cases: Path, pipe: _Pipe, error: int = 0) -> tuple[_Line, OutcomeFile]:
    file = OutcomeFile(cases.parent)
    line = _Line(_Runner(cases, error), file, pipe.end, one_core=True, cases=cases, made="0" * 12)
    return line, file


def _broken(pipe: _Pipe) -> list[tuple[Any, ...]]:
    return [message for message in pipe.told if message[0] in ("broken", "finished")]


def test_a_case_that_is_written_is_told(cases: Path) -> None:
    pipe = _Pipe()
    line, file = _line(cases, pipe)
    assert line._write(_Case(work=WORK))
    ((what, outcome, end, words),) = _broken(pipe)
    assert (what, outcome.state, words) == ("finished", "done", "")
    ((written, size),) = read_outcomes(cases.parent / file.name)
    assert (written.line(), size) == (outcome.line(), end)
    assert outcome.result


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_result_that_cannot_be_written_is_no_fault_of_the_case(cases: Path, error: int) -> None:
    pipe = _Pipe()
    line, file = _line(cases, pipe, error)
    assert line._write(_Case(work=WORK))
    words = f"a result cannot be written ({os.strerror(error)}); check the disk"
    assert _broken(pipe) == [("broken", "OutputError", words)]
    assert list(read_outcomes(cases.parent / file.name)) == []


def test_a_result_that_cannot_be_read_again_ends_the_run(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest belongs to the outcome: without it nothing would show that the folder was changed later."""

    def digest(folder: Path) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    monkeypatch.setattr(worker_module, "digest_of_folder", digest)
    pipe = _Pipe()
    line, file = _line(cases, pipe)
    assert not line._write(_Case(work=WORK))
    said = "a result cannot be read again (Input/output error); check the disk"
    assert _broken(pipe) == [("broken", "OutputError", said)]
    assert list(read_outcomes(cases.parent / file.name)) == []


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_outcome_that_cannot_be_written_ends_the_run(
    cases: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(descriptor: int, *rest: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pipe = _Pipe()
    line, file = _line(cases, pipe)
    monkeypatch.setattr(os, call, full)
    assert not line._write(_Case(work=WORK))
    monkeypatch.undo()
    said = f"{file.name}: cannot be written (No space left on device); make space and run again"
    assert _broken(pipe) == [("broken", "OutputError", said)]


def test_a_worker_whose_file_cannot_be_made_says_so(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> OutcomeFile:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr(worker_module, "OutcomeFile", refuse)
    pipe = _Pipe()
    _work(_Factory(cases), pipe.end, cases.parent / "workers", 1)
    assert pipe.told == [("broken", "OutputError", "a worker cannot begin: Read-only file system")]

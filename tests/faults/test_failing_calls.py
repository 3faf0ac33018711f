"""Whatever call to the system fails, and when: a command is done or says why in a line, and a later start ends the same.

A few moments of each kind of call are tried; `SECONDS_EACH=60 pytest -m faults tests/faults` tries the rest in turn.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from runs.fake_studies import FakeFactory
from runs.inline import Inline
from runs.runs import SALT, make_cases, make_plan, make_run

from medkt.cli.main import main
from medkt.errors import MedktError
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder

from .failing_calls import FAULTS, Fault, install

LINES = (0, 2, 3, 4)  # how a command may end


@dataclass(frozen=True)
class Command:
    """Something that writes: `run` gives its exit code, `written` what must come out the same."""

    run: Callable[[Path], int]
    written: Callable[[Path], dict[str, bytes]]


def _masks(root: Path) -> int:
    words = (
        "evaluate",
        "--reference",
        root / "input" / "gt",
        "--prediction",
        root / "input" / "mine",
        "-o",
        root / "run",
    )
    return main([*map(str, words), "--resamples", "100", "-c", "lesion", "--salt", str(root / "input" / "salt"), "-q"])


def _studies(root: Path) -> int:
    """As `medkt batch` does it, with studies that cost nothing."""
    try:
        folder = make_run(root / "run")
        folder.salt()
        cases = make_cases(root / "input" / "images", ["ok", "missing", "ok"])
        summary = run_cohort(
            folder, make_plan(cases), Inline(FakeFactory(root.parent / "log"), folder.workers), salt=SALT
        )
    except MedktError as error:
        print(f"medkt: {error}", file=sys.stderr)
        return error.exit_code
    return 4 if summary.states["failed"] else 0


def _tables(root: Path) -> dict[str, bytes]:
    names = [f"{table}.{suffix}" for table in ("results", "failures") for suffix in ("parquet", "csv")]
    return {name: (root / "run" / name).read_bytes() for name in names}


def _verified(root: Path) -> int:
    return main(["batch", "verify", str(root / "run"), "-q"])


COMMANDS = {"evaluate": Command(_masks, _tables), "batch": Command(_studies, _tables)}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Masks of three cases, and a salt."""
    folder = tmp_path / "given"
    for side, size in (("gt", 9), ("mine", 7)):
        (folder / side).mkdir(parents=True)
        for name in "ABC":
            values = np.zeros((24, 20), np.uint8)
            values[3 : 3 + size, 4 : 4 + size] = 255
            Picture.fromarray(values).save(folder / side / f"PLANTED^{name}.png")
    (folder / "salt").write_text("ab" * 32)
    return folder


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.runs.local.LocalEngine", lambda factory, folder, **options: Inline(factory, folder))


def _root(tmp_path: Path, inputs: Path) -> Path:
    """A folder of its own for one try; the inputs keep their times, by which a run knows them."""
    root = tmp_path / "try"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(inputs, root / "input")
    return root


def _attempt(command: Command, fault: Fault, root: Path) -> int:
    with pytest.MonkeyPatch.context() as patched:
        install(patched, fault, root)
        return command.run(root)


def _left(root: Path) -> list[str]:
    return [one.name for one in root.rglob("*") if ".part" in one.name or "scratch-" in one.name]


def _check(command: Command, fault: Fault, tmp_path: Path, inputs: Path, expected: dict[str, bytes], code: int) -> None:
    where = f"{fault.name} {os.strerror(fault.error)} at {fault.at}"
    root = _root(tmp_path, inputs)
    ended = _attempt(command, fault, root)
    assert ended in LINES, where
    assert fault.calls >= fault.at, where
    assert command.run(root) == code, where
    assert command.written(root) == expected, where
    assert _left(root) == [], where
    assert _verified(root) == 0, where


def _tries(name: str, error: int, count: int, seconds: float) -> Iterator[Fault]:
    """One between the first and the last; with seconds all of them, until these are over."""
    if not seconds:
        yield Fault(name, error, (count + 1) // 2)
        return
    until = time.monotonic() + seconds
    for at in range(1, count + 1):
        if time.monotonic() > until:
            return
        yield Fault(name, error, at)


def _try_all(which: str, tmp_path: Path, inputs: Path, seconds: float, capsys: Any) -> int:
    command, tried = COMMANDS[which], 0
    root = _root(tmp_path, inputs)
    code = command.run(root)
    assert code == (4 if which == "batch" else 0)
    expected = command.written(root)
    for position, (name, error) in enumerate(FAULTS):
        if not seconds and (position + (which == "batch")) % 2:
            continue  # the quick share: every other kind for each command
        counted = Fault(name, error)
        _attempt(command, counted, _root(tmp_path, inputs))
        for fault in _tries(name, error, counted.calls, seconds) if counted.calls else ():
            _check(command, fault, tmp_path, inputs, expected, code)
            tried += 1
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
    return tried


@pytest.mark.parametrize("which", COMMANDS)
def test_a_call_that_fails_costs_a_line_and_no_result(
    which: str, tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _try_all(which, tmp_path, inputs, 0.0, capsys) >= 6


@pytest.mark.faults
@pytest.mark.parametrize("which", COMMANDS)
def test_every_call_that_fails(which: str, tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = float(os.environ.get("SECONDS_EACH", "0"))
    if not seconds:
        pytest.skip("takes as long as SECONDS_EACH says, for each kind of call")
    print(_try_all(which, tmp_path, inputs, seconds, capsys), "calls failed")


def test_a_run_in_a_folder_that_cannot_be_written_is_read(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before, "damaged; delete it": SQLite wants a file beside a ledger with a log, and the folder takes none."""
    import sqlite3

    root = _root(tmp_path, inputs)
    _masks(root)
    real = sqlite3.connect

    class ReadOnly(sqlite3.Connection):
        def execute(self, *words: Any) -> Any:
            raise sqlite3.OperationalError("unable to open database file")

    def connect(where: str, *rest: Any, **named: Any) -> Any:
        return (
            real(where, *rest, **named, factory=ReadOnly) if where.endswith("mode=ro") else real(where, *rest, **named)
        )

    monkeypatch.setattr(sqlite3, "connect", connect)
    capsys.readouterr()
    assert main(["batch", "status", str(root / "run")]) == 0
    assert "3 of 3 cases done" in capsys.readouterr().out
    assert _verified(root) == 0
    (RunFolder(root / "run").ledger.with_name("ledger.sqlite-wal")).write_bytes(
        bytes(40)
    )  # a log that holds nothing of use
    assert main(["batch", "status", str(root / "run")]) == 0


BENCH = Path(__file__).parents[2] / "evaluation" / "failing_calls.py"


@pytest.mark.faults
@pytest.mark.skipif(not BENCH.is_file() or shutil.which("cc") is None, reason="needs the checkout and a C compiler")
def test_every_command_on_a_system_whose_calls_fail() -> None:
    """All commands that write, and calls of every library: SQLite's and Arrow's too."""
    seconds = os.environ.get("SECONDS_EACH", "0")
    if not float(seconds):
        pytest.skip("takes as long as SECONDS_EACH says, for each command")
    words = [sys.executable, str(BENCH), "--seconds-each", seconds]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=BENCH.parents[1])
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]

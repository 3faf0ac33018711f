"""Signals end commands as Ctrl-C does: one line, a code of their own, and nothing left."""

import argparse
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from medkt.cli import main as command_line
from medkt.cli.signals import Termination, signals_end
from medkt.io.scratch import PREFIX, scratch_folder


@pytest.fixture(autouse=True)
def _as_a_terminal_sets_them() -> Iterator[None]:
    """Under nohup a hang-up is ignored from the start, by these tests and by what they start."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGHUP, "hung up")])
def test_a_signal_ends_a_command_and_what_is_temporary_goes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    word: str,
) -> None:
    held: list[Path] = []

    def run(arguments: argparse.Namespace) -> int:
        with scratch_folder() as folder:
            held.append(folder)
            os.kill(os.getpid(), number)
            time.sleep(5)
        return 0

    class Command:
        @staticmethod
        def configure(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("-o", "--output", type=Path)

    Command.run = staticmethod(run)  # type: ignore[attr-defined]
    monkeypatch.setattr(command_line, "import_module", lambda name: Command)
    before = signal.getsignal(number)
    assert command_line.main(["segment", "-o", str(tmp_path)]) == 128 + number
    assert capsys.readouterr().err == f"medkt: {word}\n"
    assert held[0].is_relative_to(tmp_path)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_while_a_command_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
    word: str,
) -> None:
    """Libraries take seconds to load; a trace was all that was said then."""

    def load(name: str) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(command_line, "import_module", load)
    assert command_line.main(["segment", "-o", "x"]) == code
    assert capsys.readouterr().err == f"medkt: {word}\n"


def test_nohup_keeps_a_command_alive() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_end():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_stop_the_cleaning_up() -> None:
    cleaned: list[bool] = []
    with pytest.raises(Termination):
        _end_twice(cleaned)
    assert cleaned == [True]


def _end_twice(cleaned: list[bool]) -> None:
    with signals_end():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            cleaned.append(True)


def test_an_error_of_a_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    assert command_line.main(["segment", "-i", long, "-o", "out", "-c", "us_cyst", "--keep-names"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("medkt: ")


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MEDKT_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert command_line.main(["models", "list"]) == 2
    assert "set MEDKT_HOME to a folder" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_command_that_is_ended_while_it_unpacks_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """A real process; before, what was unpacked stayed in the system's temporary folder."""
    study, output, system = tmp_path / "study.zip", tmp_path / "output", tmp_path / "system"
    system.mkdir()
    with zipfile.ZipFile(study, "w") as archive:
        archive.writestr("PLANTED^NAME.dcm", bytes(400 * 1024**2))
    command = [sys.executable, "-m", "medkt", "segment", "-i", str(study), "-c", "us_cyst", "-o", str(output)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(system)}) as one:
        until = time.monotonic() + 60
        while not list(output.glob(f"{PREFIX}*/files/*")) and time.monotonic() < until:
            time.sleep(0.002)
        one.send_signal(number)
        _, errors = one.communicate(timeout=60)
    assert one.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert not output.exists()  # nor the folder that was made for results
    assert list(system.iterdir()) == []

"""The entry of the command line: help, version, unknown commands and the exit codes of errors."""

import argparse
from types import SimpleNamespace

import pytest

from medkt import __version__
from medkt.cli import main as cli
from medkt.errors import AmbiguousInputError, InputError


def test_version_says_that_it_is_not_a_medical_device(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert __version__ in out
    assert "Not a medical device" in out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert f"  {name} " in out


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["segmnet"])
    assert stop.value.code == 2
    assert "invalid choice: 'segmnet'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("a\nb"), 2), (AmbiguousInputError("which?"), 3), (KeyboardInterrupt(), 130)],
)
def test_errors_are_one_line_and_a_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    command = SimpleNamespace(configure=lambda parser: None, run=run)
    monkeypatch.setattr(cli, "import_module", lambda name: command)
    assert cli.main(["doctor"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("medkt: ")


def test_a_bug_shows_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(configure=lambda parser: None, run=run))
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["doctor"])

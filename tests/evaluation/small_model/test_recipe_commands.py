"""Where the recipe is run: in a checkout by its folder's name, and no longer as a command of the package."""

import runpy
import sys
from pathlib import Path

import pytest

from medkt.cli.main import main

FOLDER = Path(__file__).resolve().parents[3] / "evaluation" / "small_model"


def test_the_folder_is_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["small_model", "--help"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(FOLDER), run_name="__main__")
    assert stop.value.code == 0
    assert "{train,evaluate,guard,normals}" in capsys.readouterr().out
    assert str(FOLDER) not in sys.path


@pytest.mark.parametrize("said", [[], ["train", "--data", "FOLDER", "--minutes", "1"]])
def test_the_command_says_where_it_went(said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["small-model", *said]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "`make small-model`" in captured.err

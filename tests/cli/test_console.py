"""A console that knows few characters, and names that are no text: every study is done, and nothing steers the terminal."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from medkt.cli.console import any_console, drawing_on, shown
from medkt.cli.main import COMMANDS, main
from medkt.phantom.study import write_study

CONSOLES = ("ascii", "cp437", "cp932", "cp936", "cp1252", "utf-8")


class Pipe(io.TextIOWrapper):
    """A strict stream of one encoding, as a pipe is; holds what was written."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within this block it is standard output and error."""
        with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
            yield


@pytest.fixture(params=CONSOLES)
def pipe(request: pytest.FixtureRequest) -> Pipe:
    return Pipe(request.param)


def run(pipe: Pipe, *words: str) -> int:
    """The exit code of a command that prints there."""
    with pipe.alone():
        try:
            return main(list(words))
        except SystemExit as stop:
            return int(stop.code or 0)


def test_any_text_is_printed_as_far_as_the_console_knows_it(pipe: Pipe) -> None:
    with pipe.alone(), any_console():
        print("21 mm² – 肺 😀 é \udce9 b")
    known = pipe.text
    assert "\\xe9 b" in known  # the byte of a name that is no text
    if pipe.encoding == "ascii":
        assert known == "21 mm2 - \\u80ba \\ud83d\\ude00 \\u00e9 \\xe9 b\n"
    if pipe.encoding == "utf-8":
        assert known == "21 mm² – 肺 😀 é \\xe9 b\n"


@pytest.mark.parametrize(
    "steering", ["\x1b[2J", "\x1b]0;title\x07", "\r", "\b", "\x7f", "\x9b31m", "\u202e", "\u2028", "\u2066", "\x00"]
)
def test_nothing_in_a_text_steers_the_terminal(pipe: Pipe, steering: str) -> None:
    with pipe.alone(), any_console():
        print(f"a{steering}b\tc")
        sys.stderr.writelines([steering, "\n"])
    assert not any(ord(one) < 32 and one not in "\n\t" for one in pipe.text)
    assert steering not in pipe.text
    assert pipe.text.startswith("a\\u00") or pipe.text.startswith("a\\u20")
    assert "b\tc\n" in pipe.text


def test_what_is_drawn_on_purpose_still_draws(pipe: Pipe) -> None:
    with pipe.alone(), any_console():
        drawing_on(sys.stderr).write("\x1b[K")
        assert drawing_on(sys.stdout) is pipe
    with pipe.alone():
        assert sys.stdout is pipe  # the block has put back what was there
    assert pipe.text == "\x1b[K"
    assert shown("a\nb") == "a\nb"


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_every_commands_help_and_refusal_is_printed(pipe: Pipe, command: str) -> None:
    for rest in (["--help"], ["--no-such-option-\x1b[31m肺"]):
        run(pipe, *([command] if command else []), *rest)
    assert "usage: medkt" in pipe.text
    assert "\x1b" not in pipe.text


@pytest.mark.parametrize("arguments", [["doctor"], ["models", "list"], ["concepts"], ["concept", "show", "cxr_nodule"]])
def test_tables_and_lists_are_printed(pipe: Pipe, arguments: list[str]) -> None:
    assert run(pipe, *arguments) == 0
    assert len(pipe.text) > 200


@pytest.fixture(scope="module")
def two_studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures, the first under a name that is Latin-1, the second under one that would paint a terminal."""
    folder = tmp_path_factory.mktemp("named")
    paths = [folder / os.fsdecode(b"bild\xe9.dcm"), folder / "red\x1b[31m肺.dcm"]
    for seed, path in enumerate(paths):
        study = write_study(folder / f"{seed}", domain="cxr", finding="cxr_nodule", seed=seed, format="dicom")
        shutil.copy(study, path)
    return paths


@pytest.mark.parametrize("pipe", ["ascii", "cp932", "utf-8"], indirect=True)
def test_all_studies_are_done_whatever_the_console_knows(pipe: Pipe, two_studies: list[Path], tmp_path: Path) -> None:
    code = run(pipe, "segment", "-i", *map(str, two_studies), "-o", str(tmp_path / "out"), "-c", "cxr_nodule",
               "--set", "m2ib.steps=1", "-f", "png")  # fmt: skip
    assert code == 0, pipe.text
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert "bild\\xe9.dcm: lung nodule seen" in pipe.text
    assert "red\\u001b[31m" in pipe.text
    assert "mm2" in pipe.text.replace("²", "2")
    assert "\x1b" not in pipe.text


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_a_real_process_says_its_numbers(tmp_path: Path, encoding: str) -> None:
    """The dash of a table, where a metric has no value, is in none of these consoles."""
    from PIL import Image

    for folder in ("true", "mine"):
        (tmp_path / folder).mkdir()
        for name, value in (("a", 255), ("b", 0)):
            plane = np.zeros((16, 20), np.uint8)
            plane[4:9, 5:11] = value
            Image.fromarray(plane).save(tmp_path / folder / f"{name}.png")
    command = [sys.executable, "-m", "medkt", "evaluate", "--reference", "true", "--prediction", "mine", "-o", "out",
               "-c", "lesion", "--resamples", "100"]  # fmt: skip
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    )
    said = (ran.stdout + ran.stderr).decode(encoding)
    assert ran.returncode == 0, said
    assert "dsc" in said
    assert "Traceback" not in said

"""Commands that write files, on a disk that fails: done or a line, and a later start ends the same with nothing beside it.

A few moments of a few kinds; `evaluation/failing_calls.py` lets every call of every library fail, under more commands.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from whole_line import BRIGHT, QUICK, load_bright

from medkt.cli.main import main
from medkt.concepts.container import write_container
from medkt.errors import MedktError
from medkt.io import parts
from medkt.io.together import files_together
from medkt.pipeline import Pipeline
from medkt.requests import segment

from .failing_calls import Fault, install

LEFT = (".part", ".medkt-scratch-", ".moves")
MASKS = ("-f", "nifti")  # no pictures: what is attacked moves them all alike
FAULTS = (("replace", errno.EACCES), ("fsync", errno.EIO), ("mkdir", errno.ENOSPC), ("fopen", errno.EROFS))


@dataclass(frozen=True)
class Writer:
    """A command: how it ends, which files must come out the same, and what lies there before."""

    run: Callable[[Path], int]
    written: Callable[[Path], dict[str, bytes]]
    before: Callable[[Path], None] = lambda root: None


def _files(folder: Path) -> dict[str, bytes]:
    """All files that hold no time."""
    found = {one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.name not in ("input", "report.html")}
    if "result.json" in found:
        record = {name: value for name, value in json.loads(found["result.json"]).items() if name != "seconds"}
        found["result.json"] = json.dumps(record).encode()
    return found


def _film(path: Path, number: int, side: int = 24) -> Path:
    film = 60 + np.random.default_rng(number).gamma(2.0, 15.0, (side, side - 4))
    film[3:9, 3:9] += 130
    Picture.fromarray(np.clip(film, 0, 255).astype(np.uint8)).save(path)
    return path


def _segment(root: Path) -> int:
    words = ("segment", "-i", root / "input" / "film.png", "--modality", "cxr", "-o", root / "out", "--overwrite", "-q")
    return main([*map(str, words), *BRIGHT, *QUICK, *MASKS])


def _earlier_result(root: Path) -> None:
    shutil.copytree(root / "input" / "out", root / "out")


def _together(root: Path) -> int:
    """As `medkt learn` writes a package and its page."""
    try:
        with files_together(root, ("x.html", "x.medkt")) as hidden:
            (hidden / "x.html").write_text("page", encoding="utf-8")
            write_container(hidden / "x.medkt", {"manifest.json": b"{}", "delta": bytes(9)})
    except MedktError as error:
        print(f"medkt: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _earlier_package(root: Path) -> None:
    for name in ("x.html", "x.medkt"):
        (root / name).write_bytes(b"earlier")


def _concept_new(root: Path) -> int:
    return main(["concept", "new", "--modality", "ct", "--name", "ring", "-o", str(root / "ring.yaml"), "--overwrite"])


WRITERS = {
    "segment": Writer(_segment, lambda root: _files(root / "out"), _earlier_result),
    "learn": Writer(_together, _files, _earlier_package),
    "concept new": Writer(_concept_new, _files),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder with a film and, for `segment`, its earlier result; a study is segmented once, for what fails is the writing."""
    monkeypatch.setattr(Pipeline, "load", load_bright)
    real, known = segment.segmented, dict[str, Any]()

    def segmented(pipeline: Pipeline, path: Path, wanted: Any, *rest: Any) -> Any:
        asked = str([concept.id for concept in wanted])
        if asked not in known:
            known[asked] = real(pipeline, path, wanted, *rest)
        return known[asked]

    monkeypatch.setattr(segment, "segmented", segmented)
    given = tmp_path / "given"
    given.mkdir()
    _film(given / "film.png", 0, side=48)
    words = ("segment", "-i", given / "film.png", "--modality", "cxr", "-o", given / "out", "-q", "-p", "a dark spot")
    if "segment" in request.node.name:
        assert main([*map(str, words), *QUICK, *MASKS]) == 0
    return tmp_path


def _folder(root: Path, writer: Writer) -> Path:
    folder = root / "try"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.symlink(root / "given", folder / "input")
    writer.before(folder)
    return folder


def _as_a_later_process(patched: pytest.MonkeyPatch) -> None:
    """What this one has left belongs to a process that has ended."""
    parts._sweep_once.cache_clear()
    patched.setattr(parts, "began_of", lambda process: "7")


def _attempt(writer: Writer, fault: Fault, folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patched:
        install(patched, fault, folder)
        return writer.run(folder)


def _left(folder: Path) -> list[str]:
    return [str(one) for one in folder.rglob("*") if any(word in one.name for word in LEFT)]


@pytest.mark.parametrize("which", WRITERS)
def test_a_disk_that_fails_costs_a_line_and_nothing_that_was_there(
    which: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = WRITERS[which]
    folder = _folder(root, writer)
    before = writer.written(folder) if which in ("segment", "learn") else {}
    assert writer.run(folder) == 0
    wanted, tried = writer.written(root / "try"), 0
    for name, error in FAULTS:
        counted = Fault(name, error)
        assert _attempt(writer, counted, _folder(root, writer)) == 0
        capsys.readouterr()
        for at in {counted.calls} - {0} if which == "segment" else {1, counted.calls} - {0}:
            folder, where = _folder(root, writer), f"{name} {os.strerror(error)} at {at}"
            ended = _attempt(writer, Fault(name, error, at), folder)
            said = capsys.readouterr()
            assert ended in (0, 2), where
            assert len(said.err.splitlines()) == int(ended > 0), where
            if ended and before:
                assert writer.written(folder) == before, where
            with pytest.MonkeyPatch.context() as patched:
                _as_a_later_process(patched)
                assert writer.run(folder) == 0, where
            assert writer.written(folder) == wanted, where
            assert _left(folder) == [], where
            tried += 1
    assert tried >= 3


def test_what_cannot_be_removed_goes_at_the_next_start(root: Path) -> None:
    """A folder that takes files and gives none back, as some shares."""
    writer = WRITERS["concept new"]
    folder = _folder(root, writer)
    with pytest.MonkeyPatch.context() as patched:
        install(patched, Fault("replace", errno.EIO, 1), folder)
        patched.setattr(os, "unlink", _refuse)
        assert writer.run(folder) == 2
    assert len(_left(folder)) == 1
    with pytest.MonkeyPatch.context() as patched:
        _as_a_later_process(patched)
        assert writer.run(folder) == 0
    assert _left(folder) == []


def _refuse(path: Any, *rest: Any, **named: Any) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

"""What killed processes leave beside results: who it belongs to, that it goes, and that a result is whole at any moment."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medkt.errors import OutputError
from medkt.io import moves, parts
from medkt.io.atomic import write_atomically
from medkt.io.locks import began_of
from medkt.io.moves import LIST, finish_moves, is_moving, move_files
from medkt.io.parts import is_part, part_beside, sweep_parts

DAY_S = 86_400.0


@pytest.fixture
def fresh() -> None:
    parts._sweep_once.cache_clear()


def _of_a_dead_process(folder: Path, suffix: str = "") -> Path:
    """As a process that was killed names it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        began = began_of(other.pid)
    own = part_beside(folder / "elsewhere", suffix).name
    return folder / own.replace(f"-{os.getpid()}-{began_of(os.getpid())}.", f"-{other.pid}-{began}.")


def test_parts_of_processes_that_ended_go_when_the_next_one_writes(tmp_path: Path, fresh: None) -> None:
    left, folder = _of_a_dead_process(tmp_path, ".nii.gz"), _of_a_dead_process(tmp_path)
    left.write_text("half")
    folder.mkdir()
    (folder / "mask.nii.gz").write_text("half")
    own = tmp_path / part_beside(tmp_path / "elsewhere").name
    own.write_text("is being written")
    write_atomically(tmp_path / "new.txt", lambda path: path.write_text("new"))
    assert sorted(os.listdir(tmp_path)) == sorted([own.name, "new.txt"])


def test_a_part_that_cannot_be_removed_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    """Neither takes it the words of what failed, nor makes it a failure of what was written whole."""
    real, left = Path.unlink, []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        left.append(path)
        raise PermissionError(13, "Permission denied")

    def half(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "unlink", unlink)
    assert write_atomically(tmp_path / "whole", lambda path: path.write_text("whole")).read_text() == "whole"
    assert left == []
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(tmp_path / "new", half)
    assert [one.name for one in left] == sorted(set(os.listdir(tmp_path)) - {"whole"})
    monkeypatch.setattr(Path, "unlink", real)
    monkeypatch.setattr(parts, "began_of", lambda process: "7")  # the process has ended
    parts._sweep_once.cache_clear()
    write_atomically(tmp_path / "new", lambda path: path.write_text("new"))
    assert sorted(os.listdir(tmp_path)) == ["new", "whole"]


def test_nothing_else_is_taken_for_a_part(tmp_path: Path) -> None:
    names = [".hidden", "x.part", ".abc.part", ".0123456789abcdef.partial", "0123456789abcdef.part", ".git"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert sweep_parts(tmp_path) == 0
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert sweep_parts(tmp_path / "absent") == 0


@pytest.mark.parametrize("name", [".0123456789ab.part", ".0123456789abcdef.00000000-1-5.part.nii.gz"])
def test_parts_that_nobody_can_ask_for_go_after_a_day(tmp_path: Path, name: str) -> None:
    """Of an earlier version, and of another computer."""
    part = tmp_path / name
    part.touch()
    assert is_part(name)
    assert sweep_parts(tmp_path) == 0
    os.utime(part, (time.time() - DAY_S - 60,) * 2)
    assert sweep_parts(tmp_path) == 1
    assert not part.exists()


def test_a_process_of_the_same_number_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = part_beside(tmp_path)
    part.touch()
    assert sweep_parts(tmp_path) == 0
    monkeypatch.setattr(parts, "began_of", lambda process: "7")
    assert sweep_parts(tmp_path) == 1


def test_a_link_named_as_a_part_costs_nothing_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / LIST).write_text('{"files": [], "earlier": ["thesis.txt"]}')
    (tmp_path / "thesis.txt").touch()
    os.symlink(kept, part_beside(tmp_path))
    monkeypatch.setattr(parts, "began_of", lambda process: "7")
    assert sweep_parts(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == ["kept", "thesis.txt"]
    assert (kept / LIST).exists()


# ---- files that are moved together

OLD, NEW = {"a": "old", "b": "old", "c": "old", "record": "old"}, {"b": "new", "d": "new", "record": "new"}


def _prepare(folder: Path) -> Path:
    folder.mkdir()
    (folder / "foreign").write_text("is left alone")
    for name, text in OLD.items():
        (folder / name).write_text(text)
    hidden = part_beside(folder)
    hidden.mkdir()
    for name, text in NEW.items():
        (hidden / name).write_text(text)
    return hidden


def _files(folder: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in folder.iterdir() if one.name != "foreign"}


def test_a_result_is_the_old_or_the_new_one_wherever_the_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is kept as it stands before every call; the next start finds each of these."""
    seen: list[Path] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        seen.append(tmp_path / f"killed-{len(seen)}")
        shutil.copytree(tmp_path / "result", seen[-1])
        real(source, target)

    hidden = _prepare(tmp_path / "result")
    monkeypatch.setattr(moves.os, "replace", replace)
    move_files(hidden, list(NEW), earlier=list(OLD))
    assert not is_moving(hidden)
    monkeypatch.undo()
    shutil.rmtree(hidden)
    assert _files(tmp_path / "result") == NEW
    assert len(seen) == 1 + len(OLD) + len(NEW)
    monkeypatch.setattr(parts, "began_of", lambda process: "7")
    for number, folder in enumerate(seen):
        between = (folder / "record").exists()
        assert between == (number <= 1)  # what says what the others are goes first, and comes last
        assert sweep_parts(folder) == 1
        assert _files(folder) == (OLD if number == 0 else NEW), number
        assert (folder / "foreign").exists()


@pytest.mark.parametrize("at", range(1, 9))
def test_a_move_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    calls, real = [0], os.replace

    def replace(source: Path, target: Path) -> None:
        calls[0] += 1
        if calls[0] == at:
            raise OSError(5, "Input/output error")
        real(source, target)

    hidden = _prepare(tmp_path / "result")
    monkeypatch.setattr(moves.os, "replace", replace)
    with pytest.raises(OSError, match="Input/output"):
        move_files(hidden, list(NEW), earlier=list(OLD))
    assert not is_moving(hidden)
    shutil.rmtree(hidden)
    assert _files(tmp_path / "result") == OLD


def test_where_the_way_back_fails_too_the_next_start_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [0], os.replace

    def replace(source: Path, target: Path) -> None:
        calls[0] += 1
        if calls[0] >= 4:
            raise OSError(5, "Input/output error")
        real(source, target)

    hidden = _prepare(tmp_path / "result")
    monkeypatch.setattr(moves.os, "replace", replace)
    with pytest.raises(OSError, match="Input/output"):
        move_files(hidden, list(NEW), earlier=list(OLD))
    monkeypatch.undo()
    assert is_moving(hidden)
    finish_moves(hidden)
    assert _files_and_no_folder(tmp_path / "result") == NEW


def _files_and_no_folder(folder: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in folder.iterdir() if one.is_file() and one.name != "foreign"}


def test_a_damaged_list_moves_nothing(tmp_path: Path) -> None:
    hidden = _prepare(tmp_path / "result")
    (tmp_path / "beyond").write_text("is of somebody else")
    for text in (
        *("", "[]", '{"files": 3, "earlier": []}', '{"files": ["b"]}'),
        *('{"files": [], "earlier": ["../beyond"]}', '{"files": ["b", "../beyond"], "earlier": []}'),
    ):
        (hidden / LIST).write_text(text)
        finish_moves(hidden)
    assert (tmp_path / "beyond").exists()
    assert _files_and_no_folder(tmp_path / "result") == OLD


def test_a_folder_that_cannot_be_listed_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(parts.os, "listdir", refuse)
    assert write_atomically(tmp_path / "x", lambda path: path.write_text("x")).read_text() == "x"
    monkeypatch.undo()
    with pytest.raises(OutputError, match="folder to write into does not exist"):
        write_atomically(tmp_path / "absent" / "x", lambda path: path.write_text("x"))

"""Files that are replaced together."""

import os
from pathlib import Path

import pytest

from medkt.errors import OutputError
from small_model import replace_files
from small_model.replace_files import write_together


def test_files_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "weights"
    write_together(folder, {"a.bin": b"1", "a.json": b"2"})
    write_together(folder, {"a.bin": b"3", "a.json": b"4"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.bin": b"3", "a.json": b"4"}


def test_a_disk_that_is_full_at_the_second_file_leaves_both_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_together(tmp_path, {"a.bin": b"1", "a.json": b"2"})
    synced: list[int] = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(replace_files.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_together(tmp_path, {"a.bin": b"3", "a.json": b"4"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.bin": b"1", "a.json": b"2"}


def test_every_file_is_complete_before_the_first_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[set[bytes]] = []
    rename = os.replace

    def watched(source: Path, target: Path) -> None:
        there.append({path.read_bytes() for path in tmp_path.iterdir()})
        rename(source, target)

    monkeypatch.setattr(replace_files.os, "replace", watched)
    write_together(tmp_path, {"a.bin": b"3", "a.json": b"4"})
    assert there[0] == {b"3", b"4"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file: cannot be written"):
        write_together(tmp_path / "file", {"a": b""})

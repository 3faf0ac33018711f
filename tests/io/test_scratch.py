"""Temporary folders with patients' data: where they lie, who may see them, and that none stays."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.io import read_image
from medkt.io.archive import unpacked
from medkt.io.scratch import PREFIX, scratch_folder, scratch_in, sweep_scratch


def _zip(folder: Path) -> Path:
    Picture.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "PLANTED^NAME.png")
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / "PLANTED^NAME.png", "PLANTED^NAME.png")
    return path


def test_archives_are_unpacked_beside_the_results(tmp_path: Path) -> None:
    path, output = _zip(tmp_path), tmp_path / "output"
    output.mkdir()
    with scratch_in(output / "not" / "there"), unpacked(path) as (folder, listing):
        assert folder.is_relative_to(output)
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        assert len(listing.files) == 1
        assert sweep_scratch(output) == 0  # what is in use stays
    assert list(output.iterdir()) == []


def test_without_results_it_is_the_systems_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder() as folder:
        assert folder.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


_HOLDER = """
import sys, time
from pathlib import Path
from medkt.io.archive import unpacked
from medkt.io.scratch import scratch_in
with scratch_in(Path(sys.argv[2])), unpacked(Path(sys.argv[1])) as (folder, listing):
    print("unpacked", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_at_the_next_start(tmp_path: Path) -> None:
    path, output = _zip(tmp_path), tmp_path / "output"
    output.mkdir()
    command = [sys.executable, "-c", _HOLDER, str(path), str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"unpacked\n"
        (left,) = output.glob(f"{PREFIX}*/files")
        assert len(list(left.iterdir())) == 1
        assert sweep_scratch(output) == 0  # it lives
        process.send_signal(signal.SIGKILL)
    assert left.exists()
    with scratch_in(output), unpacked(path):
        assert not left.exists()
    assert list(output.iterdir()) == []


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    fresh = tmp_path / f"{PREFIX}just-made"
    fresh.mkdir()
    other = tmp_path / f"{PREFIX}of-somebody"
    other.mkdir()
    (other / "thesis.txt").touch()
    os.symlink(other, tmp_path / f"{PREFIX}link")
    assert sweep_scratch(tmp_path) == 0
    assert fresh.exists()
    assert (other / "thesis.txt").exists()


def test_a_picture_in_a_zip_is_read_as_before(tmp_path: Path) -> None:
    assert read_image(_zip(tmp_path)).geometry.shape == (1, 8, 8)

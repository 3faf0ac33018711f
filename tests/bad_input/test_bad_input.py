"""Whatever cannot be used ends in one line that says what and where, an exit code, and nothing on the disk."""

import errno
import json
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from kinds import CT, CXR, KINDS, Bench
from PIL import Image as Picture
from whole_line import BRIGHT, QUICK, Command, Studies, files_below, load_bright

from medkt.phantom.study import PLANTED
from medkt.pipeline import Pipeline


@pytest.mark.parametrize("name", KINDS)
def test_one_line_a_code_and_nothing_left_behind(
    name: str, medkt: Command, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = KINDS[name]
    if not kind.real_models:
        monkeypatch.setattr(Pipeline, "load", load_bright)
    (tmp_path / "made").mkdir()
    bad = kind.make(Bench(folder=tmp_path / "made", studies=studies))
    before = {path: path.read_bytes() for path in files_below(tmp_path) if not path.is_symlink()}
    output = bad.output or tmp_path / "out"
    ran = medkt("segment", "-i", bad.study, "-o", output, *bad.words, *bad.options)
    assert ran.code == kind.code, ran.err
    assert ran.out == ""
    assert ran.err.startswith("medkt: ")
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1
    assert (bad.names or str(bad.study)) in ran.err
    for words in kind.says:
        assert words in ran.err
    assert not [value for value in PLANTED.values() if value in ran.err]
    assert {path: path.read_bytes() for path in files_below(tmp_path) if not path.is_symlink()} == before
    assert not list(tmp_path.rglob("*.part*"))


def test_a_pickle_does_not_run(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    bad = KINDS["a pickle that runs code"].make(Bench(folder=tmp_path, studies=studies))
    assert medkt("segment", "-i", bad.study, "-o", tmp_path / "out", *BRIGHT, *bad.options).code == 2
    assert not (tmp_path / "ran").exists()


# ---- what looks wrong and is not, or is only worth a note


def _odd(at: Bench, name: str) -> tuple[Path, tuple[str, ...], str]:
    """A study, its options, and what is noted about it."""
    grey = np.asarray(Picture.open(at.studies["cxr-png"]))
    made: dict[str, Any] = {
        "16-bit PNG": lambda: (at.picture(grey.astype(np.uint16) * 257), CXR, "no pixel spacing"),
        "PNG with alpha": lambda: (at.picture(np.dstack([grey] * 4)), CXR, "no pixel spacing"),
        "PNG of colour": lambda: (at.picture(np.dstack([grey] * 3)), CXR, "no pixel spacing"),
        "NIfTI named .png": lambda: (_copy(at, "ct-nifti", "image.png"), CT, ""),
        "DICOM without a suffix": lambda: (_copy(at, "dx", "IM0001"), (), ""),
        "DICOM named .txt": lambda: (_copy(at, "dx", "image.txt"), (), ""),
        "gzipped NIfTI without .gz": lambda: (_copy(at, "ct-nifti", "image.nii"), CT, ""),
        "RGB NIfTI": lambda: (_rgb(at), CT, ""),
        "radiograph read as CT": lambda: (at.studies["dx"], CT, "the file says modality DX, it is read as CT"),
        "one slice of a CT": lambda: (at.series(lambda index, one: index == 2), (), ""),
        "missing slice with --regrid": lambda: (
            at.series(lambda index, one: index != 2), ("--regrid",), "resampled onto a regular grid"
        ),
        "zip of one DICOM": lambda: (at.packed("a.zip", {"x": at.studies["dx"].read_bytes()}), (), ""),
    }  # fmt: skip
    chosen: tuple[Path, tuple[str, ...], str] = made[name]()
    return chosen


def _copy(at: Bench, study: str, name: str) -> Path:
    return Path(shutil.copy(at.studies[study], at.path(name)))


def _rgb(at: Bench) -> Path:
    grey = np.asarray(nib.load(at.studies["ct-nifti"]).dataobj).clip(0, 255).astype(np.uint8)
    colour = np.zeros(grey.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        colour[channel] = grey
    return at.nifti(colour)


@pytest.mark.parametrize(
    "name",
    [
        "16-bit PNG",
        "PNG with alpha",
        "PNG of colour",
        "NIfTI named .png",
        "DICOM without a suffix",
        "DICOM named .txt",
        "gzipped NIfTI without .gz",
        "RGB NIfTI",
        "radiograph read as CT",
        "one slice of a CT",
        "missing slice with --regrid",
        "zip of one DICOM",
    ],
)
def test_odd_input_is_taken(name: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    study, options, note = _odd(Bench(folder=tmp_path, studies=studies), name)
    ran = medkt("segment", "-i", study, "-o", tmp_path / "out", *BRIGHT, *QUICK, *options)
    assert ran.code == 0, ran.err
    assert note in ran.err
    warnings = json.loads((tmp_path / "out" / "result.json").read_text())["warnings"]
    assert any(note in warning for warning in warnings) or not note


def test_words_beyond_what_the_encoder_reads_are_noted(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = "a bright spot " * 60
    ran = medkt("segment", "-i", studies["dx"], "-o", tmp_path, "-p", words, *QUICK)
    assert ran.code == 0, ran.err
    assert "cut" in ran.err


def test_a_damaged_header_is_not_quoted(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    """What a library says about a wrong value would repeat the value."""
    path = tmp_path / "odd.dcm"
    content = bytearray(studies["dx"].read_bytes())
    birth = content.index(PLANTED["PatientBirthDate"].encode())
    content[birth : birth + 8] = b"PLANTED!"
    path.write_bytes(content)
    ran = medkt("segment", "-i", path, "-o", tmp_path / "out", *BRIGHT, *QUICK, "-f", "nifti,dicom-seg", "-v")
    assert ran.code == 0, ran.err
    assert "PLANTED" not in ran.err + ran.out


# ---- the surroundings


def test_no_permission_to_read(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(studies["ct-nifti"], tmp_path / "mine.nii.gz"))
    opened = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    ran = medkt("segment", "-i", path, "-o", tmp_path / "out", *BRIGHT, *CT)
    assert ran.code == 2
    assert ran.err == f"medkt: {path}: cannot be opened (Permission denied)\n"


def test_no_permission_to_write(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    ran = medkt("segment", "-i", studies["dx"], "-o", tmp_path / "out", *BRIGHT)
    assert ran.code == 2
    assert (
        ran.err == f"medkt: {tmp_path / 'out'}: cannot be written (Permission denied); choose another output folder\n"
    )


@pytest.mark.parametrize("at_call", [1, 2, 4, 6])
def test_a_full_disk_leaves_what_was_there(
    at_call: int, medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills while files get their names: the earlier result stays, whole."""
    words = ("segment", "-i", studies["dx"], "-o", tmp_path / "out", *QUICK)
    assert medkt(*words, *BRIGHT).code == 0
    before = {path.name: path.read_bytes() for path in files_below(tmp_path / "out")}
    replace, calls = os.replace, []

    def fill(source: Any, target: Any) -> None:
        if Path(target).parent.name != "earlier" and "earlier" not in str(source) and Path(target).parent.name == "out":
            calls.append(target)
            if len(calls) == at_call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fill)
    ran = medkt(*words, "-p", "something dark", "--overwrite", "-q")  # how long it takes is said before the work
    assert ran.code == 2
    assert ran.err == (
        f"medkt: {tmp_path / 'out'}: cannot be written (No space left on device); check space and permission\n"
    )
    assert {path.name: path.read_bytes() for path in files_below(tmp_path / "out")} == before


@pytest.mark.parametrize("largest", [0, 2_000, 20_000])
def test_a_file_that_may_grow_no_further(
    largest: int, medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    """A real limit, as a full disk or a quota sets it: writes fail in the middle of a file."""
    study, before = studies["dx"], resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        ran = medkt("segment", "-i", study, "-o", tmp_path / "out", *BRIGHT, *QUICK, "-q")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith("medkt: ")
    assert len(ran.err.splitlines()) == 1
    assert "cannot be written (File too large)" in ran.err
    assert ".part" not in ran.err
    assert not (tmp_path / "out").exists()


def test_results_may_go_beside_the_input(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    """A result in the folder of the series does not change what a later run reads."""
    folder = Path(shutil.copytree(studies["ct-series"], tmp_path / "series"))
    words = ("segment", "-i", folder, "-o", folder, *BRIGHT, *QUICK, "-f", "nifti,dicom-seg")
    assert medkt(*words).code == 0
    first = json.loads((folder / "result.json").read_text())
    assert medkt(*words, "--overwrite").code == 0
    again = json.loads((folder / "result.json").read_text())
    assert again["input"]["digest"] == first["input"]["digest"]
    assert again["findings"] == first["findings"]

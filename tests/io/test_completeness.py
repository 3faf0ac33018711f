"""Every kind of damage to a file, at every place of a stack, in a folder, an archive and behind a DICOMDIR.

What is right: the reading is refused and the entry is named; with `allow_incomplete` the rest is read, every voxel of it,
and the result says how much was lost. Nothing that was never DICOM is mistaken for a loss.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_making import AXIAL, write_picture, write_series
from pydicom import dcmread
from pydicom.fileset import FileSet

from medkt.errors import GeometryError, IncompleteError, InputError, UnreadableError, UnsupportedError
from medkt.io import read_image

VALUES = np.random.default_rng(0).integers(0, 900, (6, 5, 7)).astype(np.int16)
PLACES = {"first": (0,), "middle": (3,), "last": (5,), "both ends": (0, 5), "last three": (3, 4, 5)}


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("../.git/annex/objects/not_fetched.dcm")


def _cut_in_preamble(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _cut_in_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:250])


def _cut_between_elements(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\x28\x00\x02\x00US")])  # nothing is torn: the next would be the size


def _cut_in_pixels(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _cut_before_pixels(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\xe0\x7f\x10\x00")])


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _pointer(path: Path) -> None:
    path.write_text("/annex/objects/SHA256E-s1234--abcd.dcm\n")


def _page(path: Path) -> None:
    path.write_text("<html>Your session has expired</html>")


KINDS: dict[str, Callable[[Path], None]] = {
    "empty": _empty, "dangling": _dangling, "cut in the preamble": _cut_in_preamble, "cut in the header": _cut_in_header,
    "cut between elements": _cut_between_elements,
    "cut in the pixels": _cut_in_pixels, "cut before the pixels": _cut_before_pixels, "zeros": _zeros, "annex pointer": _pointer, "a page in its place": _page,
}  # fmt: skip


def _stack(folder: Path, names: str = "IM{:04d}.dcm") -> list[Path]:
    """Six slices in order of space, each under a name that says which."""
    written = write_series(folder / "made", VALUES)
    paths = []
    for k, path in enumerate(written):
        paths.append(folder / names.format(k + 1))
        path.rename(paths[-1])
    (folder / "made").rmdir()
    return paths


def _require_named(source: Path, kept: list[int], lost: int, *, regrid: bool = False) -> None:
    with pytest.raises((UnreadableError, UnsupportedError)):  # of which `IncompleteError` is one
        read_image(source)
    if kept != list(range(kept[0], kept[-1] + 1)):
        with pytest.raises(GeometryError, match="missing"):
            read_image(source, allow_incomplete=True)
        assert read_image(source, allow_incomplete=True, regrid=True).values.shape[0] == kept[-1] - kept[0] + 1
        return
    image = read_image(source, allow_incomplete=True)
    assert np.array_equal(image.values, VALUES[kept])
    completeness = image.provenance.completeness
    assert completeness is not None
    assert (completeness.used, completeness.missing, completeness.allowed) == (len(kept), lost, True)
    assert any("the input is incomplete" in warning for warning in image.provenance.warnings)
    start = AXIAL[:3, 3] + AXIAL[:3, 0] * kept[0]
    assert np.allclose(image.geometry.affine[:3, 3], start, atol=1e-3)


@pytest.mark.parametrize(
    ("names", "kind", "place"),
    [
        *(("IM{:04d}.dcm", kind, place) for kind in KINDS for place in PLACES),
        *((names, kind, "last") for names in ("IM{:04d}", "1.2.840.{}", "MR.1.2.{}.ima") for kind in KINDS),
    ],
)
def test_damage_in_a_folder(kind: str, place: str, names: str, tmp_path: Path) -> None:
    paths = _stack(tmp_path, names)
    for k in PLACES[place]:
        KINDS[kind](paths[k])
    kept = [k for k in range(6) if k not in PLACES[place]]
    _require_named(tmp_path, kept, len(PLACES[place]))
    with pytest.raises((UnreadableError, UnsupportedError), match=paths[PLACES[place][0]].name):
        read_image(tmp_path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "dangling"), "a broken member"])
def test_damage_in_an_archive(kind: str, place: str, tmp_path: Path) -> None:
    paths = _stack(tmp_path / "in")
    if kind != "a broken member":
        for k in PLACES[place]:
            KINDS[kind](paths[k])
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in paths:
            opened.write(path, f"Series 1/{path.name}")
    if kind == "a broken member":
        whole = archive.read_bytes()
        for k in PLACES[place]:
            inside = paths[k].read_bytes()
            whole = whole.replace(inside, inside[:-9] + bytes([inside[-9] ^ 1]) + inside[-8:])  # its checksum fails
        archive.write_bytes(whole)
    _require_named(archive, [k for k in range(6) if k not in PLACES[place]], len(PLACES[place]))
    with pytest.raises((UnreadableError, UnsupportedError), match=paths[PLACES[place][0]].name):
        read_image(archive)


@pytest.mark.parametrize(
    ("by", "kind", "place"),
    [
        *(("DICOMDIR", kind, place) for kind in KINDS for place in ("first", "middle", "last three")),
        *((by, "absent", place) for by in ("DICOMDIR", "folder") for place in PLACES),
        *(("folder", kind, "last") for kind in KINDS),
    ],
)
def test_damage_behind_a_dicomdir(kind: str, place: str, by: str, tmp_path: Path) -> None:
    paths = _disc(tmp_path, _stack(tmp_path / "in"))
    for k in PLACES[place]:
        if kind == "absent":
            paths[k].unlink()
        else:
            KINDS[kind](paths[k])
    source = tmp_path / "disc" if by == "folder" else tmp_path / "disc" / "DICOMDIR"
    with pytest.raises((UnreadableError, UnsupportedError), match=r"lost:|no pixel data|cannot|failed|damaged"):
        read_image(source)
    kept = [k for k in range(6) if k not in PLACES[place]]
    if kept == list(range(kept[0], kept[-1] + 1)):
        image = read_image(source, allow_incomplete=True)
        assert np.array_equal(image.values, VALUES[kept])
        assert image.provenance.completeness is not None
        assert image.provenance.completeness.missing == len(PLACES[place])


def _disc(tmp_path: Path, paths: list[Path]) -> list[Path]:
    """The files on a disc with a DICOMDIR, in the same order."""
    files = FileSet()
    first_stage = files._stage["t"]
    for path in paths:
        files.add(path)
    files.write(tmp_path / "disc")
    first_stage.cleanup()
    files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, which warns in some later test
    place = {str(dcmread(path).SOPInstanceUID): k for k, path in enumerate(paths)}
    written = [path for path in (tmp_path / "disc").rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    return sorted(written, key=lambda path: place[str(dcmread(path).SOPInstanceUID)])


# ---- what is no loss


def test_what_others_leave_is_passed_over_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    _stack(folder)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "._IM0001.dcm").write_bytes(b"\0\5\x16\7")
    (folder / "Thumbs.db").write_bytes(b"")
    (folder / ".hidden.dcm").symlink_to("nowhere")
    (folder / "README").write_text("hello")
    (folder / "VERSION").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / "preview.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "link.txt").symlink_to("nowhere.txt")
    (folder / "viewer.exe").write_bytes(b"MZ" + bytes(200))
    (folder / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    image = read_image(folder)
    assert np.array_equal(image.values, VALUES)
    completeness = image.provenance.completeness
    assert completeness is not None
    assert dict(completeness.passed_over) == {
        "a link to a folder that is read anyway": 1, "hidden or left by the system": 4, "not DICOM": 8,
    }  # fmt: skip
    assert (completeness.entries, completeness.used, completeness.missing) == (19, 6, 0)
    assert image.provenance.warnings == ()
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                opened.write(path, f"study/{path.name}")
                opened.writestr(f"__MACOSX/study/._{path.name}", b"\0\5\x16\7" + bytes(200))
    assert np.array_equal(read_image(archive).values, VALUES)


def test_every_entry_is_accounted_for(tmp_path: Path) -> None:
    paths = _stack(tmp_path / "a")
    shutil.copy(paths[0], tmp_path / "a" / "copy.dcm")
    write_series(tmp_path / "b", VALUES[:3], SeriesInstanceUID="1.2.3.4.6")
    _empty(tmp_path / "b" / "IM0009.dcm")  # beside another series: of no concern here
    image = read_image(tmp_path, series="1.2.3.4.5")
    completeness = image.provenance.completeness
    assert completeness is not None
    assert dict(completeness.passed_over) == {
        "damaged or empty, beside another series": 1, "of another series": 3, "repeating an object of the series": 1,
    }  # fmt: skip
    assert completeness.entries == completeness.used + sum(completeness.passed_over.values()) == 11
    with pytest.raises(IncompleteError, match=r"1 lost: b/IM0009\.dcm \(empty, 0 bytes\)"):
        read_image(tmp_path, series="1.2.3.4.6")


@pytest.mark.parametrize("name", ["IM.7", "2.16.840.99", "scan", "IM0007.dcm.part", "more/IM0007.dcm", "more/7"])
def test_what_could_be_a_slice_is_lost_whatever_it_is_called_and_wherever_it_lies(name: str, tmp_path: Path) -> None:
    """Nothing that could be read has its shape of name, or lies in its folder."""
    _stack(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    _empty(tmp_path / name)
    with pytest.raises(IncompleteError, match=rf"1 lost: {re.escape(name)} \(empty, 0 bytes\)"):
        read_image(tmp_path)


def test_a_dicomdir_says_of_which_series_what_is_absent_was(tmp_path: Path) -> None:
    first = _stack(tmp_path / "in")
    second = write_series(tmp_path / "two", VALUES, SeriesInstanceUID="1.2.3.4.6")
    for k, path in enumerate(second):  # the helper numbers objects alike in every series
        dataset = dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.6.{k + 1}"
        dataset.save_as(path)
    written = _disc(tmp_path, [*first, *second])
    written[-1].unlink()
    for source in (tmp_path / "disc", tmp_path / "disc" / "DICOMDIR"):
        assert np.array_equal(read_image(source, series="1.2.3.4.5").values, VALUES)
        with pytest.raises(IncompleteError, match=r"1 lost: .*named by the DICOMDIR and not there"):
            read_image(source, series="1.2.3.4.6")


def test_what_a_dicomdir_names_and_is_damaged_is_lost_once_in_whichever_case(tmp_path: Path) -> None:
    paths = _disc(tmp_path, _stack(tmp_path / "in"))
    lower = tmp_path / "lower"
    for path in paths:
        copied = lower / str(path.relative_to(tmp_path / "disc")).lower()
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    shutil.copy(tmp_path / "disc" / "DICOMDIR", lower / "dicomdir")
    _cut_in_header(lower / str(paths[-1].relative_to(tmp_path / "disc")).lower())
    completeness = read_image(lower, allow_incomplete=True).provenance.completeness
    assert completeness is not None
    assert dict(completeness.unexplained) == {"cut or damaged within the header": 1}


def test_links_to_folders_and_closed_folders_are_named(tmp_path: Path) -> None:
    _stack(tmp_path / "elsewhere")
    _stack(tmp_path / "study")
    (tmp_path / "study" / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IncompleteError, match=r"more \(a link to a folder, which is not followed\)"):
        read_image(tmp_path / "study")
    assert np.array_equal(read_image(tmp_path / "study", allow_incomplete=True).values, VALUES)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    paths = _stack(tmp_path)
    paths[-1].chmod(0)
    with pytest.raises(IncompleteError, match=r"IM0006\.dcm \(without permission to read\)"):
        read_image(tmp_path)


def test_a_file_that_may_not_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = _stack(tmp_path)
    opened = Path.open

    def closed(self: Path, *arguments: str, **named: str) -> object:
        if self == paths[-1]:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(IncompleteError, match=r"IM0006\.dcm \(without permission to read\)"):
        read_image(tmp_path)


# ---- what the headers count


@pytest.mark.parametrize("keyword", ["ImagesInAcquisition", "NumberOfSlices", "NumberOfSeriesRelatedInstances"])
def test_headers_that_count_more_than_is_there(keyword: str, tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, **{keyword: 9})
    with pytest.raises(IncompleteError, match=rf"3 lost: {keyword} says 9, 6 are there .*--allow-incomplete"):
        read_image(tmp_path)
    completeness = read_image(tmp_path, allow_incomplete=True).provenance.completeness
    assert completeness is not None
    assert dict(completeness.unexplained) == {"counted by the headers and not there": 3}


@pytest.mark.parametrize("stated", [6, 5, 0])
def test_headers_that_count_what_is_there_or_less(stated: int, tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, ImagesInAcquisition=stated)
    assert read_image(tmp_path).provenance.completeness.missing == 0  # type: ignore[union-attr]


def test_what_is_counted_and_lost_counts_once(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VALUES, ImagesInAcquisition=6)
    _empty(paths[-1])
    completeness = read_image(tmp_path, allow_incomplete=True).provenance.completeness
    assert completeness is not None
    assert dict(completeness.unexplained) == {"empty, 0 bytes": 1}


def test_a_count_of_several_series_of_one_acquisition(tmp_path: Path) -> None:
    write_series(tmp_path / "soft", VALUES, ImagesInAcquisition=12, AcquisitionNumber=2)
    write_series(tmp_path / "lung", VALUES, ImagesInAcquisition=12, AcquisitionNumber=2, SeriesInstanceUID="1.2.3.4.6")
    assert read_image(tmp_path, series="1.2.3.4.6").provenance.completeness.missing == 0  # type: ignore[union-attr]


def test_a_count_of_several_volumes(tmp_path: Path) -> None:
    write_series(tmp_path / "one", VALUES, ImagesInAcquisition=12, EchoNumbers=1)
    write_series(tmp_path / "two", VALUES + 1, ImagesInAcquisition=12, EchoNumbers=2)
    image = read_image(tmp_path, volume=2)
    assert np.array_equal(image.values, VALUES + 1)
    assert dict(image.provenance.completeness.passed_over) == {"of another volume of the series": 6}  # type: ignore[union-attr]


def test_one_file_that_is_asked_for_claims_no_more(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VALUES, ImagesInAcquisition=9)
    assert read_image(paths[0]).provenance.completeness.missing == 0  # type: ignore[union-attr]


def test_numbers_that_begin_late_are_a_note(tmp_path: Path) -> None:
    for k, path in enumerate(_stack(tmp_path)):
        dataset = dcmread(path)
        dataset.InstanceNumber = k + 5
        dataset.save_as(path)
    (note,) = read_image(tmp_path).provenance.warnings
    assert "numbered from 5 to 10" in note
    assert "4 are missing at this end" in note


@pytest.mark.parametrize("numbers", [(0, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6), (10, 20, 30, 40, 50, 60), (7,) * 6])
def test_numbers_that_say_nothing(numbers: tuple[int, ...], tmp_path: Path) -> None:
    for number, path in zip(numbers, _stack(tmp_path), strict=True):
        dataset = dcmread(path)
        dataset.InstanceNumber = number
        dataset.save_as(path)
    assert read_image(tmp_path).provenance.warnings == ()


def test_a_folder_of_losses_only(tmp_path: Path) -> None:
    for k in range(6):
        _empty(tmp_path / f"IM{k:04d}.dcm")
    with pytest.raises(IncompleteError, match=r"no DICOM file that can be read: IM0000\.dcm.* and 2 more"):
        read_image(tmp_path, allow_incomplete=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README").write_text("hello")
    with pytest.raises(InputError, match="no DICOM file in this folder"):
        read_image(tmp_path / "other")


def test_the_last_readable_file_may_not_be_lost(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", VALUES[0])
    _cut_in_pixels(path)
    with pytest.raises(UnreadableError, match=r"a\.dcm"):
        read_image(tmp_path, allow_incomplete=True)

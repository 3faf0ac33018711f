"""From what the user points at to headers: a file, a folder, a DICOMDIR."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import Dataset

from medkt.errors import IncompleteError, InputError, UnreadableError, UnsupportedError
from medkt.io.dicom_header import header_and_pixels, is_cut_picture, items, kind_of, text, value
from medkt.io.dicom_plain import PixelElement, pixel_element
from medkt.io.entries import Entry, Listing, UnreadEntry, dicom_of, listing_of, said

DIRECTORY = "a directory of files (DICOMDIR)"
CUT_HEADER = "cut or damaged within the header"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DicomFile:
    """One file: where it lies, how to name it in messages, its header without voxels, and whether it has voxels.

    `folder` is the name of its folder, "" where the file itself was given; `element` is where its voxels lie as they are.
    """

    path: Path
    shown: str
    header: Dataset
    has_pixels: bool = True
    folder: str = ""
    element: PixelElement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingObject:
    """An object that a DICOMDIR names and that does not lie there, with the series that it belongs to ("" unknown)."""

    name: str
    instance: str
    series: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFiles:
    """The pictures that were found, and what else lay there.

    Attributes:
        pictures: their headers.
        others: objects that are no pictures, by kind.
        passed: entries that are not DICOM, by reason.
        lost: entries that should have been read and cannot be.
        absent: what DICOMDIRs name and is not there.
        entries: how many there are in all; `whole` is false where a single file was given, which claims nothing more.
    """

    pictures: list[DicomFile]
    others: dict[str, int]
    passed: Counter[str]
    lost: list[UnreadEntry]
    absent: list[MissingObject]
    entries: int = 1
    whole: bool = False


def find_files(
    path: Path, shown: str, listing: Listing | None = None, *, met: Callable[[Dataset, int], None] | None = None
) -> FoundFiles:
    """The DICOM pictures in a file, in a folder and all folders below, or named by a DICOMDIR.

    Args:
        path: the file or folder.
        shown: how to name it in messages.
        listing: what lies in the folder, where that is known already (an archive, unpacked).
        met: told of the first header that is read, and of how many files there are.

    Raises:
        InputError: no DICOM there. IncompleteError: none that can be read.
        UnreadableError: the file itself is damaged.
        UnsupportedError: only objects that are no pictures.
    """
    if path.is_dir():
        listed = dicom_of(listing_of(path) if listing is None else listing)
        if not listed.files and listed.lost:
            raise IncompleteError(f"{shown}: no DICOM file that can be read: {said(listed.lost)}; restore them")
        if not listed.files:
            raise InputError(
                f"{shown}: no DICOM file in this folder; give the file itself for NIfTI and pictures", code="no-dicom"
            )
        found = _read_all(listed, shown, met=met)
    else:
        file = _opened(path, shown)
        if "DirectoryRecordSequence" in file.header:
            found = _read_all(_named_by_directory(file.header, path, shown), shown, _records(file.header), met=met)
        else:
            found = _sorted_out([file], Listing(files=[]), [])
    if not found.pictures and found.lost:
        raise IncompleteError(f"{shown}: no picture that can be read: {said(found.lost)}; restore them")
    if not found.pictures:
        what = ", ".join(f"{kind}" + (f" ({count} files)" if count > 1 else "") for kind, count in found.others.items())
        raise UnsupportedError(
            f"{shown}: holds {what}; medkt reads images (CR, DX, MG, CT, MR, US, ...)", code="no-picture"
        )
    return found


def _read_all(
    listed: Listing,
    shown: str,
    records: Sequence[MissingObject] | None = None,
    *,
    met: Callable[[Dataset, int], None] | None,
) -> FoundFiles:
    """Headers of all files; one that cannot be read is lost, for it may belong to any series."""
    files: list[DicomFile] = []
    lost = list(listed.lost)
    for entry in listed.files:
        try:
            file = _opened(entry.path, f"{shown} ({entry.name})", entry.folder)
        except UnreadableError:
            lost.append(UnreadEntry(name=entry.name, reason=CUT_HEADER))
            continue
        if is_cut_picture(file.header):
            lost.append(UnreadEntry(name=entry.name, reason=CUT_HEADER))
        else:
            files.append(file)
            if len(files) == 1 and met is not None:
                met(file.header, len(listed.files))
    whole = Listing(files=listed.files, passed=listed.passed, lost=lost)
    found = _sorted_out(files, whole, lost, whole=True)
    damaged = {one.name.lower() for one in lost}
    absent = [one for one in _absent(files, records) if one.name.lower() not in damaged]
    entries = listed.count + (0 if records is None else len(absent))
    return replace(found, absent=absent, entries=entries)


def _opened(path: Path, shown: str, folder: str = "") -> DicomFile:
    elements: list[PixelElement | None] = [None]
    header, has_pixels = header_and_pixels(path, shown, lambda file: elements.append(pixel_element(file)))
    return DicomFile(path=path, shown=shown, header=header, has_pixels=has_pixels, folder=folder, element=elements[-1])


def _sorted_out(files: list[DicomFile], listed: Listing, lost: list[UnreadEntry], *, whole: bool = False) -> FoundFiles:
    pictures: list[DicomFile] = []
    others: dict[str, int] = {}
    for file in files:
        kind = kind_of(file.header, has_pixels=file.has_pixels)
        if kind is None:
            pictures.append(file)
        else:
            others[kind] = others.get(kind, 0) + 1
    return FoundFiles(pictures=pictures, others=others, passed=listed.passed, lost=lost, absent=[], whole=whole)


def _absent(files: Sequence[DicomFile], records: Sequence[MissingObject] | None) -> list[MissingObject]:
    """What the DICOMDIRs among the files, or the one given, name and is not among the files."""
    named = list(records or ())
    for file in files:
        named += _records(file.header)
    there = {text(file.header, "SOPInstanceUID") for file in files}
    once = {one.instance or one.name: one for one in named if one.instance not in there}
    return list(once.values())


def _records(header: Dataset) -> list[MissingObject]:
    """The pictures that a DICOMDIR names, each with its series: the last one named before it, as such files are written."""
    series = ""
    found = []
    for record in items(header, "DirectoryRecordSequence"):
        kind = text(record, "DirectoryRecordType")
        if kind == "SERIES":
            series = text(record, "SeriesInstanceUID")
        elif kind in ("IMAGE", "") and value(record, "ReferencedFileID") is not None:
            name = "/".join(_parts(record))
            found.append(
                MissingObject(name=name, instance=text(record, "ReferencedSOPInstanceUIDInFile"), series=series)
            )
    return [one for one in found if one.instance]


def _parts(record: Dataset) -> list[str]:
    reference = value(record, "ReferencedFileID")
    return [reference] if isinstance(reference, str) else [str(part) for part in reference]


def _named_by_directory(header: Dataset, path: Path, shown: str) -> Listing:
    """The files that a DICOMDIR names and that exist below its folder; those that do not come from its records."""
    folder = path.resolve().parent
    files: dict[Path, Entry] = {}
    missing = 0
    lost = []
    for record in items(header, "DirectoryRecordSequence"):
        if value(record, "ReferencedFileID") is None:
            continue
        parts = _parts(record)
        file = _same_file_in_any_case(folder, parts)
        if file is not None:
            files[file] = Entry(path=file, name="/".join(parts))
            continue
        missing += 1
        if text(record, "DirectoryRecordType") in ("IMAGE", "") and not text(record, "ReferencedSOPInstanceUIDInFile"):
            lost.append(UnreadEntry(name="/".join(parts), reason="named by the DICOMDIR and not there"))
    if not files:
        raise InputError(f"{shown}: the DICOMDIR names {missing} files and none is there; give the folder")
    return Listing(files=list(files.values()), lost=lost)


def _same_file_in_any_case(folder: Path, parts: list[str]) -> Path | None:
    """The file below `folder`, also where a copy from a disc changed the case of its name."""
    place = folder
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part:
            return None
        exact = place / part
        if not exact.exists():
            wanted = part.lower()
            near = [one for one in place.iterdir() if one.name.lower() == wanted] if place.is_dir() else []
            if not near:
                return None
            exact = near[0]
        place = exact
    return place if place.is_file() and place.resolve().is_relative_to(folder) else None


def transfer_syntax(header: Dataset) -> str:
    """The transfer syntax UID, "" where the file does not say."""
    meta = getattr(header, "file_meta", None)
    return "" if meta is None else text(meta, "TransferSyntaxUID")

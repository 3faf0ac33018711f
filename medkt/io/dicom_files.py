"""From what the user points at to headers: a file, a folder, a DICOMDIR."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from medkt.errors import InputError, UnsupportedError
from medkt.io.dicom_header import header_and_pixels, items, kind_of, looks_like_dicom, text, value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DicomFile:
    """One file: where it lies, how to name it in messages, its header without voxels, and whether it has voxels."""

    path: Path
    shown: str
    header: Dataset
    has_pixels: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFiles:
    """The pictures that were found, and what else lay there, by kind."""

    pictures: list[DicomFile]
    others: dict[str, int]
    warnings: tuple[str, ...] = ()


def find_files(path: Path, shown: str) -> FoundFiles:
    """The DICOM pictures in a file, in a folder and all folders below, or named by a DICOMDIR.

    A damaged DICOM file in a folder is an error, for without it a stack would end a slice early and nobody would know.

    Raises:
        InputError: no DICOM there.
        UnreadableError: a damaged file.
        UnsupportedError: only objects that are no pictures.
    """
    if path.is_dir():
        found = _read_all([(one, f"{shown} ({one.relative_to(path)})") for one in _files_below(path)])
        missing: tuple[str, ...] = ()
        if not found.pictures and not found.others:
            raise InputError(f"{shown}: no DICOM file in this folder; give the file itself for NIfTI and pictures")
    else:
        file = _opened(path, shown)
        if "DirectoryRecordSequence" not in file.header:
            found, missing = _sorted_out([file]), ()
        else:
            files, missing = _named_by_directory(file.header, path, shown)
            found = _read_all([(one, f"{shown} ({one.name})") for one in files])
    if not found.pictures:
        what = ", ".join(f"{kind}" + (f" ({count} files)" if count > 1 else "") for kind, count in found.others.items())
        raise UnsupportedError(f"{shown}: holds {what}; medkt reads images (CR, DX, MG, CT, MR, US, ...)")
    return FoundFiles(pictures=found.pictures, others=found.others, warnings=missing)


def _files_below(folder: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(folder):  # does not follow links, so a circle of them cannot hold us
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files.extend(Path(root, name) for name in sorted(names) if not name.startswith("."))
    return [file for file in files if file.is_file() and looks_like_dicom(file)]


def _read_all(files: list[tuple[Path, str]]) -> FoundFiles:
    return _sorted_out([_opened(path, shown) for path, shown in files])


def _opened(path: Path, shown: str) -> DicomFile:
    header, has_pixels = header_and_pixels(path, shown)
    return DicomFile(path=path, shown=shown, header=header, has_pixels=has_pixels)


def _sorted_out(files: list[DicomFile]) -> FoundFiles:
    pictures: list[DicomFile] = []
    others: dict[str, int] = {}
    for file in files:
        kind = kind_of(file.header, has_pixels=file.has_pixels)
        if kind is None:
            pictures.append(file)
        else:
            others[kind] = others.get(kind, 0) + 1
    if pictures:
        others.pop("a directory of files (DICOMDIR)", None)
    return FoundFiles(pictures=pictures, others=others)


def _named_by_directory(header: Dataset, path: Path, shown: str) -> tuple[list[Path], tuple[str, ...]]:
    """The files that a DICOMDIR names and that exist below its folder, and a warning about those that do not."""
    folder = path.resolve().parent
    files: list[Path] = []
    missing = 0
    for record in items(header, "DirectoryRecordSequence"):
        reference = value(record, "ReferencedFileID")
        if reference is None:
            continue
        parts = [reference] if isinstance(reference, str) else [str(part) for part in reference]
        file = _same_file_in_any_case(folder, parts)
        if file is None:
            missing += 1
        elif file not in files:
            files.append(file)
    if not files:
        raise InputError(f"{shown}: the DICOMDIR names {missing} files and none is there; give the folder")
    note = f"the DICOMDIR names {missing} files that are not there"
    return files, (note,) if missing else ()


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

"""DICOM in: files, one series, one volume, its grid, its voxels.

A folder, a file or a DICOMDIR becomes entries (`entries`), headers (`dicom_files`), one series (`dicom_series`), frames with places
(`dicom_frames`), one volume (`dicom_volumes`), a grid (`dicom_stack`, `dicom_spacing`), voxels (`dicom_pixels`,
`dicom_luts`), and where the user asks for it a regular grid (`dicom_regrid`).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset

from medkt.errors import GeometryError, IncompleteError
from medkt.io.dicom_account import account_of
from medkt.io.dicom_apart import expect
from medkt.io.dicom_copies import without_copies
from medkt.io.dicom_files import DIRECTORY, DicomFile, FoundFiles, find_files
from medkt.io.dicom_frames import Frame, frames_of
from medkt.io.dicom_header import modality_of, text
from medkt.io.dicom_luts import display_of, empty_luts
from medkt.io.dicom_padding import Padding, filled
from medkt.io.dicom_pixels import read_voxels
from medkt.io.dicom_regions import regions_of
from medkt.io.dicom_regrid import left_out
from medkt.io.dicom_regrid import regrid as resample
from medkt.io.dicom_series import choose_series
from medkt.io.dicom_stack import StackLayout, irregular, lay_out
from medkt.io.dicom_statements import notes_on, stated_by
from medkt.io.dicom_volumes import choose_volume
from medkt.io.digest import digest_of
from medkt.io.entries import Listing, said
from medkt.io.native import DicomNative
from medkt.shapes import Array, Voxels
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Display, Image
from medkt.spatial.provenance import Provenance


def read_dicom(
    path: Path,
    shown: str,
    *,
    series: str | None = None,
    volume: int | str | None = None,
    regrid: bool = False,
    allow_incomplete: bool = False,
    listing: Listing | None = None,
) -> Image:
    """The image in a DICOM file, a folder or a DICOMDIR; axes (slices, rows, columns), world LPS+ mm.

    Args:
        path: what to read.
        shown: how to name it in messages.
        series: a series UID, its unambiguous beginning, or its number in the list from 1.
        volume: which of several volumes or views in the series: its number from 1, or what tells it apart ("echo 2").
        regrid: resample a stack that is no regular grid, instead of refusing it.
        allow_incomplete: read what is there although files are lost, cut or counted and not there.
        listing: what lies in the folder, where that is known already (an archive, unpacked).

    Raises:
        IncompleteError: something is lost and `allow_incomplete` is not set; the message names it.
        InputError: one of its kinds, see `medkt.errors`; the message is one line.
    """
    found = find_files(path, shown, listing, met=expect)
    files, copies = without_copies(choose_series(found.pictures, series, shown))
    chosen = choose_volume(frames_of(files), volume, shown)
    first = files[chosen.frames[0].file].header
    layout = lay_out(chosen.frames, first, shown)
    account = account_of(found, files, layout.frames)
    account.require(shown, allow_incomplete=allow_incomplete)
    if layout.problems and not regrid:
        lost = f" Lost: {said(account.lost)}." if account.lost else ""
        raise GeometryError(
            f"{shown}: {'; '.join(layout.problems)}.{lost} Repair the series, or resample it with --regrid.",
            **irregular(layout),
        )
    broken: dict[int, str] | None = {} if allow_incomplete and found.whole else None
    padding = Padding()
    colours: list[float] = []
    values, steps, warnings = read_voxels(layout.frames, files, broken, padding, colours)
    if broken:
        padding = padding.without({place for place, frame in enumerate(layout.frames) if frame.file in broken})
        layout, values = _without(broken, layout, values, files, shown, regrid=regrid)
        account = account.and_broken(broken, files, layout.frames)
    completeness = account.completeness(allowed=allow_incomplete)
    geometry = layout.geometry
    if layout.problems:
        warnings = (*warnings, *_left_out(values, layout, files))
    display, varying = _display(layout.frames, files)
    film = layout.frames[0].position is None and len(layout.frames) == 1
    full = filled(values, padding, display, modality=modality_of(first), film=film)
    values = full.values
    if layout.problems:
        values, geometry = resample(values, layout, shown)
        between = left_out(layout)
        lost = f"; {between} of {len(layout.frames)} slices lie between its planes and are in none" if between else ""
        warnings = (*warnings, f"resampled onto a regular grid: {'; '.join(layout.problems)}{lost}")
    return Image(
        values=values,
        geometry=geometry,
        modality=modality_of(first),
        display=full.display,
        padding=full.padding,
        stated=stated_by(first),
        colour=math.fsum(colours) / max(1, len(colours)),
        provenance=Provenance(
            source="dicom",
            digest=digest_of(values, geometry),
            steps=(*_record(found, files, layout), *filter(None, [chosen.said]), *layout.steps, *steps, *full.steps),
            warnings=(
                *completeness.warnings,
                *account.notes,
                *copies,
                *chosen.warnings,
                *layout.warnings,
                *notes_on(first, layout.geometry),
                *_cautions(files, layout, geometry),
                *varying,
                *warnings,
            ),
            completeness=completeness,
        ),
        native=_native(files, layout),
    )


def _left_out(values: Voxels, layout: StackLayout, files: Sequence[DicomFile]) -> tuple[str, ...]:
    """A word about slices that give way to another one at their place though they show something else."""
    others = [(values[k], plane) for k, frames in layout.doubled for plane in read_voxels(frames, files)[0]]
    differ = sum(not np.array_equal(kept, plane) for kept, plane in others)
    if not differ:
        return ()
    return (
        f"of slices at one place the first was kept: {differ} left out show{'s' if differ == 1 else ''} something else",
    )


def _without(
    broken: Mapping[int, str], layout: StackLayout, values: Array, files: list[DicomFile], shown: str, *, regrid: bool
) -> tuple[StackLayout, Array]:
    """The stack without the files whose pixels could not be read.

    Raises:
        IncompleteError: nothing is left. GeometryError: what is left is no regular grid and may not be resampled.
    """
    kept = [place for place, frame in enumerate(layout.frames) if frame.file not in broken]
    if not kept:
        raise IncompleteError(next(iter(broken.values())), code="lost-files", lost=len(broken))
    frames = [layout.frames[place] for place in kept]
    left = lay_out(frames, files[frames[0].file].header, shown)
    if left.problems and not regrid:
        raise GeometryError(
            f"{shown}: {'; '.join(left.problems)}, without {len(broken)} damaged files. Resample it with --regrid.",
            **irregular(left),
        )
    return left, values[kept]


def _display(frames: Sequence[Frame], files: Sequence[DicomFile]) -> tuple[Display, tuple[str, ...]]:
    """The display of the middle slice, for the ends of a stack often hold little, and words where it varies."""
    all_of_them = [display_of(files[frame.file].header, frame.number, files[frame.file].shown) for frame in frames]
    middle = all_of_them[len(all_of_them) // 2]
    notes = []
    if any(_window_of(one) != _window_of(middle) for one in all_of_them):
        notes.append("windows vary from slice to slice: those of the middle slice are kept")
    others = sum(one.inverted != middle.inverted for one in all_of_them)
    if others:
        notes.append(
            f"{others} of {len(all_of_them)} slices are {'not ' if middle.inverted else ''}inverted (MONOCHROME1), unlike the middle "
            "one: all are shown as that one is, so these as negatives"
        )
    return middle, tuple(notes)


def _window_of(display: Display) -> tuple[object, ...]:
    table = None if display.table is None else (display.table[0], display.table[1].tobytes())
    return display.windows, display.function, table


def _record(found: FoundFiles, files: list[DicomFile], layout: StackLayout) -> tuple[str, ...]:
    others = sum(count for kind, count in found.others.items() if kind != DIRECTORY)
    skipped = (f"{others} objects without an image skipped",) if others else ()
    mosaics = len({frame.file for frame in layout.frames if frame.corner is not None})
    cut = (f"{len(layout.frames)} slices cut from {mosaics} mosaic{'s' if mosaics > 1 else ''}",) if mosaics else ()
    return (f"{len(layout.frames)} frames of {len(files)} files read", *cut, *skipped)


def _cautions(files: Sequence[DicomFile], layout: StackLayout, geometry: Geometry) -> tuple[str, ...]:
    header = files[layout.frames[0].file].header
    notes = [*empty_luts(header, layout.frames[0].number)]
    if text(header, "BurnedInAnnotation") == "YES":
        notes.append("the file says that text is burned into the picture")
    if text(header, "LossyImageCompression") == "01":
        notes.append("the picture was compressed with loss")
    if "RedPaletteColorLookupTableData" in header and text(header, "PhotometricInterpretation") != "PALETTE COLOR":
        notes.append("a supplemental colour palette is ignored")
    others = len(regions_of(header)) - 1
    if others > 0:
        notes.append(f"ultrasound regions beside the largest are not looked at: {others}")
    if geometry.is_sheared:
        notes.append("sheared affine")
    return tuple(notes)


def _native(files: Sequence[DicomFile], layout: StackLayout) -> DicomNative:
    order = list(dict.fromkeys(frame.file for frame in layout.frames))
    datasets: list[Dataset] = [files[index].header for index in order]
    place = {index: k for k, index in enumerate(order)}
    return DicomNative(
        datasets=tuple(datasets),
        frames=() if layout.problems else tuple((place[frame.file], frame.number) for frame in layout.frames),
        series_uid=text(datasets[0], "SeriesInstanceUID"),
        regridded=bool(layout.problems),
        mosaic=any(frame.corner is not None for frame in layout.frames),
    )

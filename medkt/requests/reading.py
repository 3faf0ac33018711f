"""How studies are read, cut and written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from medkt.modalities import Choices
from medkt.requests.listener import Listener
from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.pipeline import View
    from medkt.report.formats import Formats
    from medkt.spatial import Image

StudyT = TypeVar("StudyT")
MODALITIES = Choices("auto")
"""What `modality` takes."""
_AXIS = Option("cut across slices (0), rows (1) or columns (2)")


@dataclass(frozen=True, kw_only=True)
class ModalityOptions(Request):
    """What the studies are."""

    modality: Annotated[str, Option(choices=MODALITIES)] = "auto"


@dataclass(frozen=True, kw_only=True)
class ViewOptions(ModalityOptions):
    """How studies are read and cut."""

    modality: Annotated[str, Option(choices=MODALITIES)] = "auto"
    allow_incomplete: Annotated[bool, Option()] = False
    window: Annotated[str | None, Option(metavar="NAME")] = None
    axis: Annotated[Literal[0, 1, 2] | None, _AXIS] = None
    step_mm: Annotated[float | None, Option(metavar="MM")] = None


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(ViewOptions):
    """How a study is read and cut."""

    modality: Annotated[
        str,
        Option("what the study is; DICOM says so itself, for NIfTI and pictures it must be said", choices=MODALITIES),
    ] = "auto"
    series: Annotated[
        str | None, Option("which series of a folder: its UID, the start of it, or its number", metavar="UID")
    ] = None
    volume: Annotated[
        str | None,
        Option(
            "which volume of a file that holds several: its number from 1; of a DICOM series also its words ('echo 2', b1000)",
            metavar="N",
        ),
    ] = None
    regrid: Annotated[bool, Option("resample a tilted or irregular series to a regular grid")] = False
    allow_incomplete: Annotated[
        bool,
        Option(
            "read what is left of a study of which files are empty, cut, absent or not readable; the result says so"
        ),
    ] = False
    window: Annotated[
        str | None,
        Option("how values are shown: lung, soft, brain ... or width/level, or 'file'", metavar="NAME"),
    ] = None
    axis: Annotated[Literal[0, 1, 2] | None, _AXIS] = None
    step_mm: Annotated[float | None, Option("least distance between the planes looked at; 0 for all", metavar="MM")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class WritingOptions(Request):
    """What is written of each study."""

    format: Annotated[str, Option(short="-f", metavar="LIST")] = "nifti,png"
    seg_every_frame: Annotated[
        bool, Option("a frame for every slice in the DICOM SEG, for viewers that misplace what lies behind a gap")
    ] = False
    seg_empty_segments: Annotated[
        bool,
        Option("a segment for every finding in the DICOM SEG, those without mask too (one frame, or all)"),
    ] = False


@dataclass(frozen=True, kw_only=True)
class CohortReadingOptions(ViewOptions, WritingOptions):
    """How studies are read, cut and written.

    Which series and which volume stands in the manifest.
    """

    modality: Annotated[
        str, Option("what the studies are, where neither the manifest nor the file says it", choices=MODALITIES)
    ] = "auto"
    regrid: Annotated[bool, Option("resample tilted or irregular series to a regular grid")] = False
    allow_incomplete: Annotated[
        bool,
        Option(
            "read what is left of studies of which files are empty, cut, absent or not readable; the result says so"
        ),
    ] = False
    window: Annotated[str | None, Option("how values are shown; see `medkt segment`", metavar="NAME")] = None
    axis: Annotated[Literal[0, 1, 2] | None, _AXIS] = None
    step_mm: Annotated[float | None, Option("least distance between the planes looked at", metavar="MM")] = None
    format: Annotated[
        str,
        Option(
            "nifti, dicom-seg, png, nrrd, mha (default: %(default)s); a DICOM SEG names its patient, as DICOM wants it",
            short="-f",
            metavar="LIST",
        ),
    ] = "nifti,png"


def modality_of(request: ModalityOptions) -> str | None:
    """What the user says the studies are; None where the files shall say it."""
    return None if request.modality == "auto" else request.modality


def view_of(request: ViewOptions) -> "View":
    """How studies are read and cut."""
    from medkt.pipeline import View

    return View(modality=modality_of(request), window=request.window, axis=request.axis, step_mm=request.step_mm)


def image_of(request: ReadingOptions, path: Path) -> "Image":
    """A study's file or folder, read as the request says.

    Raises:
        MedktError: as `medkt.read_image`.
    """
    from medkt.io import read_image

    return read_image(
        path, series=request.series, volume=request.volume, regrid=request.regrid, allow_incomplete=request.allow_incomplete
    )  # fmt: skip


def in_turn(
    paths: Sequence[Path], do: Callable[[int, Path], StudyT], kind: Callable[..., StudyT], listener: Listener
) -> tuple[StudyT, ...]:
    """What became of studies, one after another; among several one that fails stands there with its error.

    Args:
        paths: of the studies.
        do: gives what became of a study, by its place and its path.
        kind: makes that of one that failed, of its `path` and its `failure`.
        listener: is told of each.

    Raises:
        MedktError: the only study fails.
    """
    from medkt.errors import MedktError

    ended = list[StudyT]()
    for place, path in enumerate(paths):
        try:
            ended.append(do(place, path))
        except MedktError as error:
            if len(paths) == 1:
                raise
            ended.append(kind(path=path, failure=error))
        listener.study_ended(ended[-1])
    return tuple(ended)


def formats_of(request: WritingOptions) -> "Formats":
    """What is written of each study."""
    from medkt.report.formats import Formats

    return Formats.parse(
        request.format, seg_every_frame=request.seg_every_frame, seg_empty_segments=request.seg_empty_segments
    )

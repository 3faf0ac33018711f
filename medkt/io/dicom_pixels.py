"""Encoded frames to voxels: one frame at a time, colour to luma, modality LUT, into one array."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from medkt.bounds import budget
from medkt.errors import IncompleteError, UnreadableError, UnsupportedError
from medkt.io.dicom_apart import Decoding
from medkt.io.dicom_decode import NoPixelsError
from medkt.io.dicom_files import DicomFile
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_luts import modality_lut
from medkt.io.dicom_mosaic import mosaic_of, require_blank, tile
from medkt.io.dicom_padding import Padding
from medkt.shapes import Array, Voxels

_STEPS = {"colour": "colour reduced to luma (ITU-R BT.601)"}


def read_voxels(
    frames: Sequence[Frame],
    files: Sequence[DicomFile],
    broken: dict[int, str] | None = None,
    padding: Padding | None = None,
    colours: list[float] | None = None,
) -> tuple[Voxels, tuple[str, ...], tuple[str, ...]]:
    """Voxels of the frames in their order, (slices, rows, columns), with the steps done and the warnings met.

    One file is held at a time beside the result, so a series of n slices needs n + 1 of them.

    Args:
        frames: of any of the files.
        files: their files.
        broken: takes the files whose pixels cannot be read, by index with the reason, and their planes stay 0; None for an
            error instead.

        padding: takes where padding was met; a plane has a real value of its own there.
        colours: takes how much of each frame was in colour, 0 for grey.

    Raises:
        UnsupportedError: no pixels, or no decoder for their encoding.
        UnreadableError: damaged pixels.
    """
    target = _Target(
        len(frames), Padding() if padding is None else padding, files[frames[0].file].shown if frames else "",
        [] if colours is None else colours,
    )  # fmt: skip
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(frames):
        places.setdefault(frame.file, []).append(place)
    steps: dict[str, None] = {}
    warnings: dict[str, None] = {}
    numbers = {index: list(dict.fromkeys(frames[place].number for place in wanted)) for index, wanted in places.items()}
    with Decoding(files, numbers) as decoding:
        for index, wanted in places.items():
            try:
                _read_file(files[index], decoding.frames(index, warnings), frames, wanted, target, steps)
            except (UnreadableError, NoPixelsError) as error:
                if broken is None:
                    raise
                broken[index] = str(error)
    if broken and len(broken) == len(places):
        raise IncompleteError(next(iter(broken.values())), code="lost-files", lost=len(broken))
    return target.values, tuple(steps), tuple(warnings)


def _read_file(
    file: DicomFile,
    decoded: Iterator[tuple[Array, float | None]],
    frames: Sequence[Frame],
    wanted: Sequence[int],
    target: "_Target",
    steps: dict[str, None],
) -> None:
    """Put the wanted frames of one file into their places."""
    by_number: dict[int, dict[int, Frame]] = {}  # all slices of a mosaic have one
    for place in wanted:
        by_number.setdefault(frames[place].number, {})[place] = frames[place]
    for (number, cuts), (stored, colour) in zip(by_number.items(), decoded, strict=True):
        target.colours.append(colour or 0.0)
        lut, kind = (None, "colour") if colour is not None else modality_lut(file.header, number, file.shown)
        if kind != "identity":
            steps[_STEPS.get(kind, f"modality LUT applied ({kind})")] = None
        for place, plane in _cut(stored, cuts, file).items():
            real = plane if lut is None else lut(target.padding.taken_out(plane, file.header, place))
            target.put(place, real)


def _cut(stored: Array, frames: Mapping[int, Frame], file: DicomFile) -> dict[int, Array]:
    """The planes of a decoded frame by their place: itself, or the slices of a mosaic."""
    corners = [frame.corner for frame in frames.values()]
    mosaic = mosaic_of(file.header, file.shown) if any(corner is not None for corner in corners) else None
    if mosaic is not None:
        require_blank(stored, mosaic, file.shown)
    planes = {}
    for place, frame in frames.items():
        planes[place] = stored if frame.corner is None else tile(stored, frame.corner, frame.size)
        if planes[place].shape[:2] != frame.size:
            raise UnreadableError(
                f"{file.shown}: a decoded frame has another size than the header says; it is damaged",
                code="pixels-damaged",
            )
    return planes


class _Target:
    """One array for all slices; its type widens when a slice asks for it, which is seldom."""

    def __init__(self, slices: int, padding: Padding, shown: str, colours: list[float]) -> None:
        self._slices, self._shown = slices, shown
        self.padding, self.colours = padding, colours
        self._values: Array | None = None

    def put(self, place: int, plane: Array) -> None:
        plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
        if self._values is None:
            budget().require_bytes(self._slices * plane.nbytes, self._shown)
            self._values = np.zeros((self._slices, *plane.shape), dtype=plane.dtype)
        if plane.dtype != self._values.dtype:
            common = np.result_type(plane.dtype, self._values.dtype)
            common = np.dtype(np.float32) if common.kind == "f" else common
            budget().require_bytes(self._values.size * common.itemsize, self._shown)
            self._values = self._values.astype(common, copy=False)
        self._values[place] = plane

    @property
    def values(self) -> Array:
        if self._values is None:
            raise UnsupportedError("there are no frames")
        return self._values

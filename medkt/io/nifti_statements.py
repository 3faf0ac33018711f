"""A NIfTI header says several times where its voxels lie and how large they are: qform, sform, pixdim, a sidecar, the bytes.

Where two of them differ one is taken, and a note names both: programs differ in which they take.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medkt.bounds import parse_json
from medkt.shapes import Affine, Array

SAME_PLACE_VOXELS = 0.1  # quaternions are rounded, and a sform may lean a little
SAME_LENGTH = 0.01
USUAL_MM = (0.005, 50.0)  # from microscopy of tissue to the thickest slice
LONGEST_SIDECAR = 1 << 20


def notes_on(header: Any, taken: Affine, unit_mm: float, path: Path) -> tuple[str, ...]:
    """What of a header contradicts the affine that was taken; empty for a header of one mind.

    Args:
        header: nibabel's.
        taken: (i, j, k) to RAS+, in the file's unit.
        unit_mm: the length of that unit.
        path: of the file; a BIDS sidecar may lie beside it.
    """
    shape = np.array((*header.get_data_shape()[:3], 1, 1)[:3])
    codes = int(header["sform_code"]), int(header["qform_code"])
    notes = []
    if codes[0] > 0 and codes[1] > 0:
        notes += _against_qform(header, taken, shape)
    if codes[0] == 0 and (note := _unused_sform(header, taken, shape)):
        notes.append(note)
    return (
        *notes,
        *_against_pixdim(header, taken, shape, codes),
        *_sizes(taken, unit_mm),
        *_sidecar(path, taken, unit_mm),
    )


def _against_qform(header: Any, taken: Affine, shape: Array) -> list[str]:
    other = np.array(header.get_qform(), dtype=np.float64)
    apart = _apart(taken, other, shape)
    if apart <= SAME_PLACE_VOXELS * float(_steps(taken).min()):
        return []
    mirrored = np.linalg.det(taken[:3, :3]) * np.linalg.det(other[:3, :3]) < 0
    hand = "; one is the mirror image of the other: left and right differ" if mirrored else ""
    return [
        f"sform and qform put the voxels at places up to {apart:.3g} apart (sform: {_place(taken)}; qform: {_place(other)})"
        f"{hand}: the sform was taken, other programs may take the qform"
    ]


def _unused_sform(header: Any, taken: Affine, shape: Array) -> str:
    """A word about an sform that stands there with code 0, which says that it does not count."""
    other = np.eye(4)
    other[:3] = [header["srow_x"], header["srow_y"], header["srow_z"]]
    if abs(np.linalg.det(other[:3, :3])) < 1e-9 or not np.isfinite(other).all():
        return ""
    if _apart(taken, other, shape) <= SAME_PLACE_VOXELS * float(_steps(taken).min()):
        return ""
    return f"an sform stands in the header with code 0 ({_place(other)}): it was not taken ({_place(taken)})"


def _against_pixdim(header: Any, taken: Affine, shape: Array, codes: tuple[int, int]) -> list[str]:
    stated = np.abs(np.array(header["pixdim"][1:4], dtype=np.float64))
    own = _steps(taken)
    counted = (stated > 0) & (shape > 1)
    if (np.abs(stated - own)[counted] <= SAME_LENGTH * own[counted]).all():
        return []
    which = "sform" if codes[0] > 0 else "qform"
    return [
        f"pixdim says voxels of {_lengths(stated)}, the {which} {_lengths(own)}: the {which} was taken, other programs (those "
        "of ITK) take pixdim"
    ]


def _sizes(taken: Affine, unit_mm: float) -> list[str]:
    lengths = _steps(taken) * unit_mm
    if USUAL_MM[0] <= lengths.min() and lengths.max() <= USUAL_MM[1]:
        return []
    return [f"voxels of {_lengths(lengths)} mm: is the unit of the file (xyzt_units) right?"]


def _sidecar(path: Path, taken: Affine, unit_mm: float) -> list[str]:
    """What a BIDS sidecar says of the slices, against the step along the third axis."""
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    beside = path.with_name(f"{name}.json")
    if name == path.name or not beside.is_file() or beside.stat().st_size > LONGEST_SIDECAR:
        return []
    try:
        stated = parse_json(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ["the JSON file beside the image cannot be read; it was not compared"]
    step = float(_steps(taken)[2]) * unit_mm
    between = _positive(stated, "SpacingBetweenSlices")
    if between is not None and abs(between - step) > SAME_LENGTH * step:
        return [
            f"the JSON file beside the image says a spacing between slices of {between:g} mm, the image {step:.4g} mm: the "
            "image's was taken"
        ]
    return []


def _positive(stated: object, key: str) -> float | None:
    value = stated.get(key) if isinstance(stated, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingBytes:
    """What lies in a file beyond the voxels that its header counts: in words ("" for nothing), and whether it is a slice."""

    said: str = ""
    whole: bool = False


def bytes_beyond(stored: Any, present: int) -> TrailingBytes:
    """What the bytes of a file say against its header; fewer than it counts are an error where the voxels are read.

    Args:
        stored: nibabel's image.
        present: bytes of the file, unpacked.
    """
    shape = stored.shape
    size = stored.get_data_dtype().itemsize
    beyond = present - int(stored.dataobj.offset) - int(np.prod(shape, dtype=np.int64)) * size
    if beyond <= 0:
        return TrailingBytes()
    slices = beyond / (int(np.prod(shape[:2], dtype=np.int64)) * size)
    many = f"{beyond} byte{'s' if beyond > 1 else ''} ({slices:.3g} slices)"
    return TrailingBytes(
        said=f"{many} beyond the voxels that the header counts (shape {tuple(shape)})", whole=slices >= 1
    )


def _steps(affine: Affine) -> Array:
    lengths: Array = np.linalg.norm(affine[:3, :3], axis=0)
    return lengths


def _apart(a: Affine, b: Affine, shape: Array) -> float:
    """The largest distance between the places that two affines give a corner."""
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    corners[:, :3] *= shape - 1
    return float(np.linalg.norm(corners @ (a - b)[:3].T, axis=1).max())


def _place(affine: Affine) -> str:
    origin = ", ".join(f"{x:.4g}" for x in affine[:3, 3])
    return f"voxels of {_lengths(_steps(affine))}, first at ({origin})"


def _lengths(lengths: Array) -> str:
    return " x ".join(f"{x:.4g}" for x in lengths)

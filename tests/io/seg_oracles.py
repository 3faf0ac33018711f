"""What others say of a SEG: dciodvfy of its form, dcmqi (3D Slicer's reader) of its voxels, pydicom of its references."""

import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_color_lut

from medkt.spatial import Image, Mask

itk: Any = SimpleITK  # without hints
NEAR_MM = 0.02
Points = NDArray[np.float64]


def form_errors(path: Path, sources: list[Path]) -> tuple[list[str], int]:
    """Errors of dciodvfy; those about a value that is wrong in the source itself are only counted.

    A SEG has to repeat the identifiers of its source, right or wrong.
    """
    own = {_value(line) for source in sources[:1] for line in _errors(source)} - {""}
    errors = _errors(path)
    inherited = [line for line in errors if _value(line) in own]
    if any("Value invalid" in line for line in inherited):  # the sum of those, in a line of its own
        inherited += [line for line in errors if "dataset contains invalid data values" in line]
    return [line for line in errors if line not in inherited], len(inherited)


def _errors(path: Path) -> list[str]:
    ran = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    return [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("Error")]


def _value(line: str) -> str:
    """The value that a line complains of."""
    found = re.search(r'Illegal root for UID - "([^"]+)"|(?:has same value as \w+|Value invalid .*=) <([^>]+)>', line)
    return "" if found is None else found[1] or found[2]


def in_dcmqi(path: Path, segments: int) -> list[Points]:
    """World points LPS+ mm of each segment's voxels, as segimage2itkimage reads them; sorted (voxels, 3)."""
    program = shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent)) or "segimage2itkimage"
    with tempfile.TemporaryDirectory() as folder:
        words = [program, "--inputDICOM", str(path), "--outputDirectory", folder, "--outputType", "nifti"]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise AssertionError(f"dcmqi cannot read {path.name}: {(ran.stdout + ran.stderr)[-300:]}")
        return [_points(itk.ReadImage(str(Path(folder) / f"{number + 1}.nii.gz"))) for number in range(segments)]


def _points(image: Any) -> Points:
    filled = np.argwhere(itk.GetArrayFromImage(image) > 0)[:, ::-1]
    spread = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return in_order(filled @ spread.T + np.array(image.GetOrigin()))


def in_order(points: Points) -> Points:
    """Points (n, 3) sorted by their hundredths of a millimetre."""
    return points[np.lexsort(np.round(points, 1).T)]


def same_points(theirs: list[Points], masks: list[Mask]) -> bool:
    """Whether each segment holds the voxels of its mask, in the world."""
    for points, mask in zip(theirs, masks, strict=True):
        ours = in_order(mask.geometry.to_world(np.argwhere(mask.values).astype(np.float64)))
        if len(ours) != len(points) or np.abs(ours - points).max() > NEAR_MM:
            return False
    return True


def wrong_frames(path: Path, sources: list[Path], image: Image, masks: list[Mask]) -> list[str]:
    """Frames of a SEG that do not belong where they say, by position and by the source that they name."""
    with warnings.catch_warnings(record=True):  # about values of the source, which pydicom mends
        warnings.simplefilter("always")
        return list(_wrong_frames(path, sources, image, masks))


def _wrong_frames(path: Path, sources: list[Path], image: Image, masks: list[Mask]) -> Iterator[str]:
    seg = dcmread(path)
    stored = seg.pixel_array.reshape(-1, *seg.pixel_array.shape[-2:])
    opened = {str(source.SOPInstanceUID): (source, _patterns(source)) for source in map(dcmread, sources)}
    used = np.flatnonzero(np.any([mask.values.any(axis=(1, 2)) for mask in masks], axis=0)).tolist()
    for number, group in enumerate(seg.PerFrameFunctionalGroupsSequence):
        segment = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=np.float64)
        place = int(np.rint(image.geometry.to_index(position[None])[0, 0]))
        if not np.array_equal(stored[number].astype(bool), masks[segment - 1].values[place]):
            yield f"frame {number + 1}: other voxels than slice {place} of segment {segment}"
        if list(group.FrameContentSequence[0].DimensionIndexValues) != [segment, used.index(place) + 1]:
            yield f"frame {number + 1}: its dimension indices are not its segment and the rank of its place"
        (named,) = group.DerivationImageSequence[0].SourceImageSequence
        source, patterns = opened[str(named.ReferencedSOPInstanceUID)]
        frame = int(named.get("ReferencedFrameNumber", 1))
        alike = np.abs(patterns @ _pattern(image.values[place]))
        if alike[frame - 1] < alike.max() - 1e-9:
            yield f"frame {number + 1}: names frame {frame}, but slice {place} has the pixels of {alike.argmax() + 1}"
        stated = _position(source, frame)
        if stated is not None and np.abs(stated - position).max() > NEAR_MM:
            yield f"frame {number + 1}: lies elsewhere than frame {frame} of the source"


def _patterns(source: Dataset) -> NDArray[np.float64]:
    """(frames, pixels) of a file without level and scale, so that equal pictures have a product of one."""
    pixels = source.pixel_array
    if source.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, source)
    if pixels.shape[-1] == 3:
        pixels = pixels @ np.array([0.299, 0.587, 0.114])
    return np.stack([_pattern(one) for one in pixels.reshape(-1, source.Rows, source.Columns)])


def _pattern(plane: NDArray[Any]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = plane.astype(np.float64).ravel() - float(plane.mean())
    return centred / float(np.linalg.norm(centred))


def _position(source: Dataset, frame: int) -> Points | None:
    groups = source.get("PerFrameFunctionalGroupsSequence")
    where = groups[frame - 1].get("PlanePositionSequence", [None])[0] if groups else source
    stated = None if where is None else where.get("ImagePositionPatient")
    return None if stated is None else np.array(stated, dtype=np.float64)

"""Every DICOM and NIfTI test file: read as an independent reader reads it, or refused with a typed error.

Run: `python evaluation/io_table.py [--damage]`. The files are those of the data folder (`MEDKT_DATA`, else
`../shared/data` beside the checkout). Prints a table by folder, every refusal, every disagreement; `--damage` also cuts
and corrupts files. Any trace and any silent disagreement is a failure (exit 1).

The other readers: pydicom's own conversion with arithmetic written here, SimpleITK, nibabel, and for some series a NIfTI
file that was made of them by another program.
"""

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK
from pydicom.pixels.processing import apply_color_lut

from medkt.errors import MedktError
from medkt.io import read_image
from medkt.spatial.image import Image

itk: Any = SimpleITK  # without hints
Array = np.ndarray[Any, Any]

FOLDERS = ("dicom", "nifti", "volumes", "mri")
LUMA_LEVELS = 2.0  # of 255: YBR there and back again rounds three times
RESULTS = Path(__file__).parent / "results" / "io_table.md"
SMALL = 300_000  # bytes; larger files are not damaged, for time's sake


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file or folder: "read", "refused", "DIFFERS" or "TRACE"; why, or against what it was checked."""

    name: str
    folder: str
    status: str
    detail: str


def data_root() -> Path:
    """The folder of the test data."""
    root = Path(os.environ.get("MEDKT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not root.is_dir():
        raise SystemExit(f"no test data at {root}; set MEDKT_DATA")
    return root


def main() -> int:
    """Print the tables; 1 where anything failed."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--damage", action="store_true", help="also read cut and corrupted copies")
    chosen = arguments.parse_args()
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    root = data_root()
    outcomes = [outcome(path, root) for path in candidates(root)]
    lines = report(outcomes)
    if chosen.damage:
        lines += damage_report(root)
    text = "\n".join(lines) + "\n"
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)
    return int("TRACE" in text or "DIFFERS" in text)


# ---- what there is to read


def candidates(root: Path) -> Iterator[Path]:
    """Every DICOM and NIfTI file, and every folder that directly holds several DICOM files."""
    for top in FOLDERS:
        for path in sorted((root / top).rglob("*")):
            if path.is_dir():
                if sum(is_dicom(file) for file in path.iterdir() if file.is_file()) > 1:
                    yield path
            elif is_nifti(path) or is_dicom(path):
                yield path


def is_nifti(path: Path) -> bool:
    """By name, for this list must not lean on the reader under test."""
    return path.name.endswith((".nii", ".nii.gz", ".hdr"))


def is_dicom(path: Path) -> bool:
    """The prefix, or a name that claims it."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix == ".dcm"


def outcome(path: Path, root: Path) -> Outcome:
    """Read it, and where that works compare it."""
    name = str(path.relative_to(root)) + ("/" if path.is_dir() else "")
    parts = path.relative_to(root).parts
    folder = "/".join(parts[: min(2, len(parts) - 1)])
    try:
        image = read_image(path)
    except MedktError as error:
        message = str(error).replace(f"{root}/", "")
        if "\n" in message:
            return Outcome(name, folder, "DIFFERS", "an error of several lines")
        if "--volume" in message and (differing := volumes_differ(path)):
            return Outcome(name, folder, "DIFFERS", differing)
        return Outcome(name, folder, "refused", f"{type(error).__name__}: {message}")
    except Exception:
        return Outcome(name, folder, "TRACE", traceback.format_exc(limit=-2).replace("\n", " | "))
    checks: list[Callable[[Path, Image], str | None]]
    checks = [against_nibabel, against_sitk] if is_nifti(path) else [against_pydicom, against_sitk, against_twin]
    done = []
    for check in checks:
        with warnings.catch_warnings(record=True):
            found = check(path, image)
        if found is None:
            continue
        if found.startswith("differs"):
            return Outcome(name, folder, "DIFFERS", f"{check.__name__}: {found}")
        done.append(found)
    if not done:
        return Outcome(name, folder, "DIFFERS", "no other reader reads it: look at it")
    return Outcome(name, folder, "read", ", ".join(done))


def volumes_differ(path: Path) -> str | None:
    """Whether the first or second volume of a file or series that holds several is read otherwise than by others."""
    for number in (1, 2):
        image = read_image(path, volume=number)
        with warnings.catch_warnings(record=True):
            found = against_nibabel(path, image, number - 1) if is_nifti(path) else against_pydicom(path, image)
        if found is None or found.startswith("differs"):
            return f"volume {number}: {found}"
    return None


# ---- other readers; each gives what it compared, "differs ..." or None where it does not read the file


def against_pydicom(path: Path, image: Image) -> str | None:
    """Values of every frame by pydicom's own conversion, found by position; grid by arithmetic on the headers."""
    planes: list[tuple[Array, Array | None, bool]] = []  # values, (3, 4) index to world or None, colour
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file() and (is_dicom(file) or not path.is_dir()):
            planes.extend(frames_by_pydicom(file))
    if not planes:
        return None
    for k in range(image.values.shape[0]):
        here = image.geometry.affine[:3, :]
        fitting = [
            values
            for n, (values, place, _) in enumerate(planes)
            if (n == k if place is None else np.abs(place[:, 1:] - here_of(here, k)).max() < 0.05)
        ]
        if not fitting:
            return f"differs: no frame of the files lies at slice {k}"
        tolerance = LUMA_LEVELS * max(1.0, float(image.values.max()) / 255) if planes[0][2] else 1e-3
        if not any(close(values, np.where(np.isnan(values), np.nan, image.values[k]), tolerance) for values in fitting):
            return (
                f"differs: values of slice {k} by {np.nanmax(np.abs(fitting[0] - image.values[k].astype(float))):.4g}"
            )
    return "pydicom"


def here_of(affine: Array, k: int) -> Array:
    """(3, 3): step down, step right and position of slice k of a (slice, row, column) to world affine."""
    return np.column_stack([affine[:, 1], affine[:, 2], affine @ [k, 0, 0, 1]])


def frames_by_pydicom(file: Path) -> Iterator[tuple[Array, Array | None, bool]]:
    """(rows, columns) real values and place of each frame, written without looking at the reader under test."""
    dataset = pydicom.dcmread(file, force=True)
    if "Rows" not in dataset:
        return
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
        dataset.ensure_file_meta()
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2" + ("" if implicit else ".1"))
    try:
        stored = dataset.pixel_array
    except Exception:
        return
    colour = dataset.get("SamplesPerPixel", 1) == 3
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored, colour = palette(dataset, stored), True
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    frames = stored.reshape((count, dataset.Rows, dataset.Columns, *([3] if colour else [])))
    for n in range(count):
        own = dataset.PerFrameFunctionalGroupsSequence[n] if "PerFrameFunctionalGroupsSequence" in dataset else None
        shared = dataset.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in dataset else None
        if colour:
            r, g, b = (frames[n, ..., c].astype(float) for c in range(3))
            grey = 0.299 * r + 0.587 * g + 0.114 * b
            if str(dataset.PhotometricInterpretation).startswith("YBR_FULL"):
                clipped = (np.minimum.reduce([r, g, b]) <= 0) | (np.maximum.reduce([r, g, b]) >= 255)
                grey[clipped] = np.nan  # RGB was cut off there, so its luma is no longer that of the file
            yield grey, place_of(dataset, own, shared, count), True
            continue
        item = group(own, shared, "PixelValueTransformationSequence") or dataset
        slope, intercept = (
            float(item.get(key, default)) for key, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
        )
        yield frames[n].astype(float) * slope + intercept, place_of(dataset, own, shared, count), False


def palette(dataset: pydicom.Dataset, stored: Array) -> Array:
    """(..., 3) by the three tables."""
    channels = []
    if "RedPaletteColorLookupTableData" not in dataset:  # segmented tables: pydicom's own expansion
        return np.asarray(apply_color_lut(stored, dataset))
    for name in ("Red", "Green", "Blue"):
        count, first, _ = dataset[f"{name}PaletteColorLookupTableDescriptor"].value
        data = dataset[f"{name}PaletteColorLookupTableData"].value
        order = "<" if dataset.original_encoding[1] else ">"
        table = np.frombuffer(data, dtype=f"{order}u2" if len(data) >= 2 * (count or 65536) else "u1")
        channels.append(table[np.clip(stored.astype(int) - first, 0, (count or 65536) - 1)])
    return np.stack(channels, axis=-1)


def group(own: Any, shared: Any, name: str) -> Any:
    """The functional group of a frame, or None."""
    return next((holder[name][0] for holder in (own, shared) if holder is not None and name in holder), None)


def place_of(dataset: pydicom.Dataset, own: Any, shared: Any, count: int) -> Array | None:
    """(3, 4): normal, step down, step right, position; None without a place."""
    position = group(own, shared, "PlanePositionSequence") or dataset
    orientation = group(own, shared, "PlaneOrientationSequence") or dataset
    measures = group(own, shared, "PixelMeasuresSequence") or dataset
    if (
        "ImagePositionPatient" not in position
        or "PixelSpacing" not in measures
        or len(position.ImagePositionPatient or []) != 3
    ):
        return None
    right, down = np.array(orientation.ImageOrientationPatient, float).reshape(2, 3)
    return np.stack(
        [
            np.cross(right, down),
            down * measures.PixelSpacing[0],
            right * measures.PixelSpacing[1],
            position.ImagePositionPatient,
        ],
        axis=1,
    ).astype(float)


def against_sitk(path: Path, image: Image) -> str | None:
    """Values and corners as SimpleITK reads them, where it reads grey values of that file or series."""
    with silence():
        try:
            if path.is_dir():
                names = itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
                other: Any = itk.ReadImage(names) if len(names) > 1 else None
            else:
                other = itk.ReadImage(str(path))
        except RuntimeError:
            return None
    if other is None or other.GetDimension() != 3 or other.GetNumberOfComponentsPerPixel() != 1:
        return None
    values = itk.GetArrayFromImage(other)
    if any("repeat the SOP instance" in warning for warning in image.provenance.warnings):
        return None  # SimpleITK stacks the copies
    if image.display.inverted and values.shape == image.values.shape:
        whole = values.astype(float) + image.values  # ITK turns MONOCHROME1 round on reading
        return "SimpleITK inverted" if np.ptp(whole) <= 1e-3 else "differs: values"
    if values.shape != image.values.shape:
        return f"differs: shape {values.shape} and {image.values.shape}"
    if "colour reduced to luma (ITU-R BT.601)" in image.provenance.steps:
        return None
    forward = image.geometry.stack == "space" and image.geometry.unit == "mm"
    ours = image.values
    if not is_nifti(path) and path.is_file() and values.shape[0] > 1 and forward:
        first = np.array(other.TransformIndexToPhysicalPoint((0, 0, 0)))  # an enhanced file may be stored backwards
        if np.abs(first - image.geometry.to_world(np.zeros((1, 3)))[0]).max() > 0.05:
            values, forward = values[::-1], False
    if not close(values, ours, 1e-3 * max(1.0, float(np.abs(ours).max()) * 1e-2)):
        return f"differs: values by {np.abs(values.astype(float) - ours).max():.4g}"
    if not forward or "ImagePositionPatient" not in first_header(path):
        return "SimpleITK values"
    for corner in [(0, 0, 0), tuple(n - 1 for n in image.values.shape)]:
        there = np.array(other.TransformContinuousIndexToPhysicalPoint([float(c) for c in corner[::-1]]))
        if values.shape[0] > 1 and np.abs(there - image.geometry.to_world(np.array([corner], float))[0]).max() > 0.05:
            return f"differs: corner {corner} at {there} and {image.geometry.to_world(np.array([corner], float))[0]}"
    return "SimpleITK"


def first_header(path: Path) -> Any:
    """The header of the (first) DICOM file; for NIfTI something that claims a place."""
    if is_nifti(path):
        return {"ImagePositionPatient": None}
    file = next(f for f in sorted(path.iterdir()) if f.is_file() and is_dicom(f)) if path.is_dir() else path
    return pydicom.dcmread(file, stop_before_pixels=True, force=True)


def against_nibabel(path: Path, image: Image, volume: int = 0) -> str | None:
    """Values and world points as nibabel has them, RAS mirrored here by hand."""
    other: Any = nib.load(path)
    values = np.asarray(other.get_fdata())
    values = values[..., volume] if values.ndim == 4 else values.reshape((*values.shape[:3], 1)[:3])
    if not close(values, np.moveaxis(image.values, (0, 2), (2, 0)), 1e-5 * max(1.0, float(np.abs(values).max()))):
        return "differs: values"
    unit = {1: 1000.0, 3: 0.001}.get(int(other.header["xyzt_units"]) & 7, 1.0)
    rng = np.random.default_rng(0)
    for i, j, k in rng.integers(0, 50, (8, 3)):
        x, y, z = (other.affine @ [i, j, k, 1])[:3] * unit
        if np.abs(image.geometry.to_world(np.array([[k, j, i]], float))[0] - [-x, -y, z]).max() > 1e-3:
            return "differs: world points"
    return "nibabel"


def against_twin(path: Path, image: Image) -> str | None:
    """The same series as NIfTI, made by another program: equal values at equal world points."""
    twin = next((t for t in twins(path) if t.is_file()), None)
    if twin is None:
        return None
    other: Any = nib.load(twin)
    values = np.asarray(other.get_fdata())
    if values.ndim != 3:
        return None
    rng = np.random.default_rng(0)
    indices = rng.integers(0, image.values.shape, (4000, 3))
    world = image.geometry.to_world(indices.astype(float)) * [-1, -1, 1]
    there = world @ np.linalg.inv(other.affine)[:3, :3].T + np.linalg.inv(other.affine)[:3, 3]
    rounded = np.rint(there).astype(int)
    inside = ((rounded >= 0) & (rounded < values.shape)).all(axis=1)
    if "ibsi_2" in str(path) and np.array_equal(values.transpose(2, 1, 0), image.values[::-1]):
        return "NIfTI twin (its z runs the other way in the data set)"
    if inside.mean() < 0.99 or np.abs(there - rounded)[inside].max() > 0.02:
        return f"differs: the grid of {twin.name}"
    ours = image.values[tuple(indices[inside].T)].astype(float)
    theirs = values[tuple(rounded[inside].T)]
    if not close(theirs, ours, 0.51 + 1e-3 * np.abs(ours).max()):
        return f"differs: {np.mean(np.abs(theirs - ours) > 1):.1%} of values of {twin.name}"
    return "NIfTI twin"


def twins(path: Path) -> list[Path]:
    """Where the NIfTI of a series may lie."""
    text = str(path)
    found = [path.parent / f"{path.name}_ground_truth.nii.gz"]
    if "volumes/sts/dicom" in text:
        found.append(Path(str(path.parent.parent).replace("/dicom/", "/nifti/")) / f"{path.parent.name}_image.nii.gz")
    if "ibsi_2_digital_phantom/dicom" in text:
        found.append(Path(text.replace("/dicom/", "/nifti/")) / "image" / f"{path.name}.nii.gz")
    return found


def close(a: Array, b: Array, tolerance: float) -> bool:
    """Equal shape, and no value further apart."""
    if a.shape != b.shape:
        return False
    apart = np.abs(a.astype(float) - b.astype(float))
    return bool(np.isnan(apart).mean() < 0.9 and np.nanmax(apart) <= tolerance)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """GDCM writes to the process's error stream."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# ---- tables


def report(outcomes: list[Outcome]) -> list[str]:
    """Counts by folder, then what failed, then every refusal."""
    lines = ["# Reading the test files", "", "| folder | read | refused | differs | trace |", "|---|---|---|---|---|"]
    columns = ("read", "refused", "DIFFERS", "TRACE")
    for folder in sorted({one.folder for one in outcomes}):
        counts = Counter(one.status for one in outcomes if one.folder == folder)
        lines.append(f"| {folder} | " + " | ".join(str(counts[column]) for column in columns) + " |")
    total = Counter(one.status for one in outcomes)
    lines.append("| **all** | " + " | ".join(f"**{total[column]}**" for column in columns) + " |")
    checks = Counter(check for one in outcomes if one.status == "read" for check in one.detail.split(", "))
    lines += ["", "Checked against: " + ", ".join(f"{name} {count}" for name, count in checks.most_common()) + "."]
    bad = [one for one in outcomes if one.status in ("DIFFERS", "TRACE")]
    lines += ["", "## Failures", "", *([f"- `{one.name}` {one.status}: {one.detail}" for one in bad] or ["None."])]
    lines += ["", "## Refusals", ""]
    lines += [f"- `{one.name}` {one.detail}" for one in outcomes if one.status == "refused"]
    return lines


def damage_report(root: Path) -> list[str]:
    """Cut and corrupted copies of the small files: read or refused, never a trace."""
    rng = random.Random(0)
    counts: Counter[str] = Counter()
    traces = []
    files = [path for path in candidates(root) if path.is_file() and 0 < path.stat().st_size <= SMALL]
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            for kind, data in damaged(path.read_bytes(), rng):
                copy = Path(folder) / path.name
                copy.write_bytes(data)
                try:
                    with contextlib.redirect_stderr(io.StringIO()):
                        image = read_image(copy)
                    if kind == "cut" and not np.array_equal(image.values, read_image(path).values):
                        traces.append(f"- TRACE a cut copy of `{path.relative_to(root)}` is read, with other voxels")
                    counts[f"{kind} read"] += 1
                except MedktError:
                    counts[f"{kind} refused"] += 1
                except Exception:
                    traces.append(f"- TRACE {kind} `{path.relative_to(root)}` {traceback.format_exc(limit=-2)!r}")
                copy.unlink()
    rows = [f"| {key} | {count} |" for key, count in sorted(counts.items())]
    head = ["", f"## Damaged on purpose ({len(files)} files)", "", "| copies | count |", "|---|---|"]
    return [*head, *rows, "", *(traces or ["No traces."])]


def damaged(data: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Copies cut at three places and copies with twenty wrong bytes near the start or anywhere."""
    for part in (0.1, 0.5, 0.95):
        yield "cut", data[: int(len(data) * part)]
    for reach in (2000, 2000, len(data)):
        wrong = bytearray(data)
        for _ in range(20):
            wrong[rng.randrange(min(reach, len(data)))] = rng.randrange(256)
        yield "corrupted", bytes(wrong)


if __name__ == "__main__":
    sys.exit(main())

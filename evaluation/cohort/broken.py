"""Ten ways in which a study in a hospital's folders is unusable, each done to a sound phantom study on the disk.

Each takes the study's path and gives the path to put into the manifest; beside it stands the kind of failure that
`medkt batch` must give it.
"""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.uid import generate_uid


def _cut(study: Path) -> Path:
    """The file, or one slice, ends in the middle."""
    path = _file_of(study)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    return study


def _empty(study: Path) -> Path:
    """A file of no bytes where the study should be."""
    path = study.parent / "empty.nii.gz"
    path.write_bytes(b"")
    return path


def _wrong_type(study: Path) -> Path:
    """A text file under the name of an image."""
    path = study.parent / "notes.nii.gz"
    path.write_text("the image is in the other folder\n" * 20, encoding="utf-8")
    return path


def _absent(study: Path) -> Path:
    """The path is of nothing."""
    return study.parent / "moved-away.nii.gz"


def _missing_slice(study: Path) -> Path:
    """One slice within the stack was not exported."""
    by_place = sorted(_slices(study), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    by_place[len(by_place) // 2].unlink()
    return study


def _two_sizes(study: Path) -> Path:
    """One slice lies twice as far away as the others."""
    by_place = sorted(_slices(study), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    last = pydicom.dcmread(by_place[-1])
    last.ImagePositionPatient = [*last.ImagePositionPatient[:2], float(last.ImagePositionPatient[2]) + 37.0]
    last.save_as(by_place[-1])
    return study


def _two_series(study: Path) -> Path:
    """Two series in one folder, and the manifest names none."""
    uid = generate_uid()
    for path in _slices(study):
        ds = pydicom.dcmread(path)
        ds.SeriesInstanceUID, ds.SOPInstanceUID = uid, generate_uid()
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(path.with_name(f"second-{path.name}"))
    return study


def _no_pixels(study: Path) -> Path:
    """DICOM objects without an image."""
    for path in _slices(study):
        ds = pydicom.dcmread(path)
        del ds.PixelData
        ds.save_as(path)
    return study


def _constant(study: Path) -> Path:
    """Every voxel has one value."""
    image = nib.load(study)
    voxels = np.zeros(image.shape, np.int16)
    nib.save(nib.Nifti1Image(voxels, image.affine), study)
    return study


def _damaged_gzip(study: Path) -> Path:
    """Bytes in the middle of a compressed file have changed."""
    content = bytearray(gzip.compress(study.read_bytes()) if study.suffix != ".gz" else study.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    study.write_bytes(bytes(content))
    return study


# name -> (what it is done to, what it does, the failure it must be)
WAYS: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "cut off": ("dicom", _cut, "unreadable"),
    "empty file": ("nifti", _empty, "unreadable"),
    "text under the name of an image": ("nifti", _wrong_type, "unreadable"),
    "no such file": ("nifti", _absent, "unreadable"),
    "damaged in the middle": ("nifti", _damaged_gzip, "unreadable"),
    "missing slice": ("dicom", _missing_slice, "geometry"),
    "a slice far away": ("dicom", _two_sizes, "geometry"),
    "two series": ("dicom", _two_series, "unsupported"),
    "no pixels": ("dicom", _no_pixels, "unsupported"),
    "constant image": ("nifti", _constant, "unsupported"),
}


def _slices(study: Path) -> list[Path]:
    return sorted(study.glob("*.dcm"))


def _file_of(study: Path) -> Path:
    return _slices(study)[0] if study.is_dir() else study


def copy_study(study: Path, folder: Path) -> Path:
    """A copy of a study and its reference, to be spoilt."""
    shutil.copytree(study.parent, folder, dirs_exist_ok=True)
    return folder / study.name

"""Mosaics: slices side by side in one flat picture become a volume with a place; dcm2niix is the oracle."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from medkt.concepts import load_concept
from medkt.errors import UnreadableError, UnsupportedError
from medkt.io import read_image, write_dicom_seg, write_nifti_mask
from medkt.io.nifti import ras_affine
from medkt.spatial import Image, Mask

SIEMENS, UIH = "mosaic_siemens_nih.dcm", "mosaic_uih_grid.dcm"
CSA = (0x0029, 0x1010)

Edit = Callable[[Dataset], None]


def changed(source: Path, target: Path, *edits: Edit) -> Path:
    """A copy with edits, in a folder of its own."""
    dataset = dcmread(source)
    for edit in edits:
        edit(dataset)
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target)
    return target


def normal(x: float, y: float, z: float) -> Edit:
    """The direction in which the private header of a Siemens file says that its slices run."""

    def edit(dataset: Dataset) -> None:
        csa = bytearray(dataset[CSA].value)
        place = csa.index(b"SliceNormalVector")
        for value in (x, y, z):
            length = 0
            while bytes(csa[place : place + 2]) not in (b"0.", b"1.", b"-1"):
                place += 1
            while csa[place + length] != 0:
                length += 1
            csa[place : place + length] = f"{value:.8f}"[:length].encode().ljust(length, b"\0")
            place += length
        dataset[CSA].value = bytes(csa)

    return edit


def set_to(**attributes: Any) -> Edit:
    def edit(dataset: Dataset) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


def by_dcm2niix(source: Path, folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(i, j, k[, t]) voxels and RAS affine, as dcm2niix converts a file or a folder."""
    program = shutil.which("dcm2niix", path=str(Path(sys.executable).parent)) or shutil.which("dcm2niix")
    if program is None:
        pytest.skip("dcm2niix is not installed")
    folder.mkdir()
    single = ["-s", "y"] if source.is_file() else []
    command = [program, "-z", "n", "-b", "n", *single, "-f", "out", "-o", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (written,) = folder.glob("*.nii")
    image: Any = nibabel.load(written)
    return np.asarray(image.dataobj), image.affine


def differences(image: Image, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Largest difference of voxels and of their places in mm; dcm2niix turns rows over, so places decide which is which."""
    ours = ras_affine(image.geometry.affine)
    index = np.stack(np.meshgrid(*map(np.arange, voxels.shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    place = (world - ours[:3, 3]) @ np.linalg.inv(ours[:3, :3]).T
    nearest = np.rint(place).astype(int)
    apart = float(np.abs((place - nearest) @ ours[:3, :3].T).max())
    assert image.values.shape == voxels.shape[2::-1]
    found = image.values[nearest[:, 2], nearest[:, 1], nearest[:, 0]].astype(np.int64)
    return float(np.abs(found - voxels.reshape(-1).astype(np.int64)).max()), apart


def assert_equal(image: Image, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> None:
    values, places = differences(image, voxels, affine)
    assert values == 0
    assert places < 1e-4


ORIENTATIONS: dict[str, tuple[Edit, ...]] = {
    "as it is": (),
    "slices run against the normal": (normal(0, 0, -1),),
    "sagittal": (set_to(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), normal(1, 0, 0)),
    "sagittal, against": (set_to(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), normal(-1, 0, 0)),
    "coronal, oblong pixels": (
        set_to(ImageOrientationPatient=[1, 0, 0, 0, 0, -1], PixelSpacing=[2.5, 3.25]),
        normal(0, 1, 0),
    ),
    "no word of it in ImageType": (set_to(ImageType=["ORIGINAL", "PRIMARY", "M", "ND"]),),
    "steps below the thickness": (set_to(SpacingBetweenSlices=2.75),),
}


@pytest.mark.parametrize("how", ORIENTATIONS)
def test_siemens_mosaics_become_the_volume_that_dcm2niix_makes(failing: Path, tmp_path: Path, how: str) -> None:
    file = changed(failing / SIEMENS, tmp_path / "in" / "a.dcm", *ORIENTATIONS[how])
    image = read_image(file)
    assert image.values.shape == (5, 72, 72)
    voxels, affine = by_dcm2niix(file, tmp_path / "out")
    assert_equal(image, voxels, affine)


def test_united_imaging_grids_become_the_volume_that_dcm2niix_makes(failing: Path, tmp_path: Path) -> None:
    image = read_image(failing / UIH)
    assert image.values.shape == (20, 64, 64)
    voxels, affine = by_dcm2niix(failing / UIH, tmp_path / "out")
    assert_equal(image, voxels, affine)
    assert "20 slices cut from 1 mosaic" in image.provenance.steps


def test_a_grid_is_known_without_the_word_too(failing: Path, tmp_path: Path) -> None:
    image = read_image(changed(failing / UIH, tmp_path / "a.dcm", reworded))
    np.testing.assert_array_equal(image.values, read_image(failing / UIH).values)


def test_the_step_comes_from_the_header_and_the_order_from_the_private_normal(failing: Path, tmp_path: Path) -> None:
    up = read_image(failing / SIEMENS)
    down = read_image(changed(failing / SIEMENS, tmp_path / "a.dcm", normal(0, 0, -1)))
    np.testing.assert_allclose(up.geometry.affine[:3, 0], [0, 0, 12])
    np.testing.assert_allclose(up.geometry.affine[:3, 3], [-108, -108, 16])
    np.testing.assert_allclose(down.geometry.affine[:3, 3], [-108, -108, 16 - 4 * 12])
    np.testing.assert_array_equal(down.values, up.values[::-1])


def without_private(dataset: Dataset) -> None:
    dataset.remove_private_tags()


def without_csa(dataset: Dataset) -> None:
    for element in list(dataset):
        if element.tag.group == 0x0029:
            del dataset[element.tag]


def reworded(dataset: Dataset) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY"]


def cut_csa(dataset: Dataset) -> None:
    dataset[CSA].value = dataset[CSA].value[:300]


def count(slices: bytes) -> Edit:
    def edit(dataset: Dataset) -> None:
        csa = bytearray(dataset[CSA].value)
        place = csa.index(b"5", csa.index(b"NumberOfImagesInMosaic") + 84)
        csa[place : place + 1] = slices
        dataset[CSA].value = bytes(csa)

    return edit


def fewer_positions(dataset: Dataset) -> None:
    del dataset[0x0065, 0x1051].value[3:]


REFUSED: dict[str, tuple[str, Edit, str]] = {
    "anonymised": (SIEMENS, without_private, "is a mosaic.*no private header.*dcm2niix"),
    "no CSA, a count elsewhere": (SIEMENS, without_csa, "is a mosaic.*which way they run"),
    "no CSA, no word, a count elsewhere": (
        SIEMENS,
        lambda d: (without_csa(d), reworded(d)),
        r"is a mosaic.*no private header",
    ),
    "no step": (SIEMENS, lambda d: delattr(d, "SpacingBetweenSlices"), "how far its slices lie apart"),
    "no normal": (SIEMENS, normal(0, 0, 0), "which way they run .SliceNormalVector"),
    "normal in the plane": (SIEMENS, normal(1, 0, 0), "which way they run .SliceNormalVector"),
    "no position": (SIEMENS, lambda d: delattr(d, "ImagePositionPatient"), "without position"),
    "no orientation": (SIEMENS, lambda d: delattr(d, "ImageOrientationPatient"), "without a sound orientation"),
    "two in a file": (SIEMENS, set_to(NumberOfFrames=2), "2 mosaics in one file"),
    "grid, anonymised": (UIH, without_private, "VFRAME.*without the private header.*dcm2niix"),
    "grid, positions lost": (UIH, fewer_positions, "20 slices.*3 have a place"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_mosaic_that_cannot_be_cut_is_refused_with_what_helps(failing: Path, tmp_path: Path, what: str) -> None:
    name, edit, message = REFUSED[what]
    with pytest.raises(UnsupportedError, match=message):
        read_image(changed(failing / name, tmp_path / "a.dcm", edit))


def test_a_damaged_private_header_is_an_error(failing: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"reading the private \(CSA\) header failed"):
        read_image(changed(failing / SIEMENS, tmp_path / "a.dcm", cut_csa))


def test_a_picture_where_no_slice_is_counted_is_an_error(failing: Path, tmp_path: Path) -> None:
    def write_beyond(dataset: Dataset) -> None:
        pixels = dataset.pixel_array.copy()
        pixels[200, 200] = 7  # the ninth of nine places; five are counted
        dataset.PixelData = pixels.tobytes()

    with pytest.raises(UnreadableError, match="counts 5 slices in the mosaic, but there is a picture beyond"):
        read_image(changed(failing / SIEMENS, tmp_path / "a.dcm", write_beyond))


def test_counts_that_do_not_divide_the_picture_are_an_error(failing: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="5 slices in 3 x 3 places do not fill a picture of 215 rows"):
        read_image(changed(failing / SIEMENS, tmp_path / "a.dcm", set_to(Rows=215, Columns=216)))


def test_a_count_that_makes_slices_of_another_size_than_was_scanned_is_an_error(failing: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="counts 4 slices in the mosaic, which makes them 108 x 108, but 72 x 72"):
        read_image(changed(failing / SIEMENS, tmp_path / "a.dcm", count(b"4")))


def test_a_mask_of_a_mosaic_is_nifti_on_the_grid_of_its_slices_and_never_a_seg(failing: Path, tmp_path: Path) -> None:
    image = read_image(failing / SIEMENS)
    mask = Mask(values=image.values > 400, geometry=image.geometry)
    written: Any = nibabel.load(write_nifti_mask(mask, image, tmp_path / "mask.nii.gz"))
    assert written.shape == (72, 72, 5)
    np.testing.assert_allclose(written.affine, ras_affine(image.geometry.affine))
    with pytest.raises(UnsupportedError, match="parts of a mosaic, and a SEG refers to whole frames"):
        write_dicom_seg([mask], [load_concept("mri_glioma")], image, tmp_path / "mask.dcm")


@pytest.mark.parametrize("name", [SIEMENS, UIH])
def test_several_mosaics_are_a_series_over_time(failing: Path, tmp_path: Path, name: str) -> None:
    def at(t: int) -> Edit:
        def edit(dataset: Dataset) -> None:
            pixels = dataset.pixel_array
            dataset.PixelData = (pixels + (t * (pixels > 0)).astype(pixels.dtype)).tobytes()
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.InstanceNumber, dataset.AcquisitionNumber = t + 1, t + 1
            dataset.AcquisitionTime, dataset.ContentTime = f"12000{2 * t}.0", f"12000{2 * t}.5"

        return edit

    for t, file in ((2, "a.dcm"), (0, "b.dcm"), (1, "c.dcm")):  # names are in no order of time
        changed(failing / name, tmp_path / "in" / file, at(t))
    voxels, affine = by_dcm2niix(tmp_path / "in", tmp_path / "out")
    assert voxels.shape[3] == 3
    for t in range(3):
        image = read_image(tmp_path / "in", volume=t + 1)
        assert_equal(image, voxels[..., t], affine)

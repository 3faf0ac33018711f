from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as Picture

from medkt.errors import InputError
from medkt.phantom.finding import DomainName
from medkt.phantom.study import PLANTED, reference_path, write_study

SHAPE, SPACING_MM = (4, 40, 44), (9.0, 5.5, 5.0)
FINDINGS: dict[str, str] = {
    "ct": "ct_effusion", "mri": "mri_meningioma", "cxr": "cxr_mass", "ultrasound": "us_cyst",
}  # fmt: skip


def _write_volume(folder: Path, domain: DomainName, format: str, *, oblique: bool) -> Path:  # noqa: A002
    return write_study(
        folder, domain=domain, finding=FINDINGS[domain], seed=7, format=format, shape=SHAPE, spacing_mm=SPACING_MM,
        oblique=oblique,
    )  # fmt: skip


def _at_world_ras(path: Path, points_ras: np.ndarray) -> np.ndarray:
    image = nib.load(path)
    indices = np.linalg.inv(image.affine) @ np.vstack([points_ras.T, np.ones(len(points_ras))])
    np.testing.assert_allclose(indices, np.rint(indices), atol=2e-3)  # every point is the middle of a voxel
    x, y, z = np.rint(indices[:3]).astype(int)
    return np.asanyarray(image.dataobj)[x, y, z]


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("domain", ["ct", "mri"])
def test_dicom_and_nifti_agree_at_every_point_of_the_world(tmp_path: Path, domain: DomainName, oblique: bool) -> None:
    series = _write_volume(tmp_path / "dicom", domain, "dicom", oblique=oblique)
    nifti = _write_volume(tmp_path / "nifti", domain, "nifti", oblique=oblique)
    assert len(list(series.iterdir())) == SHAPE[0]
    rng = np.random.default_rng(0)
    for file in series.iterdir():
        ds = pydicom.dcmread(file)
        values = ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        rows, columns = rng.integers(0, SHAPE[1], 50), rng.integers(0, SHAPE[2], 50)
        along_row, along_column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
        # DICOM C.7.6.2.1.1: the first spacing is between rows
        lps = (
            np.array(ds.ImagePositionPatient, float)
            + columns[:, None] * float(ds.PixelSpacing[1]) * along_row
            + rows[:, None] * float(ds.PixelSpacing[0]) * along_column
        )
        ras = lps * [-1, -1, 1]
        np.testing.assert_array_equal(_at_world_ras(nifti, ras), values[rows, columns])
    one, other = nib.load(reference_path(series)), nib.load(reference_path(nifti))
    np.testing.assert_allclose(one.affine, other.affine)
    np.testing.assert_array_equal(one.dataobj, other.dataobj)
    assert np.asanyarray(one.dataobj).any()
    np.testing.assert_allclose(nib.load(nifti).affine, other.affine)


def test_file_names_are_not_in_the_order_of_the_slices(tmp_path: Path) -> None:
    series = write_study(
        tmp_path, domain="mri", finding="", seed=1, format="dicom", shape=(8, 20, 24), spacing_mm=(5.0, 9.0, 8.0)
    )
    heights = [float(pydicom.dcmread(f).ImagePositionPatient[2]) for f in sorted(series.iterdir())]
    assert heights != sorted(heights)
    assert heights != sorted(heights, reverse=True)
    np.testing.assert_allclose(np.diff(sorted(heights)), 5.0)


@pytest.mark.parametrize("domain", ["ct", "mri", "cxr", "ultrasound"])
def test_every_dicom_file_carries_the_planted_identifiers(tmp_path: Path, domain: DomainName) -> None:
    path = write_study(
        tmp_path, domain=domain, finding=FINDINGS[domain], seed=2, format="dicom", shape=SHAPE, spacing_mm=SPACING_MM,
        side=64,
    )  # fmt: skip
    files = list(path.iterdir()) if path.is_dir() else [path]
    uids = set()
    for file in files:
        ds = pydicom.dcmread(file)
        uids.add(ds.SOPInstanceUID)
        for keyword, value in PLANTED.items():
            assert str(ds[keyword].value) == value
    assert len(uids) == len(files)


def test_the_planted_name_and_number_are_the_agreed_ones() -> None:
    assert PLANTED["PatientName"] == "PHANTOM^PLANTED"
    assert PLANTED["PatientID"] == "MEDKT-PLANTED-ID"


def test_identifiers_depend_on_the_seed_alone(tmp_path: Path) -> None:
    uids = [
        pydicom.dcmread(
            write_study(tmp_path / name, domain="cxr", finding="", seed=seed, format="dicom", side=48)
        ).SOPInstanceUID
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert uids[0] == uids[1] != uids[2]


def test_an_inverted_radiograph_shows_the_same_picture(tmp_path: Path) -> None:
    usual, inverted = (
        pydicom.dcmread(
            write_study(
                tmp_path / name, domain="cxr", finding="cxr_mass", seed=3, format="dicom", side=64, photometric=name
            )
        )
        for name in ("MONOCHROME2", "MONOCHROME1")
    )
    assert inverted.PhotometricInterpretation == "MONOCHROME1"
    assert usual.BitsStored == inverted.BitsStored == 12
    np.testing.assert_array_equal(usual.pixel_array, 4095 - inverted.pixel_array)
    assert usual.PresentationIntentType == "FOR PRESENTATION"
    assert float(usual.PixelSpacing[0]) == pytest.approx(360 / 64, abs=1e-5)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
@pytest.mark.parametrize("frames", [1, 3])
def test_ultrasound_as_dicom_equals_nifti(tmp_path: Path, photometric: str, frames: int) -> None:
    path, nifti = (
        write_study(
            tmp_path / kind, domain="ultrasound", finding="us_cyst", seed=4, format=kind, side=63, frames=frames,
            photometric=photometric,
        )
        for kind in ("dicom", "nifti")
    )  # fmt: skip
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array[..., 0] if photometric == "RGB" else ds.pixel_array
    assert int(ds.get("NumberOfFrames", 1)) == frames
    expected = np.asanyarray(nib.load(nifti).dataobj).transpose(2, 1, 0)
    np.testing.assert_array_equal(pixels.reshape(frames, 63, 63), expected)
    region = ds.SequenceOfUltrasoundRegions[0]
    assert region.PhysicalDeltaX * 10 == pytest.approx(nib.load(nifti).header.get_zooms()[0])
    assert np.asanyarray(nib.load(reference_path(path)).dataobj).shape == (63, 63, frames)


@pytest.mark.parametrize("domain", ["ct", "mri", "cxr", "ultrasound"])
def test_a_picture_has_its_answer_beside_it(tmp_path: Path, domain: DomainName) -> None:
    path = write_study(tmp_path, domain=domain, finding=FINDINGS[domain], seed=5, format="png", side=96)
    image, reference = np.asarray(Picture.open(path)), np.asarray(Picture.open(reference_path(path)))
    assert image.shape == reference.shape == (96, 96)
    assert set(np.unique(reference)) == {0, 255}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "ct", "photometric": "RGB"}, "only ultrasound is written in colour"),
        ({"domain": "ultrasound", "photometric": "MONOCHROME1"}, "only radiographs are written inverted"),
        ({"domain": "mri", "frames": 2}, "has frames"),
        ({"domain": "ultrasound", "frames": 2, "format": "png"}, "has frames"),
        ({"domain": "ultrasound", "frames": 0}, "has frames"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_study(tmp_path, **{"finding": "", "seed": 0, "format": "dicom", **options})  # type: ignore[arg-type]

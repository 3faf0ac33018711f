"""What comes from outside and goes outside: archives from strangers, folders that cannot be written, memory, real files."""

import errno
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_making import numbered, write_series

from medkt.errors import InputError, OutputError, UnreadableError, UnsupportedError
from medkt.io import archive, read_image, read_mask, write_nifti_mask
from medkt.io.atomic import write_atomically
from medkt.io.native import DicomNative
from medkt.spatial import Geometry, Image, Mask

nib: Any = nibabel  # without hints


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../evil.dcm", "/etc/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm", "C:evil.dcm"])
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out of the archive"):
        read_image(zipped(tmp_path / "a.zip", {name: b"x"}))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_bombs_links_and_crowds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="would unpack to"):
        read_image(zipped(tmp_path / "a.zip", {"a": bytes(archive.RATIO_FROM_BYTES + 1)}))
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="holds a link"):
        read_image(tmp_path / "b.zip")
    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    with pytest.raises(InputError, match="3 files in the archive, more than 2"):
        read_image(zipped(tmp_path / "c.zip", dict.fromkeys("abc", b"x")))


def test_damaged_and_useless_archives(tmp_path: Path) -> None:
    good = zipped(tmp_path / "a.zip", {"a.dcm": os.urandom(5000)}).read_bytes()
    (tmp_path / "b.zip").write_bytes(good[:3000])
    with pytest.raises(UnreadableError, match=r"b\.zip: unpacking failed"):
        read_image(tmp_path / "b.zip")
    with pytest.raises(InputError, match="no DICOM file in the archive and 0 other images"):
        read_image(zipped(tmp_path / "c.zip", {"notes.txt": b"hello"}))
    encrypted = bytearray(good)
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        encrypted[encrypted.find(mark) + (6 if mark[2] == 3 else 8)] |= 1
    (tmp_path / "d.zip").write_bytes(bytes(encrypted))
    with pytest.raises(UnsupportedError, match="is encrypted"):
        read_image(tmp_path / "d.zip")


def test_a_zipped_nifti_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4), np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    image = read_image(zipped(tmp_path / "a.zip", {"deep/a.nii.gz": (tmp_path / "a.nii.gz").read_bytes()}))
    assert image.values.shape == (4, 3, 2)


# ---- writing


def some_mask() -> tuple[Image, Mask]:
    geometry = Geometry(affine=np.diag([3.0, 2, 1, 1])[[2, 1, 0, 3]], shape=(2, 3, 4))
    return Image(values=np.zeros((2, 3, 4)), geometry=geometry), Mask(
        values=np.ones((2, 3, 4), bool), geometry=geometry
    )


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = some_mask()

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"m\.nii\.gz: cannot be written \(No space left on device\)"):
        write_nifti_mask(mask, image, tmp_path / "m.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    image, mask = some_mask()
    with pytest.raises(OutputError, match="the folder to write into does not exist"):
        write_nifti_mask(mask, image, tmp_path / "absent" / "m.nii")
    (tmp_path / "m.nii").mkdir()
    with pytest.raises(OutputError, match="a folder stands where the file should go"):
        write_nifti_mask(mask, image, tmp_path / "m.nii")


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def broken(path: Path) -> None:
        path.write_text("half")
        raise ValueError("our own mistake")

    with pytest.raises(ValueError, match="our own mistake"):
        write_atomically(tmp_path / "a.txt", broken)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_mask_of_dicom_goes_out_as_nifti_and_comes_back(tmp_path: Path) -> None:
    write_series(tmp_path / "in", numbered((3, 4, 5)))
    image = read_image(tmp_path / "in")
    mask = Mask(values=image.values % 3 == 0, geometry=image.geometry)
    path = write_nifti_mask(mask, image, tmp_path / "m.nii.gz")
    again = read_mask(path, like=image)
    assert again.geometry is image.geometry
    assert np.array_equal(again.values, mask.values)
    stored: Any = nib.load(path)
    assert (int(stored.header["sform_code"]), int(stored.header["xyzt_units"])) == (1, 2)
    assert np.allclose(stored.get_qform(), stored.get_sform(), atol=1e-4)


def test_reading_holds_one_copy_and_a_slice(tmp_path: Path) -> None:
    values = np.zeros((40, 200, 200), np.int16)
    write_series(tmp_path, values)
    read_image(tmp_path)  # what is loaded once is loaded now
    tracemalloc.start()
    image = read_image(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.values.dtype == np.int16
    assert peak < 1.6 * values.nbytes
    assert isinstance(image.native, DicomNative)
    assert all("PixelData" not in dataset for dataset in image.native.datasets)


# ---- real files


@pytest.mark.parametrize("case", ["STS_001/CT", "STS_002/MR_T1"])
def test_dicom_and_nifti_of_one_case_agree(case: str, shared_data: Path) -> None:
    patient, name = case.split("/")
    dicom = read_image(shared_data / "volumes/sts/dicom" / case / "image")
    nifti = read_image(shared_data / "volumes/sts/nifti" / patient / f"{name}_image.nii.gz")
    index = np.random.default_rng(0).integers(0, dicom.values.shape, (2000, 3))
    there = nifti.geometry.to_index(dicom.geometry.to_world(index.astype(float)))
    assert np.abs(there - np.rint(there)).max() < 0.02
    assert np.array_equal(dicom.values[tuple(index.T)], nifti.values[tuple(np.rint(there).astype(int).T)])


def test_one_picture_in_every_encoding(shared_data: Path) -> None:
    folder = shared_data / "dicom/cornerstone3d"
    reference = read_image(folder / "CTImage.dcm").values.astype(float)
    for path in sorted(folder.glob("CTImage.dcm_*.dcm")):
        # lossless is exact; 12-bit JPEG has steps of 2 HU and losses, 8-bit JPEG steps of 32 HU
        allowed = 70 if "4.50" in path.name else 36 if "rescale" in path.name or "4.5" in path.name else 5
        apart = np.abs(read_image(path).values - reference).max()
        assert apart <= (0 if "Lossless" in path.name or "Endian" in path.name else allowed), path.name

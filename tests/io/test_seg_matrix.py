"""A SEG of every kind of source with one to three segments: its form, its voxels elsewhere, the frames that it names."""

import os
import shutil
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from seg_kinds import FAILING, FINDINGS, MADE, REAL, Kind, make, masks_for, read
from seg_oracles import form_errors, in_dcmqi, same_points, wrong_frames

from medkt.io import read_image, read_mask, write_dicom_seg, write_nifti_mask

SEGMENTS = (1, 2, 3)


@pytest.fixture(scope="session")
def dciodvfy() -> None:
    """The check of DICOM objects, without which a test is skipped, and fails where it must not be."""
    if shutil.which("dciodvfy") is None:
        if os.environ.get("MEDKT_REQUIRE_DCIODVFY"):
            pytest.fail("dciodvfy is absent and MEDKT_REQUIRE_DCIODVFY is set: install Debian's dicom3tools")
        pytest.skip("dciodvfy is absent (Debian: dicom3tools): the form of SEG objects is not checked")


@pytest.mark.parametrize("segments", SEGMENTS)
@pytest.mark.parametrize("name", MADE)
def test_made_sources(name: str, segments: int, tmp_path: Path, dciodvfy: None) -> None:
    check(make(name, tmp_path), None, segments, tmp_path)


@pytest.mark.parametrize("segments", SEGMENTS)
@pytest.mark.parametrize("kind", FAILING, ids=lambda kind: kind.name)
def test_public_sources(kind: Kind, segments: int, tmp_path: Path, failing: Path, dciodvfy: None) -> None:
    check(failing / kind.path, kind.volume, segments, tmp_path)


@pytest.mark.parametrize("kind", REAL, ids=lambda kind: kind.name)
def test_real_sources(kind: Kind, tmp_path: Path, shared_data: Path, dciodvfy: None) -> None:
    check(shared_data / kind.path, kind.volume, 2, tmp_path)


def check(source: Path, volume: int | None, segments: int, folder: Path) -> None:
    """Write, and ask everybody."""
    image = read(source, volume)
    masks = masks_for(image, segments)
    path = write_dicom_seg(masks, FINDINGS[:segments], image, folder / "seg.dcm")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    assert form_errors(path, files)[0] == []
    assert same_points(in_dcmqi(path, segments), masks)
    assert wrong_frames(path, files, image, masks) == []
    assert hd.seg.segread(path).number_of_segments == segments
    for number, mask in enumerate(masks, 1):
        assert np.array_equal(read_mask(path, like=image, label=number).values, mask.values)


@pytest.mark.parametrize("name", MADE)
def test_own_seg_and_own_nifti_are_one_mask(name: str, tmp_path: Path) -> None:
    image = read(make(name, tmp_path))
    (mask,) = masks_for(image, 1)
    nifti = write_nifti_mask(mask, image, tmp_path / "mask.nii.gz")
    seg = write_dicom_seg([mask], FINDINGS[:1], image, tmp_path / "seg.dcm")
    assert np.array_equal(read_mask(seg, like=read_image(nifti)).values, read_mask(nifti).values)
    every = write_dicom_seg([mask], FINDINGS[:1], image, tmp_path / "every.dcm", every_frame=True)
    again = read_mask(every)
    assert np.array_equal(again.values, mask.values)
    assert again.geometry.same_grid(read_mask(nifti).geometry)


@pytest.mark.parametrize("name", MADE)
def test_every_frame_and_empty_segments(name: str, tmp_path: Path, dciodvfy: None) -> None:
    image = read(make(name, tmp_path))
    full, empty = masks_for(image, 2)
    empty.values[:] = False
    for every in (False, True):
        path = write_dicom_seg([full, empty], FINDINGS[:2], image, tmp_path / "seg.dcm", every_frame=every)
        seg = hd.seg.segread(path)
        named = [
            g.SegmentIdentificationSequence[0].ReferencedSegmentNumber for g in seg.PerFrameFunctionalGroupsSequence
        ]
        filled = int(full.values.any(axis=(1, 2)).sum())
        slices = image.geometry.shape[0]
        assert (named.count(1), named.count(2)) == ((slices, slices) if every else (filled, 1))
        assert form_errors(path, [])[0] == []
        assert np.array_equal(read_mask(path, like=image, label="all").values, full.values)

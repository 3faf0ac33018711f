"""NIfTI headers of two minds: each contradiction is named with both values, and a header of one mind raises no note."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from orientations import axis_aligned, oblique

from medkt.errors import IncompleteError, UnreadableError
from medkt.io import read_image

nib: Any = nibabel
itk: Any = SimpleITK
AFFINE = np.array([[-0.8, 0, 0, 30], [0, 1.1, 0, -20], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])
VALUES = np.random.default_rng(1).integers(0, 900, (4, 5, 6)).astype(np.int16)


def _file(
    path: Path, *, sform: Any = AFFINE, qform: Any = AFFINE, codes: tuple[int, int] = (1, 1), **header: Any
) -> Path:
    image = nib.Nifti1Image(VALUES, AFFINE)
    image.set_sform(sform, codes[0])
    image.set_qform(qform, codes[1])
    image.header.set_xyzt_units("mm")
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def _moved(row: int, column: int, value: float) -> np.ndarray[Any, Any]:
    other = AFFINE.copy()
    other[row, column] = value
    return other


@pytest.mark.parametrize("affine", [*axis_aligned()[::5], oblique()])
@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (1, 0), (0, 1), (4, 2)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_of_one_mind_raises_no_note(affine: Any, codes: tuple[int, int], ending: str, tmp_path: Path) -> None:
    path = _file(tmp_path / f"a{ending}", sform=affine, qform=affine, codes=codes)
    assert read_image(path).provenance.warnings == ()


@pytest.mark.parametrize(
    ("qform", "said"),
    [
        (_moved(0, 3, 40), r"up to 10 apart .*first at \(30, -20, 7\).*first at \(40, -20, 7\)"),
        (_moved(2, 2, 5), r"sform: voxels of 0\.8 x 1\.1 x 2\.5.*qform: voxels of 0\.8 x 1\.1 x 5"),
        (_moved(0, 0, 0.8), r"mirror image of the other: left and right differ"),
    ],
)
def test_sform_against_qform(qform: Any, said: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.nii", qform=qform)
    image = read_image(path)
    assert any(re.search(said, note) for note in image.provenance.warnings)
    assert all("the sform was taken" in note for note in image.provenance.warnings)
    assert np.allclose(image.geometry.spacing, (2.5, 1.1, 0.8))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_pixdim_against_the_sform(axis: int, tmp_path: Path) -> None:
    pixdim = np.array([1, 0.8, 1.1, 2.5, 1, 1, 1, 1])
    pixdim[axis] = 9
    path = _file(tmp_path / "a.nii", codes=(1, 0), pixdim=pixdim)
    (note,) = read_image(path).provenance.warnings
    stated = " x ".join(f"{x:.4g}" for x in itk.ReadImage(str(path)).GetSpacing())  # what another program sees
    assert f"pixdim says voxels of {stated}, the sform 0.8 x 1.1 x 2.5" in note


def test_pixdim_says_nothing_of_an_axis_with_one_voxel(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES[:, :, :1], AFFINE)
    image.set_sform(AFFINE, 1)
    image.header["pixdim"] = [1, 0.8, 1.1, 1, 1, 1, 1, 1]
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii").provenance.warnings == ()


def test_an_sform_without_a_code_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.nii", sform=_moved(1, 3, 99), codes=(1, 1))
    header = bytearray(path.read_bytes())
    header[254:256] = b"\0\0"  # sform_code
    path.write_bytes(header)
    (note,) = read_image(path).provenance.warnings
    assert "an sform stands in the header with code 0" in note
    assert "first at (30, 99, 7)" in note


@pytest.mark.parametrize(("unit", "many"), [(1, "800 x 1100 x 2500 mm"), (3, "0.0008 x 0.0011 x 0.0025 mm")])
def test_voxels_of_no_usual_size(unit: int, many: str, tmp_path: Path) -> None:
    (note,) = read_image(_file(tmp_path / "a.nii", xyzt_units=unit)).provenance.warnings
    assert f"voxels of {many}: is the unit of the file (xyzt_units) right?" in note


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_sidecar_that_says_another_spacing(ending: str, tmp_path: Path) -> None:
    path = _file(tmp_path / f"a{ending}")
    beside = tmp_path / "a.json"
    beside.write_text(json.dumps({"SpacingBetweenSlices": 2.5, "PatientName": "Secret"}))
    assert read_image(path).provenance.warnings == ()
    beside.write_text(json.dumps({"SpacingBetweenSlices": 3.0}))
    (note,) = read_image(path).provenance.warnings
    assert "a spacing between slices of 3 mm, the image 2.5 mm" in note
    beside.write_text("{")
    (note,) = read_image(path).provenance.warnings
    assert "cannot be read" in note


@pytest.mark.parametrize(("unit", "scale"), [(1, 1e-3), (3, 1e3)])
@pytest.mark.parametrize("stated", [2.5, 3.0])
def test_a_sidecar_is_in_millimetres_whatever_the_unit_of_the_file(
    stated: float, unit: int, scale: float, tmp_path: Path
) -> None:
    affine = AFFINE * np.array([[scale], [scale], [scale], [1]])
    path = _file(tmp_path / "a.nii", sform=affine, qform=affine, xyzt_units=unit)
    path.with_suffix(".json").write_text(json.dumps({"SpacingBetweenSlices": stated}))
    notes = read_image(path).provenance.warnings
    assert [note for note in notes if "JSON" in note] == [
        f"the JSON file beside the image says a spacing between slices of {stated:g} mm, the image 2.5 mm: the image's was taken"
    ][: int(stated != 2.5)]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".img"])
@pytest.mark.parametrize(("extra", "refused"), [(1, False), (39, False), (40, True), (500, True)])
def test_more_bytes_than_the_header_counts(ending: str, extra: int, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".img":
        nib.save(nib.Nifti1Pair(VALUES, AFFINE), path)
        path.write_bytes(path.read_bytes() + bytes(extra))
    else:
        plain = _file(tmp_path / "b.nii").read_bytes() + bytes(extra)
        path.write_bytes(gzip.compress(plain) if ending == ".nii.gz" else plain)
    said = f"{extra} byte"
    if refused:
        with pytest.raises(IncompleteError, match=rf"a{ending}: {said}.*--allow-incomplete"):
            read_image(path)
        image = read_image(path, allow_incomplete=True)
        assert image.provenance.completeness is not None
        assert image.provenance.completeness.missing == 1
    else:
        image = read_image(path)
    assert any(said in note for note in image.provenance.warnings)
    assert np.array_equal(image.values, VALUES.transpose(2, 1, 0))


@pytest.mark.parametrize("lost", [1, 40, 200])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_fewer_bytes_than_the_header_counts(ending: str, lost: int, tmp_path: Path) -> None:
    plain = _file(tmp_path / "b.nii").read_bytes()[:-lost]
    path = tmp_path / f"a{ending}"
    path.write_bytes(gzip.compress(plain) if ending == ".nii.gz" else plain)
    for allowed in (False, True):
        with pytest.raises(UnreadableError):
            read_image(path, allow_incomplete=allowed)


@pytest.mark.parametrize("kind", ["cut", "garbage behind", "checksum"])
def test_a_damaged_gzip_is_refused(kind: str, tmp_path: Path) -> None:
    whole = _file(tmp_path / "a.nii.gz").read_bytes()
    broken = {"cut": whole[:-9], "garbage behind": whole + b"junk", "checksum": whole[:-8] + b"\0\0\0\0" + whole[-4:]}
    (tmp_path / "a.nii.gz").write_bytes(broken[kind])
    with pytest.raises(UnreadableError):
        read_image(tmp_path / "a.nii.gz")


def test_a_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    plain = _file(tmp_path / "b.nii").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(plain[:400]) + gzip.compress(plain[400:]))
    assert np.array_equal(read_image(tmp_path / "a.nii.gz").values, VALUES.transpose(2, 1, 0))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.NII.GZ", "a.nii", "a.nii.bz2"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_packed_is_told_by_the_first_bytes(name: str, packed: bool, tmp_path: Path) -> None:
    plain = _file(tmp_path / "b.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(plain) if packed else plain)
    assert np.array_equal(read_image(tmp_path / name).values, VALUES.transpose(2, 1, 0))

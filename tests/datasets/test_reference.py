"""References on the image's own grid: masks, run lengths, polygons, outlines in millimetres; by hand and by other routes."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import TREES, ct_slice, nifti, photograph, png, raw_jsrt, rtstruct, siim, spot, square_on
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from medkt.concepts import Caption, Concept
from medkt.datasets.builders import build_manifest
from medkt.datasets.case import Case
from medkt.datasets.coco import coco_mask
from medkt.datasets.jsrt import read_jsrt
from medkt.datasets.reference import read_case_image, reference_mask
from medkt.datasets.rle import (
    alternating_runs_to_mask,
    mask_to_relative_runs,
    relative_runs_to_mask,
    runs_from_characters,
    siim_mask,
)
from medkt.datasets.rtstruct import read_rtstruct
from medkt.errors import GeometryMismatchError, InputError, UnreadableError, UnsupportedError
from medkt.io import read_image, read_mask, write_dicom_seg
from medkt.spatial import Geometry, Image, Mask

SPOT = spot() > 0
REAL = Path(os.environ.get("MEDKT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


# ---- run lengths


def test_relative_runs_by_hand() -> None:
    # two columns of three rows: skip 1, take 2, skip 1, take 1
    mask = relative_runs_to_mask("1 2 1 1", rows=3, columns=2)
    assert mask.astype(int).tolist() == [[0, 0], [1, 1], [1, 0]]
    assert mask_to_relative_runs(mask) == "1 2 1 1"
    assert not relative_runs_to_mask(" -1", rows=3, columns=2).any()


@settings(max_examples=60)
@given(arrays(np.bool_, some.tuples(some.integers(1, 9), some.integers(1, 7))))
def test_runs_come_back(mask: NDArray[Any]) -> None:
    rows, columns = mask.shape
    assert np.array_equal(relative_runs_to_mask(mask_to_relative_runs(mask), rows=rows, columns=columns), mask)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3", "come in pairs"),
        ("a b", "whole numbers, got 'a b'"),
        ("", "come in pairs"),
        ("5 9", "the runs end at pixel 14 of 6"),
    ],
)
def test_runs_that_are_none(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        relative_runs_to_mask(text, rows=3, columns=2)


def test_siim_unites_the_rows_of_one_image(tmp_path: Path) -> None:
    siim(tmp_path)
    names = [line.split(",")[0] for line in (tmp_path / "train-rle.csv").read_text().splitlines()[1:]]
    both = siim_mask(tmp_path / "train-rle.csv", names[0], rows=1024, columns=1024)
    expected = spot(1024, 1024, top=100, left=200) | spot(1024, 1024, top=500, left=700)
    assert np.array_equal(both, expected > 0)
    with pytest.raises(InputError, match="no row of image gone"):
        siim_mask(tmp_path / "train-rle.csv", "gone", rows=1024, columns=1024)


def test_coco_runs_by_hand() -> None:
    assert alternating_runs_to_mask([1, 2, 1, 1, 1], rows=3, columns=2).astype(int).tolist() == [[0, 0], [1, 1], [1, 0]]
    assert runs_from_characters("1211O") == [1, 2, 1, 3, 0]  # from the fourth on the difference to the one but last
    for text, says in (("\x7f", "none of their characters"), ("T", "end within a number")):
        with pytest.raises(InputError, match=says):
            runs_from_characters(text)


@settings(max_examples=60)
@given(some.lists(some.integers(0, 5000), min_size=1, max_size=12))
def test_coco_characters_come_back(counts: list[int]) -> None:
    assert runs_from_characters(_characters(counts)) == counts


def _characters(counts: list[int]) -> str:
    """COCO's text of run lengths, written plainly from the format's description."""
    text = ""
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | 32 if more else bits) + 48)
    return text


# ---- polygons


def test_a_polygon_of_pixel_corners_is_the_block(tmp_path: Path) -> None:
    manifest = _manifest("coco", tmp_path)
    for case in manifest[:2]:  # one drawn as a polygon, one as run lengths
        assert np.array_equal(reference_mask(case).values[0], SPOT)
    assert not reference_mask(manifest[2]).values.any()
    assert [case.present for case in manifest] == [True, True, False]
    with pytest.raises(InputError, match="no image with id 9"):
        coco_mask(manifest[0].references[0], "9", rows=12, columns=10)
    with pytest.raises(InputError, match="'x' is no 'image id'"):
        coco_mask(manifest[0].references[0], "x", rows=12, columns=10)


# ---- RTSTRUCT and SEG


def test_an_outline_in_millimetres_is_the_block(tmp_path: Path) -> None:
    (case,) = _manifest("dicom", tmp_path)
    mask = reference_mask(case)
    assert np.array_equal(mask.values[1], SPOT)
    assert not mask.values[[0, 2]].any()
    assert (case.modality, case.columns) == ("ct", {"sex": "F", "scanner": "Scanner X"})
    assert "SECRET" not in case.case_id + case.patient_id


def test_an_outline_within_another_is_a_hole(tmp_path: Path) -> None:
    image = _ct(tmp_path)
    inner = square_on(1, left=-7.2, top=22.4, width=0.7, height=1.6)
    path = rtstruct(tmp_path / "rs.dcm", {"GTV": [square_on(1), inner]})
    mask = read_rtstruct(path, geometry=image.geometry)
    expected = SPOT.copy()
    expected[3:5, 4] = False
    assert np.array_equal(mask[1], expected)


def test_structures_and_frames(tmp_path: Path) -> None:
    image = _ct(tmp_path)
    path = rtstruct(tmp_path / "rs.dcm", {"GTV": [square_on(1)], "Empty": []})
    assert read_rtstruct(path, geometry=image.geometry, structure="gtv").sum() == 12
    assert read_rtstruct(path, geometry=image.geometry, structure="1").sum() == 12
    assert not read_rtstruct(path, geometry=image.geometry, structure="Empty").any()
    other = replace(image.geometry, frame_of_reference_uid="7.7")
    with pytest.raises(GeometryMismatchError, match=r"drawn in the frame of reference 1\.2\.9, the image has 7\.7"):
        read_rtstruct(path, geometry=other, structure="GTV")
    with pytest.raises(GeometryMismatchError, match="without a place in the patient"):
        read_rtstruct(path, geometry=Geometry.of_pixels(12, 10), structure="GTV")
    with pytest.raises(UnsupportedError, match="no structure set"):
        read_rtstruct(tmp_path / "ct" / "0.dcm", geometry=image.geometry)
    broken = rtstruct(tmp_path / "b.dcm", {"GTV": [square_on(1)[:-1]]})
    with pytest.raises(UnreadableError, match="a contour of 11 numbers is no list of points"):
        read_rtstruct(broken, geometry=image.geometry)


def test_a_seg_and_an_rtstruct_of_one_outline_are_one_mask(tmp_path: Path) -> None:
    image = _ct(tmp_path / "seg")
    values = np.zeros(image.geometry.shape, dtype=bool)
    values[1] = SPOT
    nodule = Concept(id="nodule", name="Nodule", captions=(Caption(text="a round spot"),))
    mask = Mask(values=values, geometry=image.geometry)
    write_dicom_seg([mask], [nodule], image, tmp_path / "seg" / "seg.dcm")
    (case,) = build_manifest("dicom", tmp_path / "seg", structure="Nodule")
    assert (case.reference_kind, case.reference_key) == ("mask", "1")
    (tmp_path / "rt").mkdir()
    (drawn,) = _manifest("dicom", tmp_path / "rt")
    assert np.array_equal(reference_mask(case).values, reference_mask(drawn).values)
    with pytest.raises(InputError, match="no segment 'Cyst'; there are Nodule"):
        build_manifest("dicom", tmp_path / "seg", structure="Cyst")
    with pytest.raises(UnsupportedError, match="a DICOM SEG for a single slice"):
        reference_mask(replace(case, slice_index=1), image=image)


def _ct(folder: Path) -> Image:
    for index in range(3):
        ct_slice(folder / "ct" / f"{index}.dcm", index)
    return read_image(folder / "ct")


@pytest.mark.skipif(not (REAL / "volumes" / "sts").is_dir(), reason="needs volumes/sts of MEDKT_DATA")
def test_real_outlines_are_the_real_masks() -> None:
    """IBSI's sarcoma cases: our filling of the RTSTRUCT against the NIfTI mask that its authors made."""
    (case,) = build_manifest("dicom", REAL / "volumes" / "sts" / "dicom" / "STS_002" / "CT", checked=0)
    ours = reference_mask(case)
    theirs = read_mask(REAL / "volumes" / "sts" / "nifti" / "STS_002" / "CT_mask.nii.gz")
    assert ours.geometry.shape == theirs.geometry.shape
    overlap = (ours.values & theirs.values).sum()
    assert 2 * overlap / (ours.values.sum() + theirs.values.sum()) > 0.999


# ---- masks of files


def test_keys(tmp_path: Path) -> None:
    plane = np.array([[0, 1, 2], [3, 250, 0]], np.uint8)
    case = Case(
        case_id="a", image=png(tmp_path / "a.png", photograph(2, 3)), references=(png(tmp_path / "m.png", plane),),
        reference_kind="mask",
    )  # fmt: skip
    for key, inside in (("all", 4), ("1", 1), ("1+3", 2), (">200", 1), (">=250", 1), (">0", 4), ("9", 0)):
        assert reference_mask(replace(case, reference_key=key)).values.sum() == inside
    says_which = r"holds 4 labels, 1, 2, 3, 250; say which is meant: --label 1, or 1\+2 for both"
    refused = (("a", "no label value"), (">x", "no threshold"), (">254", "nothing is above 254"), ("", says_which))
    for key, says in refused:
        with pytest.raises(InputError, match=says):
            reference_mask(replace(case, reference_key=key))


def test_present_contradicted_by_the_mask(tmp_path: Path) -> None:
    case = Case(
        case_id="a", image=png(tmp_path / "a.png", photograph()), references=(png(tmp_path / "m.png", spot()),),
        reference_kind="mask", present=False,
    )  # fmt: skip
    with pytest.raises(InputError, match="12 voxels inside, though the case says present 0"):
        reference_mask(case)
    with pytest.raises(InputError, match="case 'b' has no reference mask"):
        reference_mask(Case(case_id="b", image=case.image))


def test_a_slice_of_a_volume_keeps_its_place(tmp_path: Path) -> None:
    values = np.zeros((6, 7, 4), np.uint8)
    values[1:3, 2:5, 2] = 1
    image = nifti(tmp_path / "i.nii.gz", photograph(6, 7)[..., None].repeat(4, 2))
    case = Case(
        case_id="s", image=image, slice_index=2, references=(nifti(tmp_path / "m.nii.gz", values),), reference_kind="mask"
    )  # fmt: skip
    whole, one = read_image(image), read_case_image(case)
    assert np.allclose(one.geometry.to_world(np.zeros((1, 3))), whole.geometry.to_world(np.array([[2.0, 0, 0]])))
    assert np.array_equal(reference_mask(case).values[0], values[..., 2].T > 0)
    with pytest.raises(InputError, match="no slice 4; there are 4, counted from 0"):
        read_case_image(replace(case, slice_index=4))
    with pytest.raises(UnsupportedError, match="an RTSTRUCT for a single slice"):
        reference_mask(replace(case, reference_kind="rtstruct"))


def test_outlines_of_a_plane_do_not_go_onto_a_volume(tmp_path: Path) -> None:
    image = nifti(tmp_path / "i.nii.gz", photograph(6, 7)[..., None].repeat(4, 2))
    case = Case(case_id="s", image=image, references=(image,), reference_kind="rle", reference_key="x")
    with pytest.raises(GeometryMismatchError, match="outlines of one plane, the image has 4 slices"):
        reference_mask(case)


# ---- JSRT


def test_jsrt_is_read_with_its_spacing_and_shown_inverted(tmp_path: Path) -> None:
    image = read_jsrt(raw_jsrt(tmp_path / "JPCLN001.IMG"))
    assert image.values.shape == (1, 2048, 2048)
    assert image.values.dtype == np.uint16
    assert image.values[0, 3, 7] == 4095
    assert image.values[0, 1000, 1234] == 1234
    assert image.geometry.unit == "mm"
    assert image.geometry.spacing[1:] == (0.175, 0.175)
    assert image.display.inverted
    with pytest.raises(InputError, match="there is no such file"):
        read_jsrt(tmp_path / "gone.IMG")


def _manifest(layout: str, folder: Path) -> list[Case]:
    TREES[layout](folder)
    cases = list(build_manifest(layout, folder))
    assert pickle.loads(pickle.dumps(cases)) == cases
    return cases

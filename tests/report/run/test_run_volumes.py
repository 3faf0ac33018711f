"""Volumes as the page shows them: blocks of voxels on a grid of their own, checked against loops and against nibabel."""

import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from study_records import earlier_result

from medkt.datasets.case import Case
from medkt.errors import GeometryMismatchError, InputError, UnreadableError
from medkt.io import read_image
from medkt.report.run.case_record import finding_in, is_volume, record_of
from medkt.report.run.volumes import (
    Bytes,
    VolumeView,
    coarse,
    coarse_geometry,
    nifti_bytes,
    show_layers,
    show_study,
    steps_of,
)
from medkt.report.study_record import FORM
from medkt.spatial import Geometry, Image

RNG = np.random.default_rng(3)
EARLIER = FORM.read(earlier_result(), where="a result")
FINDING = replace(EARLIER.findings[0], concept="nodule", window="lung", slices=(), files={})
RECORD = replace(EARLIER, domain="ct", findings=(FINDING,))


def _geometry(shape: tuple[int, int, int]) -> Geometry:
    """Oblong, turned away from the axes of the patient, and mirrored."""
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    affine = np.eye(4)
    affine[:3, :3] = turn[:, [2, 1, 0]] * (5.0, 0.7, 0.9)
    affine[:3, 3] = (-31, 12, 7)
    return Geometry(affine=affine, shape=shape, frame_of_reference_uid="1.2.3.4")


def _image(shape: tuple[int, int, int]) -> Image:
    return Image(values=np.zeros(shape, np.int16), geometry=_geometry(shape))


def _shown(reference: Bytes, steps: tuple[int, int, int] = (1, 1, 1)) -> VolumeView:
    geometry = _geometry(reference.shape)
    return VolumeView(
        image=np.zeros_like(reference), reference=reference, geometry=geometry, steps=steps, whole=geometry, window=""
    )


@pytest.mark.parametrize(
    ("shape", "steps"),
    [((24, 128, 256), (1, 1, 1)), ((40, 512, 513), (1, 2, 3)), ((257, 256, 1024), (2, 1, 4))],
)
def test_no_side_is_longer_than_256(shape: tuple[int, int, int], steps: tuple[int, int, int]) -> None:
    assert steps_of(shape) == steps
    assert max(coarse_geometry(_geometry(shape), steps).shape) <= 256


def test_a_block_lies_where_its_voxels_lie() -> None:
    geometry, steps = _geometry((4, 6, 9)), (2, 1, 3)
    blocks = coarse_geometry(geometry, steps)
    assert blocks.shape == (2, 6, 3)
    for block in np.ndindex(blocks.shape):
        inside = [[b * s + o for b, s, o in zip(block, steps, offset, strict=True)] for offset in np.ndindex(steps)]
        centre = geometry.to_world(np.array(inside, float)).mean(axis=0)
        assert np.allclose(blocks.to_world(np.array([block], float))[0], centre)
    assert coarse_geometry(geometry, (1, 1, 1)).same_grid(geometry)


def test_blocks_of_image_mask_and_map_are_those_of_plain_loops() -> None:
    steps, shape = (2, 3, 1), (5, 7, 4)  # neither divides the other: the last blocks reach beyond
    image = RNG.integers(0, 256, shape).astype(np.uint8)
    mask = RNG.random(shape) < 0.1
    mean, part, top = coarse(image, steps, "image"), coarse(mask, steps, "inside"), coarse(image, steps, "highest")
    assert mean.shape == part.shape == top.shape == (3, 3, 4)
    for index in np.ndindex(mean.shape):
        low = [n * step for n, step in zip(index, steps, strict=True)]
        voxels = [tuple(a + b for a, b in zip(low, offset, strict=True)) for offset in np.ndindex(steps)]
        there = [one for one in voxels if all(a < b for a, b in zip(one, shape, strict=True))]
        assert part[index] == np.ceil(np.float32(255 * sum(mask[one] for one in there) / len(voxels)))
        assert top[index] == max(image[one] for one in there)
        nearest = [tuple(min(a, b - 1) for a, b in zip(one, shape, strict=True)) for one in voxels]
        assert mean[index] == np.rint(np.mean([float(image[one]) for one in nearest]))


def test_a_single_voxel_of_a_mask_does_not_vanish() -> None:
    mask = np.zeros((8, 8, 8), bool)
    mask[3, 4, 5] = True
    assert coarse(mask, (8, 8, 8), "inside").max() == 1


def test_without_blocks_the_voxels_are_the_same() -> None:
    values = RNG.integers(0, 256, (3, 4, 5)).astype(np.uint8)
    assert np.array_equal(coarse(values, (1, 1, 1), "image"), values)
    assert np.array_equal(coarse(values > 99, (1, 1, 1), "inside"), 255 * (values > 99))


def test_what_is_written_is_nifti_on_that_grid_and_says_nothing_else(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (3, 4, 5)).astype(np.uint8)
    geometry = _geometry((3, 4, 5))
    data = nifti_bytes(values, geometry)
    assert data == nifti_bytes(values, geometry)
    (tmp_path / "x.nii.gz").write_bytes(data)
    stored = nib.load(tmp_path / "x.nii.gz")
    assert np.array_equal(np.asarray(stored.dataobj), values.transpose(2, 1, 0))
    assert np.allclose(stored.affine @ [4, 3, 2, 1], [*geometry.to_world(np.array([[2.0, 3, 4]]))[0] * [-1, -1, 1], 1])
    assert stored.header.get_data_dtype() == np.uint8
    for field in ("descrip", "aux_file", "db_name", "intent_name", "data_type"):
        assert not stored.header[field].item()
    assert not stored.header.extensions
    again = read_image(tmp_path / "x.nii.gz")
    assert replace(geometry, frame_of_reference_uid=None).same_grid(again.geometry)


def test_the_library_is_the_one_that_its_readme_names() -> None:
    """Third-party code: nobody changes it by hand, and its licences go with it."""
    vendor = files("medkt.report") / "vendor" / "niivue"
    digest = hashlib.sha256((vendor / "niivue.min.js").read_bytes()).hexdigest()
    assert digest in (vendor / "README.md").read_text(encoding="utf-8")
    licences = (vendor / "niivue.LICENSE.txt").read_text(encoding="utf-8")
    assert all(name in licences for name in ("NiiVue", "gl-matrix", "nifti-reader-js", "fflate", "uuid", "array-equal"))


def test_the_first_place_is_in_the_plane_with_the_highest_score() -> None:
    reference = np.zeros((6, 8, 10), np.uint8)
    reference[4, 2:5, 3:6] = 255
    shown, image = _shown(reference), _image(reference.shape)

    def start(*scores: float) -> tuple[int, int, int]:
        (one,) = EARLIER.findings[0].slices
        slices = tuple(replace(one, index=place, score=score) for place, score in zip((2, 4), scores, strict=True))
        record = replace(RECORD, findings=(replace(FINDING, slices=slices),))
        return show_layers(shown, image, Path(), record, "nodule").start

    assert start(0.4, 0.9) == (4, 3, 4)
    assert start(1.0, 0.9) == (2, 4, 5)  # nothing is outlined there: the middle of that plane
    assert show_layers(shown, image, Path(), RECORD, "nodule").start == (4, 3, 4)
    empty = _shown(np.zeros_like(reference))
    assert show_layers(empty, image, Path(), RECORD, "nodule").start == (3, 4, 5)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"result\.json: cannot be read"):
        record_of(tmp_path)
    with pytest.raises(InputError, match="record of the case has no finding cyst"):
        finding_in(RECORD, "cyst")
    assert is_volume(replace(RECORD, input=replace(RECORD.input, shape=(2, 64, 64))))
    assert not is_volume(RECORD)


def test_another_image_and_another_grid_are_refused(tmp_path: Path) -> None:
    image = _image((6, 8, 10))
    case = Case(case_id="a", image=tmp_path)
    with pytest.raises(InputError, match="the image is another than the run saw"):
        show_study(image, case, RECORD, "nodule", window=None)
    values = np.zeros((5, 8, 10), np.uint8)
    (tmp_path / "map.nii.gz").write_bytes(nifti_bytes(values, _geometry((5, 8, 10))))
    record = replace(RECORD, findings=(replace(FINDING, files={"saliency": "map.nii.gz"}),))
    with pytest.raises(GeometryMismatchError, match=r"the saliency map map\.nii\.gz lies on another grid"):
        show_layers(_shown(np.zeros((6, 8, 10), np.uint8)), image, tmp_path, record, "nodule")

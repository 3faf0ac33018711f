"""MONAI's tensors and medkt's images have one place and one value, bit for bit, however the file stores them."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, Flipd, LoadImaged
from PIL import Image as Picture
from spatial.orders import ORDERS, write_in_order

from medkt.errors import GeometryError, InputError
from medkt.io import read_image
from medkt.monai import image_of, mask_like
from medkt.spatial import Image


def loaded(path: Path) -> MetaTensor:
    tensor: MetaTensor = Compose([LoadImaged("image"), EnsureChannelFirstd("image")])({"image": str(path)})["image"]
    return tensor


def require_same(found: Image, expected: Image) -> None:
    assert found.values.dtype == expected.values.dtype
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.geometry.affine.tobytes() == expected.geometry.affine.tobytes()
    assert (found.geometry.shape, found.geometry.unit) == (expected.geometry.shape, expected.geometry.unit)


@pytest.fixture(scope="module")
def oblique(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(5, 7, 9) voxels of unequal steps, tilted about two axes."""
    angle, tilt = np.deg2rad([20, 11])
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    lean = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ lean @ np.diag([0.7, 1.3, 2.9]), [-31.7, 12.25, 100.1]
    values = np.arange(5 * 7 * 9, dtype=np.int16).reshape(5, 7, 9) - 100
    path = tmp_path_factory.mktemp("oblique") / "image.nii"
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.mark.parametrize("order", ORDERS[::7])
def test_a_volume_is_read_alike_in_every_order(order: Any, oblique: Path, tmp_path: Path) -> None:
    path = write_in_order(oblique, order, tmp_path / "turned.nii.gz")
    require_same(image_of(loaded(path)), read_image(path))


@pytest.mark.parametrize("kind", ["uint8", "<i4", ">i2", "<f4", "uint16"])
def test_values_have_the_type_of_the_file(kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 200, (4, 5, 6)).astype(kind)
    values = values + np.asarray(0.25, kind) if kind == "<f4" else values
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 2, 3, 1]), dtype=kind), tmp_path / "image.nii")
    require_same(image_of(loaded(tmp_path / "image.nii")), read_image(tmp_path / "image.nii"))


def test_values_that_are_no_longer_whole_stay_as_they_are(oblique: Path) -> None:
    halved = loaded(oblique) / 2
    assert image_of(halved).values.dtype == np.float32
    assert image_of(loaded(oblique) * 1000).values.dtype == np.float32  # beyond what int16 holds
    assert image_of(loaded(oblique).to(torch.int32)).values.dtype == np.int32


@pytest.mark.parametrize("unit", ["meter", "micron", "unknown"])
def test_lengths_are_in_millimetres(unit: str, tmp_path: Path) -> None:
    stored = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([0.5, 0.25, 2, 1]))
    stored.header.set_xyzt_units(xyz=unit)
    nib.save(stored, tmp_path / "image.nii")
    require_same(image_of(loaded(tmp_path / "image.nii")), read_image(tmp_path / "image.nii"))


def test_a_slice_of_a_volume_and_a_plane_by_itself(tmp_path: Path) -> None:
    values, affine = np.arange(20, dtype=np.int16).reshape(4, 5), np.diag([0.5, 0.25, 2, 1])
    for name, held in (("plane", values), ("slice", values[..., None])):
        path = tmp_path / f"{name}.nii"
        nib.save(nib.Nifti1Image(held, affine), path)
        require_same(image_of(loaded(path)), read_image(path))


def test_a_picture_is_in_pixels(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 255, (20, 30), dtype=np.uint8)
    Picture.fromarray(values).save(tmp_path / "image.png")
    tensor = loaded(tmp_path / "image.png")
    require_same(image_of(tensor), read_image(tmp_path / "image.png"))
    assert tensor.shape == (1, 30, 20)
    mask = mask_like(values[None, None] > 100, tensor, {})
    np.testing.assert_array_equal(mask[0].numpy().T, values > 100)


def test_an_affine_to_lps_is_taken_at_its_word(oblique: Path) -> None:
    ras = loaded(oblique)
    turned = np.diag([-1.0, -1, 1, 1]) @ np.asarray(ras.affine)
    lps = MetaTensor(ras.as_tensor(), meta={**ras.meta, "affine": torch.as_tensor(turned), "space": "LPS"})
    require_same(image_of(lps), image_of(ras))


def test_a_turned_tensor_lies_where_it_lay(oblique: Path) -> None:
    turned = Flipd("image", spatial_axis=(0, 2))({"image": loaded(oblique)})["image"]
    found, first = image_of(turned), read_image(oblique)
    np.testing.assert_array_equal(found.values, first.values[::-1, :, ::-1])
    corner, other = np.array([[0.0, 0, 0]]), np.array([[8.0, 0, 4]])
    np.testing.assert_allclose(found.geometry.to_world(corner), first.geometry.to_world(other), atol=1e-9)


def test_a_mask_lies_on_its_study(oblique: Path) -> None:
    tensor = loaded(oblique)
    masks = np.random.default_rng(3).random((2, *image_of(tensor).geometry.shape)) > 0.5
    found = mask_like(masks, tensor, {"finding": ["a", "b"]})
    assert (found.shape, found.dtype) == ((2, 5, 7, 9), torch.uint8)
    assert torch.equal(found.affine, tensor.affine)
    assert found.affine is not tensor.affine
    assert (found.meta["finding"], found.meta["filename_or_obj"]) == (["a", "b"], str(oblique))
    assert "finding" not in tensor.meta
    for place in (0, 1):
        np.testing.assert_array_equal(image_of(found[place : place + 1]).values, masks[place])


def test_what_has_no_place_is_refused(oblique: Path) -> None:
    tensor = loaded(oblique)
    with pytest.raises(
        InputError, match=r"a MetaTensor says where its voxels lie, and this is a Tensor; load .* LoadImaged"
    ):
        image_of(tensor.as_tensor())
    with pytest.raises(
        InputError, match=r"a study is \(1, X, Y\) or \(1, X, Y, Z\), got \(5, 7, 9\); put EnsureChannelFirstd"
    ):
        image_of(tensor[0])
    with pytest.raises(InputError, match=r"got \(2, 5, 7, 9\)"):
        image_of(torch.cat([tensor, tensor]))
    with pytest.raises(InputError, match="1 of 315 voxels are NaN"):
        image_of(torch.where(tensor == -100, torch.nan, tensor))
    with pytest.raises(GeometryError, match="singular"):
        image_of(MetaTensor(tensor.as_tensor(), affine=torch.diag(torch.tensor([0.0, 1, 1, 1]))))
    with pytest.raises(InputError, match="leads to the space 'screen'"):
        image_of(MetaTensor(tensor.as_tensor(), affine=tensor.affine, meta={"space": "screen"}))

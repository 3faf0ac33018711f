"""medkt as a transform of MONAI: the mask of `medkt segment`, voxel for voxel, inside MONAI's own pipelines."""

import pickle
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, Flipd, LoadImaged, Orientationd, SaveImaged, Transform
from spatial.orders import ORDERS, in_world, write_in_order
from whole_line import Studies, bright_pipeline

from medkt.concepts import concept_from_text
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.io.write_nifti import write_nifti_mask
from medkt.monai import SegmentFromText, SegmentFromTextd
from medkt.pipeline import Pipeline, View
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.slicewise import SegmentationSettings

BRIGHT = concept_from_text("a bright spot")
DARK = concept_from_text("a dark spot")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return bright_pipeline(SegmentationSettings(saliency=SaliencySettings(method=M2IBSettings(steps=2, samples=2))))


def loading(*more: Transform) -> Compose:
    return Compose([LoadImaged("image"), EnsureChannelFirstd("image"), *more])


def written(pipeline: Pipeline, path: Path, to: Path, modality: str) -> Path:
    """The mask file of `medkt segment`."""
    result = pipeline.segment_file(path, [BRIGHT], view=View(modality=modality))
    return write_nifti_mask(result.mask(result.findings[0]), result.image, to)


@pytest.mark.parametrize(
    ("name", "order"), [("ct-nifti", ORDERS[29]), ("ct-nifti-oblique", ORDERS[0]), ("mr-nifti", ORDERS[13])]
)
def test_the_mask_is_that_of_the_command(
    name: str, order: Any, studies: Studies, tmp_path: Path, pipeline: Pipeline
) -> None:
    path, modality = write_in_order(studies[name], order, tmp_path / "study.nii.gz"), name[:2].replace("mr", "mri")
    expected = nib.load(written(pipeline, path, tmp_path / "expected.nii.gz", modality))
    find = SegmentFromTextd("image", prompts=["a bright spot"], modality=modality, model=pipeline)
    save = SaveImaged(
        "image_mask",
        output_dir=tmp_path,
        output_postfix="found",
        output_dtype=np.uint8,
        separate_folder=False,
        print_log=False,
    )
    found = loading(find, save)({"image": str(path)})["image_mask"]
    saved = nib.load(tmp_path / "study_found.nii.gz")
    assert np.asarray(expected.dataobj).any()
    for mask in (found[0].numpy(), np.asarray(saved.dataobj)):
        np.testing.assert_array_equal(mask, np.asarray(expected.dataobj))
    assert found.affine.numpy().tobytes() == nib.load(path).affine.tobytes()
    np.testing.assert_array_equal(saved.affine, expected.affine)


def test_what_is_turned_before_is_found_in_the_same_place(studies: Studies, tmp_path: Path, pipeline: Pipeline) -> None:
    path = studies["mr-nifti"]
    expected = in_world(written(pipeline, path, tmp_path / "expected.nii", "mri"))
    find = SegmentFromTextd("image", prompts=["a bright spot"], modality="mri", model=pipeline)
    for turn in (Orientationd("image", axcodes="PIL", labels=None), Flipd("image", spatial_axis=(0, 1))):
        found = loading(turn, find)({"image": str(path)})
        mask = found["image_mask"]
        assert mask.shape == found["image"].shape
        nib.save(nib.Nifti1Image(mask[0].numpy(), mask.affine.numpy()), tmp_path / "found.nii")
        np.testing.assert_array_equal(in_world(tmp_path / "found.nii"), expected)


def test_what_is_said_of_each_finding(studies: Studies, pipeline: Pipeline) -> None:
    find = SegmentFromText(concepts=[BRIGHT], prompts=["a dark spot"], modality="mri", model=pipeline)
    study = loading()({"image": str(studies["mr-nifti"])})["image"]
    first, again = find(study), find(study)
    result = pipeline.segment_file(studies["mr-nifti"], [BRIGHT, DARK], view=View(modality="mri"))
    assert first.shape == (2, *study.shape[1:])
    assert first.dtype == torch.uint8
    assert first.meta["finding"] == [BRIGHT.id, DARK.id]
    assert first.meta["words"] == ["a bright spot", "a dark spot"]
    assert first.meta["presence"] == [one.found.presence.state for one in result.findings]
    assert first.meta["score"] == [one.found.presence.score for one in result.findings]
    assert first.meta["presence"][0] == "seen"
    assert set(result.warnings) >= set(first.meta["warnings"].splitlines())
    assert torch.equal(first, again)
    assert (first.meta["score"], first.meta["warnings"]) == (again.meta["score"], again.meta["warnings"])


def test_a_loader_makes_batches_of_it(studies: Studies, pipeline: Pipeline) -> None:
    find = SegmentFromTextd("image", prompts=["a bright spot"], modality="mri", model=pipeline)
    files = [{"image": str(studies["mr-nifti"])}] * 2
    (batch,) = DataLoader(Dataset(files, loading(find)), batch_size=2, num_workers=0)
    assert batch["image_mask"].shape[:2] == (2, 1)
    assert torch.equal(batch["image_mask"][0], batch["image_mask"][1])


def test_it_goes_to_another_process_without_its_models(studies: Studies, pipeline: Pipeline) -> None:
    find = SegmentFromTextd(["image"], prompts=["a bright spot"], modality="mri", model="small")
    find.find.__dict__["_pipeline"] = pipeline  # as if it had looked at a study already
    sent = pickle.loads(pickle.dumps(find))
    assert "_pipeline" not in sent.find.__dict__
    assert (sent.find.prompts, sent.masks) == (("a bright spot",), ("image_mask",))


def test_errors_name_the_key(studies: Studies, pipeline: Pipeline) -> None:
    find = SegmentFromTextd(["scan"], prompts=["a bright spot"], modality="mri", model=pipeline)
    with pytest.raises(InputError, match=r"^scan: a MetaTensor says where its voxels lie, and this is a Tensor"):
        find({"scan": torch.zeros(1, 8, 8, 8)})
    with pytest.raises(InputError, match=r"^scan: no plane holds anything"):
        find({"scan": MetaTensor(torch.zeros(1, 8, 8, 8))})
    with pytest.raises(KeyError, match="scan"):
        find({"image": None})
    assert SegmentFromTextd(["scan"], prompts=["a bright spot"], modality="mri", allow_missing_keys=True)(
        {"image": 1}
    ) == {"image": 1}
    with pytest.raises(RuntimeError, match="applying transform") as told:  # MONAI's own, with ours as its cause
        loading(
            SegmentFromTextd(["image"], prompts=["a bright spot"], modality="cxr", model=pipeline), lambda _: 1 / 0
        )({"image": str(studies["mr-nifti"])})
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_what_is_not_said_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match="say what to look for"):
        SegmentFromTextd(["image"], modality="mri")
    with pytest.raises(UnknownNameError, match="no domain 'mr'; known: cxr, ct, mri, ultrasound"):
        SegmentFromTextd(["image"], prompts=["a bright spot"], modality="mr")

"""One study, one answer: however its voxels are stored, what is found is the same, voxel for voxel in the world."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from segmentation.tiny_sam import make_sam
from spatial.orders import ORDERS, in_world, write_in_order
from whole_line import bright_pipeline

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.io import read_image, read_mask
from medkt.io.write_nifti import write_nifti_mask, write_saliency_nifti
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, StudyResult, View, score_finding
from medkt.report.study_folder import record_of_result
from medkt.saliency.m2ib import M2IBSettings, content_seed
from medkt.saliency.methods import SaliencySettings
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import planes_of
from medkt.tasks.segment.studies import plane_scores

BRIGHT = concept_from_text("a bright spot")
FINE: dict[str, dict[str, Any]] = {
    "mri": {"finding": "mri_glioma", "shape": (14, 36, 32), "spacing_mm": (0.9, 0.9, 1.0)},
    "ct": {
        "finding": "ct_nodule",
        "shape": (28, 12, 42),
        "spacing_mm": (3.0, 9.0, 3.1),
    },  # cut across its coronal planes
}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Maps in few steps, everything else by default."""
    return bright_pipeline(SegmentationSettings(saliency=SaliencySettings(method=M2IBSettings(steps=2, samples=2))))


def _answer(result: StudyResult, folder: Path) -> dict[str, Any]:
    """Everything that must not depend on the order of storage."""
    (finding,) = result.findings
    looked, found = finding.looked, finding.found
    mask, saliency = result.mask(finding), result.saliency(finding)
    sure = plane_scores(result, finding)
    return {
        "mask": in_world(write_nifti_mask(mask, result.image, folder / "mask.nii")),
        "saliency": in_world(write_saliency_nifti(saliency, result.image, folder / "saliency.nii")),
        "sure": in_world(write_saliency_nifti(replace(saliency, values=sure), result.image, folder / "sure.nii")),
        "scores": found.presence.scores,
        "margins": found.presence.margins,
        "numbers": np.array([looked.number(position) for position in looked.positions]),
        "shown": np.stack([result.plane(finding, position) for position in looked.positions]),
        "boxes": np.concatenate([one.prompts.boxes_xyxy for one in found.slices]),
        "specificity": np.array(finding.specificity),
        "disagreement": np.array(found.disagreement),
        "sizes": np.array(astuple(finding.measures.largest)[:6], float),
        "lesions": np.array([one.touches_border for one in finding.measures.lesions]),
        "orientation": np.array(looked.planes.orientation),
    }


@pytest.mark.parametrize(
    ("domain", "orders"),
    [("mri", ORDERS[::5]), ("ct", ORDERS[::5]), pytest.param("mri", ORDERS, marks=pytest.mark.slow, id="all")],
)
def test_a_fine_volume_gives_one_answer_in_all_orders(
    domain: str, orders: Sequence[Any], tmp_path: Path, pipeline: Pipeline
) -> None:
    """Of the thin planes every third is looked at, and those between are filled in."""
    path = write_study(tmp_path, domain=domain, seed=3, format="nifti", **FINE[domain])
    reference = tmp_path / "reference.nii.gz"
    answers, scores, stored = [], [], set()
    for order in orders:
        image = read_image(write_in_order(path, order, tmp_path / "turned.nii"))
        result = pipeline.segment(image, [BRIGHT], view=View(modality=domain))
        (finding,) = result.findings
        truth = read_mask(write_in_order(reference, order, tmp_path / "truth.nii"), like=image)
        answers.append(_answer(result, tmp_path))
        scores.append(score_finding(result, finding, truth).numbers)
        stored.add((finding.looked.planes.axis, finding.looked.planes.backwards))
    assert len(stored) >= 5  # the planes did lie along each axis, both ways
    assert answers[0]["mask"].any()
    assert domain == "ct" or answers[0]["numbers"][1] == 3
    for answer in answers[1:]:
        sizes = answer.pop("sizes")  # computed on the file's own affine, so equal but for the last digits
        np.testing.assert_allclose(sizes, answers[0]["sizes"], rtol=1e-12)
        for name, values in answer.items():
            np.testing.assert_array_equal(values, answers[0][name], err_msg=name)
    assert all(one == scores[0] for one in scores)


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">i2", "<i4"])
def test_the_type_of_the_voxels_changes_nothing(kind: str, tmp_path: Path, pipeline: Pipeline) -> None:
    path = write_study(tmp_path, domain="mri", seed=3, format="nifti", **FINE["mri"])
    first, other = (
        _answer(pipeline.segment(read_image(file), [BRIGHT], view=View(modality="mri")), tmp_path)
        for file in (path, write_in_order(path, ORDERS[29], tmp_path / "other.nii", kind))
    )
    np.testing.assert_allclose(first.pop("sizes"), other["sizes"], rtol=1e-12)
    for name, values in first.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


def test_the_words_are_weighed_the_same_in_every_order(tmp_path: Path) -> None:
    """By the shipped model, whose text tower can be cut; nothing is there, so that no map of the image costs time."""
    path = write_study(tmp_path, domain="mri", seed=3, format="nifti", **FINE["mri"])
    asked = ("text_map.use=best", "m2ib.steps=4", "presence.rule=cosine", "presence.threshold=2", "presence.weak=2")
    pipeline = Pipeline.load("small", settings=resolve(SegmentationSettings, sets=asked))
    found = []
    for order in (ORDERS[0], ORDERS[29]):
        image = read_image(write_in_order(path, order, tmp_path / "turned.nii"))
        (finding,) = pipeline.segment(image, [BRIGHT], view=View(modality="mri")).findings
        words = finding.found.words
        assert words is not None
        found.append((finding.looked.number(words.index), words.maps[0]))
    (plane, first), (other_plane, other) = found
    assert plane == other_plane
    np.testing.assert_array_equal(first.nats, other.nats)
    np.testing.assert_array_equal(first.control, other.control)


def test_planes_are_named_by_where_they_lie_in_the_file(tmp_path: Path, pipeline: Pipeline) -> None:
    """What a user is told is the index in the own file; the plane is the same."""
    path = write_study(tmp_path, domain="mri", seed=3, format="nifti", **FINE["mri"])
    reversed_slices = write_in_order(path, ((0, 1), (1, 1), (2, -1)), tmp_path / "reversed.nii")
    places = []
    for file in (path, reversed_slices):
        result = pipeline.segment(read_image(file), [BRIGHT], view=View(modality="mri"))
        (finding,) = record_of_result(result, case="", files={BRIGHT.id: {}})["findings"]
        places.append([one["index"] for one in finding["slices"]])
        assert set(result.saliency(result.findings[0]).looked_at) == set(places[-1])
    assert places[1] == [13 - index for index in places[0]]


# ---- DICOM and NIfTI of one study

STUDIES: dict[str, dict[str, Any]] = {
    "ct": {"domain": "ct", "finding": "ct_nodule", "shape": (5, 48, 40), "spacing_mm": (20.0, 7.0, 8.0)},
    "ct-oblique": {
        "domain": "ct",
        "finding": "ct_nodule",
        "shape": (7, 48, 40),
        "spacing_mm": (14.0, 7.0, 8.0),
        "oblique": True,
    },
    "mri": {"domain": "mri", "finding": "mri_glioma", "shape": (9, 48, 40), "spacing_mm": (2.0, 1.9, 2.1)},
    "cxr": {"domain": "cxr", "finding": "cxr_nodule", "side": 96},
    "ultrasound": {"domain": "ultrasound", "finding": "us_cyst", "side": 96},
}


def _converted(dicom: Path, folder: Path) -> Path:
    """What dcm2niix makes of a study; of an ultrasound it drops the pixel size, which is written back."""
    folder.mkdir()
    command = shutil.which("dcm2niix", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert command, "dcm2niix is one of the test tools (pip install -e .[dev])"
    source = dicom if dicom.is_dir() else dicom.parent
    subprocess.run([command, "-b", "n", "-f", "converted", "-o", folder, source], check=True, capture_output=True)
    path = folder / "converted.nii"
    stored = nib.load(path)
    if not int(stored.header["sform_code"]):
        stored.header["pixdim"][1:3] = read_image(dicom).geometry.spacing[:0:-1]
        nib.save(nib.Nifti1Image(np.asarray(stored.dataobj).copy(), None, stored.header), path)
    return path


def _like(reference: Path, image: Path, to: Path) -> Path:
    """A reference turned into the order of a file, with the file's own place."""
    truth, stored = nib.load(reference), nib.load(image)
    turn = nib.orientations.ornt_transform(nib.io_orientation(truth.affine), nib.io_orientation(stored.affine))
    voxels = np.asarray(truth.as_reoriented(turn).dataobj).astype(np.uint8).reshape(stored.shape)
    nib.save(nib.Nifti1Image(voxels, None, stored.header), to)
    return to


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("segmenter", ["box filler", "sam"])
def test_dicom_and_the_nifti_made_of_it_give_one_answer(
    name: str, segmenter: str, tmp_path: Path, pipeline: Pipeline
) -> None:
    if segmenter == "sam":
        pipeline = replace(pipeline, segmenter=SamSegmenter(make_sam(), name="tiny"))
    made = STUDIES[name]
    dicom = write_study(tmp_path, seed=3, format="dicom", **made)
    nifti = _converted(dicom, tmp_path / "nifti")
    reference = tmp_path / "reference.nii.gz"
    answers, numbers = [], []
    for path, truth in ((dicom, reference), (nifti, _like(reference, nifti, tmp_path / "truth.nii"))):
        result = pipeline.segment(read_image(path), [BRIGHT], view=View(modality=made["domain"]))
        answers.append(_answer(result, tmp_path))
        numbers.append(score_finding(result, result.findings[0], read_mask(truth, like=result.image)).numbers)
    assert segmenter == "sam" or answers[0]["mask"].any()  # generated weights may find nothing
    assert numbers[0] == pytest.approx(numbers[1], rel=0, nan_ok=True)
    np.testing.assert_allclose(answers[0].pop("sizes"), answers[1].pop("sizes"), rtol=1e-5)
    for key, values in answers[0].items():
        np.testing.assert_array_equal(answers[1][key], values, err_msg=key)


def test_a_real_valued_slope_has_one_value_in_dicom_and_nifti(tmp_path: Path) -> None:
    """DICOM states it in decimals, NIfTI in single precision."""
    dicom = write_study(tmp_path, seed=3, format="dicom", **STUDIES["mri"])
    for file in dicom.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.RescaleSlope, dataset.RescaleIntercept = "3.02393162393162", "0.1"
        dataset.save_as(file)
    first, second = read_image(dicom), read_image(_converted(dicom, tmp_path / "nifti"))
    assert first.values.dtype == second.values.dtype == np.float32
    np.testing.assert_array_equal(*(planes_of(one.geometry).seen(one.values) for one in (first, second)))


def test_noise_does_not_hang_on_the_last_digits_of_a_pixel() -> None:
    """Philips' two ways to state a slope, or another processor, move those; another plane has other noise."""
    rng = np.random.default_rng(0)
    seeds = []
    for place in range(20):
        image = torch.from_numpy(rng.uniform(-2, 2, (3, 64, 64)) + place / 50).float()
        seeds.append(content_seed(image))
        assert content_seed(image * (1 + 1e-7) + 1e-7) == seeds[-1]
    assert len(set(seeds)) == 20
    for black in (0.0, -1.0, (0 - 0.48145466) / 0.26862954, (0 - 0.485) / 0.229, -2.0, 1.0):
        image = torch.full((3, 64, 64), black)
        assert content_seed(image + 1e-6) == content_seed(image - 1e-6)

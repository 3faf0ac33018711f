"""One study, one answer: however its voxels are stored, what is found is the same, voxel for voxel in the world."""

from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spatial.orders import ORDERS, in_world, write_in_order
from whole_line import bright_pipeline

from medkt.cohort.studies import plane_scores
from medkt.concepts import concept_from_text
from medkt.datasets.phantom.study import write_study
from medkt.io import read_image, read_mask
from medkt.io.write_nifti import write_nifti_mask, write_saliency_nifti
from medkt.pipeline import Pipeline, StudyResult, View, score_finding
from medkt.report.write import record_of_result
from medkt.saliency.m2ib import M2IBSettings
from medkt.segmentation.slicewise import SegmentationSettings

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
    return bright_pipeline(SegmentationSettings(m2ib=M2IBSettings(steps=2, samples=2)))


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


@pytest.mark.parametrize("domain", FINE)
def test_a_fine_volume_gives_one_answer_in_all_48_orders(domain: str, tmp_path: Path, pipeline: Pipeline) -> None:
    """Of the thin planes every third is looked at, and those between are filled in."""
    path = write_study(tmp_path, domain=domain, seed=3, format="nifti", **FINE[domain])
    reference = tmp_path / "reference.nii.gz"
    answers, scores, stored = [], [], set()
    for order in ORDERS if domain == "mri" else ORDERS[::5]:
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

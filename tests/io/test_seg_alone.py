"""Two folders of DICOM SEGs of a few slices each, without their image: the numbers are those of masks of the whole series."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import numbered, write_series
from pyarrow.parquet import read_table
from pydicom import dcmread

from medkt.concepts import concept_from_text
from medkt.io import read_image, write_dicom_seg, write_nifti_mask
from medkt.requests.evaluate import evaluate
from medkt.spatial import Image, Mask

SHAPE, STEP_MM = (8, 9, 10), 2.5
PAIRS = {  # slices of the reference, and of the prediction
    "neighbours": ((2,), (3,)),
    "far": ((2,), (5,)),
    "one-of-two": ((2,), (2, 3)),
    "the-same-two": ((2, 4), (2, 4)),
    "between": ((2, 4), (2, 3, 4)),
    "two-and-two": ((2, 3), (2, 5)),
    "elsewhere": ((1, 2), (5,)),
}
NUMBERS = ("dsc", "iou", "nsd@1mm", "hd_mm", "volume_reference_ml", "volume_prediction_ml")


def _mask(image: Image, slices: tuple[int, ...]) -> Mask:
    values = np.zeros(SHAPE, dtype=bool)
    values[slices, 2:6, 3:8] = True
    return Mask(values=values, geometry=image.geometry)


def _seg(mask: Mask, image: Image, path: Path, *, stated: bool) -> None:
    """A SEG; not stated, it says how thick its slices are and not how far apart."""
    write_dicom_seg([mask], [concept_from_text("lesion")], image, path)
    dataset = dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if not stated:
        del measures.SpacingBetweenSlices
    measures.SliceThickness = STEP_MM
    dataset.save_as(path)


def _numbers(root: Path) -> dict[str, dict[str, Any]]:
    evaluate(
        reference=root / "reference", prediction=root / "prediction", output=root / "run", metrics="dsc,iou,nsd,hd,volume",
        tolerance="1mm", keep_ids=True, resamples=200,
    )  # fmt: skip
    rows = read_table(root / "run" / "results.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["done"] * len(PAIRS)
    return {row["case_id"]: {name: row[name] for name in NUMBERS} for row in rows}


@pytest.mark.parametrize("stated", [True, False])
def test_the_numbers_are_those_of_the_whole_series(stated: bool, tmp_path: Path) -> None:
    write_series(tmp_path / "in", numbered(SHAPE), SliceThickness=str(STEP_MM))
    image = read_image(tmp_path / "in")
    for name, sides in PAIRS.items():
        for side, slices in zip(("reference", "prediction"), sides, strict=True):
            mask = _mask(image, slices)
            for kind in ("seg", "nifti"):
                (tmp_path / kind / side).mkdir(parents=True, exist_ok=True)
            _seg(mask, image, tmp_path / "seg" / side / f"{name}.dcm", stated=stated)
            write_nifti_mask(mask, image, tmp_path / "nifti" / side / f"{name}.nii.gz")
    alone, whole = _numbers(tmp_path / "seg"), _numbers(tmp_path / "nifti")
    slice_ml = 4 * 5 * 0.8 * 0.7 * STEP_MM / 1000
    for name, (reference, prediction) in PAIRS.items():
        both = len(set(reference) & set(prediction))
        assert alone[name] == pytest.approx(whole[name], abs=2e-6)
        assert alone[name]["dsc"] == pytest.approx(2 * both / (len(reference) + len(prediction)), abs=1e-6)
        assert alone[name]["volume_reference_ml"] == pytest.approx(len(reference) * slice_ml, rel=1e-5)
        assert alone[name]["volume_prediction_ml"] == pytest.approx(len(prediction) * slice_ml, rel=1e-5)

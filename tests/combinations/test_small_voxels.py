"""Final numbers of masks stored in every order, kind of number and unit, as small as cells and as large as lungs, by hand."""

from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pyarrow.parquet import read_table

from medkt.requests.evaluate import evaluate

STEPS_UM = (3.0, 5.0, 4.0)
UNITS = {"micron": 1.0, "mm": 1e-3}
ORDERS = [(axes, flips) for axes in ((0, 1, 2), (2, 0, 1), (1, 0, 2)) for flips in ((), (0,), (0, 2))]
KINDS = (np.uint8, np.int16, np.float32, np.float64)


def _stored(
    inside: np.ndarray, scale: float, order: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray]:
    """The mask in another order of axes, and the affine of that order, in units of `scale` micrometres."""
    axes, flips = order
    affine = np.diag([*(step * scale for step in STEPS_UM), 1.0])
    values, turned = inside.transpose(axes), affine[:, [*axes, 3]]
    for axis in flips:
        turned[:3, 3] += turned[:3, axis] * (values.shape[axis] - 1)
        turned[:3, axis] *= -1
        values = np.flip(values, axis)
    return values, turned


def test_a_lesion_of_a_few_cells_has_a_volume(tmp_path: Path) -> None:
    reference, prediction = np.zeros((6, 7, 5), bool), np.zeros((6, 7, 5), bool)
    reference[1:4, 2:4, 1:3] = True  # 12 voxels
    prediction[1:5, 2:4, 1:3] = True  # 16
    ways = [(unit, order) for unit, order in product(UNITS, ORDERS)]
    for number, (unit, order) in enumerate(ways):
        for what, mask in (("reference", reference), ("prediction", prediction)):
            values, affine = _stored(mask, UNITS[unit], order)
            kind = KINDS[(number + (what == "prediction")) % len(KINDS)]
            image = nibabel.Nifti1Image(values.astype(kind), affine)
            image.header.set_xyzt_units(xyz=unit)
            (tmp_path / what).mkdir(exist_ok=True)
            nibabel.save(image, tmp_path / what / f"w{number}.nii.gz")
    evaluate(
        reference=tmp_path / "reference", prediction=tmp_path / "prediction", output=tmp_path / "run",
        metrics="dsc,volume,hd", resamples=200,
    )  # fmt: skip
    rows = read_table(tmp_path / "run" / "results.parquet").to_pylist()
    voxel_ml = np.prod(STEPS_UM) * 1e-12  # a cubic micrometre is 1e-12 mL
    assert len(rows) == len(ways)
    for row in rows:
        assert row["dsc"] == pytest.approx(2 * 12 / 28, abs=1e-6)
        assert row["hd_mm"] == pytest.approx(0.003, abs=1e-6)  # one voxel along the first axis
        assert row["volume_reference_ml"] == pytest.approx(12 * voxel_ml, rel=1e-5)
        assert row["volume_prediction_ml"] == pytest.approx(16 * voxel_ml, rel=1e-5)
        assert row["volume_difference_ml"] == pytest.approx(4 * voxel_ml, rel=1e-5)

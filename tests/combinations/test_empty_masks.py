"""Empty masks under every rule, metric, lesion rule and shape of study together, against a table written by hand."""

import numpy as np
import pytest

from medkt.metrics import MetricSettings, evaluate_case
from medkt.metrics.case_result import METRICS
from medkt.metrics.lesions import LesionSettings
from medkt.spatial import Geometry, Mask

NAN, INF = float("nan"), float("inf")
OVERLAPS, DISTANCES = ("dsc", "iou", "nsd"), ("hd", "hd95", "assd")
# rule -> (overlap, distance) where both are empty, and where one is
TABLE = {
    "standard": ((NAN, NAN), (0.0, INF)),
    "distances-missing": ((NAN, NAN), (0.0, NAN)),
    "agreement-counts": ((1.0, 0.0), (0.0, INF)),
}
GRIDS = {"volume": (4, 6, 7), "one slice": (1, 6, 7), "one row": (4, 1, 7)}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("lesion_rule", ["iou", "coverage"])
@pytest.mark.parametrize("rule", TABLE)
def test_empty_masks(rule: str, lesion_rule: str, grid: str) -> None:
    geometry = Geometry(affine=np.diag([3.0, 2.0, 1.5, 1.0]), shape=GRIDS[grid])
    some = np.zeros(geometry.shape, dtype=bool)
    some[-2:, -4:, 2:4] = True
    settings = MetricSettings(
        metrics=tuple(one for one in METRICS if one != "nsd_slab"), empty=rule,
        lesions=LesionSettings(rule=lesion_rule),  # type: ignore[arg-type]
    )  # fmt: skip
    for truth, guess, outcome in (
        (0, 0, "both empty"),
        (0, 1, "reference empty"),
        (1, 0, "prediction empty"),
        (1, 1, "normal"),
    ):
        masks = [Mask(values=some & bool(held), geometry=geometry) for held in (truth, guess)]
        found = evaluate_case(reference=masks[0], prediction=masks[1], tolerance_mm=2.0, settings=settings)
        overlap, distance = (1.0, 0.0) if truth and guess else TABLE[rule][truth + guess]
        assert found.outcome == outcome
        numbers = {name.partition("@")[0].partition("_mm")[0]: value for name, value in found.numbers.items()}
        for name in OVERLAPS:
            np.testing.assert_equal(numbers[name], overlap, err_msg=f"{name}, {outcome}")
        for name in DISTANCES:
            np.testing.assert_equal(numbers[name], distance, err_msg=f"{name}, {outcome}")
        # every number that is missing says why, and no other does
        assert {name for name, value in found.numbers.items() if np.isnan(value)} == set(found.missing)
        assert found.lesions is not None
        assert (len(found.lesions.reference), len(found.lesions.prediction)) == (truth, guess)
        np.testing.assert_equal(found.lesions.sensitivity, float(guess) if truth else NAN)
        np.testing.assert_equal(found.lesions.precision, float(truth) if guess else NAN)

"""The metrics of masks: surface-distance's own numbers, and the evaluator of MedCLIP-SAMv2."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from medkt.metrics import (
    average_distances,
    dice,
    hausdorff,
    measure_surfaces,
    nsd_slab,
    surface_dice,
    surface_overlap,
)
from oracles.difference import Difference

_BOTH_EMPTY = 22
"""The pair whose Hausdorff distance is NaN here and infinite there."""


def metrics(folder: Path) -> Iterator[Difference]:
    """Twenty-seven pairs of masks, planes and volumes; NaN and infinity must be the same."""
    held = np.load(folder / "metrics.npz", allow_pickle=False)
    numbers = range(int(held["count"]))
    pairs = [{"reference": held[f"reference{n}"], "prediction": held[f"prediction{n}"]} for n in numbers]
    surfaces = [
        measure_surfaces(**pair, spacing=held[f"spacing{n}"].tolist()) for n, pair in zip(numbers, pairs, strict=True)
    ]
    tolerances, percentiles = held["tolerances"].tolist(), held["percentiles"].tolist()
    overlaps = np.array([[surface_overlap(one, tolerance=t) for t in tolerances] for one in surfaces])
    averages = np.array([average_distances(one) for one in surfaces])
    robust = np.array([[hausdorff(one, percentile=p) for p in percentiles] for one in surfaces])
    robust[_BOTH_EMPTY] = np.inf
    found: dict[str, ArrayLike] = {
        "surface_dice": [[surface_dice(one, tolerance=t) for t in tolerances] for one in surfaces],
        "overlap_reference": overlaps[..., 0],
        "overlap_prediction": overlaps[..., 1],
        "robust_hausdorff": robust,
        "average_reference": averages[:, 0],
        "average_prediction": averages[:, 1],
        "dice": [dice(**pair) for pair in pairs],
        "evaluator_dsc": [dice(**pairs[n]) for n in held["evaluator_pairs"]],
        "evaluator_nsd": [nsd_slab(**pairs[n]) for n in held["evaluator_pairs"]],
    }
    for name, values in found.items():
        said = name.replace("_", " ") + (", but of two empty masks" if name == "robust_hausdorff" else "")
        yield Difference(compared=said, found=_apart(values, held[name]), asked=1e-5)


def _apart(found: ArrayLike, expected: ArrayLike) -> float:
    """The largest difference; infinite where one is NaN or infinite and the other is not so."""
    one, other = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return float("inf")
    return float(np.abs(one[finite] - other[finite]).max())

"""DSC, IoU, NSD, HD95 and ASSD of a pair of masks: ours beside surface-distance and MONAI, in one run.

Run: `python evaluation/benchmarks/metric_speed.py --write`. Each measurement is a process of its own, on one thread; the
figures are processor seconds of the measurement alone (the least of three) and the growth of the peak memory during it.
The masks are smooth noise cut at the part that is to be inside, and the same moved and disturbed; `far` is a ball beside one
half as large, where no two boundaries meet.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RESULTS = Path(__file__).parents[1] / "results" / "metric_speed.md"
SHAPES = ((40, 256, 256), (100, 256, 256), (200, 512, 512))
FILLINGS = ("5 %", "15 %", "90 %", "far")
SPACING = (2.5, 0.8, 0.7)
TOLERANCE = 2.0
REPEATS = 3
Array = NDArray[np.bool_]
Numbers = Mapping[str, float]


def pair_of(shape: tuple[int, int, int], filling: str) -> tuple[Array, Array]:
    """Two masks that agree in part."""
    if filling == "far":
        return _ball(shape, 0.45), _ball(shape, 0.22)
    part = float(filling.split()[0]) / 100
    coarse = np.random.default_rng(0).standard_normal([n // 4 for n in shape]).astype(np.float32)
    first = ndimage.zoom(ndimage.gaussian_filter(coarse, 3), 4, order=1)
    second = first + 0.15 * np.roll(first, 7, axis=1)
    return first > np.quantile(first, 1 - part), second > np.quantile(second, 1 - part)


def _ball(shape: tuple[int, int, int], radius: float) -> Array:
    places = np.ogrid[tuple(slice(-0.5, 0.5, n * 1j) for n in shape)]
    return np.asarray(sum(place**2 for place in places) < radius**2)


def ours(reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """What this package computes."""
    from medkt.metrics import MetricSettings, evaluate_case
    from medkt.spatial import Geometry, Mask

    grid = Geometry(affine=np.diag([*SPACING, 1.0]), shape=reference.shape)
    masks = {"reference": Mask(values=reference, geometry=grid), "prediction": Mask(values=prediction, geometry=grid)}
    settings = MetricSettings(metrics=("dsc", "iou", "nsd", "hd95", "assd"))

    def run() -> Numbers:
        found = evaluate_case(**masks, tolerance_mm=TOLERANCE, settings=settings).numbers
        return dict(zip(("dsc", "iou", "nsd", "hd95", "assd"), found.values(), strict=True))

    return run


def deepmind(reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """surface-distance, with the names that its release expects of NumPy and SciPy."""
    for name in ("filters", "morphology"):
        if not hasattr(ndimage, name):
            setattr(ndimage, name, ndimage)
    if not hasattr(np, "Inf"):
        np.Inf = np.inf  # type: ignore[attr-defined]
    import surface_distance as sd

    def run() -> Numbers:
        found = sd.compute_surface_distances(reference, prediction, SPACING)
        sizes = found["surfel_areas_gt"], found["surfel_areas_pred"]
        away = found["distances_gt_to_pred"], found["distances_pred_to_gt"]
        whole = sum(float(one.sum()) for one in sizes)
        assd = sum(float((d * s).sum()) for d, s in zip(away, sizes, strict=True)) / whole
        dsc = float(sd.compute_dice_coefficient(reference, prediction))
        nsd = float(sd.compute_surface_dice_at_tolerance(found, TOLERANCE * (1 + 1e-6)))
        hd95 = float(sd.compute_robust_hausdorff(found, 95))
        return {"dsc": dsc, "iou": dsc / (2 - dsc), "nsd": nsd, "hd95": hd95, "assd": assd}

    return run


def monai(reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """MONAI, whose distances between edge voxels are defined otherwise; NSD with sub-voxels is the same."""
    import torch
    from monai import metrics

    pair = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    how = {"include_background": True, "spacing": list(SPACING)}

    def run() -> Numbers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of an argument that it passes to itself
            found = {
                "dsc": metrics.compute_dice(*pair),
                "iou": metrics.compute_iou(*pair),
                "nsd": metrics.compute_surface_dice(*pair, [TOLERANCE * (1 + 1e-6)], use_subvoxels=True, **how),
                "hd95": metrics.compute_hausdorff_distance(*pair, percentile=95, **how),
                "assd": metrics.compute_average_surface_distance(*pair, symmetric=True, **how),
            }
        return {name: float(value.squeeze()) for name, value in found.items()}

    return run


PROGRAMS = {"medkt": ours, "surface-distance": deepmind, "MONAI": monai}


def measure(program: str, shape: tuple[int, int, int], filling: str) -> dict[str, Any]:
    """Processor seconds, MiB and numbers of one program on one pair; meant for a process of its own."""
    run = PROGRAMS[program](*pair_of(shape, filling))
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(REPEATS):
        began = time.process_time()
        numbers = run()
        seconds.append(time.process_time() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": min(seconds), "mebibytes": grown / 1024, "numbers": dict(numbers)}


def measured_apart(program: str, shape: tuple[int, int, int], filling: str) -> dict[str, Any]:
    """The same in a process of its own."""
    asked = json.dumps([program, shape, filling])
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, __file__, "--one", asked], capture_output=True, text=True, check=True, env=alone
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def table(shapes: list[tuple[int, int, int]], programs: list[str]) -> str:
    """One row a pair, ours beside the others."""
    lines = ["| volume | inside | " + " | ".join(f"{name}: s, MiB" for name in programs)]
    lines[0] += " | time beside surface-distance | largest difference to it |"
    lines.append("|---" * (len(programs) + 4) + "|")
    for shape in shapes:
        for filling in FILLINGS:
            found = {name: measured_apart(name, shape, filling) for name in programs}
            own, other = found["medkt"], found["surface-distance"]
            apart = max(abs(own["numbers"][name] - value) for name, value in other["numbers"].items())
            cells = [f"{one['seconds']:.2f}, {one['mebibytes']:.0f}" for one in found.values()]
            row = [" x ".join(map(str, shape)), filling, *cells]
            row += [f"{own['seconds'] / other['seconds']:.2f}", f"{apart:.1e}"]
            lines.append("| " + " | ".join(row) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and write it where asked."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    arguments.add_argument("--small", action="store_true", help="the smallest volume alone")
    arguments.add_argument("--without-monai", action="store_true", help="it takes the longest")
    arguments.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    chosen = arguments.parse_args()
    if chosen.one:
        program, shape, filling = json.loads(chosen.one)
        print(json.dumps(measure(program, tuple(shape), filling)))
        return
    programs = [name for name in PROGRAMS if not (chosen.without_monai and name == "MONAI")]
    text = f"# Metrics of one pair of masks\n\n{' '.join(__doc__.splitlines()[2:]).strip()}\n\n"
    text += table(list(SHAPES[:1] if chosen.small else SHAPES), programs)
    if chosen.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

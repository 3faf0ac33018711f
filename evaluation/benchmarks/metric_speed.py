"""DSC, IoU, NSD, HD95 and ASSD of a pair of masks: ours beside surface-distance and MONAI, in one run.

Run: `python evaluation/benchmarks/metric_speed.py --write`. Each measurement is a process of its own, on one thread; the
figures are processor seconds of the measurement alone (the least of `--repeats`), the growth of the peak memory during it in
MiB, and the same in bytes a voxel of the box that holds both masks. The masks are smooth noise cut at the part that is to be
inside, and the same moved and disturbed; `far` is a ball beside one half as large, where no two boundaries meet; `border`
fills half of the volume up to five of its sides; of `empty` the prediction is; steps are 2.5 x 0.8 x 0.7 mm where nothing else is
said. What is infinite by the rule for empty masks is infinite in both. `tests/metrics/test_surface.py` holds the same numbers frozen.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from batch_cost import revision_of
from numpy.typing import NDArray
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "evaluation" / "results" / "metric_speed.md"
SHAPES = ((40, 256, 256), (100, 256, 256), (200, 512, 512))
FILLINGS = ("5 %", "15 %", "90 %", "far")
SPACING = (2.5, 0.8, 0.7)
TOLERANCE = 2.0
NAMES = ("dsc", "iou", "nsd", "hd95", "assd")
Array = NDArray[np.bool_]
Numbers = Mapping[str, float]
Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is measured.

    Attributes:
        shape: slices, rows, columns.
        filling: as `masks_of`.
        words: more of it, for the table.
        spacing: of each axis; None for a picture without one.
    """

    shape: Shape
    filling: str
    words: str = ""
    spacing: tuple[float, float, float] | None = SPACING

    @property
    def steps(self) -> tuple[float, ...]:
        """Along the axes that have more than one index."""
        steps = self.spacing or (1.0, 1.0, 1.0)
        return tuple(step for step, count in zip(steps, self.shape, strict=True) if count > 1)


OTHERS = (
    Pair(shape=(1, 2048, 2048), filling="15 %", words="a plane"),
    Pair(shape=(24, 512, 512), filling="15 %", words="slices of 10 mm", spacing=(10.0, 0.5, 0.5)),
    Pair(shape=(100, 256, 256), filling="15 %", words="no spacing", spacing=None),
    Pair(shape=(100, 256, 256), filling="border"),
    Pair(shape=(100, 256, 256), filling="empty"),
)


def masks_of(shape: Shape, filling: str) -> tuple[Array, Array]:
    """Two masks that agree in part: a share of the volume, "far", "border" or "empty"."""
    if filling == "far":
        return _ball(shape, 0.45), _ball(shape, 0.22)
    part = {"border": 0.5, "empty": 0.15}.get(filling) or float(filling.split()[0]) / 100
    coarse = np.random.default_rng(0).standard_normal([max(1, n // 4) for n in shape]).astype(np.float32)
    first = ndimage.zoom(ndimage.gaussian_filter(coarse, 3), [min(4, n) for n in shape], order=1)
    if filling == "border":
        first = first / first.std() / 20 + np.linspace(1, 0, shape[2], dtype=np.float32)
    second = first + 0.15 * np.roll(first, 7, axis=1)
    masks = first > np.quantile(first, 1 - part), second > np.quantile(second, 1 - part)
    return masks[0], masks[1] & (filling != "empty")


def _ball(shape: tuple[int, int, int], radius: float) -> Array:
    places = np.ogrid[tuple(slice(-0.5, 0.5, n * 1j) for n in shape)]
    return np.asarray(sum(place**2 for place in places) < radius**2)


def ours(pair: Pair, reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """What this package computes."""
    from medkt.metrics import MetricSettings, evaluate_case
    from medkt.spatial import Geometry, Mask

    affine, unit = np.diag([*(pair.spacing or (1.0, 1.0, 1.0)), 1.0]), "pixel" if pair.spacing is None else "mm"
    grid = Geometry(affine=affine, shape=pair.shape, unit=unit)  # type: ignore[arg-type]
    masks = {"reference": Mask(values=reference, geometry=grid), "prediction": Mask(values=prediction, geometry=grid)}
    tolerance = {"tolerance_px" if pair.spacing is None else "tolerance_mm": TOLERANCE}
    settings = MetricSettings(metrics=NAMES)

    def run() -> Numbers:
        found = evaluate_case(**masks, **tolerance, settings=settings).numbers
        return dict(zip(NAMES, found.values(), strict=True))

    return run


def deepmind(pair: Pair, reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """surface-distance, with the names that its release expects of NumPy and SciPy."""
    for name in ("filters", "morphology"):
        if not hasattr(ndimage, name):
            setattr(ndimage, name, ndimage)
    if not hasattr(np, "Inf"):
        np.Inf = np.inf  # type: ignore[attr-defined]
    import surface_distance as sd

    reference, prediction = reference.squeeze(), prediction.squeeze()

    def run() -> Numbers:
        found = sd.compute_surface_distances(reference, prediction, pair.steps)
        sizes = found["surfel_areas_gt"], found["surfel_areas_pred"]
        away = found["distances_gt_to_pred"], found["distances_pred_to_gt"]
        whole = sum(float(one.sum()) for one in sizes)
        assd = sum(float((d * s).sum()) for d, s in zip(away, sizes, strict=True)) / whole
        dsc = float(sd.compute_dice_coefficient(reference, prediction))
        nsd = float(sd.compute_surface_dice_at_tolerance(found, TOLERANCE * (1 + 1e-6)))
        hd95 = float(sd.compute_robust_hausdorff(found, 95))
        return {"dsc": dsc, "iou": dsc / (2 - dsc), "nsd": nsd, "hd95": hd95, "assd": assd}

    return run


def monai(asked: Pair, reference: Array, prediction: Array) -> Callable[[], Numbers]:
    """MONAI, whose distances between edge voxels are defined otherwise; NSD with sub-voxels is the same."""
    import torch
    from monai import metrics

    pair = [torch.from_numpy(mask.squeeze())[None, None] for mask in (prediction, reference)]
    how = {"include_background": True, "spacing": list(asked.steps)}

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


def measure(program: str, pair: Pair, repeats: int) -> dict[str, Any]:
    """Processor seconds, MiB and numbers of one program on one pair; meant for a process of its own."""
    masks = masks_of(pair.shape, pair.filling)
    run = PROGRAMS[program](pair, *masks)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is counted anew: making masks takes more
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(repeats):
        began = time.process_time()
        numbers = run()
        seconds.append(time.process_time() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    box = math.prod(int(np.ptp(one)) + 1 for one in np.nonzero(masks[0] | masks[1]))
    return {"seconds": min(seconds), "bytes": grown * 1024, "box": box, "numbers": dict(numbers)}


def measured_apart(program: str, pair: Pair, repeats: int) -> dict[str, Any]:
    """The same in a process of its own."""
    asked = json.dumps([program, asdict(pair), repeats])
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, __file__, "--one", asked], capture_output=True, text=True, check=True, env=alone
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def rows(pairs: Iterable[Pair], programs: Sequence[str], repeats: int) -> Iterator[str]:
    """The table, a row a pair, ours beside the others."""
    heads = " | ".join(f"{name}: s, MiB, bytes a voxel" for name in programs)
    yield f"| volume | inside | {heads} | time beside surface-distance | largest difference to it |"
    yield "|---" * (len(programs) + 4) + "|"
    for pair in pairs:
        found = {name: measured_apart(name, pair, repeats) for name in programs}
        own, other = found["medkt"], found["surface-distance"]
        cells = [
            f"{one['seconds']:.2f}, {one['bytes'] / 2**20:.0f}, {one['bytes'] / one['box']:.1f}"
            for one in found.values()
        ]
        row = [" x ".join(map(str, pair.shape)), ", ".join(filter(None, (pair.filling, pair.words))), *cells]
        apart = max(_apart(own["numbers"][name], value) for name, value in other["numbers"].items())
        yield "| " + " | ".join([*row, f"{own['seconds'] / other['seconds']:.2f}", f"{apart:.1e}"]) + " |"


def _apart(first: float, second: float) -> float:
    return 0.0 if first == second else abs(first - second)  # both may be infinite


def main() -> None:
    """Print the table, and write it where asked."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    arguments.add_argument("--small", action="store_true", help="the smallest volume alone")
    arguments.add_argument("--without-monai", action="store_true", help="it takes the longest")
    arguments.add_argument("--repeats", type=int, default=3, help="of each, of which the least counts")
    arguments.add_argument(
        "--only", default="", help="the rows whose volume and filling hold this, such as '200 x 512 x 512 | far'"
    )
    arguments.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    chosen = arguments.parse_args()
    if chosen.one:
        program, asked, repeats = json.loads(chosen.one)
        print(json.dumps(measure(program, Pair(**{**asked, "shape": tuple(asked["shape"])}), repeats)))
        return
    programs = [name for name in PROGRAMS if not (chosen.without_monai and name == "MONAI")]
    pairs = [Pair(shape=shape, filling=one) for shape in (SHAPES[:1] if chosen.small else SHAPES) for one in FILLINGS]
    wanted = [
        pair for pair in (*OTHERS, *pairs) if chosen.only in f"{' x '.join(map(str, pair.shape))} | {pair.filling}"
    ]
    told = " ".join(" ".join(__doc__.splitlines()[2:]).split())
    lines = [f"# Metrics of one pair of masks\n\n{told} Commit {revision_of(ROOT)}, {chosen.repeats} repeats.\n"]
    for row in rows(wanted, programs, chosen.repeats):
        lines.append(row)
        print(row, flush=True)
        if chosen.write:
            RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

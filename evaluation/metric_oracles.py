"""Metrics against two other programs: ours, MONAI and DeepMind's surface-distance; the largest differences.

Run: `python evaluation/metric_oracles.py --other /path/to/venv/bin/python`, where that Python has `surface-distance` 0.1
and NumPy below 2 (its release on the package index uses names that NumPy 2 removed). It is called as a program of its own
and gets the masks in a file. Without it its columns are "-". The shapes are those of the method specification 8.1 and
8.3, and random masks of one plane and of volumes with unequal steps.
"""

import argparse
import json
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medkt.metrics import assd, average_distances, dice, hausdorff, iou, measure_surfaces, nsd_slab, surface_dice

RESULTS = Path(__file__).parent / "results" / "metric_oracles.md"
RANDOM = 60  # of planes and of volumes each
Array = NDArray[Any]
Numbers = Mapping[str, float]

OTHER = """
import json, sys
import numpy as np
import surface_distance as sd
held, rows = np.load(sys.argv[1]), []
for n in range(int(held["count"])):
    a, b, step, tolerance = held[f"a{n}"], held[f"b{n}"], held[f"s{n}"], float(held[f"t{n}"])
    found = sd.compute_surface_distances(a, b, step)
    average = sd.compute_average_surface_distance(found)
    row = {
        "dsc": sd.compute_dice_coefficient(a, b), "nsd": sd.compute_surface_dice_at_tolerance(found, tolerance),
        "hd95": sd.compute_robust_hausdorff(found, 95), "hd": sd.compute_robust_hausdorff(found, 100),
        "average, from reference": average[0], "average, from prediction": average[1],
    }
    if a.ndim == 2:
        slab = sd.compute_surface_distances(a[..., None], b[..., None], (1, 1, 1))
        row["nsd_slab"] = sd.compute_surface_dice_at_tolerance(slab, 2)
    rows.append({key: float(value) for key, value in row.items()})
print(json.dumps(rows))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Two masks with a spacing and a tolerance."""

    name: str
    reference: Array
    prediction: Array
    spacing: tuple[float, ...]
    tolerance: float


def main() -> None:
    """Print and write the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--other", help="a Python that has surface-distance")
    chosen = arguments.parse_args()
    named, random = drawn_shapes(), random_shapes()
    shapes = [*named, *random]
    ours = [measured(shape) for shape in shapes]
    monai = [monai_of(shape) for shape in shapes]
    deepmind = other_of(shapes, chosen.other) if chosen.other else [{} for _ in shapes]
    text = report(shapes, len(named), ours, monai, deepmind)
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)


def measured(shape: Shape) -> Numbers:
    """Ours."""
    masks = {"reference": shape.reference, "prediction": shape.prediction}
    surfaces = measure_surfaces(**masks, spacing=shape.spacing)
    average = average_distances(surfaces)
    numbers = {
        "dsc": dice(**masks), "iou": iou(**masks), "nsd": surface_dice(surfaces, tolerance=shape.tolerance),
        "hd95": hausdorff(surfaces), "hd": hausdorff(surfaces, percentile=100), "assd": assd(surfaces),
        "average, from reference": average[0], "average, from prediction": average[1],
    }  # fmt: skip
    return numbers | ({"nsd_slab": nsd_slab(**masks)} if shape.reference.ndim == 2 else {})


def monai_of(shape: Shape) -> Numbers:
    """MONAI's: NSD with sub-voxels, and its distances between edge voxels, which are defined otherwise."""
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
        compute_surface_dice,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of empty masks and of an argument that it passes to itself
        pair = [torch.from_numpy(mask)[None, None] for mask in (shape.prediction, shape.reference)]
        step = list(shape.spacing)
        near = shape.tolerance * (1 + 1e-6)
        found = {
            "dsc": compute_dice(*pair, ignore_empty=not shape.prediction.any()),
            "iou": compute_iou(*pair),
            "nsd": compute_surface_dice(*pair, [near], include_background=True, spacing=step, use_subvoxels=True),
            "hd95, edge voxels": compute_hausdorff_distance(
                *pair, include_background=True, percentile=95, spacing=step
            ),
            "assd, edge voxels": compute_average_surface_distance(
                *pair, include_background=True, symmetric=True, spacing=step
            ),
        }
        if shape.reference.ndim == 2:
            slabs = [mask[..., None] for mask in pair]
            found["nsd_slab"] = compute_surface_dice(
                *slabs, [2.0], include_background=True, spacing=[1.0, 1.0, 1.0], use_subvoxels=True
            )
    return {name: float(value.squeeze()) for name, value in found.items()}


def other_of(shapes: list[Shape], python: str) -> list[Numbers]:
    """DeepMind's, from its own environment."""
    held: dict[str, Any] = {"count": len(shapes)}
    for n, shape in enumerate(shapes):
        held |= {f"a{n}": shape.reference, f"b{n}": shape.prediction, f"s{n}": shape.spacing}
        held[f"t{n}"] = shape.tolerance * (1 + 1e-6)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "masks.npz", **held)
        ran = subprocess.run(
            [python, "-c", OTHER, str(Path(folder) / "masks.npz")], capture_output=True, text=True, check=True
        )
    rows: list[Numbers] = json.loads(ran.stdout)
    return rows


def drawn_shapes() -> list[Shape]:
    """The shapes of the specification."""
    grid = np.zeros((48, 48), bool)

    def square(shift: int = 0, side: int = 10, margin: int = 0) -> Array:
        made = grid.copy()
        made[10 - margin : 10 + side + margin, 10 - margin + shift : 10 + side + margin + shift] = True
        return made

    def disc(shift: int) -> Array:
        rows, columns = np.mgrid[:128, :128]
        round_one: Array = (rows - 64) ** 2 + (columns - 64 - shift) ** 2 <= 400
        return round_one

    def dots(shape: tuple[int, ...], *places: tuple[int, ...]) -> list[Array]:
        made = [np.zeros(shape, bool) for _ in places]
        for mask, place in zip(made, places, strict=True):
            mask[place] = True
        return made

    def plane(name: str, reference: Array, prediction: Array) -> Shape:
        return Shape(name=name, reference=reference, prediction=prediction, spacing=(1, 1), tolerance=2)

    small = [np.zeros((6, 6), bool) for _ in range(2)]
    small[0][1:3, 1:3], small[1][1:4, 1:3] = True, True
    halves = [np.zeros((100, 100, 100), bool) for _ in range(2)]
    halves[0][:50], halves[1][:51] = True, True
    holed, whole, top = square(side=12), np.ones((16, 16), bool), np.zeros((16, 16), bool)
    holed[13:19, 13:19], top[:8] = False, True
    pixels = dots((128, 128), (50, 70), (50, 72))
    voxels = dots((128, 128, 128), (50, 60, 70), (50, 60, 72))
    return [
        Shape(name="two pixels, steps 2 x 1", reference=pixels[0], prediction=pixels[1], spacing=(2, 1), tolerance=1),
        Shape(name="2x2 in 3x2, steps 2 x 1", reference=small[0], prediction=small[1], spacing=(2, 1), tolerance=1),
        Shape(name="two voxels, steps 3 x 2 x 1", reference=voxels[0], prediction=voxels[1], spacing=(3, 2, 1), tolerance=1),
        Shape(name="half cubes, steps 2 x 1 x 1", reference=halves[0], prediction=halves[1], spacing=(2, 1, 1), tolerance=1),
        *(plane(f"10x10 squares, shift {n}", square(), square(n)) for n in (0, 1, 2, 3, 5)),
        plane("10x10 in 14x14", square(), square(margin=2)), plane("10x10 in 16x16", square(), square(margin=3)),
        plane("20x20 squares, shift 5", square(side=20), square(5, side=20)),
        *(plane(f"disc r 20, shift {n}", disc(0), disc(n)) for n in (5, 10, 20)),
        plane("12x12 and with a hole", square(side=12), holed), plane("all of 16x16, top half", whole, top),
        plane("two pixels, 2 apart", *dots((12, 14), (5, 5), (5, 7))),
        plane("prediction empty", square(), grid), plane("reference empty", grid, square()), plane("both empty", grid, grid),
    ]  # fmt: skip


def random_shapes() -> list[Shape]:
    """Blobs of chance on planes and volumes with unequal axes and unequal steps."""
    random, made = np.random.default_rng(0), []
    for size in ((31, 44), (14, 23, 19)):
        for number in range(RANDOM):
            noise = ndimage.gaussian_filter(
                random.normal(size=(2, *size)), (0, *[random.uniform(0.6, 2.5)] * len(size))
            )
            mixed = noise[1] + random.uniform(0, 2) * noise[0]
            masks = [one > np.quantile(one, random.uniform(0.4, 0.97)) for one in (noise[0], mixed)]
            steps = tuple(np.round(random.uniform(0.3, 5, len(size)), 3).tolist())
            made.append(Shape(
                name=f"{len(size)}-D {number}", reference=masks[0], prediction=masks[1], spacing=steps,
                tolerance=round(random.uniform(0, 6), 3),
            ))  # fmt: skip
    return made


def report(shapes: list[Shape], named: int, ours: list[Numbers], monai: list[Numbers], deepmind: list[Numbers]) -> str:
    """The tables as Markdown."""
    lines = [
        "# Metrics against other programs", "",
        f"`python evaluation/metric_oracles.py --other PYTHON`: {named} shapes of the specification and {len(shapes) - named}",
        "random pairs of masks (planes and volumes, unequal steps). MONAI as installed; `surface-distance` 0.1 in an",
        "environment of its own.", "", "## Largest differences", "",
        "| metric | MONAI | pairs | surface-distance | pairs |", "|---|---|---|---|---|",
    ]  # fmt: skip
    names = ("dsc", "iou", "nsd", "nsd_slab", "hd95", "hd", "average, from reference", "average, from prediction")
    for name in names:
        cells = [_difference(ours, theirs, name) for theirs in (monai, deepmind)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        *_differently_ruled(shapes, ours, monai, deepmind),
        "",
        "## Other definitions",
        "",
        *_edges(ours, monai),
        "",
    ]
    lines += ["## The shapes of the specification", "", "Each cell: ours / MONAI / surface-distance.", ""]
    lines += ["| shape | tolerance | dsc | nsd | nsd_slab | hd95 |", "|---|---|---|---|---|---|"]
    for shape, own, second, third in list(zip(shapes, ours, monai, deepmind, strict=True))[:named]:
        cells = [
            " / ".join(_text(one.get(name)) for one in (own, second, third))
            for name in ("dsc", "nsd", "nsd_slab", "hd95")
        ]
        lines.append(f"| {shape.name} | {shape.tolerance:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _difference(ours: list[Numbers], theirs: list[Numbers], name: str) -> str:
    pairs = [(own[name], other[name]) for own, other in zip(ours, theirs, strict=True) if name in own and name in other]
    gaps = [abs(a - b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return f"{max(gaps):.1e} | {len(gaps)}" if gaps else "- | 0"


def _differently_ruled(
    shapes: list[Shape], ours: list[Numbers], monai: list[Numbers], deepmind: list[Numbers]
) -> list[str]:
    """Where one gives a number and another NaN or infinity: the rules for empty masks."""
    found = []
    for shape, own, second, third in zip(shapes, ours, monai, deepmind, strict=True):
        for name, value in own.items():
            for who, other in (("MONAI", second), ("surface-distance", third)):
                if (
                    name in other
                    and not np.isfinite([value, other[name]]).all()
                    and not np.array_equal(value, other[name], equal_nan=True)
                ):
                    found.append(f"- {shape.name}, {name}: ours {value:g}, {who} {other[name]:g}")
    return ["Not finite and not equal (rules for empty masks):", "", *(found or ["None."])]


def _edges(ours: list[Numbers], monai: list[Numbers]) -> list[str]:
    lines = [
        "MONAI's Hausdorff and average distances lie between the centres of edge voxels, all of one weight; ours between",
        "boundary elements by their size, as in surface-distance. Over the finite pairs:",
        "",
    ]
    for name in ("hd95", "assd"):
        pairs = [(own[name], other[f"{name}, edge voxels"]) for own, other in zip(ours, monai, strict=True)]
        gaps = np.array([abs(a - b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)])
        lines.append(
            f"- {name}: median difference {np.median(gaps):.3g}, largest {gaps.max():.3g} (in the spacing's unit, {len(gaps)} pairs)"
        )
    return lines


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    main()

"""What a run's integrity costs: `medkt batch` of this version beside that of an earlier one, over 2,000 cheap cases.

    git worktree add --detach /tmp/before c470ba1
    python evaluation/benchmarks/batch_cost.py --before /tmp/before            # print
    python evaluation/benchmarks/batch_cost.py --before /tmp/before --write    # and keep it in evaluation/results/

Each version does the same cases in as many runs as there are parts, one beside the other in time: before, after, after,
before, and so on, so that what else the machine does meets both. Processor seconds are those of the command and its
worker, start-up included; cases a minute are of the clock, so on a busy machine only their ratio says something.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from medkt.about import __version__

ROOT = Path(__file__).resolve().parents[2]
CHEAP = ("--set", "m2ib.steps=1", "--set", "m2ib.samples=1", "--set", "map.max_slices=1")
SIDE = 48


@dataclass
class Side:
    """One version: where its code is, and what its runs took."""

    code: Path
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def run(self, manifests: Path, part: int, output: Path) -> None:
        """One part of the cases, in a folder of its own."""
        words = ["--manifest", str(manifests / f"{part}.csv"), "-o", str(output), "--workers", "1", "--threads", "1"]
        command = [sys.executable, "-m", "medkt", "batch", *words, "-d", "cpu", "-q", "-f", "nifti", *CHEAP]
        environment = {**os.environ, "PYTHONPATH": str(self.code), "OMP_NUM_THREADS": "1"}
        used, began = _processor(), time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, cwd=self.code)
        self.clock.append(time.perf_counter() - began)
        self.processor.append(_processor() - used)


def draw(root: Path, cases: int, parts: int) -> Path:
    """Grey pictures of a dark disc in noise, and a manifest for each part."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    for part in range(parts):
        lines = ["case_id,image,concept,modality"]
        for number in range(part, cases, parts):
            disc = (rows - rng.integers(15, 30)) ** 2 + (columns - rng.integers(15, 30)) ** 2 < rng.integers(4, 10) ** 2
            values = np.where(disc, 40, 130) + rng.normal(0, 25, (SIDE, SIDE))
            path = root / f"{number}.png"
            Picture.fromarray(values.clip(0, 255).astype(np.uint8)).save(path)
            lines.append(f"c{number},{path},us_cyst,ultrasound")
        (root / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(name: str, cases: int, before: list[float], after: list[float], *, rate: bool) -> str:
    figures = [60 * cases / sum(side) if rate else sum(side) for side in (before, after)]
    ratios = [a / b for b, a in zip(before, after, strict=True)]
    spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    return f"| {name} | {figures[0]:.1f} | {figures[1]:.1f} | {spread} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT", help="of the earlier version")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="keep it in evaluation/results/batch_cost.md")
    arguments = parser.parse_args()
    before, after = Side(arguments.before.resolve()), Side(ROOT)
    with tempfile.TemporaryDirectory() as name:
        manifests = draw(Path(name), arguments.cases, arguments.parts)
        for part in range(arguments.parts):
            for which, side in ((0, before), (1, after)) if part % 2 == 0 else ((1, after), (0, before)):
                side.run(manifests, part, Path(name) / f"run-{which}-{part}")
            print(f"part {part}: {before.processor[-1]:.1f} s, {after.processor[-1]:.1f} s", file=sys.stderr)
    revision = [revision_of(side.code) for side in (before, after)]
    lines = [
        "# What a run's integrity costs", "",
        f"medkt {__version__}, `python evaluation/benchmarks/batch_cost.py --before CHECKOUT --write`; {arguments.cases:,} "
        f"pictures of {SIDE} x {SIDE} in {arguments.parts} runs, small model, cheapest settings, masks as NIfTI, one worker of one "
        f"thread; before is {revision[0]}, after {revision[1]}. The ratio is the median of the runs, after over before; "
        "in brackets the least and the most. The machine had other work.", "",
        "| | before | after | ratio |", "|---|---|---|---|",
        _row("processor seconds", arguments.cases, before.processor, after.processor, rate=False),
        _row("cases a minute; the ratio of seconds of the clock", arguments.cases, before.clock, after.clock, rate=True),
    ]  # fmt: skip
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (ROOT / "evaluation" / "results" / "batch_cost.md").write_text(table, encoding="utf-8")
    return 0


def revision_of(code: Path) -> str:
    """The commit of a checkout, "-dirty" where it holds more than that."""
    asked = ["git", "-C", str(code), "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

"""`evaluation/kt_real/run.py` from end to end at BiomedCLIP's published size: time, memory, and that every condition is made.

A checkpoint is generated as in `examine_full_size.py` and given by its file. The studies are drawn ones in a manifest, few of them, and every
way of teaching takes few steps on few images, so that all of the code is gone through; how long a whole run on the open sets takes is what the
script itself says beforehand (`--dry-run`, with `--whole`). What the figures are means nothing: the numbers of the model are random.

    python evaluation/benchmarks/check_full_size.py --whole --data ../shared/data
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from examine_full_size import ROOT, generate, run
from PIL import Image as Picture

from medkt.phantom.drawers import DRAWERS, draw_normal

RESULT = ROOT / "evaluation" / "results" / "check_full_size.md"
SCRIPT = ROOT / "evaluation" / "kt_real" / "run.py"
FINDING, OWN = "us_carcinoma", "local, own studies"
ASKED, TAUGHT = 4, 4
"""Studies of the class, and as many without a finding: asked about, and to learn from."""
FEW = (
    "images=2", "views=1", "choose=false", "validation_images=0", "rehearsal_images=0", "pictured=0", "finetune.steps=2", "finetune.batch=2",
    "finetune.rehearsal_batch=4", "inversion.steps=2", "teaching.inversion.steps=2", "teaching.known=0",
    "teaching.drawn=1", "teaching.normals=2",
)  # fmt: skip


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MEDKT_DATA", ROOT.parent / "shared" / "data"))
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="also say what a whole run on the open sets would take")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        words = generate("biomedclip", folder / "biomedclip", arguments.data)
        start = [
            sys.executable,
            str(SCRIPT),
            "--model",
            str(folder / "biomedclip" / "weights.bin"),
            "--threads",
            str(arguments.threads),
        ]
        start += ["--cache", str(folder / "cache")]
        few = [*start, "--out", str(folder / "out"), "--data", str(drawn_cases(folder / "studies"))]
        began, asking = time.perf_counter(), run([*few, "--asking"], folder / "home")
        taught = run([*few, "--set", *FEW, "--control-seeds", "0"], folder / "home")
        controls = run([*few, "--set", *FEW, "--ways", OWN], folder / "home")
        wall = time.perf_counter() - began
        rows = [json.loads(line) for line in (folder / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
        ways = sum(": " not in row["condition"] for row in rows) - 1
        page = (folder / "out" / "page.html").stat().st_size
        whole = (
            _told([*start, "--data", str(arguments.data), "--out", str(folder / "none"), "--dry-run"])
            if arguments.whole
            else ""
        )
    lines = [
        "# kt_real at BiomedCLIP's size", "",
        f"`python evaluation/benchmarks/check_full_size.py`: generated weights of the published names and shapes, words read by {words}; one class, "
        f"{len(rows[0]['studies'])} drawn studies asked about, {2 * TAUGHT} to learn from; every way of teaching with few steps on few images ({', '.join(FEW)}). "
        f"{arguments.threads} thread(s) of a machine that was shared with other work, so seconds are of the processor. torch {torch.__version__}.", "",
        "| part | conditions | seconds of processor | peak memory, GiB |", "|---|---|---|---|",
        f"| asking, from start to page | 1 | {asking.ru_utime + asking.ru_stime:.0f} | {asking.ru_maxrss / 2**20:.1f} |",
        f"| every way of teaching, with few steps | {ways} | {taught.ru_utime + taught.ru_stime:.0f} | {taught.ru_maxrss / 2**20:.1f} |",
        f"| controls, pools and labelled studies of '{OWN}' | {len(rows) - 1 - ways} | {controls.ru_utime + controls.ru_stime:.0f} | "
        f"{controls.ru_maxrss / 2**20:.1f} |", "",
        f"Every condition has its row: {', '.join(row['condition'] for row in rows)}. A page of {page / 1e3:.0f} kB.", "",
        f"On the wall of the shared machine: {wall / 60:.0f} minutes." + (f" What the script says of a whole run with the default settings, at that machine's speed: {whole}" if whole else ""),
        "", *(f"Not made, as it should be of so few studies: {row['condition']}: {row['why not']}" for row in rows if not row["leads"]), "",
        "| condition | seconds of processor |", "|---|---|", *(f"| {row['condition']} | {row['seconds']} |" for row in rows), "",
    ]  # fmt: skip
    RESULT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def drawn_cases(folder: Path) -> Path:
    """A manifest of drawn studies, as a user's would be: one class, and studies without a finding."""
    folder.mkdir(parents=True)
    rows = []
    for label, concept in (("carcinoma", FINDING), ("no finding", "")):
        for number in range(ASKED + TAUGHT):
            rng = np.random.default_rng((number, len(label)))
            plane = (
                DRAWERS["ultrasound"].draw_plane(concept, rng, side=224).plane
                if concept
                else draw_normal("ultrasound", rng, side=224)
            )
            name = f"{label.split()[0]}{number}.png"
            Picture.fromarray(np.rint(plane * 255).astype(np.uint8)).save(folder / name)
            row = {"case_id": name, "image": name, "modality": "ultrasound", "class_name": label, "concept": concept}
            rows.append({**row, "split": "test" if number < ASKED else "train", "patient_id": name})
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "cases.csv"


def _told(command: list[str]) -> str:
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    main()

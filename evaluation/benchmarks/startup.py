"""What it costs to start each command: processor seconds of a tiny job, and the heavy packages that it loads.

    python evaluation/benchmarks/startup.py                              # print
    python evaluation/benchmarks/startup.py --beside ../old --write      # beside another checkout, and keep the table

Each job runs in a process of its own, on one thread, with cached bytecode; its seconds are those of all its processes, the
least of two runs. Packages are those of the command's own process. A segmentation looks at a phantom radiograph with the embedded
small model; masks are two pairs of 24 x 30 pixels, except where volumes are named.
"""

import argparse
import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from batch_cost import revision_of
from PIL import Image

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "evaluation" / "results" / "startup.md"
HEAVY = (
    "torch", "torchvision", "transformers", "monai", "open_clip", "ray", "highdicom", "SimpleITK", "pydicom", "nibabel",
    "tifffile", "skimage", "scipy", "matplotlib", "pyarrow", "duckdb", "numpy",
)  # fmt: skip
PROGRAM = """
import json, sys
from medkt.cli.main import main
try:
    code = main({words!r})
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({{name.split(".")[0] for name in sys.modules}} & set({heavy!r}))]))
"""
REPEATS = 2


def jobs(folder: Path) -> dict[str, list[str]]:
    """A small job of each command, by what it is; `folder` is filled by those that come first."""
    pictures = ["--reference", f"{folder}/reference", "--prediction", f"{folder}/prediction"]
    volumes = ["--reference", f"{folder}/reference3", "--prediction", f"{folder}/prediction3"]
    other = ["--reference", f"{folder}/reference", "--prediction", f"{folder}/reference"]
    other += ["--salt", f"{folder}/run/salt"]  # so that both runs have the same pseudonyms
    study = f"{folder}/study/image.png"
    film = ["--modality", "cxr"]  # a picture does not say what it is
    return {
        "`--help`": ["--help"],
        "`concepts`": ["concepts"],
        "`concept list`": ["concept", "list"],
        "`phantom`, a radiograph": ["phantom", "--finding", "cxr_nodule", "--format", "png", "-o", f"{folder}/study"],
        "`models`": ["models", "list"],
        "`evaluate`, 2 pictures": ["evaluate", *pictures, "-o", f"{folder}/run"],
        "`evaluate`, 1 volume of 40 x 40 x 10": ["evaluate", *volumes, "-o", f"{folder}/volumes"],
        "`evaluate RUN`": ["evaluate", f"{folder}/run"],
        "`report RUN`": ["report", f"{folder}/run"],
        "`evaluate` of the other run": ["evaluate", *other, "-o", f"{folder}/other"],
        "`compare RUN RUN`": ["compare", f"{folder}/run", f"{folder}/other"],
        "`query RUN`": ["query", f"{folder}/run", "SELECT count(*) FROM results"],
        "`batch status RUN`": ["batch", "status", f"{folder}/run"],
        "`doctor`": ["doctor"],
        "`segment`": ["segment", "-i", study, *film, "-c", "cxr_nodule", "-o", f"{folder}/segmented"],
        "`explain`": ["explain", "-i", study, *film, "-c", "cxr_nodule", "-o", f"{folder}/explained"],
        "`classify`": ["classify", "-i", study, *film, "-c", "cxr_nodule", "-c", "cxr_effusion"],
        "`batch`, 1 study": [
            "batch",
            "run",
            "--manifest",
            f"{folder}/studies.csv",
            "-c",
            "cxr_nodule",
            *film,
            "-o",
            f"{folder}/batch",
        ],
        "`learn --help`": ["learn", "--help"],
        "`invert --help`": ["invert", "--help"],
        "`calibrate --help`": ["calibrate", "--help"],
        "`small-model --help`": ["small-model", "--help"],
    }


def masks_in(folder: Path) -> None:
    """Two pairs of pictures, a pair of volumes, and a manifest of one study."""
    import nibabel

    for side, shift in (("reference", 0), ("prediction", 2)):
        (folder / side).mkdir()
        (folder / f"{side}3").mkdir()
        for case in range(2):
            mask = np.zeros((24, 30), np.uint8)
            mask[6:12, 8 + shift : 15 + case] = 255
            Image.fromarray(mask).save(folder / side / f"{case}.png")
        volume = np.zeros((40, 40, 10), np.uint8)
        volume[8:20, 10 + shift : 25, 2:8] = 1
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([0.8, 0.8, 2.5, 1.0])), folder / f"{side}3" / "a.nii.gz")
    (folder / "studies.csv").write_text(f"case_id,image\na,{folder}/study/image.png\n", encoding="utf-8")


def measured(checkout: Path, words: list[str], output: Path | None) -> tuple[float, list[str], int]:
    """Processor seconds, heavy packages and the exit code of one job."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    least, loaded, code = float("inf"), [], 0
    for _ in range(REPEATS):
        if output is not None and output.name not in ("study",) and output.exists():
            subprocess.run(["rm", "-r", str(output)], check=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = PROGRAM.format(words=words, heavy=HEAVY)
        ran = subprocess.run(  # from the checkout, for Python looks into this folder first
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env, cwd=checkout
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, loaded = json.loads(ran.stdout.splitlines()[-1])
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if code not in (0, None):
            print(f"{words}: exit code {code}\n{ran.stderr[-400:]}", file=sys.stderr)
    return least, loaded, int(code or 0)


def table(checkouts: dict[str, Path]) -> str:
    """One row a job; the checkouts side by side."""
    head = [f"{name}: s | {name}: packages" for name in checkouts]
    lines = ["| command | " + " | ".join(head) + " |", "|---" * (1 + 2 * len(head)) + "|"]
    found: dict[str, list[str]] = {}
    for checkout in checkouts.values():
        compileall.compile_dir(checkout / "medkt", quiet=1)
        with tempfile.TemporaryDirectory() as place:
            masks_in(Path(place))
            for what, words in jobs(Path(place)).items():
                output = Path(words[words.index("-o") + 1]) if "-o" in words else None
                seconds, loaded, code = measured(checkout, words, output)
                failed = f" (exit code {code})" if code else ""
                found.setdefault(what, []).append(f"{seconds:.1f}{failed} | {', '.join(loaded) or 'none'}")
                print(what, found[what][-1], flush=True)
    lines += [f"| {what} | {' | '.join(cells)} |" for what, cells in found.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, measured before this one")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    chosen = parser.parse_args()
    checkouts = {"before": chosen.beside.resolve()} if chosen.beside else {}
    checkouts["now"] = ROOT
    text = table(checkouts)
    words = " ".join((__doc__ or "").split("\n\n")[-1].split())
    made = ", ".join(f"{name} is {revision_of(checkout)}" for name, checkout in checkouts.items())
    if chosen.write:
        RESULTS.write_text(f"# Start-up of each command\n\n{words} Here {made}.\n\n{text}", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()

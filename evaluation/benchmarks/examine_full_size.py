"""Time and memory of a whole `medkt models examine`: the small model, and encoders of BiomedCLIP's and CLIP's published size.

The checkpoints are generated: the published names and shapes, filled with random numbers, written to a file and given to the
command as a user gives theirs. Time and memory do not depend on what the numbers are. What is told apart does, so these rows say
something of the examination itself: of random weights nearly nothing may be told apart. BiomedCLIP reads words by the tokenizer that
is published with it, where the folder of real data has it; else by a list of a few words, and the row says so.

    python evaluation/benchmarks/examine_full_size.py biomedclip            # measures one, and makes the table of all there are
    python evaluation/benchmarks/examine_full_size.py small biomedclip clip-vit-b-16 --pages FOLDER
"""

import argparse
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "models"))

import published  # noqa: E402

from medkt.examine.examination import Examination  # noqa: E402
from medkt.examine.store import read_examination  # noqa: E402
from medkt.examine.told import in_a_line  # noqa: E402

RESULT = ROOT / "evaluation" / "results" / "examine_full_size.md"
TOKENIZER = "text/tokenizers/biomedclip/tokenizer.json"
MOST = {"small": 5, "biomedclip": 30, "clip-vit-b-16": 30, "clip-vit-b-32": 30}
"""Minutes that it may take: 5 for the small model on one core, 30 for the others on two."""


def clip(patch: int) -> dict[str, Tensor]:
    """OpenAI's file with random numbers, the three numbers that it keeps among its weights included."""
    numbers = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    state: dict[str, Tensor] = published.fill(published.clip_shapes(patch=patch))
    return {**state, **{name: torch.tensor(value) for name, value in numbers.items()}}


GENERATED: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "biomedclip": published.biomedclip_checkpoint,
    "clip-vit-b-16": lambda: clip(16),
    "clip-vit-b-32": lambda: clip(32),
}


def main() -> None:
    """Measure those that are named, then make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"{', '.join(MOST)}; none: the table alone")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MEDKT_DATA", ROOT.parent / "shared" / "data"))
    )
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="where pages and JSON are put, a folder each")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if unknown := set(arguments.models) - set(MOST):
        parser.error(f"no checkpoint is generated for {', '.join(sorted(unknown))}; known: {', '.join(MOST)}")
    rows = _rows()
    for name in arguments.models:
        rows[name] = measured(name, arguments.data, arguments.pages, arguments.threads)
        RESULT.with_suffix(".json").write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        print(json.dumps(rows[name]), flush=True)
    RESULT.write_text(table(rows), encoding="utf-8")


def measured(name: str, data: Path, pages: Path | None, threads: int) -> dict[str, Any]:
    """One examination, as a user runs it."""
    with tempfile.TemporaryDirectory() as place:
        folder, model = Path(place), name
        read = "its own"
        if name in GENERATED:
            read = generate(name, folder / name, data)
            model = str(folder / name / "weights.bin")
        out = (pages or folder / "pages") / name
        shutil.rmtree(out, ignore_errors=True)
        words = ["models", "examine", "-q", model, "-o", str(out), "--threads", str(threads)]
        command = [sys.executable, "-m", "medkt", *words]
        began = time.perf_counter()
        used = run(command, folder / "home")
        seconds = time.perf_counter() - began
        found = read_examination(out / "examination.json")
        return {
            "of core": round(used.ru_utime + used.ru_stime),
            "wall": round(seconds), "threads": threads, "peak GiB": round(used.ru_maxrss / 2**20, 2), "words": read,
            "page MB": round((out / "examination.html").stat().st_size / 1e6, 1), "pairs": found.pairs,
            "pictures": found.lesions.pictures, **told(found),
        }  # fmt: skip


def run(command: list[str], home: Path) -> resource.struct_rusage:
    """Run to the end, with a store of its own; gives what this process alone used."""
    child = subprocess.Popen(command, env={**os.environ, "MEDKT_HOME": str(home)}, stdout=sys.stderr)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return used


def generate(name: str, folder: Path, data: Path) -> str:
    """Write the checkpoint; gives whose words it reads."""
    folder.mkdir()
    torch.save(GENERATED[name](), folder / "weights.bin")
    gc.collect()
    if name != "biomedclip":
        return "the published ones"
    if (data / TOKENIZER).is_file():
        shutil.copy(data / TOKENIZER, folder / "tokenizer.json")
        return "the published ones"
    published.write_vocabulary(folder)
    return "a few"


def told(found: Examination) -> dict[str, Any]:
    """What the examination said, in short."""
    return {
        "told": in_a_line(found), "rows": {name: str(row.right) for name, row in found.rows.items()},
        "two lesions": str(found.lesions.by_mean), "both": round(found.dependence.both, 4),
    }  # fmt: skip


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "# What an examination costs", "",
        "`python evaluation/benchmarks/examine_full_size.py MODEL ...`: `medkt models examine` whole, 60 pairs a row and 60 pictures, by file, from start "
        "of the process to the page. All but the small model are generated checkpoints of the published names and shapes with random numbers: what they "
        f"cost holds for the published ones, what they tell apart does not. torch {torch.__version__}; cores shared with other work, so the time on the "
        "wall is no measure. Wanted: minutes of one core for the small model and of two for the others.", "",
        "| model | minutes of core | wanted at most | threads | peak memory, GiB | page, MB | words |", "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {row['of core'] / 60:.1f} | {MOST[name]} | {row['threads']} | {row['peak GiB']} | {row['page MB']} | {row['words']} |"
            for name, row in rows.items()
        ), "",
        "What each was found to tell apart, right of wrong with Wilson's 95 % interval; guessing gets 0.50:", "",
        f"| what is exchanged | {' | '.join(rows)} |", "|---|" + "---|" * len(rows),
        *(f"| {row} | {' | '.join(one['rows'].get(row, '') for one in rows.values())} |" for row in next(iter(rows.values()))["rows"]),
        f"| two lesions, map higher in the one described | {' | '.join(one['two lesions'] for one in rows.values())} |", "",
        *(f"- {name}: {row['told']}" for name, row in rows.items()), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _rows() -> dict[str, Any]:
    path = RESULT.with_suffix(".json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


if __name__ == "__main__":
    main()

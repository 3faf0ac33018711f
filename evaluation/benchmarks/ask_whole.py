"""Time and memory of `medkt learn --how text`: the small model, and the published size of BiomedCLIP (ViT-B/16).

The large model's weights are random, for time does not depend on what they say. All is timed that the command does between loading
the model and writing the file. Processor seconds are shown beside those of the clock: other work on the machine lengthens these alone.

    python evaluation/benchmarks/ask_whole.py --write      # records evaluation/results/ask_whole.md
"""

import argparse
import platform
import resource
import tempfile
import time
from pathlib import Path

import torch
from learn_full_size import generated_encoder

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.learning.text_learning import ask_well
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small

RESULT = Path(__file__).resolve().parents[1] / "results" / "ask_whole.md"
CONCEPT = "us_phyllodes"


def timed(name: str, encoder: DualEncoder, folder: Path) -> list[str]:
    """A row of the table with the exam and one without."""
    concept, rows = load_concept(CONCEPT), []
    for level in ("none", "quick"):
        clock, spent = time.perf_counter(), time.process_time()
        made = ask_well(encoder, concept, domain(concept.modality), level=level, keep_anyway=True)
        path = folder / f"{len(list(folder.iterdir()))}.medkt"
        made.save(path)
        seconds = time.process_time() - spent, time.perf_counter() - clock
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append(
            f"| {name} | {level} | {seconds[0]:.0f} | {seconds[1]:.0f} | {peak:.1f} | {path.stat().st_size / 1e3:.0f} |"
        )
        print(rows[-1], flush=True)
    return rows


def main() -> int:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record results/ask_whole.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = timed("small", load_small(), Path(name))  # first: the peak of memory only grows
        rows += timed("ViT-B/16, random weights", generated_encoder("cpu"), Path(name))
    table = "\n".join([
        "# Asking well: time and memory",
        "",
        f"`medkt learn {CONCEPT} --how text`, {torch.get_num_threads()} thread(s) of {platform.machine()}, torch {torch.__version__}. Written by "
        "`python evaluation/benchmarks/ask_whole.py --write`. Memory is the most that the process had, the model with it.",
        "",
        "| model | audit | processor seconds | seconds by the clock | memory at most, GiB | file, kB |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ])  # fmt: skip
    print(table)
    if arguments.write:
        RESULT.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How far medkt is from the public implementations: the largest difference to every file of frozen numbers.

    python evaluation/published/differences.py ../shared/oracles            # all, into results/differences.md
    python evaluation/published/differences.py ../shared/oracles finetune   # those whose name has this in it, printed

The numbers are of small models with random weights; they say nothing about accuracy. The trace of the two inversions,
loss by loss, stands below the table.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from oracles import CHECKS
from oracles.difference import Difference
from oracles.inversion import of_biomedclip, of_clip

RESULTS = Path(__file__).parent / "results" / "differences.md"
TRACED = (1, 10, 45)
"""Steps, counted from 1."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the frozen numbers")
    parser.add_argument("part", nargs="?", default="", help="only files whose name has this in it; nothing is written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in CHECKS if arguments.part in name for row in _rows(name, arguments.folder)]
    text = "\n".join([_HEAD, *rows, ""])
    if arguments.part:
        print(text)
        return
    text += "\n".join(_traces(arguments.folder))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


_HEAD = """# medkt beside the public implementations

`python evaluation/published/differences.py FOLDER`. Largest difference of everything that a file holds, and what is asked;
a correlation or cosine is the least that is asked. One thread of a processor.

| file | compared | found | asked | kept |
|---|---|---|---|---|"""


def _rows(name: str, folder: Path) -> Iterator[str]:
    began = time.process_time()
    for one in CHECKS[name](folder):
        yield f"| {name} | {one.compared} | {_said(one.found, one)} | {_said(one.asked, one)} | {'yes' if one.holds else '**no**'} |"
    print(f"{name}: {time.process_time() - began:.0f} s", flush=True)


def _said(number: float, one: Difference) -> str:
    return f"{number:.6f}" if one.kind == "least" else f"{number:.1e}"


def _traces(folder: Path) -> Iterator[str]:
    yield "\n## The trace of an inversion\n\nLoss before the step, medkt and the public code.\n"
    yield f"| | {' | '.join(f'step {step}' for step in TRACED)} | last image, correlation |"
    yield f"|{'---|' * (len(TRACED) + 2)}"
    for name, run in (("kazemi, CLIP", of_clip), ("kt-code, BiomedCLIP", of_biomedclip)):
        trace, oracle = run(folder)
        assert trace.final is not None
        pair = torch.stack([trace.final.flatten().double(), torch.from_numpy(oracle["final"]).flatten().double()])
        for who, losses in ((f"{name}: medkt", trace.losses), ("public code", oracle["loss"])):
            end = f"{float(torch.corrcoef(pair)[0, 1]):.6f}" if who != "public code" else ""
            yield f"| {who} | {' | '.join(f'{losses[step - 1]:.5f}' for step in TRACED)} | {end} |"
    yield ""


if __name__ == "__main__":
    main()

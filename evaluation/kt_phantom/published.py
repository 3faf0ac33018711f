"""The paper's way beside ours: `kt-paper` and `kt-code`, all their steps, on three held-out findings, one seed.

    MEDKT_CACHE=FOLDER python evaluation/kt_phantom/published.py            # goes on where it ended; hours of a core
    python evaluation/kt_phantom/published.py --table                       # results/published.md from the rows there are

The three findings are of three modalities and were chosen before anything was measured, among those that the base model hardly
names (0.06 at most), so that a gain has room. Ten images of the finding's first caption are made, as published; then the encoder
is fine-tuned as the preset says (three steps), every image against "A NAME is CAPTION". Beside that stand `fast`; the preset's
images with the fine-tuning of `fast`; and the preset's fine-tuning of noise in place of the images, and without any loss (its weight
decay alone). Everything is computed in float32 here, `fast` too, because a processor without bfloat16 takes thirty times as
long in it. "seconds" are of the processor, of all that a condition had to make that was not in the cache yet.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from by_name import SEGMENTED, Bench
from rows import Once, Rows
from tasks import HERE, held_out_tasks

from medkt.audit.controls import Setting, noise_images, zero_loss
from medkt.config import resolve_learning
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.material import gather
from medkt.transfer.vocabulary import vocabulary_of

FINDINGS = ("cxr_infarct", "ct_hamartoma", "us_phyllodes")
PRESETS = ("kt-code", "kt-paper")
"""The shorter one first, for every finding, so that what is there when it is ended compares."""
OWN = ("base", "fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "published.jsonl")
    parser.add_argument("--table", action="store_true", help="only the table of what is there")
    parser.add_argument("--each", type=int, default=50, help="test phantoms of the finding")
    parser.add_argument("--each-known", type=int, default=20, help="test phantoms of each known finding")
    parser.add_argument("--studies", type=int, default=6, help="phantoms of a finding that are segmented")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.out.with_suffix(".md").write_text(table(arguments.out), encoding="utf-8")
        return
    torch.set_num_threads(1)
    SEGMENTED.update(dict.fromkeys(PRESETS, 1))
    rows, encoder = Rows(arguments.out), load_small()
    tasks = {task.finding.id: task for task in held_out_tasks()}
    for preset in PRESETS:
        for name in FINDINGS:
            bench = Bench(encoder, tasks[name], arguments)
            bench.settings = in_float32(bench.settings)
            bench.row(rows, "base", 0, lambda bench=bench: bench.base)
            bench.row(rows, "fast", 0, bench.learned(0))
            measure(bench, preset, rows)


def in_float32(settings: LearnSettings) -> LearnSettings:
    """The same in float32 throughout."""
    parts = ("inversion", "judged_with", "rehearsed_with", "finetune")
    return replace(settings, **{part: replace(getattr(settings, part), dtype="float32") for part in parts})


def measure(bench: Bench, preset: str, rows: Rows) -> None:
    """A preset as published, and what its parts are worth."""
    settings = replace(resolve_learning(LearnSettings, preset=preset), validation_images=0)
    words = vocabulary_of(bench.task.concept, bench.task.domain, known=bench.task.known)

    def taught() -> TransferResult:
        first = replace(words, described=words.described[:1])
        return learn_from(bench.base, gather(bench.base, first, settings, seed=0), settings, seed=0)

    learned = Once(taught)

    def ours() -> DualEncoder:
        mine = gather(bench.base, words, bench.settings, seed=0)
        material = replace(mine, images=learned.kept().material.images)
        return learn_from(bench.base, material, bench.settings, seed=0, at=bench.end()).encoder

    def control(make: Callable[[Setting], DualEncoder]) -> Callable[[], DualEncoder]:
        return lambda: make(Setting(base=bench.base, learned=learned.kept(), cache=None))

    bench.row(rows, preset, 0, learned, whole=True)
    bench.row(rows, f"{preset} images, fine-tuned as fast", 0, ours)
    bench.row(rows, f"{preset}, noise in place of the images", 0, control(noise_images), whole=True)
    bench.row(rows, f"{preset}, weight decay alone", 0, control(zero_loss), whole=True)


def table(path: Path) -> str:
    """One line a finding and condition."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found.sort(key=lambda row: FINDINGS.index(row["finding"]))
    lines = [
        "# The paper's way beside ours", "", "`python evaluation/kt_phantom/published.py`, which says what the conditions are. One seed. Accuracy: by "
        "bare name among the known findings of the domain and the new one. Known: accuracy on phantoms of the known findings, with the new name "
        "among the choices. DSC: by bare name, six phantoms, not seen counts 0. Seconds of a core (no bfloat16), of what was not in the cache yet.",
        "", "| finding | condition | accuracy | known | DSC | seconds |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in found:
        outlined = row.get("segmented")
        dsc = f"{sum(one['dsc'] for one in outlined) / len(outlined):.2f}" if outlined else ""
        lines.append(
            f"| {row['finding']} | {row['condition']} | {row['accuracy']:.2f} | {row['known']:.3f} | {dsc} | {row['seconds']:.0f} |"
        )
    there = {(row["finding"], row["condition"]) for row in found}
    missing = [f"{f}: {c}" for f in FINDINGS for c in (*OWN, *PRESETS) if (f, c) not in there]
    if missing:
        lines += ["", f"Not measured yet: {'; '.join(missing)}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

"""The BUSI protocol on the images at hand, as a page, apart by what the shipped small model had seen of them.

    medkt evaluate --protocol busi --data ../shared/data/us/busi -o runs/busi --keep-ids --keep-column class_name
    python evaluation/busi_table.py runs/busi --roles ../shared/data/manifest.tsv --write evaluation/results/busi.md

`--roles` is a table (tab-separated) with the columns path and role: train (the small model was trained on the image) or
validate. Case ids are the images' names, which BUSI made public.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pyarrow.parquet import read_table

from medkt.statistics import BootstrapSettings
from medkt.tasks.masks.evaluation import Evaluation, evaluate_scores
from medkt.tasks.masks.scores import Scores, read_scores
from medkt.tasks.masks.words import decision_row, interval_text, subgroup_text
from medkt.tasks.table import CodedColumn

HEAD = """\
# BUSI, by the protocol, with the shipped small model

`medkt evaluate --protocol busi`, default settings (not chosen on these images), then
`python evaluation/busi_table.py`. {count} images ended. Intervals: 95 %, BCa bootstrap over images (BUSI does not say which
images belong to one patient, so they are too narrow where several do). Tolerances are 2 pixels; `nsd` is measured along
the boundary, `nsd_slab` is what MedCLIP-SAMv2 calls NSD and stands only beside such tables. An empty mask against a lesion
counts 0; where both are empty there is no number.

**What the model had seen.** Images of the role `train` were among those that the model was trained on, with their masks. Those of
the role `validate` were kept from training, but the model was reported on with them while its recipe was worked out: they are
the fairer ones, and still no untouched test. This small model ships for trying things out; it is no measure of what a
published encoder does.
The paper reports nothing on BUSI, so nothing stands beside ours.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--roles", type=Path, required=True)
    parser.add_argument("--note", default="", help="a sentence on what this run left out")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    scores = with_roles(arguments.run, roles_in(arguments.roles))
    evaluation = evaluate_scores(scores, BootstrapSettings())
    text = "\n".join(
        [HEAD.format(count=scores.rows), *([arguments.note, ""] if arguments.note else []), *page(evaluation)]
    )
    if arguments.write:
        arguments.write.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def roles_in(table: Path) -> Mapping[str, str]:
    """Role by the image's name without its ending."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {Path(row["path"]).stem: row["role"] for row in rows if "busi/images" in row["path"]}


def with_roles(run: Path, roles: Mapping[str, str]) -> Scores:
    """The run's columns with the role as one more group."""
    scores = read_scores(run / "results.parquet", by=["class_name"])
    names = read_table(run / "results.parquet", columns=["case_id"]).column("case_id").to_pylist()
    words = tuple(sorted({roles[name] for name in names}))
    codes = np.array([words.index(roles[name]) for name in names], dtype=np.int64)
    return replace(scores, groups={"role": CodedColumn(codes=codes, words=words), **scores.groups})


def page(evaluation: Evaluation) -> Iterator[str]:
    """The tables."""
    (counts,) = evaluation.counts
    yield f"{counts.rows} cases, {counts.failed} failed, {counts.scored} scored; asked for `{counts.concept}`."
    yield ""
    yield from _rows(
        ("images", "metric", "mean (95 %)", "median (95 %)", "used", "no number"), list(_numbers(evaluation))
    )
    yield ""
    head = ("images", "seen where there is a lesion (95 %)", "of", "not seen where there is none (95 %)", "of")
    yield from _rows(head, [decision_row(one)[1:] for one in evaluation.decisions])


def _numbers(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    for line in evaluation.lines:
        if line.part == "positives":
            summary, counts = line.summary, line.summary.counts
            shown = subgroup_text(line.group, line.value)
            means = (interval_text(summary.mean), interval_text(summary.median))
            yield (f"with a lesion, {shown}", f"`{summary.metric}`", *means, str(counts.used), str(counts.no_number))


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()

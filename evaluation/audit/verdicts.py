"""Does the audit's verdict say what is true? Findings, nonsense, wrong modalities, and known findings under new names.

    MEDKT_CACHE=FOLDER python evaluation/audit/verdicts.py             # goes on where it ended; half a minute of a core a row
    python evaluation/audit/verdicts.py --table                        # results/verdicts.md from the rows there are

`medkt learn` with the preset `quick` and its quick audit, one seed, as a user would run it (`--keep-anyway`, but for captions of
another modality, which are refused before anything is learned). What a finding's true gain is, is measured on 50 phantoms of it
that the audit never draws: accuracy by bare name after less before, its interval by a paired bootstrap over them, as
`evaluation/kt_phantom` has it; and, where a row has it, by the net share on those, on 40 phantoms of the modality's other held-out and
invented findings, 24 normals and four of each known finding. The rule and its bounds (medkt/audit/verdict.py) were fixed on what
`cases.yaml` lists as looked at; `calls` keeps who called which picture by the name, so that the rule can be asked again of all rows. Kinds of rows come in turn, so that a run cut short has some of each. Sentences of which nothing can be drawn are fine-tuned
for two steps: nothing after the inversion has a part in their answer.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kt_phantom"))

from tasks import TEST_SEED, Task, development_tasks, draw, held_out_tasks, pixels_of, tests_of, unit_texts  # noqa: E402

from medkt.asking import Directions, leads  # noqa: E402
from medkt.asking.pictures import SIDE  # noqa: E402
from medkt.audit.audit import Sitting  # noqa: E402
from medkt.audit.exam import FINDING, NORMAL, OTHERS, Marks  # noqa: E402
from medkt.audit.verdict import Verdict, decide, net_share, renamed  # noqa: E402
from medkt.concepts import Caption, Concept, load_concept  # noqa: E402
from medkt.config import resolve_learning  # noqa: E402
from medkt.domains import domain  # noqa: E402
from medkt.errors import NotCarriedError  # noqa: E402
from medkt.learning import LearningOutcome, learn  # noqa: E402
from medkt.models.encoder import DualEncoder  # noqa: E402
from medkt.models.small import load_small  # noqa: E402
from medkt.phantom.drawers import draw_normal  # noqa: E402
from medkt.phantom.finding import DOMAINS, DomainName, find, findings_of  # noqa: E402
from medkt.phantom.reading import read  # noqa: E402
from medkt.statistics import bootstrap_interval, wilson  # noqa: E402
from medkt.transfer.learn_settings import LearnSettings  # noqa: E402
from medkt.transfer.rehearsal import image_vectors  # noqa: E402

KINDS = {
    "held-out": "held-out findings",
    "invented": "invented findings",
    "nonsense": "nonsense",
    "nonsense with words of looks": "nonsense with words of looks",
    "renamed": "a known finding's captions under a new name",
    "wrong modality": "captions of another modality",
}
TRUE = 50  # phantoms of a finding that say what is true
ANSWERS = ("yes", "no", "not shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One learning: what is taught, under which modality, among which known findings (None: the domain's)."""

    kind: str
    concept: Concept
    modality: DomainName
    known: tuple[Concept, ...] | None = None
    task: Task | None = None

    @property
    def id(self) -> str:
        return self.concept.id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "verdicts.jsonl")
    parser.add_argument("--table", action="store_true", help="only the table of what is there")
    parser.add_argument("--most", type=int, help="so many rows more, then stop")
    arguments = parser.parse_args()
    if not arguments.table:
        torch.set_num_threads(1)
        run(arguments.out, arguments.most)
    arguments.out.with_suffix(".md").write_text(table(arguments.out), encoding="utf-8")


def cases() -> list[Case]:
    """All of them, the kinds in turn."""
    raw = yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8"))
    names = iter(raw["names"] * 3)
    refused = list(_wrong(raw["wrong"]))  # which takes no time
    nonsense = list(_nonsense(raw["nonsense"], names))
    kinds = [
        list(_findings("held-out", held_out_tasks())), list(_findings("invented", development_tasks())), list(_renamed(names)), nonsense,
    ]  # fmt: skip
    return [*refused, *(case for turn in zip_longest(*map(_in_turn, kinds)) for case in turn if case is not None)]


def _in_turn(some: Sequence[Case]) -> list[Case]:
    """One of each modality, then the next of each."""
    by_modality = [[case for case in some if case.modality == name] for name in DOMAINS]
    return [case for turn in zip_longest(*by_modality) for case in turn if case is not None]


def _findings(kind: str, tasks: Sequence[Task]) -> Iterator[Case]:
    for task in tasks:
        yield Case(kind=kind, concept=task.concept, modality=task.domain.name, known=task.known, task=task)


def _nonsense(sentences: dict[str, list[str]], names: Iterator[str]) -> Iterator[Case]:
    for first, (modality, texts) in enumerate(sentences.items()):
        for number, text in enumerate(texts):
            with_looks = (first + number) % 2 == 0  # as the file is written
            kind = "nonsense with words of looks" if with_looks else "nonsense"
            concept = _concept(f"nonsense_{modality}_{number}", next(names), (text,), modality)
            yield Case(kind=kind, concept=concept, modality=modality)


def _renamed(names: Iterator[str]) -> Iterator[Case]:
    for modality in DOMAINS:
        for finding in findings_of(modality, held_out=False):
            if finding.drawn_by == "lesion":
                texts = load_concept(finding.id).texts("inversion")
                concept = _concept(f"renamed_{finding.id}", next(names), texts, modality)
                yield Case(kind="renamed", concept=concept, modality=modality)


def _wrong(other: dict[str, str]) -> Iterator[Case]:
    for task in (*held_out_tasks(), *development_tasks()):
        modality = other[task.domain.name]
        concept = _concept(f"wrong_{task.concept.id}", task.concept.name, task.concept.texts("inversion"), modality)
        yield Case(kind="wrong modality", concept=concept, modality=modality)


def _concept(identifier: str, name: str, texts: Sequence[str], modality: str) -> Concept:
    captions = tuple(Caption(text=text, roles=("inversion", "finetune", "prompt")) for text in texts)
    return Concept(id=identifier, name=name, captions=captions, modality=modality)


def run(out: Path, most: int | None) -> None:
    """The rows that are missing."""
    there = {row["case"] for row in _rows(out)}
    encoder, settings = load_small(), resolve_learning(LearnSettings, preset="quick")
    for case in [case for case in cases() if case.id not in there][:most]:
        began = time.process_time()
        row = {"case": case.id, "kind": case.kind, "modality": case.modality, **measured(encoder, case, settings)}
        row["seconds"] = round(time.process_time() - began, 1)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        print(row["case"], row["line"], flush=True)


def measured(encoder: DualEncoder, case: Case, settings: LearnSettings) -> dict[str, Any]:
    """The verdict of one learning, and what is true of it."""
    domain_ = domain(case.modality)
    if all(read(text, case.modality).why_not for text in case.concept.texts("inversion")):
        settings = replace(settings, choose=False, finetune=replace(settings.finetune, steps=2))
    try:
        made = learn(
            encoder, case.concept, domain_, settings, known=case.known,
            keep_anyway=case.kind != "wrong modality",
        )  # fmt: skip
    except NotCarriedError as error:
        return {"answer": "no", "line": str(error), "true gain": None}
    verdict, audit = made.verdict, made.audit
    exam = audit.as_json()["exam"] if audit else None
    if audit and audit.drawn and exam:
        exam["calls"] = called(audit.drawn, made.kept)
    return {
        "answer": verdict.answer, "line": verdict.line, "asking": verdict.asking, "beaten": verdict.beaten, "exam": exam,
        "true gain": None if case.task is None else true_gain(encoder, made, case.task),
        "true net": None if case.task is None else true_net(encoder, made, case.task),
    }  # fmt: skip


def again(row: dict[str, Any], case: Case) -> dict[str, Any]:
    """The row with the answer of the rule as it now stands, from the calls that were written down."""
    exam = row.get("exam")
    if not exam or "calls" not in exam or not exam["controls"]:
        return row
    kinds = tuple(kind for kind, count in exam["pictures"].items() for _ in range(count))
    known = tuple(kind for kind in exam["pictures"] if kind not in (FINDING, OTHERS, NORMAL))
    sat = {
        name: Marks(leads=np.array([float(one) - 0.5 for one in calls]), kinds=kinds, known=known)
        for name, calls in exam["calls"].items()
    }
    readings = [read(text, case.modality) for text in case.concept.texts("inversion")]
    drawn = [reading for reading in readings if not reading.why_not][:1]
    alike = tuple(name for reading in drawn for name in known if reading.says_the_look_of(find(name)))
    controls = {name: marks for name, marks in sat.items() if name in exam["controls"]}
    answer, why = decide(sat["after"], sat["before"], controls, set_on=exam["set on"], alike=alike)
    verdict = Verdict(answer=answer, why=why, renamed=renamed(sat["after"], sat["before"]))
    return {**row, "answer": answer, "line": verdict.line}


def true_net(encoder: DualEncoder, made: LearningOutcome, task: Task) -> dict[str, float]:
    """The net share on phantoms that the audit never draws, before and after, and the change with its interval."""
    name, tests = task.domain.name, tests_of(task, each=TRUE, each_known=4)
    others = [
        plane
        for other in (*held_out_tasks(), *development_tasks())
        if other.domain.name == name and other.finding.id != task.finding.id
        for plane in draw(other.finding, name, range(8), TEST_SEED)
    ]
    normals = [
        np.rint(draw_normal(task.finding.domain, np.random.default_rng((TEST_SEED, 7, n)), side=SIDE) * 255).astype(
            np.float32
        )
        / 255
        for n in range(24)
    ]
    kinds = [FINDING if label == len(task.known) else task.known[label].id for label in tests.labels.tolist()]
    kinds += [OTHERS] * len(others) + [NORMAL] * len(normals)
    pixels, names = torch.cat([tests.pixels, pixels_of([*others, *normals])]), unit_texts(encoder, task.names)
    known = tuple(one.id for one in task.known)
    asked = Directions(wanted=names[-1], rivals=names[:-1])
    before, after = (
        Marks(leads=leads(image_vectors(one, pixels), asked).double().numpy(), kinds=tuple(kinds), known=known)
        for one in (encoder, made.encoder)
    )
    change = net_share(after, before)
    ends = {"estimate": change.estimate, "low": change.low, "high": change.high}
    return {"before": net_share(before).estimate, "after": net_share(after).estimate, **ends}


def called(sitting: Sitting, kept: int) -> dict[str, str]:
    """Which of the exam's pictures each encoder calls by the name, a 1 or 0 each, in the order of `pictures`."""
    sat = {"before": sitting.before, "after": sitting.after[kept], **sitting.controls}
    asked = {f"asked by {name}": marks for name, marks in sitting.ways.items()}
    return {name: "".join("01"[int(lead > 0)] for lead in marks.leads) for name, marks in {**sat, **asked}.items()}


def true_gain(encoder: DualEncoder, made: LearningOutcome, task: Task) -> dict[str, float]:
    """Accuracy by bare name on phantoms of the finding, before and after, and the change with its interval."""
    tests, names = tests_of(task, each=TRUE, each_known=1), unit_texts(encoder, task.names)
    mine = tests.pixels[tests.labels == len(task.known)]
    right = [
        ((image_vectors(one, mine) @ names.T).argmax(dim=1) == len(task.known)).double().numpy()
        for one in (encoder, made.encoder)
    ]
    change = bootstrap_interval(right[1] - right[0], np.arange(len(mine)))
    ends = {"estimate": change.estimate, "low": change.low, "high": change.high}
    return {"before": float(right[0].mean()), "after": float(right[1].mean()), **ends}


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table(path: Path) -> str:
    """Answers by kind, findings one by one, and what is missing."""
    every = {case.id: case for case in cases()}
    rows = [again(row, every[row["case"]]) for row in _rows(path)]
    looked = set(yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8"))["looked_at"])
    missing = Counter(case.kind for case in every.values() if case.id not in {row["case"] for row in rows})
    gained = [row for row in rows if row["true gain"] and row["true gain"]["low"] > 0]
    other = [row for row in rows if row["true gain"] and row["true gain"]["low"] <= 0]
    means = [row for row in rows if row.get("true net") and row["true net"]["low"] > 0]
    means_not = [row for row in rows if row.get("true net") and row["true net"]["low"] <= 0]
    groups: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
        ("findings whose true gain in accuracy is above 0", lambda row: row in gained),
        ("findings whose true gain in accuracy is not", lambda row: row in other),
        ("findings whose true gain in net share is above 0", lambda row: row in means),
        ("findings whose true gain in net share is not", lambda row: row in means_not),
        ("findings of which nothing was learned", lambda row: row["kind"] in ("held-out", "invented") and not row["true gain"]),
        *((KINDS[kind], lambda row, kind=kind: row["kind"] == kind) for kind in list(KINDS)[2:]),
    ]  # fmt: skip
    lines = [
        "# What the verdict says of what is known", "",
        "`python evaluation/audit/verdicts.py`, which says how. Preset `quick`, quick audit, one seed; small model.", "",
        "| learned | rows | yes | no | not shown |", "|---|---|---|---|---|",
        *(_counted(title, [row for row in rows if which(row)]) for title, which in groups), "",
        "Without what was looked at while the rule was fixed:", "",
        "| learned | rows | yes | no | not shown |", "|---|---|---|---|---|",
        *(_counted(t, [row for row in rows if which(row) and row["case"] not in looked]) for t, which in groups), "",
        "## Findings one by one", "",
        "Net share: see medkt/audit/verdict.py. Accuracy by bare name, and the true net share, on phantoms that the audit never draws. * looked at.", "",
        "| finding | accuracy before | after | change | true net: change | answer | net before | after | best control | asking does as well |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_finding(row, looked) for row in rows if row["true gain"]), "",
        "## Everything else, in the audit's own words", "",
        *(f"- {row['case']}: {row['line']}" for row in rows if not row["true gain"]), "",
        "Not measured yet: " + (", ".join(f"{count} {KINDS[kind]}" for kind, count in missing.items()) or "nothing") + ".",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _counted(title: str, rows: Sequence[dict[str, Any]]) -> str:
    counts = Counter(row["answer"] for row in rows)
    cells = []
    for answer in ANSWERS:
        found = wilson(counts[answer], len(rows))
        cells.append(f"{counts[answer]} ({found.low:.0%} to {found.high:.0%})" if rows else "")
    return f"| {title} | {len(rows)} | {' | '.join(cells)} |"


def _finding(row: dict[str, Any], looked: set[str]) -> str:
    true, exam = row["true gain"], row["exam"]
    nets = ("", "", "")
    if exam:
        controls = [one["net share"]["estimate"] for one in exam["controls"].values()]
        best = f"{max(controls):.2f}" if controls else ""
        nets = (*(f"{exam[key]['net share']['estimate']:.2f}" for key in ("before", "after")), best)
    change, net = _change(true), _change(row["true net"]) if row.get("true net") else ""
    mark = "*" if row["case"] in looked else ""
    cells = [row["case"] + mark, f"{true['before']:.2f}", f"{true['after']:.2f}", change, net, row["answer"], *nets]
    return "| " + " | ".join([*cells, "yes" if row.get("beaten") else "no"]) + " |"


def _change(found: dict[str, float]) -> str:
    return f"{found['estimate']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"


if __name__ == "__main__":
    main()

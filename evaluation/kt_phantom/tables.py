"""Tables of what `run.py`, `segmented.py` and `cost.py` measured; plots are `plots.py`'s.

    python evaluation/kt_phantom/tables.py --readme README.md           # of evaluation/kt_phantom/results

A mean is over findings, each the mean of its seeds; its interval is a BCa bootstrap over findings, so that it speaks of another
finding of this kind. "seeds" beside it is the lowest and the highest mean over findings that a seed that has all of them gave. Of one
finding, intervals are over pictures (`medkt/audit/meaning.py`).
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tasks import HERE, SETS, tasks_of
from teach import CONTROLLED, EARLIER, LABELLED, NO_RIVALS, PACKAGED

from medkt.statistics import Interval, bootstrap_interval, flip_signs

Row = dict[str, Any]
PLAN = {
    "held": {
        "base": 5, "local": 5, **dict.fromkeys(CONTROLLED, 2), **{f"{LABELLED}{n}": 2 for n in (1, 3, 10, 30)}, "fast": 2,
    },
    "invented": {"base": 5, "local": 5},
    "new": {"base": 5, "local": 5},
    "fresh": {"base": 5},
}  # fmt: skip
"""Of each set and condition, how many seeds are to be measured."""
OUTLINED = ("base", "local")
"""Conditions whose masks of the held-out findings are to be measured, one seed each."""
TITLES = {
    "held": "The held-out eight",
    "invented": "The invented sixteen",
    "new": "The new twelve",
    "fresh": "The fresh twelve",
}
TAUGHT_WAYS = ("name", "description", "virtual", "virtual with bank", "virtual among all", EARLIER, PACKAGED)
"""Of asking a taught encoder, that are shown; the rows hold all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=HERE / "results")
    parser.add_argument("--readme", type=Path, help="whose block of figures is written anew, too")
    arguments = parser.parse_args()
    folder, text = arguments.folder, page(arguments.folder)
    (folder / "tables.md").write_text(text, encoding="utf-8")
    if arguments.readme:
        old = arguments.readme.read_text(encoding="utf-8")
        begin, end = (old.index(mark) for mark in MARKS)
        new = old[: begin + len(MARKS[0])] + f"\n{brief(read(folder / 'rows.jsonl'))}\n" + old[end:]
        arguments.readme.write_text(new, encoding="utf-8")
    print(text)


def read(path: Path) -> list[Row]:
    """The rows of a file; none where there is none."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def page(folder: Path) -> str:
    """The whole page of a folder of rows."""
    there, cost = tables(read(folder / "rows.jsonl"), read(folder / "segmented.jsonl")), folder / "cost.json"
    return there + (f"\n{costs(json.loads(cost.read_text(encoding='utf-8')))}\n" if cost.exists() else "")


def tables(rows: Sequence[Row], segmented: Sequence[Row] = ()) -> str:
    """The whole page of rows."""
    parts = [HEAD, *(part for name in SETS if (own := of(rows, set=name)) for part in _of_set(name, own, segmented))]
    return "\n\n".join([*parts, missing(rows, segmented)]) + "\n"


MARKS = ("<!-- what a name means -->", "<!-- /what a name means -->")
"""Between which README has the figures."""


def _as_packaged(condition: str) -> tuple[tuple[str, str], ...]:
    return (condition, EARLIER), (condition, PACKAGED)


BRIEF = (
    ("base", "name"), ("base", "description"), ("base", "virtual among all"), *_as_packaged("base"), ("local", "name"), *_as_packaged("local"), *_as_packaged(NO_RIVALS), ("fast", "name"),
    *_as_packaged("fast"), *(one for n in (1, 3, 10, 30) for one in ((f"{LABELLED}{n}", "name"), *_as_packaged(f"{LABELLED}{n}"))),
    *(one for control in CONTROLLED for one in ((control, "name"), (control, PACKAGED))),
)  # fmt: skip
"""(condition, way) that README shows; how a package asked before only where no more is measured of how it asks now."""
WORDS = {
    "base": "nothing",
    "local": "the description",
    NO_RIVALS: "the same, without altered captions' lesions",
    "fast": "the description, preset `fast`",
}


def brief(rows: Sequence[Row]) -> str:
    """README's table: areas, and the shares with a bias."""
    lines = [
        "| findings | taught | asked by | seeds | AUC against others | AUC against normals | accuracy | known, points | others taken | normals taken |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in SETS:
        own = of(rows, set=name)
        whole = len(tasks_of(name))
        for condition, way in BRIEF:
            if not (these := of(own, condition=condition, way=way)):
                continue
            if way == EARLIER and _findings(of(own, condition=condition, way=PACKAGED)) >= _findings(these):
                continue
            areas = [said(over_findings(these, first_of(measure))) for measure in ("auc_others", "auc_normals")]
            known = said(over_findings(these, points(own, _biased("known_kept"))), 1)
            shares = [
                f"{over_findings(these, _biased(measure)).estimate:.2f}"
                for measure in ("others_taken", "normals_taken")
            ]
            of_whole, seeds = _counted(these).split(" | ")
            what = TITLES[name].lower() + ("" if int(of_whole) == whole else f", {of_whole} of them")
            taught = WORDS.get(
                condition,
                f"labelled images: {condition.removeprefix(LABELLED)}" if condition.startswith(LABELLED) else condition,
            )
            cells = [what, taught, way, seeds, *areas, said(over_findings(these, _biased("accuracy"))), known, *shares]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _findings(rows: Sequence[Row]) -> int:
    return len({row["finding"] for row in rows})


HEAD = """# What a name means, asked in every way, before and after learning

`python evaluation/kt_phantom/run.py` says what was taught and on which pictures it was asked; `tables.py` how means and intervals are
made. First comes what cannot be had without the words: **AUC of the lead against others** (the modality's other held-out and invented
findings, which are neither the finding nor known) and **against normals**. Accuracy, and the shares that take the name, are of pictures
that lead by more than 0; "with a bias", of those that lead by more than a lead that was set on other drawn known findings and normals,
anew for each encoder, way and seed. Known: points of accuracy on known findings, with the new name among the choices, against the
base asked by name. A normal has no name of its own among the choices, but by the ways that end in "and normal" or "among all" it is told apart by a lead of its own.
"The package's" is the way that the rule of a package picks; "the package's, before" that which it picked until there were those two ways."""


def of(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows that hold these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def over_findings(rows: Sequence[Row], value: Callable[[Row], float | None]) -> Interval:
    """The mean over findings, each the mean of its seeds, with its interval over findings."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if (one := value(row)) is not None:
            found[row["finding"]].append(one)
    means = np.array([np.mean(own) for own in found.values()])
    return bootstrap_interval(means, np.array(list(found)))


def over_seeds(rows: Sequence[Row], value: Callable[[Row], float | None]) -> tuple[float, float] | None:
    """The lowest and the highest mean over findings of the seeds that have all of them; None where fewer than two have."""
    findings = {row["finding"] for row in rows}
    by_seed: dict[int, dict[str, float | None]] = defaultdict(dict)
    for row in rows:
        by_seed[row["seed"]][row["finding"]] = value(row)
    whole = [float(np.mean(list(own.values()))) for own in by_seed.values() if set(own) == findings]  # type: ignore[arg-type]
    return (min(whole), max(whole)) if len(whole) > 1 else None


def asked(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(condition, way) in the order in which they are shown."""
    there = {(row["condition"], row["way"]): None for row in rows}
    order = ["base", "local", NO_RIVALS, "fast", *CONTROLLED]
    labelled = sorted({c for c, _ in there if c.startswith(LABELLED)}, key=lambda c: int(c.removeprefix(LABELLED)))
    ways = list(dict.fromkeys(way for _, way in there))
    return [
        (condition, way)
        for condition in (*order[:4], *labelled, *order[4:])
        for way in ways
        if (condition, way) in there and (condition == "base" or way in TAUGHT_WAYS)
    ]


def points(rows: Sequence[Row], kept: Callable[[Row], float]) -> Callable[[Row], float]:
    """Points of accuracy on known findings against the base asked by name."""
    before = {row["finding"]: row["known_kept"][0] for row in of(rows, condition="base", way="name")}
    return lambda row: 100 * (kept(row) - before[row["finding"]])


def _of_set(name: str, rows: Sequence[Row], segmented: Sequence[Row]) -> list[str]:
    shown = [
        ranking(rows),
        naming(rows, biased=True),
        naming(rows, biased=False),
        against_asking(rows),
        by_finding(rows),
    ]
    parts = [f"## {TITLES[name]}", *(part for part in shown if part)]
    if name == "held" and any(row["condition"].startswith(LABELLED) for row in rows):
        parts.append(labelled(rows))
    if own := [row for row in segmented if row["finding"] in {r["finding"] for r in rows}]:
        parts.append(outlines(own))
    return parts


def ranking(rows: Sequence[Row]) -> str:
    """What the lead ranks."""
    lines = [
        "### What the lead ranks", "",
        "| taught | asked by | findings | seeds | AUC against others | seeds | AUC against normals | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for condition, way in asked(rows):
        own = of(rows, condition=condition, way=way)
        cells = [cell for name in ("auc_others", "auc_normals") for cell in _with_seeds(own, first_of(name))]
        lines.append(f"| {condition} | {way} | {_counted(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def naming(rows: Sequence[Row], *, biased: bool) -> str:
    """Who takes the name, above a lead of 0 or above the bias."""
    lines = [
        f"### Who takes the name, {'with a bias' if biased else 'at a lead above 0'}", "",
        "| taught | asked by | accuracy | least | known, points | others taken | normals taken |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for condition, way in asked(rows):
        own = of(rows, condition=condition, way=way)
        value = _biased if biased else first_of
        accuracy = over_findings(own, value("accuracy"))
        worst = min(
            float(np.mean([value("accuracy")(row) for row in of(own, finding=f)])) for f in {r["finding"] for r in own}
        )
        known = over_findings(own, points(rows, value("known_kept")))
        shares = [said(over_findings(own, value(name))) for name in ("others_taken", "normals_taken")]
        cells = [said(accuracy), f"{worst:.2f}", said(known, 1), *shares]
        lines.append(f"| {condition} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def against_asking(rows: Sequence[Row]) -> str:
    """What was taught less the base, both asked as a package asks: finding by finding, the mean of the seeds."""
    lines = [
        "### Taught less asked, both as a package asks", "",
        "Of each finding what was taught (the mean of its seeds) less the base; p is of a sign flip over findings.", "",
        "| taught | findings | AUC against others | p | AUC against normals | p | accuracy, with the bias | p |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    measures = (first_of("auc_others"), first_of("auc_normals"), _biased("accuracy"))
    for condition, way in [one for one in asked(rows) if one[0] != "base" and one[1] in (EARLIER, PACKAGED)]:
        base, own, cells = of(rows, condition="base", way=way), of(rows, condition=condition, way=way), []
        for value in measures:
            before, after = _by_finding(base, value), _by_finding(own, value)
            change = np.array([after[finding] - before[finding] for finding in after if finding in before])
            p = flip_signs(change).p_value if len(change) > 1 else float("nan")
            cells += [said(bootstrap_interval(change, np.arange(len(change)).astype(str))), f"{p:.3f}"]
        what = condition if way == PACKAGED else f"{condition}, both asked as before"
        lines.append(f"| {what} | {len(_by_finding(own, measures[0]))} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 6 else ""


def _by_finding(rows: Sequence[Row], value: Callable[[Row], float]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        found[row["finding"]].append(value(row))
    return {finding: float(np.mean(own)) for finding, own in found.items()}


def by_finding(rows: Sequence[Row]) -> str:
    """AUC against others, finding by finding: of the base with the interval over pictures, of what was taught the mean of the seeds."""
    shown = [
        ("base", "name"),
        ("base", "virtual"),
        ("base", "virtual with bank"),
        ("base", "virtual among all"),
        ("local", "name"),
        ("local", "virtual"),
    ]
    shown = [(c, w) for c, w in shown if of(rows, condition=c, way=w)]
    head = " | ".join(f"{condition}, by {way}" for condition, way in shown)
    lines = ["### AUC against others, by finding", "", f"| finding | {head} |", "|---|" + "---|" * len(shown)]
    for finding in dict.fromkeys(row["finding"] for row in rows):
        cells = [_one(of(rows, finding=finding, condition=c, way=w), "auc_others") for c, w in shown]
        lines.append(f"| {finding} | {' | '.join(cells)} |")
    return "\n".join(lines)


def labelled(rows: Sequence[Row]) -> str:
    """What a description is worth in labelled images, over the findings and seeds that all of these have."""
    shown = ["local", *sorted({r["condition"] for r in rows if r["condition"].startswith(LABELLED)}, key=_images)]
    common = set.intersection(*({(r["finding"], r["seed"]) for r in of(rows, condition=c, way="name")} for c in shown))
    lines = [
        "### A description in labelled images", "",
        f"The same rehearsal, lesions of altered captions, texts and steps, with N phantoms of the finding in place of images made from words; asked by name and by the "
        f"virtual text; the {len(common)} pairs of finding and seed that all have.", "",
        "| learned from | asked by | AUC against others | AUC against normals | accuracy | known, points |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for condition in shown:
        for way in ("name", "virtual"):
            own = [r for r in of(rows, condition=condition, way=way) if (r["finding"], r["seed"]) in common]
            cells = [said(over_findings(own, first_of(name))) for name in ("auc_others", "auc_normals", "accuracy")]
            what = "the description" if condition == "local" else f"{_images(condition)} labelled"
            known = said(over_findings(own, points(rows, first_of("known_kept"))), 1)
            lines.append(f"| {what} | {way} | {' | '.join(cells)} | {known} |")
    return "\n".join(lines)


def outlines(rows: Sequence[Row]) -> str:
    """DSC of the whole line."""
    lines = [
        "### Masks", "", "`medkt segment` on six phantoms of each finding (`segmented.py`); not seen counts 0.", "",
        "| taught | asked by | findings | seeds | seen | DSC | DSC of those seen |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for condition, way in dict.fromkeys((row["condition"], row["way"]) for row in rows):
        own = of(rows, condition=condition, way=way)
        seen, dsc = over_findings(own, _mean_of("seen")), over_findings(own, _mean_of("dsc"))
        found = [one["dsc"] for row in own for one in row["segmented"] if one["seen"]]
        of_seen = f"{np.mean(found):.2f}" if found else "-"
        lines.append(f"| {condition} | {way} | {_counted(own)} | {said(seen)} | {said(dsc)} | {of_seen} |")
    return "\n".join(lines)


def missing(rows: Sequence[Row], segmented: Sequence[Row] = ()) -> str:
    """What is not measured yet of the plan, and what measures it."""
    lines = ["## Not measured yet", ""]
    for name, plan in PLAN.items():
        findings = [task.finding.id for task in tasks_of(name)]
        for condition, seeds in plan.items():
            own = of(rows, set=name, condition=condition)
            there = {(row["finding"], row["seed"]) for row in own if row["way"] == PACKAGED}
            before = {(row["finding"], row["seed"]) for row in own} - there
            lacking = [(f, s) for s in range(seeds) for f in findings if (f, s) not in there]
            if lacking:
                command = f"run.py --findings {name} --teach '{condition}' --seeds {seeds}"
                old = f", {len(before)} of these asked by the earlier ways alone" if before else ""
                lines.append(
                    f"- {TITLES[name]}, {condition}: {len(lacking)} of {seeds * len(findings)}{old} (`{command}`)"
                )
        if not findings:
            lines.append(f"- {TITLES[name]}: not drawn yet")
    for condition in OUTLINED:
        there = {row["finding"] for row in of(segmented, condition=condition, way=PACKAGED)}
        if lacking := [task.finding.id for task in tasks_of("held") if task.finding.id not in there]:
            lines.append(
                f"- {TITLES['held']}, masks, {condition}: {len(lacking)} of {len(tasks_of('held'))} "
                f"(`segmented.py --findings held --teach {condition}`)"
            )
    return "\n".join(lines if len(lines) > 2 else [*lines, "Nothing of the plan."])


def costs(found: dict[str, Any]) -> str:
    """Time and memory of each way of asking and teaching."""
    lines = [
        "## Time and memory", "", "`cost.py` says how: seconds of one processor, after loading; the most memory of the process. Where a few "
        "pictures or steps were timed, the estimate is of all that are needed.", "",
        "| model | what | seconds | MB | measured on | estimate, seconds |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, one in found.items():
        model, what = name.split(": ", 1)
        whole = f"{one['seconds'] * one['factor']:.0f}" if "factor" in one else ""
        lines.append(
            f"| {model} | {what} | {one['seconds']:g} | {one['MB']} | {one.get('measured', 'all')} | {whole} |"
        )
    return "\n".join(lines)


def said(found: Interval, digits: int = 2) -> str:
    """A mean with its interval."""
    if np.isnan(found.estimate):
        return "-"
    if np.isnan(found.low) or found.low == found.high:  # all findings equal: a point, which says nothing of another
        return f"{found.estimate:.{digits}f}"
    return f"{found.estimate:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _with_seeds(rows: Sequence[Row], value: Callable[[Row], float | None]) -> tuple[str, str]:
    ends = over_seeds(rows, value)
    return said(over_findings(rows, value)), "" if ends is None or ends[0] == ends[
        1
    ] else f"{ends[0]:.2f}-{ends[1]:.2f}"


def _counted(rows: Sequence[Row]) -> str:
    seeds = [len(of(rows, finding=finding)) for finding in dict.fromkeys(row["finding"] for row in rows)]
    return f"{len(seeds)} | {min(seeds)}" + (f"-{max(seeds)}" if min(seeds) < max(seeds) else "")


def _one(rows: Sequence[Row], name: str) -> str:
    if not rows:
        return "-"
    values = [row[name][0] for row in rows]
    if len(set(values)) == 1:
        _, low, high = rows[0][name]
        return f"{values[0]:.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")
    return f"{np.mean(values):.2f} (seeds {min(values):.2f} to {max(values):.2f})"


def first_of(name: str) -> Callable[[Row], Any]:
    """A measure's estimate."""
    return lambda row: row[name][0]


def _biased(name: str) -> Callable[[Row], Any]:
    return lambda row: row["bias"][name][0]


def _mean_of(name: str) -> Callable[[Row], float]:
    return lambda row: float(np.mean([one[name] for one in row["segmented"]]))


def _images(condition: str) -> int:
    return int(condition.removeprefix(LABELLED))


if __name__ == "__main__":
    main()

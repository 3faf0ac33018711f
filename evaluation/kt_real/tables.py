"""The table and the page of what `run.py` measured: `table.md` and `page.html` beside `rows.jsonl`.

    python evaluation/kt_real/tables.py FOLDER

Intervals are 95 %, by resampling patients within the class and within the others, an image's seeds averaged first: they speak
of other studies like these, not of other findings. A change is drawn with the same patients on both sides.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined, select_autoescape
from numpy.typing import NDArray
from scipy.stats import spearmanr

Drawn = NDArray[np.float64]
RESAMPLES = 2_000
BASE = "base"
BRIGHTNESS = "brightness alone"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>medkt: {{ run.model }} on real studies</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #2a7d4f; --bad: #b3261e; --quiet: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid var(--line); vertical-align: middle; white-space: nowrap; }
.quiet { color: var(--quiet); } .above { color: var(--good); font-weight: 600; } .below { color: var(--bad); font-weight: 600; }
svg { display: block; } svg line, svg circle { stroke: currentColor; } svg circle { fill: currentColor; }
</style></head><body>
<h1>Do descriptions mean real findings to {{ run.model }}?</h1>
<p class="quiet">Weights <code>{{ run.weights[:12] or "without a digest" }}</code> &middot; medkt {{ run.medkt }} &middot; research use only, not a medical device</p>
{% for line in head %}<p>{{ line }}</p>{% endfor %}
{% for one in classes %}
<h2>{{ one.title }}</h2>
<p>{{ one.about }}</p>
<p><strong class="{{ one.mark }}">{{ one.verdict }}</strong></p>
<div class="wide"><table><tr><th>encoder</th><th>asked by</th><th></th>{% for cell in columns %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in one.rows %}<tr><td>{{ row.condition }}</td><td>{{ row.way }}</td>
<td><svg width="150" height="16" viewBox="0 0 150 16" role="img" aria-label="{{ row.cells[0] }}"><line x1="75" x2="75" y1="0" y2="16" stroke-dasharray="2 2"/>
<line x1="{{ 150 * row.low }}" x2="{{ 150 * row.high }}" y1="8" y2="8"/><circle cx="{{ 150 * row.middle }}" cy="8" r="3"/></svg></td>
{% for cell in row.cells %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table></div>
{% for line in one.unmade %}<p class="quiet">{{ line }}</p>{% endfor %}
{% endfor %}</body></html>
"""
COLUMNS = ("AUC of the lead", "change", "called", "others called", "renamed", "seeds")
NO_CONTROLS = ("labelled", "pool")
"""Conditions beside a way of teaching that hold studies of the class."""
DECIDING = ("name", "description")
"""Ways of asking that the verdict is about, fixed before anything was asked; the others stand in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One condition, asked one way: draws of the figures, as they are (first), then of every resample."""

    condition: str
    way: str
    auc: Drawn
    change: Drawn
    called: float | None
    taken: float | None
    renamed: float | None
    seeds: int
    pairs: Mapping[str, float]


def main() -> None:
    write_tables(Path(sys.argv[1]))


def write_tables(folder: Path) -> None:
    """Both files, from the rows that are there."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    classes = [class_of(name, about, [r for r in rows if r["class"] == name]) for name, about in run["classes"].items()]
    classes = [one for one in classes if one["rows"]]
    (folder / "table.md").write_text(markdown(run, classes), encoding="utf-8")
    page = Environment(autoescape=select_autoescape(default=True), undefined=StrictUndefined).from_string(PAGE)
    (folder / "page.html").write_text(
        page.render(run=run, head=head_of(), classes=classes, columns=COLUMNS), encoding="utf-8"
    )


def head_of() -> list[str]:
    """What every figure is."""
    return [
        "AUC of the lead: how often a study of the class leads by more than one of the others, where the lead is the cosine with what is asked for "
        "less that with the nearest known finding's name; guessing gets 0.50. Change: against the base asked the same way. Called: "
        "studies of the class whose lead is above 0; others called: of the other studies. Renamed: of the other studies, those whose nearest "
        "known name is no longer the base's. 95 % intervals over patients.",
        "Nothing that is asked about was taught or chosen with.",
    ]  # fmt: skip


def class_of(name: str, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One class: its verdict and its lines, for page and table."""
    lines = [*lines_of(rows)]
    verdict, mark = verdict_of(lines, about) if lines else ("", "")
    base = next((row for row in rows if row["condition"] == BASE), None)
    if base is not None:
        lines.append(without_model(base))
        verdict += f" Brightness alone: {interval(lines[-1].auc)}; the description's lead goes with it by {goes_with_brightness(base, DECIDING[1]):+.2f} (Spearman)."
    met = f" The small model met it as: {about['met']}." if about["met"] else ""
    return {
        "name": name, "title": f"{about['name']} ({name})", "verdict": verdict, "mark": mark,
        "about": f"“{about['description']}” {about['studies']} studies of it and {about['others']} others; told apart from {len(about['known'])} known names.{met}",
        "unmade": [f"Not made: {row['condition']}, seed {row['seed']}: {row['why not']}" for row in rows if not row["leads"]],
        "rows": [shown(line) for line in lines], "lines": lines, "decides": about["decides"],
    }  # fmt: skip


def lines_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Every condition by every way, the base first; one that could not be made is left out."""
    base: dict[str, Drawn] = {}
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = [row for row in rows if row["condition"] == condition and row["leads"]]
        for way in own[0]["leads"] if own else ():
            drawn = auc_drawn(own, way)
            base.setdefault(way, drawn)
            leads, mine = np.array([row["leads"][way] for row in own]), own[0]["of the class"]
            yield Line(
                condition=condition, way=way, auc=drawn, change=drawn - base[way], called=float((leads[:, :mine] > 0).mean()),
                taken=float((leads[:, mine:] > 0).mean()), renamed=float(np.mean([row["renamed"] for row in own])), seeds=len(own),
                pairs=pairs_of(own, way),
            )  # fmt: skip


def without_model(row: Mapping[str, Any]) -> Line:
    """What the mean brightness of the shown planes tells by itself: words of brightness may say no more than that."""
    drawn = auc_drawn([{**row, "leads": {BRIGHTNESS: row["brightness"]}}], BRIGHTNESS)
    return Line(
        condition="no model", way=BRIGHTNESS, auc=drawn, change=drawn - drawn, called=None, taken=None, renamed=None, seeds=1,
        pairs=pairs_of([{**row, "leads": {BRIGHTNESS: row["brightness"]}}], BRIGHTNESS),
    )  # fmt: skip


def goes_with_brightness(row: Mapping[str, Any], way: str) -> float:
    """Spearman's correlation of the leads with the brightness; 0 where either is the same for all."""
    found = (
        float(spearmanr(row["leads"][way], row["brightness"])[0])
        if np.ptp(row["leads"][way]) and np.ptp(row["brightness"])
        else 0.0
    )
    return found


def auc_drawn(rows: Sequence[Mapping[str, Any]], way: str) -> Drawn:
    """The area under the curve, then that of every resample of patients; the same draws for every condition."""
    mine, patients = rows[0]["of the class"], np.array(rows[0]["patients"])
    won = np.mean([beats(np.array(row["leads"][way]), mine) for row in rows], axis=0)
    rng = np.random.default_rng(0)
    own, other = (weights_of(part, rng) for part in (patients[:mine], patients[mine:]))
    drawn = ((own @ won) * other).sum(1) / (own.sum(1) * other.sum(1))
    return np.concatenate([[won.mean()], drawn])


def beats(leads: Drawn, mine: int) -> Drawn:
    """For each study of the class and each other one: 1 where the first leads by more, a half where both are equal."""
    won: Drawn = (np.sign(leads[:mine, None] - leads[None, mine:]) + 1) / 2
    return won


def weights_of(patients: NDArray[np.str_], rng: np.random.Generator) -> Drawn:
    """How often each study is in each resample of as many patients."""
    names, whose = np.unique(patients, return_inverse=True)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    weights: Drawn = counts[:, whose].astype(np.float64)
    return weights


def pairs_of(rows: Sequence[Mapping[str, Any]], way: str) -> dict[str, float]:
    """The area against each other class alone."""
    mine, labels = rows[0]["of the class"], np.array(rows[0]["labels"])
    leads = [np.array(row["leads"][way]) for row in rows]
    return {
        str(label): float(np.mean([beats(one, mine)[:, labels[mine:] == label].mean() for one in leads]))
        for label in dict.fromkeys(labels[mine:])
    }


def verdict_of(lines: Sequence[Line], about: Mapping[str, Any]) -> tuple[str, str]:
    """In words, and how it is marked: by what the description does without learning."""
    if not about["decides"]:
        return f"No verdict: {about['studies']} studies of the class and {about['others']} others are too few.", ""
    asked = [line for line in lines if line.condition == BASE and line.way in DECIDING]
    said = [f"Asked by {line.way}: {ranks(line.auc)}." for line in asked]
    low, high = ends(asked[-1].auc)
    by_name = [line for line in lines if line.way == DECIDING[0]]
    for line in (one for one in by_name if one.condition != BASE and ": " not in one.condition):
        said.append(
            f"Learned ({line.condition}), asked by name: {ranks(line.auc)}; change {interval(line.change, sign=True)}."
        )
        controls = [
            one
            for one in by_name
            if one.condition.startswith(f"{line.condition}: ")
            and not any(kind in one.condition for kind in NO_CONTROLS)
        ]
        if best := max(controls, key=lambda one: one.auc[0], default=None):
            more = interval(line.auc - best.auc, sign=True)
            said.append(f"Best control ({best.condition.split(': ')[1]}): {interval(best.auc)}; learned {more} more.")
    return " ".join(said), "above" if low > 0.5 else "below" if high < 0.5 else ""


def ranks(drawn: Drawn) -> str:
    """A figure against guessing, in words."""
    low, high = ends(drawn)
    words = "ranks above chance" if low > 0.5 else "ranks below chance" if high < 0.5 else "not told from chance"
    return f"{interval(drawn)}, {words}"


def shown(line: Line) -> dict[str, Any]:
    """A line as cells."""
    low, high = ends(line.auc)
    taught = line.condition not in (BASE, "no model")
    change = interval(line.change, sign=True) if taught else ""
    shares = (
        "" if one is None else f"{one:.2f}" for one in (line.called, line.taken, line.renamed if taught else None)
    )
    cells = (interval(line.auc), change, *shares, str(line.seeds))
    return {
        "condition": line.condition,
        "way": line.way,
        "cells": cells,
        "low": low,
        "high": high,
        "middle": float(line.auc[0]),
    }


def markdown(run: Mapping[str, Any], classes: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table for a repository."""
    weights = f"`{run['weights'][:12]}`" if run["weights"] else "without a digest"
    out = [
        f"# Real studies: {run['model']}",
        "",
        f"`python evaluation/kt_real/run.py`; weights {weights}, medkt {run['medkt']}.",
        "",
        *head_of(),
    ]
    for one in classes:
        out += ["", f"## {one['title']}", "", one["about"], "", f"**{one['verdict']}**", ""]
        out += [
            f"| encoder | asked by | {' | '.join(COLUMNS)} | AUC against each other class |",
            "|---|---|" + "---|" * (len(COLUMNS) + 1),
        ]
        for row, line in zip(one["rows"], one["lines"], strict=True):
            pairs = ", ".join(f"{label} {value:.2f}" for label, value in line.pairs.items())
            out.append(f"| {row['condition']} | {row['way']} | {' | '.join(row['cells'])} | {pairs} |")
        out += [line for missing in one["unmade"] for line in ("", missing)]
    return "\n".join(out) + "\n"


def ends(drawn: Drawn) -> tuple[float, float]:
    """Of the interval."""
    low, high = np.quantile(drawn[1:], (0.025, 0.975))
    return float(low), float(high)


def interval(drawn: Drawn, *, sign: bool = False) -> str:
    """A figure with its interval, in words."""
    plus = "+" if sign else ""
    middle, low, high = (round(float(one), 2) + 0.0 for one in (drawn[0], *ends(drawn)))  # no -0.00
    return f"{middle:{plus}.2f} ({low:{plus}.2f} to {high:{plus}.2f})"


if __name__ == "__main__":
    main()

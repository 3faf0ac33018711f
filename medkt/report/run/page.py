"""A run, or two side by side, as one HTML file that opens from disk: no network, pictures inside.

There is no script in it, but for volumes that can be looked at: those have a viewer in files beside the page.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from jinja2 import Environment, StrictUndefined, select_autoescape

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of_run
from medkt.records import as_plain
from medkt.report.run.comparison import ComparedLine
from medkt.report.run.evaluation import Evaluation
from medkt.report.run.forest import Forest, draw_forest
from medkt.report.run.page_template import PAGE
from medkt.report.run.pictures import CasePicture
from medkt.report.run.plots import (
    LESION_HEAD,
    PRESENCE_HEAD,
    VOLUME_HEAD,
    Curves,
    draw_curves,
    lesion_row,
    presence_row,
    volume_row,
)
from medkt.report.run.provisos import rule_lines
from medkt.report.run.published import HEAD as PUBLISHED_HEAD
from medkt.report.run.published import Beside, beside_row
from medkt.report.run.unclaimed import headlines
from medkt.report.run.words import DECISION_HEAD, SUMMARY_HEAD, decision_row, summary_row
from medkt.report.run.words_compared import COMPARED_HEAD, compared_row

COUNT_HEAD = ("concept", "cases", "done", "failed", "scored against a reference", "seen", "no claim")
MOST_LINES = 600  # rows of a table in the page; all of them are in evaluation.csv
FOREST_METRICS = ("dsc", "nsd", "iou")
# what a page with scripts may load: files beside it and what is in it, and nothing from any network
ONLY_FROM_DISK = "default-src 'none'; script-src 'self' file:; style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One run of the page.

    Attributes:
        name: what it is called: "base", "KT"; "" for a run by itself.
        evaluation: its statistics.
        record: its `run.json`.
        cases: to look at.
        curves: what the plots of presence, volumes and lesions are drawn from.
    """

    name: str
    evaluation: Evaluation
    record: Mapping[str, Any]
    cases: tuple[CasePicture, ...] = ()
    curves: Curves = field(default_factory=Curves)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What the page says.

    Attributes:
        title: of the page.
        arms: one run, or two over the same cases.
        compared: the second minus the first, where there are two.
        beside: ours beside published values.
        stamps: what a reader must know before those are compared.
        viewer, library: addresses of the scripts beside the page that show volumes; "" for a page without.
    """

    title: str
    arms: tuple[Arm, ...]
    compared: tuple[ComparedLine, ...] = ()
    beside: tuple[Beside, ...] = ()
    stamps: tuple[str, ...] = ()
    viewer: str = ""
    library: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Rows of words under a head; how many were left out."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


def render_run(report: RunReport) -> str:
    """The page, as HTML."""
    environment = Environment(autoescape=select_autoescape(default=True), undefined=StrictUndefined)
    arms = {arm.name: arm for arm in report.arms}
    return environment.from_string(PAGE).render(
        title=report.title, notice=NOT_A_MEDICAL_DEVICE, version=__version__, arms=report.arms,
        counts=[table for arm in arms.values() for table in _counts(arm)],
        summaries=[_table(_said("Numbers", arm.name), SUMMARY_HEAD, map(summary_row, arm.evaluation.lines)) for arm in arms.values()],
        decisions=[table for arm in arms.values() for table in _decisions(arm)],
        reasons={arm.name: _reasons(arm.evaluation) for arm in arms.values()},
        forests=_forests(report.arms), plots=draw_curves({arm.name: arm.curves for arm in report.arms}),
        curves=[table for arm in arms.values() for table in _curves(arm)],
        failures=[_failures(arm) for arm in arms.values()],
        compared=_table("Second run minus first, over patients", COMPARED_HEAD, map(compared_row, report.compared)),
        beside=_table("Ours beside published values", PUBLISHED_HEAD, map(beside_row, report.beside)),
        viewer=report.viewer, library=report.library, folder=unquote(report.viewer.split("/")[0]), csp=ONLY_FROM_DISK,
        headlines=[(arm.name, line) for arm in arms.values() for line in headlines(arm.evaluation.unclaimed)],
        demonstration=next(filter(None, map(demonstration_of_run, (arm.record for arm in arms.values()))), ""),
        stamps=report.stamps, settings=[(arm.name, _facts(arm.record), _text(arm.record)) for arm in arms.values()],
    )  # fmt: skip


def _table(caption: str, head: Sequence[str], rows: Any) -> _Table:
    held = list(rows)
    return _Table(caption=caption, head=head, rows=held[:MOST_LINES], left_out=max(0, len(held) - MOST_LINES))


def _said(what: str, arm: str) -> str:
    return f"{what}, {arm}" if arm else what


def _counts(arm: Arm) -> Iterator[_Table]:
    rows = [
        (one.concept, *map(str, (one.rows, one.done, one.failed, one.scored, one.seen, one.no_claim)))
        for one in arm.evaluation.counts
    ]
    yield _table(_said("Cases", arm.name), COUNT_HEAD, rows)


def _decisions(arm: Arm) -> Iterator[_Table]:
    if arm.evaluation.decisions:
        rows = map(decision_row, arm.evaluation.decisions)
        yield _table(_said("Seen and not seen, against the reference", arm.name), DECISION_HEAD, rows)


def _curves(arm: Arm) -> Iterator[_Table]:
    for what, head, rows in (
        ("Presence score, against the reference", PRESENCE_HEAD, map(presence_row, arm.curves.presence)),
        ("Volumes, prediction minus reference", VOLUME_HEAD, map(volume_row, arm.curves.volumes)),
        ("Share of the lesions found, at false alarms a study", LESION_HEAD, map(lesion_row, arm.curves.lesions)),
    ):
        table = _table(_said(what, arm.name), head, rows)
        if table.rows:
            yield table


def _failures(arm: Arm) -> _Table:
    rows = [(kind, str(number)) for kind, number in arm.evaluation.failures.items()]
    return _table(_said("Failures by kind", arm.name), ("kind", "cases"), rows)


def _reasons(evaluation: Evaluation) -> list[str]:
    reasons = dict.fromkeys(why for line in evaluation.lines for why in line.summary.counts.why)
    notes = dict.fromkeys(line.summary.mean.note for line in evaluation.lines if line.summary.mean.note)
    methods = dict.fromkeys(
        line.summary.mean.method.split(",")[0] for line in evaluation.lines if line.summary.mean.method
    )
    said = [f"Intervals of means: {', '.join(methods)}."] if methods else []
    said += [*(f"No number: {why}." for why in reasons), *(f"{note.capitalize()}." for note in notes)]
    more = (*rule_lines(evaluation.rules), *evaluation.provisos)
    return [*said, *(f"{line[0].upper()}{line[1:]}." for line in more)]


def _forests(arms: Sequence[Arm]) -> list[tuple[str, Forest]]:
    """A plot for each metric of the first kinds that there is."""
    metrics = dict.fromkeys(name for arm in arms for name in arm.evaluation.metrics)
    evaluations = {arm.name: arm.evaluation for arm in arms}
    drawn = []
    for kind in FOREST_METRICS:
        for metric in (name for name in metrics if name.split("@")[0] == kind):
            forest = draw_forest(evaluations, metric)
            drawn += [(metric, forest)] if forest else []
    return drawn


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first things a reader asks: version, models and digests, concepts, metrics, the rule for empty masks."""
    identity, models = record.get("identity", {}), record.get("models") or {}
    facts = [("medkt", str(identity.get("medkt", "")))]
    for what in ("encoder", "segmenter"):
        if what in models:
            facts.append((what, f"{models[what].get('name')}, SHA-256 {models[what].get('digest') or 'none'}"))
    facts += (
        [("learnt concepts", ", ".join(models["encoder"]["packages"]))]
        if "packages" in models.get("encoder", {})
        else []
    )
    facts += [("guard", str(models.get("guard") or "none: no answer was held back"))] if "encoder" in models else []
    site = identity.get("site", "")
    facts += [
        (f"calibrations of site {site}", f"{name}, SHA-256 {digest}")
        for name, digest in models.get("calibrations", {}).items()
    ]
    facts += [(f"words of {name}", f"SHA-256 {digest}") for name, digest in identity.get("concepts", {}).items()]
    scoring = identity.get("scoring")
    if scoring:
        facts.append(("metrics", ", ".join(scoring["metrics"]["metrics"])))
        facts.append(("rule for empty masks", scoring["metrics"]["empty"]))
        facts.append(("tolerance of the boundary NSD", f"{scoring['tolerance']:g}, unit {scoring['unit']}"))
    digest = identity.get("manifest") or identity.get("masks")
    facts += [("digest of the cases", f"SHA-256 {digest}")] if digest else []
    facts += [("preset", str(identity["preset"]))] if "preset" in identity else []
    if prompts := identity.get("prompts"):
        stamp = "oracle_prompt: chosen for single images by somebody who may have known what they show"
        facts.append(("sentences of images", f"{prompts['published_as']}, SHA-256 {prompts['sha256']}; {stamp}"))
    facts += [("as published", str(identity["as_published"]["words"]))] if "as_published" in identity else []
    return [(name, value) for name, value in facts if value]


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(as_plain(record), indent=2, ensure_ascii=False, allow_nan=False)

"""A run that classifies, or two side by side, as one HTML file that opens from disk: no network, no script."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined, select_autoescape

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of_run
from medkt.records import as_plain
from medkt.report.run.class_comparison import ComparedClass
from medkt.report.run.class_evaluation import ClassEvaluation
from medkt.report.run.class_page_template import CLASS_PAGE
from medkt.report.run.class_plots import draw_accuracies, draw_confusion
from medkt.report.run.class_published import HEAD as PUBLISHED_HEAD
from medkt.report.run.class_published import BesideClass, beside_class_row
from medkt.report.run.class_words import (
    CLASS_HEAD,
    COMPARED_HEAD,
    DEFINITIONS,
    WHOLE_HEAD,
    class_rows,
    compared_class_row,
    confusion_head,
    confusion_rows,
    notes_of,
    whole_rows,
)

MOST_LINES = 600  # rows of a table in the page; all of them are in evaluation.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArm:
    """One run of the page: what it is called ("" by itself), its statistics, its `run.json`."""

    name: str
    evaluation: ClassEvaluation
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReport:
    """What the page says; as `RunReport`."""

    title: str
    arms: tuple[ClassArm, ...]
    compared: tuple[ComparedClass, ...] = ()
    beside: tuple[BesideClass, ...] = ()
    stamps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Rows of words under a head; how many were left out."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


def render_classes(report: ClassReport) -> str:
    """The page, as HTML."""
    environment = Environment(autoescape=select_autoescape(default=True), undefined=StrictUndefined)
    arms = report.arms
    drawn = [draw_confusion(arm.name, arm.evaluation) for arm in arms]
    return environment.from_string(CLASS_PAGE).render(
        title=report.title, notice=NOT_A_MEDICAL_DEVICE,
        headlines=[(arm.name, arm.evaluation.unclaimed) for arm in arms if arm.evaluation.unclaimed],
        demonstration=next(filter(None, (demonstration_of_run(arm.record) for arm in arms)), ""), version=__version__, arms=arms, viewer="", csp="",
        wholes=[_table("All classes", arm, WHOLE_HEAD, whole_rows(arm.evaluation)) for arm in arms],
        accuracies=draw_accuracies({arm.name: arm.evaluation for arm in arms}), definitions=DEFINITIONS,
        notes={arm.name: notes_of(arm.evaluation) for arm in arms},
        classes=[_table("Each class", arm, CLASS_HEAD, class_rows(arm.evaluation)) for arm in arms],
        words=_words(arms[0]), plots=[plot for plot in drawn if plot],
        confusions=[_confusion(arm) for arm in arms], failures=[_failures(arm) for arm in arms],
        compared=_cut("Second run minus first", COMPARED_HEAD, [compared_class_row(line) for line in report.compared]),
        beside=_cut("Ours beside published values", PUBLISHED_HEAD, [beside_class_row(row) for row in report.beside]),
        stamps=report.stamps, settings=[(arm.name, _facts(arm.record), _text(arm.record)) for arm in arms],
    )  # fmt: skip


def _table(what: str, arm: ClassArm, head: Sequence[str], rows: Sequence[Sequence[str]]) -> _Table:
    return _cut(f"{what}, {arm.name}" if arm.name else what, head, rows)


def _cut(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> _Table:
    return _Table(caption=caption, head=head, rows=rows[:MOST_LINES], left_out=max(0, len(rows) - MOST_LINES))


def _words(arm: ClassArm) -> _Table:
    """Which concept stands for each class, with the digest of its words."""
    digests = arm.record.get("identity", {}).get("concepts", {})
    rows = [(one.name, one.concept, digests.get(one.concept, "")) for one in arm.evaluation.counts]
    return _Table(
        caption="Whose words stand for each class", head=("class", "concept", "SHA-256 of its words"), rows=rows
    )


def _confusion(arm: ClassArm) -> _Table:
    rows = confusion_rows(arm.evaluation, intervals=True)
    caption = "Images by true class and name: how many, and their share of the true class (95 %)"
    return _table(caption, arm, confusion_head(arm.evaluation), rows)


def _failures(arm: ClassArm) -> _Table:
    rows = [(kind, str(number)) for kind, number in arm.evaluation.failures.items()]
    return _table("Failures by kind", arm, ("kind", "cases"), rows)


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first things a reader asks: version, model and digests, the question, the cases."""
    identity, encoder = record.get("identity", {}), (record.get("models") or {}).get("encoder", {})
    packages = ", ".join(encoder.get("packages", ()))
    facts = (
        ("medkt", str(identity.get("medkt", ""))),
        ("encoder", f"{encoder.get('name')}, SHA-256 {encoder.get('digest') or 'none'}" if encoder else ""),
        ("learnt concepts", packages and f"SHA-256 {packages}"),
        ("asked", str(encoder.get("classes_asked_of", ""))),
        ("protocol", str(identity.get("protocol") or "")),
        ("digest of the cases", f"SHA-256 {identity.get('manifest')}"),
    )
    return [(name, value) for name, value in facts if value]


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(as_plain(record), indent=2, ensure_ascii=False, allow_nan=False)

"""The page of a run that classifies, or of two side by side, as sections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medkt.report.run.common import (
    by_arm,
    compared_section,
    failures_section,
    of_arm,
    published_section,
    settings_section,
)
from medkt.report.sections import Notes, PagePart, Section, Table, Text
from medkt.runs.record import RunRecord
from medkt.tasks.classify.comparison import ComparedClass
from medkt.tasks.classify.evaluation import ClassEvaluation
from medkt.tasks.classify.plots import draw_accuracies, draw_confusion
from medkt.tasks.classify.published import HEAD as PUBLISHED_HEAD
from medkt.tasks.classify.published import ClassPublishedComparison, beside_class_row
from medkt.tasks.classify.words import (
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

HOW_CALLED = (
    "Each image is called by the class whose words fit it best, without any training on labels (zero-shot). Shares compare the classes "
    "with each other; they are no probability of disease."
)
HOW_COMPARED = (
    "The permutation test flips the signs of whole patients, and is adjusted after Holm over the classes; McNemar's test stands only "
    "where each patient has one image. Both are two-sided: choose one beforehand."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArm:
    """One run of the page: what it is called ("" by itself), its statistics, its `run.json`."""

    name: str
    evaluation: ClassEvaluation
    record: RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReport:
    """What the page says; as `RunReport`."""

    title: str
    arms: tuple[ClassArm, ...]
    compared: tuple[ComparedClass, ...] = ()
    beside: tuple[ClassPublishedComparison, ...] = ()
    stamps: tuple[str, ...] = ()
    viewer: str = ""


def sections_of_classes(report: ClassReport) -> list[Section]:
    """What the page says, from top to bottom."""
    arms = report.arms
    compared = Table.of("Second run minus first", COMPARED_HEAD, map(compared_class_row, report.compared))
    beside = Table.of("Ours beside published values", PUBLISHED_HEAD, map(beside_class_row, report.beside))
    classes = [Table.of(of_arm("Each class", arm.name), CLASS_HEAD, class_rows(arm.evaluation)) for arm in arms]
    return [
        Section(key="summary", title="Summary", parts=tuple(_summary(arms))),
        Section(key="classes", title="Classes", parts=(*classes, _words(arms[0]))),
        Section(key="confusion", title="Confusion", parts=tuple(_confusion(arms))),
        compared_section([arm.name for arm in arms], HOW_COMPARED, compared), published_section(beside, report.stamps),
        failures_section({arm.name: arm.evaluation.failures for arm in arms}),
        settings_section([(arm.name, _facts(arm.record), arm.record) for arm in arms]),
    ]  # fmt: skip


def _summary(arms: Sequence[ClassArm]) -> Iterator[PagePart]:
    for arm in arms:
        if arm.evaluation.unclaimed:
            yield Text(text=by_arm(arm.name, arm.evaluation.unclaimed), style="headline")
    yield Text(text=HOW_CALLED)
    for arm in arms:
        yield Table.of(of_arm("All classes", arm.name), WHOLE_HEAD, whole_rows(arm.evaluation))
    accuracies = draw_accuracies({arm.name: arm.evaluation for arm in arms})
    yield accuracies or Text(text="No case was classified; see the failures below.")
    notes = (by_arm(arm.name, one) for arm in arms for one in notes_of(arm.evaluation))
    yield Notes(lines=(*DEFINITIONS, *notes), quiet=True)


def _words(arm: ClassArm) -> Table:
    """Which concept stands for each class, with the digest of its words."""
    digests = arm.record.identity.get("concepts", {})
    rows = [(one.name, one.concept, digests.get(one.concept, "")) for one in arm.evaluation.counts]
    return Table(
        caption="Whose words stand for each class", head=("class", "concept", "SHA-256 of its words"), rows=rows
    )


def _confusion(arms: Sequence[ClassArm]) -> Iterator[PagePart]:
    for arm in arms:
        if (plot := draw_confusion(arm.name, arm.evaluation)) is not None:
            yield plot
    for arm in arms:
        rows = confusion_rows(arm.evaluation, intervals=True)
        caption = "Images by true class and name: how many, and their share of the true class (95 %)"
        yield Table.of(of_arm(caption, arm.name), confusion_head(arm.evaluation), rows)


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """The first things a reader asks: version, model and digests, the question, the cases."""
    identity, encoder = record.identity, (record.models or {}).get("encoder", {})
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

"""The page of a run that segments, or of two side by side, as sections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from medkt.report.run.common import (
    by_arm,
    compared_section,
    failures_section,
    of_arm,
    published_section,
    settings_section,
)
from medkt.report.sections import Notes, PagePart, Picture, Plot, Section, Table, Text, Viewer, ViewerNote
from medkt.runs.record import RunRecord
from medkt.tasks.masks.abstention import headlines
from medkt.tasks.masks.comparison import ComparedLine
from medkt.tasks.masks.evaluation import Evaluation
from medkt.tasks.masks.forest import draw_forest
from medkt.tasks.masks.pictures import CasePicture
from medkt.tasks.masks.plots import (
    LESION_HEAD,
    PRESENCE_HEAD,
    VOLUME_HEAD,
    Curves,
    draw_curves,
    lesion_row,
    presence_row,
    volume_row,
)
from medkt.tasks.masks.provisos import rule_lines
from medkt.tasks.masks.published import HEAD as PUBLISHED_HEAD
from medkt.tasks.masks.published import PublishedComparison, beside_row
from medkt.tasks.masks.words import DECISION_HEAD, SUMMARY_HEAD, decision_row, summary_row
from medkt.tasks.masks.words_compared import COMPARED_HEAD, compared_row

COUNT_HEAD = ("concept", "cases", "done", "failed", "scored against a reference", "seen", "no claim")
FOREST_METRICS = ("dsc", "nsd", "iou")
HOW_COMPARED = (
    "A patient's difference is the mean over the patient's cases; p values are two-sided, and adjusted after Holm over the concepts "
    "of one metric. Choose one test beforehand."
)
SIDES = (
    "“positives” are cases whose reference shows the finding, “negatives” those whose reference is empty; a failed case stands on "
    "both sides, without a number."
)
NO_REFERENCE = "No case of this run has a reference, so there are no scores; `medkt evaluate` runs cases that have one."
WHAT_IS_SHOWN = (
    "By Dice, where the reference shows the finding. From left to right: the image; where the words point; the outline with the boxes "
    "(blue) that the segmenter was given, and the reference dotted green. Of a volume it is the plane with the highest score."
)


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
    record: RunRecord
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
    beside: tuple[PublishedComparison, ...] = ()
    stamps: tuple[str, ...] = ()
    viewer: str = ""
    library: str = ""


def sections_of_run(report: RunReport) -> list[Section]:
    """What the page says, from top to bottom."""
    arms = report.arms
    compared = Table.of("Second run minus first, over patients", COMPARED_HEAD, map(compared_row, report.compared))
    beside = Table.of("Ours beside published values", PUBLISHED_HEAD, map(beside_row, report.beside))
    return [
        Section(key="summary", title="Summary", parts=tuple(_summary(arms))),
        Section(key="curves", title="Presence, volumes, lesions", parts=tuple(_curves(arms))),
        compared_section([arm.name for arm in arms], HOW_COMPARED, compared), published_section(beside, report.stamps),
        Section(key="cases", title="Worst and best cases", parts=tuple(_cases(report))),
        failures_section({arm.name: arm.evaluation.failures for arm in arms}),
        settings_section([(arm.name, _facts(arm.record), arm.record) for arm in arms]),
    ]  # fmt: skip


def _summary(arms: Sequence[Arm]) -> Iterator[PagePart]:
    for arm in arms:
        yield from (Text(text=by_arm(arm.name, line), style="headline") for line in headlines(arm.evaluation.unclaimed))
    for arm in arms:
        rows = [
            (one.concept, *map(str, (one.rows, one.done, one.failed, one.scored, one.seen, one.no_claim)))
            for one in arm.evaluation.counts
        ]
        yield Table.of(of_arm("Cases", arm.name), COUNT_HEAD, rows)
    yield from _forests(arms)
    for arm in arms:
        if arm.evaluation.decisions:
            decided = map(decision_row, arm.evaluation.decisions)
            yield Table.of(of_arm("Seen and not seen, against the reference", arm.name), DECISION_HEAD, decided)
    for arm in arms:
        if arm.evaluation.lines:
            yield Table.of(of_arm("Numbers", arm.name), SUMMARY_HEAD, map(summary_row, arm.evaluation.lines))
    if not any(arm.evaluation.lines for arm in arms):
        yield Text(text=NO_REFERENCE)
    reasons = (by_arm(arm.name, one) for arm in arms for one in _reasons(arm.evaluation))
    yield Notes(lines=(SIDES, *reasons), quiet=True)


def _curves(arms: Sequence[Arm]) -> Iterator[PagePart]:
    yield from draw_curves({arm.name: arm.curves for arm in arms})
    for arm in arms:
        for what, head, rows in (
            ("Presence score, against the reference", PRESENCE_HEAD, map(presence_row, arm.curves.presence)),
            ("Volumes, prediction minus reference", VOLUME_HEAD, map(volume_row, arm.curves.volumes)),
            ("Share of the lesions found, at false alarms a study", LESION_HEAD, map(lesion_row, arm.curves.lesions)),
        ):
            table = Table.of(of_arm(what, arm.name), head, rows)
            if table.rows:
                yield table


def _cases(report: RunReport) -> Iterator[PagePart]:
    shown = any(arm.cases for arm in report.arms)
    yield Text(text=WHAT_IS_SHOWN, style="quiet") if shown else Text(text="There are none to show.")
    if report.viewer:
        yield ViewerNote(folder=unquote(report.viewer.split("/")[0]))
    for place, arm in enumerate(report.arms, start=1):
        for number, case in enumerate(arm.cases, start=1):
            yield _picture(case, f"{arm.name}, " if arm.name else "", f"{place}-{number}", report.library)


def _picture(case: CasePicture, arm: str, key: str, library: str) -> Picture:
    title, volume = f"{arm}{case.concept}, {case.kind}", case.volume
    return Picture(
        title=title, words=f"{case.case}; {case.words}", image=case.png, alt=case.alt, missing="The run wrote no picture of it.",
        viewer=None if volume is None else Viewer(
            key=key, name=f"{title} case {case.case}", library=library, scripts=volume.scripts, megabytes=volume.megabytes,
            facts=volume.facts, words=volume.words,
        ),
    )  # fmt: skip


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


def _forests(arms: Sequence[Arm]) -> Iterator[Plot]:
    """A plot for each metric of the first kinds that there is."""
    metrics = dict.fromkeys(name for arm in arms for name in arm.evaluation.metrics)
    evaluations = {arm.name: arm.evaluation for arm in arms}
    for kind in FOREST_METRICS:
        for metric in (name for name in metrics if name.split("@")[0] == kind):
            if (forest := draw_forest(evaluations, metric)) is not None:
                yield forest


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """The first things a reader asks: version, models and digests, concepts, metrics, the rule for empty masks."""
    identity, models = record.identity, record.models or {}
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

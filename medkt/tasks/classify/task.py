"""Telling apart as a task: its cases, its runner, its record, and what its table says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.about import __version__
from medkt.records import as_plain
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import CaseSource, EvaluatedRun, RunComparison, Task, TextTable, ids_word
from medkt.tasks.cases import CasePlan, concept_digest
from medkt.tasks.classify.columns import COLUMNS
from medkt.tasks.classify.comparison import compare_classes
from medkt.tasks.classify.evaluation import ClassEvaluation, ConfusionCell, evaluate_classes
from medkt.tasks.classify.scores import read_class_scores
from medkt.tasks.classify.words import COMPARED_HEAD, CSV_HEAD, class_csv_row, class_text_lines, compared_class_row
from medkt.tasks.evaluation_record import CLASS_COMPARISON_FORM, CLASS_FORM, evaluation_record
from medkt.tasks.masks.words import interval_cells
from medkt.tasks.record_form import require_form

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.report.sections import Section
    from medkt.tasks.classify.classes import Survey
    from medkt.tasks.classify.runner import ClassRunnerFactory
    from medkt.tasks.classify.sections import ClassArm, ClassReport

CONFUSION_HEAD = ("true", "predicted", "cases", "share", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyJob:
    """A run that tells classes apart.

    Attributes:
        source: of the cases, which have the class in `class_name`.
        look: how each case is looked at; it holds the classes.
        packages: of learnt concepts, whose weights `look` asks for: the SHA-256 of each one's manifest.
        learnt: whether this is the arm of what was learnt.
        survey: of the manifest, where it was made already.
        as_published: how the settings stand to a published way; nothing where none was asked for.
    """

    source: CaseSource
    look: "ClassRunnerFactory"
    packages: Sequence[str] = ()
    learnt: bool = False
    survey: "Survey | None" = None
    as_published: Mapping[str, Any] = field(default_factory=dict)


class ClassifyTask(Task):
    """Which of some classes each image is of; a `Task`."""

    name = "classify"
    does = "tells classes apart"
    columns = COLUMNS

    def plan(self, asked: ClassifyJob) -> CasePlan:
        """As `Task.plan`."""
        from medkt.tasks.classify.classes import plan_of_class_manifest, plan_of_classes, survey_classes

        source, classes = asked.source, asked.look.classes
        if source.protocol is not None:
            return plan_of_classes(
                source.protocol, source.data, classes=classes, shard=source.shard, keep_ids=source.keep_ids,
                columns=source.columns,
            )  # fmt: skip
        return plan_of_class_manifest(
            source.table, asked.survey or survey_classes(source.table), classes=classes, shard=source.shard,
            keep_ids=source.keep_ids, columns=source.columns,
        )  # fmt: skip

    def runner(self, asked: ClassifyJob, run: RunFolder) -> "ClassRunnerFactory":
        """As `Task.runner`."""
        return asked.look

    def identity(self, asked: ClassifyJob, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.identity`."""
        from medkt.segmentation.zero_shot import ClassSettings
        from medkt.tasks.classify.classes import classes_record

        look, protocol = asked.look, asked.source.protocol
        taught = {"packages": list(asked.packages), "together": look.together, "apart": look.apart}
        return {
            "medkt": __version__,
            "task": "classification",
            "manifest": plan.digest,
            "shard": str(plan.shard),
            "classes": classes_record(look.classes),
            "concepts": {one.concept.id: concept_digest(one.concept) for one in look.classes},
            "view": as_plain(look.view),
            "regrid": look.regrid,
            "ids": ids_word(plan),
            "columns": list(plan.columns),
            "protocol": protocol.name if protocol else None,
            "learnt": asked.learnt,
            **(taught if asked.packages else {}),
            **({} if look.settings == ClassSettings() else {"settings": as_plain(look.settings)}),
            "guarded": look.guarded,
            **({"allow_incomplete": True} if look.allow_incomplete else {}),
            **({"as_published": asked.as_published} if asked.as_published else {}),
            **work,
        }

    def evaluate(self, run: RunFolder, *, by: Sequence[str], settings: BootstrapSettings) -> ClassEvaluation:
        """As `Task.evaluate`."""
        record = run.read()
        require_form(record, run.path)
        return evaluate_classes(read_class_scores(run.require_table("results"), record.identity, by=by), settings)

    def record(self, evaluation: ClassEvaluation, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.record`."""
        return evaluation_record(evaluation, settings, CLASS_FORM)

    def tables(self, evaluation: ClassEvaluation) -> Mapping[str, TextTable]:
        """The numbers, a line each, and the confusion table, a row a cell."""
        return {
            "evaluation.csv": (CSV_HEAD, [class_csv_row(line) for line in evaluation.lines]),
            "confusion.csv": (CONFUSION_HEAD, [_cell(one) for one in evaluation.confusion]),
        }

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        """As `Task.say`."""
        models = run.record.models or {}  # none where no worker was ever ready
        if asked_of := models.get("encoder", {}).get("classes_asked_of", ""):
            yield f"asked: {asked_of}"
        yield from class_text_lines(run.evaluation)

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        """Over patients."""
        one, other = (run.require_table("results") for run in (first, second))
        lines = compare_classes(one, other, {one: first.read().identity, other: second.read().identity}, settings)
        rows = [compared_class_row(line) for line in lines]
        return RunComparison(
            lines=lines,
            head=COMPARED_HEAD,
            rows=rows,
            pairing=", over patients",
            explained=", over patients",
            form=CLASS_COMPARISON_FORM,
        )

    def page(
        self,
        runs: Mapping[str, Path],
        compared: RunComparison | None,
        *,
        by: Sequence[str],
        settings: BootstrapSettings,
        cases: int,
    ) -> "ClassReport":
        """As `Task.page`; no case is shown by itself."""
        from medkt.tasks.classify.published import beside_classes, class_stamps
        from medkt.tasks.classify.sections import ClassArm, ClassReport

        folders = {name: RunFolder(path) for name, path in runs.items()}
        arms = tuple(
            ClassArm(name=name, evaluation=self.evaluate(run, by=by, settings=settings), record=run.read())
            for name, run in folders.items()
        )
        title = f"{arms[0].name} and {arms[1].name} compared" if compared else "Report of a classification"
        lines = tuple(compared.lines) if compared else ()
        protocol = shipped_protocol([arm.record for arm in arms])
        if protocol is None:
            return ClassReport(title=title, arms=arms, compared=lines)
        return ClassReport(
            title=title, arms=arms, compared=lines, beside=beside_classes(protocol, by_kind(arms)),
            stamps=(f"{protocol.title}: {protocol.citation}", *class_stamps(protocol)),
        )  # fmt: skip

    def sections(self, page: "ClassReport") -> "list[Section]":
        """As `Task.sections`."""
        from medkt.tasks.classify.sections import sections_of_classes

        return sections_of_classes(page)

    def say_published(
        self, arms: Mapping[str, EvaluatedRun], protocol: "Protocol | None", *, label_tuned: bool
    ) -> Iterator[str]:
        """As `Task.say_published`; a protocol that was not named is found by what the runs recorded."""
        from medkt.tasks.classify.published import class_protocol_lines

        protocol = protocol or shipped_protocol([run.record for run in arms.values()])
        if protocol is not None:
            yield from class_protocol_lines(protocol, by_kind(tuple(arms.values())))


TASK = ClassifyTask()


def by_kind(runs: "Sequence[EvaluatedRun | ClassArm]") -> dict[str, ClassEvaluation]:
    """Base and KT by what the runs recorded; nothing for two of one kind, which would stand beside one published value."""
    learnt = [run.record.identity["learnt"] for run in runs]
    if len(set(learnt)) < len(learnt):
        return {}
    return {"kt" if held else "base": run.evaluation for held, run in zip(learnt, runs, strict=True)}


def shipped_protocol(records: Sequence[RunRecord]) -> "Protocol | None":
    """The protocol of runs; None where they follow none, or one of the user's own."""
    from medkt.datasets.protocol import load_protocol, protocols  # with the builder of every layout

    names = {record.identity.get("protocol") for record in records}
    name = next(iter(names)) if len(names) == 1 else None
    return load_protocol(name) if name in protocols() else None


def _cell(one: ConfusionCell) -> dict[str, str]:
    held = {"true": one.truth, "predicted": one.predicted, "cases": str(one.cases)}
    return {**held, **interval_cells("share", one.share)}

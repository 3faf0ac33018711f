"""Runs that have ended, of whichever task: their statistics, and two of them over the same cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, Request
from medkt.requests.work import listed

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.report.run.class_comparison import ComparedClass
    from medkt.report.run.class_evaluation import ClassEvaluation
    from medkt.report.run.comparison import ComparedLine
    from medkt.report.run.evaluation import Evaluation
    from medkt.statistics import BootstrapSettings


@dataclass(frozen=True, kw_only=True)
class StatisticsOptions(Request):
    """Which statistics."""

    by: Annotated[str, Option("columns of the result table to make subgroups of", metavar="LIST")] = ""
    resamples: Annotated[int, Option("of the bootstrap over patients", metavar="N")] = 10_000

    @property
    def bootstrap(self) -> "BootstrapSettings":
        """The settings of the intervals.

        Raises:
            SettingsError: too few resamples.
        """
        from medkt.statistics import BootstrapSettings

        return BootstrapSettings(resamples=self.resamples)


def tells_classes(runs: Mapping[str, Path]) -> bool:
    """Whether runs tell classes apart.

    Raises:
        SettingsError: one does and another segments. InputError: a folder holds no run.
    """
    from medkt.errors import SettingsError
    from medkt.report.run.class_scores import classifies
    from medkt.runs.folder import RunFolder

    found = {path: classifies(RunFolder(path).read()) for path in runs.values()}
    if len(set(found.values())) > 1:
        (classifying,) = [path for path, held in found.items() if held]
        raise SettingsError(
            f"{classifying} tells classes apart and the other run segments; two runs of one task can be compared"
        )
    return any(found.values())


def evaluation_of(request: StatisticsOptions, run: Path) -> "Evaluation":
    """The statistics of a run that made masks, written beside its tables.

    Raises:
        MedktError: as `medkt.report.run.scores.read_scores`.
    """
    from medkt.records import as_plain
    from medkt.report.run.evaluation import evaluate_scores
    from medkt.report.run.scores import read_scores
    from medkt.report.run.write import write_evaluation
    from medkt.runs.folder import RunFolder

    record, by = RunFolder(run).read(), listed(request.by)
    scores = read_scores(RunFolder(run).require_table("results"), by=by)
    found = evaluate_scores(scores, request.bootstrap, identity=record["identity"])
    used = {"by": list(by), "statistics": as_plain(request.bootstrap), "scoring": record["identity"].get("scoring")}
    write_evaluation(run, found, used)
    return found


def class_evaluation_of(request: StatisticsOptions, run: Path, *, write: bool) -> "ClassEvaluation":
    """The statistics of a run that tells classes apart; with `write` also beside its tables.

    Raises:
        MedktError: as `medkt.report.run.class_scores.read_class_scores`.
    """
    from medkt.records import as_plain
    from medkt.report.run.class_evaluation import evaluate_classes
    from medkt.report.run.class_scores import read_class_scores
    from medkt.report.run.record_form import require_form
    from medkt.report.run.write import write_classes
    from medkt.runs.folder import RunFolder

    record, by = RunFolder(run).read(), listed(request.by)
    require_form(record, run)
    scores = read_class_scores(RunFolder(run).require_table("results"), record, by=by)
    found = evaluate_classes(scores, request.bootstrap)
    if write:
        write_classes(run, found, {"by": list(by), "statistics": as_plain(request.bootstrap)})
    return found


def compared_classes(first: Path, second: Path, settings: "BootstrapSettings") -> "tuple[ComparedClass, ...]":
    """The second run minus the first, where both tell classes apart."""
    from medkt.report.run.class_comparison import compare_classes
    from medkt.runs.folder import RunFolder

    one, other = (RunFolder(path).require_table("results") for path in (first, second))
    return compare_classes(one, other, {one: RunFolder(first).read(), other: RunFolder(second).read()}, settings)


def arms_compared(
    request: StatisticsOptions, runs: Mapping[str, Path], *, classes: bool
) -> "Sequence[ComparedLine | ComparedClass]":
    """The second of two arms minus the first, over the same cases; `comparison.json` beside them says the same."""
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.write import write_comparison
    from medkt.runs.folder import RunFolder

    first, second = runs.values()
    tables = [RunFolder(run).require_table("results") for run in (first, second)]
    lines: Sequence[ComparedLine | ComparedClass]
    if classes:
        lines = compared_classes(first, second, request.bootstrap)
    else:
        lines = compare_runs(*tables, settings=request.bootstrap).lines
    write_comparison(tables[0].parent.parent, tuple(runs), lines, request.bootstrap)
    return lines


def protocol_of(runs: Mapping[str, Path]) -> "Protocol | None":
    """The protocol that runs followed; None where they follow none, or one of the user's own."""
    from medkt.datasets.protocol import load_protocol, protocols
    from medkt.runs.folder import RunFolder

    names = {RunFolder(path).read()["identity"].get("protocol") for path in runs.values()}
    name: Any = next(iter(names)) if len(names) == 1 else None
    return load_protocol(name) if name in protocols() else None


def by_kind(runs: Mapping[str, Path], evaluations: "Mapping[str, ClassEvaluation]") -> "dict[str, ClassEvaluation]":
    """Base and KT by what the runs recorded; nothing for two of one kind, which would stand beside one published value."""
    from medkt.runs.folder import RunFolder

    learnt = [RunFolder(path).read()["identity"]["learnt"] for path in runs.values()]
    if len(set(learnt)) < len(learnt):
        return {}
    return {"kt" if held else "base": one for held, one in zip(learnt, evaluations.values(), strict=True)}

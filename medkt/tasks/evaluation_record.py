"""`evaluation.json` and `comparison.json` as dataclasses: statistics, and what they depend on."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.records import RecordForm, as_plain
from medkt.statistics import BootstrapSettings
from medkt.tasks.classify.comparison import ComparedClass
from medkt.tasks.classify.evaluation import ClassEvaluation
from medkt.tasks.masks.comparison import ComparedLine
from medkt.tasks.masks.evaluation import Evaluation


@dataclass(frozen=True, kw_only=True)  # no slots: they cannot be inherited from two sides
class EvaluationHead:
    """What stands before the statistics.

    Attributes:
        medkt: the version.
        notice: that it is no medical device.
        settings: `by`, the subgroups; `statistics`, of the bootstrap; `scoring` of masks.
    """

    medkt: str = __version__
    notice: str = NOT_A_MEDICAL_DEVICE
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Evaluation, EvaluationHead):
    """The statistics of a run that scored masks."""


@dataclass(frozen=True, kw_only=True)
class ClassEvaluationRecord(ClassEvaluation, EvaluationHead):
    """The statistics of a run that told classes apart."""


@dataclass(frozen=True, kw_only=True)
class ComparisonHead:
    """What stands before the lines of a comparison.

    Attributes:
        medkt: the version.
        notice: that it is no medical device.
        arms: the first run and the second; differences are the second minus the first.
        settings: of the bootstrap.
    """

    medkt: str = __version__
    notice: str = NOT_A_MEDICAL_DEVICE
    arms: tuple[str, ...]
    settings: BootstrapSettings


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord(ComparisonHead):
    """Two runs that scored masks of the same cases."""

    lines: tuple[ComparedLine, ...]


@dataclass(frozen=True, kw_only=True)
class ClassComparisonRecord(ComparisonHead):
    """Two runs that told classes of the same cases apart."""

    lines: tuple[ComparedClass, ...]


FORM = RecordForm(kind=EvaluationRecord, name="evaluation", number=1, unnamed=1, more=True)
CLASS_FORM = RecordForm(kind=ClassEvaluationRecord, name="class_evaluation", number=1, unnamed=1, more=True)
COMPARISON_FORM = RecordForm(kind=ComparisonRecord, name="comparison", number=1, unnamed=1, more=True)
CLASS_COMPARISON_FORM = RecordForm(kind=ClassComparisonRecord, name="class_comparison", number=1, unnamed=1, more=True)


def evaluation_record(
    evaluation: Evaluation | ClassEvaluation, settings: Mapping[str, Any], form: RecordForm[Any]
) -> dict[str, Any]:
    """What `evaluation.json` holds, in the form that the task says."""
    said = {one.name: getattr(evaluation, one.name) for one in dataclasses.fields(evaluation)}
    return form.write(form.kind(settings=settings, **said))


def comparison_record(
    arms: Sequence[str], lines: Sequence[Any], settings: BootstrapSettings, form: RecordForm[Any] | None = None
) -> dict[str, Any]:
    """What `comparison.json` holds; of a task without a form of its own the same keys, and no number."""
    head: dict[str, Any] = {"arms": tuple(arms), "settings": settings}
    if form is None:
        return {**as_plain(ComparisonHead(**head)), "lines": as_plain(lines)}
    return form.write(form.kind(**head, lines=tuple(lines)))

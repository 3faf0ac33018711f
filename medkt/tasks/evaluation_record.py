"""`evaluation.json` of a run as dataclasses: its statistics, and what they depend on."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.records import RecordForm
from medkt.tasks.classify.evaluation import ClassEvaluation
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


FORM = RecordForm(kind=EvaluationRecord, name="evaluation", number=1, unnamed=1, more=True)
CLASS_FORM = RecordForm(kind=ClassEvaluationRecord, name="class_evaluation", number=1, unnamed=1, more=True)


def evaluation_record(evaluation: Evaluation | ClassEvaluation, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluation.json` holds."""
    said = {one.name: getattr(evaluation, one.name) for one in dataclasses.fields(evaluation)}
    if isinstance(evaluation, ClassEvaluation):
        return CLASS_FORM.write(ClassEvaluationRecord(settings=settings, **said))
    return FORM.write(EvaluationRecord(settings=settings, **said))

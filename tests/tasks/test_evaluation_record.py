"""The form of an evaluation is the one that its task says, whatever the evaluation's type is."""

from dataclasses import dataclass

from medkt.records import RecordForm
from medkt.tasks.classify.evaluation import ClassEvaluation
from medkt.tasks.evaluation_record import CLASS_FORM, FORM, EvaluationHead, evaluation_record
from medkt.tasks.masks.evaluation import Evaluation


@dataclass(frozen=True, kw_only=True)
class GradedEvaluation(ClassEvaluation):
    """Of a package's task: classes in an order."""

    steps_apart: float


@dataclass(frozen=True, kw_only=True)
class GradedRecord(GradedEvaluation, EvaluationHead):
    """The same as a file holds it."""


GRADED_FORM = RecordForm(kind=GradedRecord, name="graded_evaluation", number=3)


def test_each_form_has_its_own_number_and_keys() -> None:
    classes = ClassEvaluation(counts=(), lines=(), confusion=(), failures={"out of memory": 1})
    masks = Evaluation(counts=(), lines=(), decisions=(), failures={}, metrics=("dsc",))
    for found, form, own in ((classes, CLASS_FORM, "confusion"), (masks, FORM, "metrics")):
        held = evaluation_record(found, {"by": []}, form)
        assert (held["schema"], held["settings"]) == (1, {"by": []})
        assert own in held
        assert form.write(form.read(held, where=form.name)) == held


def test_an_evaluation_that_extends_another_is_written_in_its_own_form() -> None:
    found = GradedEvaluation(counts=(), lines=(), confusion=(), failures={}, steps_apart=0.5)
    held = evaluation_record(found, {"by": []}, GRADED_FORM)
    assert (held["schema"], held["steps_apart"]) == (3, 0.5)
    assert GRADED_FORM.read(held, where="evaluation.json").steps_apart == 0.5

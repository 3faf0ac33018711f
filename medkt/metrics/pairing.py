"""References and predictions paired by case id, completely or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from medkt.errors import InputError

Reference = TypeVar("Reference")
Prediction = TypeVar("Prediction")
LISTED = 10  # ids in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPair(Generic[Reference, Prediction]):
    """A reference and a prediction of one case."""

    case_id: str
    reference: Reference
    prediction: Prediction


def pair_by_case(
    *, references: Mapping[str, Reference], predictions: Mapping[str, Prediction]
) -> tuple[MaskPair[Reference, Prediction], ...]:
    """One pair a case id, in the order of the references. What a case holds (path, mask, result) is the caller's.

    Raises:
        InputError: a case has no prediction or no reference, or there is no case at all; the message lists them.
    """
    if not references:
        raise InputError("there is no reference at all; check the folder or manifest of references")
    without = {
        "prediction": [case for case in references if case not in predictions],
        "reference": [case for case in predictions if case not in references],
    }
    if any(without.values()):
        words = "; ".join(f"{_listed(cases)} without a {what}" for what, cases in without.items() if cases)
        raise InputError(
            f"{len(references)} references and {len(predictions)} predictions do not pair by case id: {words}; "
            "give both the same ids, and add or remove what is missing"
        )
    return tuple(
        MaskPair(case_id=case, reference=reference, prediction=predictions[case])
        for case, reference in references.items()
    )


def _listed(cases: list[str]) -> str:
    more = f" and {len(cases) - LISTED} more" if len(cases) > LISTED else ""
    return f"{len(cases)} ({', '.join(cases[:LISTED])}{more})"

"""What a reader of a run's numbers must know: how masks were read, what counts as a patient, copies, what lies outside."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from medkt.tasks.base import EACH_CASE, PARTLY
from medkt.tasks.masks.scores import Scores
from medkt.tasks.table import CodedColumn

MOST_RULES = 6
_COPIES = {"image": "input", "reference mask": "reference", "predicted mask": "prediction"}


def rules_of(scores: Scores) -> dict[str, dict[str, int]]:
    """For references and predictions, by which rules voxels were taken from their files, and in how many cases."""
    found = {}
    for side, column in scores.rules.items():
        counts = np.bincount(column.codes, minlength=len(column.words))
        tally = {word: int(count) for word, count in zip(column.words, counts, strict=True) if word and count}
        if tally:
            found[side] = dict(sorted(tally.items(), key=lambda one: (-one[1], one[0])))
    return found


def rule_lines(rules: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """The rules for a reader: "inside a reference: its only label, 1 (48 cases)"."""
    for side, tally in rules.items():
        shown = [f"{rule} ({count} case{'s' if count > 1 else ''})" for rule, count in list(tally.items())[:MOST_RULES]]
        more = (
            f"; and {len(tally) - MOST_RULES} more, in the table's column {side}_rule"
            if len(tally) > MOST_RULES
            else ""
        )
        yield f"inside a {side}: {'; '.join(shown)}{more}"


def provisos_of(scores: Scores, identity: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on the numbers of a run; `identity` is that of its record."""
    return (*_patients(scores, identity), *_copies(scores), *_outside(scores))


def _patients(scores: Scores, identity: Mapping[str, Any]) -> Iterator[str]:
    told = str(identity.get("patients", ""))
    if told.startswith(PARTLY):
        yield (
            f"patients are {told}: each of these counts as one, and where they share a patient the intervals are too narrow; fill the "
            "column patient_id"
        )
    if told == EACH_CASE and scores.rows > 1:
        what = ("file", "--patients or --patient-pattern") if "masks" in identity else ("case", "the column patient_id")
        yield (
            f"each {what[0]} counts as one patient: where several are of one patient the intervals are too narrow; say whose "
            f"they are with {what[1]}"
        )


def _copies(scores: Scores) -> Iterator[str]:
    """Cases that repeat another one's voxels, asked for the same concept."""
    for what, name in _COPIES.items():
        column = scores.digests.get(name)
        repeated, elsewhere = _repeats(scores, column) if column is not None else (0, 0)
        if repeated:
            apart = (
                f", {elsewhere} of them under another patient, so that they count as independent" if elsewhere else ""
            )
            yield (
                f"{repeated} of {scores.rows} cases repeat{'s' if repeated == 1 else ''} another one's {what}, voxel for voxel{apart}; are they copies? Take "
                "them out, or name one patient for them"
            )


def _repeats(scores: Scores, column: CodedColumn) -> tuple[int, int]:
    """Rows beyond the first of their digest within a concept, and how many of those have a patient of their own."""
    known = np.array([bool(word) for word in column.words])[column.codes]
    rows = np.stack([scores.concept.codes, column.codes, scores.patient.codes], axis=1)[known]
    pictures = len(np.unique(rows[:, :2], axis=0))
    return len(rows) - pictures, len(np.unique(rows, axis=0)) - pictures


def _outside(scores: Scores) -> Iterator[str]:
    meant = {"prediction": "counted as false", "reference": "counted as missed"}
    for name, amounts in scores.outside.items():
        side, unit = name.split("_outside_")
        held = amounts[amounts > 0]
        other = "reference" if side == "prediction" else "prediction"
        if len(held):
            yield (
                f"in {len(held)} case{'s' if len(held) > 1 else ''} the {side} marks something outside the {other}'s field of view, {held.sum():.4g} {unit} in "
                f"all: {meant[side]} (column {name})"
            )

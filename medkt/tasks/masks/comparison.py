"""Two runs over the same cases, pair by pair: base beside transferred, or any run beside another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from medkt.errors import InputError
from medkt.runs.columns import CASE
from medkt.statistics import BootstrapSettings, Comparison, compare, holm
from medkt.tasks.masks.scores import Scores, read_scores
from medkt.tasks.table import Rows, open_table

LISTED = 10
PAIRS = ("all", "positives")
_EMPTY = ("both empty", "reference empty", "prediction empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLine:
    """One metric of one concept in two runs.

    Attributes:
        concept: its id.
        part: "all", or "positives".
        comparison: second run minus first, over patients.
        holm_wilcoxon, holm_permutation: the p values, adjusted over the concepts of this metric and part.
        no_claim: in how many cases of this concept and part nothing was claimed, in the first run and in the second; they
            count as not seen in both.
    """

    concept: str
    part: str
    comparison: Comparison
    holm_wilcoxon: float
    holm_permutation: float
    no_claim: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRunsComparison:
    """Two runs and what differs.

    Attributes:
        first, second: their columns, in one order of rows.
        lines: a line a concept, metric and part.
    """

    first: Scores
    second: Scores
    lines: tuple[ComparedLine, ...]


def compare_runs(
    first: Path, second: Path, *, by: Sequence[str] = (), settings: BootstrapSettings | None = None
) -> MaskRunsComparison:
    """Compare two result tables.

    Args:
        first: `results.parquet` of a run.
        second: that of another, over the same manifest and with the same salt.
        by: columns to make subgroups of in both.
        settings: level, seed and resamples.

    Raises:
        InputError: the tables hold other cases, concepts, patients or references, or no number that both have.
    """
    settings = settings or BootstrapSettings()
    require_same_cases(first, second)
    one, other = read_scores(first, by=by), read_scores(second, by=by)
    patients = _same_patients(one, other)
    _require_same_references(one, other)
    metrics = [name for name in one.numbers if name in other.numbers]
    if not metrics:
        raise InputError("the two runs have no number in common; evaluate both with references and the same metrics")
    lines: list[ComparedLine] = []
    for metric in metrics:
        for part in PAIRS:
            found = _of_metric(one, other, patients, metric, part, settings)
            adjusted = [holm(np.array([p(one) for _, one in found])) for p in (_wilcoxon, _permutation)]
            lines += [
                ComparedLine(
                    concept=concept, part=part, comparison=made, holm_wilcoxon=float(adjusted[0][place]),
                    holm_permutation=float(adjusted[1][place]), no_claim=_silent(one, other, concept, part),
                )
                for place, (concept, made) in enumerate(found)
            ]  # fmt: skip
    return MaskRunsComparison(first=one, second=other, lines=tuple(lines))


def require_same_cases(first: Path, second: Path) -> None:
    """Pass silently where two tables hold the same cases and concepts, in whatever order read; both are sorted.

    Raises:
        InputError: they do not; lists cases of one only.
    """
    import pyarrow.compute as pc

    for path in (first, second):
        if not path.is_file():
            raise InputError(
                f"{path.parent}: has no table {path.name}; it is no run of `medkt batch` or `medkt evaluate`, or not "
                "ended yet"
            )
    keys = [_keys(open_table(path, needed=(CASE, "concept"), by=(), kept=lambda _: False)) for path in (first, second)]
    if len(keys[0]) == len(keys[1]) and pc.all(pc.equal(keys[0], keys[1])).as_py():
        return
    alone = [own.filter(pc.invert(pc.is_in(own, value_set=others))).to_pylist() for own, others in (keys, keys[::-1])]
    lacking = [
        f"{case} ({which})" for cases, which in zip(alone, ("first only", "second only"), strict=True) for case in cases
    ]
    more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
    raise InputError(
        f"two runs are compared over the same cases; {len(lacking)} stand in one only: {', '.join(lacking[:LISTED])}{more}; "
        "run both over one manifest, the second with --salt FIRST/salt, so that cases have one name in both"
    )


def require_same_rules(first: Mapping[str, Any], second: Mapping[str, Any], found: MaskRunsComparison) -> None:
    """Pass silently where the numbers of two runs mean the same.

    The rule for empty masks decides nothing where no mask is empty, and what a lesion is nothing where none are counted.

    Args:
        first: `identity` of the record of one; of an earlier version it may not say how masks were scored.
        second: of the other.
        found: what they were compared to.

    Raises:
        InputError: a rule differs that decides a number which was compared; names it.
    """
    rules = [_rules_of(identity, found) for identity in (first, second)]
    differ = [name for name in rules[0] if name in rules[1] and rules[0][name] != rules[1][name]]
    if differ:
        name = differ[0]
        raise InputError(
            f"the two runs were scored by other rules, so their numbers do not mean the same: {name} is {rules[0][name]} in the "
            f"first and {rules[1][name]} in the second; score one of them again with the other's"
        )


def _rules_of(identity: Mapping[str, Any], found: MaskRunsComparison) -> dict[str, Any]:
    told = (identity.get("scoring") or {}).get("metrics") or {}
    some_empty = any(scores.outcome.are(word).any() for scores in (found.first, found.second) for word in _EMPTY)
    counted = any(line.comparison.metric.startswith("lesion") for line in found.lines)
    kept = (("empty", "the rule for empty masks", some_empty), ("lesions", "what a lesion is", counted))
    return {words: told[name] for name, words, decides in kept if decides and name in told}


def _keys(table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [table.column(name).cast(pa.string()) for name in (CASE, "concept")]
    return pc.binary_join_element_wise(*parts, " ").combine_chunks()


def _same_patients(first: Scores, second: Scores) -> Int64[np.ndarray, " rows"]:
    """A number a row for its patient, the same in both runs."""
    words = np.array(first.patient.words, dtype=object), np.array(second.patient.words, dtype=object)
    moved = words[0][first.patient.codes] != words[1][second.patient.codes]
    if moved.any():
        raise InputError(f"{int(moved.sum())} cases belong to other patients in the second run; correct a manifest")
    return first.patient.codes


def _require_same_references(first: Scores, second: Scores) -> None:
    """That each case that both have scored was held against one reference, by what is inside it.

    Raises:
        InputError: a case was not; a difference of references is none of the predictions.
    """
    scored = [scores.positives | scores.negatives for scores in (first, second)]
    moved = first.positives != second.positives
    columns = [scores.digests.get("reference") for scores in (first, second)]
    if columns[0] is not None and columns[1] is not None:
        words = [np.array(column.words, dtype=object)[column.codes] for column in columns if column is not None]
        moved = moved | (words[0] != words[1])
    count = int((moved & scored[0] & scored[1]).sum())
    if count:
        raise InputError(
            f"{count} cases have another reference in the second run than in the first (another file, label or threshold): what "
            "differs would be the references' as much as the predictions'; score both runs against the same masks"
        )


def _silent(one: Scores, other: Scores, concept: str, part: str) -> tuple[int, int]:
    rows = one.concept.are(concept) & _part(one, other, part)
    return int((rows & one.silent).sum()), int((rows & other.silent).sum())


def _part(one: Scores, other: Scores, part: str) -> Rows:
    rows: Rows = np.ones(one.rows, dtype=bool) if part == "all" else one.positives | other.positives
    return rows


def _of_metric(
    one: Scores,
    other: Scores,
    patients: Int64[np.ndarray, " rows"],
    metric: str,
    part: str,
    settings: BootstrapSettings,
) -> list[tuple[str, Comparison]]:
    chosen = _part(one, other, part)
    found = []
    for concept in sorted(one.concept.words):
        rows = chosen & one.concept.are(concept)
        values = one.numbers[metric][rows], other.numbers[metric][rows]
        if not (np.isnan(values[0]).all() and np.isnan(values[1]).all()):
            found.append((concept, compare(*values, patients[rows], metric=metric, settings=settings)))
    return found


def _wilcoxon(comparison: Comparison) -> float:
    return comparison.wilcoxon_p


def _permutation(comparison: Comparison) -> float:
    return comparison.permutation.p_value

"""The statistics of a classification as rows of words: for a terminal, a CSV file and the page alike."""

from collections.abc import Iterator

from medkt.tasks.classify.comparison import ComparedClass
from medkt.tasks.classify.evaluation import ACCURACY, ALL, AREA, BALANCED, PRECISION, ClassEvaluation, ClassLine
from medkt.tasks.masks.words import NOTHING, aligned, figure, interval_cells, interval_text, p_text, subgroup_text

CLASS_HEAD = (
    "class", "subgroup", "cases", "patients", "failed", "accuracy (95 %)", "AUC against the rest (95 %)", "called so",
    "of these right (95 %)",
)  # fmt: skip
WHOLE_HEAD = ("subgroup", "cases", "patients", "accuracy (95 %)", "balanced accuracy (95 %)", "mean AUC (95 %)")
COMPARED_HEAD = (
    "class", "number", "first", "second", "difference (95 %)", "only first right", "only second right", "McNemar p",
    "permutation p", "Holm", "cases", "patients",
)  # fmt: skip
CSV_HEAD = (
    "target", "metric", "group", "value", "cases", "patients", "estimate", "low", "high", "method", "note",
)  # fmt: skip
DEFINITIONS = (
    "accuracy of a class: the share of its images that are called by its name; of all classes: of all images (top 1); a "
    "tie is no hit",
    "balanced accuracy and mean AUC: plain means over the classes; AUC: the class's share against all other images",
)


def whole_rows(evaluation: ClassEvaluation) -> list[tuple[str, ...]]:
    """All classes together under `WHOLE_HEAD`: all cases, then the subgroups."""
    rows = []
    for line in (one for one in evaluation.lines if (one.target, one.metric) == (ALL, ACCURACY)):
        others = [evaluation.line(ALL, metric, group=line.group, value=line.value) for metric in (BALANCED, AREA)]
        rows.append(
            (subgroup_text(line.group, line.value), str(line.cases), str(line.patients), interval_text(line.found),
             *map(_text, others))
        )  # fmt: skip
    return rows


def class_rows(evaluation: ClassEvaluation) -> list[tuple[str, ...]]:
    """Each class under `CLASS_HEAD`: all cases, then the subgroups."""
    failed = {one.name: str(one.failed) for one in evaluation.counts}
    subgroups = dict.fromkeys((one.group, one.value) for one in evaluation.lines)
    rows: list[tuple[str, ...]] = []
    for name in evaluation.classes:
        for group, value in subgroups or {("", ""): None}:
            own = evaluation.line(name, ACCURACY, group=group, value=value)
            called = evaluation.line(name, PRECISION, group=group, value=value)
            if own is None and called is None and group:
                continue
            rows.append((
                name, subgroup_text(group, value), str(own.cases if own else 0), str(own.patients if own else 0),
                failed[name] if not group else NOTHING, _text(own),
                _text(evaluation.line(name, AREA, group=group, value=value)), str(called.cases if called else 0),
                _text(called),
            ))  # fmt: skip
    return rows


def confusion_head(evaluation: ClassEvaluation) -> tuple[str, ...]:
    """The names that images were called by."""
    return ("true class", *(f"called {name}" for name in evaluation.classes))


def confusion_rows(evaluation: ClassEvaluation, *, intervals: bool) -> list[tuple[str, ...]]:
    """A row a true class: how many were called what; with `intervals` the share of the class too."""
    cells: dict[str, list[str]] = {}
    for one in evaluation.confusion:
        text = f"{one.cases}: {interval_text(one.share, 2)}" if intervals and one.share.method else str(one.cases)
        cells.setdefault(one.truth, []).append(text)
    return [(name, *row) for name, row in cells.items()]


def compared_class_row(line: ComparedClass) -> tuple[str, ...]:
    """A line under `COMPARED_HEAD`."""
    only = [NOTHING if number < 0 else str(number) for number in (line.only_first, line.only_second)]
    return (
        line.target, line.metric, figure(line.first), figure(line.second), interval_text(line.found), *only,
        p_text(line.mcnemar_p), p_text(line.permutation_p), p_text(line.holm_p), str(line.cases), str(line.patients),
    )  # fmt: skip


def class_csv_row(line: ClassLine) -> dict[str, str]:
    """A line under `CSV_HEAD`; numbers in full, empty where there is none."""
    return {
        "target": line.target, "metric": line.metric, "group": line.group, "value": line.value, "cases": str(line.cases),
        "patients": str(line.patients), **interval_cells("estimate", line.found), "method": line.found.method,
        "note": line.found.note,
    }  # fmt: skip


def notes_of(evaluation: ClassEvaluation) -> list[str]:
    """How intervals were made, and what to be careful of, each once."""
    methods = dict.fromkeys(
        line.found.method.split(",")[0].split(" for ")[0].removesuffix(" over patients")
        for line in evaluation.lines
        if line.found.method
    )
    notes = dict.fromkeys(line.found.note for line in evaluation.lines if line.found.note)
    return [*([f"intervals: {', '.join(methods)}, over patients"] if methods else []), *notes]


def class_text_lines(evaluation: ClassEvaluation) -> Iterator[str]:
    """The statistics for a terminal."""
    counts = evaluation.counts
    cases, done, failed = (sum(getattr(one, name) for one in counts) for name in ("cases", "done", "failed"))
    yield f"{len(counts)} classes: {done} of {cases} cases done, {failed} failed"
    yield from [evaluation.unclaimed] if evaluation.unclaimed else []
    for kind, number in evaluation.failures.items():
        yield f"failed, {kind}: {number}"
    for head, rows in (
        (WHOLE_HEAD, whole_rows(evaluation)),
        (CLASS_HEAD, class_rows(evaluation)),
        (confusion_head(evaluation), confusion_rows(evaluation, intervals=False)),
    ):
        if done:
            yield ""
            yield from aligned(head, rows)
    yield from (f"- {one}" for one in (*DEFINITIONS, *notes_of(evaluation)))


def _text(line: ClassLine | None) -> str:
    return NOTHING if line is None else interval_text(line.found)

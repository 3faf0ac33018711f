"""Our numbers of a classification beside published ones, with what both owe to labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medkt.concepts import load_concept
from medkt.datasets.protocol import Protocol
from medkt.datasets.published import PublishedValue
from medkt.statistics import Interval
from medkt.tasks.classify.evaluation import ACCURACY, ALL, ClassEvaluation
from medkt.tasks.masks.published import ARMS, percent, stamps
from medkt.tasks.masks.words import NOTHING, aligned, figure

HEAD = ("class", "arm", "ours: accuracy, % (95 %)", "of cases", "published, % (model, condition)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPublishedComparison:
    """The accuracy of one class, or of all, in one arm beside a published value.

    Attributes:
        target: the class, or "all classes".
        arm: "base" or "kt".
        ours: in %; NaN where no image was classified.
        cases: of how many images it speaks.
        published: what was printed, of every model and condition of that arm.
    """

    target: str
    arm: str
    ours: Interval
    cases: int
    published: tuple[PublishedValue, ...]


def beside_classes(protocol: Protocol, arms: Mapping[str, ClassEvaluation]) -> tuple[ClassPublishedComparison, ...]:
    """A row for each class and arm; published values of untouched models stand beside the base, all others beside KT."""
    rows = []
    for target in (ALL, *protocol.classes):
        for arm, evaluation in arms.items():
            line = evaluation.line(target, ACCURACY)
            if line is not None:
                there = published_of(protocol, target, arm)
                rows.append(
                    ClassPublishedComparison(
                        target=target, arm=arm, ours=percent(line.found), cases=line.cases, published=there
                    )
                )
    return tuple(rows)


def published_of(protocol: Protocol, target: str, arm: str) -> tuple[PublishedValue, ...]:
    """What was printed for a class, of every model and condition of that arm; each once."""
    if protocol.published is None:
        return ()
    names = {target.casefold()}
    if target in protocol.classes:
        names |= {name.casefold() for name in load_concept(protocol.classes[target]).names}
    held = (
        one
        for one in protocol.published_values()
        if one.metric == ACCURACY and one.target.casefold() in names
        and (one.condition == protocol.published.base) == (arm == "base")
    )  # fmt: skip
    return tuple({(one.model, one.condition): one for one in held}.values())


def beside_class_row(row: ClassPublishedComparison) -> tuple[str, ...]:
    """A row under `HEAD`."""
    ours = figure(row.ours.estimate, 2)
    if row.ours.low == row.ours.low:  # not NaN
        ours += f" ({figure(row.ours.low, 2)} to {figure(row.ours.high, 2)})"
    there = "; ".join(f"{one.value:.2f} ({one.model}, {one.condition})" for one in row.published)
    return (row.target, ARMS.get(row.arm, row.arm), ours, str(row.cases), there or NOTHING)


def class_protocol_lines(protocol: Protocol, arms: Mapping[str, ClassEvaluation]) -> Iterator[str]:
    """Ours beside the published values, for a terminal."""
    yield f"{protocol.title} ({protocol.citation})"
    rows = beside_classes(protocol, arms)
    if rows:
        yield from aligned(HEAD, [beside_class_row(row) for row in rows])
    yield from (f"- {one}" for one in class_stamps(protocol))


def class_stamps(protocol: Protocol) -> tuple[str, ...]:
    """What a reader must know before the two columns are compared."""
    held = [one for one in protocol.published_values() if one.metric == ACCURACY]
    tuned = dict.fromkeys(f"{one.condition}: {one.label_tuned}" for one in held if one.label_tuned)
    notes = dict.fromkeys(f"{one.source}, {one.table}: {one.note}" for one in held if one.note)
    said = [f"published values: {note}" for note in notes]
    said += [f"chosen there by the labels of the same images: {', '.join(tuned)}"] if tuned else []
    return (*stamps(protocol, label_tuned=False), *said)

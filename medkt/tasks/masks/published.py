"""Our numbers beside published ones, with what both owe to labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medkt.datasets.protocol import Protocol
from medkt.datasets.published import PublishedValue
from medkt.statistics import Interval
from medkt.tasks.masks.evaluation import Evaluation
from medkt.tasks.masks.words import NOTHING, aligned, figure

HEAD = ("metric", "arm", "ours, % (95 %)", "of cases", "published, %", "condition", "label-tuned there")
ARMS = {"base": "base", "kt": "KT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedComparison:
    """One metric of one arm beside its published value.

    Attributes:
        metric: our name, with tolerance and unit.
        arm: "base" or "kt".
        ours: mean over the cases whose reference shows the finding, in %.
        cases: of how many cases it speaks.
        published: None where nothing was published.
    """

    metric: str
    arm: str
    ours: Interval
    cases: int
    published: PublishedValue | None


def beside_published(protocol: Protocol, arms: Mapping[str, Evaluation]) -> tuple[PublishedComparison, ...]:
    """A row for each metric and arm; published data sets hold positives, so ours are over positives."""
    rows = []
    for metric in dict.fromkeys(name for evaluation in arms.values() for name in evaluation.metrics):
        for arm, evaluation in arms.items():
            for counts in evaluation.counts:
                line = evaluation.line(metric, concept=counts.concept, part="positives")
                if line is not None:
                    found = _published(protocol, metric, arm)
                    used = line.summary.counts.used
                    rows.append(
                        PublishedComparison(
                            metric=metric, arm=arm, ours=percent(line.summary.mean), cases=used, published=found
                        )
                    )
    return tuple(rows)


def beside_row(row: PublishedComparison) -> tuple[str, ...]:
    """A row under `HEAD`."""
    ours = figure(row.ours.estimate, 2)
    if row.ours.low == row.ours.low:  # not NaN
        ours += f" ({figure(row.ours.low, 2)} to {figure(row.ours.high, 2)})"
    there = row.published
    shown = (NOTHING, NOTHING, NOTHING) if there is None else (f"{there.value:.2f}", there.condition, there.label_tuned)
    return (row.metric, ARMS.get(row.arm, row.arm), ours, str(row.cases), *shown)


def stamps(protocol: Protocol, *, label_tuned: bool) -> Sequence[str]:
    """What a reader must know before the two columns are compared."""
    ours = "tuned on labels of such data (the preset)" if label_tuned else "not tuned on labels"
    said = [f"our settings: {ours}"]
    said += [f"label-tuned in the publication: {what}" for what in protocol.label_tuned]
    said += [f"unclear: {what}" for what in protocol.unclear]
    if protocol.cases_stated is not None:
        said.append(f"the publication speaks of {protocol.cases_stated} images")
    if any(metric.name == "nsd_slab" for metric in protocol.metrics):
        said.append(
            "nsd_slab is what the publications call NSD, in pixels on a slab; nsd is measured along the boundary"
        )
    return said


def protocol_lines(protocol: Protocol, arms: Mapping[str, Evaluation], *, label_tuned: bool) -> Iterator[str]:
    """Ours beside the published values, for a terminal."""
    yield f"{protocol.title} ({protocol.citation})"
    rows = beside_published(protocol, arms)
    if rows:
        yield from aligned(HEAD, [beside_row(row) for row in rows])
    yield from (f"- {one}" for one in stamps(protocol, label_tuned=label_tuned))


def _published(protocol: Protocol, metric: str, arm: str) -> PublishedValue | None:
    """The printed value of a metric; a boundary NSD never stands beside a slab's."""
    if protocol.published is None:
        return None
    condition = {"base": protocol.published.base, "kt": protocol.published.transferred}.get(arm, "")
    name = metric.split("@")[0]
    return next(
        (one for one in protocol.published_values() if one.metric == name and one.condition == condition and condition),
        None,
    )


def percent(interval: Interval) -> Interval:
    """The same number and interval in per cent."""
    return Interval(
        estimate=100 * interval.estimate, low=100 * interval.low, high=100 * interval.high, level=interval.level,
        method=interval.method, note=interval.note,
    )  # fmt: skip

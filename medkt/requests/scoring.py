"""Which numbers a mask is scored with."""

from dataclasses import replace
from typing import TYPE_CHECKING

from medkt.requests.evaluate_request import EvaluateRequest
from medkt.requests.work import listed

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.tasks.masks.scoring import Scoring


def scoring_of(request: EvaluateRequest, protocol: "Protocol | None") -> "Scoring":
    """The options over the protocol's metrics over the defaults."""
    from medkt.metrics import MetricSettings
    from medkt.tasks.masks.scoring import Scoring

    base = _scoring_of(protocol) if protocol is not None else Scoring()
    metrics = MetricSettings(
        metrics=listed(request.metrics) if request.metrics else base.metrics.metrics, empty=request.empty,
        resample_to_reference=request.resample_to_reference,
    )  # fmt: skip
    if request.tolerance:
        return Scoring.parse(request.tolerance, metrics)
    return replace(base, metrics=metrics)


def _scoring_of(protocol: "Protocol") -> "Scoring":
    from medkt.tasks.protocols import scoring_of_protocol  # it loads the builder of every layout

    return scoring_of_protocol(protocol)

"""What a result says of the models that made it, and of each region of a mask: plain facts, read and shown without any of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtFacts:
    """Which learnt weights answered, for the record.

    Attributes:
        concepts: ids of the concepts that were asked of them, or of the base by directions of a package.
        packages: SHA-256 of the manifest of each package in them.
        base_digest: SHA-256 of the base's weights, entry by entry (`transfer.weights_digest`).
        adapted_digest: of base and differences together, with "adapted:" before it; of the base where no weight was changed.
        ways: by which way each concept was asked, by its id; those alone that a package says so of.
    """

    concepts: tuple[str, ...]
    packages: tuple[str, ...]
    base_digest: str
    adapted_digest: str
    ways: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFacts:
    """Which model: its registry name, the SHA-256 of its weights ("" for generated ones), the weights' licence."""

    name: str
    digest: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderFacts(ModelFacts):
    """An encoder as it was loaded, and the learnt weights that were laid over it: one entry for each adapted encoder.

    What stands in no entry's `concepts` was asked of the encoder as loaded.
    """

    taught: tuple[TaughtFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionResult:
    """One region of one slice, as it was found.

    Attributes:
        confidence: mean map value of the coarse component, in [0, 1].
        predicted_iou: of every candidate that the segmenter gave; empty without a segmenter.
        chosen_iou: of the candidate taken; None where the coarse mask stands in or nothing was taken.
        how: "agrees", "coarse", "best" or "none" (see `segmenter.choose`).
    """

    confidence: float
    predicted_iou: tuple[float, ...]
    chosen_iou: float | None
    how: str

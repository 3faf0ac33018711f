"""Which models a run loads, from where, and how large: read from the heads of their files, no weights."""

from dataclasses import dataclass
from pathlib import Path

from medkt.errors import SettingsError
from medkt.estimates.passes import EncoderPasses, SegmenterPasses, encoder_passes, segmenter_passes
from medkt.estimates.words import size
from medkt.models.encoder import DualEncoder, EncoderSpec
from medkt.models.headers import only_headers
from medkt.models.records import SEGMENTERS, ModelKind, ModelRecord
from medkt.models.registry import build, find, load_encoder
from medkt.segmentation.slicewise import SegmentationSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """One model that will be loaded.

    Attributes:
        kind: "encoder" or "segmenter".
        name: what it was recognised as.
        source: "ships with medkt", or its weights file.
        bytes: of the weights in memory, as far as they are known.
    """

    kind: ModelKind
    name: str
    source: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.name}, {size(self.bytes)} of weights, {self.source}"


def planned_encoder(name: str, *, real: bool = False) -> tuple[ModelPlan, DualEncoder]:
    """An encoder as far as words need it: its tokenizer and its description; its weights only where it ships with medkt.

    The names and shapes of the entries of its file are compared with the architecture's, as loading does.

    Args:
        name: a name, or a weights file.
        real: load it whole.

    Raises:
        UnknownNameError, WeightsError, MissingDependencyError: as `load_encoder`.
    """
    record, weights = find(name, "encoder")
    passes = encoder_passes(record.name)
    plan = _plan(record, weights, passes)
    if real or weights is None:
        return plan, load_encoder(name)
    with only_headers():
        encoder: DualEncoder = build(record, weights, "meta")
    return plan, encoder


def planned_segmenter(name: str | None, encoder: EncoderSpec, settings: SegmentationSettings) -> ModelPlan:
    """The segmenter that goes with an encoder, or the one that is named.

    Raises:
        UnknownNameError, WeightsError: as loading it.
        SettingsError: it is asked with prompts that it was not trained with.
    """
    record, weights = find(name or encoder.segmenter, "segmenter")
    prompts = SEGMENTERS[record.family].prompts(record)
    if settings.prompts.use != "boxes" and "points" not in prompts:
        raise SettingsError(
            f"the segmenter {record.name!r} takes boxes only: set prompts.use to boxes, or use another segmenter"
        )
    if weights is not None:
        with only_headers():
            build(record, weights, "meta")
    return _plan(record, weights, segmenter_passes(record.name))


def _plan(record: ModelRecord, weights: Path | None, passes: EncoderPasses | SegmenterPasses | None) -> ModelPlan:
    held = passes.weights if passes is not None else weights.stat().st_size if weights is not None else 0
    source = "ships with medkt" if weights is None else str(weights)
    return ModelPlan(kind=record.kind, name=record.name, source=source, bytes=held)

"""What medkt knows of one family of models: one record, in the family's own module.

`medkt.models.records.ENCODERS` and `SEGMENTERS` are the tables of families; an installed package adds a record by the entry
points `medkt.encoders` and `medkt.segmenters`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from medkt.errors import AmbiguousInputError
from medkt.models.containers import Shape
from medkt.models.encoder import DualEncoder
from medkt.models.records import ENCODERS, ModelRecord

Prompt = Literal["points", "box", "mask"]
Shapes = Mapping[str, Shape]
"""Of the entries of a checkpoint, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How a family names the parts of its image tower; regular expressions for whole parameter names.

    Attributes:
        visual: what "visual" trains.
        tower: the whole image tower.
        block: one block, its place in the order of blocks as groups of numbers.
        between: what stands between two blocks and belongs to the place it names; none for most.
        after: what follows the last block, the projection included.
        projection: the last linear map into the common space.
        lora: the modules (not parameters) that LoRA goes into.
        first: the number of the first block, or of its stage.
        text_dropout: the module after the text embeddings that the authors' scripts left active; "" where there is none.
    """

    visual: str
    tower: str
    block: str
    after: str
    projection: str
    lora: str
    between: str = r"(?!)"
    first: int = 0
    text_dropout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """One way of naming the entries of one architecture.

    Attributes:
        title: what people call it.
        names: what every one of its entries is called.
        layout: whose names these are; "" for an architecture that medkt does not load.
        variant: the size, as records are called ("vit-b-32"), by the shapes; None for one that is not known, or without sizes.
    """

    title: str
    names: re.Pattern[str]
    layout: str = ""
    variant: Callable[[Shapes], str | None] = lambda shapes: None


def names(*patterns: str) -> re.Pattern[str]:
    """One pattern of several, in which WB is weight or bias."""
    return re.compile("|".join(pattern.replace("WB", "(weight|bias)") for pattern in patterns))


def refuse_to_choose(candidates: Sequence[str], weights: Path) -> str:
    """Say that the user has to.

    Raises:
        AmbiguousInputError: always.
    """
    ways = " or ".join(f"`medkt models import {name} {weights}`" for name in candidates)
    raise AmbiguousInputError(f"{weights} does not say which of several models it holds: say so by {ways}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What families of encoders and of segmenters have in common.

    Attributes:
        load: (weights file, record, device) to the model; (device) alone where a record has no files.
        namings: how its checkpoints name their entries.
        candidates: the records' names that a checkpoint with these entries may be of; None takes all of the family.
        choose: one of several candidates, by what else the file tells.
        needs: packages of the records' extra that `load` imports.
        models: the records of a family that an installed package adds; those of medkt's own are in `configs/models.yaml`.
    """

    load: Callable[..., Any]
    namings: tuple[Naming, ...] = ()
    candidates: Callable[[Shapes, Path], Sequence[str]] | None = None
    choose: Callable[[Sequence[str], Path], str] = refuse_to_choose
    needs: tuple[str, ...] = ()
    models: tuple[ModelRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFamily(_Family):
    """A family of encoders; `load` gives a `DualEncoder`, whose `spec.family` is the family's name.

    Attributes:
        parts: of its image tower, which fine-tuning must know; None for a family that cannot be fine-tuned.
        beside: the folder of the numbers that ship beside its weights: guard, normal studies; None where none do.
    """

    parts: Parts | None = None
    beside: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterFamily(_Family):
    """A family of segmenters; `load` gives a `Segmenter` and the SHA-256 of its weights, "" for generated ones.

    Attributes:
        prompts: the kinds of prompt that the model of a record was trained with.
    """

    prompts: Callable[[ModelRecord], Sequence[Prompt]] = lambda record: ("points", "box")


@runtime_checkable
class OwnFamily(Protocol):
    """An encoder that brings its record along, where no table has it."""

    @property
    def family(self) -> EncoderFamily: ...


def family_of(encoder: DualEncoder) -> EncoderFamily | None:
    """The record of an encoder's family: its own, or by the name in its `spec`; None where nobody has one."""
    if isinstance(encoder, OwnFamily):
        return encoder.family
    is_known = encoder.spec.family in ENCODERS
    return ENCODERS[encoder.spec.family] if is_known else None

"""Who may hold an answer back: a guard is shown a study as the models see it, and the words that are asked of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.domains.intensity import Intensity
from medkt.models.encoder import DualEncoder
from medkt.presence.state import Reason
from medkt.shapes import Plane
from medkt.spatial import Image, Planes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """A study as the encoder saw it. All of it was made for the score anyway: to look at it costs no pass of the encoder.

    Attributes:
        image: the study as it was read.
        domain: what it is taken for.
        encoder: that is asked, with what it was taught.
        features: (slices, width) image features of the planes looked at, as the encoder gives them.
        indices: of these planes, ascending; neighbours differ by 1.
        show: gives the plane of an index, (rows, columns) float32 in [0, 1], as the encoder was shown it.
        planes: how the study is cut.
        intensity: how its values are shown.
        tapped: what the same pass of the encoder saw behind one of its layers, where a guard wanted that.
    """

    image: Image
    domain: Domain
    encoder: DualEncoder
    features: Float[Tensor, "slices width"]
    indices: Sequence[int]
    show: Callable[[int], Plane]
    planes: Planes
    intensity: Intensity
    tapped: "Tap | None" = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tap:
    """What a pass of the encoder sees behind one of its layers, plane by plane: it costs nothing beside the features.

    Attributes:
        layer: which.
        rows: (planes, 2 channels) of each batch: mean and spread over the patches' tokens; filled as planes go through.
    """

    layer: int
    rows: list[Tensor] = field(default_factory=list)

    def take(self, encoder: DualEncoder, hidden: Float[Tensor, "planes tokens channels"]) -> None:
        """Keep what counts of one batch behind the layer."""
        self.rows.append(token_numbers(encoder, hidden, self.layer))

    def of(self, places: Sequence[int]) -> Float64[np.ndarray, "some numbers"]:
        """The rows of these planes, by place among all that went through."""
        return np.asarray(torch.cat(self.rows)[list(places)].numpy(), np.float64)


def token_numbers(
    encoder: DualEncoder, hidden: Float[Tensor, "planes tokens channels"], layer: int
) -> Float64[Tensor, "planes numbers"]:
    """Mean and spread of the patches' tokens behind a layer, channel by channel."""
    tokens = hidden[:, encoder.grid(layer).leading :].double()
    return torch.cat([tokens.mean(dim=1), tokens.std(dim=1, unbiased=False)], dim=1).cpu()


@runtime_checkable
class TappingGuard(Protocol):
    """A guard that looks at what the encoder sees behind one of its layers."""

    def tap(self, encoder: DualEncoder) -> Tap | None:
        """An empty one for a pass of this encoder; None where nothing would be asked of it."""
        ...


@runtime_checkable
class Guard(Protocol):
    """Says where nothing should be claimed. Asked once a study, encoder and window, before anything is called seen."""

    @property
    def facts(self) -> str:
        """Which guard, for records: its name and what its limits come from; names no file of the user."""
        ...

    def of_image(self, sight: Sight) -> tuple[Reason, ...]:
        """Why nothing should be claimed about the study, the weightiest first; none where it looks as it should."""
        ...

    def of_words(self, concept: Concept, prompts: Sequence[str], sight: Sight) -> tuple[Reason, ...]:
        """Why nothing should be claimed for these words on any such study; none where they are understood.

        Args:
            concept: what is asked.
            prompts: its texts as the encoder is given them.
            sight: the study that they are asked of.
        """
        ...


@runtime_checkable
class PlaneGuard(Protocol):
    """A guard that also says which planes of a volume have no voice in the answer."""

    def odd_planes(self, sight: Sight, places: Int64[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Whether each of these planes, by its place in `sight.indices`, is unlike the rest of the study."""
        ...


@runtime_checkable
class AnswerGuard(Protocol):
    """A guard that also looks at an answer before it is given."""

    def of_answer(self, concept: Concept, domain: Domain, share: float, *, is_volume: bool) -> tuple[Reason, ...]:
        """Why a mask over this share of the body is no answer; none where it may be one.

        Args:
            concept: what was asked.
            domain: what the study is taken for.
            share: of the body in the planes that were looked at, in [0, 1].
            is_volume: whether these are several.
        """
        ...

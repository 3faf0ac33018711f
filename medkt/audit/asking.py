"""Asking without learning: ways to put a finding's words to the base model, each giving a direction and its rivals.

A learning that does not beat the best of them has taught nothing that could not be asked for. A new way is one more object in
`WAYS`.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.models.encoder import DualEncoder
from medkt.transfer.rehearsal import text_vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The texts of one concept and of what it is told apart from.

    Attributes:
        name: the bare name, and the domain's templates with it.
        described: captions without the name.
        rival_names: `name` of each known finding.
        rival_described: the first caption of each known finding, in the same order.
    """

    name: tuple[str, ...]
    described: tuple[str, ...]
    rival_names: tuple[tuple[str, ...], ...]
    rival_described: tuple[str, ...]

    @classmethod
    def of(cls, concept: Concept, domain: Domain, known: tuple[Concept, ...], described: tuple[str, ...]) -> "Spoken":
        """The words of a concept among known findings.

        Args:
            concept: what is learned.
            domain: whose templates are used.
            known: the findings it is told apart from.
            described: the captions that are learned from.
        """
        templates = domain.words_for(concept).templates

        def named(one: Concept) -> tuple[str, ...]:
            return (one.name, *(template.format(finding=one.name) for template in templates))

        return cls(
            name=named(concept), described=described, rival_names=tuple(named(one) for one in known),
            rival_described=tuple((one.texts("inversion") or one.texts("prompt"))[0] for one in known),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Directions:
    """Unit vectors: what is wanted, (width,), and what it is told apart from, (rivals, width)."""

    wanted: Float[Tensor, " width"]
    rivals: Float[Tensor, "rivals width"]


class Way(Protocol):
    """One way of asking."""

    @property
    def name(self) -> str: ...
    def directions(self, encoder: DualEncoder, spoken: Spoken) -> Directions:
        """Where the words lie in this encoder; the text tower is the same before and after learning."""
        ...


@dataclass(frozen=True, slots=True)
class ByName:
    """By the bare name and the templates with it: the mean of their directions, among those of the known names."""

    name: str = "name"

    def directions(self, encoder: DualEncoder, spoken: Spoken) -> Directions:
        rivals = torch.stack([_mean(encoder, texts) for texts in spoken.rival_names])
        return Directions(wanted=_mean(encoder, spoken.name), rivals=rivals)


@dataclass(frozen=True, slots=True)
class ByDescription:
    """By the first caption, among the first captions of the known findings."""

    name: str = "description"

    def directions(self, encoder: DualEncoder, spoken: Spoken) -> Directions:
        vectors = text_vectors(encoder, (spoken.described[0], *spoken.rival_described))
        return Directions(wanted=vectors[0], rivals=vectors[1:])


WAYS: tuple[Way, ...] = (ByName(), ByDescription())
"""Every way that the audit asks the base by; a learned encoder is asked by the first."""


def _mean(encoder: DualEncoder, texts: tuple[str, ...]) -> Float[Tensor, " width"]:
    return functional.normalize(text_vectors(encoder, texts).mean(dim=0), dim=-1)

"""Ways of asking without learning: how a finding's words are put to a model, each giving a direction and its rivals.

Every way is told apart from the names of the known findings, each the unit mean of its bare name and the domain's templates
with it. What is wanted is

    name              the same of the finding's own name
    description       its first caption, d
    name+description  the unit sum of both
    virtual           unit(d + mean over the known findings of (name - first caption)): where the finding's name would lie if
                      the text tower knew it, as far as names differ from descriptions in the same way

and with the bank (`medkt.asking.bank`) it must also beat what would be wanted if the description had another word. A name
has no words to replace; its bank is the virtual one.

A study without any finding has no name among these, and takes whatever is left. So some ways tell it apart, too: the mean of the
modality's captions of such a study ("and normal"). It is no rival like the others: their lead has to be large enough for known
findings and strangers, that over a normal study for normals, and each is set on what it is for (`medkt.asking.bias`). As one more
rival under one bias it had the names of others given to the finding: that bias was then set by known findings alone. "among all"
has that, a bank that replaces the word of the margin, too, and lets all rivals weigh together, at the model's own scale of cosines.

A learning that does not beat the best of them has taught nothing that could not be asked for. A new way is one more object in `WAYS`.

The virtual text is a translation in the text space by a mean difference, as in arithmetic on word vectors (Mikolov and
others, Linguistic Regularities in Continuous Space Word Representations, NAACL 2013).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.asking.directions import mean_direction, unit
from medkt.asking.words import AskingWords
from medkt.errors import InputError, UnknownNameError
from medkt.models.encoder import DualEncoder
from medkt.saliency.directions import Directions
from medkt.saliency.targets import embed_texts


@runtime_checkable
class Way(Protocol):
    """One way of asking."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """For a reader."""
        ...

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        """Where the words lie in this encoder; the text tower is the same before and after learning.

        Raises:
            InputError: there is no known finding to tell it apart from.
        """
        ...

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        """The finding's own texts that are wanted, for a reader and for maps of words."""
        ...


@runtime_checkable
class RetellingWay(Way, Protocol):
    """A way that also says what would be wanted for another description."""

    def told(self, encoder: DualEncoder, spoken: AskingWords, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        """A unit direction for each text in the description's place."""
        ...


@dataclass(frozen=True, slots=True)
class NameWay:
    """By the bare name and the templates with it: the mean of their directions."""

    name: str = "name"
    about: str = "the bare name and the modality's templates with it"

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        return Directions(wanted=mean_direction(encoder, spoken.name), rivals=known_names(encoder, spoken))

    def told(self, encoder: DualEncoder, spoken: AskingWords, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        return VirtualNameWay().told(encoder, spoken, texts)  # a description has no name of its own

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return spoken.name


@dataclass(frozen=True, slots=True)
class DescriptionWay:
    """By the first caption."""

    name: str = "description"
    about: str = "the first caption"

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        return _described(self, encoder, spoken)

    def told(self, encoder: DualEncoder, spoken: AskingWords, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        return embed_each(encoder, texts)

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return spoken.described[:1]


@dataclass(frozen=True, slots=True)
class NameAndDescriptionWay:
    """By the unit sum of the name's direction and the first caption's."""

    name: str = "name+description"
    about: str = "the name and the first caption, in equal parts"

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        return _described(self, encoder, spoken)

    def told(self, encoder: DualEncoder, spoken: AskingWords, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        return unit(embed_each(encoder, texts) + mean_direction(encoder, spoken.name))

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return (*spoken.name, spoken.described[0])


@dataclass(frozen=True, slots=True)
class VirtualNameWay:
    """By the first caption, moved as known captions are to be moved to their names."""

    name: str = "virtual"
    about: str = (
        "the first caption, moved to where names lie by the mean difference of the known findings' names and captions"
    )

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        return _described(self, encoder, spoken)

    def told(self, encoder: DualEncoder, spoken: AskingWords, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        moved = (known_names(encoder, spoken) - embed_each(encoder, spoken.rival_described)).mean(dim=0)
        return unit(embed_each(encoder, texts) + moved)

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return spoken.described[:1]


@dataclass(frozen=True, slots=True)
class BankWay:
    """Another way, told apart from the description with one word replaced, too."""

    way: RetellingWay

    @property
    def name(self) -> str:
        return f"{self.way.name} with bank"

    @property
    def about(self) -> str:
        return f"{self.way.about}; must beat the description with one word of its look replaced, too"

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        asked = self.way.directions(encoder, spoken)
        if not spoken.replaced:
            return asked
        bank = self.way.told(encoder, spoken, spoken.replaced)
        return replace(asked, rivals=torch.cat([asked.rivals, bank]))

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return self.way.texts(spoken)


@dataclass(frozen=True, slots=True)
class NormalWay:
    """Another way, told apart from a study without any finding, too."""

    way: Way

    @property
    def name(self) -> str:
        return f"{self.way.name} and normal"

    @property
    def about(self) -> str:
        return f"{self.way.about}; must beat captions of a study without any finding by a lead of its own, too"

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        asked = self.way.directions(encoder, spoken)
        return replace(asked, normal=mean_direction(encoder, spoken.normal)) if spoken.normal else asked

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return self.way.texts(spoken)


@dataclass(frozen=True, slots=True)
class AllRivalsWay:
    """Another way, told apart from everything: names and a wider bank, which weigh together, and a normal study."""

    way: RetellingWay

    @property
    def name(self) -> str:
        return f"{self.way.name} among all"

    @property
    def about(self) -> str:
        return (
            f"{self.way.about}; told apart from all known names and from the description with one word of its look or its margin replaced, "
            "which weigh together as in the model's softmax, and by a lead of its own from captions of a study without any finding"
        )

    def directions(self, encoder: DualEncoder, spoken: AskingWords) -> Directions:
        asked = NormalWay(BankWay(self.way)).directions(encoder, spoken)
        if spoken.otherwise_bounded:
            more = self.way.told(encoder, spoken, spoken.otherwise_bounded)
            asked = replace(asked, rivals=torch.cat([asked.rivals, more]))
        return replace(asked, sharpness=encoder.logit_scale)

    def texts(self, spoken: AskingWords) -> tuple[str, ...]:
        return self.way.texts(spoken)


_PLAIN: tuple[RetellingWay, ...] = (NameWay(), DescriptionWay(), NameAndDescriptionWay(), VirtualNameWay())

WAYS: tuple[Way, ...] = (
    *_PLAIN, *(BankWay(way) for way in _PLAIN), NormalWay(BankWay(VirtualNameWay())), AllRivalsWay(VirtualNameWay()),
)  # fmt: skip
"""Every way, the simpler ones first; the first is by name."""


def way_called(name: str) -> Way:
    """The way of that name.

    Raises:
        UnknownNameError: there is none; the message lists those there are.
    """
    for way in WAYS:
        if way.name == name:
            return way
    raise UnknownNameError(f"no way of asking {name!r}; known: {', '.join(way.name for way in WAYS)}")


def known_names(encoder: DualEncoder, spoken: AskingWords) -> Float[Tensor, "known width"]:
    """The direction of each known finding's name.

    Raises:
        InputError: none is known.
    """
    if not spoken.rival_names:
        raise InputError("there is no known finding to tell this one apart from")
    return torch.stack([mean_direction(encoder, texts) for texts in spoken.rival_names])


def embed_each(encoder: DualEncoder, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
    """Each text by itself, also where the encoder pads texts that stand together: they are of different findings."""
    return torch.cat([embed_texts(encoder, (text,)) for text in texts])


def _described(way: RetellingWay, encoder: DualEncoder, spoken: AskingWords) -> Directions:
    (wanted,) = way.told(encoder, spoken, spoken.described[:1])
    return Directions(wanted=wanted, rivals=known_names(encoder, spoken))

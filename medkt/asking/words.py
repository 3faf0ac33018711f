"""The texts of one concept and of what it is told apart from, from which every way of asking makes its directions."""

from dataclasses import dataclass, replace

from medkt.asking.bank import one_word_replaced
from medkt.concepts import Concept
from medkt.domains import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingWords:
    """The texts of one concept and of what it is told apart from.

    Attributes:
        name: the bare name, and the domain's templates with it.
        described: captions without the name; the first is the description.
        rival_names: `name` of each known finding.
        rival_described: the first caption of each known finding, in the same order.
        replaced: the description with one word of its look replaced by another, for the bank of rivals; () where it says
            nothing of a look in words that can be replaced.
        otherwise_bounded: the description with its margin replaced by another; () where it says none.
        normal: the domain's captions of a study without any finding; () for none.
    """

    name: tuple[str, ...]
    described: tuple[str, ...]
    rival_names: tuple[tuple[str, ...], ...]
    rival_described: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    otherwise_bounded: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, concept: Concept, domain: Domain, known: tuple[Concept, ...], described: tuple[str, ...]
    ) -> "AskingWords":
        """The words of a concept among known findings.

        Args:
            concept: what is asked for.
            domain: whose templates and words of looks are used.
            known: the findings it is told apart from.
            described: captions of it, the description first.
        """
        words = domain.words_for(concept)

        def named(one: Concept) -> tuple[str, ...]:
            return (one.name, *(template.format(finding=one.name) for template in words.templates))

        return cls(
            name=named(concept), described=described, rival_names=tuple(named(one) for one in known),
            rival_described=tuple((one.texts("inversion") or one.texts("prompt"))[0] for one in known),
            replaced=one_word_replaced(described[0], domain),
            otherwise_bounded=one_word_replaced(described[0], domain, ("margin",)), normal=words.normal,
        )  # fmt: skip


def spoken_as(spoken: AskingWords, described: str, domain: Domain) -> AskingWords:
    """The same finding with another description, and the bank of that."""
    return replace(
        spoken, described=(described,), replaced=one_word_replaced(described, domain),
        otherwise_bounded=one_word_replaced(described, domain, ("margin",)),
    )  # fmt: skip

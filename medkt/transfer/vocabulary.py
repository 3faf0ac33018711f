"""The words of one learning: what is inverted, what the images shall match, and what they shall not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medkt.concepts import Concept, mentions
from medkt.domains import Domain
from medkt.errors import InputError
from medkt.phantom.drawers import DRAWN_BODY
from medkt.phantom.finding import DOMAINS, DomainName


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Texts by what they are for.

    Attributes:
        name: of the finding.
        described: captions that are inverted; none holds the finding's name.
        own: what images of the concept shall match: "A NAME is CAPTION" for every caption (the paper's form), the bare
            name, the domain's templates with the name, and the captions. Where images match their own caption alone
            (`LearnSettings.words`), the first kind alone, one text for each of `described`, in its order.
        others: what they shall not: bare names, templates and captions of known findings, and of a normal study.
        prompt: by which the concept is asked for by its bare name.
        known_prompts: the same of each known finding, in the order of `known`.
        known: ids of the findings that the model is taken to know.
        rehearsed: to invert: one caption of each known finding, one of a normal study, then `known_prompts`.
        drawn: the domain whose drawn normal studies show the part of the body that is meant; None where none does.
    """

    name: str
    described: tuple[str, ...]
    own: tuple[str, ...]
    others: tuple[str, ...]
    prompt: str
    known_prompts: tuple[str, ...]
    known: tuple[str, ...]
    rehearsed: tuple[str, ...]
    drawn: DomainName | None = None

    def by_caption(self) -> "Vocabulary":
        """The same with one text a caption to match, and nothing else."""
        return replace(self, own=named(self.name, self.described))


def named(name: str, described: Sequence[str]) -> tuple[str, ...]:
    """The published form of each caption, with the name before it.

    >>> named("moonlet", ["a small round bright spot"])
    ('A moonlet is a small round bright spot',)
    """
    return tuple(f"A {name} is {text}" for text in described)


def vocabulary_of(concept: Concept, domain: Domain, *, known: Sequence[Concept] | None = None) -> Vocabulary:
    """The words for teaching a concept to a model that knows the findings of a domain.

    Args:
        concept: with at least one caption for inversion.
        domain: whose templates are used.
        known: what the model knows; None takes the domain's findings without the concept, and without those that may
            be the same thing (`Concept.related`, and names that hold one another).

    Raises:
        InputError: no caption for inversion, one that holds the finding's name, or no known finding.
    """
    described = concept.texts("inversion")
    if not described:
        raise InputError(
            f"{concept.id}: no caption for inversion; add a description without the name under captions: inversion"
        )
    telling = [text for text in described if mentions(text, concept.names)]
    if telling:
        raise InputError(
            f"{concept.id}: captions: inversion: holds the finding's name: {telling[0]!r}; describe it only"
        )
    others = tuple(known) if known is not None else domain.others(concept)
    if not others:
        raise InputError(f"{concept.id}: no known finding of {domain.title} to tell it apart from")
    spoken = domain.words_for(concept)

    def asked(finding: Concept) -> tuple[str, ...]:
        return (finding.name, *(template.format(finding=finding.name) for template in spoken.templates))

    own = (*named(concept.name, described), *asked(concept), *described)
    negatives = [text for other in others for text in (*asked(other), *other.texts("inversion")[:1])]
    prompts = tuple(spoken.templates[0].format(finding=other.name) for other in others)
    captions = ((other.texts("inversion") or other.texts("prompt"))[0] for other in others)
    return Vocabulary(
        name=concept.name,
        described=described,
        own=tuple(dict.fromkeys(own)),
        others=tuple(dict.fromkeys((*negatives, *spoken.normal))),
        prompt=spoken.templates[0].format(finding=concept.name),
        known_prompts=prompts,
        known=tuple(other.id for other in others),
        rehearsed=(*captions, spoken.normal[0], *prompts),
        drawn=_drawn(concept, domain),
    )


def _drawn(concept: Concept, domain: Domain) -> DomainName | None:
    body = concept.body if concept.body in domain.words else domain.default_body
    return next((name for name in DOMAINS if name == domain.name and DRAWN_BODY[name] == body), None)

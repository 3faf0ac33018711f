"""What a text tower makes of the words: cut off, unknown words, nearest known findings, and a forecast.

No image is looked at and nothing is learnt, so this is instant. It is a forecast and no measurement: what a concept
gained is told by its audit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from medkt.concepts.concept import Concept
from medkt.concepts.document import Document
from medkt.concepts.lint import places, problem_at
from medkt.concepts.problem import Problem

MOST_PIECES = 5
"""A word in more pieces was not in the tokenizer's training text often enough to have a meaning of its own."""

_ALIEN = "☃"  # in no medical text: what a tokenizer makes of it is what it makes of the unknown
_FEWEST_KNOWN = 4


@runtime_checkable
class TextEncoder(Protocol):
    """What is asked of an encoder; any `medkt.models.encoder.DualEncoder` has it."""

    @property
    def spec(self) -> Any: ...
    def tokenize(self, texts: Sequence[str]) -> Any: ...
    def encode_text(self, tokens: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A known concept and the cosine of its description with the one asked about."""

    id: str
    name: str
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How the words of a concept lie among those of known findings, in one text tower.

    Attributes:
        id: the concept.
        model: whose text tower.
        nearest: known concepts, the nearest first.
        margin: 1 less the cosine of the description with the nearest known one's; 0 says the same, 1 has nothing in
            common. A description is the mean of the unit vectors of the inversion captions, of the prompts where
            there are none.
        usual: the same margin of the known concepts among themselves: 10th, 50th and 90th percentile.
        name_rank: where the bare name comes among the known names by likeness to the description; 1 is nearest.
        names: how many names were compared, its own among them.
        sentence: all this in words.
    """

    id: str
    model: str
    nearest: tuple[Neighbour, ...]
    margin: float
    usual: tuple[float, float, float]
    name_rank: int
    names: int
    sentence: str


def lint_with(encoder: TextEncoder, document: Document) -> tuple[Problem, ...]:
    """Captions whose end is cut off (errors), and words that the tokenizer does not know or shatters (warnings)."""
    found = list(places(document))
    cut = encoder.tokenize([place.text for place in found]).truncated if found else ()
    problems = [
        problem_at(
            document, place.steps, "cut-off", "error",
            f"is longer than the {encoder.spec.text_length} tokens that {encoder.spec.name} reads; its end is lost",
            "shorten it, or split it into captions",
        )
        for place, is_cut in zip(found, cut, strict=True) if is_cut
    ]  # fmt: skip
    words = sorted({word for place in found for word in _words(place.text)})
    pieces = pieces_of(encoder, words)
    for place in found:
        for word in dict.fromkeys(_words(place.text)):
            if pieces[word] == 0 or pieces[word] > MOST_PIECES:
                how = "does not know" if pieces[word] == 0 else f"breaks into {pieces[word]} pieces"
                message = f"{encoder.spec.name} {how} {word!r}"
                remedy = "a plainer word may say more to this model"
                problems.append(problem_at(document, place.steps, "unknown-word", "warning", message, remedy))
    return tuple(problems)


def pieces_of(encoder: TextEncoder, words: Sequence[str]) -> Mapping[str, int]:
    """Into how many tokens each word falls; 0 for one that becomes the tokenizer's token for the unknown."""
    rows = _rows(encoder, ["", _ALIEN, *words])
    empty, alien = rows[0], rows[1]
    unknown = alien if len(alien) == len(empty) + 1 else None  # byte tokenizers know no unknown
    return {
        word: 0 if row == unknown else len(row) - len(empty) for word, row in zip(words, rows[2:], strict=True)
    }  # fmt: skip


def forecast(encoder: TextEncoder, concept: Concept, known: Sequence[Concept], *, most: int = 3) -> Forecast | None:
    """Where the words of a concept lie among those of known concepts; None where fewer than four are known.

    Args:
        encoder: whose text tower is asked.
        concept: the words in question.
        known: what to compare with. The concept itself, related ones, and others of its name are passed over.
        most: how many neighbours to name.
    """
    others = [other for other in known if not _same(concept, other)]
    if len(others) < _FEWEST_KNOWN:
        return None
    described = np.stack([_description(encoder, one) for one in (concept, *others)])
    cosines = described[1:] @ described[0]
    order = np.argsort(-cosines, kind="stable")
    nearest = tuple(
        Neighbour(id=others[i].id, name=others[i].name, cosine=round(float(cosines[i]), 4)) for i in order[:most]
    )  # fmt: skip
    margin = 1 - nearest[0].cosine
    usual = _usual(described[1:], others)
    names = _embed(encoder, [concept.name, *(other.name for other in others)]) @ described[0]
    rank = 1 + int((names[1:] > names[0]).sum())
    return Forecast(
        id=concept.id, model=encoder.spec.name, nearest=nearest, margin=round(margin, 4), usual=usual, name_rank=rank,
        names=len(names), sentence=_sentence(encoder.spec.name, margin, usual, nearest[0], rank, len(names)),
    )  # fmt: skip


def _sentence(
    model: str, margin: float, usual: tuple[float, float, float], nearest: Neighbour, rank: int, names: int
) -> str:
    """The forecast in words; it says what it is."""
    said = f"nearest is {nearest.name} ({nearest.id}), margin {margin:.2f} (known findings: {usual[0]:.2f} to {usual[2]:.2f})"
    if margin < usual[0]:
        said += f": to {model} the words say much the same; expect it to confuse the two, and say what tells them apart"
    elif margin > usual[2]:
        said += f": far from all that {model} has words for; it may not know these words, look at the inverted images"
    else:
        said += ": told apart as known findings are from one another"
    said += f". The bare name ranks {rank} of {names} names for this description"
    said += ", so the words fit it already" if rank == 1 else ", so the name has to be learnt from the captions"
    return said + ". A forecast from the text tower alone: no image was looked at."


def _usual(described: Float[np.ndarray, "known width"], known: Sequence[Concept]) -> tuple[float, float, float]:
    cosines = described @ described.T
    for i, one in enumerate(known):
        for j, other in enumerate(known):
            if _same(one, other):
                cosines[i, j] = -np.inf
    margins = 1 - cosines.max(axis=1)
    low, middle, high = np.percentile(margins[np.isfinite(margins)], [10, 50, 90])
    return round(float(low), 4), round(float(middle), 4), round(float(high), 4)


def _same(one: Concept, other: Concept) -> bool:
    related = one.id in other.related or other.id in one.related
    return one.id == other.id or related or one.name.lower() == other.name.lower()


def _description(encoder: TextEncoder, concept: Concept) -> Float[np.ndarray, " width"]:
    mean = _embed(encoder, concept.texts("inversion") or concept.texts()).mean(axis=0)
    unit: NDArray[Any] = mean / np.linalg.norm(mean)
    return unit


def _embed(encoder: TextEncoder, texts: Sequence[str]) -> Float[np.ndarray, "texts width"]:
    features = encoder.encode_text(encoder.tokenize(list(texts))).detach().cpu().numpy().astype(np.float64)
    unit: NDArray[Any] = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit


def _rows(encoder: TextEncoder, texts: Sequence[str]) -> list[list[int]]:
    tokens = encoder.tokenize(list(texts))
    return [
        [int(i) for i, here in zip(ids, mask, strict=True) if here]
        for ids, mask in zip(tokens.ids.tolist(), tokens.mask.tolist(), strict=True)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())

"""What is wrong with the words of a concepts file, or could be: without a model, by lists of words alone.

What the schema allows may still teach a model nothing: a negation, who has the disease, the vocabulary of another
way of imaging, two looks that exclude each other. The lists are data (`radiology_captions/lint.yaml`); each finding
says the line and the remedy. What an encoder makes of the words is `medkt.concepts.encoder_lint`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from medkt.concepts.catalogue import concepts
from medkt.concepts.concept import ROLES, Role, mentions
from medkt.concepts.document import Document, Steps
from medkt.concepts.lexicon import lexicon
from medkt.concepts.problem import Problem, Severity
from medkt.concepts.schema import check
from medkt.concepts.skeleton import PLACEHOLDER

MOST_WORDS = 45
"""Of a caption: about 60 tokens, and CLIP's text tower reads 77."""

# Where a phrase ends: one thing is described between two of these.
_BREAK = re.compile(
    r"[,;:.()]|\b(?:with|in|at|of|and|or|inside|within|below|beside|behind|along|between|on|near|from|to|into|by|across|"
    r"against|around|over|through|throughout|under|above|towards|that|which|whose|where|while|like|as|is|are|lies?|"
    r"reach(?:es)?|hides?|fills?|meets?|holds?|holding|encloses?|surrounds?|surrounded|enclosed|showing|crossed|than)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One caption of a file: its words, what for, and where it stands."""

    steps: Steps
    role: Role
    text: str
    names: tuple[str, ...]


def lint(
    document: Document, *, windows: Mapping[str, Collection[str]] | None = None,
    bodies: Mapping[str, Collection[str]] | None = None,
) -> tuple[Problem, ...]:  # fmt: skip
    """All that the schema and the word lists find, in the order of lines.

    Args:
        document: the file.
        windows: the display windows that each modality has; not checked without.
        bodies: the parts of the body that each modality has words for; not checked without.
    """
    broken = check(document)
    found = list(broken)
    head = ("", "concepts", "sources", "modality", "licence", "author")
    if not any(problem.field in head for problem in broken):
        found += _words(document)
        found += _whole(document, windows or {}, bodies or {})
    return tuple(sorted(found, key=lambda problem: problem.line))


def places(document: Document) -> Iterator[Place]:
    """Every caption that is text, in file order; what the schema refuses is passed over."""
    for index, entry in enumerate(document.raw["concepts"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("captions"), dict):
            continue
        given = [entry.get("name"), *_list(entry.get("synonyms"))]
        names = tuple(name for name in given if isinstance(name, str) and name.strip())
        for role in ROLES:
            for number, text in enumerate(_list(entry["captions"].get(role))):
                if isinstance(text, str):
                    steps = ("concepts", index, "captions", role, number)
                    yield Place(steps=steps, role=role, text=text, names=names)


def problem_at(document: Document, steps: Steps, rule: str, level: Severity, message: str, remedy: str) -> Problem:
    """A problem at a place of the file."""
    line, field = document.line(steps), document.field(steps)
    return Problem(
        path=document.path, line=line, field=field, rule=rule, level=level, message=message, remedy=remedy
    )  # fmt: skip


def errors_of(text: str, *, role: Role, names: tuple[str, ...], modality: str) -> tuple[str, ...]:
    """What `lint` would call an error of one caption, before there is a file: a sentence each; empty where nothing is."""
    place = Place(steps=(), role=role, text=text, names=names)
    return tuple(message for _, level, message, _ in _of_caption(place, modality) if level == "error")


def _words(document: Document) -> Iterator[Problem]:
    for place in places(document):
        for rule, level, message, remedy in _of_caption(place, document.raw["modality"]):
            yield problem_at(document, place.steps, rule, level, message, remedy)


def _of_caption(place: Place, modality: str) -> Iterator[tuple[str, Severity, str, str]]:
    if PLACEHOLDER in place.text:
        yield "placeholder", "error", f"still holds {PLACEHOLDER}", "write the words, or remove the line"
        return
    # An image is made from the first two; a prompt or a contrast only has to be told from others.
    severe: Severity = "error" if place.role in ("inversion", "finetune") else "warning"
    for terms in lexicon().never:
        level = "warning" if terms.rule == "hedge" else severe
        for word in terms.in_text(_without(place)):
            yield terms.rule, level, f"holds {word!r}", terms.remedy
    for terms in lexicon().foreign if modality else ():
        if modality not in terms.at_home:
            for word in terms.in_text(_without(place)):
                yield terms.rule, "error", f"holds {word!r}, which is no word of {modality}", terms.remedy
    for look in lexicon().looks:
        if modality in look.modalities and (match := look.against.search(place.text)):
            message = f"says {match.group()!r}; in {modality} that is {look.look}"
            yield "contradiction", "error", message, "correct the brightness or the modality"
    for one, other, close in _opposed(place.text):
        level = "error" if close else "warning"
        yield "contradiction", level, f"says {one!r} and {other!r} of one thing", "keep one of them"
    number = len(place.text.split())
    if number > MOST_WORDS:
        message = f"has {number} words; most encoders cut off after about {MOST_WORDS}"
        yield "long", "warning", message, "put the visible first, or split it into captions"
    if place.role in ("finetune", "prompt") and not mentions(place.text, place.names):
        message = "does not hold the name of the finding"
        yield "name-missing", "warning", message, "a model learns the name from the captions that join it to the look"


def _without(place: Place) -> str:
    """The caption less the finding's own name: "white matter hyperintensities" may be called that."""
    text = place.text
    for name in sorted(place.names, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}(s|es)?\b", " ", text, flags=re.IGNORECASE)
    return text


def _opposed(text: str) -> Iterator[tuple[str, str, bool]]:
    """Pairs of words that exclude each other and are said of one thing, and whether beyond doubt.

    Side by side in one phrase ("a tiny large spot") there is no doubt; further apart in it, or of one noun in two
    phrases ("a sharp margin ... a hazy margin"), a human reader has to decide.
    """
    phrases = [words for words in (re.findall(r"[\w-]+", part.lower()) for part in _BREAK.split(text)) if words]
    if any(word in lexicon().mixed for words in phrases for word in words):
        return
    for left, right in lexicon().opposites:
        for words in phrases:
            for i, j in _pairs(words, words, left, right):
                yield words[i], words[j], abs(i - j) <= 2
        for one, other in permutations(phrases, 2):
            if one[-1] == other[-1] and one[-1] not in left | right:
                for i, j in _pairs(one, other, left, right):
                    yield one[i], other[j], False


def _pairs(one: list[str], other: list[str], left: frozenset[str], right: frozenset[str]) -> Iterator[tuple[int, int]]:
    i = next((i for i, word in enumerate(one) if word in left), None)
    j = next((j for j, word in enumerate(other) if word in right), None)
    if i is not None and j is not None:
        yield i, j


def _whole(
    document: Document, windows: Mapping[str, Collection[str]], bodies: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    raw = document.raw
    for key in ("licence", "author"):
        if not raw[key].strip() or PLACEHOLDER in raw[key]:
            message = f"the {key} of the words is not stated"
            yield problem_at(
                document, (key,), "unstated", "warning", message, "others may only use what says who and how"
            )
    here = {entry.get("id") for entry in raw["concepts"] if isinstance(entry, dict)}
    for index, entry in enumerate(raw["concepts"]):
        if not isinstance(entry, dict):
            continue
        at: Steps = ("concepts", index)
        for key, known in (("window", windows), ("body", bodies)):
            named = entry.get(key, "")
            if named and known.get(raw["modality"]) and named not in known[raw["modality"]]:
                message = f"{raw['modality']} has no {key} {named!r}"
                advice = f"it has {', '.join(known[raw['modality']])}"
                yield problem_at(document, (*at, key), "unknown-name", "error", message, advice)
        if PLACEHOLDER in str(entry.get("name")):
            message = f"still holds {PLACEHOLDER}"
            yield problem_at(document, (*at, "name"), "placeholder", "error", message, "write the finding's name")
        yield from _kept(document, at, entry, here | set(concepts()))


def _kept(document: Document, at: Steps, entry: dict[str, object], known: Collection[object]) -> Iterator[Problem]:
    for number, other in enumerate(_list(entry.get("related"))):
        if other not in known or other == entry.get("id"):
            message = f"relates to {other!r}, which is " + (
                "itself" if other == entry.get("id") else "no known concept"
            )
            yield problem_at(document, (*at, "related", number), "unknown-name", "error", message, "name another's id")
    captions = entry.get("captions")
    for role in ("inversion", "finetune"):
        if isinstance(captions, dict) and not captions.get(role):
            message = f"has no caption for {role}"
            yield problem_at(document, (*at, "captions"), "no-caption", "warning", message, "`medkt learn` needs one")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []

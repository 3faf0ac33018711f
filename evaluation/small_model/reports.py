"""Training reports of phantoms: many ways to say what an image shows, each with what it claims.

A report says some of the attributes of an image, in varied words and order, or its name, or both. What it says is
kept beside the text as claims, so that training can tell a report that merely comes from another image from one
that does not fit. The names of held-out findings and the words that only they use are in no report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medkt.errors import InputError
from medkt.phantom.descriptions import (
    HELD_BACK_FRAMES,
    INTENSITY,
    MARGIN,
    MODALITY,
    NUMBER,
    PLACE,
    SHAPE,
    SIDE,
    SIZE,
    TEXTURE,
)
from medkt.phantom.finding import Attributes, DomainName, Finding, find, findings_of, held_out_identities

Claims = Mapping[str, frozenset[str]]
"""What a text says: attribute name to the values it allows. "domain" and "finding" are attributes here too."""

ATTRIBUTES = ("shape", "margin", "intensity", "texture", "size", "number", "place", "side")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One text and what it claims of the image. A normal report claims the finding ""."""

    text: str
    claims: Claims = field(default_factory=dict)


NOUN: Mapping[DomainName, tuple[str, ...]] = {
    "cxr": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
    "ct": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
    "mri": ("lesion", "abnormality", "focus", "area", "signal abnormality", "finding"),
    "ultrasound": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
}


# Sentence frames of training reports; {m} a modality, {d} what is seen.
_FRAMES = ("{m} showing {d}", "{m}: {d}", "{d}", "{d}", "{d} on {m}", "there is {d}", "{m} with {d}", "{m} shows {d}",
           "findings: {d}", "{m} demonstrates {d}", "the {m} reveals {d}", "image of {d}", "presence of {d}",
           "{d} is seen on the {m}")  # fmt: skip
_NAME_FRAMES = ("{n}", "{n}", "{n}", "{m} showing {n}", "{m}: {n}", "{m} with {n}", "there is {n}", "findings: {n}",
                "diagnosis: {n}", "{n} on {m}", "image of {n}", "impression: {n}")  # fmt: skip
_BOTH_FRAMES = (
    "{n}: {d}",
    "{n}, {d}",
    "a {n} is {d}",
    "{n} is {d}",
    "{m} showing {n}, {d}",
    "{d}, {n}",
    "{n} appears as {d}",
    "{n} seen as {d}",
    "{d} consistent with {n}",
    "{m}: {n}, {d}",
    "{n} ({d})",
)
_NORMAL: Mapping[DomainName, tuple[str, ...]] = {
    "cxr": ("the lungs are clear", "clear lungs and a heart of normal size", "no opacity in the lungs"),
    "ct": ("the lungs are clear", "normal lungs and mediastinum", "no focal change in the lungs"),
    "mri": ("normal brain", "the brain is normal", "normal brain and ventricles", "no focal signal abnormality"),
    "ultrasound": ("normal breast tissue", "the breast tissue is normal", "no solid or fluid-filled focus"),
}
_NORMAL_ANY = ("normal {m}", "no abnormality", "normal", "{m} without abnormality", "no lesion is seen on the {m}",
               "unremarkable {m}", "no finding", "{m}: normal", "healthy, no lesion", "{m} with no abnormality",
               "there is no lesion", "nothing abnormal")  # fmt: skip
_NORMAL_FRAMES = ("{d}", "{m}: {d}", "findings: {d}", "{m} showing that {d}", "normal {m}, {d}")


def held_out_names() -> tuple[str, ...]:
    """Names and synonyms, in lower case, that no report may hold."""
    held = [f for d in MODALITY for f in findings_of(d, held_out=True)]
    return tuple(name.lower() for f in held for name in (f.name, *f.synonyms))


def describe(
    attributes: Attributes, rng: np.random.Generator, domain: DomainName, *, known: Sequence[str] = ATTRIBUTES
) -> Report:
    """A description without a name: a random subset of the attributes in random words and order.

    Args:
        attributes: what the image shows.
        rng: chooses words, order and subset.
        domain: whose words for intensity and place are used.
        known: attributes that may be mentioned.

    Raises:
        InputError: the attributes are those of a held-out finding.
    """
    _refuse_held_out(attributes, domain)
    keep = _subset(attributes, rng, known)
    phrase = _phrase(attributes, keep, rng, domain)
    text, claims = _in_frame(str(rng.choice(_FRAMES)), rng, domain, d=phrase)
    return Report(text=text, claims=claims | _claims(attributes, keep))


def name_report(finding: Finding, rng: np.random.Generator) -> Report:
    """A report that gives the finding's name or a synonym and nothing else.

    Raises:
        InputError: the finding is held out.
    """
    _refuse_held_out(finding, finding.domain)
    text, claims = _in_frame(str(rng.choice(_NAME_FRAMES)), rng, finding.domain, n=_name(finding, rng))
    return Report(text=text, claims=claims | {"finding": frozenset({finding.id})})


def framed_name(name: str, modalities: Sequence[str], rng: np.random.Generator) -> str:
    """Any name in a sentence frame of training, for images that are no phantoms."""
    return str(rng.choice(_NAME_FRAMES)).format(n=name, m=str(rng.choice(list(modalities))))


def name_and_description(
    finding: Finding, attributes: Attributes, rng: np.random.Generator, *, known: Sequence[str] = ATTRIBUTES
) -> Report:
    """A report with the name and a description, in either order.

    Raises:
        InputError: the finding is held out.
    """
    _refuse_held_out(finding, finding.domain)
    keep = _subset(attributes, rng, known)
    phrase = _phrase(attributes, keep, rng, finding.domain)
    frame = str(rng.choice(_BOTH_FRAMES))
    text, claims = _in_frame(frame, rng, finding.domain, n=_name(finding, rng), d=phrase)
    return Report(text=text, claims=claims | _claims(attributes, keep) | {"finding": frozenset({finding.id})})


def normal_report(rng: np.random.Generator, domain: DomainName) -> Report:
    """A report of an image without a finding."""
    if rng.random() < 0.55:
        text, claims = _in_frame(str(rng.choice(_NORMAL_ANY)), rng, domain)
    else:
        text, claims = _in_frame(str(rng.choice(_NORMAL_FRAMES)), rng, domain, d=str(rng.choice(_NORMAL[domain])))
        claims = {"domain": frozenset({domain})}
    return Report(text=text, claims=claims | {"finding": frozenset({""})})


def training_report(
    finding: str, attributes: Attributes | None, rng: np.random.Generator, domain: DomainName,
    *, known: Sequence[str] = ATTRIBUTES,
) -> Report:  # fmt: skip
    """A random report of one phantom: of a named one its description, its name, or both."""
    if attributes is None:
        return normal_report(rng, domain)
    kind = rng.random()
    if finding == "unnamed" or kind < 0.45:
        return describe(attributes, rng, domain, known=known)
    if kind < 0.75:
        return name_report(find(finding), rng)
    return name_and_description(find(finding), attributes, rng, known=known)


def canonical_normals(domain: DomainName) -> tuple[str, ...]:
    """Test captions of a normal image, in the held-back frames."""
    return tuple(
        frame.format(m=MODALITY[domain][i % 2], d="no lesion" if i % 2 else "no abnormality")
        for i, frame in enumerate(HELD_BACK_FRAMES)
    )


def altered(
    attributes: Attributes, rng: np.random.Generator, domain: DomainName, *, known: Sequence[str] = ATTRIBUTES
) -> Report | None:
    """A description in which one or two attributes are not the image's own; None if no such one is allowed."""
    forbidden = held_out_identities(domain)
    choices: Mapping[str, Sequence[str]] = {
        "shape": tuple(SHAPE)[:7], "margin": tuple(MARGIN), "intensity": tuple(INTENSITY[domain]),
        "texture": tuple(TEXTURE), "size": tuple(SIZE), "number": tuple(NUMBER), "place": tuple(PLACE[domain]),
        "side": ("left", "right"),
    }  # fmt: skip
    can = [a for a in known if a != "side" or attributes.side in ("left", "right")]
    weights = np.array([{"shape": 3.0, "texture": 3.0, "intensity": 2.0}.get(a, 1.0) for a in can])
    for _ in range(8):
        changed = [
            str(a) for a in rng.choice(can, 1 + int(rng.random() < 0.3), replace=False, p=weights / weights.sum())
        ]
        new = {a: getattr(attributes, a) for a in ATTRIBUTES}
        for name in changed:
            new[name] = str(rng.choice([v for v in choices[name] if v != new[name]]))
        other = Attributes(**new)
        if other.identity in forbidden:
            continue
        keep = _subset(other, rng, known) | set(changed)
        text, claims = _in_frame(str(rng.choice(_FRAMES)), rng, domain, d=_phrase(other, keep, rng, domain))
        return Report(text=text, claims=claims | _claims(other, keep))
    return None


def _refuse_held_out(shown: Attributes | Finding, domain: DomainName) -> None:
    if shown.identity in held_out_identities(domain):
        raise InputError(f"{shown.identity} is held out of training in domain {domain}: no report may describe it")


def _name(finding: Finding, rng: np.random.Generator) -> str:
    return finding.name if rng.random() < 0.6 or not finding.synonyms else str(rng.choice(finding.synonyms))


def _subset(attributes: Attributes, rng: np.random.Generator, known: Sequence[str]) -> set[str]:
    """Which attributes to mention: mostly the telling ones, now and then only a few."""
    likely = {"shape": 0.9, "margin": 0.6, "intensity": 0.9, "texture": 0.8, "size": 0.55, "number": 0.7}
    likely |= {"place": 0.6, "side": 0.5}
    scale = 1.0 if rng.random() < 0.75 else 0.6
    keep = {a for a in known if rng.random() < likely[a] * scale}
    if attributes.texture == "uniform" and rng.random() < 0.3:
        keep.discard("texture")  # reports often leave out what is not remarkable
    if attributes.side not in SIDE:
        keep.discard("side")
    return keep or {"shape", "intensity"} & set(known)


def _claims(attributes: Attributes, keep: set[str]) -> dict[str, frozenset[str]]:
    return {a: frozenset({getattr(attributes, a)}) for a in keep}


def _in_frame(
    frame: str, rng: np.random.Generator, domain: DomainName, **parts: str
) -> tuple[str, dict[str, frozenset[str]]]:
    text = frame.format(m=str(rng.choice(MODALITY[domain])), **parts)
    claims = {"domain": frozenset({str(domain)})} if "{m}" in frame else {}
    return (text + "." if rng.random() < 0.3 else text), claims


def _phrase(attributes: Attributes, keep: set[str], rng: np.random.Generator, domain: DomainName) -> str:
    if rng.random() < 0.12:
        return _keyword_phrase(attributes, keep, rng, domain)
    before: list[str] = []
    after: list[str] = []
    for name, words in (("shape", SHAPE), ("margin", MARGIN), ("texture", TEXTURE), ("size", SIZE)):
        if name in keep:
            adjectives, clauses = words[getattr(attributes, name)]
            (before if rng.random() < 0.55 else after).append("")
            target = before if before and before[-1] == "" else after
            target[-1] = str(rng.choice(adjectives if target is before else clauses))
    if "intensity" in keep:
        word = str(rng.choice(INTENSITY[domain][attributes.intensity]))
        before.append(word) if rng.random() < 0.8 else after.append(f"that is {word}")
    where = []
    if "place" in keep:
        where.append(str(rng.choice(PLACE[domain][attributes.place])))
    if "side" in keep:
        where.append(str(rng.choice(SIDE[attributes.side])))
    rng.shuffle(before)
    rng.shuffle(after)
    rng.shuffle(where)
    tail = [*after, *where] if rng.random() < 0.75 else [*where, *after]
    plural = "number" in keep and attributes.number != "single"
    noun = str(rng.choice(NOUN[domain]))
    count = str(rng.choice(NUMBER[attributes.number])) if "number" in keep else str(rng.choice(("", "a")))
    return _join(count, before, _plural(noun) if plural else noun, tail, rng)


def _join(count: str, before: list[str], noun: str, tail: list[str], rng: np.random.Generator) -> str:
    comma = ", " if rng.random() < 0.4 else " "
    head = comma.join(before)
    if count == "a" and (head or noun)[0] in "aeiou":
        count = "an"
    words = [w for w in (count, head, noun) if w]
    joined = " ".join(words)
    link = ", " if rng.random() < 0.35 else " "
    return joined + "".join(link + t for t in tail)


def _keyword_phrase(attributes: Attributes, keep: set[str], rng: np.random.Generator, domain: DomainName) -> str:
    """A list of key words instead of a sentence: "round, sharp margin, bright"."""
    said = []
    for name, words in (("shape", SHAPE), ("margin", MARGIN), ("texture", TEXTURE), ("size", SIZE)):
        if name in keep:
            adjectives, clauses = words[getattr(attributes, name)]
            said.append(str(rng.choice(adjectives if rng.random() < 0.6 else clauses)))
    if "intensity" in keep:
        said.append(str(rng.choice(INTENSITY[domain][attributes.intensity])))
    if "number" in keep:
        said.append({"single": "single", "several": "several", "many": "many"}[attributes.number])
    if "place" in keep:
        said.append(str(rng.choice(PLACE[domain][attributes.place])))
    if "side" in keep:
        said.append(str(rng.choice(SIDE[attributes.side])))
    rng.shuffle(said)
    return ", ".join(said)


def _plural(noun: str) -> str:
    if noun == "focus":
        return "foci"
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"

"""Phantom findings in words: many ways to say what an image shows, each with what it claims.

A report says some of the attributes of an image, in varied words and order, or its name, or both. What it says is
kept beside the text as claims, so that training can tell a report that merely comes from another image from one
that does not fit. The names of held-out findings and the words that only they use are in no report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medkt.errors import InputError
from medkt.phantom.finding import Attributes, DomainName, Finding, find, findings_of, held_out_identities

Claims = Mapping[str, frozenset[str]]
"""What a text says: attribute name to the values it allows. "domain" and "finding" are attributes here too."""

ATTRIBUTES = ("shape", "margin", "intensity", "texture", "size", "number", "place", "side")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One text and what it claims of the image. A normal report claims the finding ""."""

    text: str
    claims: Claims = field(default_factory=dict)


MODALITY: Mapping[DomainName, tuple[str, ...]] = {
    "cxr": ("chest radiograph", "chest x-ray", "frontal chest film", "frontal chest radiograph", "radiograph of the chest",
            "cxr"),
    "ct": ("chest ct", "ct of the chest", "axial ct slice", "thoracic ct", "computed tomography of the chest", "ct scan"),
    "mri": ("brain mri", "mri of the brain", "axial brain mr image", "magnetic resonance image of the head", "head mri",
            "mr slice of the brain"),
    "ultrasound": ("breast ultrasound", "ultrasound of the breast", "breast sonogram", "sonography of the breast",
                   "breast us image", "ultrasound scan"),
}  # fmt: skip
NOUN: Mapping[DomainName, tuple[str, ...]] = {
    "cxr": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
    "ct": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
    "mri": ("lesion", "abnormality", "focus", "area", "signal abnormality", "finding"),
    "ultrasound": ("lesion", "abnormality", "focus", "area", "finding", "structure"),
}

# Each word of an attribute as (adjectives before the noun, clauses after it).
_Words = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
SHAPE: _Words = {
    "round": (("round", "rounded", "circular", "spherical"), ("of round shape", "with a circular outline")),
    "oval": (("oval", "ovoid", "elliptical", "egg-shaped"), ("of oval shape", "with an elliptical outline")),
    "lobulated": (("lobulated", "multilobulated", "lobular"),
                  ("of lobulated shape", "with a lobulated outline", "with several rounded lobes")),
    "irregular": (("irregular", "irregularly shaped", "misshapen"),
                  ("of irregular shape", "with an irregular outline")),
    "wedge": (("wedge-shaped", "triangular", "pyramidal"),
              ("shaped like a wedge", "of triangular shape", "with its base outward and its tip inward")),
    "crescent": (("crescent-shaped", "crescentic", "sickle-shaped"),
                 ("shaped like a crescent", "of crescentic shape")),
    "linear": (("linear", "band-like", "elongated"), ("shaped like a band", "of linear shape", "forming a line")),
    "layered": (("layered", "layering", "pooled"), ("with a fluid level", "collecting at the lowest point",
                "forming a layer")),
    "organ": (("enlarged organ-shaped", "organ-shaped"), ("in the shape of an enlarged organ",
              "as an organ larger than normal")),
}  # fmt: skip
MARGIN: _Words = {
    "sharp": (("sharply marginated", "well-defined", "well-circumscribed", "sharply defined", "clearly outlined"),
              ("with sharp margins", "with a well-defined border", "with a clear edge", "with smooth sharp borders")),
    "hazy": (("ill-defined", "hazy", "poorly marginated", "blurred", "indistinct"),
             ("with hazy margins", "with an ill-defined border", "with blurred edges", "with indistinct margins")),
    "spiculated": (("spiculated", "spiky", "stellate"),
                   ("with spiculated margins", "with spikes radiating from its edge", "with a star-like border",
                    "with radiating strands")),
}  # fmt: skip
TEXTURE: _Words = {
    "uniform": (("homogeneous", "uniform", "evenly filled"),
                ("of uniform texture", "homogeneous throughout its interior", "with an even interior")),
    "mottled": (("heterogeneous", "mottled", "patchy"),
                ("of mottled texture", "with a heterogeneous interior", "with a blotchy interior")),
    "hollow": (("hollow", "shell-like"),
               ("with a hollow centre", "with an empty centre", "with a wall around a hollow core",
                "with a rim and a hollow interior")),
    "septated": (("septated", "compartmented", "multiseptated"),
                 ("with internal septa", "divided by thin walls", "with inner partitions")),
    "stippled": (("stippled", "speckled", "dotted"),
                 ("with stippled dots inside", "with speckled bright dots", "of stippled texture")),
    "streaked": (("streaked", "striped", "striated"),
                 ("with streaks inside", "with parallel stripes", "of streaked texture")),
}  # fmt: skip
SIZE: _Words = {
    "tiny": (("tiny", "minute", "punctate", "pinpoint"), ("of tiny size", "only a few millimetres across")),
    "small": (("small", "little", "small-sized"), ("of small size",)),
    "medium": (("medium-sized", "moderate-sized", "mid-sized"), ("of medium size", "of moderate size")),
    "large": (("large", "big", "extensive", "sizeable"), ("of large size", "of great extent")),
}
_BRIGHT = ("bright", "white", "light")
_DARK = ("dark", "black")
_VERY_BRIGHT = ("very bright", "intensely white", "extremely bright")
_FAINT = ("faint", "slightly bright", "subtle", "pale")
INTENSITY: Mapping[DomainName, Mapping[str, tuple[str, ...]]] = {
    "cxr": {"bright": (*_BRIGHT, "dense", "opaque", "radiopaque"), "dark": (*_DARK, "lucent", "radiolucent"),
            "very_bright": (*_VERY_BRIGHT, "calcified", "metal-dense"), "faint": (*_FAINT, "faintly opaque")},
    "ct": {"bright": (*_BRIGHT, "dense", "hyperdense", "soft-tissue-dense"), "dark": (*_DARK, "hypodense", "lucent"),
           "very_bright": (*_VERY_BRIGHT, "calcified", "markedly hyperdense"), "faint": (*_FAINT, "faintly dense")},
    "mri": {"bright": (*_BRIGHT, "hyperintense", "high-signal"), "dark": (*_DARK, "hypointense", "low-signal"),
            "very_bright": (*_VERY_BRIGHT, "markedly hyperintense"), "faint": (*_FAINT, "mildly hyperintense")},
    "ultrasound": {"bright": (*_BRIGHT, "hyperechoic", "echogenic"), "dark": (*_DARK, "anechoic", "echo-free"),
                   "very_bright": (*_VERY_BRIGHT, "calcified", "strongly echogenic"),
                   "faint": ("faint", "grey", "hypoechoic", "subtle", "slightly darker")},
}  # fmt: skip
NUMBER: Mapping[str, tuple[str, ...]] = {
    "single": ("a", "a", "a", "one", "a single", "a solitary", "an isolated"),
    "several": ("several", "a few", "two to four", "some", "multiple"),
    "many": ("many", "numerous", "countless", "innumerable", "a great number of"),
}
PLACE: Mapping[DomainName, Mapping[str, tuple[str, ...]]] = {
    "cxr": {
        "upper": ("in the upper zone", "in the upper lung field", "in the upper part of the lung"),
        "middle": ("in the middle zone", "in the mid lung field", "in the middle part of the lung"),
        "lower": ("in the lower zone", "in the lower lung field", "at the base of the lung"),
        "lateral": ("at the lateral chest wall", "in the lateral lung", "along the outer edge of the lung"),
        "apical": ("at the apex of the lung", "in the apical region"),
        "central": ("in the centre of the chest", "in the central region"),
        "throughout": ("throughout both lungs", "scattered over both lungs", "diffusely in the lungs"),
    },
    "ct": {
        "upper": ("in the upper part of the lung", "in the upper zone", "at an upper level of the lung"),
        "middle": ("in the middle part of the lung", "in the middle zone", "at a middle level of the lung"),
        "lower": ("in the lower part of the lung", "in the lower zone", "at a lower level of the lung"),
        "central": ("in the central region", "near the mediastinum", "in the centre of the chest"),
        "peripheral": ("in the peripheral lung", "near the pleura", "in the periphery"),
        "posterior": ("posteriorly", "at the back of the chest", "in the posterior region"),
        "throughout": ("throughout both lungs", "scattered over both lungs", "diffusely in the lungs"),
    },
    "mri": {
        "deep": ("deep in the brain", "in the deep grey and white matter", "in a deep location"),
        "lobar": ("in a lobe of the brain", "in a lobar location", "in the lobar white matter"),
        "peripheral": ("at the periphery of the brain", "at the surface of the brain", "in a peripheral location"),
        "periventricular": ("beside the ventricles", "in the periventricular white matter", "around the ventricles"),
        "central": ("in the centre of the brain", "in the central region", "at the midline"),
    },
    "ultrasound": {
        "superficial": ("just below the skin", "in the superficial layer", "near the transducer"),
        "middle": ("in the middle layer", "at middle depth", "in the middle of the breast"),
        "deep": ("in the deep layer", "deep in the breast", "near the chest wall"),
    },
}
SIDE: Mapping[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "left-sided", "in the left half"),
    "right": ("on the right", "on the right side", "right-sided", "in the right half"),
    "both": ("on both sides", "bilaterally", "on the left and the right"),
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
HELD_BACK_FRAMES = ("an example of {d} in a {m}", "in this {m} one notes {d}", "a patient's {m} depicting {d}",
                    "observe {d} in the {m}", "the examination, a {m}, contains {d}")  # fmt: skip
"""Frames of test captions only: no training report has one of them."""
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


def canonical_description(finding: Finding) -> str:
    """The first of `canonical_descriptions`."""
    return canonical_descriptions(finding)[0]


def canonical_descriptions(finding: Finding) -> tuple[str, ...]:
    """Test captions of a finding, held out or not: all its attributes but no name, in sentence frames that training
    never uses.

    Example:
        >>> canonical_description(find("cxr_cavity")).startswith("an example of a ")
        True
    """
    made = []
    for index, frame in enumerate(HELD_BACK_FRAMES):
        phrase = _canonical_phrase(finding, index)
        made.append(frame.format(m=MODALITY[finding.domain][index % 2], d=phrase))
    return tuple(made)


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


def _canonical_phrase(finding: Finding, index: int) -> str:
    """All attributes in a fixed order; the index picks among the words."""

    def pick(words: Sequence[str]) -> str:
        return words[index % len(words)]

    size = " or ".join(pick(SIZE[s][0]) for s in finding.size)
    adjectives = [size, pick(INTENSITY[finding.domain][finding.intensity]), pick(SHAPE[finding.shape][0])]
    tail = [pick(MARGIN[finding.margin][1]), pick(TEXTURE[finding.texture][1])]
    if len(finding.place) == 1:
        tail.append(pick(PLACE[finding.domain][finding.place[0]]))
    plural = finding.number != "single"
    count = "a" if not plural else pick(NUMBER[finding.number])
    if count == "a" and adjectives[0][0] in "aeiou":
        count = "an"
    return f"{count} {', '.join(adjectives)} {'lesions' if plural else 'lesion'} {' '.join(tail)}"

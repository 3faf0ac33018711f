"""A sentence of a look cut to what a caption may hold: its parts that say something else are left out, each with the reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medkt.concepts.lexicon import attributes_in
from medkt.concepts.lint import errors_of
from medkt.concepts.prose.roles import first_way, is_denied, look_weight
from medkt.concepts.prose.words import SentenceRole, rewriting, role_words

MOST_WORDS = 26
"""Of a caption: about 40 tokens. The shortest context here is 48, and the name comes on top."""

_JOINT = re.compile(
    r"\s*(?:;|:|\s-\s|,\s*(?:and|or|but|yet|while|whereas|although|so that|because|since)?|"
    r"(?=\s(?:that|which|and)\s+(?:appears?|presents?|looks?|manifests?|is\s+seen|are\s+seen|shows?\s+up)\s)|"
    r"(?=\s(?:but|while|whereas|although|because|since|so that|owing to|due to|unless|which)\s)|"
    r"(?=\sand\s+(?:is|are|has|have|does|do|may|can|might|shows?|measures?|holds?|lies?|tends?|the|it|its|they|a|an|one|there|both|about|some|most|many|nearly|in|on)\b))\s*",
    re.IGNORECASE,
)
_LED = re.compile(r"^(?:and|or|but|yet|while|whereas|although)\s+", re.IGNORECASE)
_RELATIVE = re.compile(r"^(?:which|that|where|when|as)\b", re.IGNORECASE)
_APPEARS = re.compile(
    r"^(?:that|which|and)\s+(?P<verb>(?:appears?|presents?|looks?|manifests?|is|are|shows?)\b)", re.IGNORECASE
)
_LEADS = re.compile(
    r"^(?:if|when|where|after|before|during|in|on|at|with|by|as|once|because|since|although)\b", re.IGNORECASE
)
_EXCEPTION = re.compile(r"^\W*(?:although|though|albeit|except)\b", re.IGNORECASE)
_CLEARLY = 4
LEAST_LOOK = 2
"""Of words for a look, by weight, that a caption holds."""
_REASONS = {
    "foreign": "another way of imaging",
    "denied": "a denial",
    "other": "no word of a look",
    "exception": "an exception",
}
_OUTSIDE: tuple[SentenceRole, ...] = (
    "age",
    "frequency",
    "complaint",
    "treatment",
    "prognosis",
    "diagnosis",
    "differential",
    "cause",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """Words of a kept sentence that no caption holds, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One piece of a sentence with the joint before it: "" for the first, else such as ", " or ", and "."""

    joint: str
    text: str

    @property
    def leans(self) -> bool:
        """Whether it needs the piece before it: no subject of its own."""
        bare, lists = _LED.sub("", self.text), rewriting()
        if lists.leaning.match(bare):
            return True
        is_joined = bool(re.search(r"[a-z;]", self.joint + self.text[: len(self.text) - len(bare)]))
        return not (lists.subjects.match(bare) or (is_joined and lists.adjectives.match(bare)))


def parts_of(text: str) -> tuple[Clause, ...]:
    """The pieces of a sentence, which joined again are the sentence.

    >>> [part.text for part in parts_of("It is round, which is rare, and the edge is sharp")]
    ['It is round', 'which is rare', 'the edge is sharp']
    """
    pieces: list[Clause] = []
    start, joint = 0, ""
    for found in _JOINT.finditer(text):
        before = text[start : found.start()]
        clause = text[: found.start()] if "," in found.group() else before
        is_and = re.search(r"\band\b", found.group() + text[found.end() : found.end() + 4])
        lists_things = is_and and not rewriting().verbs.search(clause)
        if before.strip() and not lists_things:  # "one artery and one vein run" is one piece
            pieces.append(Clause(joint=joint, text=text[start : found.start()]))
            start, joint = found.end(), found.group()
    if text[start:].strip():
        pieces.append(Clause(joint=joint, text=text[start:]))
    return tuple(Clause(joint=part.joint, text=part.text.strip()) for part in pieces)


def kept_of(
    parts: tuple[Clause, ...], *, names: tuple[str, ...], modality: str, is_mixed: bool = False
) -> tuple[tuple[Clause, ...], tuple[Omission, ...]]:
    """The pieces that a caption may hold, and those left out with the reason; a piece that leans goes with what it leans on."""
    kept: list[Clause] = []
    out: list[Omission] = []
    fallen = False  # whether the clause that later pieces lean on was left out
    anchors = True  # whether the next piece is one that others lean on, whatever it begins with
    for number, part in enumerate(parts):
        leans = part.leans and not anchors
        reason = _REASONS["exception"] if _EXCEPTION.search(part.joint) else _reason(part.text, names, modality)
        if not reason and is_mixed and not is_clearly_look(part.text):
            reason = _REASONS["other"]
        if not reason and number and _RELATIVE.match(part.text) and look_weight(part.text) < LEAST_LOOK:
            reason = _REASONS["other"]
        if not reason and number == 0 and len(parts) > 1 and not look_weight(part.text) and not parts[1].leans:
            reason = _REASONS["other"]
        if not reason and leans and fallen and (appears := _APPEARS.match(part.text)):
            part = Clause(joint=part.joint, text=f"the lesion {part.text[appears.start('verb') :]}")
        elif not reason and leans and fallen:
            reason = "what it belongs to is left out"
        fallen = fallen if leans else bool(reason)
        # "If it is infected, a level forms": what comes next leans on nothing
        anchors = number == 0 and bool(reason) and _LEADS.match(part.text) is not None
        if reason and not (
            reason == _REASONS["other"] and first_way(part.text, modality) == modality
        ):  # "On CT" is no loss
            out.append(Omission(text=part.text, reason=reason))
        if reason:
            continue
        kept.append(part)
    return tuple(kept), tuple(out)


def joined(parts: tuple[Clause, ...]) -> str:
    """The pieces as one text."""
    said = ""
    for number, part in enumerate(parts):
        joint = re.sub(r"\s+", " ", part.joint) or " "
        said += part.text if number == 0 else f"{joint if joint.strip() else ' '}{part.text}"
    return _LED.sub("", " ".join(said.split())).strip(" ,;:-")


def captions_of(parts: tuple[Clause, ...], most_words: int = MOST_WORDS) -> Iterator[tuple[Clause, ...]]:
    """The pieces in groups of at most so many words; a new group begins with a piece that can stand alone."""
    group: list[Clause] = []
    for part in parts:
        fits = len(joined((*group, part)).split()) <= most_words
        if group and (not fits or _begins_anew(part)) and not part.leans:
            yield tuple(group)
            group = []
        group.append(part)
    if group:
        yield tuple(group)


def is_clearly_look(text: str) -> bool:
    """Whether a piece tells brightness, shape, margin or texture, and more of a look than of all else."""
    cues = role_words().cues
    look, other = look_weight(text), max(cues[role].weight(text) for role in _OUTSIDE)
    told = any(name in attributes_in(text) for name in ("brightness", "shape", "margin", "texture"))
    return told and look >= _CLEARLY and look > other and not is_denied(text)


def _begins_anew(part: Clause) -> bool:
    return ";" in part.joint or (
        not part.leans and bool(re.search(r"\band\b|\bbut\b|\bwhile\b|\bwhereas\b", f"{part.joint} {part.text[:8]}"))
    )


def _reason(text: str, names: tuple[str, ...], modality: str) -> str:
    if (way := first_way(text, modality)) and way != modality:
        return _REASONS["foreign"]
    if is_denied(text):
        return _REASONS["denied"]
    if _EXCEPTION.match(text):
        return _REASONS["exception"]
    if errors := errors_of(text, role="inversion", names=names, modality=modality):
        return errors[0]
    look, cues = look_weight(text), role_words().cues
    strongest = max(_OUTSIDE, key=lambda role: cues[role].weight(text))
    if cues[strongest].weight(text) > max(look, 3):
        return role_words().reasons[strongest].split(";")[0]
    return ""

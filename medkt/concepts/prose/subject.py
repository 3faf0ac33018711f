"""What a sentence says is seen, less its subject where that is the finding itself, a picture, or nothing at all.

"The typical cyst is a dark ball", "CT shows a dark ball", "there is a dark ball" and "it is a dark ball" all say "a dark ball";
"its wall is thin" says "the wall is thin", and "it" elsewhere is "the lesion" where nothing else can be meant.
"""

import re
from typing import Literal

from medkt.concepts.lexicon import asked
from medkt.concepts.prose.clauses import LEAST_LOOK
from medkt.concepts.prose.names import Names, inflected
from medkt.concepts.prose.roles import look_weight
from medkt.concepts.prose.words import language, rewriting, role_words

ClauseKind = Literal["is", "shows", "says"]
"""How a caption is joined to the name: it is the look of the whole, a part that is seen with it, or a sentence of its own."""

_MODAL = re.compile(r"\b(?P<before>[\w-]+)\s+(?:may|might|can|could|will|would|should)\s+(?P<then>[a-z]+)\b")
_SOME = r"(?:most|many|some|all|several|both|others?|few|half|nearly all|almost all|about half|(?:about\s+)?(?:two|three|one|a)\s+(?:thirds?|quarters?|fifths?|half)|[\w.-]+\s*%|old(?:er)? ones|fresh ones|small(?:er)? ones|large(?:r)? ones|up to [\w.-]+\s*%)"
_SOME_OF = re.compile(
    rf"^(?:{_SOME})(?:\s+of\s+(?:them|these|all|cases|lesions|patients|the lesions))?\s+(?=[a-z]+)", re.IGNORECASE
)
_DETERMINED = re.compile(r"^(?:an?|one|two|three|several|many|multiple|numerous|single|paired)\b", re.IGNORECASE)
_THERE = re.compile(
    r"^(?P<place>(?:behind|in|within|at|around|beside|above|below|near|along|next to|inside)\b[^,;]{1,50},?\s+)?there\s+(?:is|are|may be|can be)\s+",
    re.IGNORECASE,
)
_IMAGES = (
    r"(?:film|films|images?|radiographs?|scans?|slices?|views?|ct|mri|ultrasound|sonograms?|doppler|profile|sections?)"
)
_SHORT_WAY = re.compile(
    rf"^(?:On|In|At|With|After)\s+(?:(?:[\w-]+\s+){{0,4}}?{_IMAGES}\s+(?=(?:the|there|it|they|a|an|one|most|many)\b)|[\w-]+\s+(?=(?:it|they|there)\b))",
    re.IGNORECASE,
)
_ARE_THINGS = re.compile(
    r"\sare\s+(?:(?!with\b|of\b|in\b|on\b|at\b|by\b|from\b)[\w-]+,?\s+){0,3}(?:patches|bands|spots|lines|nodules|masses|opacities|rings|foci|areas|balls|discs|shadows|densities|cysts|tubes|streaks|dots|stones|lesions)\b",
    re.IGNORECASE,
)
_STRONG_VERB = re.compile(r"\b(?:is|are|was|were|has|have|shows?|appears?|may|can)\b", re.IGNORECASE)
_SHORT = 6  # words of a thing without a verb
_ONES = re.compile(r"\b(?P<which>old|older|small|smaller|large|larger|fresh|big|young) ones\b", re.IGNORECASE)
_ADVERBIAL = re.compile(r"^(?:On|In|At|With|By|After|Before|During|When|If|Seen|Within)\b[^,;]{0,60},\s+")
_PLURAL = re.compile(r"(?:[^siu]s|vertebrae|bronchi|foci|calculi|septa|calyces|they|teeth|edges)$", re.IGNORECASE)


def look_of(text: str, names: Names, modality: str, *, is_item: bool) -> tuple[str, ClauseKind]:
    """What is seen, less its subject where that is the finding, a picture or nothing at all."""
    said = _without_way(text, modality)
    said = _ONES.sub(lambda found: f"{found['which']} lesions", said)
    said = _modals(_some_of(said))
    if there := _THERE.match(said):
        place = f" {_lowered(there['place'].strip(' ,'))}" if there["place"] else ""
        head, comma, tail = said[there.end() :].partition(",")
        return _lowered(f"{head}{place}{comma}{tail}"), "shows"
    if shown := _shown(said, modality):
        return shown
    said = _named_by_noun(said, names)
    lists = rewriting()
    own = rf"(?:{own_subject(names)}|{kind_subject()})"
    is_ = re.match(rf"^{own}\s+{lists.copulas}\s+(?P<rest>\S.*)$", said, re.IGNORECASE)
    if is_ and ((_DETERMINED.match(is_["rest"]) and " " in is_["rest"]) or _are_things(said, is_.start("rest"))):
        return _lowered(is_["rest"]), "is"
    if re.match(rf"^{own}\b", said, re.IGNORECASE):
        return _lowered(re.sub(rf"^{kind_subject()}", "the lesion", said, flags=re.IGNORECASE)), "says"
    passive = lists.seen_passive.search(said)
    if passive and not lists.verbs.search(said[: passive.start()]):
        return _lowered(f"{said[: passive.start()].rstrip()} {said[passive.end() :].lstrip()}"), "shows"
    if is_item and not _STRONG_VERB.search(said):
        return _lowered(said), "shows"
    is_thing = _DETERMINED.match(said) and len(said.split()) <= _SHORT and not lists.verbs.search(said)
    return _lowered(said), "shows" if is_thing else "says"


def _are_things(text: str, rest: int) -> bool:
    """Whether the subject itself is called things ("they are bright spots"), and not another one later in the sentence."""
    found = _ARE_THINGS.search(text)
    return found is not None and found.start() < rest


def _some_of(text: str) -> str:
    """With "the lesions" for "most", "many of them", "80 %" where a verb follows; "many cysts" stays what it is."""
    found = _SOME_OF.match(text)
    if found is None or not rewriting().verbs.match(text, found.end()):
        return text
    return f"the lesions {text[found.end() :]}"


def _shown(text: str, modality: str) -> tuple[str, ClauseKind] | None:
    """What stands after "CT shows" or "the usual picture is"; None where the sentence is no such one."""
    lists, ways = rewriting(), role_words().modalities[modality].pattern
    before = r"^(?:[\w-]+\s+){0,4}?"
    if found := re.match(
        rf"{before}(?:features?|findings?|appearances?)\s+(?:of|are|is|include)\s+(?P<rest>\S.*)$", text, re.IGNORECASE
    ):
        return _lowered(found["rest"]), "shows"
    if found := re.match(
        rf"{before}(?:{ways}|{lists.showing_subjects})(?:\s+[\w-]+){{0,2}}?\s+{lists.showing}\s+(?P<rest>\S.*)$",
        text,
        re.IGNORECASE,
    ):
        return _lowered(found["rest"]), "shows"
    if found := re.match(
        rf"{before}{lists.showing_subjects}\s+(?:is|are)\s+(?:that of\s+)?(?P<rest>(?:an?|one|two|several|many)\s.*)$",
        text,
        re.IGNORECASE,
    ):
        return _lowered(found["rest"]), "is"
    return None


def own_subject(names: Names) -> str:
    """An expression for a subject that is the finding: "the lesion", "small tumours", "a stone" of a renal stone."""
    head = inflected(names.head) if names.head else "(?!)"
    size = r"(?:simple|classic|small|smaller|large|larger|big|old|older|fresh|giant|tiny|typical|most|many)"
    masses = rewriting().masses
    return rf"(?:(?:the )?lesions?|(?:(?:an?|the|each)\s+)?(?:{size}\s+)?{head}|(?:the\s+(?:[\w-]+\s+)?|{size}\s+){masses})"


def kind_subject() -> str:
    """An expression for a subject that is one kind of the finding: "the papillary type"."""
    return rf"(?:the|this|one)\s+(?:[\w-]+\s+){{0,2}}{rewriting().kinds}"


def _without_way(text: str, modality: str) -> str:
    """Less "On axial images," and the like at its beginning, where the modality or nothing of a look is named there."""
    own = role_words().modalities[modality]
    found = _ADVERBIAL.match(text)
    is_clause = found is not None and rewriting().verbs.search(found.group())  # "On a film it is a smooth, round ball"
    if found and not is_clause and (own.search(found.group()) or look_weight(found.group()) < LEAST_LOOK):
        return text[found.end() :]
    short = _SHORT_WAY.match(text)
    return text[short.end() :] if short else text


def _named_by_noun(text: str, names: Names) -> str:
    """The name and what stands for it as "the lesion"; "it" only where the sentence is about something else or begins with it."""
    said = re.sub(
        rf"(?:\b(?:a|an|the|each|such a|this|these|most|many|typical|usual|classic)\s+)*{names.pattern.pattern}",
        _lesion,
        text,
        flags=re.IGNORECASE,
    )
    nouns = "|".join(language().stands_for)
    said = re.sub(
        rf"\b(?:(?:the|this|these|such|each)\s+)(?:typical\s+|usual\s+)?(?:{nouns})\b",
        _lesion,
        said,
        flags=re.IGNORECASE,
    )
    said = re.sub(r"^[Ii]t\b(?!')", "the lesion", said)
    said = re.sub(r"^(?:they|these(?=\s+(?:are|have|lie|show|may|can)\b))\b", "the lesions", said, flags=re.IGNORECASE)
    if not re.match(rf"^{own_subject(names)}\b", said, re.IGNORECASE):
        said = re.sub(r"(?<=\s)it(?=[,;]|$|\s(?!is\b|has\b))", "the lesion", said)
        said = re.sub(r"(?<=\s)them(?=[,;]|$|\s)", "the lesions", said)
    said = re.sub(r"(?<=[,;]\s)it(?=\s)|(?<=\sand\s)it(?=\s)|(?<=\sbut\s)it(?=\s)", "the lesion", said)
    return re.sub(r"\b(?:its|their)\b", "the", said, flags=re.IGNORECASE)


def _lesion(found: re.Match[str]) -> str:
    several = re.search(r"(?:[^siu]s|omata)$", found.group(), re.IGNORECASE)
    noun = "lesions" if several else "lesion"
    before = re.search(r"([\w-]+)\s*$", found.string[: found.start()])
    if before is None or before.group(1).lower() in asked().function or rewriting().verbs.fullmatch(before.group(1)):
        return f"the {noun}"
    return noun  # "a round bright mass", where the name is "mass"


def _modals(text: str) -> str:
    def said(found: re.Match[str]) -> str:
        before, then = found["before"], found["then"]
        several = _PLURAL.search(before) is not None
        if then == "be":
            return f"{before} {'are' if several else 'is'}"
        if then == "have":
            return f"{before} {'have' if several else 'has'}"
        return f"{before} {then if several else _third(then)}"

    return _MODAL.sub(said, text)


def _third(verb: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def _lowered(text: str) -> str:
    """With a small first letter, but for abbreviations ("T1", "CT")."""
    return text[:1].lower() + text[1:] if re.match(r"^[A-Z](?:[a-z-]|\s)", text) else text

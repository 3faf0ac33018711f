"""Sentences of what a picture shows, in frames that no training report has; two of a pair differ in what is asked alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medkt.phantom.descriptions import HELD_BACK_FRAMES, INTENSITY, MARGIN, MODALITY, PLACE, SHAPE, SIZE, TEXTURE
from medkt.phantom.finding import Attributes, DomainName

ALL_OF_A_LOOK = ("size", "intensity", "shape", "margin", "texture")
"""What a full description of one lesion says."""

_BEFORE = ("size", "intensity", "shape")
_AFTER = ("margin", "texture", "place", "side")
_SIDE: Mapping[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "in the left half"),
    "right": ("on the right", "on the right side", "in the right half"),
}
_COUNT: Mapping[str, tuple[str, ...]] = {
    "single": ("a single", "one", "a solitary", "an isolated"),
    "several": ("several", "a few", "two to four", "some"),
    "many": ("many", "numerous", "countless", "innumerable"),
}
_VOWELS = "aeiou"
_CHOICES = 420  # divisible by the number of words that any value has, so that each is as likely


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One choice among synonyms and frames, which both sentences of a pair share.

    Attributes:
        domain: whose words are used.
        frame: with the places {m} and {d}.
        modality: the words for {m}.
        chosen: by attribute, the number of the synonym, taken modulo how many there are.
    """

    domain: DomainName
    frame: str
    modality: str
    chosen: Mapping[str, int]

    @classmethod
    def draw(cls, domain: DomainName, rng: np.random.Generator) -> "Wording":
        """Any frame, any words."""
        chosen = {name: int(rng.integers(_CHOICES)) for name in (*_BEFORE, *_AFTER, "number")}
        frame = HELD_BACK_FRAMES[int(rng.integers(len(HELD_BACK_FRAMES)))]
        return cls(domain=domain, frame=frame, modality=str(rng.choice(MODALITY[domain])), chosen=chosen)

    def sentence(self, seen: str, *, modality: str = "") -> str:
        """What is seen, in the frame; of another modality where one is given."""
        shown = modality or self.modality
        frame = self.frame.replace(" a {m}", " an {m}") if shown[0] in _VOWELS else self.frame
        return frame.format(d=seen, m=shown)

    def other_modality(self, rng: np.random.Generator) -> str:
        """Words for a modality of another domain."""
        others = [words for name, words in MODALITY.items() if name != self.domain]
        return str(rng.choice(others[int(rng.integers(len(others)))]))

    def lesion(self, look: Attributes, said: Sequence[str] = ALL_OF_A_LOOK, *, count: str = "a") -> str:
        """A lesion in words: "a large, bright, round lesion with sharp margins".

        Args:
            look: of the lesion.
            said: the attributes that are mentioned, in a fixed order whatever the order here.
            count: "a" with its article right, another word as it is ("no"), "number" for the look's own.
        """
        before = ", ".join(self._word(look, name) for name in _BEFORE if name in said)
        after = "".join(f" {self._word(look, name)}" for name in _AFTER if name in said)
        plural = count == "number" and look.number != "single"
        if count == "number":
            count = self._pick("number", _COUNT[look.number])
        elif count == "a" and (before or "lesion")[0] in _VOWELS:
            count = "an"
        return " ".join(word for word in (count, before, "lesions" if plural else "lesion") if word) + after

    def _word(self, look: Attributes, name: str) -> str:
        value = str(getattr(look, name))
        if name == "intensity":
            return self._pick(name, INTENSITY[self.domain][value])
        if name == "place":
            return self._pick(name, PLACE[self.domain][value])
        if name == "side":
            return self._pick(name, _SIDE[value])
        words = {"size": SIZE, "shape": SHAPE, "margin": MARGIN, "texture": TEXTURE}[name]
        return self._pick(name, words[value][0 if name in _BEFORE else 1])

    def _pick(self, name: str, words: Sequence[str]) -> str:
        return words[self.chosen[name] % len(words)]

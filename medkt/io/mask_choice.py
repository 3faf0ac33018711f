"""Which values of a mask file are inside: one grammar for options, the column `reference_key` and Python.

1          label 1 alone; of a DICOM SEG segment 1
1+3        labels 1 and 3, taken together
all        every label, taken together
>127       all above 127          >=0.5      0.5 and all above
(nothing)  the only label that there is; several are an error
"""

import math
import re
from dataclasses import dataclass

from medkt.errors import InputError

EVERY = "all"
_THRESHOLD = re.compile(r"(>=?)\s*(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskChoice:
    """What the user said of a mask's values; nothing said means its only label.

    Attributes:
        labels: whole numbers, or segment numbers; together they are one finding.
        every: all labels together, whichever there are.
        threshold: values above it are inside; None for none.
        at_least: the threshold itself is inside too.
    """

    labels: tuple[int, ...] = ()
    every: bool = False
    threshold: float | None = None
    at_least: bool = False

    @classmethod
    def parse(cls, text: str) -> "MaskChoice":
        """The choice that `text` writes; "" is none.

        >>> MaskChoice.parse("3+1").labels, MaskChoice.parse(">=0.5").threshold
        ((1, 3), 0.5)

        Raises:
            InputError: it is nothing of the kind.
        """
        text = text.strip()
        if text == EVERY:
            return cls(every=True)
        if text.startswith(">"):
            found = _THRESHOLD.fullmatch(text)
            if found is None:
                raise InputError(f"{text!r} is no threshold such as >127 or >=0.5", code="mask-unclear")
            return cls(threshold=float(found[2]), at_least=found[1] == ">=")
        parts = text.split("+") if text else []
        if not all(part.strip().isdecimal() for part in parts):
            raise InputError(
                f"{text!r} is no label value such as 1, or 1+3 for two taken together; nor all, nor >127",
                code="mask-unclear",
            )
        return cls(labels=tuple(sorted({int(part) for part in parts})))

    @classmethod
    def of(cls, *, label: int | str | None = None, threshold: float | None = None) -> "MaskChoice":
        """The choice that a label, or a threshold, makes; with a threshold, that value itself is inside.

        Raises:
            InputError: both are given, or one is none.
        """
        if label is not None and threshold is not None:
            raise InputError("a mask is taken by a label or by a threshold; give one of the two", code="mask-unclear")
        if threshold is None:
            return cls.parse("" if label is None else str(label))
        if not (math.isfinite(threshold) and threshold > 0):
            raise InputError(f"a threshold of a mask is above 0, got {threshold:g}", code="mask-unclear")
        return cls(threshold=threshold, at_least=True)

    @property
    def said(self) -> bool:
        """Whether anything was chosen."""
        return bool(self.labels) or self.every or self.threshold is not None

    def words(self, what: str = "label") -> str:
        """What is inside, as a result records it.

        >>> MaskChoice(labels=(1, 3)).words(), MaskChoice(threshold=0.5, at_least=True).words()
        ('labels 1+3', '0.5 and above')
        """
        if self.threshold is not None:
            return f"{self.threshold:g} and above" if self.at_least else f"above {self.threshold:g}"
        if self.every:
            return f"all {what}s together"
        return f"{what}{'s' if len(self.labels) > 1 else ''} {'+'.join(map(str, self.labels))}"

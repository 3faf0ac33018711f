"""One figure: how far medkt is from a frozen number, and how far it may be."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row of the table.

    Attributes:
        compared: what, in words.
        found: the figure.
        asked: its bound.
        kind: "most", a difference that may be `asked` at most; "least", a correlation that must be `asked` or more.
    """

    compared: str
    found: float
    asked: float
    kind: Literal["most", "least"] = "most"

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; NaN keeps none."""
        return self.found <= self.asked if self.kind == "most" else self.found >= self.asked

"""How much of what lay there was read, and why the rest was not: counts and reasons, never the name of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What an input held and what of it is in the image.

    Attributes:
        entries: what lay there: files of a folder or an archive with all folders below, or the files that a DICOMDIR names.
        used: how many of them are in the image.
        passed_over: how many are not, by a reason that explains it ("of another series").
        unexplained: how many should be and are not, by what is known of them ("empty, 0 bytes").
        allowed: whether the user asked to read the rest all the same.
    """

    entries: int = 1
    used: int = 1
    passed_over: Mapping[str, int] = field(default_factory=dict, hash=False)
    unexplained: Mapping[str, int] = field(default_factory=dict, hash=False)
    allowed: bool = False

    @property
    def missing(self) -> int:
        """How many are not there or not readable and nothing explains it."""
        return sum(self.unexplained.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know: nothing where all is accounted for."""
        if not self.unexplained:
            return ()
        what = "; ".join(f"{count} {reason}" for reason, count in self.unexplained.items())
        return (f"the input is incomplete and was read because that was allowed (--allow-incomplete): {what}",)

"""What came of a concept, learned or asked well: what the verdict says of keeping it, and how its package is written."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.audit.audit import of_another_picture
from medkt.audit.verdict import Verdict
from medkt.concepts import Concept, Package
from medkt.concepts.package import write
from medkt.errors import NotCarriedError

_NOTHING_WRITTEN = "nothing was written; say it in other words, or keep it all the same with --keep-anyway"


class ConceptOutcome(ABC):
    """A concept that was judged. A subclass is a dataclass that has `concept`, `kept_anyway` and `verdict`, and says what was found.

    Attributes:
        concept: the words.
        verdict: words carried: yes, no, or not shown.
        kept_anyway: whether it was to be kept whatever the verdict says.
    """

    __slots__ = ()
    concept: Concept
    kept_anyway: bool

    @property
    @abstractmethod
    def verdict(self) -> Verdict: ...

    @property
    @abstractmethod
    def found(self) -> Mapping[str, Any]:
        """What the audit found, the verdict the first of it, as JSON holds it."""

    @property
    @abstractmethod
    def package(self) -> Package:
        """What is written."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What `audit.json` holds."""
        return {**self.found, "kept anyway": True} if self.kept_anyway and self.verdict.answer == "no" else self.found

    @property
    def refusal(self) -> str:
        """Why no package is written, in words; "" where one may be."""
        return "" if self.verdict.answer != "no" or self.kept_anyway else _refusal(self.concept, self.verdict)

    def save(self, path: Path) -> Package:
        """Write the package; complete or not at all.

        Raises:
            NotCarriedError: the verdict is no, and it was not to be kept anyway.
            OutputError: it cannot be written.
        """
        if self.refusal:
            raise NotCarriedError(self.refusal)
        return write(path, self.package)


def require_of_this_picture(concept: Concept, foreign: tuple[str, ...], *, keep_anyway: bool) -> None:
    """Pass silently where no word is of another modality or part of the body, or where that is to be kept anyway.

    Raises:
        NotCarriedError: some are.
    """
    if foreign and not keep_anyway:
        raise NotCarriedError(_refusal(concept, of_another_picture(foreign)))


def _refusal(concept: Concept, verdict: Verdict) -> str:
    return f"{concept.id}: {verdict.line}; {_NOTHING_WRITTEN}"

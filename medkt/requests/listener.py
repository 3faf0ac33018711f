"""Who is told how a request goes on while it is carried out; what it comes to is returned."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from medkt.progress import Progress

if TYPE_CHECKING:
    from medkt.runs.folder import RunFolder
    from medkt.runs.progress import Watcher
    from medkt.tasks.cases import CasePlan


class Listener:
    """Says nothing; a program overrides what it wants to be told.

    Attributes:
        foretells: whether it is told beforehand how long the work will take, which costs a little.
    """

    foretells = False

    def note(self, text: str) -> None:
        """Something that the user must know of the request, in one line."""

    def remark(self, text: str) -> None:
        """Something that is worth knowing; who wants no notes is not told."""

    def advise(self, notes: Iterable[str]) -> None:
        """What a reader of the result should know, before the work begins; the result says it too."""

    def tell(self, text: str) -> None:
        """Plain lines for a person: how a text was read; where `foretells`, how long the work will take."""

    def study_ended(self, study: Any) -> None:
        """One of several studies has ended; `study` is its part of what the request comes to."""

    def progress(self, what: str) -> AbstractContextManager[Progress]:
        """What is told the steps of one piece of work, `what`, while it goes on."""
        return nullcontext(_nothing)

    def watching(self) -> "AbstractContextManager[Watcher]":
        """What is told the events of a run over many cases while it goes on."""
        from medkt.runs.progress import SilentWatcher

        return nullcontext(SilentWatcher())

    def run_ended(self, folder: "RunFolder", plan: "CasePlan", watcher: "Watcher") -> None:
        """A run over many cases, or its part, has ended; its tables are written."""


def _nothing(stage: str, done: int, total: int) -> None:
    """Nobody is told."""


SILENT = Listener()

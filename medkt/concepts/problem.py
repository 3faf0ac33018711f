"""One thing that is wrong with a concepts file, or could be: where, what, and the remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from medkt.errors import SettingsError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding of the schema or of the lint.

    Attributes:
        path: the file, as the user named it.
        line: counted from 1; 0 where the whole file is meant.
        field: the concept's id and the field in it: "cxr_nodule: captions.inversion[2]", counted from 1.
        rule: the name of the check, such as "negation".
        level: an "error" must be mended, a "warning" should be looked at, a "note" is only told.
        message: what was found.
        remedy: what to do.
    """

    path: str
    line: int
    field: str
    rule: str
    level: Severity
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        field = f"{self.field}: " if self.field else ""
        return f"{where}: {field}{self.message}; {self.remedy}"


def refuse(problems: Iterable[Problem]) -> None:
    """Nothing where no problem is an error.

    Raises:
        SettingsError: the first error, and how many there are besides.
    """
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        more = f" ({len(errors) - 1} more in this file)" if len(errors) > 1 else ""
        raise SettingsError(f"{errors[0]}{more}")

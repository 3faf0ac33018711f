"""A case as a worker gets it: a name that says nothing about the patient, and what stands in its rows whatever comes of it."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from medkt.errors import SettingsError

Value = str | int | float | bool | None
Row = Mapping[str, Value]

PSEUDONYM_DIGITS = 20  # 80 bits: among a million cases two alike are not to be expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One case in hand; what a task reads of it stands in a subclass.

    What could name a patient is left out of `repr`, so that no log and no traceback shows it.

    Attributes:
        key: the pseudonym, or the manifest's id where that was said to be one; names folders and rows.
        number: the case's place in the manifest, counted from 1.
        columns: what goes into the result table beside the numbers (sex, scanner, a patient's pseudonym).
        inputs: what its files and its row are, see `inputs`.
        round: how often the case was set back by `retry`; a later round's outcome replaces an earlier one's.
    """

    key: str
    number: int
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    round: int = 0
    inputs: str = ""

    @property
    def heads(self) -> Sequence[Row]:
        """How each of its rows in the result table begins, also where the case fails."""
        return ({},)


@runtime_checkable
class Plan(Protocol):
    """Which cases a run has: gone through anew each time, in the same order."""

    def rows_digest(self, salt: bytes) -> str:
        """SHA-256 of all that the digits of the rows depend on; "" where the cases come from no file."""

    def present(self, salt: bytes, *, look: bool) -> Iterator[tuple[int, str, str, str]]:
        """Number, key and digits of the row of every case, and with `look` its inputs as they are now (else "")."""

    def changed(self, ended: Iterable[tuple[int, str, str, str]], salt: bytes) -> Iterator[tuple[str, str]]:
        """Key and inputs as they are now of each of these cases whose inputs were others; looks at files alone.

        Args:
            ended: number, key, digits of the row and earlier inputs of cases, by number; of rows as they are now.
            salt: of the run.
        """

    def works(self, salt: bytes, wanted: Mapping[int, tuple[int, int]]) -> Iterator[Work]:
        """The cases whose number is wanted, with the round they are in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part `index` of `count`, counted from 1; which case belongs to it depends on the case's id alone."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """A shard from "3/16".

        Raises:
            SettingsError: not of this form, or not within 1 to the count.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count:
            raise SettingsError(f"--shard {text}: expected i/n with i from 1 to n, such as 3/16")
        return cls(index=index, count=count)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, case_id: str) -> bool:
        """Whether the case with this id in the manifest is of this shard."""
        digest = hashlib.sha256(f"medkt shard\0{case_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def pseudonym(identifier: str, salt: bytes, *, kind: str = "case") -> str:
    """A name that is the same for the same id and salt, and that without the salt leads nowhere (HMAC-SHA-256).

    >>> pseudonym("MRN 1", b"salt") == pseudonym("MRN 1", b"salt") != pseudonym("MRN 1", b"other")
    True
    """
    digest = hmac.digest(salt, f"{kind}\0{identifier}".encode(), "sha256")
    return f"{kind}-{digest.hex()[:PSEUDONYM_DIGITS]}"

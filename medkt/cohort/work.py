"""A case as a worker gets it: where its files are, and a name that says nothing about the patient."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from medkt.datasets.case import Case
from medkt.datasets.prompts import prompt_source
from medkt.errors import SettingsError

PSEUDONYM_DIGITS = 20  # 80 bits: among a million cases two alike are not to be expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One case in hand.

    What could name a patient is left out of `repr`, so that no log and no traceback shows it.

    Attributes:
        key: the pseudonym, or the manifest's id where that was said to be one; names folders and rows.
        number: the case's place in the manifest, counted from 1.
        case: the row of the manifest.
        concepts: ids of what is looked for; one where there is a reference.
        columns: what goes into the result table beside the numbers (sex, scanner, a patient's pseudonym).
        worded: id -> (a concept's id, the sentence of this image), of concepts that are asked in other words too.
        inputs: what its files and its row are, see `inputs`.
        round: how often the case was set back by `retry`; a later round's outcome replaces an earlier one's.
    """

    key: str
    number: int
    case: Case = field(repr=False)
    concepts: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    round: int = 0
    inputs: str = ""
    worded: Mapping[str, tuple[str, str]] | None = field(default=None, repr=False)

    def said_of(self, concept: str) -> dict[str, str | bool]:
        """What the result table says of a row's words; nothing where there are no sentences of single images."""
        return {} if self.worded is None else prompt_source(concept, self.worded)


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

"""Studies of the user's, as they are shown to a model, one after the other: no name of a file or a person stays."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from medkt.shapes import Plane


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownStudy:
    """One study.

    Attributes:
        planes: those that a model is shown, each in [0, 1].
        digest: SHA-256 of its voxels and geometry.
        patient: a pseudonym that the studies of one patient share; never written anywhere.
    """

    planes: tuple[Plane, ...]
    digest: str
    patient: str = field(default="", repr=False)


@runtime_checkable
class ShownStudies(Protocol):
    """Any number of studies, which are read as they are gone through, each time anew."""

    def __iter__(self) -> Iterator[ShownStudy]: ...

    def __len__(self) -> int: ...


def digest_of_studies(digests: Sequence[str]) -> str:
    """SHA-256 over the digests of studies, in whatever order they were read."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()

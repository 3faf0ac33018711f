"""Studies of the user's, as they are shown to a model, one after the other: no name of a file or a person stays."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
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
        doubts: why it may not be of the modality that it is shown as, or of the part of the body, a sentence each.
    """

    planes: tuple[Plane, ...]
    digest: str
    patient: str = field(default="", repr=False)
    doubts: tuple[str, ...] = ()


@runtime_checkable
class ShownStudies(Protocol):
    """Any number of studies, which are read as they are gone through, each time anew."""

    def __iter__(self) -> Iterator[ShownStudy]: ...

    def __len__(self) -> int: ...


def doubts_said(option: str, doubts: Mapping[str, int], studies: int) -> list[str]:
    """The doubts about the studies of an option, each with how many of them raise it."""
    return [f"--{option}: {count} of {studies} studies: {doubt}" for doubt, count in doubts.items()]


def digest_of_studies(digests: Sequence[str]) -> str:
    """SHA-256 over the digests of studies, in whatever order they were read."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()

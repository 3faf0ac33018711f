"""By what the same study or patient is known again, without a trace of who it is: digests, which are gone with the process."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from medkt.asking.studies import ShownStudies, ShownStudy
from medkt.errors import InputError
from medkt.shapes import Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """Of any number of studies.

    Attributes:
        studies: one digest for each plane as it is shown, so that a copy in another format is met too.
        patients: keyed digests of whom they are of; the key belongs to this process.
    """

    studies: frozenset[str] = field(default=frozenset(), repr=False)
    patients: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, *studies: ShownStudy) -> "Fingerprints":
        """Of these studies."""
        return cls(
            studies=frozenset(_of_plane(plane) for study in studies for plane in study.planes),
            patients=frozenset(_keyed(study.patient) for study in studies if study.patient),
        )

    @classmethod
    def joined(cls, several: Iterable["Fingerprints"]) -> "Fingerprints":
        """Of all of them."""
        found = tuple(several)
        return cls(
            studies=frozenset().union(*(one.studies for one in found)),
            patients=frozenset().union(*(one.patients for one in found)),
        )

    def met(self, study: ShownStudy) -> str | None:
        """How a study is met again among these: "the same image", "the same patient", or None."""
        own = Fingerprints.of(study)
        if own.studies & self.studies:
            return "the same image"
        return "the same patient" if own.patients & self.patients else None

    def require_new(self, study: ShownStudy, option: str) -> None:
        """That a study is not among these, an exam's.

        Raises:
            InputError: it is; the option that gave it is named, and nothing of the study.
        """
        if (met := self.met(study)) is not None:
            raise InputError(
                f"--{option}: a study of it is in the exam, too ({met}); what is learned from cannot be judged by: leave it out of one"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptApart:
    """Studies to learn or to set a lead by; one that is in the exam is refused when it is come to (`ShownStudies`).

    Attributes:
        studies: to go through.
        exam: marks of the studies that the exam is set on.
        option: that gave the studies, for the message.
    """

    studies: ShownStudies
    exam: Fingerprints
    option: str

    def __len__(self) -> int:
        return len(self.studies)

    def __iter__(self) -> Iterator[ShownStudy]:
        """Each study.

        Raises:
            InputError: it, or another study of its patient, is in the exam.
        """
        for study in self.studies:
            self.exam.require_new(study, self.option)
            yield study


def _of_plane(plane: Plane) -> str:
    grey = np.rint(np.ascontiguousarray(plane) * 255).astype(np.uint8)
    return hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).hexdigest()


def _keyed(patient: str) -> str:
    return hashlib.blake2b(patient.encode(), key=_key()).hexdigest()


@cache
def _key() -> bytes:
    return os.urandom(32)

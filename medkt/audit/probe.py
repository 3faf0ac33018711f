"""The user's own studies as an exam: a folder with `with` and `without`, which say whether the finding is there.

    PROBE/with/      studies that show the finding: a file each, or a folder each (a DICOM series)
    PROBE/without/   studies that do not

Or it is a manifest (`.csv`, `.parquet`): the studies whose column `present` says yes or no. One of the two is enough to be shown; both, of `FEWEST` studies each, decide. Of a volume the planes are looked at that the
pipeline looks at, and the plane with the greatest lead speaks for it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from medkt.asking.studies import ShownStudies, ShownStudy, doubts_said
from medkt.audit.exam import FINDING, Exam
from medkt.audit.fingerprints import Fingerprints, KeptApart
from medkt.concepts import Concept
from medkt.datasets.case import Case
from medkt.datasets.manifest import iterate_manifest
from medkt.domains import Domain
from medkt.errors import InputError, MedktError
from medkt.io.table import SUFFIXES
from medkt.models.encoder import DualEncoder
from medkt.pipeline.studies import shown_study
from medkt.saliency.explain import prepare_plane
from medkt.shapes import Plane
from medkt.transfer.rehearsal import look

WITH, WITHOUT = "with", "without"
FEWEST = 10
"""Studies of each kind, below which a probe is shown and decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """The planes of the user's studies, as they are shown to a model; no name of a file stays.

    Attributes:
        planes: of each study.
        kinds: for each study, "finding" or "without".
        fingerprints: by which a study or a patient is known again that is to be learned from.
        notes: what raises doubts about the studies, a sentence each.
    """

    planes: tuple[tuple[Plane, ...], ...]
    kinds: tuple[str, ...]
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    notes: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether both kinds are there, often enough."""
        return min(self.kinds.count(FINDING), self.kinds.count(WITHOUT)) >= FEWEST

    def kept_apart(self, studies: ShownStudies, option: str) -> KeptApart:
        """The studies that an option gave, of which none may be one of these, nor of their patients."""
        return KeptApart(studies=studies, exam=self.fingerprints, option=option)

    def exam(self, base: DualEncoder, layer: int | None) -> Exam:
        """The same for an encoder, after the layers that do not train."""
        pixels = [prepare_plane(base, plane).pixels for study in self.planes for plane in study]
        counts = f"{self.kinds.count(FINDING)} with, {self.kinds.count(WITHOUT)} without the finding"
        return Exam(
            seen=look(base, torch.stack(pixels), layer), kinds=self.kinds, what=f"the user's studies ({counts})",
            rows=tuple(len(study) for study in self.planes),
        )  # fmt: skip


def read_probe(folder: Path, domain: Domain, concept: Concept) -> Probe:
    """The studies of a probe.

    Args:
        folder: holds `with`, `without`, or both; or a manifest whose column `present` says whether the finding is there.
        domain: how they are shown.
        concept: whose window is used.

    Raises:
        InputError: no such folder, nothing in it, a study in both parts, or one that cannot be read or shown; it is named.
    """
    entries = _of_manifest(folder) if folder.is_file() else _of_folders(folder)
    if not entries:
        raise InputError(
            f"{folder}: a probe holds the folders {WITH} and {WITHOUT} (one is enough), with a file or a folder a study, or is a "
            "manifest whose column `present` says yes or no; found none"
        )
    planes, kinds, seen = list[tuple[Plane, ...]](), list[str](), dict[str, Path]()
    prints, doubts = list[Fingerprints](), Counter[str]()
    for kind, path, case in entries:
        study = _study(path, domain, concept, case)
        if study.digest in seen:
            raise InputError(f"{path}: is the same study as {seen[study.digest]}; a probe holds each once, in one part")
        seen[study.digest] = path
        planes.append(study.planes)
        kinds.append(kind)
        prints.append(Fingerprints.of(study))
        doubts.update(study.doubts)
    return Probe(
        planes=tuple(planes), kinds=tuple(kinds), fingerprints=Fingerprints.joined(prints),
        notes=tuple(doubts_said("probe", doubts, len(planes))),
    )  # fmt: skip


_Entry = tuple[str, Path, Case | None]


def _of_folders(folder: Path) -> list[_Entry]:
    parts = ((WITH, FINDING), (WITHOUT, WITHOUT))
    return [(kind, path, None) for part, kind in parts for path in _entries(folder / part)]


def _of_manifest(path: Path) -> list[_Entry]:
    if path.suffix not in SUFFIXES:
        return []
    cases = [case for case in iterate_manifest(path) if case.present is not None]
    return [(FINDING if case.present else WITHOUT, case.image, case) for case in cases]


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _study(path: Path, domain: Domain, concept: Concept, case: Case | None) -> ShownStudy:
    try:
        return shown_study(path, domain, concept, case)
    except MedktError as error:
        raise InputError(f"{path}: a study of the probe cannot be used: {error}") from error

"""The user's own studies as an exam: a folder with `with` and `without`, which say whether the finding is there.

    PROBE/with/      studies that show the finding: a file each, or a folder each (a DICOM series)
    PROBE/without/   studies that do not

One of the two is enough to be shown; both, of `FEWEST` studies each, decide. Of a volume the planes are looked at that the
pipeline looks at, and the plane with the greatest lead speaks for it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medkt.audit.exam import FINDING, Exam
from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.errors import InputError, MedktError
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import View, look_at, shown_plane
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
    """

    planes: tuple[tuple[Plane, ...], ...]
    kinds: tuple[str, ...]

    @property
    def decides(self) -> bool:
        """Whether both kinds are there, often enough."""
        return min(self.kinds.count(FINDING), self.kinds.count(WITHOUT)) >= FEWEST

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
        folder: holds `with`, `without`, or both.
        domain: how they are shown.
        concept: whose window is used.

    Raises:
        InputError: no such folder, nothing in it, a study in both parts, or one that cannot be read or shown; it is named.
    """
    entries = [(kind, path) for part, kind in ((WITH, FINDING), (WITHOUT, WITHOUT)) for path in _entries(folder / part)]
    if not entries:
        raise InputError(
            f"{folder}: a probe holds the folders {WITH} and {WITHOUT} (one is enough), with a file or a folder a study; "
            "found none"
        )
    planes, kinds, seen = list[tuple[Plane, ...]](), list[str](), dict[str, Path]()
    for kind, path in entries:
        study, digest = _study(path, domain, concept)
        if digest in seen:
            raise InputError(f"{path}: is the same study as {seen[digest]}; a probe holds each once, in one part")
        seen[digest] = path
        planes.append(study)
        kinds.append(kind)
    return Probe(planes=tuple(planes), kinds=tuple(kinds))


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _study(path: Path, domain: Domain, concept: Concept) -> tuple[tuple[Plane, ...], str]:
    try:
        image = read_image(path)
        looked = look_at(image, domain, View(modality=domain.name), window=domain.window_for(concept))
        planes = tuple(shown_plane(image, looked, position) for position in looked.positions)
    except MedktError as error:
        raise InputError(f"{path}: a study of the probe cannot be used: {error}") from error
    return planes, hashlib.sha256(np.ascontiguousarray(image.values).tobytes()).hexdigest()

"""The pictures that say what a name means: phantoms of a modality's known, held-out and invented findings, and of normal studies.

All conditions and all ways of asking see the same ones. They are drawn once a modality and kept as far as the layers go that no
learning changes; an encoder's vectors of them are kept, too, so that another way of asking takes seconds. Both lie in
`MEDKT_CACHE` (below `kt_phantom`) under what they were made with; nothing else reads them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tasks import TEST_SEED, Task, draw, pixels_of
from torch import Tensor

from medkt.asking import Directions, calibration, leads, settled
from medkt.asking.pictures import SIDE, draw_calibration
from medkt.audit.exam import FINDING, NORMAL, OTHERS, Marks
from medkt.audit.meaning import Meaning, meaning_of
from medkt.inversion.cache import cache_folder
from medkt.models.encoder import DualEncoder
from medkt.models.weights import weights_digest
from medkt.phantom.drawers import draw_normal
from medkt.phantom.finding import DOMAINS
from medkt.transfer.rehearsal import PrefixActivations, look, vectors_of

DRAWN = 1
"""Of the pictures: raised when they are drawn otherwise, so that what is kept is not taken for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How many pictures: of a finding that is taught or stands beside it, of each known one, of normal studies."""

    finding: int = 50
    known: int = 20
    normal: int = 100


TESTED = Numbers()


class Gallery:
    """The pictures of one modality.

    Args:
        encoder: the base.
        tasks: of the modality, all whose pictures are shown; those that are not asked for are the others.
        layer: up to which no learning changes anything.
        numbers: how many.
        seed: of what is drawn.
        folder: where they are kept.
    """

    def __init__(
        self, encoder: DualEncoder, tasks: Sequence[Task], layer: int | None, numbers: Numbers = TESTED, *,
        seed: int = TEST_SEED, folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.base, self.tasks, self.layer, self.numbers, self.seed = encoder, tuple(tasks), layer, numbers, seed
        self.known = tuple(one.id for one in self.tasks[0].known)
        self.folder = (folder or cache_folder() / "kt_phantom") / weights_digest(encoder.module)[:12]
        counts = {**dict.fromkeys(self.known, numbers.known), NORMAL: numbers.normal}
        counts |= dict.fromkeys((task.finding.id for task in self.tasks), numbers.finding)
        self.kinds = tuple(kind for kind, count in counts.items() for _ in range(count))
        self._seen: PrefixActivations | None = None

    @property
    def key(self) -> str:
        """Of what is shown: the modality, its findings and their numbers."""
        said = f"{DRAWN} {self.layer} {SIDE} {self.seed} {self.numbers} {sorted(set(self.kinds))}"
        return f"{self.tasks[0].domain.name}_{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    def seen(self) -> PrefixActivations:
        """All pictures after that layer, in the order of `kinds`."""
        if self._seen is None:
            hidden = kept(self.folder / f"{self.key}.pt", self._look)
            self._seen = PrefixActivations(hidden=hidden.float(), layer=self.layer)
        return self._seen

    def vectors(self, encoder: DualEncoder) -> Tensor:
        """The unit vectors of all pictures by an encoder that shares the layers below."""
        return vectors_of(encoder, self.seen())

    def measure(self, vectors: Tensor, task: Task, directions: Directions, *, bias: float = 0.0) -> Meaning:
        """What a name means, asked in one way.

        Args:
            vectors: of all pictures.
            task: whose finding is asked for; the other tasks' are the others.
            directions: of the words; the first rivals are the known findings' names in their order.
            bias: the lead above which a picture is called by the name.
        """
        kinds = tuple(self._kind(name, task) for name in self.kinds)
        lead = leads(vectors, directions).double().numpy() - bias
        return meaning_of(Marks(leads=lead, kinds=kinds, known=self.known), right=self._right(vectors, directions))

    def settled(self, vectors: Tensor, directions: Directions) -> tuple[Directions, float]:
        """The directions with their handicap, and the lead above which a picture is called by the name, by the known findings and normal
        studies among these pictures.
        """
        right, normal = self._right(vectors, directions), np.array(self.kinds) == NORMAL

        def of_each(asked: Directions) -> dict[str, np.ndarray]:
            lead = leads(vectors, asked).double().numpy()
            return {"known": lead[right], "normal": lead[normal]}

        return settled(directions, of_each)

    def _right(self, vectors: Tensor, directions: Directions) -> np.ndarray:
        """Whether the known name that is nearest is a picture's own; never of what is not known."""
        nearest = (vectors @ directions.rivals[: len(self.known)].T).argmax(dim=1).tolist()
        return np.array([self.known[place] == kind for place, kind in zip(nearest, self.kinds, strict=True)])

    def _kind(self, name: str, task: Task) -> str:
        if name == task.finding.id:
            return FINDING
        return name if name in self.known or name == NORMAL else OTHERS

    def _look(self) -> Tensor:
        return look(self.base, pixels_of(self._planes()), self.layer).hidden.half()

    def _planes(self) -> list[np.ndarray]:
        kinds = dict.fromkeys(self.kinds)
        return [plane for kind in kinds for plane in self._drawn(kind, self.kinds.count(kind))]

    def _drawn(self, kind: str, count: int) -> list[np.ndarray]:
        name = self.tasks[0].domain.name
        if kind == NORMAL:
            return normal_planes(name, range(count), self.seed)
        invented = {task.finding.id: task.finding for task in self.tasks}
        return draw(invented.get(kind, kind), name, range(count), self.seed)


class SetOn(Gallery):
    """What a package's bias is set on (`medkt.asking.calibration`): drawn known findings and normal studies; seed 0 is a package's."""

    def __init__(self, encoder: DualEncoder, tasks: Sequence[Task], layer: int | None, seed: int) -> None:
        numbers = Numbers(finding=0, known=calibration.COUNTS.known, normal=calibration.COUNTS.normal)
        super().__init__(encoder, tasks, layer, numbers, seed=calibration.SEED + seed)

    def _planes(self) -> list[np.ndarray]:
        modality = next(one for one in DOMAINS if one == self.tasks[0].domain.name)
        drawn = draw_calibration(modality, known=self.known, counts=calibration.COUNTS, seed=self.seed)
        order = dict.fromkeys(self.kinds)
        return [plane for kind in order for plane, own in zip(drawn.planes, drawn.kinds, strict=True) if own == kind]


def normal_planes(name: str, numbers: range, seed: int) -> list[np.ndarray]:
    """Planes of normal studies, float32 in [0, 1], on 256 grey levels."""
    modality = next(one for one in DOMAINS if one == name)
    rngs = (np.random.default_rng((seed, *f"normal {name}".encode(), n)) for n in numbers)
    return [np.rint(draw_normal(modality, rng, side=SIDE) * 255).astype(np.float32) / 255 for rng in rngs]


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What lies at the path, made and put there first where nothing does; nothing is put there where nothing (or {}) is made."""
    if path.exists():
        return torch.load(path, weights_only=True)
    made = make()
    if isinstance(made, Tensor) or made:
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(".begun")
        torch.save(made, begun)
        begun.replace(path)
    return made

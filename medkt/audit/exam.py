"""The exam: pictures that no word made, drawn or the user's own, and what an encoder answers to them.

Four kinds of pictures. `finding`: what the caption describes. `others`: lesions that differ from it in one attribute that a
picture tells, so that "odd, and none of the known" is no answer. `normal`: studies without a lesion. `known`: findings that
the model is taken to know. The answer to a picture is its lead: its cosine with the name less that with the nearest known
name; a picture is called by the name where its lead is above 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from medkt.asking.pictures import FINDING, NORMAL, OTHERS, PictureCounts, draw_pictures
from medkt.models.encoder import DualEncoder
from medkt.phantom.reading import Reading
from medkt.saliency.directions import Directions, leads
from medkt.saliency.explain import prepare_plane
from medkt.shapes import Plane
from medkt.statistics import auc_of
from medkt.transfer.rehearsal import PrefixActivations, look

__all__ = [
    "COUNTS",
    "FINDING",
    "NORMAL",
    "OTHERS",
    "SEED",
    "Exam",
    "Marks",
    "PictureCounts",
    "drawn_exam",
    "marks_of",
    "seen_planes",
]  # fmt: skip

SEED = 61_000
"""Of the drawn pictures: no training, learning or test of medkt's draws from it."""
COUNTS = PictureCounts()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """Pictures by kind, as far as the layers go that do not train.

    Attributes:
        seen: of all pictures, kind after kind.
        kinds: for each picture: "finding", "others", "normal" or the id of a known finding.
        what: what it is set on, for a reader.
        known: ids of the known findings that are drawn.
        rows: of `seen`, how many belong to each picture: planes of a volume; () for one each.
    """

    seen: PrefixActivations
    kinds: tuple[str, ...]
    what: str
    known: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """The leads of one way of asking one encoder, in the order of an exam's pictures."""

    leads: Float64[np.ndarray, " pictures"]
    kinds: tuple[str, ...]
    known: tuple[str, ...] = field(default=())

    def of(self, *kinds: str) -> Float64[np.ndarray, " some"]:
        """The leads of these kinds."""
        held: NDArray[np.float64] = self.leads[np.isin(np.array(self.kinds), kinds)]
        return held

    def share(self, *kinds: str) -> float:
        """The part of these kinds that is called by the name; NaN where there is none."""
        leads = self.of(*kinds)
        return float((leads > 0).mean()) if len(leads) else float("nan")

    @property
    def rivals(self) -> tuple[str, ...]:
        """What the finding is told apart from: all kinds but it."""
        return tuple(dict.fromkeys(kind for kind in self.kinds if kind != FINDING))

    def auc(self, *kinds: str) -> float:
        """How often a picture of the finding leads by more than one of these kinds, a tie counting a half; NaN without any."""
        return auc_of(self.of(*kinds), self.of(FINDING))


def drawn_exam(
    base: DualEncoder,
    reading: Reading,
    *,
    known: Sequence[str],
    layer: int | None,
    counts: PictureCounts | None = None,
) -> Exam:
    """Phantoms of what a caption says, of lesions beside it, of known findings, and normal studies.

    Args:
        base: whose layers up to `layer` all states share.
        reading: of the caption.
        known: ids of the findings that the model is taken to know; those that medkt draws take part.
        layer: up to which nothing trains; None where all may.
        counts: how many; None takes the defaults.
    """
    pictures = draw_pictures(reading, known=known, counts=counts or COUNTS, seed=SEED)
    return Exam(
        seen=seen_planes(base, pictures.planes, layer), kinds=pictures.kinds, what="drawn pictures", known=pictures.known,
    )  # fmt: skip


def seen_planes(base: DualEncoder, planes: Sequence[Plane], layer: int | None) -> PrefixActivations:
    """Planes in [0, 1] as the encoder takes them, after the layers that do not train."""
    return look(base, torch.stack([prepare_plane(base, plane).pixels for plane in planes]), layer)


def marks_of(features: Float[Tensor, "rows width"], exam: Exam, directions: Directions) -> Marks:
    """What an encoder answers, asked by one direction among others; of a volume by the plane that leads most.

    Args:
        features: of the exam's pictures, by `vectors_of`.
        exam: whose pictures they are.
        directions: of what is asked for, and of what it is told apart from.
    """
    led = np.asarray(leads(features, directions).double().cpu().numpy(), np.float64)
    if exam.rows:
        led = np.maximum.reduceat(led, np.cumsum((0, *exam.rows[:-1])))
    return Marks(leads=led, kinds=exam.kinds, known=exam.known)

"""Where a fine-tuning ends: at its end, or earlier on the line from the base, as far as other studies allow.

The bounded rule looks at studies that are not rehearsed and do not show the finding: known findings, normal studies, or the
user's mixture. It goes as far from the base as no larger share of them takes the new name, of those that did not take it before.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medkt.models.encoder import DualEncoder
from medkt.transfer.choice import Candidate
from medkt.transfer.copies import interpolate
from medkt.transfer.rehearsal import look, text_vectors, vectors_of
from medkt.transfer.trainable import TrainableParts, frozen_layer

PLACES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Parts of the way that are asked, the farthest first; the base is what is left."""


def bounded(
    base: DualEncoder,
    learned: DualEncoder,
    held: Float[Tensor, "held 3 side side"],
    *,
    name: str,
    known: tuple[str, ...],
    trains: TrainableParts,
    most_taken: float,
    learning_rate: float,
    steps: int,
) -> tuple[DualEncoder, Candidate]:
    """The encoder at the farthest allowed place, and the record of it.

    Args:
        base: before it learned.
        learned: at the end of fine-tuning.
        held: studies that do not show the finding, normalised; none of them was rehearsed.
        name: the prompt with the finding's bare name.
        known: those of known findings.
        trains: what differs between the two.
        most_taken: the largest share of `held` that may take the name and did not before.
        learning_rate: of the run, for the record.
        steps: of the run, for the record.
    """
    seen, names = look(base, held, frozen_layer(base, trains)), text_vectors(base, (*known, name))
    before = _cosines(vectors_of(base, seen), names)

    def asked(encoder: DualEncoder, t: float) -> Candidate:
        after = _cosines(vectors_of(encoder, seen), names)
        taken = _takes(after) & ~_takes(before)
        same = after.argmax(dim=1) == before.argmax(dim=1)
        return Candidate(
            learning_rate=learning_rate if t else 0.0, step=steps if t else 0, interpolation=t,
            success=1 - float(taken.double().mean()), margin=float(_lead(after).mean()), retention=float(same.double().mean()), drift=0.0,
        )  # fmt: skip

    for t in PLACES:
        encoder = learned if t == 1 else interpolate(base, learned, t)
        candidate = asked(encoder, t)
        if 1 - candidate.success <= most_taken + 1e-12:
            return encoder, candidate
    return base, asked(base, 0.0)


def _cosines(vectors: Float[Tensor, "images width"], names: Float[Tensor, "names width"]) -> Tensor:
    return vectors @ names.T


def _takes(cosines: Float[Tensor, "images names"]) -> Bool[Tensor, " images"]:
    found: Tensor = cosines.argmax(dim=1) == cosines.shape[1] - 1
    return found


def _lead(cosines: Float[Tensor, "images names"]) -> Tensor:
    return cosines[:, -1] - torch.max(cosines[:, :-1], dim=1).values

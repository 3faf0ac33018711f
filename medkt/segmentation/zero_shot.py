"""Which of several texts fits a plane best: cosines, and their softmax at the encoder's own logit scale.

A text stands for the mean direction of its prompts, each a unit vector (Radford and others, Learning Transferable
Visual Models From Natural Language Supervision, 2021, section 3.1.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.saliency.targets import ConceptTexts, embed_targets
from medkt.segmentation.slicewise import Progress, ShowPlane, features_of_planes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZeroShot:
    """Scores of texts on planes.

    Attributes:
        cosines: (planes, texts) float32, -1 to 1.
        probabilities: (planes, texts) float32; each row sums to 1.
    """

    cosines: Float32[np.ndarray, "planes texts"]
    probabilities: Float32[np.ndarray, "planes texts"]


def score_planes(
    encoder: DualEncoder,
    indices: Sequence[int],
    show: ShowPlane,
    texts: Sequence[ConceptTexts],
    *,
    progress: Progress | None = None,
) -> ZeroShot:
    """Compare every plane with every text.

    Args:
        encoder: any dual encoder.
        indices: of the planes.
        show: gives the plane (rows, columns) float32 in [0, 1] of an index.
        texts: at least two, with different ids; only their prompts are used.
        progress: called with ("presence", done, all).

    Raises:
        InputError: no plane.
        SettingsError: fewer than two texts, or two with one id.
        NumericalError: a feature is not finite, or zero.
    """
    if len(texts) < 2 or len({text.id for text in texts}) < len(texts):
        raise SettingsError(f"scores compare two texts or more, each with its own id; got {_listed(texts)}")
    if not len(indices):
        raise InputError("there is no plane to score")
    features, _ = features_of_planes(encoder, indices, show, progress)
    wanted = torch.stack([target.wanted for target in embed_targets(encoder, texts)])
    cosines = _units(features, indices, encoder) @ wanted.T
    shares = torch.softmax(encoder.logit_scale * cosines, dim=-1)
    return ZeroShot(cosines=cosines.cpu().numpy(), probabilities=shares.cpu().numpy())


def _units(
    features: Float[Tensor, "planes width"], indices: Sequence[int], encoder: DualEncoder
) -> Float[Tensor, "planes width"]:
    lengths = features.norm(dim=-1)
    for index, length in zip(indices, lengths.tolist(), strict=True):
        if not 0 < length < float("inf"):  # also False for NaN
            raise NumericalError(f"the encoder {encoder.spec.name!r} gives no usable feature for plane {index}")
    return functional.normalize(features, dim=-1)


def _listed(texts: Sequence[ConceptTexts]) -> str:
    return ", ".join(text.id for text in texts) or "none"

"""Which of several texts fits a plane best: cosines, and their softmax at the encoder's own logit scale.

A text stands for the mean direction of its prompts, each a unit vector (Radford and others, Learning Transferable
Visual Models From Natural Language Supervision, 2021, section 3.1.4), unless another rule is asked for by name: MedCLIP's
classifier takes the largest logit over a class's prompts, or with "ensemble" their mean (Wang and others, MedCLIP, 2022).
These are other numbers, not other words for the same: the mean of logits counts how well the prompts agree with each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.progress import Progress
from medkt.saliency.directions import leads
from medkt.saliency.explain import prepare_plane
from medkt.saliency.phrases import phrase_scores
from medkt.saliency.targets import ConceptTexts, embed_targets, embed_texts
from medkt.segmentation.slicewise import GreyWindow, Pixels, ShowPlane, features_of_planes

ClassRule = Literal["direction", "largest", "mean", "phrases"]
ClassTextPooling = Literal["own", "padded"]


@runtime_checkable
class RepoolingEncoder(Protocol):
    """An encoder that can pool a text's tokens as MedCLIP's authors do."""

    def pooled(self, text_pooling: Literal["single", "masked", "padded"]) -> DualEncoder:
        """The same model with another pooling of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSettings:
    """How prompts and pictures become shares."""

    rule: ClassRule = "direction"
    """What a class's cosine is: that with the mean "direction" of its prompts, the "largest" over them, or their "mean"; "phrases":
    the mean of its prompts' scores read phrase by phrase, each where in the picture it fits (`saliency.phrases`)."""

    text_pooling: ClassTextPooling = "own"
    """How a text's tokens become one vector: the encoder's "own" way, each text by itself; "padded": MedCLIP's, with the
    prompts of a class in one batch, so that padding up to the longest has a part in each."""

    window: GreyWindow | None = None
    """How values are shown; see `SegmentationSettings`."""

    pixels: Pixels = "float"
    """How a picture is resized; see `MapSettings`."""

    def __post_init__(self) -> None:
        known: dict[str, tuple[object, ...]] = {
            "rule": get_args(ClassRule), "text_pooling": get_args(ClassTextPooling), "window": (None, *get_args(GreyWindow)),
            "pixels": get_args(Pixels),
        }  # fmt: skip
        for name, allowed in known.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(
                    f"unknown {name} {getattr(self, name)!r} of a classification; known: {', '.join(map(str, allowed))}"
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZeroShot:
    """Scores of texts on planes.

    Attributes:
        cosines: (planes, texts) float32, -1 to 1.
        probabilities: (planes, texts) float32; each row sums to 1.
        features: (planes, width) image features, as the encoder gives them.
    """

    cosines: Float32[np.ndarray, "planes texts"]
    probabilities: Float32[np.ndarray, "planes texts"]
    features: Float[Tensor, "planes width"]


def score_planes(
    encoder: DualEncoder,
    indices: Sequence[int],
    show: ShowPlane,
    texts: Sequence[ConceptTexts],
    settings: ClassSettings | None = None,
    *,
    progress: Progress | None = None,
) -> ZeroShot:
    """Compare every plane with every text.

    Args:
        encoder: any dual encoder.
        indices: of the planes.
        show: gives the plane (rows, columns) float32 in [0, 1] of an index.
        texts: at least two, with different ids; only their prompts are used, or what was settled in their place (`asked`).
        settings: None takes the defaults; their window is for whoever shows the planes.
        progress: called with ("presence", done, all).

    Raises:
        InputError: no plane.
        SettingsError: fewer than two texts, or two with one id; padded pooling of an encoder that has none.
        NumericalError: a feature is not finite, or zero.
    """
    if len(texts) < 2 or len({text.id for text in texts}) < len(texts):
        raise SettingsError(f"scores compare two texts or more, each with its own id; got {_listed(texts)}")
    if not len(indices):
        raise InputError("there is no plane to score")
    settings = settings or ClassSettings()
    encoder = _pooled(encoder, settings.text_pooling)
    eight_bit = settings.pixels == "8-bit"
    told = None if settings.rule == "phrases" else progress  # then the reading of phrases tells
    features, _ = features_of_planes(encoder, indices, show, told, eight_bit=eight_bit)
    images = _units(features, indices, encoder)
    if settings.rule == "phrases":
        cosines = _by_phrases(encoder, indices, show, texts, progress, eight_bit=eight_bit)
    else:
        cosines = _cosines(encoder, images, texts, settings.rule)
    fits = _by_lead(images, texts, cosines) if settings.rule == "direction" else cosines
    shares = torch.softmax(encoder.logit_scale * fits, dim=-1)
    return ZeroShot(cosines=cosines.cpu().numpy(), probabilities=shares.cpu().numpy(), features=features)


def _cosines(
    encoder: DualEncoder,
    images: Float[Tensor, "planes width"],
    texts: Sequence[ConceptTexts],
    rule: Literal["direction", "largest", "mean"],
) -> Float[Tensor, "planes texts"]:
    if rule == "direction":
        return images @ torch.stack([target.wanted for target in embed_targets(encoder, texts)]).T
    return class_cosines(images, [embed_texts(encoder, text.prompts) for text in texts], rule)


def _by_lead(
    images: Float[Tensor, "planes width"], texts: Sequence[ConceptTexts], cosines: Float[Tensor, "planes texts"]
) -> Float[Tensor, "planes texts"]:
    """The cosines, that of a concept with settled directions as much above the nearest known name as it leads by more than its bias.

    So it has half of a share beside that name just where it would be seen.
    """
    fits = cosines.clone()
    for place, text in enumerate(texts):
        if text.asked is not None:
            names = text.asked.directions.rivals[: text.asked.known]
            nearest = (images @ names.to(images).T).max(dim=1).values
            fits[:, place] = nearest + leads(images, text.asked.directions) - text.asked.bias
    return fits


def _by_phrases(
    encoder: DualEncoder,
    indices: Sequence[int],
    show: ShowPlane,
    texts: Sequence[ConceptTexts],
    progress: Progress | None,
    *,
    eight_bit: bool,
) -> Float[Tensor, "planes texts"]:
    """A text's score on each plane, the mean over its prompts."""
    prompts = list(dict.fromkeys(prompt for text in texts for prompt in text.prompts))
    found = []
    for done, index in enumerate(indices, start=1):
        pixels = prepare_plane(encoder, show(index), eight_bit=eight_bit).pixels[None]
        found.append(phrase_scores(encoder, pixels, prompts)[0])
        if progress is not None:
            progress("presence", done, len(indices))
    scores = torch.stack(found)
    return torch.stack([scores[:, [prompts.index(one) for one in text.prompts]].mean(dim=1) for text in texts], dim=1)


def class_cosines(
    images: Float[Tensor, "planes width"], prompts: Sequence[Float[Tensor, "_ width"]], rule: Literal["largest", "mean"]
) -> Float[Tensor, "planes classes"]:
    """The largest or the mean cosine over each class's prompts; all rows of unit length.

    A logit is a cosine times one number above 0, so the largest and the mean of logits are these times that number.
    """
    found = [images @ texts.T for texts in prompts]
    return torch.stack([one.amax(dim=1) if rule == "largest" else one.mean(dim=1) for one in found], dim=1)


def _pooled(encoder: DualEncoder, text_pooling: ClassTextPooling) -> DualEncoder:
    if text_pooling == "own":
        return encoder
    if not isinstance(encoder, RepoolingEncoder):
        raise SettingsError(
            f"the encoder {encoder.spec.name!r} has no padded pooling of texts: that is MedCLIP's (medclip-swin, "
            "medclip-resnet); take another rule, such as largest or mean"
        )
    return encoder.pooled("padded")


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

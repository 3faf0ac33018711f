"""How well a sentence fits a picture, phrase by phrase, each where in the picture it fits.

One cosine of a whole picture with a whole sentence forgets which lesion has which attribute: a picture is one pooled vector, a
sentence is another, and "a bright round lesion and a dark oval one" is nearly the same vector as with the shapes exchanged.
Two things are done about it, with the weights as they are. A sentence is read phrase by phrase (`concepts.phrases`). And the
picture is pooled anew for each phrase: the attention weight of a patch is multiplied by exp(sharpness * cosine of the patch with
the phrase), so that of two lesions the one that the phrase fits better is looked at. What is denied counts the other way
round, about the level that divides phrases that fit from those that do not.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.concepts.phrases import Phrase, phrases_of
from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.saliency.targets import embed_texts

SHARPNESS = 10.0
"""Of the look at what a phrase fits; 0 is the encoder's own pooling. See evaluation/small_model/results/words.md."""


@runtime_checkable
class PhraseEncoder(Protocol):
    """A dual encoder whose image feature can be pooled anew for a text."""

    phrase_level: float
    """Cosine of `encode_image_for` that divides phrases that fit the picture from those that do not."""

    def encode_image_for(self, pixels: Tensor, texts: Tensor, sharpness: float) -> Tensor:
        """(images, 3, side, side) and (texts, width) unit vectors to (images, texts, width), not normalised."""


def reads_phrases(encoder: DualEncoder) -> bool:
    """Whether `phrase_scores` can be asked of this encoder."""
    return isinstance(encoder, PhraseEncoder)


def phrase_scores(
    encoder: DualEncoder,
    pixels: Float[Tensor, "images 3 side side"],
    texts: Sequence[str],
    *,
    sharpness: float = SHARPNESS,
) -> Float[Tensor, "images texts"]:
    """Scores of texts on pictures, in the unit of a cosine: the mean over a text's phrases.

    Args:
        encoder: one whose image feature can be pooled for a text.
        pixels: as `encode_image` takes them.
        texts: one or more.
        sharpness: see `SHARPNESS`.

    Raises:
        SettingsError: the encoder cannot, or the sharpness is below 0.
        NumericalError: a text's feature is not finite, or zero.
    """
    if not isinstance(encoder, PhraseEncoder):
        raise SettingsError(
            f"the encoder {encoder.spec.name!r} pools its picture without regard to the text, so it cannot read phrase by phrase; "
            "take another rule"
        )
    if sharpness < 0:
        raise SettingsError(f"the sharpness of reading by phrases is 0 or more, got {sharpness}")
    phrases = [phrases_of(text) for text in texts]
    said = list(dict.fromkeys(phrase.text for each in phrases for phrase in each))
    directions = embed_texts(encoder, said)
    with torch.no_grad(), frozen(encoder.module):
        images = functional.normalize(encoder.encode_image_for(pixels, directions, sharpness).float(), dim=-1)
    cosines = dict(zip(said, (images * directions).sum(dim=-1).T, strict=True))
    return torch.stack([_joined(each, cosines, encoder.phrase_level) for each in phrases], dim=1)


def _joined(phrases: Sequence[Phrase], cosines: dict[str, Tensor], level: float) -> Float[Tensor, " images"]:
    scores = [2 * level - cosines[one.text] if one.denied else cosines[one.text] for one in phrases]
    return torch.stack(scores).mean(dim=0)

"""Scores by phrases beside the same worked out patch by patch, and what they are for."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny_encoder import TinyViT
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError
from medkt.examine import draw_pairs, margins, phrase_margins
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import PHRASE_LEVEL, SmallEncoder
from medkt.phantom.drawers import DRAWERS
from medkt.pipeline import View
from medkt.pipeline.classification import classify
from medkt.saliency.phrases import phrase_scores, reads_phrases
from medkt.saliency.targets import embed_texts
from medkt.segmentation.zero_shot import ClassSettings
from medkt.spatial import Geometry, Image


@pytest.fixture(scope="module")
def small() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module")
def pixels(small: SmallEncoder) -> Tensor:
    return torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(3))


def by_hand(small: SmallEncoder, pixels: Tensor, text: str, sharpness: float) -> list[float]:
    """One text, image by image and head by head: softmax of the head's logit and of the patch's cosine, mean of values."""
    head = small.module.image.head  # type: ignore[union-attr]
    found = []
    with torch.no_grad():
        words = functional.normalize(small.encode_text(small.tokenize([text])), dim=-1)[0]
        patches = small.dense(pixels).flatten(1, 2)
        for image in range(len(pixels)):
            tokens = head.norm(small.image_prefix(pixels[image : image + 1], small.spec.layers - 1))[0]
            cosine = functional.cosine_similarity(patches[image], words[None], dim=-1)
            values, logits = head.value(tokens), head.query(tokens)
            each = values.shape[1] // head.heads
            pooled = [
                torch.softmax(logits[:, one] + sharpness * cosine, 0) @ values[:, one * each : (one + 1) * each]
                for one in range(head.heads)
            ]
            found.append(float(functional.cosine_similarity(head.embed(torch.cat(pooled)), words, dim=0)))
    return found


@pytest.mark.parametrize("sharpness", [0.0, 10.0])
def test_a_phrase_looks_where_it_fits(small: SmallEncoder, pixels: Tensor, sharpness: float) -> None:
    texts = ("a large bright lesion", "a dark oval cyst")
    found = phrase_scores(small, pixels, texts, sharpness=sharpness)
    wanted = [by_hand(small, pixels, text, sharpness) for text in texts]
    np.testing.assert_allclose(found, np.transpose(wanted), atol=1e-5)


def test_without_sharpness_it_is_the_cosine(small: SmallEncoder, pixels: Tensor) -> None:
    texts = ["a large bright lesion", "round and dark"]
    with torch.no_grad():
        images = functional.normalize(small.encode_image(pixels), dim=-1)
    np.testing.assert_allclose(
        phrase_scores(small, pixels, texts, sharpness=0.0), images @ embed_texts(small, texts).T, atol=1e-5
    )


def test_several_phrases_have_their_mean_and_a_denied_one_counts_the_other_way(
    small: SmallEncoder, pixels: Tensor
) -> None:
    def score(*texts: str) -> Tensor:
        return phrase_scores(small, pixels, texts)

    one, other, both, denied = score(
        "a bright nodule", "a dark cyst", "a bright nodule and a dark cyst", "a bright nodule and no dark cyst"
    ).T
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-6)
    np.testing.assert_allclose(denied, (one + 2 * PHRASE_LEVEL - other) / 2, atol=1e-6)


def test_the_texts_beside_it_change_nothing(small: SmallEncoder, pixels: Tensor) -> None:
    alone = phrase_scores(small, pixels, ["no bright nodule"])
    np.testing.assert_allclose(phrase_scores(small, pixels, ["a cyst", "no bright nodule"])[:, 1:], alone, atol=1e-6)


@pytest.mark.slow
def test_what_binds_is_told_right_by_phrases(small: SmallEncoder) -> None:
    def share(row: str, ask: Sequence[float] | np.ndarray) -> float:
        return float(np.mean(np.asarray(ask) > 0))

    for row in ("order", "binding", "negation"):
        pairs = list(draw_pairs(row, each=12, seed=7))
        assert share(row, phrase_margins(small, pairs)) > share(row, margins(small, pairs))


def test_an_encoder_that_pools_without_the_text_says_so() -> None:
    assert not reads_phrases(TinyViT())
    with pytest.raises(SettingsError, match="cannot read phrase by phrase"):
        phrase_scores(TinyViT(), torch.zeros(1, 3, 8, 8), ["a lesion"])


def test_a_sharpness_below_zero_is_refused(small: SmallEncoder, pixels: Tensor) -> None:
    with pytest.raises(SettingsError, match="0 or more, got -1"):
        phrase_scores(small, pixels, ["a lesion"], sharpness=-1.0)


def test_the_guard_takes_a_denial_that_is_read_for_understood() -> None:
    drawn = DRAWERS["ultrasound"].draw_plane("us_cyst", np.random.default_rng(5), side=256).plane
    image = Image(values=np.rint(drawn * 255).astype(np.uint8)[None], geometry=Geometry.of_pixels(256, 256))
    for rule, codes in (("direction", {"words-denied"}), ("phrases", set())):
        found = classify(
            image, prompts=["a dark round lesion", "no dark round lesion"], view=View(modality="ultrasound"),
            settings=ClassSettings(rule=rule),  # type: ignore[arg-type]
        )  # fmt: skip
        assert {one.code for score in found.scores for one in score.no_claim} == codes

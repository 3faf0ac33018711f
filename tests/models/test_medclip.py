"""MedCLIP's texts and images against numbers worked out beside it."""

from pathlib import Path

import by_hand
import numpy as np
import published
import pytest
import torch
from PIL import Image as PILImage
from test_loaders import MEDCLIP_SIZE, load_small_medclip, medclip_state, save
from tokenizers import Tokenizer

from medkt.config import resolve
from medkt.errors import SettingsError
from medkt.models.framing import prepare
from medkt.models.medclip import load_medclip
from medkt.models.records import record_of
from medkt.saliency.targets import ConceptTexts, embed_targets, texts_kept
from medkt.segmentation.zero_shot import ClassSettings, score_planes

TEXTS = ("small effusion", "no finding of a small tumour left")


@torch.no_grad()
def test_a_text_alone_is_the_mean_over_three_layers_and_all_tokens(tmp_path: Path) -> None:
    encoder, state = load_small_medclip(tmp_path), medclip_state("medclip-swin")
    features = encoder.encode_text(encoder.tokenize(TEXTS))
    small, effusion = 5 + published.WORDS.index("small"), 5 + published.WORDS.index("effusion")
    alone = by_hand.medclip_text(state, torch.tensor([[2, small, effusion, 3]]), heads=3)
    torch.testing.assert_close(features[:1], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_masked_pooling_gives_the_same_in_one_pass(tmp_path: Path) -> None:
    single, masked = load_small_medclip(tmp_path), load_small_medclip(tmp_path, text_pooling="masked")
    tokens = single.tokenize(TEXTS)
    torch.testing.assert_close(masked.encode_text(tokens), single.encode_text(tokens), atol=1e-5, rtol=0)


@torch.no_grad()
def test_padded_pooling_is_the_authors_own(tmp_path: Path) -> None:
    encoder, state = load_small_medclip(tmp_path, text_pooling="padded"), medclip_state("medclip-swin")
    tokens = encoder.tokenize(TEXTS)
    assert tokens.mask.sum(1).tolist() == [4, 9]
    features = encoder.encode_text(tokens)
    torch.testing.assert_close(features, by_hand.medclip_text(state, tokens.ids, 3, tokens.mask), atol=1e-5, rtol=0)
    alone = encoder.encode_text(encoder.tokenize(TEXTS[:1]))
    assert float((features[:1] - alone).abs().max()) > 1e-3  # the longer neighbour has moved it


PROMPTS = {
    "a": ("small effusion", "no finding of a small tumour left", "effusion"),
    "b": ("tumour", "x-ray of a tumour"),
}


@torch.no_grad()
def test_padding_has_a_part_where_the_texts_of_a_concept_are_embedded(tmp_path: Path) -> None:
    """A concept's prompts stand in one batch, its normal captions in another, what is confusable each alone."""
    state, encoder = medclip_state("medclip-swin"), load_small_medclip(tmp_path)

    def together(*texts: str) -> torch.Tensor:
        tokens = encoder.tokenize(texts)
        features = by_hand.medclip_text(state, tokens.ids, 3, tokens.mask)
        return features / features.norm(dim=1, keepdim=True)

    def direction(units: torch.Tensor) -> torch.Tensor:
        return units.mean(0) / units.mean(0).norm()

    asked = [
        ConceptTexts(id=name, prompts=texts, normal=PROMPTS["a"][:2], confusable=PROMPTS["b"])
        for name, texts in PROMPTS.items()
    ]
    padded = encoder.pooled("padded")
    assert (encoder.text_pooling, padded.text_pooling, padded.module is encoder.module) == ("single", "padded", True)
    with texts_kept() as kept:  # one store for both poolings
        for _ in range(2):
            alone, found = embed_targets(encoder, asked), embed_targets(padded, asked)
        assert (len(kept.rows), len(kept.together)) == (5, 5)
    for one, concept in zip(found, asked, strict=True):
        torch.testing.assert_close(one.wanted, direction(together(*concept.prompts)), atol=2e-5, rtol=0)
        torch.testing.assert_close(one.normal, direction(together(*PROMPTS["a"][:2])), atol=2e-5, rtol=0)
        torch.testing.assert_close(one.confusable, torch.cat([together(t) for t in PROMPTS["b"]]), atol=2e-5, rtol=0)
    for one, concept in zip(alone, asked, strict=True):
        by_itself = torch.cat([together(text) for text in concept.prompts])
        torch.testing.assert_close(one.wanted, direction(by_itself), atol=2e-5, rtol=0)
    assert float((alone[0].wanted - found[0].wanted).abs().max()) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("name", ["medclip", "medclip-ensemble"])
def test_the_classifier_of_the_authors_by_name(name: str, tmp_path: Path) -> None:
    """Assembled here: 8 bits by Pillow on a black square, texts padded to the longest of their class, one logit a prompt."""
    state, encoder = medclip_state("medclip-swin"), load_small_medclip(tmp_path)
    grey = np.random.default_rng(3).integers(0, 256, (90, 301), dtype=np.uint8)
    settings = resolve(ClassSettings, preset=name, folder="classification")
    asked = [ConceptTexts(id=one, prompts=texts) for one, texts in PROMPTS.items()]
    found = score_planes(encoder, [0], lambda _: grey.astype(np.float32) / 255, asked, settings)
    square = PILImage.new("L", (301, 301))
    square.paste(PILImage.fromarray(grey), (0, (301 - 90) // 2))
    pixels = np.asarray(square.resize((224, 224), PILImage.Resampling.BICUBIC), dtype=np.float32) / 255
    pixels = (torch.from_numpy(pixels) - encoder.spec.mean[0]) / encoder.spec.std[0]
    image = encoder.encode_image(pixels[None, None].repeat(1, 3, 1, 1))[0]
    expected = []
    for texts in PROMPTS.values():
        tokens = encoder.tokenize(texts)
        features = by_hand.medclip_text(state, tokens.ids, 3, tokens.mask)
        logits = [float(image @ one / image.norm() / one.norm()) * encoder.logit_scale for one in features]
        expected.append(max(logits) if name == "medclip" else sum(logits) / len(logits))
    np.testing.assert_allclose(found.cosines[0] * encoder.logit_scale, expected, atol=2e-4)
    shares = np.exp(np.array(expected) - max(expected))
    np.testing.assert_allclose(found.probabilities[0], shares / shares.sum(), atol=1e-4)
    usual = score_planes(encoder, [0], lambda _: grey.astype(np.float32) / 255, asked)
    assert np.abs(usual.cosines - found.cosines).max() > 1e-3


def test_unknown_pooling_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown text pooling 'mean'; known: single, masked, padded"):
        load_small_medclip(tmp_path, text_pooling="mean")


def test_words_are_cut_in_lower_case(tmp_path: Path) -> None:
    encoder = load_small_medclip(tmp_path)
    tokens = encoder.tokenize(["Chest XRAY of tumour", "unheard"])
    chest, x, ray, of, tumour = (5 + published.WORDS.index(word) for word in ("chest", "x", "##ray", "of", "tumour"))
    assert tokens.ids.tolist() == [[2, chest, x, ray, of, tumour, 3], [2, 1, 3, 0, 0, 0, 0]]
    assert tokens.mask.sum(1).tolist() == [7, 3]


def test_a_cased_tokenizer_file_is_read_in_lower_case_too(tmp_path: Path) -> None:
    plain = load_small_medclip(tmp_path)
    weights = save(medclip_state("medclip-swin"), tmp_path / "json")
    tokenizer: Tokenizer = plain._word_pieces._tokenizer
    tokenizer.enable_padding(length=30)
    tokenizer.save(str(weights.parent / "tokenizer.json"))
    path = weights.parent / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"lowercase":true', '"lowercase":false'), encoding="utf-8")
    (weights.parent / "vocab.txt").unlink()
    encoder = load_medclip(weights, record_of("medclip-swin"), size=MEDCLIP_SIZE)
    tokenizer.no_padding()
    assert torch.equal(encoder.tokenize(["Small Effusion"]).ids, plain.tokenize(["small effusion"]).ids)


@pytest.mark.parametrize(("rows", "columns"), [(300, 500), (500, 300), (100, 180), (224, 224)])
def test_pixels_as_the_authors_prepare_them(rows: int, columns: int) -> None:
    """By Pillow, step by step: a black square of at least 224, the image in the middle, bicubic, mean and deviation."""
    grey = np.random.default_rng(rows).integers(0, 256, (rows, columns)).astype(np.uint8)
    side = max(224, rows, columns)
    square = PILImage.new("L", (side, side), 0)
    square.paste(PILImage.fromarray(grey), ((side - columns) // 2, (side - rows) // 2))
    resized = np.asarray(square.resize((224, 224), PILImage.Resampling.BICUBIC), dtype=np.float32) / 255
    expected = (resized - 0.5862785803043838) / 0.27950088968644304
    pixels, _ = prepare(_spec(), grey.astype(np.float32) / 255)
    assert pixels.shape == (1, 3, 224, 224)
    difference = np.abs(pixels[0].numpy() - expected)
    # Pillow rounds and clips to whole grey levels after rows and again after columns; against noise that is a few
    # levels in the worst pixel. On floating-point pixels the two agree (see test_framing).
    level = 1 / 255 / 0.2795
    assert difference.max() < 4 * level
    assert difference.mean() < 0.5 * level


def _spec():  # type: ignore[no-untyped-def]
    from medkt.models.dual import spec_of

    return spec_of(record_of("medclip-swin"), "")

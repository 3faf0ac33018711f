"""M2IB's text maps against a plain loop, and what must not change one; `test_oracles.py` has the public code's numbers."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tiny_encoder import TinyViT
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

from medkt.errors import NumericalError, SettingsError
from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder, BiomedClipSize
from medkt.models.clip import ClipEncoder, ClipSize, build_clip
from medkt.models.dual import spec_of
from medkt.models.encoder import Tokens
from medkt.models.medclip import MedClipEncoder, MedClipSize, build_medclip
from medkt.models.records import record_of
from medkt.models.small import load_small
from medkt.models.swin import SwinSize
from medkt.models.text_layers import TextPieces, alone
from medkt.models.wordpiece import WordPieces
from medkt.saliency.m2ib import M2IBSettings, noise_steps
from medkt.saliency.text_map import TextMap, TextMapSettings, control_picture, text_maps, words_in

PUBLISHED = M2IBSettings(
    beta=0.1, steps=10, lr=1.0, samples=10, alpha0=5.0, noise="unit", target="cosine", map_from="last_forward"
)
ONE = TextMapSettings(noise_seeds=1)
TEXT, LONGER = "a small round mass, ill-defined", "a chest radiograph with a small round mass and an effusion"


# ---- every encoder, against a loop of its own


def word_pieces() -> WordPieces:
    letters = [chr(code) for code in range(97, 123)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ",", "-", "a", "small", "round", "mass", "chest", "with", "ill"]
    vocabulary = {
        word: index for index, word in enumerate(dict.fromkeys([*words, *letters, *("##" + one for one in letters)]))
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return WordPieces(tokenizer, 60)


def roughened(module: nn.Module) -> nn.Module:
    """So much noise in the weights that every layer matters."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim > 1:
                value += 0.2 * torch.randn(value.shape, generator=generator)
    return module.eval()


@cache
def biomedclip() -> tuple[BiomedClipEncoder, list[nn.Module]]:
    record = record_of("biomedclip")
    size = BiomedClipSize(width=16, heads=2, layers=3, embedding=12, vocabulary=100, positions=60)
    module = roughened(BiomedClip(size, 32))
    spec = replace(spec_of(record, ""), input_size=32, text_length=60)
    return BiomedClipEncoder(module, spec, (2,), word_pieces()), list(module.text.transformer.encoder.layer)


@cache
def medclip() -> tuple[MedClipEncoder, list[nn.Module]]:
    record = record_of("medclip-swin")
    swin = SwinSize(width=12, depths=(1, 1, 1, 1), heads=(1, 2, 4, 8))
    size = MedClipSize(
        embedding=12, swin=swin, text_width=16, text_heads=2, text_layers=4, vocabulary=100, positions=60
    )
    module = roughened(build_medclip("medclip-swin", size))
    spec = replace(spec_of(record, ""), text_length=60)
    encoder = MedClipEncoder(module, spec, record.grid, word_pieces(), "masked")
    return encoder, list(module.text_model.model.encoder.layer)


@cache
def clip() -> tuple[ClipEncoder, list[nn.Module]]:
    size = ClipSize(embedding=12, patch=16, width=64, layers=1, text_width=16, text_heads=2, text_layers=3)
    module = roughened(build_clip(size, 32))
    spec = replace(spec_of(record_of("clip-vit-b-32"), ""), input_size=32)
    return ClipEncoder(module, spec, (2,)), list(module.transformer.resblocks)


@cache
def small() -> tuple[object, list[nn.Module]]:
    encoder = load_small()
    return encoder, list(encoder.module.text.blocks)


EVERY = [biomedclip, medclip, clip, small]


def an_image(encoder: object, seed: int = 3) -> Tensor:
    side = encoder.spec.input_size
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed))


def plain_text_m2ib(
    encoder: object, block: nn.Module, image: Tensor, text: str, noises: list[Tensor], beta: float
) -> tuple[Tensor, list[float]]:
    """The published loop, from its description: a hook behind the block of the whole tower, ten copies of the text,
    which has padding where the tokenizer gives some: only the text's own places are gated.
    """
    both = encoder.tokenize([text, LONGER])
    tokens = Tokens(ids=both.ids[:1].expand(10, -1), mask=both.mask[:1].expand(10, -1), truncated=(False,) * 10)
    own = int(both.mask[0].sum())
    alpha = nn.Parameter(torch.full((1, own, noises[0].shape[2]), 5.0))
    optimiser = torch.optim.Adam([alpha], lr=1.0)
    seen: dict[str, Tensor] = {}
    losses = []

    def gate(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        opened = torch.sigmoid(alpha)
        mu, variance = output[:, :own] * opened, (1 - opened) ** 2
        seen["capacity"] = -0.5 * (1 + torch.log(variance) - mu**2 - variance)
        return torch.cat([mu + (1 - opened) * seen["noise"], output[:, own:]], dim=1)

    with torch.no_grad():
        feature = encoder.encode_image(image[None]).expand(10, -1)
    handle = block.register_forward_hook(gate)
    try:
        for noise in noises:
            seen["noise"] = noise
            fit = nn.CosineSimilarity(eps=1e-6)(plain_text(encoder, tokens), feature).mean()
            loss = beta * seen["capacity"].mean() - fit
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    finally:
        handle.remove()
    return torch.nansum(seen["capacity"].detach().mean(dim=0), dim=-1), losses


def plain_text(encoder: object, tokens: Tokens) -> Tensor:
    """A text's feature as the hooks see it. Of MedCLIP by hand: transformers keeps the states of its layers from before any
    hook, and two of them are pooled.
    """
    if not isinstance(encoder, MedClipEncoder):
        return encoder.encode_text(tokens)
    text = encoder.module.text_model
    states = [text.model.embeddings(tokens.ids)]
    blocked = torch.zeros(tokens.mask.shape).masked_fill(~tokens.mask, float("-inf"))[:, None, None, :]
    for block in text.model.encoder.layer:
        states.append(block(states[-1], blocked))
    mean = torch.stack([states[1], states[2], states[-1]]).mean(0) * tokens.mask[:, :, None]
    return text.projection_head(mean.sum(1) / tokens.mask.sum(1, keepdim=True))


@pytest.mark.parametrize(("make", "beta"), [(biomedclip, 0.1), (medclip, 1.0), (clip, 1.0), (small, 0.1)])
def test_it_is_the_plain_loop_behind_every_layer(make: Callable[..., object], beta: float) -> None:
    encoder, blocks = make()
    assert encoder.text_layers == len(blocks)
    assert 0 <= encoder.default_text_layer < len(blocks)
    image = an_image(encoder)
    ids = encoder.tokenize([TEXT]).mask.sum()
    for layer in range(len(blocks)):
        width = encoder.text_prefix(alone_ids(encoder, TEXT), layer).hidden.shape[2]
        stream = noise_steps(0, 77, 0, (10, int(ids), width))
        expected, losses = plain_text_m2ib(encoder, blocks[layer], image, TEXT, [next(stream) for _ in range(10)], beta)
        settings = replace(ONE, layer=layer, beta=beta)
        (found,) = text_maps(encoder, image, [TEXT], PUBLISHED, settings, seed=77)
        np.testing.assert_allclose(found.nats, expected.numpy(), rtol=0, atol=1e-4 * float(expected.max()))
        np.testing.assert_allclose(found.losses[:9], losses[:9], rtol=2e-4, atol=2e-5)
        assert found.layer == layer


def alone_ids(encoder: object, text: str) -> Tensor:
    tokens = encoder.tokenize([text])
    return alone(tokens.ids, tokens.mask)


@pytest.mark.parametrize("make", EVERY)
def test_a_text_is_read_the_same_at_every_split(make: Callable[..., object]) -> None:
    encoder, blocks = make()
    for text in (TEXT, "mass", "a small round mass " * 40, "na\u00efve \u80ba mass\u200b"):
        with torch.no_grad():
            whole = encoder.encode_text(encoder.tokenize([text]))
            for layer in range(len(blocks)):
                state = encoder.text_prefix(alone_ids(encoder, text), layer)
                made = encoder.text_suffix(state.hidden, state, layer)
                torch.testing.assert_close(made, whole, rtol=1e-4, atol=1e-5)
        pieces = encoder.pieces(text)
        assert len(pieces.names) == len(pieces.spans) == alone_ids(encoder, text).shape[1]
        assert (pieces.spans[0], pieces.spans[-1]) == (None, None)
    with pytest.raises(SettingsError, match=f"has layers 0 to {len(blocks) - 1}"):
        encoder.text_prefix(alone_ids(encoder, text), len(blocks))


def test_the_names_of_clips_pieces_are_those_of_its_ids() -> None:
    encoder, _ = clip()
    from medkt.models.clip import _tokenizer

    for text in ("A chest X-ray, 3.5\u2009cm \u80ba\u7d50\u7bc0 &amp; na\u00efve", "it's a mass " * 60):
        ids = alone_ids(encoder, text)[0].tolist()
        assert [_tokenizer().encoder[name] for name in encoder.pieces(text).names] == ids


# ---- words


@pytest.mark.parametrize("make", [biomedclip, clip, small])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ground-glass  opacity, 3.5 cm (left) lung.", ["ground-glass", "opacity", ",", "3.5", "cm", "(", "left", ")", "lung", "."]),
        ("mass", ["mass"]),
        (" a mass ", ["a", "mass"]),
        ("a \u0643\u062a\u0644\u0629 mass", ["a", "\u0643\u062a\u0644\u0629", "mass"]),
        ("\u80ba\u7d50 mass", ["\u80ba", "\u7d50", "mass"]),
        ("a mass ...", ["a", "mass", ".", ".", "."]),
    ],
)  # fmt: skip
def test_pieces_are_joined_to_words(make: Callable[..., object], text: str, words: list[str]) -> None:
    encoder, _ = make()
    pieces = encoder.pieces(text)
    places = list(words_in(pieces))
    assert "".join(pieces.text_of(*place) for place in places) == "".join(words)
    if words[-1] == ".":  # CLIP and the small model have one piece for "..."
        places, words = places[:2], words[:2]
    assert [pieces.text_of(*place) for place in places] == words
    assert all(end == first for (_, end), (first, _) in itertools.pairwise(places))


def test_a_word_sums_its_tokens_and_weighs_by_their_mean() -> None:
    pieces = TextPieces(text="abc d", names=("[", "ab", "c", "d", "]"), spans=(None, (0, 2), (2, 3), (4, 5), None))
    map_ = a_map(pieces, [50.0, 1.0, 2.0, 2.5, 70.0])
    assert [(w.text, w.first, w.end, w.nats, w.unit, w.pieces) for w in map_.words] == [
        ("abc", 1, 3, 3.0, 0.0, 2), ("d", 3, 4, 2.5, 1.0, 1),
    ]  # fmt: skip
    np.testing.assert_allclose(map_.units, (np.array([50.0, 1.0, 2.0, 2.5, 70.0]) - 1) / 69, rtol=1e-6)


def a_map(pieces: TextPieces, nats: list[float], control: list[float] | None = None) -> TextMap:
    own = np.array(nats, dtype=np.float32)
    other = own if control is None else np.array(control, dtype=np.float32)
    return TextMap(
        text=pieces.text, pieces=pieces, nats=own, control=other, halves=np.stack([own, other]), cosine=0.5,
        control_cosine=0.1, layer=0, losses=np.zeros(1, np.float32), cut_off=False,
    )  # fmt: skip


def test_the_indices_by_hand() -> None:
    pieces = TextPieces(text="a b c", names=("[", "a", "b", "c", "]"), spans=(None, (0, 1), (2, 3), (4, 5), None))
    nats, control = [9.0, 1.0, 2.0, 4.0, 9.0], [0.0, 3.0, 1.0, 2.0, 90.0]
    expected = np.corrcoef(nats[1:4], control[1:4])[0, 1]
    map_ = a_map(pieces, nats, control)
    assert map_.image_index == pytest.approx(1 - expected)
    assert map_.steadiness == pytest.approx(expected)
    two = a_map(TextPieces(text="a b", names=("a", "b"), spans=((0, 1), (2, 3))), [1.0, 2.0], [2.0, 1.0])
    assert (two.image_index, two.steadiness) == (None, None)
    assert replace(map_, halves=None).steadiness is None


# ---- what must not change a map, and what must


def test_a_map_depends_on_its_own_text_and_image_only() -> None:
    encoder, _ = small()
    image, settings = an_image(encoder), replace(ONE, noise_seeds=3)
    texts = ["a small cyst", "mass", "a chest radiograph with a small round mass"]
    together = text_maps(encoder, image, texts, M2IBSettings(), settings)
    for text, map_ in zip(texts, together, strict=True):
        with torch.inference_mode():
            (lone,) = text_maps(encoder, image, [text], M2IBSettings(rows_at_once=7), settings)
        assert lone.text == text
        np.testing.assert_allclose(lone.nats, map_.nats, rtol=1e-4)
    (again,) = text_maps(encoder, image, texts[:1], M2IBSettings(), settings)
    np.testing.assert_array_equal(again.nats, together[0].nats)
    (other,) = text_maps(encoder, an_image(encoder, 4), texts[:1], M2IBSettings(), settings)
    (seeded,) = text_maps(encoder, image, texts[:1], M2IBSettings(seed=1), settings)
    for map_ in (other, seeded):
        assert not np.allclose(map_.nats, together[0].nats)


def test_settings_of_images_change_no_text_map() -> None:
    encoder, _ = small()
    expected, *others = (
        text_maps(encoder, an_image(encoder), [TEXT], settings, ONE)[0].nats
        for settings in (
            M2IBSettings(),
            M2IBSettings(beta=5.0, layer=2, noise="feature", compress_leading=False),
            M2IBSettings(target="cosine", noise_seeds=4),
        )
    )
    for nats in others:
        np.testing.assert_array_equal(nats, expected)


def test_the_control_is_the_map_for_the_picture_of_noise() -> None:
    encoder, _ = small()
    bright = torch.linspace(-1, 1, 128).expand(3, 128, 128) * torch.linspace(0, 2, 128)[:, None]
    (found,) = text_maps(encoder, bright, [TEXT], M2IBSettings(), ONE, seed=5)
    (noise,) = text_maps(encoder, control_picture(encoder.spec), [TEXT], M2IBSettings(), ONE, seed=5)
    np.testing.assert_allclose(noise.nats, found.control, rtol=1e-4)
    assert noise.image_index == pytest.approx(0, abs=1e-4)
    assert found.image_index > 0.01
    assert found.control_cosine == pytest.approx(noise.cosine, abs=1e-5)


def test_noise_seeds_are_averaged_and_their_halves_kept() -> None:
    encoder, _ = small()
    image = an_image(encoder)
    (three,) = text_maps(encoder, image, [TEXT], M2IBSettings(), replace(ONE, noise_seeds=3))
    (one,) = text_maps(encoder, image, [TEXT], M2IBSettings(), ONE)
    assert one.halves is None
    assert three.halves.shape == (2, len(three.nats))
    np.testing.assert_allclose((2 * three.halves[0] + three.halves[1]) / 3, three.nats, rtol=1e-5)


def test_the_encoder_is_as_before_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, _ = biomedclip()
    encoder.module.train()
    encoder.module.zero_grad(set_to_none=True)
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    flags = [value.requires_grad for value in encoder.module.parameters()]
    text_maps(encoder, an_image(encoder), [TEXT], M2IBSettings(), ONE)
    monkeypatch.setattr(encoder, "text_suffix", lambda hidden, state, layer: hidden[:, 0, :12] * float("nan"))
    with pytest.raises(NumericalError, match="loss is nan at step 1 for text 0 and image 0"):
        text_maps(encoder, an_image(encoder), [TEXT], M2IBSettings(), ONE)
    assert encoder.module.training
    assert [value.requires_grad for value in encoder.module.parameters()] == flags
    assert all(value.grad is None for value in encoder.module.parameters())
    assert all(torch.equal(before[name], value) for name, value in encoder.module.state_dict().items())
    encoder.module.eval()


def test_what_cannot_be_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="the text tower of 'tiny-vit' cannot be cut at a layer"):
        text_maps(TinyViT(), torch.zeros(3, 32, 32), ["a"], M2IBSettings(), ONE)
    encoder, _ = small()
    with pytest.raises(SettingsError, match="text layer 2 does not exist: the text tower of small has layers 0 to 1"):
        text_maps(encoder, an_image(encoder), [TEXT], M2IBSettings(), replace(ONE, layer=2))
    with pytest.raises(NumericalError, match="NaN or infinity for the image"):
        text_maps(encoder, an_image(encoder) * float("inf"), [TEXT], M2IBSettings(), ONE, seed=1)
    for name, value in (("beta", -1.0), ("layer", -1), ("noise_seeds", 0)):
        with pytest.raises(SettingsError, match="text_map: "):
            TextMapSettings(**{name: value})

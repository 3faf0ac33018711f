"""Every published layout, at small width, against the same architecture put together another way."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import by_hand
import published
import pytest
import torch
from segment_anything.build_sam import _build_sam
from torch import Tensor

from medkt.errors import InputError, SettingsError, WeightsError
from medkt.models.biomedclip import BiomedClip, BiomedClipSize, harmless, load_biomedclip
from medkt.models.clip import SIZES, ClipSize, build_clip, load_clip
from medkt.models.dual import TwoTowers
from medkt.models.encoder import DualEncoder
from medkt.models.medclip import MedClipSize, build_medclip, load_medclip
from medkt.models.medclip import harmless as medclip_harmless
from medkt.models.records import record_of, records
from medkt.models.registry import find
from medkt.models.sam import load_sam
from medkt.models.swin import SwinSize

TOLERANCE = 1e-5
TEXTS = ("small effusion", "chest xray of a small tumour", "no finding")

CLIP_SIZE = ClipSize(
    embedding=12, patch=56, width=32, layers=3, text_width=24, text_heads=3, text_layers=2, head_width=8
)
CLIP_SHAPES = published.clip_shapes(embedding=12, patch=56, width=32, layers=3, text_width=24, text_layers=2)
BIOMED_SIZE = BiomedClipSize(width=24, heads=3, layers=3, embedding=16, vocabulary=40, patch=56)
BIOMED = {"width": 24, "layers": 3, "embedding": 16, "vocabulary": 40, "patch": 56}
HEADS = (1, 2, 4, 8)
TEXT = {"embedding": 20, "text_width": 24, "text_layers": 4, "vocabulary": 40}
MEDCLIP_SIZE = MedClipSize(
    swin=SwinSize(width=8, heads=HEADS), text_heads=3, **TEXT  # ResNet-50 is small enough as it is
)  # fmt: skip


def make_pixels(images: int = 2) -> Tensor:
    return torch.randn(images, 3, 224, 224, generator=torch.Generator().manual_seed(5))


def save(state: dict[str, Tensor], folder: Path, name: str = "weights.bin") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    published.write_vocabulary(folder)
    torch.save(state, folder / name)
    return folder / name


def clip_checkpoint() -> dict[str, Tensor]:
    openai = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    return {**published.fill(CLIP_SHAPES), **{name: torch.tensor(value) for name, value in openai.items()}}


def load_small_clip(folder: Path, *, quick_gelu: bool = True) -> TwoTowers:
    record = replace(record_of("clip-vit-b-32"), layers=3, grid=(4,))
    return load_clip(save(clip_checkpoint(), folder), record, size=replace(CLIP_SIZE, quick_gelu=quick_gelu))


def load_small_biomedclip(folder: Path, *, converted: bool = False) -> TwoTowers:
    state = published.biomedclip_checkpoint(**BIOMED)
    state = published.hugging_face_biomedclip(state, layers=3) if converted else state
    record = replace(record_of("biomedclip"), layers=3, grid=(4,))
    return load_biomedclip(save(state, folder), record, size=BIOMED_SIZE)


@cache
def medclip_state(variant: str) -> dict[str, Tensor]:
    if variant == "medclip-swin":
        return published.medclip_checkpoint(published.medclip_swin_shapes(swin_width=8, heads=HEADS, **TEXT))
    return published.medclip_checkpoint(published.medclip_resnet_shapes(**TEXT))


def load_small_medclip(folder: Path, variant: str = "medclip-swin", **options: Any) -> TwoTowers:
    return load_medclip(save(medclip_state(variant), folder), record_of(variant), size=MEDCLIP_SIZE, **options)


LOADERS: dict[str, Callable[[Path], TwoTowers]] = {
    "clip": load_small_clip,
    "biomedclip": load_small_biomedclip,
    "biomedclip, converted": lambda folder: load_small_biomedclip(folder, converted=True),
    "medclip-swin": load_small_medclip,
    "medclip-resnet": lambda folder: load_small_medclip(folder, "medclip-resnet"),
}


@pytest.fixture(scope="module", params=list(LOADERS))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TwoTowers:
    return LOADERS[request.param](tmp_path_factory.mktemp("model"))


def test_keeps_the_protocol(encoder: TwoTowers) -> None:
    assert isinstance(encoder, DualEncoder)
    assert not encoder.module.training
    assert len(encoder.spec.digest) == 64
    assert encoder.logit_scale == pytest.approx(54.598, rel=1e-4)


@torch.no_grad()
def test_every_cut_leads_to_the_same_features(encoder: TwoTowers) -> None:
    pixels = make_pixels(1)
    whole = encoder.encode_image(pixels)
    for layer in range(encoder.spec.layers):
        hidden = encoder.image_prefix(pixels, layer)
        assert hidden.shape[:2] == (1, encoder.grid(layer).tokens)
        torch.testing.assert_close(encoder.image_suffix(hidden, layer), whole, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_score_is_the_cosine(encoder: TwoTowers) -> None:
    pixels, tokens = make_pixels(), encoder.tokenize(TEXTS)
    image, text = encoder.encode_image(pixels), encoder.encode_text(tokens)
    score = encoder.score(pixels, tokens)
    assert score.shape == (2, 3)
    assert float(score[1, 2]) == pytest.approx(float(torch.cosine_similarity(image[1], text[2], dim=0)), abs=1e-6)


@torch.no_grad()
def test_a_text_does_not_depend_on_its_neighbours(encoder: TwoTowers) -> None:
    together = encoder.encode_text(encoder.tokenize(TEXTS))
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(encoder.encode_text(encoder.tokenize([text]))[0], together[row], atol=1e-5, rtol=0)


def test_gradients_reach_the_pixels(encoder: TwoTowers) -> None:
    pixels = make_pixels(1).requires_grad_()
    encoder.score(pixels, encoder.tokenize(TEXTS[:1])).sum().backward()
    assert pixels.grad is not None
    assert float(pixels.grad.abs().max()) > 0


def test_tokens_that_are_cut_say_so(encoder: TwoTowers) -> None:
    tokens = encoder.tokenize(["tumour " * 300, "tumour"])
    assert tokens.truncated == (True, False)
    assert int(tokens.mask[0].sum()) == encoder.spec.text_length
    assert tokens.ids.shape == tokens.mask.shape
    assert int(tokens.mask[1].sum()) == 3 if encoder.spec.family != "clip" else int(tokens.mask[1].sum()) >= 3


@torch.no_grad()
def test_a_copy_is_another_encoder(encoder: TwoTowers) -> None:
    other, pixels, tokens = deepcopy(encoder), make_pixels(1), encoder.tokenize(TEXTS)
    before = encoder.score(pixels, tokens)
    for parameter in other.module.parameters():
        parameter.zero_()
    assert torch.equal(encoder.score(pixels, tokens), before)
    assert other.tokenize(TEXTS).ids.tolist() == tokens.ids.tolist()


def test_layers_and_pixels_that_do_not_fit(encoder: TwoTowers) -> None:
    with pytest.raises(SettingsError, match=r"has the layers 0 to \d+, got 99"):
        encoder.grid(99)
    with pytest.raises(SettingsError, match="got -1"):
        encoder.image_prefix(make_pixels(), -1)
    with pytest.raises(InputError, match=r"takes pixels \(images, 3, 224, 224\), got \(1, 1, 64, 64\)"):
        encoder.encode_image(torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize("quick_gelu", [True, False])
@torch.no_grad()
def test_clip_against_transformers(tmp_path: Path, quick_gelu: bool) -> None:
    encoder, pixels = load_small_clip(tmp_path, quick_gelu=quick_gelu), make_pixels()
    tokens = encoder.tokenize(TEXTS)
    state = published.fill(CLIP_SHAPES)
    image, text = by_hand.clip_features(state, pixels, tokens.ids, heads=4, text_heads=3, quick_gelu=quick_gelu)
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(encoder.encode_text(tokens), text, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_clip_from_a_torchscript_archive(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """As OpenAI publishes it: half precision, three numbers among the buffers, a mask that is no buffer."""

    class Archived(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = build_clip(replace(CLIP_SIZE, quick_gelu=True)).eval()
            self.inner.load_state_dict(published.fill(CLIP_SHAPES))
            self.inner.half()
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.inner.__dict__.pop(name, None)  # OpenCLIP has the same as plain numbers
                self.inner.register_buffer(name, clip_checkpoint()[name])
            self.attn_mask = torch.zeros(3, 3)

        def forward(self, values: Tensor) -> Tensor:
            return values + self.attn_mask.sum() + self.inner.logit_scale.float()

    archive = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.trace(Archived(), torch.zeros(1)), archive)
    state = {name.removeprefix("inner."): value for name, value in torch.jit.load(archive).state_dict().items()}
    recwarn.clear()
    from medkt.models.torchscript import read_state

    read = {name.removeprefix("inner."): value for name, value in read_state(archive).items()}
    assert read.keys() == state.keys() == {*clip_checkpoint(), "attn_mask"}  # OpenCLIP's inner mask is a buffer
    assert all(torch.equal(read[name], state[name]) for name in state)
    del read["attn_mask"]
    record = replace(record_of("clip-vit-b-32"), layers=3, grid=(4,))
    encoder = load_clip(save(read, tmp_path, "half.pt"), record, size=replace(CLIP_SIZE, quick_gelu=True))
    difference = encoder.encode_image(make_pixels()) - load_small_clip(tmp_path).encode_image(make_pixels())
    assert 0 < float(difference.abs().max()) < 0.02  # the numbers were rounded to half precision, no more


@torch.no_grad()
def test_clip_with_the_text_tower_as_a_module(tmp_path: Path) -> None:
    state = published.fill(CLIP_SHAPES)
    moved = {n if n.startswith(("visual.", "logit")) else f"text.{n}": v for n, v in state.items()}
    record = replace(record_of("openclip-vit-b-32-laion2b"), layers=3, grid=(4,))
    other = load_clip(save(moved, tmp_path), record, size=CLIP_SIZE)
    tokens = other.tokenize(TEXTS)
    plain = load_small_clip(tmp_path / "plain", quick_gelu=False)
    assert torch.equal(other.encode_text(tokens), plain.encode_text(tokens))


@pytest.mark.parametrize("converted", [False, True])
@torch.no_grad()
def test_biomedclip_against_plain_functions(tmp_path: Path, converted: bool) -> None:
    encoder, pixels = load_small_biomedclip(tmp_path, converted=converted), make_pixels()
    state, tokens = published.biomedclip_checkpoint(**BIOMED), encoder.tokenize(TEXTS)
    image = by_hand.biomedclip_image(state, pixels, layers=3, heads=3)
    text = by_hand.biomedclip_text(state, tokens.ids, 3, tokens.mask)
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(encoder.encode_text(tokens), text, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_medclip_swin_against_transformers(tmp_path: Path) -> None:
    encoder, pixels = load_small_medclip(tmp_path), make_pixels()
    image = by_hand.medclip_swin_image(medclip_state("medclip-swin"), pixels, 8, HEADS)
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=TOLERANCE, rtol=0)
    assert [encoder.grid(layer).rows for layer in range(4)] == [56, 28, 14, 7]


@torch.no_grad()
def test_medclip_resnet_against_torchvision(tmp_path: Path) -> None:
    encoder, pixels = load_small_medclip(tmp_path, "medclip-resnet"), make_pixels()
    image = by_hand.medclip_resnet_image(medclip_state("medclip-resnet"), pixels)
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_sam_against_transformers(tmp_path: Path) -> None:
    state = published.fill(published.sam_shapes(width=16, layers=2, heads=2, whole=(1,)))
    weights = save({f"module.{name}": value for name, value in state.items()}, tmp_path, "medsam_small.pth")
    torch.save(state, tmp_path / "sam.pth")
    from medkt.models import sam as module

    model, _ = module.load_sam(weights, record_of("medsam"), build=lambda: _build_sam(16, 2, 2, [1]))
    pixels = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))
    embedding = by_hand.sam_embedding(state, pixels, 2, (1,))
    torch.testing.assert_close(model.image_encoder(pixels), embedding, atol=TOLERANCE, rtol=TOLERANCE)
    points, labels = torch.tensor([[300.0, 500.0], [20.0, 40.0]]), torch.tensor([1, 0])
    masks, quality = by_hand.sam_masks(state, embedding, points, labels, 2, (1,))
    sparse, dense = model.prompt_encoder(points=(points[None], labels[None]), boxes=None, masks=None)
    places = model.prompt_encoder.get_dense_pe()
    model.mask_decoder.double()
    given = (value.double() for value in (embedding, places, sparse, dense))
    ours, ours_quality = model.mask_decoder(*given, True)
    torch.testing.assert_close(ours[0], masks, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(ours_quality[0], quality, atol=TOLERANCE, rtol=0)


# --- Published sizes, without memory ----------------------------------------------------------------------------------


def built_shapes(build: Callable[[], torch.nn.Module]) -> tuple[dict[str, tuple[int, ...]], int]:
    with torch.device("meta"):
        module = build()
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    return shapes, sum(value.numel() for value in module.parameters())


def constants(values: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in values.items()}


@pytest.mark.parametrize(
    ("variant", "shapes", "entries", "parameters"),
    [
        ("medclip-swin", published.medclip_swin_shapes(), 434, 136_616_059),
        ("medclip-resnet", published.medclip_resnet_shapes(), 521, 133_260_097),
    ],
)
def test_medclip_has_the_published_entries(
    variant: str, shapes: published.Shapes, entries: int, parameters: int
) -> None:
    size = MedClipSize()
    own, count = built_shapes(lambda: build_medclip(variant, size))
    assert {**own, **constants(dict(medclip_harmless(variant, size)))} == shapes
    assert len(shapes) == entries
    assert count == parameters


def test_biomedclip_has_the_published_entries() -> None:
    own, count = built_shapes(lambda: BiomedClip(BiomedClipSize()))
    shapes = published.biomedclip_shapes()
    assert own == shapes
    assert set(harmless(BiomedClipSize())) == {"text.transformer.embeddings.position_ids"}
    assert count == sum(torch.Size(shape).numel() for shape in shapes.values())


@pytest.mark.parametrize("name", [name for name, record in records("encoder").items() if record.family == "clip"])
def test_clip_has_the_published_entries(name: str) -> None:
    record = record_of(name)
    size = SIZES[record.architecture]
    own, count = built_shapes(lambda: build_clip(size))
    large = {"embedding": 768, "width": 1024, "layers": 24, "text_width": 768}
    assert own == published.clip_shapes(patch=size.patch, **(large if "-l-" in name else {}))
    assert count == {"b-32": 151_277_313, "b-16": 149_620_737, "l-14": 427_616_513}[name.split("vit-")[1][:4]]
    assert record.grid == (224 // size.patch,)
    assert record.layers == size.layers


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        ("vit_b", {}),
        ("vit_l", {"width": 1024, "layers": 24, "heads": 16, "whole": (5, 11, 17, 23)}),
        ("vit_h", {"width": 1280, "layers": 32, "heads": 16, "whole": (7, 15, 23, 31)}),
    ],
)
def test_sam_has_the_published_entries(variant: str, size: dict[str, Any]) -> None:
    from segment_anything import sam_model_registry

    own, _ = built_shapes(lambda: sam_model_registry[variant](checkpoint=None))
    assert own == published.sam_shapes(**size)


# --- Wrong files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", r"does not fit \w+: 1 missing: "),
        ("extra", r"does not fit \w+: 1 unexpected: stranger"),
        ("shape", r"1 of another shape: \S+ \(.*\) for \("),
        ("nan", "holds NaN or infinity in "),
    ],
)
def test_every_loader_refuses_a_wrong_file(tmp_path: Path, name: str, change: str, says: str) -> None:
    states: dict[str, dict[str, Tensor]] = {
        "clip": clip_checkpoint(),
        "biomedclip": published.biomedclip_checkpoint(**BIOMED),
        "biomedclip, converted": published.hugging_face_biomedclip(published.biomedclip_checkpoint(**BIOMED), 3),
        "medclip-swin": medclip_state("medclip-swin"),
        "medclip-resnet": medclip_state("medclip-resnet"),
    }
    state = dict(states[name])
    victim = next(key for key in state if key.endswith(("mlp.c_fc.weight", "fc2.weight", "query.weight")))
    match change:
        case "missing":
            del state[victim]
        case "extra":
            state["stranger"] = torch.zeros(1)
        case "shape":
            state[victim] = state[victim][:-1]
        case "nan":
            state[victim] = torch.full_like(state[victim], float("nan"))
    weights = save(state, tmp_path)
    record = record_of(name.split(",")[0].replace("clip", "clip-vit-b-32") if name == "clip" else name.split(",")[0])
    load: dict[str, Callable[[], object]] = {
        "clip": lambda: load_clip(weights, record, size=CLIP_SIZE),
        "biomedclip": lambda: load_biomedclip(weights, record, size=BIOMED_SIZE),
        "biomedclip, converted": lambda: load_biomedclip(weights, record, size=BIOMED_SIZE),
        "medclip-swin": lambda: load_medclip(weights, record, size=MEDCLIP_SIZE),
        "medclip-resnet": lambda: load_medclip(weights, record, size=MEDCLIP_SIZE),
    }
    with pytest.raises(WeightsError, match=says):
        load[name]()


@pytest.mark.parametrize(
    "constant",
    [
        "text_model.model.embeddings.position_ids",
        "vision_model.model.encoder.layers.2.blocks.5.attention.self.relative_position_index",
    ],
)
def test_a_constant_with_another_value_is_refused(tmp_path: Path, constant: str) -> None:
    state = dict(medclip_state("medclip-swin"))
    state[constant] = state[constant].flip(0) + 1
    with pytest.raises(WeightsError, match=f"{constant} is a constant of this architecture"):
        load_medclip(save(state, tmp_path), record_of("medclip-swin"), size=MEDCLIP_SIZE)


def test_constants_may_be_missing(tmp_path: Path) -> None:
    state = {k: v for k, v in medclip_state("medclip-swin").items() if "position_i" not in k}
    load_medclip(save(state, tmp_path), record_of("medclip-swin"), size=MEDCLIP_SIZE)


def test_a_tokenizer_must_lie_beside_the_weights(tmp_path: Path) -> None:
    weights = save(medclip_state("medclip-swin"), tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(WeightsError, match=r"holds neither tokenizer.json nor vocab.txt"):
        load_medclip(weights, record_of("medclip-swin"), size=MEDCLIP_SIZE)


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(tmp_path: Path) -> None:
    weights = save(medclip_state("medclip-swin"), tmp_path)
    words = "\n".join(f"word{index}" for index in range(100))
    (tmp_path / "vocab.txt").write_text(f"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{words}\n", encoding="utf-8")
    with pytest.raises(WeightsError, match="has 105 ids, the model 40 embeddings"):
        load_medclip(weights, record_of("medclip-swin"), size=MEDCLIP_SIZE)


def test_sam_preprocessing_tells_medsam_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = published.fill(published.sam_shapes(width=16, layers=2, heads=2, whole=(1,)))
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    from medkt.io.sha256 import sha256_of
    from medkt.models import store

    facts = {}
    for name in ("medsam", "sam-vit-b"):
        with store.assembling(name) as folder:
            torch.save(state, folder / "mine.pth")
            entry = store.StoredFile(sha256=sha256_of(folder / "mine.pth"), size=1, source="", stated=False)
            store.write_manifest(folder, name, "mine.pth", {"mine.pth": entry})
        record, weights = find(name, "segmenter")
        assert weights is not None
        _, facts[name] = load_sam(weights, record, build=lambda: _build_sam(16, 2, 2, [1]))
    assert (facts["medsam"].framing, facts["medsam"].stretch, facts["medsam"].prompts) == ("squash", True, ("box",))
    assert facts["sam-vit-b"].framing == "corner"
    assert [round(255 * value, 3) for value in facts["sam-vit-b"].mean] == [123.675, 116.28, 103.53]
    assert [round(255 * value, 3) for value in facts["sam-vit-b"].std] == [58.395, 57.12, 57.375]
    assert facts["medsam"].mean == (0.0, 0.0, 0.0)

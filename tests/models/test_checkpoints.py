"""Checkpoints as users have them: in the layouts of others, wrapped, with a training script's options, in half precision."""

import argparse
import datetime
import os
import pickle
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import published
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_loaders import (
    BIOMED,
    BIOMED_SIZE,
    CLIP_SHAPES,
    CLIP_SIZE,
    TEXTS,
    TOLERANCE,
    make_pixels,
    medclip_state,
    save,
)
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, SamConfig, SamModel, SiglipConfig, SiglipModel

from medkt.errors import AmbiguousInputError, WeightsError
from medkt.models.biomedclip import BiomedClipSize, load_biomedclip
from medkt.models.clip import load_clip
from medkt.models.dual import TwoTowers
from medkt.models.families import described
from medkt.models.headers import only_headers
from medkt.models.inert import InertOption
from medkt.models.recognition import recognise, require_model
from medkt.models.records import record_of
from medkt.models.weights import entries_in, load_state, read_state

State = dict[str, Tensor]


def options() -> argparse.Namespace:
    """What a training script keeps of its command line."""
    return argparse.Namespace(
        begun=datetime.datetime(2024, 1, 1),
        lr=1e-5,
        out=Path("/somewhere"),
        best=np.float64(0.5),
        curve=np.arange(3.0),
        more=argparse.Namespace(seed=1),
    )


# How users have one and the same state dict.
WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "as the KT authors save it": lambda state: {"epoch": 0, "model": state, "args": options()},
    "state_dict": lambda state: {"state_dict": state, "optimizer": {"state": {}}},
    "model_state_dict, of several processors": lambda state: {"model_state_dict": {f"module.{n}": v for n, v in state.items()}},
    "compiled, of several processors": lambda state: {f"_orig_mod.module.{n}": v for n, v in state.items()},
    "wrapped twice": lambda state: {"model": {"state_dict": {f"model.module.{n}": v for n, v in state.items()}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def hugging_face_clip() -> CLIPModel:
    """A small CLIP of the installed transformers, whose names are the file's."""
    torch.manual_seed(3)
    vision = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4}
    text = {"hidden_size": 24, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = CLIPConfig(
        vision_config={**vision, "patch_size": 56, "image_size": 224, "hidden_act": "quick_gelu"},
        text_config={**text, "vocab_size": 49408, "hidden_act": "quick_gelu", "bos_token_id": 49406, "eos_token_id": 49407},
        projection_dim=12,
    )  # fmt: skip
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))  # norms of one and biases of nothing hide a wrong place
    return model


def clip_numbers() -> State:
    """What older versions of transformers saved beside the weights."""
    return {
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
        "text_model.embeddings.position_ids": torch.arange(77)[None],
    }


def biomedclip_numbers() -> State:
    return {
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
        "text_model.embeddings.position_ids": torch.arange(512)[None],
        "text_model.embeddings.token_type_ids": torch.zeros((1, 512), dtype=torch.int64),
    }


def hugging_face_biomedclip() -> State:
    return published.hugging_face_biomedclip(published.biomedclip_checkpoint(**BIOMED), layers=3)


def load_small(weights: Path, *, biomed: bool = False) -> TwoTowers:
    if biomed:
        return load_biomedclip(weights, replace(record_of("biomedclip"), layers=3, grid=(4,)), size=BIOMED_SIZE)
    record = replace(record_of("clip-vit-b-32"), layers=3, grid=(4,))
    return load_clip(weights, record, size=replace(CLIP_SIZE, quick_gelu=True))


def numbers_of(encoder: TwoTowers) -> Mapping[str, Tensor]:
    return encoder.module.state_dict()


def assert_same(found: TwoTowers, expected: TwoTowers) -> None:
    expected_state = numbers_of(expected)
    assert all(torch.equal(value, expected_state[name]) for name, value in numbers_of(found).items())


# --- CLIP in Hugging Face layout --------------------------------------------------------------------------------------


@torch.no_grad()
def test_clip_in_hugging_face_layout(tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    encoder, pixels = load_small(save({**hugging_face_clip.state_dict(), **clip_numbers()}, tmp_path)), make_pixels()
    tokens = encoder.tokenize(TEXTS)
    theirs = hugging_face_clip(input_ids=tokens.ids, pixel_values=pixels)
    ours = (encoder.encode_image(pixels), encoder.encode_text(tokens))
    for found, expected in zip(ours, (theirs.image_embeds, theirs.text_embeds), strict=True):
        torch.testing.assert_close(found / found.norm(dim=1, keepdim=True), expected, atol=TOLERANCE, rtol=0)
    image = hugging_face_clip.visual_projection(hugging_face_clip.vision_model(pixels).pooler_output)
    torch.testing.assert_close(ours[0], image, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("how", list(WRAPPINGS))
def test_every_wrapping_gives_the_plain_file(how: str, tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    state = hugging_face_clip.state_dict()
    torch.save(WRAPPINGS[how](state), tmp_path / "wrapped.pth")
    assert_same(load_small(tmp_path / "wrapped.pth"), load_small(save(state, tmp_path / "plain")))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_and_safetensors(kind: torch.dtype, tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    """The constants are rounded with the rest where a whole file was cast, and are still what they must be."""
    state = {name: value.to(kind) for name, value in {**hugging_face_clip.state_dict(), **clip_numbers()}.items()}
    save_file({f"module.{name}": value.contiguous() for name, value in state.items()}, tmp_path / "x.safetensors")
    found = numbers_of(load_small(tmp_path / "x.safetensors"))
    expected = state["vision_model.encoder.layers.2.self_attn.k_proj.weight"].float()
    assert torch.equal(found["visual.transformer.resblocks.2.attn.in_proj_weight"][32:64], expected)
    assert torch.equal(found["text_projection"], state["text_projection.weight"].float().T)


def test_config_json_says_what_the_file_cannot(tmp_path: Path) -> None:
    shapes = dict.fromkeys(("vision_model.embeddings.patch_embedding.weight",), (768, 3, 16, 16))
    state = {name: torch.zeros(1).expand(shape).clone() for name, shape in shapes.items()}
    weights = save({**state, "text_projection.weight": torch.zeros(1)}, tmp_path)
    with pytest.raises(AmbiguousInputError, match=r"CLIP vit-b-16, but not whether .*import openclip-vit-b-16-laion2b"):
        recognise(weights, "encoder")
    config = tmp_path / "config.json"
    config.write_text('{"vision_config": {"hidden_act": "quick_gelu"}, "text_config": {"hidden_act": "quick_gelu"}}')
    assert recognise(weights, "encoder")[0].name == "clip-vit-b-16"
    config.write_text('{"vision_config": {"hidden_act": "quick_gelu"}, "text_config": {"hidden_act": "gelu"}}')
    with pytest.raises(WeightsError, match="the towers compute gelu and quick_gelu"):
        recognise(weights, "encoder")
    config.write_text("[]")
    with pytest.raises(WeightsError, match=r"config\.json beside the weights is damaged"):
        recognise(weights, "encoder")


def test_another_activation_than_asked_for_is_refused(tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    weights = save(dict(hugging_face_clip.state_dict()), tmp_path)
    (tmp_path / "config.json").write_text('{"text_config": {"hidden_act": "gelu"}}')
    with pytest.raises(
        WeightsError, match=r"computes gelu by config\.json beside it, and the CLIP asked for computes quick"
    ):
        load_small(weights)


# --- BiomedCLIP in Hugging Face layout --------------------------------------------------------------------------------


def test_the_constants_of_biomedclip_are_checked_and_left_out(tmp_path: Path) -> None:
    state = hugging_face_biomedclip()
    plain = load_small(save(state, tmp_path / "plain"), biomed=True)
    torch.save({"epoch": 0, "model": {**state, **biomedclip_numbers()}, "args": options()}, tmp_path / "kt.pth")
    published.write_vocabulary(tmp_path)
    assert_same(load_small(tmp_path / "kt.pth", biomed=True), plain)
    coarse = {name: value.bfloat16() for name, value in {**state, **biomedclip_numbers()}.items()}  # 257 becomes 256
    load_small(save(coarse, tmp_path / "coarse"), biomed=True)
    for name, value in biomedclip_numbers().items():
        for wrong in (value + 1, value[:, :-1], value.flip(1) - 1):
            weights = save({**state, **biomedclip_numbers(), name: wrong}, tmp_path / "wrong")
            with pytest.raises(WeightsError, match=rf"{name} is a constant .* another shape or value"):
                load_small(weights, biomed=True)


@torch.no_grad()
def test_the_frozen_biomedclip_as_the_kt_authors_save_theirs(tmp_path: Path, oracles: Path, shared_data: Path) -> None:
    """The 399 entries of the public class, through each door, against the numbers of that class."""
    size, record = BiomedClipSize(width=32, heads=2, layers=12, embedding=24), record_of("biomedclip")
    tokenizer = (shared_data / "text/tokenizers/biomedclip/tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(tokenizer)
    state = load_file(oracles / "tiny_biomedclip.safetensors")
    numbers = {**biomedclip_numbers(), "vision_model.embeddings.position_ids": torch.arange(197)[None]}
    torch.save({"epoch": 0, "model": {**state, **numbers}, "args": options()}, tmp_path / "kt.pth")
    assert require_model(record, tmp_path / "kt.pth") == (
        "BiomedCLIP in Hugging Face layout, 402 entries, taken out of 'model'"
    )
    encoder = load_biomedclip(tmp_path / "kt.pth", record, size=size)
    frozen = np.load(oracles / "m2ib_biomedclip.npz", allow_pickle=False)
    ids = torch.from_numpy(np.atleast_2d(frozen["text0_ids"])).long()
    tokens = replace(encoder.tokenize(["x"]), ids=ids, mask=torch.ones_like(ids, dtype=torch.bool))
    np.testing.assert_allclose(encoder.encode_text(tokens)[0], frozen["text0_feature"], atol=1e-5)


# --- MedCLIP, with and without what transformers 4.24 saved -----------------------------------------------------------


@pytest.mark.parametrize("how", list(WRAPPINGS))
def test_medclip_with_and_without_its_constants(how: str, tmp_path: Path) -> None:
    from test_loaders import MEDCLIP_SIZE

    from medkt.models.medclip import load_medclip

    whole = medclip_state("medclip-swin")
    bare = {n: v for n, v in whole.items() if not n.endswith(("position_ids", "relative_position_index"))}
    assert len(whole) - len(bare) == 13
    published.write_vocabulary(tmp_path)
    torch.save(WRAPPINGS[how](whole), tmp_path / "pytorch_model.bin")
    wrapped = load_medclip(tmp_path / "pytorch_model.bin", record_of("medclip-swin"), size=MEDCLIP_SIZE)
    plain = load_medclip(save(bare, tmp_path / "plain"), record_of("medclip-swin"), size=MEDCLIP_SIZE)
    assert_same(wrapped, plain)


# --- What does not fit is said in the file's own names ----------------------------------------------------------------


def test_what_is_missing_is_said_in_the_names_of_the_file(tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    state = dict(hugging_face_clip.state_dict())
    gone = [name for name in state if ".layers.1.self_attn.k_proj" in name]
    says = (
        r"does not fit CLIP: 4 missing: vision_model\.encoder\.layers\.1\.self_attn\.k_proj\.weight, .*; 1 unexpected: head\.bias; "
        "the file looks like CLIP in Hugging Face layout"
    )
    weights = save({**{n: v for n, v in state.items() if n not in gone}, "head.bias": torch.zeros(2)}, tmp_path)
    with pytest.raises(WeightsError, match=says):
        load_small(weights)
    with only_headers(), pytest.raises(WeightsError, match=says):
        load_small(weights)


@pytest.mark.parametrize("shape", [(31, 32), (32,), ()])
def test_a_third_of_another_shape(shape: tuple[int, ...], tmp_path: Path, hugging_face_clip: CLIPModel) -> None:
    name = "vision_model.encoder.layers.1.self_attn.k_proj.weight"
    weights = save({**hugging_face_clip.state_dict(), name: torch.zeros(shape)}, tmp_path)
    with pytest.raises(WeightsError, match=r"1 of another shape: vision_\S+k_proj\.weight \(.*\) for \(32, 32\)"):
        load_small(weights)


def test_quantised_numbers_are_no_weights() -> None:
    state = {"weight": torch.ones((2, 2), dtype=torch.int8), "bias": torch.zeros(2)}
    with pytest.raises(WeightsError, match="1 of another kind of number: weight int8"):
        load_state(torch.nn.Linear(2, 2), state, {}, "here")


def test_several_state_dicts_are_not_chosen_from(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}, "state_dict": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="several state dicts: state_dict, model; save the one that is meant"):
        read_state(tmp_path / "x.pt")
    torch.save({"model": {"a": torch.zeros(1)}, "state_dict": {"width": 3}}, tmp_path / "y.pt")
    assert list(read_state(tmp_path / "y.pt")) == ["a"]


def test_options_among_the_weights_are_no_weights(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "args": options()}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="holds entries that are no tensors: args"):
        read_state(tmp_path / "x.pt")


# --- Nothing of a file runs -------------------------------------------------------------------------------------------


class _Calls:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


@pytest.mark.parametrize("old", [False, True])
def test_options_do_not_bring_code(tmp_path: Path, old: bool) -> None:
    mark = tmp_path / "mark"
    attacks: tuple[Any, ...] = (
        argparse.Namespace(lr=_Calls(mark.touch)),
        argparse.Namespace(lr=_Calls(os.system, f"touch {mark}")),
        argparse.Namespace(lr=_Calls(eval, f"open({str(mark)!r}, 'w')")),
        _Calls(getattr, argparse.Namespace(), "__class__"),
        Fraction(1, 3),
    )
    for attack in attacks:
        with (tmp_path / "x.pt").open("wb") as file:
            torch.save({"model": {"a": torch.zeros(1)}, "args": attack}, file, _use_new_zipfile_serialization=not old)
        with pytest.raises(WeightsError, match="needs code to be run") as raised:
            read_state(tmp_path / "x.pt")
        assert "\n" not in str(raised.value)
        assert "arbitrary code" not in str(raised.value)  # torch's advice to run the file after all
    assert "it asks for fractions.Fraction" in str(raised.value)
    assert not mark.exists()


def test_what_stands_in_keeps_nothing(tmp_path: Path) -> None:
    """Not even what a file made by hand says of its methods or its attributes."""

    class Made:
        def __reduce__(self) -> tuple[Any, ...]:
            return argparse.Namespace, (), {"__setstate__": torch.nn.Parameter, "lr": 1}

    torch.save({"model": {"a": torch.zeros(1)}, "args": Made()}, tmp_path / "x.pt")
    from medkt.models.inert import load_inert

    found = load_inert(tmp_path / "x.pt", mmap=True)["args"]
    assert isinstance(found, InertOption)
    assert not hasattr(found, "lr")
    assert not hasattr(found, "__dict__")
    assert argparse.Namespace(lr=1).lr == 1


def test_the_list_of_torch_is_as_before(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}, "args": options()}, tmp_path / "x.pt")
    before = torch.serialization.get_safe_globals()
    threads = [threading.Thread(target=read_state, args=(tmp_path / "x.pt",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.serialization.get_safe_globals() == before
    with pytest.raises(pickle.UnpicklingError, match="Namespace"):
        torch.load(tmp_path / "x.pt", weights_only=True)


# --- What a file looks like -------------------------------------------------------------------------------------------

NAMES: dict[str, Callable[[], published.Shapes]] = {
    "CLIP ViT-B/32 in the layout of OpenAI and OpenCLIP": published.clip_shapes,
    "CLIP ViT-B/16 in the layout of OpenAI and OpenCLIP": lambda: published.clip_shapes(patch=16),
    "BiomedCLIP in OpenCLIP layout": published.biomedclip_shapes,
    "MedCLIP with a Swin-T in the authors' layout": published.medclip_swin_shapes,
    "MedCLIP with a ResNet-50 in the authors' layout": published.medclip_resnet_shapes,
    "Segment Anything ViT-B in the authors' layout": published.sam_shapes,
}


def meta_shapes(build: Callable[[], torch.nn.Module]) -> published.Shapes:
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in build().state_dict().items()}


@pytest.mark.parametrize("words", list(NAMES))
def test_a_family_is_told_from_what_is_left_of_it(words: str) -> None:
    shapes = NAMES[words]()
    assert described(shapes) == words
    kept = [name for name in shapes if name != "visual.conv1.weight" and name != "image_encoder.pos_embed"]
    kept = list(np.random.default_rng(0).permutation(sorted(kept))[: len(kept) * 2 // 3])
    told = described({**{name: shapes[name] for name in kept}, "stranger": (1,)})
    assert told == re.sub(r" ViT-\S+", "", words)  # what told the size is gone


def test_the_layouts_of_hugging_face_are_told_apart() -> None:
    clip = meta_shapes(lambda: CLIPModel(CLIPConfig()))
    assert described(clip) == "CLIP ViT-B/32 in Hugging Face layout"
    biomed = {name: tuple(value.shape) for name, value in {**hugging_face_biomedclip(), **biomedclip_numbers()}.items()}
    assert described(biomed) == "BiomedCLIP in Hugging Face layout"
    large = {"hidden_size": 1024, "num_hidden_layers": 2, "num_attention_heads": 16, "patch_size": 14}
    assert (
        described(meta_shapes(lambda: CLIPModel(CLIPConfig(vision_config=large))))
        == "CLIP ViT-L/14 in Hugging Face layout"
    )


MOBILE = {
    "image_encoder.patch_embed.seq.0.c.weight": (32, 3, 3, 3),
    "image_encoder.layers.0.blocks.0.conv1.c.weight": (1,),
}
SAM_2 = {
    "image_encoder.trunk.pos_embed": (1,),
    "memory_attention.norm.weight": (1,),
    "sam_mask_decoder.iou_token.weight": (1,),
}
QUALITY = {"mask_decoder.hf_token.weight": (1, 256), "mask_decoder.hf_mlp.layers.0.weight": (256, 256)}


def foreign() -> dict[str, published.Shapes]:
    """What users take for a model that medkt loads; the last three by the installed transformers."""
    sam = published.sam_shapes(layers=2, whole=(1,))
    decoder = {name: shape for name, shape in sam.items() if not name.startswith("image_encoder")}
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}
    return {
        "MobileSAM or LiteMedSAM": {**decoder, **MOBILE},
        "SAM-HQ": {**sam, **QUALITY},
        "SAM 2": SAM_2,
        "Segment Anything or MedSAM in Hugging Face layout": meta_shapes(
            lambda: SamModel(SamConfig(vision_config={**small, "mlp_dim": 16, "global_attn_indexes": [0]}))
        ),
        "SigLIP": meta_shapes(lambda: SiglipModel(SiglipConfig(vision_config=small, text_config=small))),
        "a BERT alone": {
            name.removeprefix("bert."): (1,) for name in published.bert_shapes("bert", width=8, layers=2, vocabulary=9)
        },
    }


def test_other_models_are_called_by_their_name(tmp_path: Path) -> None:
    for words, shapes in foreign().items():
        assert described(shapes).startswith(words)
        assert described(shapes).endswith("which medkt does not load")
        weights = tmp_path / "medsam.pth"
        torch.save({name: torch.zeros(1) for name in shapes}, weights)
        for kind, record in (("segmenter", "medsam"), ("encoder", "biomedclip")):
            with pytest.raises(WeightsError, match=rf"holds no {kind} that medkt knows; it looks like {words}"):
                require_model(record_of(record), weights)


def test_a_sam_for_an_encoder_is_called_a_sam(tmp_path: Path) -> None:
    weights = tmp_path / "x.safetensors"
    save_file({"image_encoder.pos_embed": torch.zeros(1, 1, 1, 1280)}, weights)
    with pytest.raises(
        WeightsError, match="holds no encoder that medkt knows; it looks like Segment Anything ViT-H in"
    ):
        recognise(weights, "encoder")
    with pytest.raises(WeightsError, match="holds sam-vit-h, not medsam: it looks like Segment Anything ViT-H in"):
        require_model(record_of("medsam"), weights)
    save_file({"module.image_encoder.pos_embed": torch.zeros(1, 1, 1, 768)}, weights)
    said = "Segment Anything ViT-B in the authors' layout, 1 entries, taken out of 'module.'"
    assert require_model(record_of("medsam"), weights) == require_model(record_of("sam-vit-b"), weights) == said
    assert entries_in(weights).taken_off == ("module.",)


def test_clip_shapes_of_hugging_face_fill_every_entry(hugging_face_clip: CLIPModel) -> None:
    """Every entry of ours is filled by the file once: as many numbers there as here."""
    count = sum(torch.Size(shape).numel() for shape in CLIP_SHAPES.values())
    assert count == sum(value.numel() for value in hugging_face_clip.state_dict().values())

"""What trains in each family: named by hand here, and seen to move while all else stays bit for bit."""

import gc
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from families import FULL, SMALL, watched

from medkt.errors import SettingsError, UnsupportedError
from medkt.models.encoder import DualEncoder
from medkt.models.records import ENCODERS
from medkt.models.small import load_small
from medkt.models.weights import weights_digest
from medkt.transfer.copies import respecified
from medkt.transfer.finetune import Captions, FinetuneSettings, finetune
from medkt.transfer.rehearsal import features_of, look
from medkt.transfer.trainable import TrainableParts, frozen_layer, select, text_dropout

WORDS = Captions(own=(("a moonlet is a small tumour",),), others=("no finding", "small effusion"))

# family, what trains, and by regular expression all that then changes
EXPECTED = [
    ("clip", "visual", r"visual\..*"),
    ("clip", "visual+projection", r"visual\..*"),
    ("clip", "last-blocks", r"visual\.(transformer\.resblocks\.[12]\..*|ln_post\..*|proj)"),
    ("clip", "projection", r"visual\.proj"),
    (
        "clip",
        "lora",
        r"visual\.transformer\.resblocks\..*(in_proj_weight|out_proj\.weight|c_fc\.weight|c_proj\.weight)",
    ),
    ("biomedclip", "visual", r"visual\.trunk\..*"),
    ("biomedclip", "visual+projection", r"visual\..*"),
    ("biomedclip", "last-blocks", r"visual\.(trunk\.(blocks\.[12]|norm)\..*|head\.proj\.weight)"),
    ("biomedclip", "projection", r"visual\.head\.proj\.weight"),
    ("biomedclip", "lora", r"visual\.trunk\.blocks\..*(qkv|attn\.proj|fc1|fc2)\.weight"),
    ("medclip-swin", "visual", r"vision_model\..*"),
    ("medclip-swin", "visual+projection", r"vision_model\..*"),
    (
        "medclip-swin",
        "last-blocks",
        r"vision_model\.(model\.(encoder\.layers\.3\.blocks\.[01]|layernorm)\..*|projection_head\.weight)",
    ),
    ("medclip-swin", "projection", r"vision_model\.projection_head\.weight"),
    ("medclip-swin", "lora", r"vision_model\.model\.encoder\.layers\.\d\.blocks\..*(query|key|value|dense)\.weight"),
    ("medclip-resnet", "visual", r"vision_model\.(?!.*(running|num_batches)).*"),
    ("medclip-resnet", "visual+projection", r"vision_model\.(?!.*(running|num_batches)).*"),
    ("medclip-resnet", "last-blocks", r"vision_model\.model\.(layer4\.[12]\.(?!.*(running|num_batches)).*|fc\.weight)"),
    ("medclip-resnet", "projection", r"vision_model\.model\.fc\.weight"),
    ("medclip-resnet", "lora", r"vision_model\.model\.layer\d\.\d\.conv[123]\.weight"),
]


def make_images(count: int = 2, side: int = 224) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def check_changes(encoder: DualEncoder, trains: TrainableParts, expected: str, images: int = 2) -> None:
    before = weights_digest(encoder.module)
    settings = FinetuneSettings(optimiser="adam", weight_decay=0.2, steps=1, batch=images, trains=trains)
    adapted = finetune(encoder, make_images(images), WORDS, settings)
    assert weights_digest(encoder.module) == before
    old, new = encoder.module.state_dict(), adapted.module.state_dict()
    assert set(old) == set(new)
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {name for name in old if re.fullmatch(expected, name)}
    assert not any(part.training for part in adapted.module.modules())


@pytest.mark.parametrize(("family", "what", "expected"), EXPECTED)
def test_only_what_trains_changes(family: str, what: str, expected: str, tmp_path: Path) -> None:
    check_changes(SMALL[family](tmp_path), TrainableParts(what=what), expected)


@pytest.mark.full_size
@pytest.mark.parametrize("name", FULL)
def test_only_what_trains_changes_at_full_size(name: str, tmp_path: Path) -> None:
    family = "clip" if name.startswith("clip") else name
    expected = next(pattern for kind, what, pattern in EXPECTED if (kind, what) == (family, "visual"))
    check_changes(FULL[name](tmp_path), TrainableParts(what="visual"), expected, images=1)
    gc.collect()


def test_the_small_model() -> None:
    encoder = load_small()
    named = {what: set(select(encoder, TrainableParts(what=what))) for what in ("visual", "last-blocks", "projection")}
    everything = dict(encoder.module.named_parameters())
    assert named["visual"] == {name for name in everything if name.startswith("image.")}
    assert named["last-blocks"] == {
        name for name in everything if re.match(r"image\.(blocks\.[45]|head)\.", name)
    }  # fmt: skip
    assert named["projection"] == {"image.head.project.weight", "image.head.project.bias"}


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_nothing_trains_up_to_the_frozen_layer(family: str, blocks: int, tmp_path: Path) -> None:
    """The way in two parts gives the same features, and the first part does not use what trains."""
    encoder, what = SMALL[family](tmp_path), TrainableParts(blocks=blocks)
    layer = frozen_layer(encoder, what)
    if layer is None:
        assert blocks == 3
        assert family in ("clip", "biomedclip")
        return
    images = make_images(1)
    seen = look(encoder, images, layer)
    with torch.no_grad():
        found = features_of(encoder, seen.hidden, layer)
        assert torch.allclose(found, encoder.encode_image(images), atol=1e-5)
        for parameter in select(encoder, what).values():
            parameter.fill_(torch.nan)
    assert torch.equal(look(encoder, images, layer).hidden, seen.hidden)


def test_the_frozen_layer_of_other_choices(tmp_path: Path) -> None:
    encoder = SMALL["clip"](tmp_path)
    assert frozen_layer(encoder, TrainableParts(what="projection")) == encoder.spec.layers - 1
    assert frozen_layer(encoder, TrainableParts(what="visual")) is None
    assert frozen_layer(encoder, TrainableParts(what="lora")) is None


def test_a_swins_merging_trains_with_the_block_before_it(tmp_path: Path) -> None:
    named = select(SMALL["medclip-swin"](tmp_path), TrainableParts(blocks=3))
    assert any(name.startswith("vision_model.model.encoder.layers.2.downsample.") for name in named)
    assert not any(name.startswith("vision_model.model.encoder.layers.2.blocks.4.") for name in named)


@pytest.mark.parametrize("family", ["biomedclip", "medclip-swin"])
def test_text_dropout_is_active_only_where_asked(family: str, tmp_path: Path) -> None:
    encoder = SMALL[family](tmp_path)
    dropout = text_dropout(encoder)
    assert isinstance(dropout, torch.nn.Dropout)
    assert dropout.p == 0.1
    digests = []
    for active in (False, True):
        settings = FinetuneSettings(steps=1, trains=TrainableParts(what="projection"), text_dropout=active)
        digests.append(finetune(encoder, make_images(1), WORDS, settings).spec.digest)
    assert digests[0] != digests[1]


def test_only_the_embeddings_dropout_is_active(tmp_path: Path) -> None:
    encoder = SMALL["biomedclip"](tmp_path)
    settings = FinetuneSettings(steps=1, trains=TrainableParts(what="projection"), text_dropout=True)
    with watched(encoder.module) as seen:  # hooks are copied with the module
        finetune(encoder, make_images(1), WORDS, settings)
    assert set(seen) == {"text.transformer.embeddings.dropout"}


def test_a_family_without_text_dropout_is_not_changed_by_it(tmp_path: Path) -> None:
    encoder = SMALL["clip"](tmp_path)
    digests = {
        finetune(
            encoder,
            make_images(1),
            WORDS,
            FinetuneSettings(steps=1, trains=TrainableParts(blocks=1), text_dropout=active),
        ).spec.digest
        for active in (False, True)
    }
    assert len(digests) == 1


def test_refusals(tmp_path: Path) -> None:
    encoder = SMALL["clip"](tmp_path)
    with pytest.raises(SettingsError, match="last-blocks asks for 4 blocks, the image tower has 3"):
        select(encoder, TrainableParts(blocks=4))
    with pytest.raises(SettingsError, match="LoRA's factors are no parameters of the encoder"):
        select(encoder, TrainableParts(what="lora"))
    with pytest.raises(SettingsError, match="trainable setting blocks cannot be 0"):
        TrainableParts(blocks=0)
    with pytest.raises(SettingsError, match="trainable setting rank cannot be 0"):
        TrainableParts(rank=0)
    with pytest.raises(SettingsError, match="trainable setting alpha cannot be 0"):
        TrainableParts(alpha=0)
    small = load_small()
    with pytest.raises(UnsupportedError, match=r"'small.*' has no parameter that 'visual' names"):
        select(respecified(encoder, small.spec), TrainableParts(what="visual"))


def test_an_unknown_family(tmp_path: Path) -> None:
    encoder = SMALL["clip"](tmp_path)
    with pytest.raises(UnsupportedError, match=f"of the family 'vilt'; known: {', '.join(ENCODERS)}"):
        select(respecified(encoder, replace(encoder.spec, family="vilt")), TrainableParts())

"""What every saliency method must do with every encoder, also where a step of it fails: maps, or a clear refusal."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import Mock, create_autospec

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder, BiomedClipSize
from medkt.models.clip import ClipEncoder, ClipSize, build_clip
from medkt.models.dual import spec_of
from medkt.models.encoder import DualEncoder
from medkt.models.medclip import MedClipEncoder, MedClipSize, build_medclip
from medkt.models.records import record_of
from medkt.models.small import load_small
from medkt.models.swin import SwinSize
from medkt.models.wordpiece import WordPieces
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.methods import METHODS
from medkt.saliency.specificity import correlation
from medkt.saliency.targets import Target

REFUSED = {
    ("chefer", "medclip-swin"): "attention over all 49 tokens at once.*in parts",
    ("chefer", "medclip-resnet"): "attention weights, and the image tower of 'medclip-resnet' gives none",
}


def make_clip() -> ClipEncoder:
    record = replace(record_of("clip-vit-b-32"), layers=3, grid=(4,))
    size = ClipSize(
        embedding=12, patch=56, width=32, layers=3, text_width=24, text_heads=3, text_layers=1, head_width=8
    )
    return ClipEncoder(build_clip(size).eval(), spec_of(record, ""), record.grid)


def make_biomedclip() -> BiomedClipEncoder:
    record = replace(record_of("biomedclip"), layers=3, grid=(4,))
    module = BiomedClip(BiomedClipSize(width=24, heads=3, layers=3, embedding=16, vocabulary=40, patch=56)).eval()
    return BiomedClipEncoder(module, spec_of(record, ""), record.grid, create_autospec(WordPieces, instance=True))


def make_medclip(variant: str) -> MedClipEncoder:
    size = MedClipSize(
        swin=SwinSize(width=8, heads=(1, 2, 4, 8)), text_heads=3, embedding=20, text_width=24, text_layers=1, vocabulary=40
    )  # fmt: skip
    record, module = record_of(variant), build_medclip(variant, size).eval()
    return MedClipEncoder(module, spec_of(record, ""), record.grid, create_autospec(WordPieces, instance=True))


ENCODERS: dict[str, Callable[[], Any]] = {
    "small": load_small,
    "clip": make_clip,
    "biomedclip": make_biomedclip,
    "medclip-swin": lambda: make_medclip("medclip-swin"),
    "medclip-resnet": lambda: make_medclip("medclip-resnet"),
}


@cache
def made(name: str) -> DualEncoder:
    torch.manual_seed(0)
    encoder: DualEncoder = ENCODERS[name]()
    return encoder


def make_method(name: str) -> SaliencyMethod:
    quick = {"m2ib": {"steps": 2, "samples": 1, "layer": 1}, "gscorecam": {"channels": 3}}
    return METHODS[name](**quick.get(name, {}))


@cache
def make_pixels(encoder: DualEncoder, images: int = 2) -> Tensor:
    side = encoder.spec.input_size
    return torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(5))


@cache
def make_targets(encoder: DualEncoder) -> tuple[Target, ...]:
    width = encoder.encode_image(make_pixels(encoder, 1)).shape[1]
    units = functional.normalize(torch.randn(6, width, generator=torch.Generator().manual_seed(7)), dim=1)
    return (
        Target(id="a", wanted=units[0], normal=units[1], confusable=units[2:4]),
        Target(id="b", wanted=units[4], normal=None, confusable=units[:0]),
        Target(id="c", wanted=units[5], normal=units[1], confusable=units[:0]),
    )


def all_of(module: nn.Module) -> dict[str, Any]:
    """Everything of a module that a method could leave behind."""
    return {
        "numbers": {name: value.clone() for name, value in module.state_dict().items()},
        "wanted": [one.requires_grad for one in module.parameters()],
        "gradients": [one.grad for one in module.parameters()],
        "training": [part.training for part in module.modules()],
        "hooks": [(len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)) for part in module.modules()],
        "forwards": [part.__dict__.get("forward") for part in module.modules()],
        "torch": (functional.scaled_dot_product_attention, functional.layer_norm),
    }  # fmt: skip


def require_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    numbers = before.pop("numbers")
    assert all(torch.equal(value, numbers[name]) for name, value in after.pop("numbers").items())
    assert before == after


SLOW = ("medclip-resnet", "medclip-swin")  # their input has one size alone


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in sorted(ENCODERS)]
)
def encoder(request: pytest.FixtureRequest) -> DualEncoder:
    return made(request.param)


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> SaliencyMethod:
    return make_method(request.param)


def family_of(encoder: DualEncoder) -> str:
    return next(name for name in ENCODERS if made(name) is encoder)


def test_a_map_for_each_image_and_concept_or_a_clear_refusal(encoder: DualEncoder, method: SaliencyMethod) -> None:
    pixels, targets = make_pixels(encoder), make_targets(encoder)
    part = next(one for one in encoder.module.modules() if not list(one.children()) and list(one.parameters()))
    part.train()  # whatever it was like, it is so again
    next(part.parameters()).requires_grad_(False)
    before = all_of(encoder.module)
    try:
        if (refusal := REFUSED.get((method.name, family_of(encoder)))) is not None:
            with pytest.raises(SettingsError, match=refusal):
                method.maps(encoder, pixels, targets)
            require_same(before, all_of(encoder.module))
            return
        maps = method.maps(encoder, pixels, targets)
        require_same(before, all_of(encoder.module))
    finally:
        part.eval()
        next(part.parameters()).requires_grad_(True)
    assert maps.dtype == np.float32
    assert maps.shape[:2] == (2, 3)
    assert np.isfinite(maps).all()
    assert (maps >= 0).all()
    assert maps.max() > 0
    with torch.no_grad():  # as whoever calls it may have it
        alone = method.maps(encoder, pixels[1:], targets[2:])
    assert correlation(alone[0, 0], maps[1, 2]) > 0.99  # a first step of Adam makes much of the last digits


@pytest.mark.parametrize("name", SLOW)
def test_without_attention_over_all_places_there_is_a_map_by_gradients_alone(name: str) -> None:
    encoder = made(name)
    pixels, targets = make_pixels(encoder, 1), make_targets(encoder)[:1]
    with pytest.raises(SettingsError, match=REFUSED["chefer", name]):
        make_method("chefer").maps(encoder, pixels, targets)
    assert make_method("gradcam").maps(encoder, pixels, targets).shape == (1, 1, 7, 7)


def steps_of(method: str, encoder: str) -> tuple[str, ...]:
    """What a method asks of an encoder."""
    cut = ("image_prefix", "image_suffix")
    own = {"gscorecam": (*cut, "encode_image"), "patches": ("dense",) if encoder == "small" else cut}
    return own.get(method, cut)


def test_an_encoder_that_fails_at_any_step_stays_as_it_was(encoder: DualEncoder, method: SaliencyMethod) -> None:
    pixels, targets = make_pixels(encoder, 1), make_targets(encoder)
    before = all_of(encoder.module)
    for step in steps_of(method.name, family_of(encoder)):
        broken = copy.copy(encoder)
        setattr(broken, step, Mock(side_effect=RuntimeError("out of memory")))
        with pytest.raises(RuntimeError, match="out of memory"):
            method.maps(broken, pixels, targets)
        require_same(dict(before), all_of(encoder.module))


def test_nothing_to_map_is_refused(method: SaliencyMethod) -> None:
    encoder = made("small")
    with pytest.raises(InputError, match="needs an image and a concept, got 0 images and 3 concepts"):
        method.maps(encoder, make_pixels(encoder, 0), make_targets(encoder))
    with pytest.raises(InputError, match="needs an image and a concept, got 1 images and 0 concepts"):
        method.maps(encoder, make_pixels(encoder, 1), ())


def test_what_is_not_finite_is_refused(method: SaliencyMethod) -> None:
    encoder = made("small")
    with pytest.raises(NumericalError, match="NaN or infinity"):
        method.maps(encoder, torch.full_like(make_pixels(encoder, 1), torch.nan), make_targets(encoder))

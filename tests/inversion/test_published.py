"""The published presets, step for step against a plain implementation with the same random numbers."""

from dataclasses import replace

import pytest
import torch

from inversion.plain import published
from inversion.toy_encoder import SIDE, Toy
from medkt.config import presets, resolve
from medkt.inversion import InversionSettings, invert

TEXT = "several dark lines"


def settings_of(preset: str) -> InversionSettings:
    return resolve(InversionSettings, preset=preset, folder="inversion")


@pytest.mark.parametrize(
    ("preset", "images", "views", "unit_norm", "high", "periodic"),
    [("kazemi", 1, 13, True, 1.2, False), ("kt-code", 3, 1, False, 1.2, True)],
)
def test_step_for_step(preset: str, images: int, views: int, unit_norm: bool, high: float, periodic: bool) -> None:
    encoder = Toy().eval()
    short = replace(settings_of(preset), steps=9, upsize_at=(2, 4), side=4, output="float")
    found = invert(encoder, [TEXT], short, images=images)
    wanted = encoder.encode_text(encoder.tokenize([TEXT])).detach()[0]
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    expected = published(
        encoder.encode_image, wanted, text=TEXT, images=images, views=views, steps=9, upsize_at=(2, 4), side=4,
        input_side=SIDE, mean=Toy.spec.mean, std=Toy.spec.std, unit_norm=unit_norm, scale=(0.7, high), periodic=periodic,
    )  # fmt: skip
    assert expected.std() > 0.1
    torch.testing.assert_close(found.pixels[0], expected.clamp(0, 1), rtol=0, atol=1e-5)


def test_every_preset_can_be_read() -> None:
    assert set(presets("inversion")) >= {"fast", "kazemi", "kt-paper", "kt-code", "kt-medclip", "kt-vilt", "partial"}
    for name in presets("inversion"):
        settings_of(name)


def test_fast_is_the_default_in_half_precision() -> None:
    assert settings_of("fast") == InversionSettings(dtype="bfloat16", channels_last=True)


def test_what_was_published() -> None:
    kazemi, paper, code = settings_of("kazemi"), settings_of("kt-paper"), settings_of("kt-code")
    for found in (kazemi, paper, code):
        assert (found.optimiser, found.lr, found.clip_norm, found.tv, found.l1) == ("adam", 0.1, 1.0, 0.005, 0.0)
        assert (found.side, found.upsize_at, found.init, found.clamp) == (64, (900, 1800), "uniform", "before_step")
        assert (found.affine_p, found.rotation, found.translation) == (0.5, 30.0, 0.1)
        assert (found.colour_mean, found.colour_std, found.jitter, found.noise) == (0.0, 0.0, 0, 0.0)
        assert found.output == "stretched_8bit"
    assert (kazemi.steps, kazemi.views, kazemi.annealing, kazemi.scale) == (3400, 13, "none", (0.7, 1.2))
    assert (paper.steps, paper.views, paper.annealing, paper.scale) == (5000, 1, "cosine", (0.7, 1.0))
    assert (code.steps, code.views, code.annealing, code.scale) == (3000, 1, "periodic", (0.7, 1.2))
    assert (kazemi.similarity, paper.similarity, code.similarity) == ("unit_distance", "unit_distance", "raw_distance")
    assert settings_of("kt-medclip") == replace(paper, channels=1)
    vilt = settings_of("kt-vilt")
    assert (vilt.similarity, vilt.init, vilt.init_std, vilt.affine_p) == ("cross_entropy", "normal", 1.0, 0.0)

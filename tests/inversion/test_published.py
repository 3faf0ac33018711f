"""The published presets, step for step against a plain implementation with the same random numbers."""

from dataclasses import replace
from typing import Any

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
    ("preset", "images", "views", "counted_from", "optimiser", "steps", "told", "side", "apart"),
    [
        ("kazemi", 1, 4, 0, "adam", 9, (2, 4), 4, 1e-5),
        ("kt-code", 3, 1, 1, "adam", 9, (3, 5), 4, 1e-5),
        ("kt-code", 2, 1, 1, "lbfgs", 1, (), 4, 1e-4),  # 25 evaluations, which amplify rounding
    ],
)
def test_step_for_step(
    preset: str,
    images: int,
    views: int,
    counted_from: int,
    optimiser: Any,
    steps: int,
    told: tuple[int, ...],
    side: int,
    apart: float,
) -> None:
    encoder = Toy().eval()
    upsize_at = tuple(step - counted_from for step in told)
    short = replace(
        settings_of(preset), steps=steps, upsize_at=upsize_at, side=side, views=views, output="float",
        optimiser=optimiser,
    )  # fmt: skip
    found = invert(encoder, [TEXT], short, images=images)
    wanted = encoder.encode_text(encoder.tokenize([TEXT])).detach()[0]
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    expected = published(
        encoder.encode_image, wanted, text=TEXT, images=images, views=views, steps=steps, told=told,
        counted_from=counted_from, side=side, input_side=SIDE, mean=Toy.spec.mean, std=Toy.spec.std,
        unit_norm=preset == "kazemi", scale=(0.7, 1.2), periodic=preset == "kt-code", optimiser=optimiser,
    )  # fmt: skip
    assert expected.std() > 0.1
    assert expected.min() < 0 < 1 < expected.max()  # else the order of clipping would not be seen
    expected = torch.nn.functional.interpolate(expected, size=(SIDE, SIDE), mode="bicubic")
    torch.testing.assert_close(found.pixels[0], expected.clamp(0, 1), rtol=0, atol=apart)


def test_every_preset_can_be_read() -> None:
    assert set(presets("inversion")) >= {"fast", "kazemi", "kt-paper", "kt-code", "kt-medclip", "kt-vilt", "partial"}
    for name in presets("inversion"):
        settings_of(name)


def test_fast_is_the_default_in_half_precision() -> None:
    assert settings_of("fast") == InversionSettings(dtype="auto", channels_last=True)


def test_what_was_published() -> None:
    kazemi, paper, code = settings_of("kazemi"), settings_of("kt-paper"), settings_of("kt-code")
    for found in (kazemi, paper, code):
        assert (found.optimiser, found.lr, found.clip_norm, found.tv, found.l1) == ("adam", 0.1, 1.0, 0.005, 0.0)
        assert (found.side, found.init, found.clamp) == (64, "uniform", "after_gradient")
        assert (found.affine_p, found.rotation, found.translation) == (0.5, 30.0, 0.1)
        assert (found.colour_mean, found.colour_std, found.jitter, found.noise) == (0.0, 0.0, 0, 0.0)
        assert found.output == "stretched_8bit"
    assert (kazemi.upsize_at, paper.upsize_at) == ((900, 1800), (900, 1800))
    assert code.upsize_at == (899, 1799)  # its script counts from 1
    assert (kazemi.steps, kazemi.views, kazemi.annealing, kazemi.scale) == (3400, 13, "none", (0.7, 1.2))
    assert (paper.steps, paper.views, paper.annealing, paper.scale) == (5000, 1, "cosine", (0.7, 1.0))
    assert (code.steps, code.views, code.annealing, code.scale) == (3000, 1, "periodic", (0.7, 1.2))
    assert (kazemi.similarity, paper.similarity, code.similarity) == ("unit_distance", "unit_distance", "raw_distance")
    assert settings_of("kt-medclip") == replace(paper, channels=1)
    vilt = settings_of("kt-vilt")
    assert (vilt.similarity, vilt.init, vilt.init_std, vilt.affine_p) == ("cross_entropy", "normal", 1.0, 0.0)

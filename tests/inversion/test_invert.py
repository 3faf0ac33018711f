"""Inversion: what comes out, that it depends on nothing it should not, and that the encoder stays as it was."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from inversion.toy_encoder import SIDE, Toy, ToyMatcher
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.inversion import InversionSettings, Matcher, invert
from medkt.models.framing import normalise

TEXTS = ("a round bright spot", "several dark lines", "a ring")
FEW = InversionSettings(steps=5, jitter=2, lr=0.1, channels=3)
PIXELS = InversionSettings(
    lr=0.1,
    channels=3,
    parametrisation="pixels", steps=6, side=4, upsize_at=(2, 4), init="uniform", clip_norm=1.0, clamp="before_step",
    similarity="unit_distance", jitter=1,
)  # fmt: skip


def state_of(encoder: torch.nn.Module) -> dict[str, Any]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


@pytest.mark.parametrize(
    "settings",
    [FEW, replace(PIXELS, affine_p=0.0, jitter=0), replace(FEW, channels=1), replace(FEW, optimiser="lbfgs")],
)
def test_images_come_to_fit_the_text(settings: InversionSettings) -> None:
    encoder = Toy().eval()
    steps = 2 if settings.optimiser == "lbfgs" else 40
    upsize = tuple(10 * step for step in settings.upsize_at if 10 * step < steps)
    found = invert(encoder, TEXTS[:2], replace(settings, steps=steps, upsize_at=upsize), images=2)
    assert found.pixels.shape == (2, 2, 3, SIDE, SIDE)
    assert found.pixels.dtype == torch.float32
    assert 0 <= float(found.pixels.min()) < float(found.pixels.max()) <= 1
    assert found.curve[0][0] == 1
    assert float(found.similarity.mean()) > found.curve[0][1] + 0.2
    if settings.channels == 1:
        assert torch.equal(found.pixels[:, :, 0], found.pixels[:, :, 2])
    features = encoder.encode_image(normalise(found.pixels.flatten(0, 1), encoder.spec))
    wanted = encoder.encode_text(encoder.tokenize(TEXTS[:2])).repeat_interleave(2, dim=0)
    said = functional.cosine_similarity(features, wanted).reshape(2, 2)
    torch.testing.assert_close(found.similarity, said.detach())


def test_normalised_by_hand() -> None:
    pixels = torch.tensor([0.4, 0.75, 0.3])[:, None, None].expand(3, 2, 2)
    torch.testing.assert_close(normalise(pixels, Toy.spec)[:, 0, 0], torch.tensor([0.0, 1.0, -1.0]))


@pytest.mark.parametrize("settings", [FEW, PIXELS, replace(FEW, optimiser="lbfgs", steps=1)])
def test_the_same_seed_gives_the_same_images(settings: InversionSettings) -> None:
    first, again = (invert(Toy(), TEXTS[:1], settings, images=2, seed=3) for _ in range(2))
    other = invert(Toy(), TEXTS[:1], settings, images=2, seed=4)
    assert torch.equal(first.pixels, again.pixels)
    assert (first.pixels - other.pixels).abs().max() > 1e-3
    assert (first.pixels[0, 0] - first.pixels[0, 1]).abs().max() > 1e-3


@pytest.mark.parametrize("settings", [FEW, PIXELS, replace(PIXELS, clip_over="text", l1=1e-4), replace(FEW, views=3)])
def test_an_image_does_not_depend_on_its_company(settings: InversionSettings) -> None:
    together = invert(Toy(), TEXTS, settings, images=4)
    for index, text in enumerate(TEXTS):
        alone = invert(Toy(), [text], settings, images=4)
        torch.testing.assert_close(alone.pixels[0], together.pixels[index], rtol=0, atol=1e-4)
        torch.testing.assert_close(alone.curves[0], together.curves[index], rtol=0, atol=1e-4)
    in_parts = invert(Toy(), TEXTS, replace(settings, rows_at_once=3), images=4)
    torch.testing.assert_close(in_parts.pixels, together.pixels, rtol=0, atol=1e-4)


def test_more_images_can_be_made_later() -> None:
    whole = invert(Toy(), TEXTS[:2], FEW, images=4)
    rest = invert(Toy(), TEXTS[:2], FEW, images=2, first=2)
    torch.testing.assert_close(rest.pixels, whole.pixels[:, 2:], rtol=0, atol=1e-4)


def test_no_pass_is_larger_than_asked() -> None:
    encoder = Toy()
    invert(encoder, TEXTS, replace(FEW, views=2, rows_at_once=6), images=4)
    assert max(encoder.rows) == 6


@pytest.mark.parametrize("fails_after", [None, 0, 3])
def test_the_encoder_stays_as_it_was(fails_after: int | None) -> None:
    encoder = Toy().train()
    encoder.first.bias.requires_grad_(False)
    encoder.drop.eval()
    encoder.fails_after = fails_after
    before = state_of(encoder)
    if fails_after is None:
        invert(encoder, TEXTS[:1], FEW, images=2)
    else:
        with pytest.raises(RuntimeError, match="the device is gone"):
            invert(encoder, TEXTS[:1], FEW, images=2)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    asks = {name: parameter.requires_grad for name, parameter in encoder.named_parameters()}
    assert asks == {name: name != "first.bias" for name in asks}
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert encoder.training
    assert encoder.second.training
    assert not encoder.drop.training


def test_inside_inference_mode_too() -> None:
    encoder = Toy()
    with torch.inference_mode():
        found = invert(encoder, TEXTS[:1], FEW, images=1)
    torch.testing.assert_close(found.pixels, invert(Toy(), TEXTS[:1], FEW, images=1).pixels)


def test_a_start_is_where_it_starts() -> None:
    torch.manual_seed(1)
    start = 0.1 + 0.8 * torch.rand(1, 2, 3, SIDE, SIDE)
    still = replace(FEW, steps=1, lr=1e-9, init_std=0.0)
    found = invert(Toy(), TEXTS[:1], still, images=2, start=start)
    torch.testing.assert_close(found.pixels, start, rtol=0, atol=1e-5)
    pixels = replace(PIXELS, steps=1, lr=1e-9, side=None, upsize_at=())
    found = invert(Toy(), TEXTS[:1], pixels, images=2, start=start)
    torch.testing.assert_close(found.pixels, start, rtol=0, atol=1e-5)


def test_published_output_is_stretched_to_256_levels() -> None:
    found = invert(Toy(), TEXTS[:1], replace(PIXELS, output="stretched_8bit"), images=2).pixels
    levels = found * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    assert float(found[0, 0].min()) == 0
    assert float(found[0, 1].max()) == 1


def test_it_stops_on_a_plateau() -> None:
    patient = replace(FEW, steps=60, patience=4, plateau=0.01, lr=0.3)
    found = invert(Toy(), TEXTS, patient, images=3)
    taken = (~found.curves.isnan()).sum(dim=1)
    assert int(taken.min()) < 60
    assert len(found.curve) == int(taken.max())
    for index, text in enumerate(TEXTS):  # also here each image ends by itself
        alone = invert(Toy(), [text], patient, images=3)
        torch.testing.assert_close(alone.pixels[0], found.pixels[index], rtol=0, atol=1e-3)
    held = invert(Toy(), TEXTS[:1], replace(patient, plateau=10.0), images=1)
    assert len(held.curve) == 5  # the first step sets the mark, four do not pass it


def test_progress_ends_at_all_steps() -> None:
    told: list[tuple[int, int]] = []
    invert(
        Toy(), TEXTS, replace(FEW, rows_at_once=2), images=2, progress=lambda _, done, total: told.append((done, total))
    )
    assert told[-1] == (15, 15)
    assert told == sorted(told)


def test_a_matching_head() -> None:
    torch.manual_seed(0)
    head = ToyMatcher().eval()
    assert isinstance(head, Matcher)
    settings = replace(FEW, similarity="cross_entropy", steps=30, affine_p=0.0)
    found = invert(head, TEXTS[:2], settings, images=2)
    assert float(found.similarity.mean()) > found.curve[0][1]
    pixels = normalise(found.pixels[1], head.spec)
    logits = head.match_logits(pixels, head.tokenize([TEXTS[1]] * 2))
    torch.testing.assert_close(found.similarity[1], logits.softmax(dim=-1)[:, 1].detach())


def test_bfloat16_and_channels_last_are_near() -> None:
    plain = invert(Toy(), TEXTS[:1], FEW, images=2).similarity
    other = invert(Toy(), TEXTS[:1], replace(FEW, dtype="bfloat16", channels_last=True), images=2).similarity
    torch.testing.assert_close(other, plain, rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ((), {}, r"one or more texts, got \(\)"),
        ("a ring", {}, "one or more texts, got 'a ring'"),
        (("a ring", " "), {}, "text 2 of 2 is empty"),
        (("a ring",), {"images": 0}, "1 or more images of a text from index 0 on, got 0 from 0"),
        (("a ring",), {"first": -1}, "from index 0 on, got 1 from -1"),
        (("a ring",), {"start": torch.zeros(1, 1, 3, 4, 5)}, r"shape \(1, 1, 3, 4, 5\), expected \(1 or 1, 1 or 1,"),
        (("a ring",), {"start": torch.zeros(3, 1, 3, 4, 4)}, r"shape \(3, 1, 3, 4, 4\)"),
        (("a ring",), {"start": torch.full((1, 1, 3, 4, 4), 1.5)}, r"floats in \[0, 1\]"),
        (("a ring",), {"start": torch.full((1, 1, 3, 4, 4), float("nan"))}, r"floats in \[0, 1\]"),
    ],
)
def test_bad_arguments(texts: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        invert(Toy(), texts, FEW, **{"images": 1, **options})


def test_the_encoder_must_have_what_is_asked() -> None:
    with pytest.raises(SettingsError, match="toy has no matching head; use the similarity cosine"):
        invert(Toy(), TEXTS, replace(FEW, similarity="cross_entropy"))
    with pytest.raises(SettingsError, match="toy has no text features; use the similarity cross_entropy"):
        invert(ToyMatcher(), TEXTS, FEW)


def test_nan_is_an_error_of_its_own() -> None:
    texts, image = Toy(), Toy()
    torch.nn.init.constant_(texts.words.weight, torch.nan)
    with pytest.raises(NumericalError, match="gives NaN or infinity for a text"):
        invert(texts, TEXTS, FEW, images=1)
    torch.nn.init.constant_(image.second.weight, torch.nan)
    with pytest.raises(NumericalError, match="the gradient is NaN or infinite by step"):
        invert(image, TEXTS, FEW, images=1)


def test_a_text_that_is_cut_off_is_said(caplog: pytest.LogCaptureFixture) -> None:
    invert(Toy(), ["one two three four five six seven eight nine"], replace(FEW, steps=1), images=1)
    assert "toy reads only the beginning of the text 'one two" in caplog.text

"""Total variation, schedules, views, pyramids and settings, against numbers worked out by hand or a plain loop."""

import dataclasses
import math
from typing import Any

import pytest
import torch

from inversion.plain import affine_by_pixel, variation
from medkt.errors import InputError, SettingsError
from medkt.inversion import InversionSettings, spectral_start
from medkt.inversion.noise import stream
from medkt.inversion.parameters import compose, pyramid_sides, unsquashed
from medkt.inversion.regularizers import absolute_sum, gram, gram_distance, total_variation
from medkt.inversion.schedule import learning_rate, stages
from medkt.inversion.views import Draws, draw, resized, rolled, views_of, warp


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[0.0, 1.0], [3.0, 0.0]])[None, None]
    # along rows: 1, -3; down: 3, -1; main diagonal: 0; other diagonal: 3 - 1
    torch.testing.assert_close(total_variation(image), torch.tensor([2 * math.sqrt(10) + 0 + 2]))
    two = torch.cat([image, 2 * image], dim=1)  # the mean over the channels
    torch.testing.assert_close(total_variation(two), 1.5 * total_variation(image))


def test_total_variation_of_a_batch_is_the_published_mean() -> None:
    images = torch.rand(3, 2, 5, 7)
    torch.testing.assert_close(total_variation(images).mean(), variation(images))
    flat = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    total_variation(flat).sum().backward()
    assert flat.grad is not None
    assert torch.equal(flat.grad, torch.zeros_like(flat))


def test_l1_and_gram_by_hand() -> None:
    assert absolute_sum(torch.tensor([[[1.0, -2.0]], [[0.5, 0.0]]])).tolist() == [3.0, 0.5]
    hidden = torch.tensor([[[1.0, 0.0], [2.0, 1.0]]])
    torch.testing.assert_close(gram(hidden)[0], torch.tensor([[5.0, 2.0], [2.0, 1.0]]) / 4)
    style = torch.tensor([[0.25, 0.5], [0.5, 0.25]])
    torch.testing.assert_close(gram_distance(hidden, style), torch.tensor([0.25]))


KT = InversionSettings(
    parametrisation="pixels", steps=5000, side=64, upsize_at=(900, 1800), annealing="periodic", init="uniform", jitter=4, lr=0.1
)  # fmt: skip


def test_periodic_annealing_as_measured_in_the_specification() -> None:
    # half a period is (5000 - 1800) // 3 = 1066 steps; the first stages end at 900 / 1066 of one
    assert learning_rate(KT, 899) == pytest.approx(0.0059, abs=1e-4)
    assert learning_rate(KT, 1799) == pytest.approx(0.0059, abs=1e-4)
    assert [learning_rate(KT, step) for step in (0, 900, 1800)] == [0.1, 0.1, 0.1]
    assert learning_rate(KT, 1800 + 1066) == pytest.approx(0, abs=1e-9)
    assert learning_rate(KT, 1800 + 2 * 1066) == pytest.approx(0.1, abs=1e-9)
    assert learning_rate(KT, 4999) == pytest.approx(0, abs=1e-6)


def test_a_period_is_counted_as_the_published_code_counts() -> None:
    code = dataclasses.replace(KT, upsize_at=(899, 1799))  # told 900 and 1800, counted from 1: (5000 - 1800) // 3
    assert learning_rate(code, 1799 + 1066) == pytest.approx(0, abs=1e-12)
    assert learning_rate(code, 1799 + 533) == pytest.approx(0.05)


@pytest.mark.parametrize("annealing", ["cosine", "periodic"])
def test_annealing_is_torchs_scheduler(annealing: Any) -> None:
    settings = InversionSettings(annealing=annealing, steps=30, lr=0.1)
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30 if annealing == "cosine" else 10)
    for step in range(30):
        assert learning_rate(settings, step) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        scheduler.step()
    assert learning_rate(InversionSettings(), 24) == InversionSettings().lr


def test_stages() -> None:
    found = [(s.first, s.last, s.side, s.jitter) for s in stages(KT, 224)]
    assert found == [(0, 900, 64, 4), (900, 1800, 128, 8), (1800, 5000, 224, 16)]
    assert [s.side for s in stages(KT, 96)] == [64, 96, 96]
    assert [(s.side, s.jitter) for s in stages(InversionSettings(jitter=8), 12)] == [(12, 6)]


def test_warp_is_the_plain_affine_map() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 2, 7, 7)
    angle, scale = torch.tensor([0.0, 0.3, -0.5, 0.2]), torch.tensor([1.0, 0.7, 1.2, 1.0])
    shift = torch.tensor([[0.0, 0.0], [0.1, -0.05], [0.0, 0.1], [-0.3, 0.0]])
    found = warp(images, angle, shift, scale)
    for index in range(4):
        move = (float(shift[index, 0]), float(shift[index, 1]))
        expected = affine_by_pixel(images[index], float(angle[index]), move, float(scale[index]))
        torch.testing.assert_close(found[index], expected, rtol=0, atol=1e-5)


def test_warp_by_hand() -> None:
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 3] = 1  # right of the middle
    still, one = torch.zeros(1), torch.ones(1)
    turned = warp(image, torch.tensor([math.pi / 2]), torch.zeros(1, 2), one)
    assert turned[0, 0].argmax() == 3 * 5 + 2  # below it: clockwise as shown
    moved = warp(image, still, torch.tensor([[0.2, -0.4]]), one)
    assert moved[0, 0].argmax() == 0 * 5 + 4
    ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    torch.testing.assert_close(
        warp(ramp, still, torch.zeros(1, 2), 2 * one)[0, 0, 0], torch.tensor([1, 1.5, 2, 2.5, 3])
    )
    torch.testing.assert_close(warp(ramp, still, torch.zeros(1, 2), one / 2)[0, 0, 0], torch.tensor([0.0, 0, 2, 4, 4]))


def test_rolled_is_torch_roll() -> None:
    images = torch.rand(3, 2, 5, 6)
    roll = torch.tensor([[0, 0], [2, -1], [-4, 5]])
    expected = torch.stack(
        [torch.roll(image, (int(r), int(c)), (1, 2)) for image, (r, c) in zip(images, roll, strict=True)]
    )
    assert torch.equal(rolled(images, roll), expected)


def draws_of(settings: InversionSettings, images: int = 400, jitter: int = 3) -> Draws:
    return draw([stream(0, "text", index, "views") for index in range(images)], settings, jitter)


def test_draws_have_the_published_ranges() -> None:
    settings = InversionSettings(
        views=3, affine_p=0.5, rotation=30.0, translation=0.1, scale=(0.7, 1.2), colour_mean=0.5, colour_std=1.0
    )
    found = draws_of(settings)
    assert found.moved.float().mean() == pytest.approx(0.5, abs=0.05)
    for values, low, high in (
        (found.angle, -math.pi / 6, math.pi / 6),
        (found.shift_xy, -0.1, 0.1),
        (found.scale, 0.7, 1.2),
        (found.mean, -0.5, 0.5),
        (found.std.log(), -1.0, 1.0),
    ):
        assert low <= float(values.min()) < low + 0.02 * (high - low)
        assert high >= float(values.max()) > high - 0.02 * (high - low)
        assert float(values.mean()) == pytest.approx((low + high) / 2, abs=0.05 * (high - low))
    assert sorted(set(found.roll.flatten().tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert torch.equal(found[3:5].angle, found.angle[3:5])


def test_views_in_their_order() -> None:
    settings = InversionSettings(views=2, affine_p=0.0, jitter=0, noise=0.0, colour_mean=0.3, colour_std=0.2)
    images = torch.rand(2, 1, 4, 4)
    draws = draws_of(settings, images=2)
    found = views_of(images, draws, settings, 8, [])
    assert found.shape == (4, 3, 8, 8)
    larger = resized(images, 8)[:, 0]
    expected = (larger[1] - draws.mean[1, 0, 2]) / draws.std[1, 0, 2]  # image 1, copy 0, channel 2
    torch.testing.assert_close(found[2, 2], expected)


def test_a_copy_that_is_not_moved_is_the_image_itself() -> None:
    settings = InversionSettings(views=8, affine_p=0.5, jitter=0, noise=0.0)
    images, draws = torch.rand(1, 3, 6, 6), draws_of(settings, images=1)
    found = views_of(images, draws, settings, 6, [])
    same = [torch.equal(copy, images[0]) for copy in found]
    assert same == (~draws.moved[0]).tolist()
    assert 0 < sum(same) < 8


def test_noise_has_its_deviation() -> None:
    settings = InversionSettings(affine_p=0.0, jitter=0, noise=0.5)
    images = torch.zeros(4, 3, 32, 32)
    streams = [stream(0, "text", index, "noise") for index in range(4)]
    found = views_of(images, draws_of(settings, images=4), settings, 32, streams)
    assert float(found.std()) == pytest.approx(0.5, abs=0.02)
    assert not torch.equal(found[0], found[1])


def test_pyramid_by_hand() -> None:
    assert pyramid_sides(InversionSettings(), 16) == (1, 2, 4, 8, 16)
    assert pyramid_sides(InversionSettings(pyramid=(1, 16)), 64) == (1, 16)
    parts = [torch.full((1, 1, 1, 1), 0.5), torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, None]]
    total = torch.tensor([[0.5, 1.5], [2.5, 3.5]])
    torch.testing.assert_close(compose(parts, None, "sigmoid", 2)[0, 0], torch.sigmoid(total))
    torch.testing.assert_close(compose(parts, None, "tanh", 2)[0, 0], (1 + torch.tanh(total)) / 2)
    torch.testing.assert_close(compose(parts, None, "none", 2)[0, 0], 0.5 + total)  # around grey
    image = torch.rand(1, 3, 4, 4) * 0.9 + 0.05
    for squash in ("tanh", "sigmoid", "none"):
        zero = [torch.zeros(1, 3, 1, 1)]
        torch.testing.assert_close(compose(zero, unsquashed(image, squash), squash, 4), image)


def test_a_spectrum_is_kept_and_places_are_not() -> None:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(3, 1, 4, 4), size=(32, 32), mode="bilinear") * 0.2 + 0.4
    made = spectral_start(smooth, ["a ring", "a line"], images=3)
    assert made.shape == (2, 3, 1, 32, 32)
    assert float(made.mean()) == pytest.approx(float(smooth.mean()), abs=1e-3)
    amplitude = torch.fft.rfft2(smooth).abs().mean(dim=0)
    torch.testing.assert_close(torch.fft.rfft2(made[0, 0]).abs(), amplitude, rtol=0, atol=1e-2)
    assert torch.equal(made[1, 1:], spectral_start(smooth, ["a line"], images=2, first=1)[0])
    with pytest.raises(InputError, match="one or more reference images"):
        spectral_start(smooth + 1, ["a ring"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps cannot be 0; expected 1 or more"),
        ({"views": 0}, "views cannot be 0"),
        ({"rows_at_once": 0}, "rows_at_once cannot be 0"),
        ({"jitter": -1}, "jitter cannot be -1; expected 0 or more"),
        ({"patience": -1}, "patience cannot be -1"),
        ({"tv": -0.1}, "tv cannot be -0.1; expected a number, 0 or more"),
        ({"noise": math.nan}, "noise cannot be nan"),
        ({"lr": 0.0}, "lr cannot be 0.0; expected a number above 0"),
        ({"affine_p": 1.5}, "affine_p cannot be 1.5; expected a probability"),
        ({"scale": (1.2, 0.7)}, r"scale cannot be \(1.2, 0.7\)"),
        ({"channels": 2}, r"channels cannot be 2; expected 1 \(grey\) or 3"),
        ({"clip_norm": 0.0}, "clip_norm cannot be 0.0"),
        ({"parametrisation": "pixels", "side": 1}, "side cannot be 1"),
        ({"parametrisation": "pixels", "upsize_at": (5, 5)}, r"upsize_at cannot be \(5, 5\); expected rising numbers"),
        ({"parametrisation": "pixels", "upsize_at": (25,)}, r"from 1 to steps - 1 \(24\)"),
        ({"pyramid": (4, 2)}, r"pyramid cannot be \(4, 2\)"),
        ({"layer": 1}, 'gram and layer belong to parametrisation "hidden"'),
        ({"gram": 1.0}, 'gram and layer belong to parametrisation "hidden"'),
        ({"side": 64}, 'side belongs to parametrisation "pixels", not "multi_resolution"'),
        ({"upsize_at": (5,)}, 'upsize_at belongs to parametrisation "pixels"'),
        ({"clamp": "before_step"}, "clamp cannot be 'before_step'; expected \"never\""),
        ({"init": "uniform"}, "init cannot be 'uniform'; expected \"normal\""),
        ({"parametrisation": "hidden"}, 'affine_p cannot be 1.0; expected 0 with parametrisation "hidden"'),
    ],
)
def test_bad_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        InversionSettings(**values)


def test_an_unknown_name() -> None:
    settings = object.__new__(InversionSettings)  # as from Python code that no type checker sees
    for field in dataclasses.fields(InversionSettings):
        object.__setattr__(settings, field.name, "dot" if field.name == "similarity" else field.default)
    with pytest.raises(SettingsError, match="similarity cannot be 'dot'; expected one of cosine, unit_distance"):
        settings.__post_init__()

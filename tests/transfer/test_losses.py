"""Against the numbers that the method specification measured, and what the gradients do."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.transfer.losses import (
    LOSSES,
    UNAVAILABLE,
    Vectors,
    against,
    clip_halves,
    clip_inbatch,
    find,
    joint,
    prompts,
    pull,
    supcon,
    temperature_of,
)

IMAGES = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
ONE_TEXT = torch.tensor([[0.6, 0, 0.8], [0.6, 0, 0.8]], dtype=torch.float64)
TWO_TEXTS = torch.tensor([[0.6, 0, 0.8], [0, 0.8, 0.6]], dtype=torch.float64)
NONE = torch.zeros(0, 3, dtype=torch.float64)


def one_text_at(count: int) -> tuple[Tensor, Tensor]:
    """`count` images that all have the cosine 0.3 with one text and 0.09 with each other."""
    images = torch.zeros(count, count + 1, dtype=torch.float64)
    images[:, 0] = 0.3
    images[:, 1:] = torch.eye(count, dtype=torch.float64) * math.sqrt(1 - 0.09)
    text = torch.zeros(count, count + 1, dtype=torch.float64)
    text[:, 0] = 1
    return images, text


@pytest.mark.parametrize(
    ("texts", "temperature", "expected", "image_half", "text_half"),
    [
        (ONE_TEXT, 1.0, 1.214593, 0.693147, 0.737488),
        (ONE_TEXT, 0.07, 5.449610, 0.693147, 4.285904),
        (TWO_TEXTS, 1.0, 0.762362, 0.404294, 0.404294),
        (TWO_TEXTS, 0.07, 0.0441136, 0.00010013, 0.00010013),
    ],
)
def test_the_specifications_numbers(
    texts: Tensor, temperature: float, expected: float, image_half: float, text_half: float
) -> None:
    # The table holds the mean over the vectors, before the published code's factor of temperature / 0.07.
    assert float(supcon(IMAGES, texts, temperature=temperature)) * 0.07 / temperature == pytest.approx(
        expected, abs=1e-6
    )
    halves = clip_halves(IMAGES, texts, temperature=temperature)
    assert [float(half) for half in halves] == pytest.approx([image_half, text_half], abs=1e-6)


@pytest.mark.parametrize(("count", "expected"), [(2, 5.358912), (4, 6.260814)])
def test_one_text_for_all(count: int, expected: float) -> None:
    images, texts = one_text_at(count)
    found = float(supcon(images, texts, temperature=0.07))
    assert found == pytest.approx(expected, abs=2e-6)  # the table was measured in float32
    of_image = math.log(count + (count - 1) * math.exp((0.09 - 0.3) / 0.07))
    of_text = math.log((count - 1) * math.exp(1 / 0.07) + count * math.exp(0.3 / 0.07)) - 0.3 / 0.07
    assert found == pytest.approx((of_image + of_text) / 2, abs=1e-9)
    assert float(clip_halves(images, texts, temperature=0.07)[0]) == pytest.approx(math.log(count), abs=1e-6)


def test_clips_mean_of_two_captions() -> None:
    assert float(clip_inbatch(IMAGES, TWO_TEXTS, temperature=1.0)) == pytest.approx(0.404294, abs=1e-6)


def random_units(rows: int, seed: int = 0) -> Tensor:
    values = torch.randn(rows, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(values, dim=-1)


def test_equal_captions_give_clips_images_no_pull() -> None:
    images = random_units(4).requires_grad_()
    texts = random_units(1, seed=1).expand(4, -1)
    first, _ = clip_halves(images, texts, temperature=0.07)
    (gradient,) = torch.autograd.grad(first, images)
    assert gradient.abs().max() < 1e-14


@pytest.mark.parametrize("name", ["supcon", "prompts", "joint", "pull"])
def test_the_others_pull_every_image_to_its_caption(name: str) -> None:
    raw = random_units(4).requires_grad_()
    text = random_units(1, seed=1)
    vectors = Vectors(
        images=functional.normalize(raw, dim=-1),
        own=text.expand(4, 1, -1),
        others=random_units(3, seed=2),
        concepts=torch.zeros(4, dtype=torch.int64),
    )
    (gradient,) = torch.autograd.grad(find(name)(vectors, 0.5), raw)
    moved = functional.normalize(raw - 1e-4 * gradient, dim=-1)
    assert bool((moved @ text[0] > raw.detach() @ text[0]).all())


def test_supcon_against_a_plain_loop() -> None:
    images, texts = random_units(3), random_units(3, seed=1)
    rows = [*images, *texts]
    terms = []
    for index, row in enumerate(rows):
        partner = rows[(index + 3) % 6]
        against = sum(math.exp(float(row @ other) / 0.2) for j, other in enumerate(rows) if j != index)
        terms.append(-float(row @ partner) / 0.2 + math.log(against))
    assert float(supcon(images, texts, temperature=0.2)) == pytest.approx(sum(terms) / 6 * 0.2 / 0.07, abs=1e-9)


def test_prompts_is_equation_two() -> None:
    images, own, others = random_units(3), random_units(2, seed=1), random_units(4, seed=2)
    terms = []
    for image in images:
        against = sum(math.exp(float(image @ other) / 0.3) for other in others)
        for text in own:
            wanted = math.exp(float(image @ text) / 0.3)
            terms.append(-math.log(wanted / (wanted + against)))
    expected = sum(terms) / len(terms)
    assert float(prompts(images, own, others, temperature=0.3)) == pytest.approx(expected, abs=1e-9)
    each = own.expand(3, -1, -1)
    assert float(prompts(images, each, others, temperature=0.3)) == pytest.approx(expected, abs=1e-9)


def test_joint_leaves_out_captions_of_the_same_concept() -> None:
    images, texts, others = random_units(3), random_units(2, seed=1), random_units(2, seed=2)
    concepts = torch.tensor([0, 1, 0])
    own = texts[concepts][:, None]
    expected = [
        prompts(images[i : i + 1], own[i], torch.cat([texts[1 - c][None], others]), temperature=0.3)
        for i, c in enumerate(concepts.tolist())
    ]
    found = joint(images, own, others, concepts, temperature=0.3)
    assert float(found) == pytest.approx(float(torch.stack(expected).mean()), abs=1e-9)


def test_joint_with_one_concept_is_prompts() -> None:
    images, own, others = random_units(3), random_units(2, seed=1), random_units(4, seed=2)
    found = joint(images, own.expand(3, -1, -1), others, torch.zeros(3, dtype=torch.int64), temperature=0.3)
    assert float(found) == pytest.approx(float(prompts(images, own, others, temperature=0.3)), abs=1e-9)


def test_pull_is_one_minus_the_cosine() -> None:
    assert float(pull(IMAGES, ONE_TEXT[:, None])) == pytest.approx(1 - 0.3)


def test_zero_has_a_gradient_of_zero() -> None:
    images = random_units(2).requires_grad_()
    vectors = Vectors(
        images=images, own=random_units(2)[:, None], others=NONE.new_zeros(0, 5), concepts=torch.zeros(2).long()
    )
    (gradient,) = torch.autograd.grad(find("zero")(vectors, 1.0), images)
    assert not gradient.any()


def test_clip_inbatch_is_refused_for_equal_captions() -> None:
    with pytest.raises(SettingsError, match="2 equal captions: its gradient towards the concept is then zero"):
        clip_inbatch(IMAGES, ONE_TEXT, temperature=0.07)


def test_prompts_needs_captions_of_other_concepts() -> None:
    with pytest.raises(InputError, match="prompts needs captions of other concepts"):
        prompts(IMAGES, ONE_TEXT[:1], NONE, temperature=0.07)


def test_joint_needs_another_concept() -> None:
    with pytest.raises(InputError, match="joint needs captions of other concepts, or several concepts"):
        joint(IMAGES, ONE_TEXT[:, None], NONE, torch.zeros(2, dtype=torch.int64), temperature=0.07)


@pytest.mark.parametrize("name", UNAVAILABLE)
def test_a_loss_without_its_encoder_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=f"the loss '{name}' needs .* an encoder that medkt does not have"):
        find(name)


def test_an_unknown_loss_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=f"no loss 'x'; known: {', '.join(LOSSES)}"):
        find("x")


def test_temperature() -> None:
    assert temperature_of("model", 20.0) == pytest.approx(0.05)
    assert temperature_of(0.07, 20.0) == 0.07
    with pytest.raises(SettingsError, match='temperature is a number above 0 or "model", got -1'):
        temperature_of(-1.0, 20.0)


def test_against_by_hand() -> None:
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    own, others = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    found = against(images, own, others, temperature=1.0)
    first, second = math.log(1 + math.e), math.log(1 + math.exp(-1))  # -ln(1 - sigmoid(1)), -ln(1 - sigmoid(-1))
    assert float(found) == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(against(images[1:], own, others, temperature=0.1)) < 1e-4
    with pytest.raises(InputError, match="against needs captions of other concepts"):
        against(images, own, others[:0], temperature=1.0)

"""M2IB against a plain step-by-step implementation, and what must not change a map."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_encoder import SIDE, TinyStages, TinyViT
from torch import Tensor, nn

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.saliency.m2ib import M2IBSettings, content_seed, m2ib_maps, noise_steps
from medkt.saliency.targets import ConceptTexts, Target, embed_targets

PUBLISHED = M2IBSettings(
    beta=0.1, steps=10, lr=1.0, samples=10, alpha0=5.0, noise="unit", target="cosine", map_from="last_forward"
)


def make_images(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def make_targets(encoder: TinyViT | TinyStages, *texts: str) -> tuple[Target, ...]:
    concepts = [
        ConceptTexts(id=text, prompts=(text,), normal=("clear lungs",), confusable=("a rib",)) for text in texts
    ]
    return embed_targets(encoder, concepts)


def plain_m2ib(encoder: TinyViT, image: Tensor, text: Tensor, layer: int, noises: list[Tensor]) -> Tensor:
    """The published loop, written from its description: a hook behind the block, ten copies, the whole network."""
    alpha = nn.Parameter(torch.full((1, 17, 12), 5.0))
    optimiser = torch.optim.Adam([alpha], lr=1.0)
    seen: dict[str, Tensor] = {}

    def gate(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        opened = torch.sigmoid(alpha).expand_as(output)
        mu, variance = output * opened, (1 - opened) ** 2
        seen["capacity"] = -0.5 * (1 + torch.log(variance) - mu**2 - variance)
        return mu + (1 - opened) * seen["noise"]

    handle = encoder.blocks[layer].register_forward_hook(gate)
    try:
        copies, words = image.expand(10, -1, -1, -1), text.expand(10, -1)
        for noise in noises:
            seen["noise"] = noise
            features = encoder.encode_image(copies)
            fit = nn.CosineSimilarity(eps=1e-6)(features, words).mean()
            loss = 0.1 * seen["capacity"].mean() - fit
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    finally:
        handle.remove()
    return torch.nansum(seen["capacity"].detach().mean(dim=0), dim=-1)[1:].reshape(4, 4)


@pytest.mark.parametrize("layer", [0, 1])
def test_published_settings_give_the_plain_implementations_map(layer: int) -> None:
    encoder = TinyViT().eval()
    image = make_images(1)
    (target,) = make_targets(encoder, "a mass")
    stream = noise_steps(0, 77, 0, (10, 17, 12))
    expected = plain_m2ib(encoder, image, target.wanted[None], layer, [next(stream) for _ in range(10)])
    found = m2ib_maps(encoder, image, [target], replace(PUBLISHED, layer=layer), seeds=[77])
    assert found.maps.shape == (1, 1, 4, 4)
    np.testing.assert_allclose(found.maps[0, 0], expected.numpy(), rtol=1e-5, atol=1e-5)


def test_the_final_map_is_one_update_further() -> None:
    encoder = TinyViT()
    targets = make_targets(encoder, "a mass")
    eleven = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, steps=11))
    ten = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, map_from="final"))
    np.testing.assert_array_equal(eleven.maps, ten.maps)
    assert ten.steps_run.item() == 10
    assert np.isfinite(ten.losses).all()


@pytest.mark.parametrize("make", [TinyViT, TinyStages])
def test_a_map_depends_on_its_own_image_and_text_only(make: Callable[[], TinyViT | TinyStages]) -> None:
    encoder, images = make(), make_images(3)
    targets = make_targets(encoder, "a mass", "a cyst")
    together = m2ib_maps(encoder, images, targets, PUBLISHED).maps
    backwards = m2ib_maps(encoder, images.flip(0), targets[::-1], PUBLISHED).maps[::-1, ::-1]
    np.testing.assert_allclose(backwards, together, rtol=1e-5, atol=1e-5)
    for image in range(3):
        for concept in range(2):
            alone = m2ib_maps(encoder, images[image : image + 1], [targets[concept]], PUBLISHED).maps[0, 0]
            np.testing.assert_allclose(alone, together[image, concept], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 10, 25, 1000])
def test_the_memory_bound_changes_no_map(rows: int) -> None:
    encoder, images = TinyViT(), make_images(2)
    targets = make_targets(encoder, "a mass", "a cyst")
    expected = m2ib_maps(encoder, images, targets, PUBLISHED).maps
    found = m2ib_maps(encoder, images, targets, replace(PUBLISHED, rows_at_once=rows)).maps
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_prefix_is_run_once_an_image() -> None:
    encoder = TinyViT()
    m2ib_maps(encoder, make_images(2), make_targets(encoder, "a mass", "a cyst", "a rib"), PUBLISHED)
    assert encoder.prefixes == 2


def test_the_grid_of_a_stage_is_followed() -> None:
    encoder = TinyStages()
    targets = make_targets(encoder, "a mass")
    first = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, layer=0))
    second = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, layer=1))
    assert first.maps.shape == (1, 1, 8, 8)
    assert second.maps.shape == (1, 1, 4, 4)


def test_an_ungated_cls_leaves_other_maps() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    gated = m2ib_maps(encoder, make_images(1), targets, PUBLISHED).maps
    free = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, compress_leading=False)).maps
    assert not np.allclose(gated, free)


def test_the_encoder_is_as_before() -> None:
    encoder = TinyViT().train()
    encoder.out.weight.requires_grad_(False)
    weights = {name: value.clone() for name, value in encoder.state_dict().items()}
    flags = [p.requires_grad for p in encoder.parameters()]
    m2ib_maps(encoder, make_images(1), make_targets(encoder, "a mass"), PUBLISHED)
    assert all(torch.equal(weights[name], value) for name, value in encoder.state_dict().items())
    assert flags == [p.requires_grad for p in encoder.parameters()]
    assert all(p.grad is None for p in encoder.parameters())
    assert encoder.training


def test_a_failing_encoder_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TinyViT().train()
    targets = make_targets(encoder, "a mass")
    monkeypatch.setattr(encoder, "image_suffix", lambda hidden, layer: hidden.sum(dim=1) * float("nan"))
    with pytest.raises(NumericalError, match="loss is nan at step 1 for image 0 and concept 0"):
        m2ib_maps(encoder, make_images(1), targets, PUBLISHED)
    assert encoder.training
    assert all(p.requires_grad for p in encoder.parameters())


def test_it_runs_where_gradients_are_switched_off() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    expected = m2ib_maps(encoder, make_images(1), targets, PUBLISHED).maps
    with torch.no_grad():
        np.testing.assert_array_equal(m2ib_maps(encoder, make_images(1), targets, PUBLISHED).maps, expected)
    with torch.inference_mode():
        np.testing.assert_array_equal(m2ib_maps(encoder, make_images(1), targets, PUBLISHED).maps, expected)


def test_several_noise_seeds_are_averaged() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    three = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, noise_seeds=3), seeds=[5])
    one = m2ib_maps(encoder, make_images(1), targets, PUBLISHED, seeds=[5])
    other = m2ib_maps(encoder, make_images(1), targets, PUBLISHED, seeds=[6])
    assert not np.allclose(three.maps, one.maps)
    assert not np.allclose(other.maps, one.maps)


def test_a_run_that_has_settled_stops() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass", "a cyst")
    settings = replace(PUBLISHED, tolerance=1e6, steps=8)
    found = m2ib_maps(encoder, make_images(1), targets, settings)
    assert found.steps_run.tolist() == [[2, 2]]
    assert np.isnan(found.losses[0, 0]).tolist() == [False, False] + 6 * [True]
    two = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, steps=2))
    np.testing.assert_array_equal(found.maps, two.maps)


def test_margins_move_the_map_and_join_contrasts_as_told() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    cosine = m2ib_maps(encoder, make_images(1), targets, PUBLISHED)
    mean = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, target="margin", contrast="mean"))
    soft = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, target="margin", contrast="logsumexp"))
    assert not np.allclose(cosine.maps, mean.maps)
    assert not np.allclose(mean.maps, soft.maps)
    alone = [replace_contrasts(targets[0], rows=1)]
    first = m2ib_maps(encoder, make_images(1), alone, replace(PUBLISHED, target="margin", contrast="mean"))
    same = m2ib_maps(encoder, make_images(1), alone, replace(PUBLISHED, target="margin", contrast="logsumexp"))
    np.testing.assert_allclose(first.maps, same.maps, rtol=1e-4, atol=1e-4)  # of one contrast both are its cosine
    padded = m2ib_maps(encoder, make_images(1), [*alone, *targets], replace(PUBLISHED, target="margin"))
    np.testing.assert_allclose(padded.maps[0, 0], first.maps[0, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("contrast", ["mean", "logsumexp"])
def test_a_concept_without_contrasts_has_its_cosine_alone(contrast: str) -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    bare = [replace_contrasts(targets[0], rows=0)]
    expected = m2ib_maps(encoder, make_images(1), bare, PUBLISHED).maps
    margin = replace(PUBLISHED, target="margin", contrast=contrast)
    np.testing.assert_allclose(m2ib_maps(encoder, make_images(1), bare, margin).maps, expected, rtol=1e-5, atol=1e-5)
    beside = m2ib_maps(encoder, make_images(1), [*targets, *bare], margin).maps[:, 1:]
    np.testing.assert_allclose(beside, expected, rtol=1e-5, atol=1e-5)


def replace_contrasts(target: Target, rows: int) -> Target:
    return Target(id=target.id, wanted=target.wanted, normal=None, confusable=target.confusable[:rows])


def test_a_constant_picture_gives_a_finite_map() -> None:
    encoder, targets = TinyStages(), make_targets(TinyStages(), "a mass")
    for noise in ("unit", "feature"):
        found = m2ib_maps(encoder, torch.zeros(1, 3, SIDE, SIDE), targets, replace(PUBLISHED, noise=noise))
        assert np.isfinite(found.maps).all()


def test_long_runs_and_large_steps_stay_finite() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    for lr, beta in ((30.0, 0.1), (30.0, 0.0)):
        found = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, lr=lr, beta=beta, steps=30))
        assert np.isfinite(found.maps).all()


def test_openness_is_a_share_and_does_not_grow_with_the_hidden_state() -> None:
    encoder, targets = TinyViT(), make_targets(TinyViT(), "a mass")
    blind = replace(PUBLISHED, beta=0.0, steps=1)  # every gate as it starts
    opened = m2ib_maps(encoder, make_images(1), targets, replace(blind, reading="openness")).maps
    np.testing.assert_allclose(opened, 1 / (1 + np.exp(-5.0)), rtol=1e-6)
    assert np.ptp(m2ib_maps(encoder, make_images(1), targets, blind).maps) > 1  # nats of the same gates
    trained = m2ib_maps(encoder, make_images(1), targets, replace(PUBLISHED, reading="openness", noise_seeds=2)).maps
    assert 0 <= trained.min() < trained.max() <= 1


def test_content_decides_the_noise() -> None:
    first, second = make_images(2)
    assert content_seed(first) == content_seed(first.clone())
    assert content_seed(first) != content_seed(second)


def test_what_cannot_be_done_is_said() -> None:
    encoder, images = TinyViT(), make_images(2)
    targets = make_targets(encoder, "a mass")
    with pytest.raises(SettingsError, match="layer 3 does not exist: 'tiny-vit' has layers 0 to 2"):
        m2ib_maps(encoder, images, targets, replace(PUBLISHED, layer=3))
    with pytest.raises(InputError, match="one seed an image, got 1 seeds for 2 images"):
        m2ib_maps(encoder, images, targets, PUBLISHED, seeds=[1])
    with pytest.raises(InputError, match="2 images and 0 concepts"):
        m2ib_maps(encoder, images, [], PUBLISHED)
    with pytest.raises(NumericalError, match="NaN or infinity after layer 1"):
        m2ib_maps(encoder, images * float("inf"), targets, PUBLISHED)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beta", -1.0), ("steps", 0), ("lr", 0.0), ("samples", 0), ("noise_seeds", 0), ("layer", -1), ("tolerance", -0.1)],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"M2IB setting {name} cannot be {value}"):
        M2IBSettings(**{name: value})


def test_a_reading_that_there_is_not_is_refused() -> None:
    settings = M2IBSettings()
    object.__setattr__(settings, "reading", "nats")
    with pytest.raises(SettingsError, match="M2IB setting reading cannot be 'nats'"):
        settings.__post_init__()

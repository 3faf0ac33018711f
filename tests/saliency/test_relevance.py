"""The patches' own fit, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_encoder import TinyStages, TinyViT
from torch import Tensor

from medkt.errors import NumericalError, SettingsError
from medkt.saliency.explain import explain_planes, prepare_plane
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps
from medkt.saliency.relevance import RelevanceSettings, combined, patch_features, relevance, stretched
from medkt.saliency.targets import ConceptTexts, Target, embed_targets

ALONG_X = Target(id="x", wanted=torch.tensor([1.0, 0.0]), normal=None, confusable=torch.zeros(0, 2))
LESS_Y = replace(ALONG_X, id="x less y", confusable=torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 1.0]]))


class Patches(TinyStages):
    """`TinyStages` whose 4 x 4 patches can be compared with a text."""

    def dense(self, pixels: Tensor) -> Tensor:
        return self.image_prefix(pixels, 1).unflatten(1, (4, 4))


def test_fit_is_the_cosine_less_the_mean_of_the_contrasts() -> None:
    features = torch.tensor([[[[1.0, 0.0], [0.6, 0.8]], [[-1.0, 0.0], [0.0, 1.0]]]])  # (1, 2, 2, 2)
    found = relevance(features, [ALONG_X, LESS_Y], RelevanceSettings(contrast=1.0))
    np.testing.assert_allclose(found[0, 0], [[1.0, 0.6], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(found[0, 1], [[1.0, 0.6 - 0.8 / 3], [0.0, 0.0]], atol=1e-6)
    half = relevance(features, [LESS_Y], RelevanceSettings(contrast=0.5))
    np.testing.assert_allclose(half[0, 0], [[1.0, 0.6 - 0.4 / 3], [0.0, 0.0]], atol=1e-6)


def test_maps_are_multiplied_on_the_bottlenecks_grid() -> None:
    capacity = np.array([[1.0, 5.0], [2.0, 3.0]], dtype=np.float32)
    fit = np.array([[0.0, 0.2], [0.4, 0.1]], dtype=np.float32)
    found = combined(capacity, fit, RelevanceSettings(power=1.0))
    np.testing.assert_allclose(found, [[0.0, 0.5], [0.25, 0.125]], atol=1e-6)
    softer = combined(capacity, fit, RelevanceSettings(power=0.5))
    np.testing.assert_allclose(softer, [[0.0, 0.5], [0.5, 0.25 * 0.5**0.5]], atol=1e-6)
    alone = combined(capacity, fit, RelevanceSettings(power=0.0))  # the fit, wherever the bottleneck is 0 too
    np.testing.assert_allclose(alone, [[0.0, 0.5], [1.0, 0.25]], atol=1e-6)
    coarse = combined(np.ones((4, 4), np.float32) * np.arange(4, dtype=np.float32), fit, RelevanceSettings())
    assert coarse.shape == (4, 4)


def test_constant_maps_give_zeros() -> None:
    flat = np.full((2, 2), 3.0, dtype=np.float32)
    assert not combined(flat, flat, RelevanceSettings()).any()
    assert not stretched(flat).any()


def test_it_enters_where_the_encoder_offers_patches_and_nowhere_else() -> None:
    encoder, plain = Patches(), TinyViT()
    plane = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    settings = M2IBSettings(target="cosine", layer=0)
    targets = embed_targets(encoder, [ConceptTexts(id="mass", prompts=("a mass",), normal=("clear",))])
    prepared = prepare_plane(encoder, plane)
    capacity = m2ib_maps(encoder, prepared.pixels[None], targets, settings).maps[0, 0]
    fit = relevance(patch_features(encoder, prepared.pixels[None], RelevanceSettings()), targets, RelevanceSettings())[
        0, 0
    ]
    ((with_patches,),) = explain_planes(encoder, [prepared], targets, settings)
    np.testing.assert_allclose(with_patches.values, combined(capacity, fit, RelevanceSettings()), atol=1e-5)
    ((without,),) = explain_planes(encoder, [prepared], targets, settings, patches=RelevanceSettings(use="none"))
    np.testing.assert_allclose(without.values, capacity, rtol=1e-5, atol=1e-5)
    assert with_patches.specificity != without.specificity
    assert patch_features(plain, prepared.pixels[None], RelevanceSettings()) is None


def test_unusable_patches_and_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Patches()
    monkeypatch.setattr(encoder, "dense", lambda pixels: torch.full((1, 4, 4, 10), float("nan")))
    with pytest.raises(NumericalError, match="'tiny-stages' gives NaN or infinity for a patch"):
        patch_features(encoder, torch.zeros(1, 3, 32, 32), RelevanceSettings())
    with pytest.raises(SettingsError, match=r"power is 0 or more, got -0.1"):
        RelevanceSettings(power=-0.1)
    with pytest.raises(SettingsError, match="contrast is 0 or more, got -1"):
        RelevanceSettings(contrast=-1.0)
    settings = RelevanceSettings()
    object.__setattr__(settings, "use", "words")
    with pytest.raises(SettingsError, match="unknown relevance 'words'; known: patches, none"):
        settings.__post_init__()

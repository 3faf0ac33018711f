"""Grad-CAM, gScoreCAM, Chefer's relevance and the patches' similarity against numbers worked out on paper and plain code."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from tiny_encoder import SIDE, TinyStages, TinyViT, spec
from torch import Tensor, nn
from torch.nn import functional

from medkt.config import resolve
from medkt.errors import SettingsError
from medkt.models.clip import ClipEncoder, ClipSize, build_clip
from medkt.models.dual import spec_of
from medkt.models.encoder import TokenGrid
from medkt.models.records import record_of
from medkt.models.small import load_small
from medkt.saliency.chefer import CheferSettings, rollout
from medkt.saliency.gradcam import GradCAMSettings
from medkt.saliency.gscorecam import GScoreCAMSettings
from medkt.saliency.inside import attention_kept, normed_kept
from medkt.saliency.likeness import Likeness, require_known
from medkt.saliency.patch_text import PatchTextSettings, features_of_patches
from medkt.saliency.targets import Target
from medkt.segmentation.slicewise import SegmentationSettings


class TwoPlaces:
    """Two places side by side with two channels, taken straight from the pixels; the feature is their sum."""

    spec = replace(spec("two-places", 1, 0), input_size=2)
    logit_scale = 2.0

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)

    def grid(self, layer: int) -> TokenGrid:
        return TokenGrid(rows=1, columns=2)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        return pixels[:, :2, 0].transpose(1, 2)  # (images, 2 places, 2 channels)

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        return hidden.sum(dim=1)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.image_suffix(self.image_prefix(pixels, 0), 0)

    encode_text = score = tokenize = image_prefix  # asked for by the protocol, and not called


STATE = torch.tensor([[3.0, 0.0], [0.0, 4.0]])  # first place: channels 3 and 0; second: 0 and 4


def two_places_image() -> Tensor:
    """Both rows of pixels alike, so that a channel laid over the image is what the places see."""
    image = torch.zeros(1, 3, 2, 2)
    image[0, :2] = STATE.T[:, None, :]
    return image


def target_of(wanted: list[float], contrast: list[float] | None = None) -> Target:
    unit = functional.normalize(torch.tensor(wanted), dim=0)
    other = unit[None][:0] if contrast is None else functional.normalize(torch.tensor([contrast]), dim=1)
    return Target(id="a", wanted=unit, normal=None, confusable=other)


def test_gradcam_on_paper() -> None:
    # The feature is (3, 4), of length 5; its cosine with (1, 0) is 3/5, and the gradient of that at the feature is
    # (1/5)((1, 0) - (3/5)(3/5, 4/5)) = (0.128, -0.096), the same at both places, so these are the channels' weights.
    # First place: 3 * 0.128 = 0.384. Second: 4 * -0.096 = -0.384, and negative is 0.
    maps = GradCAMSettings().maps(TwoPlaces(), two_places_image(), [target_of([1.0, 0.0])])
    np.testing.assert_allclose(maps, [[[[0.384, 0.0]]]], atol=1e-6)
    # Less the cosine with (0, 1), whose gradient is (1/5)((0, 1) - (4/5)(3/5, 4/5)) = (-0.096, 0.072): weights (0.224, -0.168).
    maps = GradCAMSettings().maps(TwoPlaces(), two_places_image(), [target_of([1.0, 0.0], [0.0, 1.0])])
    np.testing.assert_allclose(maps, [[[[0.672, 0.0]]]], atol=1e-6)


def test_gscorecam_on_paper() -> None:
    # Channel 1 over the image is (1, 0) from left to right: behind it the feature is (3, 0), cosine 1 with (1, 0).
    # Channel 2 is (0, 1): the feature is (0, 4), cosine 0. Softmax of 2 * (1, 0): weights e^2 / (e^2 + 1) and 1 / (e^2 + 1).
    weight = np.exp(2) / (np.exp(2) + 1)
    both = GScoreCAMSettings(channels=2).maps(TwoPlaces(), two_places_image(), [target_of([1.0, 0.0])])
    np.testing.assert_allclose(both, [[[[3 * weight, 4 * (1 - weight)]]]], rtol=1e-5)
    # A tenth of two channels is one: the one whose gradient is larger, 0.128.
    one = GScoreCAMSettings().maps(TwoPlaces(), two_places_image(), [target_of([1.0, 0.0])])
    np.testing.assert_allclose(one, [[[[3.0, 0.0]]]], rtol=1e-5)


def test_the_patches_on_paper() -> None:
    maps = PatchTextSettings().maps(TwoPlaces(), two_places_image(), [target_of([3.0, 4.0], [0.0, 1.0])])
    np.testing.assert_allclose(
        maps, [[[[0.6, 0.8 - 0.5]]]], atol=1e-6
    )  # half of the contrast's cosine, 0 and 1, is taken off
    plain = PatchTextSettings(target="cosine").maps(
        TwoPlaces(), two_places_image(), [target_of([3.0, 4.0], [0.0, 1.0])]
    )
    np.testing.assert_allclose(plain, [[[[0.6, 0.8]]]], atol=1e-6)


def test_a_rollout_on_paper() -> None:
    # One head, two tokens. Block 1: weights times gradient [[0.5, 0.5], [-0.2, 0.4]], of which the negative goes:
    # R = [[1.5, 0.5], [0, 1.4]]. Block 2, two heads, whose mean is [[0, 1], [0, 0]]: R + [[0, 1.4], [0, 0]].
    first, ones = torch.tensor([[[0.5, 0.5], [0.2, 0.4]]]), torch.ones(1, 2, 2)
    signs = torch.tensor([[[1.0, 1.0], [-1.0, 1.0]]])
    second = torch.tensor([[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    np.testing.assert_allclose(rollout([first], [signs]), [[1.5, 0.5], [0.0, 1.4]])
    np.testing.assert_allclose(rollout([first, second], [signs, ones.expand(2, 2, 2)]), [[1.5, 1.9], [0.0, 1.4]])


def make_image(side: int = SIDE) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(3))


def make_target(width: int) -> Target:
    units = functional.normalize(torch.randn(3, width, generator=torch.Generator().manual_seed(4)), dim=1)
    return Target(id="a", wanted=units[0], normal=units[1], confusable=units[2:])


def score_of(feature: Tensor, target: Target) -> Tensor:
    """The margin, written out for one feature."""
    cosines = [functional.cosine_similarity(feature, one, dim=0) for one in (target.wanted, *target.contrasts)]
    return cosines[0] - sum(cosines[1:]) / (len(cosines) - 1)


def test_gradcam_is_that_of_hooks_on_the_whole_network() -> None:
    encoder, target = TinyViT().eval(), make_target(12)
    seen: list[Tensor] = []
    handle = encoder.blocks[2].norm.register_forward_hook(
        lambda _m, _i, output: (output.retain_grad(), seen.append(output))[1]
    )
    score_of(encoder.encode_image(make_image())[0], target).backward()
    handle.remove()
    state, gradient = seen[0].detach(), seen[0].grad
    expected = torch.zeros(4, 4)
    for place in range(16):
        total = 0.0
        for channel in range(12):
            weight = sum(float(gradient[0, 1 + other, channel]) for other in range(16)) / 16
            total += weight * float(state[0, 1 + place, channel])
        expected[place // 4, place % 4] = max(total, 0.0)
    found = GradCAMSettings().maps(encoder, make_image(), [target])  # behind the second block of three, after the norm
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-7)


def test_behind_the_last_block_only_the_cls_token_counts() -> None:
    with pytest.raises(
        SettingsError, match=r"places behind layer 2 of 'tiny-vit' do not reach its feature.*earlier one"
    ):
        GradCAMSettings(layer=2).maps(TinyViT(), make_image(), [make_target(12)])
    with pytest.raises(SettingsError, match="Grad-CAM layer 3 does not exist: 'tiny-vit' has layers 0 to 2"):
        GradCAMSettings(layer=3).maps(TinyViT(), make_image(), [make_target(12)])


def test_gscorecam_is_that_of_a_plain_loop() -> None:
    encoder, target, image = TinyStages(), make_target(10), make_image()
    state = encoder.image_prefix(image, 1).detach().requires_grad_(True)
    score_of(encoder.image_suffix(state, 1)[0], target).backward()
    order = sorted(range(10), key=lambda channel: -float(state.grad[0, :, channel].mean()))
    scores, shown = [], []
    for channel in order[:3]:
        plane = state[0, :, channel].detach().reshape(1, 1, 4, 4)
        mask = functional.interpolate(plane, (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        scores.append(20.0 * score_of(encoder.encode_image(image * mask)[0].detach(), target))
        shown.append(plane[0, 0])
    weights = torch.softmax(torch.stack(scores), dim=0)
    expected = sum(weight * plane for weight, plane in zip(weights, shown, strict=True)).clamp_min(0)
    found = GScoreCAMSettings(channels=3).maps(encoder, image, [target])
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-6)
    few = GScoreCAMSettings(channels=3, at_once=1).maps(encoder, image, [target, replace(target, id="b")])
    np.testing.assert_allclose(few[0], np.stack([found[0, 0]] * 2), rtol=1e-4, atol=1e-6)


def make_clip() -> ClipEncoder:
    torch.manual_seed(1)
    size = ClipSize(embedding=12, patch=56, width=16, layers=2, text_width=8, text_heads=1, text_layers=1, head_width=8)
    record = replace(record_of("clip-vit-b-32"), layers=2, grid=(4,))
    return ClipEncoder(build_clip(size).eval(), spec_of(record, ""), record.grid)


def plain_chefer(clip: CLIP, image: Tensor, target: Target) -> Tensor:
    """CLIP's image tower with its attention written out, from its weights, and the rollout with loops over the heads."""
    visual = clip.visual
    tokens = visual.conv1(image).flatten(2).transpose(1, 2)
    tokens = torch.cat([visual.class_embedding.expand(1, 1, -1), tokens], dim=1) + visual.positional_embedding
    tokens, kept = visual.ln_pre(tokens), []
    for block in visual.transformer.resblocks:
        query, key, value = (block.ln_1(tokens)[0] @ block.attn.in_proj_weight.T + block.attn.in_proj_bias).chunk(
            3, dim=1
        )
        mixed = []
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            weights = torch.softmax(query[:, part] @ key[:, part].T / 8**0.5, dim=1)
            weights.retain_grad()
            kept.append(weights)
            mixed.append(weights @ value[:, part])
        tokens = tokens + block.attn.out_proj(torch.cat(mixed, dim=1))[None]
        tokens = tokens + block.mlp(block.ln_2(tokens))
    score_of((visual.ln_post(tokens[:, 0]) @ visual.proj)[0], target).backward()
    relevance = torch.eye(17)
    for block in range(2):
        step = sum((kept[2 * block + head].grad * kept[2 * block + head]).clamp_min(0) for head in range(2)) / 2
        relevance = relevance + step.detach() @ relevance
    return relevance[0, 1:].reshape(4, 4)


def test_chefer_is_that_of_attention_from_the_weights() -> None:
    encoder, image, target = make_clip(), make_image(224), make_target(12)
    found = CheferSettings().maps(encoder, image, [target])
    np.testing.assert_allclose(found[0, 0], plain_chefer(encoder.module, image, target), rtol=1e-3, atol=1e-8)


def test_attention_that_is_written_out_changes_no_feature() -> None:
    for encoder in (make_clip(), load_small()):
        image = make_image(encoder.spec.input_size).requires_grad_(True)  # without it torch has a shorter way
        plain = encoder.encode_image(image)
        with attention_kept() as kept:
            torch.testing.assert_close(encoder.encode_image(image), plain, rtol=1e-4, atol=1e-5)
        assert len(kept) == encoder.spec.layers
        assert all(torch.allclose(one.sum(dim=-1), torch.ones(()), atol=1e-5) for one in kept)


def test_places_that_are_pooled_are_read_by_their_gradients() -> None:
    encoder = load_small()
    image, target = make_image(128), make_target(128)
    likeness = Likeness.to([target], "margin", "mean", encoder.logit_scale)
    with attention_kept() as kept:
        state = encoder.image_prefix(image.requires_grad_(True), 5)
        score = likeness.of_each(encoder.image_suffix(state, 5))[0, 0]
    *raised, last = torch.autograd.grad(score, [*kept, state])
    weights = last[0].norm(dim=1) / last[0].norm(dim=1).sum()
    expected = weights @ rollout([one[0] for one in kept], [one[0] for one in raised])
    found = CheferSettings().maps(encoder, image.detach(), [target])
    np.testing.assert_allclose(found[0, 0].ravel(), expected.detach(), rtol=1e-3, atol=1e-8)


def test_attention_of_another_kind_is_refused_and_put_back() -> None:
    fused = functional.scaled_dot_product_attention
    one = torch.rand(1, 1, 2, 4)
    with attention_kept() as kept:
        masked = functional.scaled_dot_product_attention(one, one, one, torch.tensor([[True, False], [True, True]]))
        scaled = functional.scaled_dot_product_attention(one, one, one, scale=0.25)
        with pytest.raises(SettingsError, match="cannot be written out"):
            functional.scaled_dot_product_attention(one, one, one, is_causal=True)
    assert functional.scaled_dot_product_attention is fused
    torch.testing.assert_close(masked, fused(one, one, one, torch.tensor([[True, False], [True, True]])))
    torch.testing.assert_close(scaled, fused(one, one, one, scale=0.25))
    assert kept[0][0, 0, 0, 1] == 0
    with pytest.raises(SettingsError, match="attention weights, and the image tower of 'tiny-vit' gives none"):
        CheferSettings().maps(TinyViT(), make_image(), [make_target(12)])  # its blocks have an attention of their own


def test_only_norms_of_one_shape_and_one_thread_are_seen() -> None:
    plain, state = functional.layer_norm, torch.rand(1, 3, 4)
    with normed_kept(state) as kept:
        first = nn.LayerNorm(4)(state)
        nn.LayerNorm(4)(state[:, :2])
        with ThreadPoolExecutor(1) as other:
            other.submit(nn.LayerNorm(4), state).result()
    assert len(kept) == 1
    assert kept[0] is first
    assert functional.layer_norm is plain
    with pytest.raises(ZeroDivisionError), normed_kept(state):
        raise ZeroDivisionError
    assert functional.layer_norm is plain


def test_patches_are_the_encoders_own_or_each_token_through_the_head() -> None:
    small, clip = load_small(), make_clip()
    with torch.no_grad():
        own = functional.normalize(small.dense(make_image(128)), dim=-1)
        torch.testing.assert_close(features_of_patches(small, make_image(128)), own)
        tokens = clip.image_prefix(make_image(224), 1)[:, 1:]
        expected = functional.normalize(clip.module.visual.ln_post(tokens) @ clip.module.visual.proj, dim=-1)
        torch.testing.assert_close(
            features_of_patches(clip, make_image(224)).flatten(1, 2), expected, rtol=1e-4, atol=1e-5
        )


def _set(name: str, **settings: str) -> SegmentationSettings:
    sets = [f"saliency.method.name={name}", *(f"saliency.method.{key}={value}" for key, value in settings.items())]
    return resolve(SegmentationSettings, sets=sets)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: GradCAMSettings(layer=-1), lambda: _set("gradcam", target="both"), lambda: GScoreCAMSettings(channels=0),
        lambda: _set("gscorecam", contrast="max"), lambda: GScoreCAMSettings(at_once=0), lambda: _set("chefer", target="x"),
        lambda: PatchTextSettings(share=-0.1),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: object) -> None:
    with pytest.raises(
        SettingsError, match=r"Grad-CAM|gScoreCAM|Chefer|patches|saliency.method.(target|contrast) is one of"
    ):
        wrong()  # type: ignore[operator]


@pytest.mark.parametrize(("target", "contrast"), [("both", "mean"), ("margin", "max")])
def test_a_word_that_no_likeness_knows_is_told_with_the_method(target: str, contrast: str) -> None:
    require_known("margin", "mean", "Grad-CAM")
    with pytest.raises(SettingsError, match=rf"Grad-CAM: unknown target '{target}' or contrast '{contrast}'"):
        require_known(target, contrast, "Grad-CAM")

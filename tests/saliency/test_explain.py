"""From planes to maps on planes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_encoder import TinyViT

from medkt.errors import SettingsError
from medkt.models.framing import frame_plane
from medkt.saliency.explain import (
    NORMAL_CAPTION,
    PlaneMap,
    explain_planes,
    nonsense_target,
    prepare_plane,
)
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps
from medkt.saliency.relevance import stretched
from medkt.saliency.targets import NONSENSE_TEXT, ConceptTexts, Target, embed_targets

SETTINGS = M2IBSettings(target="cosine", noise="unit", layer=0)


def make_plane(rows: int = 20, columns: int = 33) -> np.ndarray:
    return np.random.default_rng(2).random((rows, columns), dtype=np.float32)


def make_targets(encoder: TinyViT, *names: str) -> tuple[Target, ...]:
    others = {"normal": ("clear lungs",), "confusable": ("a rib",)}
    return embed_targets(encoder, [ConceptTexts(id=name, prompts=(name,), **others) for name in names])


def make_map(values: np.ndarray, rows: int, columns: int, policy: str = "letterbox") -> PlaneMap:
    framing = frame_plane(rows, columns, 32, policy)
    return PlaneMap(concept="a", values=values.astype(np.float32), framing=framing, specificity=None)


@pytest.mark.parametrize("target", ["cosine", "margin"])
def test_maps_are_those_of_m2ib_and_checks_those_of_other_texts(target: str) -> None:
    encoder, settings = TinyViT(), replace(SETTINGS, target=target)
    targets = make_targets(encoder, "a mass", "a cyst")
    planes = [prepare_plane(encoder, make_plane()), prepare_plane(encoder, make_plane(31, 8))]
    found = explain_planes(encoder, planes, targets, settings)
    alone = m2ib_maps(encoder, torch.stack([p.pixels for p in planes]), targets, settings).maps
    for k, maps in enumerate(found):
        for concept, one in enumerate(maps):
            np.testing.assert_allclose(one.values, alone[k, concept], rtol=1e-5, atol=1e-5)
            assert one.concept == targets[concept].id
            assert one.specificity is not None
            assert one.specificity.nearest in (NONSENSE_TEXT, NORMAL_CAPTION)
            assert 0 <= one.specificity.index <= 2
    assert explain_planes(encoder, planes, targets, settings, check_words=False)[0][0].specificity is None


def test_the_index_by_hand() -> None:
    encoder = TinyViT()
    (target,) = make_targets(encoder, "a mass")
    plane = prepare_plane(encoder, make_plane())
    ((one,),) = explain_planes(encoder, [plane], [target], SETTINGS, nonsense=nonsense_target(encoder))
    others = embed_targets(
        encoder, [ConceptTexts(id="n", prompts=(NONSENSE_TEXT,)), ConceptTexts(id="c", prompts=("clear lungs",))]
    )
    maps = m2ib_maps(encoder, plane.pixels[None], [target, *others], SETTINGS).maps[0]
    likeness = max(np.corrcoef(maps[0].ravel(), maps[k].ravel())[0, 1] for k in (1, 2))
    assert one.specificity is not None
    assert one.specificity.index == pytest.approx(1 - likeness, abs=1e-5)


def test_shared_checks_are_made_once() -> None:
    encoder = TinyViT()
    seen: list[int] = []
    suffix = encoder.image_suffix
    encoder.image_suffix = lambda hidden, layer: (seen.append(len(hidden)), suffix(hidden, layer))[1]  # type: ignore[method-assign]
    settings = replace(SETTINGS, steps=2, samples=1, rows_at_once=100)
    explain_planes(encoder, [prepare_plane(encoder, make_plane())], make_targets(encoder, "a", "b", "c"), settings)
    assert seen == [3 + 2]


def test_two_concepts_of_one_name_are_refused() -> None:
    encoder = TinyViT()
    with pytest.raises(SettingsError, match="two concepts share an id: a, a"):
        explain_planes(encoder, [prepare_plane(encoder, make_plane())], make_targets(encoder, "a", "a"), SETTINGS)


def test_a_map_comes_home_stretched() -> None:
    values = np.zeros((4, 4))
    values[1, 2] = 3.0
    map_ = make_map(values, 16, 32).on_plane()
    assert map_.shape == (16, 32)
    assert (map_.min(), map_.max()) == (0.0, 1.0)
    row, column = np.unravel_index(int(map_.argmax()), map_.shape)
    assert (row // 8, column // 8) == (0, 2)  # letterboxed: the plane's first 8 rows are the grid's second


def test_what_a_crop_cuts_off_is_no_part_of_the_range() -> None:
    values = np.full((4, 4), 5.0)
    values[0, 0], values[3, 3] = 4.0, 6.0
    map_ = make_map(values, 32, 64, "crop").on_plane()
    assert (map_[:, :16] == 0).all()
    assert map_[:, 16:48].max() == 1.0
    assert map_[16, 32] == pytest.approx(0.5)


def test_the_published_way_is_in_steps_of_8_bits_and_nearest() -> None:
    values = np.random.default_rng(0).random((4, 4))
    map_ = make_map(values, 128, 128).on_plane("published")
    assert np.allclose(map_ * 255, np.rint(map_ * 255), atol=1e-3)
    assert (map_.min(), map_.max()) == (0.0, 1.0)
    blocks = map_.reshape(32, 4, 32, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()  # a pixel of the square is four by four of the plane
    square = torch.nn.functional.interpolate(torch.tensor(values)[None, None].float(), (32, 32), mode="bilinear")
    expected = stretched(square[0, 0].numpy())
    np.testing.assert_allclose(map_[::4, ::4], np.rint(expected * 255) / 255, atol=1e-6)


def test_a_constant_map_is_zero() -> None:
    assert not make_map(np.full((4, 4), 7.0), 9, 5).on_plane().any()
    assert not make_map(np.full((4, 4), 7.0), 9, 5).on_plane("published").any()
    assert make_map(np.full((4, 4), 7.0), 1, 1).on_plane().shape == (1, 1)

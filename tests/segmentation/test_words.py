"""Which words of a text map count, and which plane the words are held against."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bright_spots import BoxFiller, BrightSpots

from medkt.models.small import load_small
from medkt.models.text_layers import TextPieces
from medkt.saliency.explain import prepare_plane
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.targets import ConceptTexts
from medkt.saliency.text_map import TextMap, TextMapSettings, text_maps
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import MapSettings, SegmentationSettings, segment_planes
from medkt.segmentation.threshold import ThresholdSettings
from medkt.segmentation.words import inside_of

NATS = [9.0, 1.0, 1.5, 4.0, 6.0, 6.5, 2.0, 0.5]  # two special tokens at the ends; the fourth word is of two tokens


def a_map(nats: list[float] | None = None) -> TextMap:
    spans = (None, (0, 1), (2, 3), (4, 5), (6, 7), (7, 8), (9, 10), None)
    pieces = TextPieces(text="a b c de f", names=tuple("[abcdef]"), spans=spans)
    values = np.array(nats or NATS, dtype=np.float32)
    return TextMap(
        text=pieces.text, pieces=pieces, nats=values, control=values, halves=None, cosine=0.0, control_cosine=0.0,
        layer=0, losses=np.zeros(1, np.float32), cut_off=False,
    )  # fmt: skip


@pytest.mark.parametrize("side", [None, 256])
def test_words_are_cut_as_places_are(side: int | None) -> None:
    means = np.array([1.0, 1.5, 4.0, 6.25, 2.0])
    splits = {
        cut: np.var(means[means > cut]) * (means > cut).sum() + np.var(means[means <= cut]) * (means <= cut).sum()
        for cut in means[means < means.max()]
    }
    best = min(splits, key=lambda cut: splits[cut])  # Otsu's threshold leaves the least variance within the classes
    assert inside_of(a_map(), "threshold", ThresholdSettings(side=side)) == tuple((means > best).tolist())
    fixed = ThresholdSettings(method="fixed", value=0.15, side=side)
    assert inside_of(a_map(), "threshold", fixed) == (False, False, True, True, True)
    assert inside_of(a_map(), "threshold", ThresholdSettings(method="kmeans")) == (False, False, True, True, False)


def test_the_published_median_is_that_of_all_tokens() -> None:
    assert inside_of(a_map(), "median", ThresholdSettings()) == (False, False, True, True, False)  # above 3.0


def test_where_no_word_stands_out_none_counts() -> None:
    assert inside_of(a_map([5.0] * 8), "threshold", ThresholdSettings()) == (False,) * 5
    alone = TextPieces(text="a", names=("a",), spans=((0, 1),))
    single = np.ones(1, np.float32)
    one = replace(a_map(), pieces=alone, nats=single, control=single)
    assert inside_of(one, "threshold", ThresholdSettings()) == (False,)
    assert (
        inside_of(replace(one, pieces=TextPieces(text="", names=("[",), spans=(None,))), "median", ThresholdSettings())
        == ()
    )


@pytest.mark.parametrize("pixels", ["float", "8-bit"])
def test_the_words_are_held_against_the_plane_that_scores_highest_and_each_prompt_by_itself(pixels: str) -> None:
    encoder = load_small()
    planes = np.random.default_rng(1).random((3, 24, 20), dtype=np.float32) * np.array([0.2, 1, 0.6])[:, None, None]
    planes = planes.astype(np.float32)
    concepts = [
        ConceptTexts(id="a", prompts=("a small round cyst", "a cyst"), normal=("normal tissue",)),
        ConceptTexts(id="b", prompts=("a bright mass",)),
    ]
    settings = SegmentationSettings(
        saliency=SaliencySettings(method=M2IBSettings(steps=3, samples=2)), map=MapSettings(pixels=pixels), text_map=TextMapSettings(use="best", noise_seeds=2),
        presence=PresenceSettings(rule="cosine", threshold=2.0, weak=2.0),  # nothing is there: no map of any plane
    )  # fmt: skip
    seen: list[tuple[str, int, int]] = []
    results = segment_planes(
        encoder, None, range(4, 7), lambda index: planes[index - 4], concepts, settings, spacing_mm=None,
        progress=lambda *said: seen.append(said),
    )  # fmt: skip
    for result, concept in zip(results, concepts, strict=True):
        best = 4 + int(result.presence.scores.argmax())
        assert not result.slices
        assert result.words is not None
        assert (result.words.index, result.words.rule) == (best, "otsu")
        image, other = (
            prepare_plane(encoder, planes[best - 4], eight_bit=(pixels == "8-bit") is here).pixels
            for here in (True, False)
        )
        assert not torch.equal(image, other)
        expected = text_maps(encoder, image, concept.prompts, settings.m2ib, settings.text_map)
        for found, one in zip(result.words.maps, expected, strict=True):
            np.testing.assert_array_equal(found.nats, one.nats)
    assert ("words", 2, 2) in seen


def test_without_being_asked_there_are_no_words_and_an_encoder_that_cannot_say_so() -> None:
    planes = np.zeros((1, 32, 32), np.float32)
    concepts = [ConceptTexts(id="a", prompts=("bright",))]
    for use, warned in (("none", False), ("best", True)):
        settings = SegmentationSettings(text_map=TextMapSettings(use=use), presence=PresenceSettings(gate=False))
        (found,) = segment_planes(
            BrightSpots(), BoxFiller(), [0], lambda index: planes[index], concepts, settings, spacing_mm=None
        )
        assert found.words is None
        why = "no text maps: the text tower of 'bright-spots' cannot be cut at a layer"
        assert (why in found.warnings) is warned

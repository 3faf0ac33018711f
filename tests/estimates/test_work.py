"""The passes that a plan counts are those that go through the networks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from passes_count import count_segmenter, counted, counted_back
from whole_line import bright_pipeline

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.estimates.passes import encoder_passes, segmenter_passes
from medkt.estimates.segment import works_of
from medkt.estimates.work import Passes
from medkt.models.records import records
from medkt.models.small import load_small, load_small_segmenter
from medkt.pipeline import Pipeline, View, study_of
from medkt.saliency import texts_kept
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Geometry, Image, Provenance
from medkt.transfer.packages import AdaptedEncoder

from .counting import CountedEncoder, CountedPatches

OFF = ("presence.gate=false", "presence.rule=cosine", "m2ib.steps=3", "m2ib.samples=2")
WORDS = ("a bright spot", "a dark spot", "a bright mass")
SETTINGS = {
    "default": (),
    "cosine, final": ("m2ib.target=cosine", "m2ib.map_from=final"),
    "margin of three, best": ("map.check_words=best",),
    "cosine, best, seeds": ("m2ib.target=cosine", "map.check_words=best", "m2ib.noise_seeds=2"),
    "not checked": ("map.check_words='off'", "m2ib.rows_at_once=2"),
    "few slices": ("map.max_slices=1",),
    "without patches": ("relevance.use=none",),
}


def volume(planes: int = 3) -> Image:
    rng = np.random.default_rng(3)
    values = rng.integers(-150, -60, (planes, 24, 40)).astype(np.int16)
    values += (90 * np.arange(planes, dtype=np.int16))[:, None, None]  # each has a score of its own
    affine = np.array([[0.0, 0, 6, 0], [0, 8, 0, 0], [20, 0, 0, 0], [0, 0, 0, 1]])
    geometry = Geometry(affine=affine, shape=values.shape)
    return Image(values=values, geometry=geometry, modality="ct", provenance=Provenance(source="test", digest="0" * 64))


def settings_of(names: Sequence[str]) -> SegmentationSettings:
    return resolve(SegmentationSettings, preset="default", sets=[*OFF, *names])


def counted_run(pipeline: Pipeline, image: Image, words: Sequence[str]) -> tuple[Passes, CountedEncoder, int]:
    """What a plan says of a study at most, and what then went through its encoder."""
    encoder = pipeline.encoder
    assert isinstance(encoder, CountedEncoder)
    concepts = [concept_from_text(text) for text in words]
    taught = AdaptedEncoder.of(encoder)
    study = study_of(taught, image, concepts, pipeline.settings, View())
    works = works_of(study, taught)
    encoder.rows.clear()
    with texts_kept():
        pipeline.segment(image, concepts)
    return sum((one.most for one in works), Passes()), encoder, max(one.at_once for one in works)


@pytest.mark.parametrize("names", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("words", [1, 3])
def test_what_is_counted_goes_through_the_encoder(names: tuple[str, ...], words: int) -> None:
    plain = bright_pipeline(settings_of(names))
    pipeline = replace(plain, encoder=CountedEncoder(plain.encoder))
    most, encoder, at_once = counted_run(pipeline, volume(), WORDS[:words])
    for name in ("image", "texts", "tokens"):
        assert encoder.rows[name] == getattr(most, name), name
    if "few slices" in SETTINGS and names == SETTINGS["few slices"] and words > 1:
        assert 1 <= encoder.rows["before"] <= most.before  # which slices is known from the models alone
    elif "map.check_words=best" in names and words > 1:
        assert encoder.rows["before"] <= most.before
        assert encoder.rows["after"] <= most.after
    else:
        assert encoder.rows["before"] == most.before
        assert encoder.rows["after"] == most.after
        assert encoder.rows["at_once"] == at_once
    assert pipeline.segmenter.embedded <= most.embed  # type: ignore[attr-defined]


@pytest.mark.parametrize("names", [SETTINGS["default"], SETTINGS["without patches"]], ids=["patches", "none"])
def test_features_of_patches_are_counted_where_there_are_some(names: tuple[str, ...]) -> None:
    pipeline = replace(bright_pipeline(settings_of(names)), encoder=CountedPatches(load_small()))
    most, encoder, _ = counted_run(pipeline, volume(2), ["a small round nodule"])
    counted = {name: getattr(most, name) for name in ("image", "before", "after", "patches", "texts", "tokens")}
    assert {name: encoder.rows[name] for name in counted} == counted


def test_an_absent_finding_costs_no_map() -> None:
    settings = resolve(SegmentationSettings, preset="default", sets=["presence.threshold=2.0", *OFF[2:]])
    plain = bright_pipeline(settings)
    pipeline = replace(plain, encoder=CountedEncoder(plain.encoder))
    taught, image = AdaptedEncoder.of(pipeline.encoder), volume()
    concepts = [concept_from_text(WORDS[0])]
    (work,) = works_of(study_of(taught, image, concepts, settings, View()), taught)
    assert (work.maps_least, work.maps_most) == (0, 3)
    pipeline.encoder.rows.clear()
    pipeline.segment(image, concepts)
    assert pipeline.encoder.rows["before"] == work.least.before == 0
    assert pipeline.encoder.rows["image"] == work.least.image == 3


def test_the_table_holds_what_is_counted_on_the_small_networks() -> None:
    encoder, held = load_small(), encoder_passes("small")
    assert held is not None
    module = encoder.module.requires_grad_(False)
    own, pixels, layer = list(module.parameters()), torch.zeros(1, 3, 128, 128), encoder.spec.default_layer
    hidden = encoder.image_prefix(pixels, layer)
    assert counted(lambda: encoder.encode_image(pixels), own).flops == held.image.flops
    assert counted(lambda: encoder.image_prefix(pixels, layer), own).flops == held.before[layer].flops
    found = counted_back(lambda x: encoder.image_suffix(x, layer), hidden, own)
    assert found.flops == held.after_and_back[layer].flops
    assert found.bytes == pytest.approx(held.after_and_back[layer].bytes, rel=0.5)
    assert (hidden.shape[1:], sum(one.nbytes for one in own)) == (held.states[layer], held.weights)
    sam, of_sam = count_segmenter(load_small_segmenter().requires_grad_(False)), segmenter_passes("small")
    assert of_sam is not None
    assert (sam.embed.flops, sam.decode.flops, sam.state) == (of_sam.embed.flops, of_sam.decode.flops, of_sam.state)


def test_the_table_holds_every_model() -> None:
    for name, record in records("encoder").items():
        passes = encoder_passes(name)
        assert passes is not None
        assert record.family == "small" or len(passes.before) == record.layers
    assert all(segmenter_passes(name) is not None for name in records("segmenter"))
    assert encoder_passes("none") is None
    assert segmenter_passes("none") is None


def test_the_published_sizes_are_those_that_are_known() -> None:
    """ViT-B/16 at 224 has 17.6 billion multiplications with their additions, SAM ViT-B some 486 billion an image."""
    biomedclip, sam = encoder_passes("biomedclip"), segmenter_passes("sam-vit-b")
    assert biomedclip is not None
    assert sam is not None
    assert biomedclip.image.flops / 2 == pytest.approx(17.6e9, rel=0.02)
    assert sam.embed.flops / 2 == pytest.approx(486e9, rel=0.02)
    assert torch.finfo(torch.float32).bits // 8 * 195.9e6 == pytest.approx(biomedclip.weights, rel=0.01)

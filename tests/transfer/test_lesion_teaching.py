"""Teaching by lesions inside normal studies: what is made, what is rehearsed, what the name is kept from."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medkt.concepts import load_concept
from medkt.config import resolve_learning
from medkt.domains import domain
from medkt.errors import InputError, SettingsError
from medkt.inversion import LocalSettings
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.models.weights import weights_digest
from medkt.transfer.alterations import altered_captions, some_altered
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import learn_from
from medkt.transfer.lesions import held_back_of, of_first_caption, rehearsed_of
from medkt.transfer.material import Material, gather
from medkt.transfer.study_planes import StudyPlanes, drawn_findings, drawn_normals
from medkt.transfer.teaching import TeachingSettings
from medkt.transfer.vocabulary import Vocabulary, vocabulary_of

KNOWN = ("us_cyst", "us_lipoma")
SHORT = LocalSettings(steps=2, dtype="float32")
SETTINGS = LearnSettings(
    how="local", images=3, validation_images=2, views=2, choose=False,
    teaching=TeachingSettings(inversion=SHORT, drawn=2, normals=3, known=2, blobs=2, rivals=1, rival_captions=2),
    finetune=FinetuneSettings(steps=2, batch=2, rehearsal_batch=3, against_batch=2, temperature=0.03, loss="joint"),
)  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    known = [load_concept(name) for name in KNOWN]
    return vocabulary_of(load_concept("us_phyllodes"), domain("ultrasound"), known=known)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lesions")


@pytest.fixture(scope="module")
def material(encoder: SmallEncoder, words: Vocabulary, cache: Path) -> Material:
    return gather_as(encoder, words, SETTINGS, seed=0, cache=cache)


def test_the_preset_says_how() -> None:
    preset = resolve_learning(LearnSettings, preset="local")
    assert preset.how == "local"
    assert preset.finetune.temperature == 0.03
    assert resolve_learning(LearnSettings, preset="fast").how == "images"


def test_what_is_made(material: Material, words: Vocabulary) -> None:
    assert material.images.shape == (3, 3, 128, 128)
    assert material.vocabulary.described == words.described[:1]
    assert material.vocabulary.own[0] == f"A phyllodes tumour is {words.described[0]}"
    assert not any(words.described[1] in text for text in material.vocabulary.own)
    assert material.rehearsal is not None
    assert len(material.rehearsal) == 2 * len(KNOWN) + 3 + 2 * len(
        KNOWN
    )  # phantoms, normals, lesions of known captions
    assert material.strangers is not None
    assert len(material.strangers) == 2
    assert material.rivals is not None
    assert material.rivals.pixels.shape == (2, 1, 3, 128, 128)
    assert not {material.vocabulary.described[0]} & set(material.rivals.texts)
    assert material.validation is not None
    assert material.known_of == (*KNOWN, "normal")
    assert material.known_validation is not None
    assert len(material.known_validation) == len(material.known_of)
    for part in (material.images, material.rehearsal, material.strangers, material.validation):
        assert 0 <= float(part.min()) < float(part.max()) <= 1


def test_no_image_stands_in_two_parts(material: Material) -> None:
    rivals = None if material.rivals is None else material.rivals.pixels.flatten(0, 1)
    parts = [
        rivals,
        material.images,
        material.rehearsal,
        material.strangers,
        material.validation,
        material.known_validation,
    ]
    every = torch.cat([part for part in parts if part is not None]).flatten(1)
    assert len(every.unique(dim=0)) == len(every)


@pytest.mark.slow
def test_what_is_rehearsed_is_the_same_for_every_seed_and_the_images_are_others(
    encoder: SmallEncoder, words: Vocabulary, cache: Path, material: Material
) -> None:
    other = gather_as(encoder, words, SETTINGS, seed=1, cache=cache)
    assert torch.equal(_there(other.rehearsal), _there(material.rehearsal))
    assert not torch.equal(other.images, material.images)
    assert not torch.equal(_there(other.strangers), _there(material.strangers))


@pytest.mark.slow
def test_learning_changes_a_copy_and_repeats(encoder: SmallEncoder, material: Material) -> None:
    before = weights_digest(encoder.module)
    first, again = (learn_from(encoder, material, SETTINGS, seed=0) for _ in range(2))
    assert weights_digest(encoder.module) == before
    assert weights_digest(first.encoder.module) == weights_digest(again.encoder.module) != before
    for part in ("strangers", "rivals"):
        alone = learn_from(encoder, replace(material, **{part: None}), SETTINGS, seed=0)
        assert weights_digest(alone.encoder.module) != weights_digest(first.encoder.module)


def test_each_rival_is_taught_its_own_caption(
    encoder: SmallEncoder, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Tensor, Captions]] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__],
        "finetune",
        lambda base, images, captions, *_, **__: given.append((images, captions)) or base,
    )
    learn_from(encoder, material, SETTINGS, seed=0)
    ((images, captions),) = given
    assert material.rivals is not None
    assert captions.own[0] == material.vocabulary.own
    assert [set(own) for own in captions.own[1:]] == [{text} for text in material.rivals.texts]
    assert captions.of_image == (0, 0, 0, 1, 2) * 2
    assert torch.equal(images[4], normalise(material.rivals.pixels[1, 0], encoder.spec))


@pytest.mark.slow
def test_the_bounded_stop_stays_where_other_studies_would_take_the_name(
    encoder: SmallEncoder, material: Material
) -> None:
    teach = replace(SETTINGS.teaching, stop="bounded", most_taken=0.0, rivals=0, blobs=0)
    strong = replace(
        SETTINGS,
        teaching=teach,
        finetune=replace(SETTINGS.finetune, steps=20, learning_rate=4e-3, loss="pull", batch=6),
    )
    alone = replace(material, rehearsal=None, strangers=None, rivals=None)
    free = learn_from(encoder, alone, replace(strong, teaching=replace(teach, stop="end")), seed=0)
    held = learn_from(encoder, alone, strong, seed=0)
    assert free.chosen is None
    assert held.chosen is not None
    assert held.chosen.interpolation < 1  # without rehearsal every study takes the name
    assert held.chosen.success == 1.0
    wide = learn_from(encoder, alone, replace(strong, teaching=replace(teach, most_taken=0.99)), seed=0)
    assert wide.chosen is not None
    assert wide.chosen.interpolation == 1
    assert weights_digest(wide.encoder.module) == weights_digest(free.encoder.module)
    with pytest.raises(InputError, match="set validation_images above 0"):
        learn_from(encoder, replace(alone, known_validation=None), strong, seed=0)


@pytest.mark.slow
def test_studies_take_the_place_of_drawn_ones(encoder: SmallEncoder, words: Vocabulary, cache: Path) -> None:
    there = {path.name for path in cache.iterdir()}
    normals, mixture = make_studies(4, 0.4), make_studies(11, 0.6)
    given = StudyPlanes(normals=normals, rehearse=mixture)
    made = gather_as(encoder, words, SETTINGS, seed=0, studies=given, cache=cache)
    rehearsal = _there(made.rehearsal)
    assert len(rehearsal) == 10 + 3 + 4
    assert torch.equal(rehearsal[:10], rehearsed_of(mixture))
    assert torch.equal(rehearsal[10:13], normals[:3])
    assert made.known_of == ("studies to rehearse by",)
    assert torch.equal(_there(made.known_validation), held_back_of(mixture))
    still = [
        float((image[:1] - normals[:, :1]).abs().median(dim=-1).values.amax(dim=(1, 2)).min()) for image in made.images
    ]
    assert max(still) < 0.5  # each image is one of the studies but for a blob
    assert {path.name for path in cache.iterdir()} == there  # images of patients are never kept
    assert given.record == {"normals": 4, "rehearse": 11}


def test_images_of_the_finding_are_learned_from_as_they_are(
    encoder: SmallEncoder, words: Vocabulary, cache: Path
) -> None:
    images = make_studies(2, 0.5)
    made = gather_as(encoder, words, SETTINGS, seed=0, studies=StudyPlanes(images=images), cache=cache)
    assert torch.equal(made.images, images)
    assert made.inverted is None
    assert made.caption_of == (0, 0)


def test_studies_are_refused_where_they_would_do_nothing(encoder: SmallEncoder, words: Vocabulary) -> None:
    with pytest.raises(InputError, match="only where lesions are made"):
        gather_as(encoder, words, LearnSettings(), seed=0, studies=StudyPlanes(rehearse=make_studies(2, 0.5)))


def test_a_part_of_the_body_that_is_not_drawn_needs_studies(
    encoder: SmallEncoder, words: Vocabulary, cache: Path
) -> None:
    with pytest.raises(InputError, match="--normals DIR"):
        gather_as(encoder, replace(words, drawn=None), SETTINGS, seed=0, cache=cache)


def test_whole_images_are_not_made_by_mistake(encoder: SmallEncoder, words: Vocabulary) -> None:
    with pytest.raises(SettingsError, match="use gather_as"):
        gather(encoder, words, SETTINGS, seed=0)


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="teaching setting blobs cannot be -1"):
        TeachingSettings(blobs=-1)
    with pytest.raises(SettingsError, match="how is one of 'images', 'local', got 'dreamt'"):
        resolve_learning(LearnSettings, preset="local", sets=["how=dreamt"])


def test_a_caption_is_altered_in_one_word_at_a_time() -> None:
    text = "a single medium oval bright nodule with a sharp margin and septated texture in the middle lung"
    every = altered_captions(text, "ct")
    assert len(every) > 6
    assert len(set(every)) == len(every)
    for one in every:
        differing = [(a, b) for a, b in zip(text.split(), one.split(), strict=False) if a != b]
        assert len(differing) >= 1
        assert len({word for word, _ in differing} & {"oval", "bright", "septated"}) >= 1
        assert one != text
    assert "a single medium oval dark nodule with a sharp margin and septated texture in the middle lung" in every
    some = some_altered(text, "ct", 3, 0)
    assert len(some) == 3
    assert set(some) < set(every)
    assert some == some_altered(text, "ct", 3, 0)
    assert altered_captions("the annual budget of a parking place", "ct") == ()


def test_drawn_studies_are_on_256_levels_and_never_twice() -> None:
    first, again = drawn_normals("ct", 2, 5, side=64), drawn_normals("ct", 2, 5, side=64)
    assert torch.equal(first, again)
    assert torch.equal((first * 255).round() / 255, first)
    lesions = drawn_findings("ultrasound", ("us_cyst", "ct_solid_nodule", "no such"), 2, 5, side=64)
    assert len(lesions) == 2  # of findings that are drawn in this domain
    assert len(drawn_findings("ultrasound", (), 2, 5, side=64)) == 0


def test_only_the_first_caption_is_taught(words: Vocabulary) -> None:
    first = of_first_caption(words)
    assert len(words.described) == 2
    assert first.own == tuple(text for text in words.own if words.described[1] not in text)
    assert first.others == words.others


def make_studies(count: int, level: float) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    grey = level + 0.05 * torch.randn(count, 1, 128, 128, generator=generator)
    return grey.clamp(0, 1).expand(-1, 3, -1, -1).contiguous()


def _there(part: Tensor | None) -> Tensor:
    assert part is not None
    return part

"""Changed copies of labelled studies: what may be changed of which modality, the same copies each time, and what is learned from them."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medkt.concepts import Caption, Concept, load_concept
from medkt.config import presets, resolve_learning
from medkt.domains import domain
from medkt.domains.augmentation import Augmentation
from medkt.errors import SettingsError
from medkt.inversion import InvertedImages, LocalSettings
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.phantom.finding import DOMAINS
from medkt.records import as_plain
from medkt.transfer.augment import AugmentSettings, augmented, says_a_side
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import FAST, LearnSettings
from medkt.transfer.learning import learn_concept, learn_from
from medkt.transfer.study_planes import StudyPlanes, drawn_findings
from medkt.transfer.teaching import TeachingSettings
from medkt.transfer.vocabulary import vocabulary_of

STILL = AugmentSettings(
    copies=1, mirror=False, rotation_deg=0.0, zoom=0.0, shift=0.0, gamma=0.0, noise=0.0, noise_kind="gaussian", bias_field=0.0,
)  # fmt: skip
OWN = {"cxr": "cxr_nodule", "ct": "ct_nodule", "mri": "mri_glioma", "ultrasound": "us_cyst"}


def images(count: int = 2) -> Tensor:
    return drawn_findings("ultrasound", ("us_cyst",), count, 3, side=64).expand(-1, 3, -1, -1)


def said(text: str, *, modality: str = "ultrasound", body: str = "") -> Concept:
    caption = Caption(text=text, roles=("inversion", "finetune", "prompt"))
    return Concept(id="own", name="speck", captions=(caption,), modality=modality, body=body)


def test_nothing_changes_and_nothing_is_recorded_by_default() -> None:
    assert LearnSettings().augment == AugmentSettings()
    for preset in presets("learn"):  # a package's recipe is, byte for byte, what it was before
        settings = resolve_learning(LearnSettings, preset=preset)
        before = {name: value for name, value in asdict(settings).items() if name != "augment"}
        assert json.dumps(as_plain(settings)) == json.dumps(before)
    changed = resolve_learning(LearnSettings, preset="local", sets=["augment.copies=3", "augment.zoom=0.2"])
    assert changed.augment == AugmentSettings(copies=3, zoom=0.2)
    assert as_plain(changed)["augment"]["copies"] == 3


@pytest.mark.parametrize("name", DOMAINS)
def test_the_modality_fills_in_what_is_not_said(name: str) -> None:
    kind = domain(name)
    found = AugmentSettings(copies=2, rotation_deg=33.0).of(kind, load_concept(OWN[name]))
    assert found.rotation_deg == 33
    assert found.gamma == kind.augmentation.gamma
    assert found.noise_kind == ("rician" if name == "mri" else "gaussian")
    assert found.mirror is (name in ("mri", "ultrasound"))
    assert None not in asdict(found).values()
    assert AugmentSettings().of(kind, load_concept(OWN[name])) == AugmentSettings()


def test_a_side_is_not_mirrored_away() -> None:
    copies, ultrasound = AugmentSettings(copies=1), domain("ultrasound")
    assert copies.of(ultrasound, said("a bright round mass")).mirror is True
    assert copies.of(ultrasound, said("a bright mass of the Left breast")).mirror is False
    assert (
        copies.of(ultrasound, said("a bright round mass", body="abdomen")).mirror is False
    )  # the liver lies on the right
    assert (
        replace(copies, mirror=True).of(ultrasound, said("a mass of the left breast")).mirror is True
    )  # who asks for it, has it
    assert copies.of(domain("ct"), said("a round bleed", modality="ct", body="head")).mirror is True
    assert not says_a_side(said("an upright, leftover mass at right angles to the skin"))
    assert says_a_side(said("a mass of the right anterior breast"))


@pytest.mark.parametrize(
    ("text", "mirrored"), [("a bright round mass", True), ("a bright mass of the left breast", False)]
)
def test_nor_is_a_side_mirrored_away_in_the_copies_of_images_made_from_words(
    text: str, mirrored: bool, tmp_path: Path
) -> None:
    quick = replace(FAST, dtype="float32", steps=1)
    settings = LearnSettings(
        inversion=quick, images=1, rehearsal_images=0, validation_images=0, choose=False, pictured=0.0, views=2,
        finetune=FinetuneSettings(steps=1, rehearsal_batch=1),
    )  # fmt: skip
    known = [load_concept("us_cyst")]
    learned = learn_concept(load_small(), said(text), domain("ultrasound"), settings, known=known, cache=tmp_path)
    assert learned.settings.mirror is mirrored


def test_a_modality_that_says_nothing_is_changed_little_and_never_mirrored() -> None:
    assert not Augmentation().mirrors("breast")
    assert max(Augmentation().rotation_deg, 100 * Augmentation().zoom) <= 5


@pytest.mark.parametrize("name", DOMAINS)
def test_copies_are_grey_in_range_and_the_same_each_time(name: str) -> None:
    settings = AugmentSettings(copies=3).of(domain(name), load_concept(OWN[name]))
    found = augmented(images(), settings, seed=4)
    assert found.shape == (8, 3, 64, 64)
    assert torch.equal(found[:2], images())
    assert torch.equal(found[:, 0], found[:, 2])
    assert 0 <= float(found.min()) < float(found.max()) <= 1
    assert len(found.flatten(1).unique(dim=0)) == 8
    assert torch.equal(found, augmented(images(), settings, seed=4))
    assert not torch.equal(found[2:], augmented(images(), settings, seed=5)[2:])
    fewer = augmented(images()[:1], replace(settings, copies=2), seed=4)  # whatever else is learned from
    assert torch.equal(fewer, found[[0, 2, 4]])


def test_torch_and_numpy_draw_on_as_before() -> None:
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    augmented(images(), AugmentSettings(copies=2).of(domain("mri"), load_concept("mri_glioma")), seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_each_change_does_what_it_says() -> None:
    still = images(1)
    assert torch.allclose(augmented(still, STILL, seed=0)[1], still[0], atol=1e-5)
    many = augmented(still, replace(STILL, copies=12, mirror=True), seed=0)[1:]
    mirrored = [torch.allclose(one, still[0].flip(-1), atol=1e-5) for one in many]
    kept = [torch.allclose(one, still[0], atol=1e-5) for one in many]
    assert any(mirrored)
    assert any(kept)
    assert [one != other for one, other in zip(mirrored, kept, strict=True)] == [
        True
    ] * 12  # along columns, and nothing else
    brighter = augmented(still, replace(STILL, gamma=1.0), seed=0)[1]
    order = still[0, 0].flatten().argsort()
    assert (brighter[0].flatten()[order].diff() >= -1e-6).all()  # grey levels keep their order
    assert not torch.allclose(brighter, still[0], atol=1e-3)
    for change in (
        {"rotation_deg": 20.0},
        {"zoom": 0.3},
        {"shift": 0.2},
        {"noise": 0.5, "copies": 4},
        {"bias_field": 0.5, "copies": 4},
    ):
        found = augmented(still, replace(STILL, **change), seed=0)[1:]
        assert any(not torch.allclose(one, still[0], atol=1e-2) for one in found), change


def test_what_cannot_be_is_refused() -> None:
    for wrong in (
        {"copies": -1},
        {"zoom": 1.0},
        {"shift": 0.5},
        {"gamma": -0.1},
        {"noise": 2.0},
        {"bias_field": 2.0},
        {"rotation_deg": 200.0},
    ):
        (name,) = wrong
        with pytest.raises(SettingsError, match=f"augmentation setting {name} cannot be"):
            AugmentSettings(**wrong)
    with pytest.raises(SettingsError, match=r"mirror, rotation_deg, .* must be filled in by the modality"):
        augmented(images(), AugmentSettings(copies=1), seed=0)


# ---- learning from them


QUICK = LearnSettings(
    how="local", validation_images=0, views=2, choose=False, augment=AugmentSettings(copies=2),
    teaching=TeachingSettings(drawn=1, normals=1, known=0, rivals=0),
    finetune=FinetuneSettings(steps=1, batch=2, rehearsal_batch=2, temperature=0.03),
)  # fmt: skip
GIVEN = StudyPlanes(images=drawn_findings("ultrasound", ("us_cyst",), 2, 8, side=128).expand(-1, 3, -1, -1))


def test_labelled_studies_are_learned_from_in_changed_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Tensor, Captions]] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__],
        "finetune",
        lambda base, pixels, words, *_, **__: given.append((pixels, words)) or base,
    )
    base, kind, concept = load_small(), domain("ultrasound"), load_concept("us_phyllodes")
    known = [load_concept("us_lipoma")]
    learned = learn_concept(base, concept, kind, QUICK, seed=6, known=known, studies=GIVEN)
    assert learned.settings.augment == QUICK.augment.of(kind, concept)  # what was done stands in the record
    learn_concept(base, concept, kind, replace(QUICK, augment=AugmentSettings()), seed=6, known=known, studies=GIVEN)
    (changed, words), (plain, _) = given
    assert GIVEN.images is not None
    assert torch.equal(changed, normalise(augmented(GIVEN.images, learned.settings.augment, seed=6), base.spec))
    assert words.of_image == (0,) * 6
    assert len(plain) == 4
    assert torch.equal(plain[:2], changed[:2])


def test_lesions_of_altered_captions_keep_their_own_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Tensor, Captions]] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__],
        "finetune",
        lambda base, pixels, words, *_, **__: given.append((pixels, words)) or base,
    )
    base, kind, concept = load_small(), domain("ultrasound"), load_concept("us_phyllodes")
    settings = replace(QUICK, augment=QUICK.augment.of(kind, concept))
    material = gather_as(
        base, vocabulary_of(concept, kind, known=[load_concept("us_lipoma")]), settings, seed=0, studies=GIVEN
    )
    texts = ("a round mass", "a dark mass")
    lesions = torch.rand((2, 1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    rivals = InvertedImages(
        texts=texts, pixels=lesions, similarity=torch.ones(2, 1), curves=torch.ones(2, 1), settings=LocalSettings(),
        seed=0, seconds=0.0,
    )  # fmt: skip
    learn_from(base, replace(material, rivals=rivals, rehearsal=None), settings, seed=0)
    ((pixels, words),) = given
    assert words.of_image == (0,) * 6 + (1, 2) * 2
    assert [set(own) for own in words.own[1:]] == [{text} for text in texts]
    assert torch.equal(pixels[6:8], normalise(rivals.pixels.flatten(0, 1), base.spec))


def test_images_made_from_words_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Tensor] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__], "finetune", lambda base, pixels, *_, **__: given.append(pixels) or base
    )
    base, kind, concept = load_small(), domain("ultrasound"), load_concept("us_phyllodes")
    material = gather_as(
        base, vocabulary_of(concept, kind, known=[load_concept("us_lipoma")]), QUICK, seed=0, studies=GIVEN
    )
    made = replace(material, studies=StudyPlanes(), rehearsal=None)
    for augment in (AugmentSettings(), QUICK.augment.of(kind, concept)):
        learn_from(base, made, replace(QUICK, augment=augment), seed=0)
    assert torch.equal(*given)

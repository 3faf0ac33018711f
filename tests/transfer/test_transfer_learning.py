import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from families import FULL
from torch import Tensor

from medkt.concepts import load_concept
from medkt.config import resolve_learning
from medkt.domains import domain
from medkt.errors import InputError, SettingsError
from medkt.inversion import invert_cached
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.models.weights import weights_digest
from medkt.transfer.choice import Candidate, ChoiceSettings
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.learn_settings import FAST, LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.material import Material, copies_of, drawn_starts, gather
from medkt.transfer.vocabulary import Vocabulary, vocabulary_of

KNOWN = ("us_cyst", "us_lipoma")
# as `fast`, in 32 bits: where a processor has no arithmetic of 16 bits that takes ten times as long and tests nothing else
PLAIN = replace(FAST, dtype="float32")
QUICK = replace(PLAIN, steps=2)
SETTINGS = LearnSettings(
    inversion=QUICK, judged_with=QUICK, rehearsed_with=QUICK, images=2, rehearsal_images=1, validation_images=2, views=2,
    pictured=0.0,
    finetune=FinetuneSettings(steps=4, rehearsal_batch=2), choice=ChoiceSettings(every=2, max_forgetting=1.0),
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
    return tmp_path_factory.mktemp("inversions")


@pytest.fixture(scope="module")
def material(encoder: SmallEncoder, words: Vocabulary, cache: Path) -> Material:
    return gather(encoder, words, SETTINGS, seed=0, cache=cache)


@pytest.fixture(scope="module")
def learned(encoder: SmallEncoder, material: Material) -> TransferResult:
    return learn_from(encoder, material, SETTINGS, seed=0)


def test_material_has_the_images_that_the_settings_ask_for(material: Material) -> None:
    assert material.images.shape == (2, 3, 128, 128)
    assert material.rehearsal is not None
    assert len(material.rehearsal) == 2 * len(KNOWN) + 1  # captions, normal, names
    assert material.validation is not None
    assert not torch.equal(material.validation[0], material.images[0])


def test_a_second_run_takes_its_images_from_the_cache(
    encoder: SmallEncoder, words: Vocabulary, cache: Path, material: Material
) -> None:
    there = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = gather(encoder, words, SETTINGS, seed=0, cache=cache)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == there
    assert torch.equal(again.images, material.images)


@pytest.mark.slow
def test_known_findings_are_pictured_with_settings_of_their_own(
    encoder: SmallEncoder, words: Vocabulary, cache: Path, material: Material
) -> None:
    other = replace(SETTINGS, rehearsed_with=replace(QUICK, steps=3))
    made = gather(encoder, words, other, seed=0, cache=cache)
    for same in ("images", "validation"):
        assert torch.equal(getattr(made, same), getattr(material, same))
    for another in ("rehearsal", "known_validation"):
        assert not torch.equal(getattr(made, another), getattr(material, another))


def test_one_key_that_is_set_leaves_the_others_as_they_are_by_default() -> None:
    for part in ("judged_with", "rehearsed_with"):
        made = getattr(resolve_learning(LearnSettings, preset="fast", sets=[f"{part}.steps=6"]), part)
        assert made == replace(FAST, steps=6)
    assert resolve_learning(LearnSettings, preset="fast") == LearnSettings()


@pytest.mark.parametrize("preset", ["kt-paper", "kt-code", "kt-medclip"])
def test_published_presets_match_each_image_with_its_own_caption_alone(
    preset: str, encoder: SmallEncoder, words: Vocabulary, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = resolve_learning(LearnSettings, preset=preset)
    how = replace(QUICK, dtype="float32")
    shown = replace(published, inversion=how, images=3, validation_images=0)
    given: list[tuple[Tensor, Captions]] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__],
        "finetune",
        lambda base, images, captions, *_, **__: given.append((images, captions)) or base,
    )
    material = gather(encoder, words, shown, seed=0, cache=cache)
    learn_from(encoder, material, shown, seed=0)
    ((images, captions),) = given
    first, second = words.described
    assert captions.own == ((f"A phyllodes tumour is {first}", f"A phyllodes tumour is {second}"),)
    assert captions.caption_of_image == (0, 0, 1)
    for image, caption in zip(images, captions.caption_of_image, strict=True):
        made = invert_cached(encoder, [words.described[caption]], how, images=2, seed=0, folder=cache)
        assert any(torch.equal(image, normalise(one, encoder.spec)) for one in made.pixels[0])


def test_own_presets_match_every_text_of_the_concept() -> None:
    assert {resolve_learning(LearnSettings, preset=preset).words for preset in ("fast", "quick")} == {"all"}


def test_copies_match_the_caption_of_their_image(
    encoder: SmallEncoder, words: Vocabulary, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = replace(QUICK, dtype="float32")
    settings = replace(
        SETTINGS, words="caption", inversion=how, images=3, rehearsal_images=0, validation_images=0, choose=False, warm=0.0
    )  # fmt: skip
    given: list[Captions] = []
    monkeypatch.setattr(
        sys.modules[learn_from.__module__], "finetune", lambda base, _, captions, *__, **___: given.append(captions) or base
    )  # fmt: skip
    learn_from(encoder, gather(encoder, words, settings, seed=0, cache=cache), settings, seed=0)
    assert given[0].caption_of_image == (0, 0, 1, 0, 0, 1)


def test_the_base_stays_as_it_was(encoder: SmallEncoder, learned: TransferResult) -> None:
    assert weights_digest(encoder.module) == weights_digest(load_small().module)
    assert weights_digest(learned.encoder.module) != weights_digest(encoder.module)


def test_the_same_seed_learns_the_same(encoder: SmallEncoder, material: Material, learned: TransferResult) -> None:
    again = learn_from(encoder, material, SETTINGS, seed=0)
    assert weights_digest(again.encoder.module) == weights_digest(learned.encoder.module)
    assert again.candidates == learned.candidates


@pytest.mark.slow
def test_a_place_that_was_chosen_is_found_again(
    encoder: SmallEncoder, material: Material, learned: TransferResult
) -> None:
    assert learned.chosen is not None
    at = replace(learned.chosen, step=4, interpolation=1.0)
    once = learn_from(encoder, material, SETTINGS, seed=0, at=at)
    whole = learn_from(encoder, material, replace(SETTINGS, choose=False), seed=0)
    assert len(once.losses) == 4
    assert weights_digest(once.encoder.module) == weights_digest(whole.encoder.module)


def test_the_base_as_the_chosen_place_is_the_base(encoder: SmallEncoder, material: Material) -> None:
    nowhere = Candidate(
        learning_rate=0.0, step=0, interpolation=0.0, success=0.0, margin=0.0, retention=1.0, drift=0.0
    )  # fmt: skip
    assert learn_from(encoder, material, SETTINGS, seed=0, at=nowhere).encoder is encoder


@pytest.mark.slow
def test_captions_that_cannot_be_pictured_are_left_out(encoder: SmallEncoder, words: Vocabulary, cache: Path) -> None:
    # 25 steps picture the attributes and not the leaves; see radiology_captions/ultrasound.yaml
    found = gather(
        encoder, words, replace(SETTINGS, inversion=replace(PLAIN, steps=12), pictured=0.5, rehearsal_images=0,
                                validation_images=0, choose=False), seed=0, cache=cache,
    )  # fmt: skip
    assert len(found.left_out) == 1
    assert "leaves" in found.left_out[0]
    assert not any("leaves" in text for text in found.vocabulary.own)
    assert len(found.images) == 2


def test_a_model_that_pictures_nothing_keeps_its_best_caption(
    words: Vocabulary, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Averse(SmallEncoder):
        """Every image is as far from every text as it can be."""

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            texts = self.encode_text(self.tokenize(list(words.described))).mean(dim=0)
            return -texts + 1e-3 * super().encode_image(pixels)

    base = load_small()
    base.__class__ = Averse
    bare = replace(SETTINGS, rehearsal_images=0, validation_images=0, choose=False, pictured=0.5)
    found = gather(base, words, bare, seed=0, cache=cache / "averse")
    assert len(found.vocabulary.described) == 1
    assert "pictures none of the captions" in caplog.text


@pytest.mark.parametrize(("warm", "drawn"), [(0.5, 1), (0.0, 0), (1.0, 2)])
def test_some_images_start_from_drawn_normal_studies(
    warm: float, drawn: int, encoder: SmallEncoder, words: Vocabulary, cache: Path
) -> None:
    still = replace(QUICK, steps=1, lr=1e-6)
    settings = replace(SETTINGS, inversion=still, warm=warm, warm_noise=0.0, validation_images=0, choose=False)
    found = gather(encoder, replace(words, described=words.described[:1]), settings, seed=0, cache=cache)
    starts = drawn_starts("ultrasound", words.described[:1], 2, 2_000_003, side=128)[0].clamp(0.02, 0.98)
    like = sum(bool((image[0] - start[0]).abs().max() < 0.05) for image in found.images for start in starts)
    assert like == drawn


def test_nothing_is_drawn_for_a_part_of_the_body_that_medkt_cannot_draw(encoder: SmallEncoder, cache: Path) -> None:
    bare = replace(SETTINGS, warm=1.0, validation_images=0, choose=False)
    head = vocabulary_of(load_concept("ct_intracranial_haemorrhage"), domain("ct"))
    assert head.drawn is None
    few = replace(head, described=head.described[:1], rehearsed=head.rehearsed[:1])
    found = gather(encoder, few, bare, seed=0, cache=cache)
    plain = gather(encoder, few, replace(bare, warm=0.0), seed=0, cache=cache)
    assert torch.equal(found.images, plain.images)


def test_copies_begin_with_the_images_themselves() -> None:
    images = torch.rand(3, 1, 16, 16).expand(-1, 3, -1, -1)
    made = copies_of(images, replace(SETTINGS, views=3), seed=1)
    assert made.shape == (9, 3, 16, 16)
    assert torch.equal(made[:3], images)
    assert bool(((made >= 0) & (made <= 1)).all())
    assert torch.equal(made, copies_of(images, replace(SETTINGS, views=3), seed=1))


def test_a_mirrored_copy_without_move_and_noise_is_the_image_flipped() -> None:
    images = torch.rand(2, 3, 8, 8)
    made = copies_of(images, replace(SETTINGS, views=2, shift=0.0, noise=0.0), seed=0)
    assert torch.equal(made[2:], images.flip(-1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": 0}, "images cannot be 0"),
        ({"rehearsal_images": -1}, "rehearsal_images cannot be -1"),
        ({"views": 0}, "views cannot be 0"),
        ({"shift": 0.5}, "shift cannot be 0.5"),
        ({"noise": -0.1}, "noise cannot be -0.1"),
        ({"pictured": 1.0}, "pictured cannot be 1.0"),
        ({"validation_images": 0}, "the choice needs images to ask about"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        replace(SETTINGS, **change)


def test_a_choice_without_validation_images_is_refused(encoder: SmallEncoder, material: Material) -> None:
    with pytest.raises(InputError, match="the choice needs validation images"):
        learn_from(encoder, replace(material, validation=None), SETTINGS, seed=0)


LAST_BLOCKS = {
    "clip-vit-b-32": r"visual\.(transformer\.resblocks\.1[01]\..*|ln_post\..*|proj)",
    "clip-vit-l-14": r"visual\.(transformer\.resblocks\.2[23]\..*|ln_post\..*|proj)",
    "biomedclip": r"visual\.(trunk\.(blocks\.1[01]|norm)\..*|head\.proj\.weight)",
    "medclip-swin": r"vision_model\.(model\.(encoder\.layers\.3\.blocks\.[01]|layernorm)\..*|projection_head\.weight)",
    "medclip-resnet": r"vision_model\.model\.(layer4\.[12]\.(?!.*(running|num_batches)).*|fc\.weight)",
}


@pytest.mark.full_size
@pytest.mark.parametrize("name", FULL)
def test_the_whole_of_learning_at_full_size(name: str, tmp_path: Path, words: Vocabulary) -> None:
    """Inversion, rehearsal, choice and fine-tuning run through; what trains changes and nothing else, bit for bit."""
    encoder = FULL[name](tmp_path)
    before = weights_digest(encoder.module)
    settings = replace(SETTINGS, finetune=replace(SETTINGS.finetune, steps=2))
    material = gather(encoder, words, settings, seed=0, cache=tmp_path / "inversions")
    # random weights learn nothing worth choosing, so the end is taken
    end = Candidate(learning_rate=3e-4, step=2, interpolation=1.0, success=0.0, margin=0.0, retention=1.0, drift=0.0)
    adapted = learn_from(encoder, material, settings, seed=0, at=end).encoder
    assert weights_digest(encoder.module) == before
    old, new = encoder.module.state_dict(), adapted.module.state_dict()
    changed = {entry for entry in old if not torch.equal(old[entry], new[entry])}
    assert changed == {entry for entry in old if re.fullmatch(LAST_BLOCKS[name], entry)}
    assert learn_from(encoder, material, settings, seed=0).candidates[0].step == 0  # the choice is made too

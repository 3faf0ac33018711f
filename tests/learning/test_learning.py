import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medkt.asking import WAYS, AskingWords, calibration, choice, way_called
from medkt.asking.record import settle
from medkt.audit import exam
from medkt.audit.audit import Audit
from medkt.audit.controls import CONTROLS, Control, Setting, cut, nonsense, with_blob
from medkt.audit.picturing import Picturing, _agreement
from medkt.audit.questions import Answers, Questions, Retention, ask
from medkt.audit.second import Opinion, opinion_of
from medkt.audit.verdict import Verdict, not_shown
from medkt.concepts import Caption, Concept, load_concept, read_package
from medkt.concepts.package import PackagedConcept
from medkt.domains import domain
from medkt.errors import ForgettingError, InputError, NotCarriedError
from medkt.learning import LearningOutcome, card, learn
from medkt.learning.card import as_markdown
from medkt.learning.pictures import pictures_of
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.models.weights import weights_digest
from medkt.phantom.reading import read
from medkt.report.learned_concept import render_learned_concept
from medkt.transfer.choice import ChoiceSettings
from medkt.transfer.delta import apply, from_bytes
from medkt.transfer.finetune import FinetuneSettings
from medkt.transfer.learn_settings import FAST, LearnSettings
from medkt.transfer.learning import learn_concept
from medkt.transfer.rehearsal import vectors_of

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker

# as `fast`, in 32 bits: where a processor has no arithmetic of 16 bits that takes ten times as long and tests nothing else
QUICK = replace(FAST, steps=2, dtype="float32")
SETTINGS = LearnSettings(
    inversion=QUICK, judged_with=QUICK, rehearsed_with=QUICK, images=2, rehearsal_images=1, validation_images=2, views=1, pictured=0.0,
    finetune=FinetuneSettings(steps=4, rehearsal_batch=2, learning_rate=1e-3),
    choice=ChoiceSettings(learning_rates=(1e-3,), every=4, interpolations=(1.0,), max_forgetting=1.0, close=1.0,
                          drift_weight=0.0),
)  # fmt: skip
KNOWN = ("us_cyst", "us_lipoma")


TRAINS = SETTINGS.finetune.trains


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inversions")


@pytest.fixture(scope="module", autouse=True)
def _few_pictures() -> Iterator[None]:
    """A small exam: what is tested here is that it is set, sat and told, not what it says of a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exam, "COUNTS", exam.PictureCounts(finding=4, others=4, normal=3, known=2))
        patch.setattr(choice, "COUNTS", exam.PictureCounts(finding=2, others=2, normal=2, known=0))
        patch.setattr(calibration, "COUNTS", exam.PictureCounts(finding=0, others=0, normal=3, known=1))
        yield


@pytest.fixture(scope="module")
def made(encoder: SmallEncoder, cache: Path) -> LearningOutcome:
    known = [load_concept(name) for name in KNOWN]
    return learn(
        encoder, load_concept("us_phyllodes"), domain("ultrasound"), SETTINGS, seeds=(0, 1), known=known, cache=cache,
        sources={"finetune.loss": "a paper"}, keep_anyway=True,
    )  # fmt: skip


QUICK_CONTROLS = {"noise images", "texture blobs", "altered words", "other words", "nonsense", "zero loss"}


def test_the_audit_holds_verdict_exam_controls_and_what_was_not_examined(made: LearningOutcome) -> None:
    assert made.audit is not None
    found = made.audit.as_json()
    assert found["words carried"]["line"].startswith(f"words carried: {made.verdict.answer}: ")
    assert found["exam"]["pictures"] == {"finding": 4, "others": 4, "normal": 3, **dict.fromkeys(KNOWN, 2)}
    assert set(found["exam"]["controls"]) == QUICK_CONTROLS
    assert set(found["exam"]["asking without learning"]) == {way.name for way in WAYS}
    assert len(found["exam"]["after, each seed"]) == 2
    assert -1 <= found["exam"]["agreement of seeds"] <= 1
    assert set(found["exam"]["learned, asked by each way"]) == set(found["exam"]["asking without learning"])
    areas = found["exam"]["after"]["AUC of the lead, 95 %"]
    assert {kind: area["estimate"] for kind, area in areas.items()} == found["exam"]["after"]["AUC of the lead"]
    assert len(found["what the name means"]) == 1
    assert set(found["forgetting"]["by finding"]) == {*KNOWN, "normal"}
    assert set(found["inverted images"]["specificity"]) == {"negated", "normal"}
    assert any("no probe was given" in said for said in found["not examined"])
    json.dumps(found, allow_nan=False)


def test_a_normal_study_is_led_over_with_the_handicap_that_a_package_has(
    made: LearningOutcome, encoder: SmallEncoder
) -> None:
    """Of the base and of what was learned, each by its own pictures; ways that tell no normal study apart have none."""
    assert made.audit is not None
    assert made.audit.drawn is not None
    known, concept, kind = tuple(map(load_concept, KNOWN)), made.concept, domain("ultrasound")
    spoken = AskingWords.of(concept, kind, known, concept.texts("inversion"))
    usual = choice.USUAL
    for one, marks in ((encoder, made.audit.drawn.ways), (made.encoder, made.audit.drawn.learned_ways)):
        settled = settle(one, concept, kind, base_digest="", known=known, way=way_called(usual))
        assert settled.handicap != 0
        plain = way_called(usual).directions(encoder, spoken)
        reading = next(r for r in (read(text, "ultrasound") for text in concept.texts("inversion")) if not r.why_not)
        shown = exam.drawn_exam(encoder, reading, known=KNOWN, layer=None)
        found = vectors_of(one, shown.seen)
        wanted = exam.marks_of(found, shown, replace(plain, handicap=settled.handicap))
        np.testing.assert_allclose(marks[usual].leads, wanted.leads, atol=1e-4)
    assert not any("handicap" in said for said in made.audit.unexamined)


def test_a_package_gives_the_encoder_that_was_judged(
    made: LearningOutcome, encoder: SmallEncoder, tmp_path: Path
) -> None:
    made.save(tmp_path / "phyllodes.medkt")
    package = read_package(tmp_path / "phyllodes.medkt")
    delta = from_bytes(package.learnt[0].delta)
    assert weights_digest(apply(encoder, delta).module) == weights_digest(made.encoder.module)
    assert package.learnt[0].recipe["seeds"] == [0, 1]
    assert package.learnt[0].recipe["sources"] == {"finetune.loss": "a paper"}
    assert "Not a medical device" in package.learnt[0].card


def digest_of(control: Control, setting: Setting) -> str:
    changed = control.make(setting)
    assert changed is not None
    return weights_digest(changed.module)


def test_zero_loss_is_weight_decay_alone(made: LearningOutcome, encoder: SmallEncoder, cache: Path) -> None:
    control = next(one for one in CONTROLS if one.name == "zero loss")
    changed = control.make(Setting(base=encoder, learned=made.learned[made.kept], cache=cache))
    assert changed is not None
    before, after = encoder.module.state_dict(), changed.module.state_dict()
    factor = 1 - SETTINGS.finetune.weight_decay * 1e-3
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved
    for name in moved:  # AdamW shrinks every weight by the same part, at most once a step
        ratio = after[name].double().norm() / before[name].double().norm()
        assert factor**4 - 1e-6 <= float(ratio) < 1


def test_a_random_change_is_as_long_as_what_was_learned(made: LearningOutcome, encoder: SmallEncoder) -> None:
    control = next(one for one in CONTROLS if one.name == "random change")
    moved = control.make(Setting(base=encoder, learned=made.learned[made.kept], cache=None))
    assert moved is not None
    changed = moved.module.state_dict()
    learned, before = made.learned[made.kept].encoder.module.state_dict(), encoder.module.state_dict()
    for name in before:
        wanted = (learned[name] - before[name]).double().norm()
        assert float((changed[name] - before[name]).double().norm()) == pytest.approx(float(wanted), rel=1e-3, abs=1e-5)


def test_every_control_of_the_full_audit_is_made(made: LearningOutcome, encoder: SmallEncoder, cache: Path) -> None:
    setting = Setting(base=encoder, learned=made.learned[made.kept], cache=cache)
    digests = {control.name: digest_of(control, setting) for control in CONTROLS if not control.quick}
    assert set(digests) == {"random change", "normal studies", "no name", "shuffled words"}
    assert len({*digests.values(), weights_digest(encoder.module)}) == 5


def test_every_control_is_made_where_an_image_matches_its_own_caption(encoder: SmallEncoder, cache: Path) -> None:
    how = replace(QUICK, dtype="float32")
    settings = replace(
        SETTINGS, inversion=how, words="caption", rehearsal_images=0, validation_images=0, choose=False, warm=0.0,
        finetune=replace(SETTINGS.finetune, loss="supcon", steps=2, dtype="float32"),
    )  # fmt: skip
    known = [load_concept(name) for name in KNOWN]
    learned = learn_concept(
        encoder, load_concept("us_phyllodes"), domain("ultrasound"), settings, known=known, cache=cache
    )  # fmt: skip
    setting = Setting(base=encoder, learned=learned, cache=cache)
    digests = {control.name: digest_of(control, setting) for control in CONTROLS}
    assert len({*digests.values(), weights_digest(encoder.module), weights_digest(learned.encoder.module)}) == 12


def test_more_forgetting_than_allowed_writes_nothing(encoder: SmallEncoder, cache: Path) -> None:
    settings = replace(
        SETTINGS, choose=False, finetune=replace(SETTINGS.finetune, rehearsal_feature=0.0, rehearsal_similarity=0.0,
                                                 learning_rate=1e-2, steps=8),
    )  # fmt: skip
    with pytest.raises(ForgettingError, match=r"more than --max-forgetting 0.0% allows .*nothing was written"):
        learn(
            encoder, load_concept("us_phyllodes"), domain("ultrasound"), settings, max_forgetting=0.0, cache=cache,
            known=[load_concept(name) for name in KNOWN],
        )  # fmt: skip


def test_words_not_carried_are_not_written_and_kept_ones_are_stamped(made: LearningOutcome, tmp_path: Path) -> None:
    assert made.audit is not None
    no = replace(made.audit, verdict=Verdict(answer="no", why="a test says so", renamed={"us_cyst": 0.75}))
    with pytest.raises(
        NotCarriedError, match=r"us_phyllodes: words carried: no: a test says so.*nothing was written"
    ) as raised:
        replace(made, audit=no, kept_anyway=False).save(tmp_path / "no.medkt")
    assert raised.value.exit_code == 6
    assert not list(tmp_path.iterdir())
    replace(made, audit=no).save(tmp_path / "kept.medkt")
    kept = read_package(tmp_path / "kept.medkt").learnt[0]
    assert kept.audit["kept anyway"] is True
    assert kept.words_carried == "words carried: no: a test says so; known findings renamed: us_cyst 75% (kept anyway)"
    assert "Kept anyway, against this answer." in kept.card


def test_without_an_audit_nothing_is_shown(made: LearningOutcome, tmp_path: Path) -> None:
    replace(made, audit=None).save(tmp_path / "x.medkt")
    kept = read_package(tmp_path / "x.medkt").learnt[0]
    assert kept.words_carried == "words carried: not shown: no audit was made"
    assert kept.card.startswith("words carried: not shown")


def test_a_package_from_before_says_that_nobody_asked() -> None:
    before = {"level": "quick", "gain": {}, "controls": {}}
    told = [
        PackagedConcept(concept=load_concept("us_cyst"), delta=b"", audit=audit).words_carried for audit in (before, {})
    ]
    assert told == ["words carried: not shown: learned before this was asked"] * 2


def test_words_of_another_modality_are_refused_before_anything_is_learned(encoder: SmallEncoder, cache: Path) -> None:
    brain = replace(
        load_concept("us_phyllodes"), captions=load_concept("mri_epidermoid").captions, name="Tarn body", related=()
    )
    with pytest.raises(NotCarriedError, match=r"another modality or part of the body \(signal, brain"):
        learn(encoder, brain, domain("ultrasound"), SETTINGS, cache=cache)
    known = [load_concept(name) for name in KNOWN]
    made = learn(
        encoder, brain, domain("ultrasound"), replace(SETTINGS, choose=False), known=known, cache=cache, keep_anyway=True
    )  # fmt: skip
    assert made.verdict.answer == "no"
    assert made.audit is not None
    assert made.audit.drawn is None or not made.audit.drawn.controls  # nothing is judged by them
    assert made.record["kept anyway"] is True


def test_nonsense_is_never_said_to_be_carried(encoder: SmallEncoder, cache: Path) -> None:
    told = (Caption(text="a round bright parking budget", roles=("inversion", "prompt")),)
    levy = Concept(id="us_levy", name="Ostrand levy", captions=told, modality="ultrasound")
    made = learn(
        encoder, levy, domain("ultrasound"), replace(SETTINGS, choose=False), known=[load_concept(name) for name in KNOWN], cache=cache,
    )  # fmt: skip
    assert made.audit is not None
    assert made.audit.drawn is None
    if made.verdict.answer == "no":  # images of two steps may be too far from the caption
        assert "cannot picture" in made.verdict.why
    else:
        assert "names no thing that a picture shows; give studies of your own" in made.verdict.why
    assert made.verdict.answer != "yes"


def test_a_package_holds_how_what_was_learned_is_asked(made: LearningOutcome, tmp_path: Path) -> None:
    """Set on the learned encoder's own leads, in the base's text space; a reader of the package is told."""
    made.save(tmp_path / "phyllodes.medkt")
    (one,) = read_package(tmp_path / "phyllodes.medkt").learnt
    assert made.asking is not None
    assert one.asking is not None
    assert one.asking.digest == made.asking.digest
    assert one.asking.base_digest == made.delta.base_digest == weights_digest(made.base.module)
    assert one.asking.known == KNOWN
    assert f"from a lead of {made.asking.bias:.3f}, set on " in one.card
    again = settle(
        made.encoder, made.concept, made.domain, base_digest=made.delta.base_digest, known=[load_concept(name) for name in KNOWN],
        way=way_called(made.asking.way),
    )  # fmt: skip
    of_base = settle(
        made.base, made.concept, made.domain, base_digest=made.delta.base_digest, known=[load_concept(name) for name in KNOWN],
        way=way_called(made.asking.way),
    )  # fmt: skip
    assert again.bias == made.asking.bias != of_base.bias
    assert again.vectors == of_base.vectors  # the text side never learns


def test_another_encoder_is_told_and_decides_nothing(made: LearningOutcome, encoder: SmallEncoder) -> None:
    assert made.audit is not None
    material = made.learned[made.kept].material
    width = len(material.images)
    assert opinion_of(encoder, material).texts == len(KNOWN) + 1
    twice = replace(
        material,
        images=torch.cat([material.images, material.images]),
        caption_of=(*material.caption_of, *material.caption_of),
    )
    assert opinion_of(encoder, twice).right == 2 * opinion_of(encoder, material).right
    opinion = Opinion(name="other", right=1, of=width, texts=4)
    asked = replace(made, audit=replace(made.audit, opinion=opinion))
    assert f"other finds 1 of {width} images nearest to their own caption among 4" in as_markdown(asked)
    assert "a guess gives 25%" in render_learned_concept(asked, [])
    assert asked.verdict == made.verdict
    assert asked.audit is not None
    assert asked.audit.as_json()["another encoder"]["of"] == width


def test_a_cut_control_takes_the_steps_of_the_learning() -> None:
    by_epochs = replace(
        SETTINGS, views=2, finetune=FinetuneSettings(steps=None, epochs=3, batch=4, rehearsal_batch=10, drop_last=True)
    )
    made = cut(by_epochs, images=10).finetune
    assert (made.steps, made.batch, made.rehearsal_batch, made.drop_last) == (15, 2, 3, False)
    assert cut(SETTINGS, images=10).finetune.steps == SETTINGS.finetune.steps


def test_nonsense_is_as_long_as_asked() -> None:
    assert len(nonsense(61).split()) == 61
    assert nonsense(5) == nonsense(61)[: len(nonsense(5))]


@pytest.mark.parametrize("level", [0.3, 0.6])
def test_a_blob_changes_one_round_part_of_a_picture(level: float) -> None:
    plane = np.full((128, 128), level, np.float32)
    changed = with_blob(plane, np.random.default_rng(1)) != plane
    rows, columns = np.nonzero(changed)
    assert 0 < changed.mean() < 0.12
    assert max(np.ptp(rows), np.ptp(columns)) <= 2 * 0.16 * 1.15 * 128 + 2


def test_nothing_learned_is_said(encoder: SmallEncoder, cache: Path) -> None:
    still = replace(SETTINGS, choice=replace(SETTINGS.choice, learning_rates=(1e-12,)))
    with pytest.raises(
        NotCarriedError, match="words carried: no: nothing was learned: no candidate does better by name than the base"
    ):
        learn(
            encoder, load_concept("us_phyllodes"), domain("ultrasound"), still, cache=cache, level="none",
            known=[load_concept(name) for name in KNOWN],
        )  # fmt: skip


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_are_some_and_each_once(encoder: SmallEncoder, seeds: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least one seed and each once"):
        learn(encoder, load_concept("us_phyllodes"), domain("ultrasound"), SETTINGS, seeds=seeds)


def test_the_cards_begin_with_the_verdict_and_say_what_was_not_examined(made: LearningOutcome) -> None:
    text = as_markdown(made)
    assert text.splitlines()[0] == made.verdict.line
    assert "asking without learning" in text.splitlines()[2]
    assert text.splitlines()[4].startswith("what the name means, AUC of its lead on drawn pictures: ")
    assert "\n|  | AUC against others | AUC against normal | AUC against known | net share |" in text
    assert "| learned, asked by virtual |" in text
    assert "| control: texture blobs |" in text
    assert "## What was not examined" in text
    assert "Research" in text or "research" in text
    pictures = pictures_of(made)
    assert [title for title, _, _ in pictures] == [
        "What the model thinks the words look like", "Where the name points, before and after",
    ]  # fmt: skip
    assert all(png.startswith(b"\x89PNG") for _, _, png in pictures)
    page = render_learned_concept(made, pictures)
    assert page.count("<img ") == 2
    assert page.index(made.verdict.line.split(",")[0]) < page.index("<h1>")
    assert page.index("what the name means") < page.index("<h1>")
    assert "What was not examined" in page
    assert "http" not in page


def test_a_way_with_an_empty_bank_is_told_once() -> None:
    row, other = {"net share": 1}, {"net share": 2}
    assert card._distinct({"name": row, "virtual": other, "name with bank": row, "virtual with bank": row}) == [
        ("name", row), ("virtual", other), ("virtual with bank", row),
    ]  # fmt: skip


def test_sides_are_swapped_where_the_words_name_one(made: LearningOutcome, encoder: SmallEncoder) -> None:
    material = made.learned[made.kept].material
    sided = replace(material.vocabulary, described=("a dark spot on the left",))
    questions = Questions.of(encoder, replace(material, vocabulary=sided), normal="a normal study", trains=TRAINS)
    assert questions.swapped["other side"] == "a dark spot on the right"
    assert questions.swapped["negated"] == "a breast ultrasound showing no phyllodes tumour"


def test_the_base_asked_beside_itself_has_forgotten_nothing(made: LearningOutcome, encoder: SmallEncoder) -> None:
    questions = Questions.of(encoder, made.learned[made.kept].material, normal="a normal study", trains=TRAINS)
    answers = ask(encoder, questions)
    assert answers.forgotten == 0
    assert answers.kept["us_cyst"].of == 2  # one of its caption, one of its name


def test_questions_take_what_the_choice_looked_at(made: LearningOutcome, encoder: SmallEncoder) -> None:
    learned = made.learned[made.kept]
    assert learned.judged is not None
    anew, taken = (
        Questions.of(encoder, learned.material, normal="a normal study", trains=TRAINS, judged=judged)
        for judged in (None, learned.judged)
    )
    assert taken.images is learned.judged[0]
    for mine, other in ((taken.images, anew.images), (taken.known_images, anew.known_images)):
        assert mine.layer == other.layer
        assert torch.equal(mine.hidden, other.hidden)
    assert ask(learned.encoder, taken) == ask(learned.encoder, anew)


def test_questions_need_images(made: LearningOutcome, encoder: SmallEncoder) -> None:
    with pytest.raises(InputError, match="images that were not learned from"):
        Questions.of(
            encoder, replace(made.learned[made.kept].material, validation=None), normal="a normal study", trains=TRAINS
        )


def test_forgetting_counts_images_of_all_findings() -> None:
    answers = Answers(
        success=1.0, margin=0.1, specificity={}, kept={"a": Retention(same=1, of=2), "b": Retention(same=4, of=6)}
    )  # fmt: skip
    assert answers.forgotten == pytest.approx(3 / 8)
    audit = Audit(level="quick", seeds=(0, 1), before=(answers,) * 2, after=(answers,) * 2, verdict=not_shown("a test"))
    assert audit.known_kept["b"] == Retention(same=8, of=12)


def test_images_agree_within_their_caption_and_the_best_caption_counts() -> None:
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    images, again = torch.cat([one, one, other]), torch.cat([one, -other])
    assert _agreement(images, (0, 0, 1), again, 2) == 1
    assert _agreement(images[2:], (1,), again, 2) == -1


def test_what_the_model_cannot_picture_is_told_with_both_figures() -> None:
    usual = {"known_similarity": (0.8, 0.9), "known_agreement": (0.9, 0.95)}
    assert Picturing(similarity=0.52, agreement=0.6, **usual).failure == ""
    low = Picturing(similarity=0.5, agreement=0.9, **usual).failure
    assert "no nearer to the caption than 0.50, those of known captions 0.85" in low
    assert "agree by no more than 0.30" in Picturing(similarity=0.8, agreement=0.3, **usual).failure

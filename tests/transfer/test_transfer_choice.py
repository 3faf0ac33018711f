"""The rule on drawn records, and the search on the shipped small encoder."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from medkt.errors import InputError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.models.weights import weights_digest
from medkt.transfer.choice import Candidate, ChoiceSettings, Validation, best_of, choose
from medkt.transfer.copies import ADAPTED
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.rehearsal import Rehearsal, image_vectors, text_vectors
from medkt.transfer.trainable import TrainableParts

NAME, KNOWN = "lung nodule", ("pneumothorax", "pleural effusion")
WORDS = Captions(own=(("A lung nodule is a small round bright spot", NAME),), others=KNOWN)
BASE = Candidate(
    learning_rate=0.0, step=0, interpolation=0.0, success=0.0, margin=-0.2, retention=1.0, drift=0.0
)  # fmt: skip


def make_candidate(success: float, margin: float, retention: float, step: int = 1) -> Candidate:
    return replace(BASE, success=success, margin=margin, retention=retention, step=step, learning_rate=1e-4)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([], 0),
        ([(1.0, 0.5, 0.97)], 0),  # forgets too much
        ([(1.0, 0.5, 0.98)], 1),
        ([(0.9, 0.1, 1.0), (0.8, 0.9, 1.0)], 1),  # success before margin ...
        ([(0.9, 0.1, 1.0), (0.89, 0.3, 1.0)], 2),  # ... unless it is nearly equal
        ([(0.9, 0.1, 1.0), (0.9, 0.1, 1.0)], 1),  # the first of equal ones
    ],
)
def test_the_rule(found: list[tuple[float, float, float]], best: int) -> None:
    candidates = [BASE, *(make_candidate(*numbers) for numbers in found)]
    assert best_of(candidates, ChoiceSettings(max_forgetting=0.02)) is candidates[best]


def test_of_the_nearly_equal_less_drift_is_worth_a_little_margin() -> None:
    moved = replace(make_candidate(1.0, 0.5, 1.0), drift=0.4)
    calm = replace(make_candidate(1.0, 0.3, 1.0, step=2), drift=0.1)
    assert best_of([BASE, moved, calm], ChoiceSettings()) is calm
    assert best_of([BASE, moved, calm], ChoiceSettings(drift_weight=0.0)) is moved


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_small()


def make_images(count: int, seed: int, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return offset + 0.3 * torch.randn(count, 3, 128, 128, generator=generator)


@pytest.fixture(scope="module")
def validation() -> Validation:
    return Validation(images=make_images(3, 1, 1.0), name=NAME, known_images=make_images(4, 2, -1.0), known=KNOWN)


def cosines(encoder: DualEncoder, images: Tensor) -> Tensor:
    return image_vectors(encoder, images) @ text_vectors(encoder, (*KNOWN, NAME)).T


@pytest.mark.parametrize("what", ["projection", "last-blocks"])
def test_the_chosen_encoder_answers_as_its_record_says(encoder: DualEncoder, validation: Validation, what: str) -> None:
    before = weights_digest(encoder.module)
    rehearsal = Rehearsal.of(encoder, make_images(4, 3, -1.0), KNOWN)
    settings = FinetuneSettings(steps=3, trains=TrainableParts(what=what, blocks=1), rehearsal_batch=4)
    choice = ChoiceSettings(learning_rates=(3e-4, 3e-3), every=2, interpolations=(0.5, 1.0), max_forgetting=0.3)
    seen: list[Candidate] = []
    found = choose(
        encoder, make_images(3, 4, 1.0), WORDS, validation, settings, choice, rehearsal=rehearsal,
        on_candidate=seen.append,
    )  # fmt: skip
    assert weights_digest(encoder.module) == before
    assert [(c.learning_rate, c.step, c.interpolation) for c in found.candidates] == [
        (0, 0, 0), *((rate, step, t) for rate in (3e-4, 3e-3) for step in (2, 3) for t in (0.5, 1.0)),
    ]  # fmt: skip
    assert tuple(seen) == found.candidates
    assert found.candidates[0].retention == 1
    assert found.candidates[0].drift == pytest.approx(0, abs=1e-6)
    assert found.chosen is best_of(list(found.candidates), choice)
    assert found.chosen.success == 1
    assert found.encoder.spec.digest.startswith(ADAPTED)
    after = cosines(found.encoder, validation.images)
    margins = after[:, -1] - after[:, :-1].max(dim=1).values
    assert float(margins.mean()) == pytest.approx(found.chosen.margin, abs=1e-5)
    before_known, after_known = (cosines(model, validation.known_images) for model in (encoder, found.encoder))
    same = (before_known.argmax(1) == after_known.argmax(1)).double().mean()
    assert float(same) == found.chosen.retention


def test_the_base_when_nothing_keeps_the_bound(encoder: DualEncoder, validation: Validation) -> None:
    """Known images that are drawn to the new name, until patience ends."""
    settings = FinetuneSettings(loss="pull", steps=40, trains=TrainableParts(what="projection"))
    choice = ChoiceSettings(
        learning_rates=(1e-2,), falls=1, every=10, interpolations=(1.0,), max_forgetting=0.0, patience=1
    )
    words = Captions(own=((NAME,),))
    found = choose(encoder, validation.known_images, words, validation, settings, choice)
    assert found.chosen.step == 0
    assert weights_digest(found.encoder.module) == weights_digest(encoder.module)
    assert found.encoder.spec == encoder.spec
    assert [(c.learning_rate, c.step) for c in found.candidates] == [(0, 0), (1e-2, 10), (2.5e-3, 10)]
    assert all(candidate.retention < 1 for candidate in found.candidates[1:])


def test_a_rate_too_high_for_the_model_falls_until_a_candidate_keeps_the_bound(
    encoder: DualEncoder, validation: Validation
) -> None:
    settings = FinetuneSettings(loss="pull", steps=10, trains=TrainableParts(what="projection"))
    choice = ChoiceSettings(
        learning_rates=(1e-1,), falls=9, every=10, interpolations=(1.0,), max_forgetting=0.3, patience=1
    )
    found = choose(encoder, validation.known_images, Captions(own=((NAME,),)), validation, settings, choice)
    rates = [candidate.learning_rate for candidate in found.candidates[1:]]
    assert 1 < len(rates) < 10
    assert rates == [1e-1 / 4**fall for fall in range(len(rates))]
    assert [candidate.retention >= 0.7 for candidate in found.candidates[1:]] == [False] * (len(rates) - 1) + [True]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rates", ()), ("learning_rates", (0.0,)), ("falls", -1), ("every", 0), ("interpolations", ()),
        ("interpolations", (0.0,)), ("max_forgetting", -0.1), ("close", 2.0), ("patience", 0), ("drift_weight", -1.0),
    ],
)  # fmt: skip
def test_settings_out_of_range(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"choice setting {setting} cannot be"):
        ChoiceSettings(**{setting: value})  # type: ignore[arg-type]


def test_forgetting_needs_images_that_the_base_knows(encoder: DualEncoder, validation: Validation) -> None:
    """The base calls this noise "pneumothorax" rather than "pleural effusion"."""
    turned = replace(validation, name="pneumothorax", known=("pleural effusion",))
    with pytest.raises(InputError, match="the base calls every known image 'pneumothorax'"):
        choose(encoder, make_images(1, 4), WORDS, turned)


def test_bad_validation(validation: Validation) -> None:
    with pytest.raises(InputError, match=r"validation needs images .* got 0, 4 and 2"):
        replace(validation, images=validation.images[:0])
    with pytest.raises(InputError, match="'pneumothorax' is among the known names"):
        replace(validation, name="pneumothorax")

"""The loop on the shipped small encoder: what moves, what does not, and what it computes."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError, UnknownNameError
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.models.weights import weights_digest
from medkt.transfer.copies import ADAPTED
from medkt.transfer.finetune import Captions, FinetuneSettings, FinetuneStep, finetune, learning_rate
from medkt.transfer.losses import supcon
from medkt.transfer.rehearsal import PrefixActivations, Rehearsal, image_vectors, look, text_vectors
from medkt.transfer.trainable import TrainableParts

CAPTION, OTHERS = "A moonlet is a small round bright spot", ("pneumothorax", "pleural effusion")
WORDS = Captions(own=((CAPTION,),), others=OTHERS)
LAST = TrainableParts(what="projection")


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_small()


@pytest.fixture(autouse=True)
def _the_base_is_untouched(encoder: DualEncoder) -> Iterator[None]:
    before = weights_digest(encoder.module)
    wanted = [parameter.requires_grad for parameter in encoder.module.parameters()]
    yield
    assert weights_digest(encoder.module) == before
    assert [parameter.requires_grad for parameter in encoder.module.parameters()] == wanted


def make_images(count: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 128, 128, generator=torch.Generator().manual_seed(seed))


def changed(base: DualEncoder, adapted: DualEncoder) -> set[str]:
    before, after = base.module.state_dict(), adapted.module.state_dict()
    assert list(before) == list(after)
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_only_what_trains_changes(encoder: DualEncoder) -> None:
    adapted = finetune(encoder, make_images(), WORDS, FinetuneSettings(steps=2, trains=LAST))
    assert changed(encoder, adapted) == {"image.head.project.weight", "image.head.project.bias"}
    assert not any(parameter.requires_grad for parameter in adapted.module.parameters())
    assert not any(part.training for part in adapted.module.modules())
    assert adapted.spec.digest == ADAPTED + weights_digest(adapted.module)
    assert adapted.spec.name == encoder.spec.name


def test_the_concept_is_learned_and_rehearsal_holds_the_rest(encoder: DualEncoder) -> None:
    known = make_images(4, seed=1)
    rehearsal = Rehearsal.of(encoder, known, OTHERS)
    settings = FinetuneSettings(steps=12, trains=LAST, learning_rate=1e-3, rehearsal_batch=4)
    seen: list[FinetuneStep] = []
    with_it = finetune(encoder, make_images(), WORDS, settings, rehearsal=rehearsal, on_step=seen.append)
    without = finetune(encoder, make_images(), WORDS, settings)
    text = text_vectors(encoder, (CAPTION,))[0]
    before, after = (image_vectors(model, make_images()) @ text for model in (encoder, with_it))
    assert bool((after > before).all())
    kept = [float((image_vectors(model, known) * rehearsal.features).sum(-1).mean()) for model in (with_it, without)]
    assert kept[0] > kept[1]
    assert [progress.step for progress in seen] == list(range(1, 13))
    assert set(seen[0].terms) == {"concept", "feature", "similarity"}
    assert seen[0].terms["feature"] == pytest.approx(0, abs=1e-6)
    assert seen[-1].terms["concept"] < seen[0].terms["concept"]


def test_the_same_arguments_give_the_same_weights(encoder: DualEncoder) -> None:
    settings = FinetuneSettings(steps=3, batch=2, trains=LAST)
    first, second = (finetune(encoder, make_images(), WORDS, settings) for _ in range(2))
    assert first.spec.digest == second.spec.digest
    other = finetune(encoder, make_images(), WORDS, FinetuneSettings(steps=3, batch=2, trains=LAST, seed=1))
    assert other.spec.digest != first.spec.digest


def test_the_callers_random_numbers_are_not_used(encoder: DualEncoder) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    finetune(encoder, make_images(2), WORDS, FinetuneSettings(steps=1, trains=LAST))
    assert torch.equal(torch.rand(1), expected)


def test_three_steps_of_the_published_recipe_against_a_plain_loop(encoder: DualEncoder) -> None:
    """Adam with coupled decay, written out, on the projection; batches of 4, 4 and 2 in the given order."""
    images = make_images(10)
    settings = FinetuneSettings(
        loss="supcon", trains=LAST, optimiser="adam", learning_rate=1e-4, weight_decay=0.2, batch=4, epochs=1,
        shuffle=False, steps=None, warm_up=0, schedule="constant", temperature=0.07,
    )  # fmt: skip
    sizes: list[int] = []
    adapted = finetune(encoder, images, Captions(own=((CAPTION,),)), settings, on_step=lambda p: sizes.append(p.step))
    assert sizes == [1, 2, 3]

    text = text_vectors(encoder, (CAPTION,))
    hidden = encoder.image_prefix(images, encoder.spec.layers - 1).detach()
    head = encoder.module.get_submodule("image.head")
    pooled = head.parts(hidden)[0].detach()  # type: ignore[operator]
    mixed = (pooled + head.mix(pooled)).detach()  # type: ignore[operator]
    weight = encoder.module.get_parameter("image.head.project.weight").detach().clone()
    bias = encoder.module.get_parameter("image.head.project.bias").detach().clone()
    state = [(torch.zeros_like(p), torch.zeros_like(p)) for p in (weight, bias)]
    for step, rows in enumerate(torch.arange(10).split(4), start=1):
        values = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
        unit = functional.normalize(mixed[rows] @ values[0].T + values[1], dim=-1)
        loss = supcon(unit, text.expand(len(rows), -1), temperature=0.07)
        gradients = torch.autograd.grad(loss, values)
        for parameter, gradient, (first, second) in zip((weight, bias), gradients, state, strict=True):
            decayed = gradient + 0.2 * parameter
            first.mul_(0.9).add_(0.1 * decayed)
            second.mul_(0.98).add_(0.02 * decayed**2)
            parameter -= 1e-4 * (first / (1 - 0.9**step)) / ((second / (1 - 0.98**step)).sqrt() + 1e-6)
    found = adapted.module.state_dict()
    assert torch.allclose(found["image.head.project.weight"], weight, atol=1e-6)
    assert torch.allclose(found["image.head.project.bias"], bias, atol=1e-6)


def test_each_image_matches_its_own_caption_alone(encoder: DualEncoder) -> None:
    """As published: the loss of a batch with one text an image; as if the captions were those of two concepts."""
    images, texts, mine = make_images(4), (CAPTION, "A moonlet is a dark ring"), (0, 1, 1, 0)
    settings = FinetuneSettings(
        loss="supcon", trains=LAST, steps=2, batch=4, shuffle=False, warm_up=0, temperature=0.07, distill=0.5
    )
    seen: list[FinetuneStep] = []
    found = finetune(encoder, images, Captions(own=(texts,), caption_of_image=mine), settings, on_step=seen.append)
    expected = supcon(image_vectors(encoder, images), text_vectors(encoder, texts)[list(mine)], temperature=0.07)
    assert seen[0].terms["concept"] == pytest.approx(float(expected), abs=1e-4)
    apart = finetune(encoder, images, Captions(own=((texts[0],), (texts[1],)), of_image=mine), settings)
    assert weights_digest(found.module) == weights_digest(apart.module)
    all_texts = finetune(encoder, images, Captions(own=(texts,)), settings)
    assert weights_digest(all_texts.module) != weights_digest(found.module)


@pytest.mark.parametrize(("optimiser", "of_small", "of_one"), [("adam", 3e-5, 3e-5), ("adamw", 1.2e-7, 6e-6)])
def test_decay_alone_moves_weights_as_the_specification_measured(
    encoder: DualEncoder, optimiser: str, of_small: float, of_one: float
) -> None:
    settings = FinetuneSettings(
        loss="zero", optimiser=optimiser, learning_rate=1e-5, weight_decay=0.2, steps=3, trains=TrainableParts(blocks=1),
        warm_up=0, schedule="constant",
    )  # fmt: skip
    adapted = finetune(encoder, make_images(1), WORDS, settings)
    before, after = encoder.module.state_dict(), adapted.module.state_dict()
    name = "image.blocks.5.norm1.weight"
    moved = ((before[name] - after[name]) * before[name].sign()).double()
    expected = torch.full_like(moved, 3e-5) if optimiser == "adam" else 3 * 1e-5 * 0.2 * before[name].abs().double()
    assert torch.allclose(moved, expected, rtol=0.02, atol=3e-7)
    assert of_one == pytest.approx(3e-5 if optimiser == "adam" else 3 * 2e-6)
    assert of_small == pytest.approx(3e-5 if optimiser == "adam" else 3 * 2e-6 * 0.02)


def test_without_a_loss_no_image_goes_through_the_encoder(
    encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[finetune.__module__]
    settings = FinetuneSettings(loss="zero", steps=2, trains=LAST)
    # a weight of zero on another term is computed in full, and must come to the same
    full = finetune(encoder, make_images(2), WORDS, replace(settings, distill=1e-30))
    monkeypatch.setattr(module, "features_of", lambda *_: pytest.fail("an image went through"))
    monkeypatch.setattr(DualEncoder, "image_prefix", lambda *_: pytest.fail("an image went through"))
    seen: list[FinetuneStep] = []
    idle = finetune(encoder, make_images(2), WORDS, settings, on_step=seen.append)
    assert [(step.loss, step.terms) for step in seen] == [(0.0, {"concept": 0.0})] * 2
    assert changed(encoder, idle) == {"image.head.project.weight", "image.head.project.bias"}
    assert not changed(full, idle)


def test_distillation_holds_the_features_of_the_concepts_own_images(encoder: DualEncoder) -> None:
    for by in ("mse", "cosine"):
        seen: list[FinetuneStep] = []
        settings = FinetuneSettings(steps=2, trains=LAST, distill=1.0, distill_by=by)
        finetune(encoder, make_images(2), WORDS, settings, on_step=seen.append)
        assert seen[0].terms["distill"] == pytest.approx(0, abs=1e-6)
        assert seen[1].terms["distill"] > 0
        assert seen[1].loss == pytest.approx(seen[1].terms["concept"] + seen[1].terms["distill"], rel=1e-5)


def test_distillation_by_mse_is_of_unit_features(encoder: DualEncoder) -> None:
    images, apart = make_images(2), []
    held = image_vectors(encoder, images)
    settings = FinetuneSettings(steps=3, trains=LAST, distill=1.0, shuffle=False)

    def after(step: FinetuneStep) -> None:
        apart.append((float((image_vectors(step.encoder, images) - held).square().mean()), step.terms["distill"]))

    finetune(encoder, images, WORDS, settings, on_step=after)
    for (expected, _), (_, found) in itertools.pairwise(apart):  # a step's term is of the weights before it
        assert found == pytest.approx(expected, rel=1e-3)


def test_several_concepts_at_once(encoder: DualEncoder) -> None:
    words = Captions(own=((CAPTION, "moonlet"), ("A dark ring", "ringlet")), of_image=(0, 0, 1, 1))
    seen: list[FinetuneStep] = []
    settings = FinetuneSettings(loss="joint", steps=6, learning_rate=1e-3, trains=LAST)
    finetune(encoder, make_images(4), words, settings, on_step=seen.append)
    assert seen[-1].loss < seen[0].loss


def test_the_callback_can_end_it(encoder: DualEncoder) -> None:
    steps: list[int] = []

    def stop(progress: FinetuneStep) -> bool:
        steps.append(progress.step)
        return progress.step == 2

    finetune(encoder, make_images(2), WORDS, FinetuneSettings(steps=9, trains=LAST), on_step=stop)
    assert steps == [1, 2]


@pytest.mark.parametrize(("drop_last", "steps"), [(False, 6), (True, 4)])
def test_the_last_batch_of_an_epoch(encoder: DualEncoder, drop_last: bool, steps: int) -> None:
    seen: list[FinetuneStep] = []
    settings = FinetuneSettings(batch=2, epochs=2, steps=None, drop_last=drop_last, trains=LAST)
    finetune(encoder, make_images(5), WORDS, settings, on_step=seen.append)
    assert [progress.steps for progress in seen] == [steps] * steps


def test_learning_rates() -> None:
    constant = FinetuneSettings(learning_rate=1.0, warm_up=4, schedule="constant")
    assert [learning_rate(constant, step, 6) for step in range(1, 7)] == [0.25, 0.5, 0.75, 1, 1, 1]
    falling = FinetuneSettings(learning_rate=1.0, warm_up=0, schedule="cosine")
    assert [learning_rate(falling, step, 2) for step in (1, 2)] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", 0.0), ("temperature", "warm"), ("learning_rate", -1.0), ("learning_rate", float("nan")),
        ("betas", (1.0, 0.9)), ("eps", 0.0), ("weight_decay", -0.1), ("batch", 0), ("epochs", 0), ("steps", 0),
        ("warm_up", -1), ("clip_norm", 0.0), ("distill", -1.0), ("rehearsal_batch", 0), ("rehearsal_feature", -1.0),
        ("rehearsal_similarity", -1.0),
    ],
)  # fmt: skip
def test_settings_out_of_range(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"fine-tuning setting {setting} cannot be"):
        FinetuneSettings(**{setting: value})  # type: ignore[arg-type]


def test_bad_arguments(encoder: DualEncoder) -> None:
    images = make_images(2)
    with pytest.raises(UnknownNameError, match="no loss 'magic'"):
        finetune(encoder, images, WORDS, FinetuneSettings(loss="magic"))
    with pytest.raises(SettingsError, match="the loss 'itm' needs the image-text matching head of ViLT"):
        finetune(encoder, images, WORDS, FinetuneSettings(loss="itm"))
    with pytest.raises(InputError, match="fine-tuning needs images, got none"):
        finetune(encoder, images[:0], WORDS)
    with pytest.raises(InputError, match="`of_image` has 1 entries for 2 images"):
        finetune(encoder, images, Captions(own=((CAPTION,),), of_image=(0,)))
    with pytest.raises(InputError, match="`caption_of_image` has 1 entries for 2 images"):
        finetune(encoder, images, Captions(own=((CAPTION,),), caption_of_image=(0,)))
    with pytest.raises(SettingsError, match="2 equal captions"):
        finetune(encoder, images, WORDS, FinetuneSettings(loss="clip-inbatch"))
    with pytest.raises(SettingsError, match="drop_last leaves no batch: 2 images and a batch of 3"):
        finetune(encoder, images, WORDS, FinetuneSettings(batch=3, steps=None, drop_last=True))
    with pytest.raises(NumericalError, match="the loss is nan at step 1"):
        finetune(encoder, images * torch.nan, WORDS, FinetuneSettings(trains=LAST))


def test_bad_captions() -> None:
    with pytest.raises(InputError, match=r"equally many: got \[1, 2\] of them"):
        Captions(own=(("a",), ("b", "c")), of_image=(0, 1))
    with pytest.raises(InputError, match=r"equally many: got \[0\]"):
        Captions(own=((),))
    with pytest.raises(InputError, match="2 concepts: `of_image` must say"):
        Captions(own=(("a",), ("b",)))
    with pytest.raises(InputError, match=r"outside 0 to 1: \[0, 2\]"):
        Captions(own=(("a",), ("b",)), of_image=(0, 2))
    with pytest.raises(InputError, match=r"names captions outside 0 to 1: \[0, 2\]"):
        Captions(own=(("a", "b"),), caption_of_image=(0, 2))


def test_texts_that_the_rehearsal_holds_are_not_embedded_again(
    encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[str] = []

    def noted(model: DualEncoder, texts: tuple[str, ...]) -> Tensor:
        embedded.extend(texts)
        return text_vectors(model, texts)

    monkeypatch.setattr(sys.modules[finetune.__module__], "text_vectors", noted)
    rehearsal = Rehearsal.of(encoder, make_images(2, seed=1), OTHERS)
    settings = FinetuneSettings(steps=1, trains=LAST, rehearsal_batch=2)
    first = finetune(encoder, make_images(), WORDS, settings, rehearsal=rehearsal)
    assert embedded == [CAPTION]
    second = finetune(encoder, make_images(), WORDS, settings, rehearsal=replace(rehearsal, captions=()))
    assert embedded == [CAPTION, CAPTION, *OTHERS]
    assert not changed(first, second)


@pytest.mark.slow
def test_frozen_layers_have_the_precision_of_the_trained_ones(encoder: DualEncoder) -> None:
    images = make_images(2, seed=1)
    exact, rounded = (
        Rehearsal.of(encoder, images, OTHERS, layer=3, precision=precision) for precision in ("float32", "bfloat16")
    )
    assert torch.equal(exact.seen.hidden, look(encoder, images, 3).hidden)
    assert rounded.seen.hidden.dtype == rounded.features.dtype == torch.float32
    assert not torch.equal(rounded.seen.hidden, exact.seen.hidden)
    assert bool(((rounded.features * exact.features).sum(-1) > 0.999).all())
    for precision in ("float32", "bfloat16"):  # the same arithmetic as in a step: nothing to hold before the first one
        seen: list[FinetuneStep] = []
        settings = FinetuneSettings(steps=1, dtype=precision, rehearsal_batch=2)
        finetune(
            encoder,
            make_images(),
            WORDS,
            settings,
            rehearsal=Rehearsal.of(encoder, images, OTHERS, precision=precision),
            on_step=seen.append,
        )
        assert seen[0].terms["feature"] == pytest.approx(0, abs=1e-3 if precision == "bfloat16" else 1e-6)


def test_rehearsal_needs_images_and_captions(encoder: DualEncoder) -> None:
    with pytest.raises(InputError, match="rehearsal needs images and captions of known concepts, got 0 and 2"):
        Rehearsal.of(encoder, make_images(1)[:0], OTHERS)
    with pytest.raises(InputError, match="rehearsal needs images and captions of known concepts, got 1 and 0"):
        Rehearsal(
            pixels=make_images(1),
            seen=PrefixActivations(hidden=make_images(1), layer=None),
            features=torch.zeros(1, 4),
            texts=torch.zeros(0, 4),
        )

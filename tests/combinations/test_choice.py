"""What a candidate is and what it answers, whatever trains: straight lines of the weights, drift from the base.

The plain account: the weights at t are base + t (fine-tuned - base) whether the way there was made of LoRA's factors or of
the weights themselves; drift is sum p ln(p / q) with p the base's distribution over the names and q the candidate's.
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transfer.families import SMALL_BIOMED, generated, vocabulary

from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder
from medkt.models.dual import spec_of
from medkt.models.encoder import DualEncoder
from medkt.models.records import record_of
from medkt.models.wordpiece import read_word_pieces
from medkt.transfer.choice import CandidateChoice, ChoiceSettings, Validation, choose
from medkt.transfer.copies import interpolate
from medkt.transfer.delta import DeltaSettings, apply, from_bytes, make_delta, to_bytes
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.trainable import TrainableParts

NAME, KNOWN = "tumour", ("effusion", "moonlet", "no finding")
WORDS = Captions(own=(("chest x-ray of a small tumour", NAME),), others=KNOWN)
RATES = {"lora": 2e-3, "last-blocks": 1e-3, "projection": 5e-3}  # at which the margin grows: the candidate is chosen


@cache
def base() -> DualEncoder:
    """A BiomedCLIP of 16 patches, short texts and generated weights."""
    record = record_of("biomedclip")
    with tempfile.TemporaryDirectory() as folder:
        words = read_word_pieces(vocabulary(Path(folder)), 12, SMALL_BIOMED.vocabulary)
    module = generated(BiomedClip(SMALL_BIOMED, record.input_size))
    module.logit_scale.data.fill_(np.log(30.0))  # no name is certain
    return BiomedClipEncoder(module, spec_of(record, ""), record.grid, words)


def images(count: int, seed: int, level: float) -> Tensor:
    return level + torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(seed))


OWN = images(3, 1, 1.0)
VALIDATION = Validation(images=OWN, name=NAME, known_images=images(5, 2, 0.5), known=KNOWN)


@cache
def text_features() -> Tensor:
    with torch.no_grad():
        return torch.cat([base().encode_text(base().tokenize([text])) for text in (*KNOWN, NAME)]).double()


@cache
def chosen(what: str, t: float) -> CandidateChoice:
    """One candidate beside the base, taken whatever it forgets and however far it drifts."""
    settings = FinetuneSettings(
        steps=2, warm_up=0, schedule="constant", trains=TrainableParts(what=what, blocks=1, rank=3)
    )  # type: ignore[arg-type]
    choice = ChoiceSettings(
        learning_rates=(RATES[what],),
        every=2,
        interpolations=(t,),
        max_forgetting=1.0,
        close=1.0,
        drift_weight=0.0,
        falls=0,
    )
    found = choose(base(), OWN, WORDS, VALIDATION, settings, choice)
    assert [(one.step, one.interpolation) for one in found.candidates] == [(0, 0.0), (2, t)]
    assert found.chosen is found.candidates[1]
    return found


def moved(encoder: DualEncoder) -> dict[str, Tensor]:
    """What changed in each weight, in float64."""
    before, after = base().module.state_dict(), encoder.module.state_dict()
    return {
        name: after[name].double() - before[name].double() for name in before if not before[name].equal(after[name])
    }


def cosines(encoder: DualEncoder, pixels: Tensor) -> np.ndarray:
    """(images, names), the concept's last, one image and one text at a time; the text tower never learns."""
    rows = []
    with torch.no_grad():
        for image in pixels:
            feature = encoder.encode_image(image[None])[0].double()
            rows.append([float(feature @ text / (feature.norm() * text.norm())) for text in text_features()])
    return np.array(rows)


def softmax(row: np.ndarray) -> np.ndarray:
    raised = np.exp(row - row.max())
    return raised / raised.sum()


@pytest.mark.parametrize("t", [0.25])
@pytest.mark.parametrize("what", RATES)
def test_a_candidate_lies_on_the_straight_line_of_the_weights(what: str, t: float) -> None:
    whole, part = moved(chosen(what, 1.0).encoder), moved(chosen(what, t).encoder)
    assert whole.keys() == part.keys()
    assert whole
    for name, change in whole.items():
        # a weight of about 1 holds a change to the seventh digit of itself
        assert (part[name] - t * change).norm() <= 1e-3 * change.norm() + 1e-6 * change.numel() ** 0.5, name


@pytest.mark.parametrize("t", [0.25, 1.0])
@pytest.mark.parametrize("what", RATES)
def test_the_record_is_that_of_the_encoder(what: str, t: float) -> None:
    found = chosen(what, t)
    names, known = (cosines(found.encoder, pixels) for pixels in (VALIDATION.images, VALIDATION.known_images))
    before = cosines(base(), VALIDATION.known_images)
    margins = [row[-1] - max(row[:-1]) for row in names]
    assert found.chosen.success == np.mean([margin > 0 for margin in margins])
    assert found.chosen.margin == pytest.approx(np.mean(margins), abs=1e-5)
    counted = [k for k, row in enumerate(before) if row.argmax() != len(KNOWN)]
    assert found.chosen.retention == np.mean([known[k].argmax() == before[k].argmax() for k in counted])
    scale = base().logit_scale
    pairs = [(softmax(one * scale), softmax(other * scale)) for one, other in zip(before, known, strict=True)]
    drift, backwards = (np.mean([sum(p * np.log(p / q)) for p, q in way]) for way in (pairs, [x[::-1] for x in pairs]))
    assert found.chosen.drift == pytest.approx(drift, rel=1e-3, abs=1e-5)
    if t == 1.0:  # far enough for the two directions to differ
        assert abs(backwards - drift) > 0.05 * drift


KINDS = {
    "full": (DeltaSettings(kind="full", storage="float32"), 0.0),
    "full, half": (DeltaSettings(kind="full", storage="float16"), 1e-3),
    "full, bfloat": (DeltaSettings(kind="full", storage="bfloat16"), 8e-3),
    "low-rank": (DeltaSettings(kind="low-rank", energy=0.9999, storage="float32", max_bytes=None), 0.012),
    "lora": (DeltaSettings(kind="lora", rank=3, storage="float32"), 2e-3),
    "lora, half": (DeltaSettings(kind="lora", rank=3, storage="float16"), 4e-3),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [0.25, 1.0])
def test_a_difference_of_each_kind_gives_the_candidate_back(kind: str, t: float) -> None:
    """LoRA's candidate through a file and on the base again; and between base and it the line is straight once more."""
    settings, most = KINDS[kind]
    encoder = chosen("lora", t).encoder
    back = apply(base(), from_bytes(to_bytes(make_delta(base(), encoder, settings))))
    wanted, found = moved(encoder), moved(back)
    lost = sum(float((found.get(name, 0 * change) - change).square().sum()) for name, change in wanted.items())
    assert (lost / sum(float(change.square().sum()) for change in wanted.values())) ** 0.5 <= most
    half = moved(interpolate(base(), back, 0.5))
    for name, change in found.items():
        assert (half[name] - change / 2).norm() <= 1e-3 * change.norm() + 1e-6 * change.numel() ** 0.5

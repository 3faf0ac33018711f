"""A small training run: it learns, it repeats itself by seed, and what it writes can be read back."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from medkt.models.small.dual_encoder import load_small
from medkt.models.small.segmenter import load_small_segmenter
from medkt.models.small.towers import TowerSettings
from small_model.batches import batches
from small_model.corpus import Corpus, draw_corpus, read_corpus
from small_model.prompts import coarse_box, draw_prompt, tight_box
from small_model.real_images import read_real
from small_model.tables import Share, zero_shot
from small_model.tokenizer import train_tokenizer
from small_model.train_encoder import EncoderTraining, as_encoder, export_encoder, train_encoder
from small_model.train_segmenter import SegmenterTraining, export_segmenter, frame, segmenter_loss, train_segmenter

TINY = TowerSettings(width=32, layers=2, heads=2, ratio=2, text_layers=1, embedding=32)
SHORT = EncoderTraining(
    steps=30, text_steps=10, batch=12, warm_up=3, learning_rate=3e-3, kept_patches=64, report_every=10, half=False
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_corpus(tmp_path_factory.mktemp("corpus"), planes=48, seed=0, workers=1)


@pytest.fixture(scope="module")
def towers() -> TowerSettings:
    return dataclasses.replace(TINY, vocabulary=train_tokenizer(reports=200).get_vocab_size())


def test_a_corpus_is_read_back_as_drawn_and_holds_no_held_out_finding(tmp_path: Path) -> None:
    drawn = draw_corpus(tmp_path / "one", planes=24, seed=3, workers=1)
    again = draw_corpus(tmp_path / "two", planes=24, seed=3, workers=2)
    assert drawn.rows == read_corpus(tmp_path / "one").rows == again.rows
    assert np.array_equal(drawn.images, again.images)
    assert drawn.masks([0]).shape == (1, 128, 128)
    filled = [bool(drawn.masks([i]).any()) for i in range(24)]
    assert filled == [row.finding != "" for row in drawn.rows]


@pytest.mark.slow
def test_real_images_of_the_role_train_alone_join(shared_data: Path, tmp_path: Path) -> None:
    train = {image.path.split("#")[0] for image in read_real(shared_data, "train")}
    validate = {image.path.split("#")[0] for image in read_real(shared_data, "validate")}
    assert train
    assert validate
    assert not train & validate
    drawn = draw_corpus(tmp_path, planes=30, seed=0, data=shared_data, real_share=0.4, workers=1)
    assert sum(bool(row.real) for row in drawn.rows) == 12


def test_batches_hold_a_near_miss_for_each_image(corpus: Corpus) -> None:
    tokenizer = train_tokenizer(reports=200)
    batch = next(batches(corpus, tokenizer, size=8, grid=16, text_length=48, seed=0))
    assert batch.pixels.shape == (8, 3, 128, 128)
    assert batch.coverage.shape == (8, 256)
    assert batch.ids.shape == batch.mask.shape
    assert len(batch.ids) == 16
    assert batch.ids.shape[1] % 8 == 0
    assert len(batch.text_bits) == 16
    assert len(batch.image_bits) == 8


@pytest.mark.slow
def test_training_lowers_the_loss_and_repeats_itself(corpus: Corpus, towers: TowerSettings, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(reports=200)
    made, history = train_encoder(corpus, tokenizer, SHORT, towers=towers)
    assert history[-1]["attributes"] < history[0]["attributes"]
    assert history[-1]["dense"] < history[0]["dense"]
    brief = dataclasses.replace(SHORT, steps=4, text_steps=2)
    each = (brief, brief, dataclasses.replace(brief, seed=1))
    one, two, three = (train_encoder(corpus, tokenizer, one, towers=towers)[0].state_dict() for one in each)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["image.position"], three["image.position"])
    export_encoder(made, tokenizer, tmp_path)
    loaded, direct = load_small(folder=tmp_path), as_encoder(made, tokenizer)
    pixels = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.encode_image(pixels), direct.encode_image(pixels), rtol=0.05, atol=0.01)
    shares = zero_shot(loaded, each=1, seed=0)
    assert shares["all"]["held out, by description"].of == 8


def test_training_ends_when_its_time_is_over(corpus: Corpus, towers: TowerSettings) -> None:
    settings = dataclasses.replace(SHORT, minutes=1e-9, text_steps=0)
    _, history = train_encoder(corpus, train_tokenizer(reports=200), settings, towers=towers)
    assert history == []


def test_the_segmenter_learns_and_is_read_back(corpus: Corpus, tmp_path: Path) -> None:
    settings = SegmenterTraining(steps=8, batch=2, warm_up=2, report_every=4, half=False)
    sam, history = train_segmenter(corpus, [], settings)
    assert history[-1]["loss"] < history[0]["loss"]
    export_segmenter(sam, tmp_path)
    loaded = load_small_segmenter(folder=tmp_path).state_dict()
    assert all(torch.allclose(loaded[key], value, atol=1e-2, rtol=1e-2) for key, value in sam.state_dict().items())


def test_a_right_answer_costs_nothing_and_its_quality_is_one() -> None:
    target = torch.zeros(1, 64, 64)
    target[:, 16:48, 16:32] = 1
    logits = (target[:, None, ::4, ::4] * 2 - 1).expand(1, 4, 16, 16) * 50
    wide = torch.nn.functional.interpolate(logits, (64, 64), mode="nearest")
    loss, dice, error = segmenter_loss(wide, torch.ones(1, 4), target)
    assert float(loss) < 1e-3
    assert dice == 1.0
    assert error < 1e-3
    wrong, none, _ = segmenter_loss(-wide, torch.zeros(1, 4), target)
    assert float(wrong) > 2
    assert none == 0.0


def test_boxes_of_a_drawn_mask() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[10:20, 30:34] = True
    assert tight_box(mask).tolist() == [30, 10, 34, 20]
    rng = np.random.default_rng(0)
    for _ in range(100):
        x0, y0, x1, y1 = coarse_box(mask, rng, cell=8.0)
        assert 0 <= x0 < x1 <= 60
        assert 0 <= y0 < y1 <= 40
        assert x0 < 34
        assert x1 > 30
        assert y0 < 20
        assert y1 > 10


@pytest.mark.parametrize("kind", ["tight", "coarse", "points", "both"])
def test_prompts_ask_for_a_part_of_the_mask(kind: str) -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:10, 5:15] = mask[20:30, 40:50] = True
    rng = np.random.default_rng(0)
    for _ in range(40):
        made = draw_prompt(mask, kind, rng, cell=8.0)
        assert made.mask.any()
        assert not (made.mask & ~mask).any()
        assert np.isnan(made.box_xyxy[0]) == (kind == "points")
        assert (len(made.points_xy) > 0) == (kind in ("points", "both"))
        assert len(made.points_xy) == len(made.labels)
        for (x, y), label in zip(made.points_xy, made.labels, strict=True):
            assert bool(made.mask[int(y), int(x)]) == bool(label)


def test_framing_puts_the_image_at_the_top_left() -> None:
    mask = np.zeros((50, 100), np.bool_)
    mask[:25] = True
    framed = frame(np.full((50, 100), 0.5, np.float32), mask)
    assert framed.grey.shape == (192, 192)
    assert framed.grey[:96].min() == 128
    assert framed.grey[96:].max() == 0
    assert framed.mask[:48].all()
    assert not framed.mask[48:].any()


def test_wilson_interval_against_known_numbers() -> None:
    low, high = Share(hits=81, of=263).interval  # R: prop.test(81, 263, correct=FALSE)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert Share(hits=0, of=10).interval[0] == 0
    assert Share(hits=10, of=10).interval[1] == pytest.approx(1)
    assert str(Share(hits=0, of=0)) == "-"

"""An examination: its figures against those of the parts, where it is kept, what is said from it, and its page."""

import json
import math
import re
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medkt.concepts import concept_from_text
from medkt.domains import domain
from medkt.errors import InputError, SettingsError
from medkt.examine import ROWS, ExamineSettings, IllustratedExamination, draw_pairs, examine, margins, share, won
from medkt.examine.exam import _variance_shares
from medkt.examine.examination import Examination, QuestionResult, Share
from medkt.examine.store import FORM, SHIPPED, examination_path, find_examination, read_examination
from medkt.examine.swaps import SEED
from medkt.examine.told import negation_told, not_told
from medkt.io.read import read_image
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.phantom.finding import DOMAINS
from medkt.pipeline.study import question_of
from medkt.pipeline.words import word_notes
from medkt.report.examination import render_examination
from medkt.transfer.packages import AdaptedEncoder

DIGEST = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_encoder("small")


@pytest.fixture(scope="module")
def examined(encoder: DualEncoder) -> IllustratedExamination:
    told: list[tuple[str, int, int]] = []
    found = examine(
        encoder, ExamineSettings(pairs=4, pictures=4, seed=1), progress=lambda *said: told.append(said)
    )  # fmt: skip
    assert told[-1][1] == told[-1][2]  # the bar ends at its end
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    return found


@pytest.fixture(scope="module")
def examination(examined: IllustratedExamination) -> Examination:
    return examined.examination


def keep(examination: Examination, change: Callable[[str], str] = lambda text: text) -> Path:
    path = examination_path(examination.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(change(FORM.text(examination)), encoding="utf-8")
    return path


def with_row(examination: Examination, **low: float) -> Examination:
    """With another lower end of some rows."""
    rows = dict(examination.rows)
    for name, value in low.items():
        right = Share(share=max(value, 0.9), low=value, high=1.0, number=60)
        rows[name] = QuestionResult(right=right, domains={}, likeness=0.5)
    return replace(examination, rows=rows)


def test_its_rows_are_those_of_the_pairs(examination: Examination, encoder: DualEncoder) -> None:
    assert list(examination.rows) == list(ROWS)
    for name in ("size", "binding"):
        pairs = list(draw_pairs(name, each=4, seed=SEED + 1))
        found, row = share(won(margins(encoder, pairs))), examination.rows[name]
        assert (row.right.share, row.right.low, row.right.high) == pytest.approx(
            (found.estimate, found.low, found.high), abs=1e-6
        )
        assert row.right.number == 4
    assert set(examination.rows["side"].domains) == set(DOMAINS) - {"ultrasound"}
    # the same words in another order are nearly one text to this encoder, another shape is not
    assert examination.rows["binding"].likeness > 0.95 > examination.rows["chimera"].likeness


def test_how_far_the_words_matter(examination: Examination) -> None:
    found = examination.dependence
    assert found.picture + found.words + found.both == pytest.approx(1, abs=1e-5)
    assert found.nonsense < found.other < found.shuffled <= 1
    assert found.maps == 2  # of the first picture, both sentences
    rows, columns = np.array([[3.0], [1.0], [2.0]]), np.array([[0.0, 1.0, 5.0, 2.0]])
    np.testing.assert_allclose(_variance_shares(rows + columns)[2], 0, atol=1e-12)
    np.testing.assert_allclose(_variance_shares(rows + 0 * columns), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(_variance_shares(np.eye(3)), (0, 0, 1), atol=1e-12)
    assert _variance_shares(np.ones((3, 4))) == (0, 0, 0)


def test_words_that_the_tokenizer_takes_apart(examination: Examination, encoder: DualEncoder) -> None:
    found = examination.vocabulary
    assert found.asked > 500
    assert set(found.of_sentences) <= set(found.unknown)
    assert {"schwannoma", "popcorn"} <= set(found.unknown)  # in no training sentence
    assert not {"round", "bright", "lesion", "nodule"} & set(found.unknown)


def test_too_little_is_refused_and_so_are_weights_without_a_digest(
    encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="pairs and pictures are 4 or more"):
        ExamineSettings(pairs=3)

    other = copy(encoder)
    monkeypatch.setattr(other, "_spec", replace(encoder.spec, digest=""))
    with pytest.raises(InputError, match="generated weights without a digest"):
        examine(other)
    monkeypatch.setattr(other, "_spec", replace(encoder.spec, domains=("histology",)))
    with pytest.raises(InputError, match="is of histology; pictures are drawn of cxr, ct, mri, ultrasound alone"):
        examine(other)


def test_pictures_of_one_modality_are_those_of_all() -> None:
    alone = list(draw_pairs("size", each=3, seed=5, side=64, domains=("ct",)))
    among = [pair for pair in draw_pairs("size", each=4, seed=5, side=64) if pair.domain == "ct"]
    assert [pair.domain for pair in alone] == ["ct"] * 3
    np.testing.assert_array_equal(alone[0].plane, among[0].plane)
    assert list(draw_pairs("side", each=4, domains=("ultrasound",))) == []


def test_it_is_kept_under_its_digest_and_read_again(examination: Examination) -> None:
    mine = replace(examination, digest=DIGEST)
    assert find_examination(DIGEST) is None
    path = keep(mine)
    assert path.name == f"{DIGEST}.json"
    assert find_examination(DIGEST) == mine
    assert FORM.write(mine)["version"] == 1
    assert find_examination("") is None
    with pytest.raises(InputError, match="kept by the SHA-256 of the weights"):
        examination_path("adapted from something")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "is not JSON"),
        (lambda text: text.replace('"seed": 1', '"seed": 2'), "was changed since it was written"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "version 9, this medkt reads 1 to 1"),
        (lambda text: text.replace('"format": "medkt examination"', '"format": "x"'), "no examination of medkt's"),
        (lambda text: text.replace('"likeness"', '"liking"'), "is damaged"),
        (lambda text: re.sub(r'"low": [\d.]+', '"low": NaN', text), "is damaged|is not JSON|NaN"),
        (lambda text: "[]", "no examination of medkt's"),
    ],
)
def test_a_damaged_one_is_refused(examination: Examination, change: Callable[[str], str], says: str) -> None:
    path = keep(replace(examination, digest=DIGEST), change)
    with pytest.raises(InputError, match=says):
        read_examination(path)
    with pytest.raises(InputError, match=re.escape(str(path))):
        find_examination(DIGEST)


def test_one_of_other_weights_does_not_count(examination: Examination) -> None:
    path = keep(examination)
    path.rename(path.with_name(f"{DIGEST}.json"))
    with pytest.raises(InputError, match="is of the weights"):
        find_examination(DIGEST)


def test_what_is_not_told_apart_is_said_of_the_attributes_that_a_text_uses(examination: Examination) -> None:
    weak = with_row(examination, side=0.43, margin=0.59, size=0.6, brightness=0.97)
    assert not_told(None, ["a lesion on the left"]) == ""
    assert not_told(weak, ["a large bright lesion"]) == ""  # told apart
    assert not_told(weak, ["pleural effusion"]) == ""  # no attribute
    said = not_told(weak, ["a large lesion on the left", "with hazy margins"])
    assert said == (
        "small does not surely tell one margin from another: 0.90 (0.59 to 1.00), left from right: 0.90 (0.43 to 1.00); "
        "of drawn pairs, guessing gets 0.50"
    )
    every = with_row(examination, **dict.fromkeys(("shape", "margin", "texture", "size", "number", "side"), 0.5))
    many = not_told(every, ["several small round sharp uniform lesions on the left"])
    assert "and 2 attributes more" in many
    assert "\n" not in many
    assert negation_told(None) == ""
    assert "with and without 'no'" in negation_told(examination)


def test_a_study_is_told_so_whatever_is_asked(examination: Examination, encoder: DualEncoder, tmp_path: Path) -> None:
    from medkt.phantom.study import write_study

    image = read_image(write_study(tmp_path / "p", domain="cxr", finding="cxr_nodule", seed=0, format="dicom"))
    texts = ["a round spot on the left", "pleural effusion", "no round spot"]
    keep(with_row(examination, side=0.4, shape=0.8))
    asked = question_of(AdaptedEncoder.of(encoder), image, [concept_from_text(text) for text in texts], None)
    assert [tuple(one) for one in asked.noted.values()] == [("not_told_apart",), (), ("negation",)]
    (said,) = [one for one in asked.warnings if "left from right: 0.90 (0.40 to 1.00)" in one]
    assert said.startswith("a round spot on the left: small does not surely tell")
    assert any("with and without 'no'" in one for one in asked.warnings)
    keep(examination, lambda text: text.replace('"seed": 1', '"seed": 2'))
    unread = question_of(AdaptedEncoder.of(encoder), image, [concept_from_text(texts[0])], None)
    assert [tuple(one) for one in unread.noted.values()] == [()]
    (said,) = [one for one in unread.warnings if "cannot be read" in one]
    assert str(examination_path(examination.digest)) not in said  # a path may hold a user's name
    assert word_notes(encoder, concept_from_text(texts[0]), domain("cxr")) == {}


def test_the_page_shows_each_row_and_the_maps(examined: IllustratedExamination) -> None:
    page = render_examination(examined)
    drawn = re.search(r'<figure class="plot"><img src="data:image/svg[^>]*alt="([^"]*)"', page)
    assert drawn is not None
    assert len(re.findall(r"\d\.\d\d \(", drawn[1])) == len(ROWS)
    cards, maps = (page.split('<section aria-labelledby="lesions">')[place].count("<figure>") for place in (0, 1))
    assert cards == sum(len(found) for found in examined.examples.values()) >= len(ROWS)
    assert maps == 3 * len(examined.lesions) == 12
    shown = re.sub(r"</?mark>|base64,[^\"]+", "", page)
    said = [one.pair.right for examples in examined.examples.values() for one in examples]
    assert not [text for text in said if text.replace("'", "&#39;") not in shown]
    words = re.sub(r"base64,[^\"]+", "", page)
    assert not re.search(r"https?:|\bnan\b|by -", words)  # nothing is fetched, and a margin is said without its sign


def test_the_shipped_one_is_of_the_shipped_weights_and_of_the_recipes_table(encoder: DualEncoder) -> None:
    found = find_examination(encoder.spec.digest)
    assert found == read_examination(SHIPPED)
    assert found is not None
    table = (Path(__file__).parents[2] / "evaluation/small_model/results/words.md").read_text(encoding="utf-8")
    if f"`{found.digest[:12]}`" not in table:
        pytest.fail("results/words.md is of other weights: run evaluation/small_model/derived.py --run words")
    listed = [f"{row.right}, n={row.right.number}" for row in found.rows.values()]
    own = [line for line in table.splitlines() if line.endswith(" |") and ", n=" in line and "class, " not in line]
    assert [line.split(" | ")[1].removesuffix(" |") for line in own] == listed


def test_the_card_holds_the_tables_of_the_shipped_one() -> None:
    script = Path(__file__).parents[2] / "evaluation" / "small_model" / "examination.py"
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("small_model_examination", script)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    card = module.CARD.read_text(encoding="utf-8")
    assert module.with_table(card, SHIPPED) == card
    with pytest.raises(LookupError, match="no place for the examination"):
        module.with_table("# a card", SHIPPED)


def test_figures_are_finite(examination: Examination) -> None:
    numbers = re.findall(r"-?\d+\.\d+", json.dumps(FORM.write(examination)))
    assert all(math.isfinite(float(one)) for one in numbers)

"""What training reads: varied, true, and silent about everything that is held out."""

import re
from functools import cache
from typing import get_args

import numpy as np
import pytest
import yaml

from medkt.errors import InputError
from medkt.phantom.descriptions import HELD_BACK_FRAMES, canonical_descriptions
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DomainName, find, findings, findings_of, held_out_identities
from medkt.resources import data_file
from small_model.corpus import Row, draw_one, known_attributes
from small_model.real_images import REAL
from small_model.reports import (
    altered,
    canonical_normals,
    describe,
    held_out_names,
    name_and_description,
    name_report,
    normal_report,
    training_report,
)
from small_model.tokenizer import WORDS, train_tokenizer

DOMAINS: tuple[DomainName, ...] = get_args(DomainName)
DRAWS = 500


def held_out_in_the_file() -> list[str]:
    """Names and synonyms of held-out findings, read from the file and not through the code under test."""
    rows = yaml.safe_load(data_file("configs/phantom/findings.yaml").read_text(encoding="utf-8"))["findings"]
    held = [row for row in rows if row.get("held_out")]
    assert len(held) >= 8
    return [name.lower() for row in held for name in (row["name"], *row["synonyms"])]


@cache
def training_texts(domain: DomainName, draws: int = DRAWS) -> list[str]:
    rng = np.random.default_rng(1)
    named = findings_of(domain, held_out=False)
    texts = [normal_report(rng, domain).text for _ in range(draws // 4)]
    for n in range(draws):
        free = DRAWERS[domain].draw_unnamed_attributes(rng)
        known = known_attributes(domain, "unnamed", free)
        texts.append(training_report("unnamed", free, rng, domain, known=known).text)
        near = altered(free, rng, domain, known=known)
        texts += [near.text] if near is not None else []
        finding = named[n % len(named)]
        texts.append(training_report(finding.id, finding.draw(rng, "left"), rng, domain).text)
    return texts


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_report_names_a_held_out_finding(domain: DomainName) -> None:
    texts = [text.lower() for text in training_texts(domain)]
    assert len(texts) > 2 * DRAWS
    for name in held_out_in_the_file():
        assert not [text for text in texts if re.search(rf"\b{re.escape(name)}", text)]


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_report_has_a_word_that_only_held_out_names_have(domain: DomainName) -> None:
    said = {word for text in training_texts(domain) for word in re.findall(r"[a-z-]+", text.lower())}
    known = [f for f in findings().values() if not f.held_out]
    allowed = {w for f in known for name in (f.name, *f.synonyms) for w in name.lower().split()} | {"lesion", "lung"}
    telling = {word for name in held_out_in_the_file() for word in name.split()} - allowed
    assert {"cavity", "abscess", "hamartoma", "phyllodes"} <= telling
    assert not said & telling


def test_neither_do_the_words_of_the_tokenizer_nor_of_the_real_classes() -> None:
    words = " ".join([*WORDS.read_text(encoding="utf-8").split(), *(n for kind in REAL.values() for n in kind.names)])
    assert not [name for name in held_out_in_the_file() if name in words]
    assert held_out_names() == tuple(held_out_in_the_file())


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_unnamed_lesion_looks_like_a_held_out_finding(domain: DomainName) -> None:
    rng = np.random.default_rng(2)
    drawn = {DRAWERS[domain].draw_unnamed_attributes(rng).identity for _ in range(2000)}
    assert len(drawn) > 20
    assert not drawn & held_out_identities(domain)


def test_held_out_findings_are_refused_by_name_and_by_look() -> None:
    rng, held = np.random.default_rng(0), find("cxr_cavity")
    with pytest.raises(InputError, match="held out"):
        name_report(held, rng)
    with pytest.raises(InputError, match="held out"):
        describe(held.draw(rng), rng, "cxr")
    with pytest.raises(InputError, match="held out"):
        name_and_description(held, held.draw(rng), rng)
    with pytest.raises(InputError, match="held out"):
        draw_one("cxr", "cxr_cavity", rng)


@pytest.mark.parametrize("finding", [f.id for f in findings().values()])
def test_test_captions_are_in_frames_that_training_never_uses(finding: str) -> None:
    captions = canonical_descriptions(find(finding))
    assert len(set(captions)) == len(captions) == len(HELD_BACK_FRAMES)
    names = (find(finding).name, *find(finding).synonyms)
    assert not [n for n in names for c in captions if n.lower() in c.lower()]
    starts = ("an example of", "in this", "observe", "the examination", "a patient's")
    assert all(frame.startswith(starts) for frame in HELD_BACK_FRAMES)
    assert not [text for text in training_texts(find(finding).domain) if text.startswith(starts)]
    assert len(canonical_normals(find(finding).domain)) == len(HELD_BACK_FRAMES)


def test_reports_vary() -> None:
    rng, finding = np.random.default_rng(3), find("ct_nodule")
    attributes = finding.draw(rng, "left")
    texts = {describe(attributes, rng, "ct").text for _ in range(200)}
    assert len(texts) > 180
    assert any("round" in t for t in texts)
    assert any("spherical" in t for t in texts)


def test_claims_are_what_the_text_says() -> None:
    rng, finding = np.random.default_rng(4), find("mri_arachnoid_cyst")
    for _ in range(50):
        attributes = finding.draw(rng, "right")
        report = describe(attributes, rng, "mri", known=("shape", "texture"))
        assert set(report.claims) <= {"shape", "texture", "domain"}
        assert all(getattr(attributes, n) in report.claims[n] for n in ("shape", "texture") if n in report.claims)
    assert name_report(finding, rng).claims["finding"] == {"mri_arachnoid_cyst"}
    assert normal_report(rng, "mri").claims["finding"] == {""}


def test_a_near_miss_claims_something_wrong() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        attributes = DRAWERS["ct"].draw_unnamed_attributes(rng)
        report = altered(attributes, rng, "ct")
        if report is not None:
            said = {n: v for n, v in report.claims.items() if n != "domain"}
            assert [n for n, values in said.items() if getattr(attributes, n) not in values]


def test_the_same_seed_gives_the_same_text() -> None:
    one, other = (training_texts.__wrapped__("cxr", 20) for _ in range(2))
    assert one == other


@pytest.mark.slow
def test_rows_name_only_what_the_image_shows() -> None:
    rng = np.random.default_rng(6)
    rows: list[Row] = [draw_one("cxr", "unnamed", rng)[2] for _ in range(250)]
    many = [row for row in rows if row.attributes is not None and row.attributes.number == "many"]
    assert many
    assert not [row for row in many if {"side", "place"} & set(row.known)]


def test_the_tokenizer_splits_any_word_and_is_the_same_each_time() -> None:
    one, other = (train_tokenizer(reports=200, seed=0) for _ in range(2))
    assert one.to_str() == other.to_str()
    for word in ("epidermoid", "Cystosarcoma", "naïve", "肺炎", "q"):
        encoded = one.encode(word)
        assert encoded.ids
        assert one.decode(encoded.ids).strip() == word.lower()

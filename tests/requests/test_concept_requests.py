"""Words and learnt concepts from Python: what `medkt concepts` and `medkt concept` do, in one call each, without a word."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

import medkt
from medkt.concepts import Base, concepts, read_concepts, write_package
from medkt.errors import InputError, OutputError, SettingsError, UnknownNameError, WeightsError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.delenv("MEDKT_KEY_PASSPHRASE", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    assert capfd.readouterr() == ("", "")


def make_package(path: str, concept: str, first: float, second: float) -> None:
    said = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    delta = struct.pack("<Q", len(said)) + said + struct.pack("<2f", first, second)
    base = Base(name="small", digest="ab" * 32)
    write_package(path, concept=medkt.load_concept(concept), delta=delta, base=base, recipe={}, card=f"# {concept}\n")


def test_concepts_are_found() -> None:
    assert medkt.find_concepts() == medkt.concept_list() == tuple(concepts().values())
    assert {one.modality for one in medkt.concept_list(modality="mri")} == {"mri"}
    assert medkt.find_concepts(modality="mri") == medkt.concept_list(modality="mri")
    (one,) = medkt.find_concepts(name="solid nodule")
    assert one == medkt.concept_show(name="ct_nodule").concept
    assert medkt.find_concepts(name="solid nodule", modality="ct") == (one,)
    with pytest.raises(InputError, match="'ct_nodule' is a finding of ct, not of mri"):
        medkt.find_concepts(name="ct_nodule", modality="mri")
    with pytest.raises(UnknownNameError, match="solid nodule"):
        medkt.find_concepts(name="solid nodule", modality="mri")
    with pytest.raises(UnknownNameError, match="nearest: solid nodule"):
        medkt.find_concepts(name="solid nodul")
    with pytest.raises(SettingsError, match="modality: 'pet' is none of cxr, ct, mri, ultrasound"):
        medkt.concept_list(modality="pet")
    with pytest.raises(InputError, match="has a card"):
        medkt.concept_show(name="ct_nodule", card=True)


def test_a_file_of_words_is_made_and_checked() -> None:
    begun = medkt.concept_new(modality="ct")
    assert (begun.file, begun.draft, "REPLACE" in begun.text) == (None, None, True)
    made = medkt.concept_new(
        modality="ct", name="halo", caption="a grey ring around a white ball", licence="CC0-1.0", author="me", output="halo.yaml"
    )  # fmt: skip
    assert made.file == Path("halo.yaml")
    assert made.file.read_text(encoding="utf-8") == made.text
    (concept,) = read_concepts(made.file)
    assert concept.texts("inversion") == ("a grey ring around a white ball",)
    found = medkt.concept_lint(files="halo.yaml")
    assert (found.problems, found.forecasts, found.errors, found.warnings) == ((), (), 0, 0)
    Path("begun.yaml").write_text(begun.text, encoding="utf-8")
    found = medkt.concept_lint(files=["begun.yaml", "absent.yaml"])
    assert found.errors > 1
    assert [one.rule for one in found.problems if one.path == "absent.yaml"] == ["unreadable"]
    with pytest.raises(OutputError, match="exists already"):
        medkt.concept_new(modality="ct", output="halo.yaml")
    assert made.file.read_text(encoding="utf-8") == made.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"from_list": "a.tsv", "name": "x"}, "--from-list brings names and captions"),
        ({"from_text": "a.txt", "caption": ["x"]}, "--from-text brings the captions"),
        ({"from_text": "a.txt"}, "--from-text needs --name"),
        ({"model": "small"}, "--json and --model are for --from-text"),
    ],
)
def test_words_come_from_one_place(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        medkt.concept_new(modality="ct", **options)


def test_a_description_in_prose_becomes_words() -> None:
    Path("zorn.txt").write_text(
        "On ultrasound, the zorn nodule is a round, bright mass with a sharp margin in the breast. It is treated by excision.",
        encoding="utf-8",
    )
    made = medkt.concept_new(modality="ultrasound", name="zorn nodule", from_text="zorn.txt")
    assert made.draft is not None
    assert [one.role for one in made.draft.sentences] == ["seen", "treatment"]
    assert (made.file, len(made.text_sha256)) == (None, 64)
    assert made.draft.looks[0] in made.text


def test_a_package_from_signing_to_trusting() -> None:
    make_package("a.medkt", "cxr_nodule", 1, 0)
    shown = medkt.concept_show(name="a.medkt", card=True)
    assert shown.concept is None
    assert shown.package is not None
    assert (shown.package.concepts[0].id, shown.card) == ("cxr_nodule", "# cxr_nodule\n")
    key = medkt.concept_sign(new_key="me")
    assert (key.private_key, key.public_key, key.file) == (Path("me"), Path("me.pub"), None)
    signed = medkt.concept_sign(file="a.medkt", key="me", output="b.medkt")
    assert (signed.file, signed.fingerprint) == (Path("b.medkt"), key.fingerprint)
    with pytest.raises(WeightsError, match="is signed by an unknown key"):
        medkt.concept_verify(file="b.medkt")
    assert medkt.concept_verify(file="b.medkt", trusted="me.pub").signer == "me"
    assert medkt.concept_verify(file="a.medkt").signer == ""
    with pytest.raises(WeightsError, match="is not signed"):
        medkt.concept_verify(file="a.medkt", require_signature=True)
    with pytest.raises(SettingsError, match="say what to sign and with which key"):
        medkt.concept_sign(file="a.medkt")
    with pytest.raises(SettingsError, match="only makes a key"):
        medkt.concept_sign(file="a.medkt", new_key="other")


def test_packages_are_put_together() -> None:
    make_package("a.medkt", "cxr_nodule", 1, 0)
    make_package("b.medkt", "ct_nodule", -1, 1)
    whole = medkt.concept_compose(files=["a.medkt", "b.medkt"], output="c.medkt")
    assert whole.interference["cosine"][0] == [1.0, -0.707107]
    assert [one.id for one in medkt.read_package("c.medkt").concepts] == ["cxr_nodule", "ct_nodule"]
    with pytest.raises(TypeError, match="output"):
        medkt.concept_compose(files=["a.medkt", "b.medkt"])

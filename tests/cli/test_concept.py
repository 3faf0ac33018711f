"""`medkt concept`: words written, checked and shown; learnt concepts checked, signed and put together."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from whole_line import Command

from medkt.cli import main as command_line
from medkt.concepts import Base, concepts, load_concept, read_concepts, read_package, write_package


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(command_line.COMMANDS, "concept", ("medkt.cli.concept", "words for findings"))
    monkeypatch.delenv("MEDKT_KEY_PASSPHRASE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _package(path: str, concept: str, first: float, second: float) -> None:
    said = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    content = struct.pack("<Q", len(said)) + said + struct.pack("<2f", first, second)
    base = Base(name="small", digest="ab" * 32)
    write_package(path, concept=load_concept(concept), delta=content, base=base, recipe={"seeds": [0]}, card="# Card\n")


@pytest.mark.parametrize("modality", ["cxr", "ct", "mri", "ultrasound"])
def test_a_new_file_holds_the_schema_and_asks_for_words(modality: str, medkt: Command) -> None:
    ran = medkt("concept", "new", "--modality", modality)
    assert ran.code == 0
    Path("new.yaml").write_text(ran.out)
    (concept,) = read_concepts(Path("new.yaml"))
    assert concept.modality == modality
    ran = medkt("concept", "lint", "new.yaml")
    assert ran.code == 2
    assert "inversion[1]: still holds REPLACE; write the words" in ran.out


def test_a_new_file_from_words_passes_the_lint(medkt: Command) -> None:
    words = (
        "--name",
        "Halo sign",
        "--caption",
        "a grey ring around a white ball",
        "--licence",
        "CC0-1.0",
        "--author",
        "me",
    )
    assert medkt("concept", "new", "--modality", "ct", *words, "-o", "halo.yaml").code == 0
    (concept,) = read_concepts(Path("halo.yaml"))
    assert (concept.id, concept.name, concept.window) == ("ct_halo_sign", "Halo sign", "lung")
    assert concept.texts("inversion") == ("a grey ring around a white ball",)
    assert concept.texts("finetune") == ("a Halo sign is a grey ring around a white ball",)
    ran = medkt("concept", "lint", "halo.yaml")
    assert (ran.code, ran.out) == (0, "errors: 0, warnings: 0, files: 1\n")


def test_a_new_file_from_a_list(medkt: Command) -> None:
    Path("list.tsv").write_text("halo\ta grey ring around a white ball\nhalo\ta halo in the lung\n")
    words = ("--modality", "ct", "--from-list", "list.tsv", "--source", "my notes")
    assert medkt("concept", "new", *words, "-o", "list.yaml").code == 0
    (concept,) = read_concepts(Path("list.yaml"))
    assert (concept.texts("inversion"), concept.source) == (("a grey ring around a white ball",), "my notes")
    ran = medkt("concept", "new", *words, "--name", "x")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "--from-list brings names and captions" in ran.err


def test_an_old_file_is_only_replaced_when_asked(medkt: Command) -> None:
    Path("new.yaml").write_text("mine")
    assert medkt("concept", "new", "--modality", "ct", "-o", "new.yaml").code == 2
    assert Path("new.yaml").read_text() == "mine"
    assert medkt("concept", "new", "--modality", "ct", "-o", "new.yaml", "--overwrite").code == 0
    assert read_concepts(Path("new.yaml"))


def test_lint_as_json_with_a_model(medkt: Command) -> None:
    words = ("--name", "halo", "--caption", "a grey ring without an end", "--licence", "x", "--author", "x")
    medkt("concept", "new", "--modality", "ct", *words, "-o", "halo.yaml")
    ran = medkt("concept", "lint", "halo.yaml", "--json", "-m", "small")
    assert ran.code == 2
    found = json.loads(ran.out)
    assert {(one["rule"], one["level"]) for one in found["problems"]} == {("negation", "error")}
    assert found["errors"] == len(found["problems"]) == 2
    (forecast,) = found["forecasts"]
    assert (forecast["id"], forecast["model"]) == ("ct_halo", "small")
    assert {one["id"] for one in forecast["nearest"]} <= set(concepts())
    assert 0 < forecast["margin"] < 2
    ran = medkt("concept", "lint", "halo.yaml", "-m", "small")
    assert f"note: ct_halo: {forecast['sentence']}" in ran.out


def test_lint_looks_at_every_file_whatever_one_of_them_is(medkt: Command) -> None:
    Path("latin.yaml").write_bytes(b"version: 1\nname: R\xe4nder\n")
    Path("tab.yaml").write_text("version: 1\n\tmodality: ct\n")
    medkt("concept", "new", "--modality", "ct", "-o", "new.yaml")
    ran = medkt("concept", "lint", "latin.yaml", "absent.yaml", "tab.yaml", "new.yaml")
    assert ran.code == 2
    assert "error: latin.yaml:2: is not UTF-8 text (byte 18); save it as UTF-8\n" in ran.out
    assert "error: absent.yaml: cannot be read (No such file or directory); check the path and permission\n" in ran.out
    assert "error: tab.yaml:2: is not valid YAML" in ran.out
    assert "new.yaml:" in ran.out
    assert "still holds REPLACE" in ran.out
    assert ran.out.endswith("files: 4\n")
    found = json.loads(medkt("concept", "lint", "latin.yaml", "tab.yaml", "--json").out)["problems"]
    assert [(one["path"], one["line"], one["rule"]) for one in found] == [
        ("latin.yaml", 2, "unreadable"), ("tab.yaml", 2, "unreadable"),
    ]  # fmt: skip


def test_list_and_show_are_those_of_concepts(medkt: Command) -> None:
    assert medkt("concept", "list", "--modality", "mri").out == medkt("concepts", "--modality", "mri").out
    assert medkt("concept", "list", "--json").out == medkt("concepts", "--json").out
    assert medkt("concept", "show", "ct_nodule").out == medkt("concepts", "ct_nodule").out
    ran = medkt("concept", "show", "ct_nodule", "--card")
    assert (ran.code, "only a .medkt file has a card" in ran.err) == (2, True)


def test_a_package_from_making_to_trusting(medkt: Command, here: Path) -> None:
    _package("a.medkt", "cxr_nodule", 1, 0)
    assert medkt("concept", "verify", "a.medkt").out.startswith(
        "a.medkt: sound; cxr_nodule for small (abababababab...)"
    )
    shown = json.loads(medkt("concept", "show", "a.medkt").out)
    assert shown["learnt"][0]["concept"]["id"] == "cxr_nodule"
    assert (shown["learnt"][0]["numbers"], shown["signed_by"]) == (2, None)
    assert medkt("concept", "show", "a.medkt", "--card").out == "# Card\n\n"
    pytest.importorskip("cryptography", reason="signs by the extra `signing`")
    made = medkt("concept", "sign", "--new-key", "me")
    fingerprint = made.out.split()[-1]
    assert (
        medkt("concept", "sign", "a.medkt", "--key", "me", "-o", "b.medkt").out
        == f"b.medkt: signed, key {fingerprint}\n"
    )
    ran = medkt("concept", "verify", "b.medkt")
    assert (ran.code, "is signed by an unknown key" in ran.err) == (2, True)
    ran = medkt("concept", "verify", "b.medkt", "--trusted", "me.pub", "--json", "--require-signature")
    assert json.loads(ran.out)["signed_by"] == "me"
    trust = here / "medkt-home" / "trust"  # MEDKT_HOME of the tests
    trust.mkdir(parents=True)
    Path("me.pub").rename(trust / "a_friend.pub")
    assert f"signed by a_friend, key {fingerprint}" in medkt("concept", "verify", "b.medkt").out


def test_making_a_key_is_done_alone(medkt: Command) -> None:
    ran = medkt("concept", "sign", "a.medkt", "--new-key", "me")
    assert (ran.code, "--new-key only makes a key" in ran.err) == (2, True)
    assert not Path("me").exists()


def test_compose_prints_and_stores_the_table(medkt: Command) -> None:
    _package("a.medkt", "cxr_nodule", 1, 0)
    _package("b.medkt", "ct_nodule", -1, 1)
    ran = medkt("concept", "compose", "a.medkt", "b.medkt", "-o", "c.medkt")
    assert ran.code == 0
    assert ran.out.splitlines()[2:] == [
        "cxr_nodule         1.000      -0.707", "ct_nodule         -0.707       1.000", "c.medkt",
    ]  # fmt: skip
    assert read_package("c.medkt").interference["cosine"][0] == [1.0, -0.707107]
    ran = medkt("concept", "compose", "a.medkt", "b.medkt", "-o", "c.medkt", "--json")
    assert json.loads(ran.out)["concepts"] == ["cxr_nodule", "ct_nodule"]


def test_words_and_packages_need_no_torch() -> None:
    _package("a.medkt", "cxr_nodule", 1, 0)
    code = (
        "import argparse, sys; from medkt.cli import concept; p = argparse.ArgumentParser(); concept.configure(p);"
        "run = lambda *words: concept.run(p.parse_args(words));"
        "run('new', '--modality', 'ct', '-o', 'n.yaml'); run('lint', 'n.yaml'); run('verify', 'a.medkt');"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

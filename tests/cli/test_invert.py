"""`medkt invert`: from words to a folder of images, with a cache between."""

import json
from pathlib import Path

import pytest
from inversion.toy_encoder import Toy
from safetensors.torch import load_file
from whole_line import Command

import medkt.models.registry
from medkt.cli.main import COMMANDS

WORDS = ("-p", "a round bright spot", "-p", "a ring")
QUICK = ("--set", "steps=2", "--set", "jitter=1", "--images", "2")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toy:
    encoder = Toy()
    monkeypatch.setitem(COMMANDS, "invert", ("medkt.cli.invert", "make images of what a model imagines at a text"))
    monkeypatch.setattr(medkt.models.registry, "load_encoder", lambda name, device: encoder)
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "cache"))
    return encoder


def test_words_to_images(medkt: Command, toy: Toy, tmp_path: Path) -> None:
    ran = medkt("invert", *WORDS, *QUICK, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("a round bright spot: mean similarity ")
    record = json.loads((tmp_path / "out" / "inversion.json").read_text())
    assert [text["text"] for text in record["texts"]] == ["a round bright spot", "a ring"]
    assert (record["settings"]["steps"], record["seed"], record["encoder"]["name"]) == (2, 0, "toy")
    assert (record["preset"], record["sources"]["dtype"]) == ("fast", record["sources"]["channels_last"])
    assert load_file(tmp_path / "out" / "images.safetensors")["pixels"].shape == (2, 2, 3, 16, 16)
    assert str(tmp_path) not in json.dumps(record)


def test_the_record_names_the_source_of_each_published_value(medkt: Command, toy: Toy, tmp_path: Path) -> None:
    short = ("--set", "steps=2", "--set", "upsize_at=[]", "--images", "1")
    ran = medkt("invert", *WORDS, "--preset", "kt-code", *short, "-o", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "inversion.json").read_text())
    assert record["preset"] == "kt-code"
    assert record["sources"]["clamp"] == record["sources"]["lr"]
    assert record["sources"]["lr"].endswith("transfer/biomedclip_invert.py")
    assert record["sources"]["steps"] == record["sources"]["upsize_at"] == "given for this run"


def test_a_second_run_reads_the_cache(medkt: Command, toy: Toy, tmp_path: Path) -> None:
    first = medkt("invert", *WORDS, *QUICK, "-o", tmp_path / "one", "--json")
    passes = len(toy.rows)
    second = medkt("invert", *WORDS, *QUICK, "-o", tmp_path / "two", "--json")
    assert len(toy.rows) == passes
    assert json.loads(first.out)["texts"] == json.loads(second.out)["texts"]
    assert medkt("invert", *WORDS, *QUICK, "-o", tmp_path / "three", "--no-cache").code == 0
    assert len(toy.rows) > passes


def test_a_concept_gives_its_captions_for_inversion(medkt: Command, tmp_path: Path) -> None:
    from medkt.concepts import load_concept

    ran = medkt("invert", "-c", "cxr_nodule", *QUICK, "-o", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    concept = load_concept("cxr_nodule")
    expected = concept.texts("inversion") or concept.texts("prompt")
    assert tuple(text["text"] for text in json.loads(ran.out)["texts"]) == expected


def test_settings_from_preset_file_and_options(medkt: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("upsize_at: [1]\nside: 4\nsteps: 3\n")
    ran = medkt(
        "invert", *WORDS, "--preset", "kt-code", "--settings", tmp_path / "mine.yaml", "--set", "tv=0.1", "--images", "1",
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    settings = json.loads(ran.out)["settings"]
    assert (settings["similarity"], settings["side"], settings["steps"], settings["tv"]) == ("raw_distance", 4, 3, 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), 'say what to look for: -p "a description" or -c CONCEPT'),
        ((*WORDS, "--preset", "none"), "no inversion preset 'none'; known: fast, kazemi, kt-code"),
        ((*WORDS, "--set", "stesp=2"), "unknown setting stesp; known here: parametrisation, similarity"),
        ((*WORDS, "--set", "similarity=dot"), "similarity is one of 'cosine', 'unit_distance'"),
        ((*WORDS, "--set", "steps=0"), "inversion: setting steps cannot be 0; expected 1 or more"),
        ((*WORDS, "--images", "0"), "inversion makes 1 or more images of a text"),
        ((*WORDS, "--preset", "partial"), "use medkt.inversion.invert_hidden"),
        ((*WORDS, "--preset", "kt-vilt"), "toy has no matching head"),
        ((*WORDS, "-d", "abacus"), "no device 'abacus'"),
    ],
)
def test_bad_options(options: tuple[str, ...], message: str, medkt: Command, tmp_path: Path) -> None:
    ran = medkt("invert", *options, "-o", tmp_path / "out")
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_a_bad_settings_file_is_named(medkt: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("lr: fast\n")
    ran = medkt("invert", *WORDS, "--settings", tmp_path / "mine.yaml", "-o", tmp_path / "out")
    assert (ran.code, ran.err) == (2, f"medkt: {tmp_path / 'mine.yaml'}: lr expects float, got 'fast' (str)\n")


def test_an_inversion_is_not_replaced_unless_asked(medkt: Command, toy: Toy, tmp_path: Path) -> None:
    words = ("invert", *WORDS, *QUICK, "-o", tmp_path / "out")
    assert medkt(*words).code == 0
    toy.rows.clear()
    ran = medkt(*words, "--seed", "1")
    assert (ran.code, toy.rows) == (2, [])
    assert "say --overwrite" in ran.err
    assert medkt(*words, "--overwrite").code == 0

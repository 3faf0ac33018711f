"""Sentences of single images from a file: how they are found, and what is refused."""

import json
from pathlib import Path

import pytest

from medkt.concepts import load_concept
from medkt.datasets.prompts import ORACLE, oracle_concept, read_prompts
from medkt.domains import domain
from medkt.errors import InputError, MedktError, SettingsError
from medkt.io.sha256 import sha256_of


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_both_forms_are_read_and_known_by_their_digest(tmp_path: Path) -> None:
    as_json = read_prompts(written(tmp_path / "a.json", {"1.png": "a round mass", "b/2.png": "a dark cyst"}))
    as_csv = read_prompts(written(tmp_path / "a.csv", "file,prompt\n1.png,a round mass\nb/2.png,a dark cyst\n"))
    assert as_json.sentences == as_csv.sentences
    assert as_json.sha256 == sha256_of(tmp_path / "a.json")
    assert as_json.as_json()["published_as"] == "not a known published file"
    assert "mass" not in json.dumps(as_json.as_json())
    assert "mass" not in repr(as_json)
    assert as_json.sentence(Path("/data/x/1.png")) == "a round mass"
    assert as_json.sentence(Path("/data/b/2.png")) == "a dark cyst"
    assert as_json.sentence(Path("/data/c/2.png")) is None


def test_the_longest_key_that_fits_is_meant(tmp_path: Path) -> None:
    found = read_prompts(written(tmp_path / "a.json", {"1.png": "one", "benign/1.png": "two"}))
    assert found.sentence(tmp_path / "benign" / "1.png") == "two"
    assert found.sentence(tmp_path / "other" / "1.png") == "one"
    assert found.require([tmp_path / "benign" / "1.png", tmp_path / "other" / "1.png"]) == 0


def test_images_without_a_sentence_are_refused_beforehand_or_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", {"1.png": "a mass"})
    images = [tmp_path / f"{number}.png" for number in range(1, 7)]
    with pytest.raises(
        InputError, match=r"5 of 6 images have no sentence in the file \(2.png, 3.png, 4.png, \.\.\.\); add"
    ):
        read_prompts(path).require(images)
    assert read_prompts(path, missing="own").require(images) == 5


def test_a_name_that_fits_several_images_is_refused(tmp_path: Path) -> None:
    found = read_prompts(written(tmp_path / "a.json", {"1.png": "a mass"}))
    with pytest.raises(
        InputError, match=r"'1.png' fits several images \(.*a/1.png, .*b/1.png\); write more of the path"
    ):
        found.require([tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"])
    assert found.require([tmp_path / "a" / "1.png"] * 2) == 0  # slices of one file


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1, 2]", "a text for each name"),
        ("a.json", '{"1.png": ["a", "b"]}', "a text for each name"),
        ("a.json", '{"1.png": "a", "1.png": "b"}', "'1.png' stands there twice"),
        ("a.json", '{"1.png": " "}', "has no sentence"),
        ("a.json", "{}", "holds no sentence"),
        ("a.csv", "name,prompt\n1.png,a\n", "file"),
        ("a.csv", "file,prompt\n1.png,a\n1.png,a\n", "row 3: '1.png' stands there twice"),
        ("a.txt", "1.png a", "a table ends in"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(MedktError, match=said):
        read_prompts(written(tmp_path / name, content))
    with pytest.raises(InputError, match=r"cannot be read|no such table"):
        read_prompts(tmp_path / f"absent-{name}".replace(".txt", ".csv"))


def test_a_sentence_stands_beside_one_concept_and_alone(tmp_path: Path) -> None:
    found = read_prompts(written(tmp_path / "a.json", {"1.png": "a round mass"}))
    image = tmp_path / "1.png"
    assert found.asked(image, ["us_cyst"]) == {"us_cyst_oracle_prompt": ("us_cyst", "a round mass")}
    assert found.asked(tmp_path / "2.png", ["us_cyst"]) == {}
    with pytest.raises(SettingsError, match="beside one concept and 2 are asked for"):
        found.asked(image, ["us_cyst", "us_benign"])
    own = load_concept("us_cyst")
    made = oracle_concept(own, "a round mass")
    assert domain("ultrasound").prompts(made) == ("a round mass",)
    assert (made.id, made.source, made.type) == ("us_cyst_oracle_prompt", ORACLE, own.type)
    assert own.name in made.names

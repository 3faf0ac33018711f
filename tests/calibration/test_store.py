"""A calibration as a file: the same after reading, in its own place, and with nothing of a single patient in it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calibration.studies import KEY, studies
from medkt.calibration import (
    Calibration,
    calibrate,
    calibration_path,
    find_calibration,
    read_calibration,
    require_fit,
    write_calibration,
)
from medkt.errors import InputError, OutputError, SettingsError


def rule(site: str = "here") -> Calibration:
    return calibrate(KEY, studies(60, doubts=("odd",)), studies(30, seed=1, score=3.0), site=site, made="2026-01-02")


def test_the_same_after_reading(tmp_path: Path) -> None:
    made = rule()
    assert read_calibration(write_calibration(made, tmp_path / "rule.json")) == made
    bare = calibrate(KEY, studies(19))
    assert read_calibration(write_calibration(bare, tmp_path / "bare.json")) == bare


def test_found_under_exactly_its_key_and_site() -> None:
    made = rule("north-wing")
    path = write_calibration(made)
    assert path == calibration_path(KEY, site="north-wing")
    assert path.parent.name == "north-wing"
    assert find_calibration(KEY, site="north-wing") == made
    assert find_calibration(KEY) is None
    for name in ("words", "model", "weights", "settings", "modality"):
        assert find_calibration(replace(KEY, **{name: "other"}), site="north-wing") is None


def test_no_score_and_no_embedding_of_a_study_is_kept_beyond_quantiles(tmp_path: Path) -> None:
    normals = studies(400)
    path = write_calibration(calibrate(KEY, normals), tmp_path / "rule.json")
    content = json.loads(path.read_text())
    assert len(content["normals"]["scores"]) < 25
    kept = path.read_text()
    assert sum(f"{one.score}" in kept for one in normals) < 25
    assert not any(f"{value:.7g}" in kept for one in normals[:20] for value in one.embedding)


def test_a_file_for_something_else() -> None:
    with pytest.raises(
        InputError, match=r"made for something else: model \(toy instead of clip\); run `medkt calibrate`"
    ):
        require_fit(rule(), replace(KEY, model="clip"), where="rule.json")


def test_a_site_names_a_folder() -> None:
    for name in ("", "../up", "a/b", ".hidden", "x" * 65):
        with pytest.raises(SettingsError, match="a site's name has 1 to 64 letters"):
            calibration_path(KEY, site=name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "is not JSON"),
        ("[1]", "is no calibration of medkt's"),
        ('{"format": "other"}', "is no calibration of medkt's"),
        ('{"format": "medkt calibration", "version": 9}', "version 9, this medkt reads 1"),
        ('{"format": "medkt calibration", "version": 1, "novelty": null}', "is damaged"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rule.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_calibration(path)


def test_quantiles_that_were_tampered_with(tmp_path: Path) -> None:
    path = write_calibration(rule(), tmp_path / "rule.json")
    content = json.loads(path.read_text())
    content["normals"]["scores"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"is damaged \(quantiles are finite and ascend"):
        read_calibration(path)


def test_a_digit_that_changed_is_seen(tmp_path: Path) -> None:
    """Before, a rule with another quantile was read as if nothing had happened."""
    path = write_calibration(rule(), tmp_path / "rule.json")
    content = json.loads(path.read_text())
    content["normals"]["scores"][-1] += 0.001
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed since it was written"):
        read_calibration(path)
    del content["sum"]
    content["version"] = 1  # which knew no checksum
    path.write_text(json.dumps(content))
    assert read_calibration(path).normals.scores[-1] == content["normals"]["scores"][-1]


def test_absent_files_and_full_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")
    path = write_calibration(rule(), tmp_path / "rule.json")
    with pytest.raises(OutputError, match="exists already"):
        write_calibration(rule(), path, overwrite=False)


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set MEDKT_HOME elsewhere"):
        write_calibration(rule())


def test_a_number_that_json_has_not(tmp_path: Path) -> None:
    path = write_calibration(rule(), tmp_path / "rule.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "more": float("nan")}))
    with pytest.raises(InputError, match=r"is damaged \(Out of range float"):
        read_calibration(path)

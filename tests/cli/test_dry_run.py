"""`--dry-run`: everything is said and refused beforehand, nothing is computed and nothing is written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from whole_line import Command, Studies, files_below

from medkt.estimates import machine
from medkt.estimates.machine import Rates
from medkt.models.small.dual_encoder import SmallEncoder

OFF = ("--set", "presence.gate=false")


@pytest.fixture(autouse=True)
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 10 billion operations a second; and no image may go through an encoder."""

    def refused(*_: Any) -> Any:
        raise AssertionError("a dry run computed something")

    monkeypatch.setattr(SmallEncoder, "image_prefix", refused)
    monkeypatch.setattr(machine, "_measured", lambda *_: Rates(forward=1e10, back=1e10, half=2e10))


def planned(medkt: Command, *words: str | Path) -> dict[str, Any]:
    ran = medkt("segment", *words, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    plan: dict[str, Any] = json.loads(ran.out)
    return plan


def test_a_plan_says_what_is_looked_at_and_what_it_takes(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    study = studies["ct-nifti"]
    words = ("-i", study, "-c", "ct_nodule", "--modality", "ct", "-o", tmp_path / "out", *OFF)
    plan = planned(medkt, *words)
    (one,) = plan["studies"]
    assert one["shape"] == [5, 48, 40]
    assert one["maps"] == [one["planes_looked_at"]] * 2
    assert one["planes_looked_at"] <= one["planes"] == 5
    (group,) = one["groups"]
    assert group["maps_a_slice"] == 3  # the finding's, that of the nonsense text, that of the normal captions
    assert group["passes_at_most"]["after"] == 3 * 3 * 7 * one["planes_looked_at"]
    work = 286_261_248 * group["passes_at_most"]["after"] / 1e10
    assert work < one["seconds"]["maps"]["most"] < 1.5 * work
    assert plan["dry_run"] is True
    assert [model["name"] for model in plan["models"]] == ["small", "small"]
    assert plan["seconds"]["most"] >= one["seconds_in_all"]["most"]
    assert plan["memory_bytes"] > 100e6
    assert not (tmp_path / "out").exists()
    ran = medkt("segment", *words, "--dry-run")
    assert f"study {study}" in ran.out
    assert "presence.gate is off" in ran.out
    assert "ships with medkt" in ran.out
    assert "nothing is written" in ran.out
    assert files_below(tmp_path) == []


def test_with_the_gate_an_absent_finding_costs_less(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = ("-i", studies["ct-nifti"], "-p", "a small round nodule", "--modality", "ct", "-o", tmp_path / "out")
    (one,) = planned(medkt, *words)["studies"]
    assert one["maps"][0] == 0 < one["maps"][1]
    assert one["seconds_in_all"]["least"] < one["seconds_in_all"]["most"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-i", "{}/absent.nii.gz", "-c", "ct_nodule"), 2, "absent.nii.gz"),
        (("-i", "{}/cut.nii.gz", "-c", "ct_nodule"), 2, "cut.nii.gz"),
        (("-i", "{}/one.png", "-c", "cxr_nodule"), 3, "--modality"),
        (("-i", "{}/one.png", "-p", "xqzt wvbk", "--modality", "cxr"), 2, "xqzt wvbk"),
        (("-i", "{}/one.png", "-c", "ct_nodul", "--modality", "cxr"), 2, "ct_nodul"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "-m", "biomedclip"), 2, "models pull biomedclip"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "--segmenter", "medsam"), 2, "models pull medsam"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "--set", "m2ib.step=2"), 2, "m2ib.step"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "--window", "bone"), 2, "bone"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "-f", "dicom-seg"), 2, "one.png"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "--site", "nowhere"), 2, "nowhere"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "--reference", "{}/absent.png"), 2, "absent.png"),
        (("-i", "{}/one.png", "{}/absent.png", "-c", "cxr_nodule", "--modality", "cxr"), 4, "absent.png"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "-o", "{}/one.png/below"), 2, "cannot be written"),
        (("-i", "{}/one.png", "-c", "cxr_nodule", "--modality", "cxr", "-o", "{}/taken"), 2, "holds a result already"),
    ],
)  # fmt: skip
def test_what_a_run_would_refuse_is_refused(
    medkt: Command, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    rng = np.random.default_rng(1)
    Picture.fromarray(rng.integers(0, 255, (40, 56), dtype=np.uint8)).save(tmp_path / "one.png")
    (tmp_path / "cut.nii.gz").write_bytes(b"\x1f\x8b\x08\x00 cut")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "result.json").write_text("{}")
    before = files_below(tmp_path)
    words = tuple(word.format(tmp_path) for word in words)
    words = words if "-o" in words else (*words, "-o", str(tmp_path / "out"))
    ran = medkt("segment", *words, "--dry-run")
    assert ran.code == code, ran.err
    assert said in ran.err
    assert files_below(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_result_that_is_there_may_be_replaced(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    words = ("-i", studies["cxr-png"], "-c", "cxr_nodule", "--modality", "cxr", "-o", tmp_path, "--overwrite")
    assert planned(medkt, *words)["output_state"] == "is there"
    assert (tmp_path / "result.json").read_text() == "{}"


def test_a_study_that_does_not_fit_into_memory_is_noted(
    medkt: Command, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medkt.estimates.segment.free_memory", lambda: 1_000_000)
    words = ("-i", studies["cxr-png"], "-c", "cxr_nodule", "--modality", "cxr", "-o", tmp_path / "out")
    assert "1.0 MB are free here" in planned(medkt, *words)["notes"][0]


def test_without_a_place_for_results(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    """A plan needs none, of one study or several; the work does, and then of every such command."""
    words = ("-i", studies["cxr-png"], "-c", "cxr_nodule", "--modality", "cxr")
    plan = planned(medkt, *words)
    assert (plan["output"], plan["output_state"]) == (None, "")
    assert "output " not in medkt("segment", *words, "--dry-run").out
    several = ("-i", studies["cxr-png"], studies["dx"], "-c", "cxr_nodule", "--modality", "cxr", "--keep-names")
    assert len(planned(medkt, *several)["studies"]) == 2
    ran = medkt("learn", "us_phyllodes", "--dry-run", "--json", "--cache", tmp_path)
    assert (ran.code, json.loads(ran.out)["output"]) == (0, None), ran.err
    assert medkt("learn", "us_phyllodes", "--dry-run", "-o", tmp_path).code == 2
    others = {"explain": words, "invert": ("-c", "us_cyst"), "segment": words, "learn": ("us_phyllodes",)}
    for name in ("explain", "invert"):
        assert medkt(name, *others[name], "--dry-run").code == 0
    for name, asked in others.items():
        ran = medkt(name, *asked)
        assert (ran.code, "say where the results go: -o " in ran.err) == (2, True), ran.err
    assert files_below(tmp_path) == []


def test_a_run_says_beforehand_how_long_it_takes_and_keeps_silent_with_q(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    words = ("segment", "-i", studies["cxr-png"], "-p", "a bright spot", "--modality", "cxr")
    said = medkt(*words, "-o", tmp_path / "one").err
    assert "1 of 1 planes looked at, 0 to 1 mapped; how long it takes is known after the first slice" in said
    assert medkt(*words, "-o", tmp_path / "two", "-q").err == ""

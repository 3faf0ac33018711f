"""The guard is on where nothing is said, off where the user says so, and the record tells which."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from whole_line import QUICK

from medkt.cli.fill import filled
from medkt.cli.main import main
from medkt.cli.segment import configure
from medkt.phantom.drawers import DRAWERS
from medkt.pipeline import Pipeline
from medkt.requests.models import is_guarded
from medkt.requests.segment import SegmentRequest


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    """A drawn chest with an effusion, as a picture."""
    plane = DRAWERS["cxr"].draw_plane("cxr_effusion", np.random.default_rng(8), side=128).plane
    Picture.fromarray(np.rint(plane * 255).astype(np.uint8)).save(tmp_path / "chest.png")
    return tmp_path / "chest.png"


def segmented(study: Path, modality: str, *options: str) -> Any:
    out = study.parent / "out"
    concept = {"cxr": "cxr_effusion", "ultrasound": "us_carcinoma"}[modality]
    words = [
        "-c",
        concept,
        "--modality",
        modality,
        "--set",
        "presence.threshold=0.0",
        "--set",
        "presence.weak=0.0",
        *QUICK,
    ]
    assert main(["segment", "-i", str(study), "-o", str(out), "--overwrite", "-q", *words, *options]) == 0
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


def test_a_radiograph_read_as_ultrasound_gets_no_claim(radiograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = segmented(radiograph, "ultrasound")
    (finding,) = record["findings"]
    assert finding["decision"] == "no claim"
    assert finding["no_claim"][0]["sentence"].startswith("this does not look like a breast ultrasound: it ")
    assert {one["code"] for one in finding["no_claim"]} >= {"like-another"}
    assert all(one["figures"] for one in finding["no_claim"])
    assert record["guard"].startswith("modality guard: ")
    assert "no claim: this does not look like a breast ultrasound" in capsys.readouterr().out


def test_without_the_guard_it_is_answered_and_the_record_says_so(radiograph: Path) -> None:
    record = segmented(radiograph, "ultrasound", "--no-guard")
    assert record["guard"] is None
    assert record["findings"][0]["decision"] == "seen"


def test_a_radiograph_is_answered(radiograph: Path) -> None:
    assert segmented(radiograph, "cxr")["findings"][0]["decision"] == "seen"


def test_every_door_has_it() -> None:
    assert Pipeline.load("small", device="cpu").guard is not None
    assert Pipeline.load("small", device="cpu", guarded=False).guard is None


@pytest.mark.parametrize(
    ("options", "guarded"), [([], True), (["--no-guard"], False), (["--as-published", "m2ib"], False)]
)
def test_a_published_way_holds_nothing_back(options: list[str], guarded: bool) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    arguments = parser.parse_args(["-i", "x", "-o", "y", "-p", "a bright spot", *options])
    assert is_guarded(filled(SegmentRequest, arguments)) is guarded

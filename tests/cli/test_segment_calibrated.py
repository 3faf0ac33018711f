"""`medkt segment --site`: the site's calibration decides, with the shipped small model; where there is none, it is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from whole_line import BRIGHT, QUICK, Command

from medkt.datasets import Case, write_manifest
from medkt.phantom.study import write_study

SIDE = 64
ULTRASOUND = ("--modality", "ultrasound")
CYST = ("-c", "us_cyst", *ULTRASOUND, *QUICK)


def plane(folder: Path, finding: str, seed: int) -> Path:
    return write_study(
        folder / f"{finding}{seed}", domain="ultrasound", finding=finding, seed=seed, format="png", side=SIDE
    )


def record_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The only finding of a result, and what it says of the calibration."""
    (finding,) = json.loads((folder / "result.json").read_text(encoding="utf-8"))["findings"]
    return finding, finding["calibration"]


def calibrated(medkt: Command, folder: Path, *, findings: int = 0) -> None:
    cases = [
        Case(case_id=f"c{kind}{seed}", image=plane(folder, kind, seed), modality="ultrasound", present=bool(kind))
        for kind, number in (("", 25), ("us_cyst", findings))
        for seed in range(number)
    ]
    listed = write_manifest(cases, folder / "normals.csv")
    ran = medkt("calibrate", "us_cyst", "-m", listed, "--site", "ward", "-q")
    assert ran.code == 0, ran.err


def test_a_site_decides_on_a_normal_a_finding_and_an_unlike_study(medkt: Command, tmp_path: Path) -> None:
    calibrated(medkt, tmp_path, findings=10)
    inverted = tmp_path / "inverted.png"
    with Picture.open(plane(tmp_path, "", 0)) as shown:
        Picture.fromarray(255 - np.asarray(shown.convert("L"))).save(inverted)
    studies = {
        "normal": (plane(tmp_path, "", 3), "not seen", "absent"),
        "cyst": (plane(tmp_path, "us_cyst", 40), "seen", "present"),
        "inverted": (inverted, "no claim", "abstain"),
    }
    for name, (study, decision, outcome) in studies.items():
        ran = medkt("segment", "-i", study, "-o", tmp_path / name, *CYST, "--site", "ward")
        assert ran.code == 0, ran.err
        finding, rule = record_of(tmp_path / name)
        assert (finding["decision"], rule["outcome"], rule["site"]) == (decision, outcome, "ward"), finding["reason"]
        assert (finding["measures"]["mask_voxels"] > 0) is finding["present"] is (outcome == "present")
        assert 0 < rule["p_value"] <= 1
        assert (rule["calibration_normals"], rule["calibration_findings"]) == (25, 10)
        assert (rule["probability"] is None) is bool(rule["unlike"]) is (outcome == "abstain")
        assert f"{decision}{': ' if outcome == 'abstain' else ' (score'}" in ran.out
        page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert "calibration of site ward (25 normals" in " ".join(page.split())
        assert ("probability" in page) is (outcome != "abstain")
        assert decision in page


def test_without_the_option_nothing_changes(medkt: Command, bright: None, tmp_path: Path) -> None:
    assert (
        medkt("segment", "-i", plane(tmp_path, "", 0), "-o", tmp_path / "out", *BRIGHT, *ULTRASOUND, *QUICK).code == 0
    )
    finding, rule = record_of(tmp_path / "out")
    assert rule is None
    assert finding["decision"] in ("seen", "not seen")
    assert "calibration of site" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_there_is_no_calibration_for_is_said(medkt: Command, tmp_path: Path) -> None:
    calibrated(medkt, tmp_path)
    asked = ("segment", "-i", plane(tmp_path, "", 0), "-o", tmp_path / "out", *CYST)
    other = medkt(*asked, "--site", "clinic")
    assert other.code == 2
    assert "--site clinic: no calibration for us_cyst (ultrasound) with the model small" in other.err
    assert "`medkt calibrate us_cyst -m NORMALS.csv --site clinic`" in other.err
    settings = medkt(*asked, "--site", "ward", "--set", "presence.rule=cosine")
    assert settings.code == 2
    assert "(one of this concept differs in: settings)" in settings.err
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-c", "us_cyst", "--site", "ward", "--set", "presence.gate=false"), "with presence.gate=false"),
        (("-c", "us_cyst", "--site", "../up"), "a site's name has 1 to 64 letters"),
    ],
)
def test_what_does_not_go_with_a_site(
    medkt: Command, bright: None, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ran = medkt("segment", "-i", plane(tmp_path, "", 0), "-o", tmp_path / "out", *ULTRASOUND, *options)
    assert ran.code == 2
    assert said in ran.err

"""A calibration of a learnt concept: one of the weights that were taught, which the base as it was loaded does not share."""

import json
from pathlib import Path
from typing import Any

import pytest
from whole_line import QUICK, Command

from medkt.datasets import Case, write_manifest
from medkt.phantom.study import write_study

from .inline_engine import inline
from .small_package import write_small_package

__all__ = ["inline"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("inline")]

WARD = ("--site", "ward")
SHOWN = ("--modality", "ultrasound", *QUICK)


def plane(folder: Path, finding: str, seed: int) -> Path:
    return write_study(
        folder / f"{finding}{seed}", domain="ultrasound", finding=finding, seed=seed, format="png", side=64
    )


@pytest.fixture
def normals(tmp_path: Path) -> Path:
    cases = [Case(case_id=f"n{seed}", image=plane(tmp_path, "", seed), modality="ultrasound") for seed in range(21)]
    return write_manifest(cases, tmp_path / "normals.csv")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_small_package(tmp_path / "us_cyst.medkt")


def finding_of(folder: Path) -> dict[str, Any]:
    (finding,) = json.loads((folder / "result.json").read_text(encoding="utf-8"))["findings"]
    assert isinstance(finding, dict)
    return finding


def test_what_was_taught_has_a_calibration_of_its_own(
    medkt: Command, normals: Path, package: Path, tmp_path: Path
) -> None:
    study = plane(tmp_path, "us_cyst", 40)
    asked = ("segment", "-i", study, *SHOWN, *WARD)
    refused = medkt(*asked, "-c", package, "-o", tmp_path / "none")
    assert refused.code == 2
    assert "no calibration for us_cyst (ultrasound) with the model small as it was taught" in refused.err
    assert "`medkt calibrate us_cyst.medkt -m NORMALS.csv --site ward`" in refused.err

    assert medkt("calibrate", package, "-m", normals, *WARD, "-q").code == 0
    base = medkt(*asked, "-c", "us_cyst", "-o", tmp_path / "base")
    assert base.code == 2
    assert "with the model small as it was loaded" in base.err
    assert medkt("calibrate", package, "--base", "-m", normals, *WARD, "-q").code == 0
    for name, one in (("taught", package), ("base", "us_cyst")):
        ran = medkt(*asked, "-c", one, "-o", tmp_path / name, "--overwrite")
        assert ran.code == 0, ran.err
    taught, loaded = finding_of(tmp_path / "taught"), finding_of(tmp_path / "base")
    assert taught["calibration"]["site"] == loaded["calibration"]["site"] == "ward"
    assert taught["score"] != loaded["score"]


def test_taught_together_with_others_it_is_the_same_calibration(
    medkt: Command, normals: Path, package: Path, tmp_path: Path
) -> None:
    """Whether an encoder is a copy or the base with the difference laid over it, its weights have one digest."""
    other = write_small_package(tmp_path / "solid.medkt", "us_fibroadenoma", seed=1)
    for one in (package, other):
        assert medkt("calibrate", one, "-m", normals, *WARD, "-q").code == 0
    ran = medkt("segment", "-i", plane(tmp_path, "", 3), "-c", package, other, *SHOWN, *WARD, "-o", tmp_path / "both")
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "both" / "result.json").read_text(encoding="utf-8"))["findings"]
    assert [one["calibration"]["calibration_normals"] for one in found] == [21, 21]
    summed = medkt(
        "segment", "-i", plane(tmp_path, "", 3), "-c", package, other, "--together", *SHOWN, *WARD, "-o", tmp_path / "sum"
    )  # fmt: skip
    assert summed.code == 2  # the sum of the two is another model
    assert "as it was taught" in summed.err


def test_a_cohort_decides_what_was_taught_by_it(medkt: Command, normals: Path, package: Path, tmp_path: Path) -> None:
    cohort = write_manifest(
        [Case(case_id="one", image=plane(tmp_path, "us_cyst", 40), modality="ultrasound")], tmp_path / "cohort.csv"
    )
    words = ("batch", "--manifest", cohort, "-c", package, "-o", tmp_path / "run", "--keep-ids", "-q", *WARD, *QUICK)
    refused = medkt(*words)
    assert refused.code == 2
    assert "medkt calibrate us_cyst.medkt" in refused.err
    assert medkt("calibrate", package, "-m", normals, *WARD, "-q").code == 0
    ran = medkt(*words)
    assert ran.code == 0, ran.err
    assert finding_of(tmp_path / "run" / "cases" / "one")["calibration"]["site"] == "ward"


def test_what_is_refused(medkt: Command, normals: Path, package: Path, tmp_path: Path) -> None:
    plain = medkt("calibrate", "us_cyst", "--base", "-m", normals)
    assert (plain.code, "--base goes with a .medkt file" in plain.err) == (2, True)
    other = write_small_package(tmp_path / "solid.medkt", "us_fibroadenoma", seed=1)
    assert medkt("concept", "compose", package, other, "-o", tmp_path / "two.medkt").code == 0
    several = medkt("calibrate", tmp_path / "two.medkt", "-m", normals)
    assert several.code == 2
    assert "holds several concepts (us_cyst, us_fibroadenoma); give the file of one" in several.err

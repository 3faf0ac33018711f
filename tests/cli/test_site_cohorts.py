"""`--site` in cohorts, with the shipped small model: the site's calibration decides, and a run never mixes two of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calibration.studies import study
from whole_line import QUICK, Command

from medkt.calibration import calibrate as make_calibration
from medkt.calibration import scoring_key, write_calibration
from medkt.concepts import load_concept
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.domains import domain
from medkt.models.registry import load_encoder
from medkt.phantom.study import reference_path, write_study

from .inline_engine import inline

__all__ = ["inline"]
pytestmark = pytest.mark.usefixtures("inline")

FEW = ("--resamples", "200")


def plane(folder: Path, finding: str, seed: int) -> Path:
    return write_study(
        folder / f"{finding}{seed}", domain="ultrasound", finding=finding, seed=seed, format="png", side=64
    )


def calibrate(*, highest: float) -> None:
    """What `medkt calibrate` would keep for the site "ward", from made-up scores: 19 normals and 10 findings."""
    encoder, concept, kind = (
        load_encoder("small", device=torch.device("cpu")),
        load_concept("us_cyst"),
        domain("ultrasound"),
    )
    key = scoring_key(encoder, concept, kind)
    normals = [study(float(score)) for score in np.linspace(0.0, highest, 19)]
    findings = [study(float(score)) for score in np.linspace(highest, 1.0, 10)]
    write_calibration(make_calibration(key, normals, findings, site="ward", made="2000-01-01"))


def cohort(folder: Path) -> Path:
    """A normal study and one with a cyst, with references, and one that is said to be of another modality."""
    cases = [
        Case(
            case_id=name, image=plane(folder, kind, seed), modality="ultrasound", concept="us_cyst", present=bool(kind),
            references=(reference_path(plane(folder, kind, seed)),) if kind else (),
            reference_kind="mask" if kind else "empty",
        )
        for name, kind, seed in (("normal", "", 3), ("cyst", "us_cyst", 40))
    ]  # fmt: skip
    odd = Case(
        case_id="odd", image=cases[0].image, modality="mri", concept="us_cyst", reference_kind="empty", present=False
    )
    return write_manifest([*cases, odd], folder / "cohort.csv")


def rows_of(run: Path) -> dict[str, dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


def record_of(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def test_a_site_decides_in_a_cohort(medkt: Command, tmp_path: Path) -> None:
    calibrate(highest=0.4)
    run = tmp_path / "run"
    words = ("--manifest", cohort(tmp_path), "-o", run, "--keep-ids", "-q", *QUICK)
    ran = medkt("evaluate", *words, "--site", "ward", *FEW)
    assert ran.code == 4, ran.err  # the odd one failed, and nothing else
    rows = rows_of(run)
    assert (rows["odd"]["status"], rows["odd"]["failure"]) == ("failed", "unsupported")
    assert [(rows[name]["decision"], rows[name]["present"]) for name in ("normal", "cyst")] == [
        ("not seen", "false"), ("seen", "true"),
    ]  # fmt: skip
    for name in ("normal", "cyst"):
        (finding,) = record_of(run / "cases" / name / "result.json")["findings"]
        assert finding["calibration"]["site"] == "ward"
        assert float(rows[name]["p_value"]) == pytest.approx(finding["calibration"]["p_value"])
        assert float(rows[name]["probability"]) == pytest.approx(finding["calibration"]["probability"])
    said = record_of(run / "run.json")
    assert said["identity"]["site"] == "ward"
    (concept, digest), *none = said["models"]["calibrations"].items()
    assert (concept, len(digest), none) == ("us_cyst (ultrasound)", 64, [])
    assert medkt("report", run, *FEW).code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "calibrations of site ward" in page
    assert digest in page

    other = medkt("evaluate", *words, *FEW)  # by the threshold of the settings
    assert other.code == 2
    assert 'site: "ward" in the run, null now' in other.err
    assert medkt("batch", "retry", run).code == 0
    calibrate(highest=0.3)
    mixed = medkt("evaluate", *words, "--site", "ward", *FEW)
    assert mixed.code == 2
    assert "calibrations.us_cyst (ultrasound): " in mixed.err
    assert rows_of(run) == rows


def test_what_there_is_no_calibration_for_ends_the_run(medkt: Command, tmp_path: Path) -> None:
    words = ("batch", "--manifest", cohort(tmp_path), "-o", tmp_path / "run", "--keep-ids", "-q", *QUICK)
    ran = medkt(*words, "--site", "clinic")
    assert ran.code == 2
    assert "--site clinic: no calibration for us_cyst (ultrasound) with the model small" in ran.err
    assert "`medkt calibrate us_cyst -m NORMALS.csv --site clinic`" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--site", "ward", "--set", "presence.gate=false"), "with presence.gate=false"),
        (("--site", "../up"), "a site's name has 1 to 64 letters"),
    ],
)
def test_what_does_not_go_with_a_site(medkt: Command, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    ran = medkt("batch", "--manifest", cohort(tmp_path), "-o", tmp_path / "run", "-q", *options)
    assert ran.code == 2
    assert says in ran.err


def test_masks_that_are_there_need_no_site(medkt: Command, tmp_path: Path) -> None:
    ran = medkt("evaluate", "--reference", tmp_path, "--prediction", tmp_path, "-o", tmp_path / "run", "--site", "ward")
    assert ran.code == 2
    assert "need no words, no package and no site" in ran.err

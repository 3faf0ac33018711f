"""`medkt calibrate`: a manifest of normals in, a decision rule for this site out; every mistake is said before the scoring."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from segmentation.bright_spots import BrightSpots
from whole_line import Command

import medkt.models.registry
from medkt.calibration import calibration_path, find_calibration, read_calibration, scoring_key
from medkt.cli.main import COMMANDS
from medkt.concepts import load_concept
from medkt.datasets import Case, write_manifest
from medkt.domains import domain
from medkt.segmentation.presence import PresenceSettings

HEADER = "case_id,image,patient_id,present\n"
NAME = "PLANTED-NAME"
COSINE = ("--set", "presence.rule=cosine")  # softmax scores of the plain encoder are all 1


@pytest.fixture(autouse=True)
def plain_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "calibrate", ("medkt.cli.calibrate", "decide presence with a stated error rate"))
    monkeypatch.setattr(medkt.models.registry, "load_encoder", lambda name, device: BrightSpots())


def manifest(folder: Path, name: str, *, normals: int = 0, findings: int = 0, present: bool | None = None) -> Path:
    """Small films; with the finding they have a bright corner. `present` None says nothing of normals."""
    folder.mkdir(exist_ok=True)
    cases = []
    for number in range(normals + findings):
        there = number >= normals
        rng = np.random.default_rng([number, len(name)])
        film = 60 + rng.gamma(2.0, 15.0, (24, 20))
        film[2:8, 2:8] += 150 * there
        path = folder / f"{NAME}-{name}-{number}.png"
        Picture.fromarray(np.clip(film, 0, 255).astype(np.uint8)).save(path)
        said = there if present is None and findings and normals else present
        cases.append(Case(case_id=f"{name}-{number}", image=path, modality="cxr", present=said))
    return write_manifest(cases, folder / f"{name}.csv")


def test_normals_alone(medkt: Command, tmp_path: Path) -> None:
    listed = manifest(tmp_path, "normals", normals=25)
    ran = medkt("calibrate", "cxr_nodule", *COSINE, "-m", listed)
    assert ran.code == 0, ran.err
    key = scoring_key(
        BrightSpots(), load_concept("cxr_nodule"), domain("cxr"), settings=PresenceSettings(rule="cosine")
    )
    found = find_calibration(key)
    assert found is not None
    assert found.normals.count == 25
    assert "from 25 normals and 0 studies with the finding" in ran.out
    assert "no rate of misses promised" in ran.out
    assert str(calibration_path(key)) in ran.out
    assert "note: the rate of 0.05 is the average over calibrations with 25 normals" in ran.err
    assert "note: of --manifest 25 of 25 studies name no patient but their own case, so each counts as one" in ran.err
    again = medkt("calibrate", "cxr_nodule", *COSINE, "-m", listed)
    assert (again.code, "exists already; say --overwrite" in again.err) == (2, True)
    assert medkt("calibrate", "cxr_nodule", *COSINE, "-m", listed, "--overwrite", "--site", "other", "-q").err == ""


def test_with_findings_a_second_sample_a_picture_and_json(medkt: Command, tmp_path: Path) -> None:
    ran = medkt(
        "calibrate", "cxr_nodule", *COSINE, "-m", manifest(tmp_path, "normals", normals=24),
        "-p", manifest(tmp_path, "positives", findings=22, present=True),
        "--check", manifest(tmp_path, "second", normals=6, findings=5),
        "-o", tmp_path / "rule.json", "--figure", tmp_path / "rule.png", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert (said["normals"], said["findings"], said["promises_misses"]) == (24, 22, True)
    assert said["assessment"]["check"]["normal"]["studies"] == 6
    assert said["assessment"]["risk_coverage"]["coverage"][-1] == 1.0
    assert 0 <= said["assessment"]["probabilities"]["numbers"]["ece"] <= 1
    assert read_calibration(tmp_path / "rule.json").present_above == said["present_above"]
    assert (tmp_path / "rule.png").read_bytes().startswith(b"\x89PNG")
    assert NAME not in ran.out + (tmp_path / "rule.json").read_text()
    assert "normals-0" not in (tmp_path / "rule.json").read_text()


def test_one_labelled_manifest_is_enough(medkt: Command, tmp_path: Path) -> None:
    ran = medkt(
        "calibrate",
        "cxr_nodule",
        *COSINE,
        "-m",
        manifest(tmp_path, "both", normals=20, findings=10),
        "-o",
        tmp_path / "a.json",
    )
    assert "from 20 normals and 10 studies with the finding" in ran.out


def test_copies_of_one_film_count_once(medkt: Command, tmp_path: Path) -> None:
    """Nineteen copies promised what nineteen films do; and enough films beside copies say how many count for nothing."""
    listed = manifest(tmp_path, "normals", normals=20)
    head, *rows = listed.read_text().splitlines()
    image = head.split(",").index("image")
    cells = [row.split(",") for row in rows]

    def written(name: str, images: list[str]) -> Path:
        lines = [",".join([f"c{k}", *one[1:image], path, *one[image + 1 :]]) for k, (one, path) in enumerate(images)]
        (tmp_path / name).write_text("\n".join([head, *lines]) + "\n")
        return tmp_path / name

    one = cells[0][image]
    copies = written("copies.csv", [(row, one) for row in cells[:19]])
    ran = medkt("calibrate", "cxr_nodule", *COSINE, "-m", copies, "-o", tmp_path / "a.json")
    assert ran.code == 2
    assert "18 studies repeat another one's voxels and count for nothing" in ran.err
    assert "takes at least 19 scores, got 1" in ran.err
    more = written("more.csv", [*((row, row[image]) for row in cells), *((cells[0], one) for _ in range(3))])
    said = medkt("calibrate", "cxr_nodule", *COSINE, "-m", more, "-o", tmp_path / "b.json", "--check", listed)
    assert said.code == 2  # --check has no column present
    said = medkt("calibrate", "cxr_nodule", *COSINE, "-m", more, "-o", tmp_path / "b.json")
    assert "from 20 normals" in said.out
    assert "note: 3 studies repeat another one's voxels" in said.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-m", "few.csv"), "a rate of 0.05 takes at least 19 scores, got 5"),
        (("-m", "few.csv", "--false-positive-rate", "2"), "false_positive_rate lies between 0 and 1"),
        (("-m", "some.csv"), "column present: 1 studies say nothing and the others do, case 'b' for one"),
        (("-m", "ok.csv", "-p", "ok.csv"), "column present: 0 for case 'a0'; --positives are studies with the finding"),
        (("-m", "ok.csv", "--check", "few.csv"), "column present: nothing for case 'few-0'"),
        (("-m", "outlined.csv"), "19 studies have a reference that may outline the finding, case 'a0' for one"),
        (
            ("-m", "ok.csv", "-p", "nothing.csv"),
            "column present: 0 for case 'b'; --positives are studies with the finding",
        ),
        (
            ("-m", "others.csv"),
            "case 'b': column present speaks of 'pneumothorax', the row's concept, and not of cxr_nodule",
        ),
        (("-m", "ok.csv", "-o", "none/rule.json"), "the folder to write into does not exist"),
        (("-m", "ok.csv", "--site", "../up"), "a site's name has 1 to 64 letters"),
    ],
)
def test_mistakes(
    medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    manifest(tmp_path, "few", normals=5)
    image = f"{NAME}-few-0.png"
    (tmp_path / "some.csv").write_text(f"{HEADER}a,{image},,0\nb,{image},,\n")
    (tmp_path / "ok.csv").write_text(HEADER + "".join(f"a{k},{image},,0\n" for k in range(19)))
    outlined = "".join(f"a{k},{image},{image}\n" for k in range(19))  # the cases of an evaluation
    (tmp_path / "outlined.csv").write_text(f"case_id,image,reference\n{outlined}")
    (tmp_path / "nothing.csv").write_text(f"case_id,image,reference_kind\nb,{image},empty\n")
    rows = "".join(f"a{k},{image},0,lung nodule\n" for k in range(19))
    (tmp_path / "others.csv").write_text(f"case_id,image,present,concept\n{rows}b,{image},1,pneumothorax\n")
    monkeypatch.chdir(tmp_path)
    ran = medkt("calibrate", "cxr_nodule", *options, "--modality", "cxr")
    assert ran.code == 2
    assert said in ran.err

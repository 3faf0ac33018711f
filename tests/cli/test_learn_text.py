"""`medkt learn --how text`, and its package at every door."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.asking.pictures import PictureCounts
from medkt.cli.main import main
from medkt.concepts import load_concept, read_package
from medkt.domains import domain
from medkt.models.small import load_small
from medkt.phantom.drawers import draw_normal
from medkt.phantom.study import write_study
from medkt.pipeline.studies import StudyFolder
from medkt.requests.learn_text import drawn_notes

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.audit.exam.COUNTS", PictureCounts(finding=6, others=6, normal=4, known=1))
    monkeypatch.setattr("medkt.asking.choice.COUNTS", PictureCounts(finding=3, others=3, normal=2, known=0))
    monkeypatch.setattr("medkt.asking.calibration.COUNTS", PictureCounts(finding=0, others=0, normal=20, known=2))


def normals(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        plane = draw_normal("ultrasound", np.random.default_rng((3, n)), side=96)
        Picture.fromarray(np.rint(plane * 255).astype(np.uint8)).save(folder / f"somebody_{n}.png")
    return folder


def test_a_package_is_used_at_every_door(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, study = tmp_path / "phyllodes.medkt", tmp_path / "study"
    assert main(["learn", "us_phyllodes", "--how", "text", "-o", str(target), "--keep-anyway", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["recipe"]["how"] == "text"
    assert record["bytes"] == target.stat().st_size < 100_000
    assert record["asking"]["bias"] == read_package(target).learnt[0].asking.bias  # type: ignore[union-attr]
    assert [one.name for one in tmp_path.iterdir()] == [target.name]  # nothing beside it
    path = write_study(study, domain="ultrasound", finding="us_phyllodes", seed=1, format="png", side=128)
    asked = ["-i", str(path), "--modality", "ultrasound", "-c", str(target)]
    assert main(["segment", *asked, "-o", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["findings"][0]["reason"].startswith("us_phyllodes: lead score ")
    assert result["models"]["encoder"]["taught"][0]["ways"] == {"us_phyllodes": record["asking"]["way"]}
    assert main(["classify", *asked, "-c", "us_cyst", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["learnt"] is True
    assert main(["concept", "show", str(target)]) == 0
    shown = json.loads(capsys.readouterr().out)["learnt"][0]
    assert (shown["weights_bytes"], shown["asking"]) == (0, record["asking"])
    assert main(["concept", "verify", str(target)]) == 0
    assert record["words_carried"]["line"] in capsys.readouterr().out
    (tmp_path / "cases.csv").write_text(f"case_id,image,modality\na,{path.relative_to(tmp_path)},ultrasound\n")
    cohort = [
        "--manifest",
        str(tmp_path / "cases.csv"),
        "-c",
        str(target),
        "-o",
        str(tmp_path / "run"),
        "--workers",
        "1",
    ]
    assert main(["batch", *cohort]) == 0
    of_case = json.loads(next((tmp_path / "run" / "cases").glob("*/result.json")).read_text())
    assert of_case["findings"][0]["score"] == result["findings"][0]["score"]


def test_the_lead_is_set_on_the_users_studies_of_which_counts_and_digests_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = normals(tmp_path / "normals_of_somebody", 20), tmp_path / "a.medkt"
    (tmp_path / "mixed.csv").write_text(
        "case_id,image\n" + "".join(f"c{n},normals_of_somebody/somebody_{n}.png\n" for n in range(5))
    )
    options = ["--normals", str(folder), "--rehearse", str(tmp_path / "mixed.csv"), "--audit", "none"]
    assert main(["learn", "us_phyllodes", "--how", "text", "-o", str(target), *options]) == 0
    said = capsys.readouterr().out
    assert "20 normal studies (of the user's; " in said
    assert "5 studies without labels (of the user's; " in said
    asking = read_package(target).learnt[0].asking
    assert asking is not None
    assert {name: found["studies"] for name, found in asking.set_on.items() if name != "rule"} == {
        "normals": 20,
        "unlabelled": 5,
    }
    assert b"somebody" not in target.read_bytes()


def test_a_plan_loads_nothing_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = normals(tmp_path / "normals", 3)
    arguments = ["learn", "us_phyllodes", "--how", "text", "--normals", str(folder), "-o", str(tmp_path / "a.medkt")]
    assert main([*arguments, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["dry_run"], plan["lead set on"]) == (True, "3 normals of the user's")
    assert main([*arguments, "--dry-run"]) == 0
    assert "nothing is trained" in capsys.readouterr().out
    assert not (tmp_path / "a.medkt").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "3"], "--how text trains nothing, so that --seeds means nothing"),
        (["--preset", "quick"], "--how text and the preset quick, which teaches by images, do not go together"),
        (["--delta", "full"], "--delta means nothing"),
        (["--set", "images=2"], "--set means nothing"),
        (["--second", "small"], "--second means nothing"),
        (["--max-forgetting", "0.1"], "--max-forgetting means nothing"),
        (["--normals", "{}/none"], "is no folder of studies and no manifest"),
    ],
)
def test_what_means_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    filled = [one.format(tmp_path) for one in options]
    assert main(["learn", "us_phyllodes", "--how", "text", "-o", str(tmp_path / "a.medkt"), *filled]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_not_carried_has_an_exit_code_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "brain.yaml"
    words.write_text(
        "version: 1\nmodality: ultrasound\nlicence: CC-BY-4.0\nauthor: a test\nsources: {own: our own description}\nconcepts:\n"
        "  - id: odd\n    name: oddity\n    source: [own]\n    captions: {inversion: [a round hyperintense lesion deep in the white matter of the brain], "
        "prompt: [an oddity]}\n"
    )
    assert main(["learn", str(words), "--how", "text", "-o", str(tmp_path / "a.medkt")]) == 6
    assert "of another modality or part of the body" in capsys.readouterr().err
    assert main(["learn", str(words), "--how", "text", "-o", str(tmp_path / "a.medkt"), "--json"]) == 6
    assert json.loads(capsys.readouterr().out)["words_carried"]["answer"] == "no"
    assert not (tmp_path / "a.medkt").exists()


def test_another_model_than_the_demonstration_is_told_that_drawn_pictures_are_not_its_own(tmp_path: Path) -> None:
    spec = load_small().spec
    folder = StudyFolder.of(normals(tmp_path / "normals", 2), domain("ultrasound"), load_concept("us_phyllodes"))
    (note,) = drawn_notes(replace(spec, name="biomedclip", drawn=False), {})
    assert note.startswith("biomedclip was not made for drawn pictures")
    assert drawn_notes(replace(spec, drawn=False), {"normals": folder}) == []
    assert drawn_notes(spec, {}) == []

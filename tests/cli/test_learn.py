import json
from pathlib import Path

import pytest

from medkt.about import DEMONSTRATION
from medkt.audit.exam import PictureCounts
from medkt.cli.main import main
from medkt.phantom.study import write_study

QUICK = [
    "--set", "inversion.steps=2", "--set", "judged_with.steps=2", "--set", "rehearsed_with.steps=2", "--set", "images=2", "--set", "rehearsal_images=1",
    "--set", "validation_images=1", "--set", "views=1", "--set", "pictured=0.0", "--set", "finetune.steps=2",
    "--set", "finetune.learning_rate=0.001", "--set", "choose=false",
    # 32 bits: where a processor has no arithmetic of 16 bits that takes ten times as long and tests nothing else
    "--set", "inversion.dtype=float32", "--set", "judged_with.dtype=float32", "--set", "rehearsed_with.dtype=float32",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "inversions"))


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.audit.exam.COUNTS", PictureCounts(finding=3, others=3, normal=2, known=1))
    monkeypatch.setattr("medkt.asking.choice.COUNTS", PictureCounts(finding=2, others=2, normal=2, known=0))
    monkeypatch.setattr("medkt.asking.calibration.COUNTS", PictureCounts(finding=0, others=0, normal=3, known=1))


@pytest.mark.slow
def test_a_concept_becomes_a_package_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "phyllodes.medkt"
    assert main(["learn", "us_phyllodes", "-o", str(target), *QUICK, "--keep-anyway", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["bytes"] == target.stat().st_size < 5_000_000
    assert record["words_carried"]["line"].startswith("words carried: ")
    assert record["audit"]["words carried"] == record["words_carried"]
    page = (tmp_path / "phyllodes.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 2
    assert DEMONSTRATION in page
    study = write_study(tmp_path / "study", domain="ultrasound", finding="us_cyst", seed=1, format="png", side=64)
    assert main(["classify", "-i", str(study), "--modality", "ultrasound", "-c", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["demonstration"] == DEMONSTRATION  # what was taught to it is one still
    assert main(["concept", "verify", str(target)]) == 0
    assert f"us_phyllodes: {record['words_carried']['line']}" in capsys.readouterr().out
    assert main(["concept", "show", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["learnt"][0]["words_carried"].startswith(record["words_carried"]["line"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["us_phyllodes", "-o", "{}/x.zip"], "a package's name ends in .medkt"),
        (["us_phyllodes", "-o", "{}/none/x.medkt"], "no such folder"),
        (["us_phyllodes", "-o", "{}"], "/NAME.medkt"),
        (["us_phyllodes", "-o", "."], " .: is a folder, and a package is a file; give -o NAME.medkt"),
        (["us_phyllodes", "-o", ".."], " ..: is a folder, and a package is a file; give -o ../NAME.medkt"),
        (["us_phyllodes", "-o", "{}/.medkt"], "/NAME.medkt"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--seeds", "0"], "--seeds is 1 or more"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--max-forgetting", "2"], "a share from 0 to 1"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--max-forgetting", "0.1", "--audit", "none"], "needs an audit"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--preset", "slow"], "no learn preset 'slow'; known: fast, kt-code"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--set", "imges=3"], "unknown setting imges"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--set", "inversion.steps=no"], "inversion.steps expects int"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--modality", "ct"], "is a finding of ultrasound, not of ct"),
        (["us_phylodes", "-o", "{}/x.medkt"], "us_phyllodes"),
        (["{}/absent.yaml", "-o", "{}/x.medkt"], "absent.yaml"),
        (["us_phyllodes", "-o", "{}/x.medkt", "--model", "biggest"], "biggest"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert main(["learn", *(word.format(folder) for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(folder.iterdir())


def test_a_package_that_is_there_is_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.medkt").write_bytes(b"mine")
    assert main(["learn", "us_phyllodes", "-o", str(tmp_path / "x.medkt")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "x.medkt").read_bytes() == b"mine"


PARKING = """version: 1
modality: ultrasound
licence: CC-BY-4.0
author: a test
sources: {own: "our own description"}
concepts:
  - id: us_levy
    name: Ostrand levy
    source: [own]
    captions: {prompt: ["an ultrasound of an Ostrand levy"], inversion: ["TEXT"]}
"""


def write_words(path: Path, text: str) -> Path:
    path.write_text(PARKING.replace("TEXT", text), encoding="utf-8")
    return path


@pytest.mark.parametrize("as_json", [False, True])
def test_words_of_another_picture_end_in_six_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    words = write_words(tmp_path / "words.yaml", "a round bright mass in the brain")
    folder = tmp_path / "out"
    folder.mkdir()
    assert main(["learn", str(words), "-o", str(folder / "x.medkt"), *QUICK, *["--json"][: int(as_json)]]) == 6
    out, err = capsys.readouterr()
    assert "words carried: no: the captions are of another modality or part of the body (brain)" in err
    if as_json:
        record = json.loads(out)
        assert (record["words_carried"]["answer"], record["package"]) == ("no", None)
    assert list(folder.iterdir()) == []

"""Where nothing is claimed of a finding: what is written, drawn and said of it, alone and beside a finding that is seen."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from guards import HALF, STRANGE, SaysSo
from pydicom import dcmread
from whole_line import BRIGHT, QUICK, Command, Studies, bright_pipeline

from medkt.about import DEMONSTRATION, DEMONSTRATION_SHORT
from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.datasets import Case
from medkt.io import read_image
from medkt.phantom.study import reference_path
from medkt.pipeline import StudyResult
from medkt.report.study_folder import Formats, ResultFiles, write_result
from medkt.runs.folder import RunFolder
from medkt.runs.outcomes import Outcome
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.tasks.cases import CaseWork
from medkt.tasks.segment.studies import StudyRunner, StudyRunnerFactory

SPOT, OTHER = concept_from_text("a bright spot"), concept_from_text("bright too")
FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "presence.threshold=0.1"))
EVERY = Formats(nifti=True, dicom_seg=True, png=True, seg_empty_segments=True)


def of(study: Path, guard: SaysSo, *, gate: bool = True) -> StudyResult:
    settings = replace(FAST, presence=replace(FAST.presence, gate=gate))
    return replace(bright_pipeline(settings), guard=guard).segment(read_image(study), [SPOT, OTHER])


def written(
    result: StudyResult, folder: Path, formats: Formats = EVERY
) -> tuple[ResultFiles, Sequence[dict[str, Any]]]:
    made = write_result(result, folder, formats=formats, name="x")
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert record == made.record
    return made, record["findings"]


@pytest.mark.parametrize("name", ["dx", "ct-series", "us-clip"])
def test_one_of_two_findings_without_a_claim(studies: Studies, tmp_path: Path, name: str) -> None:
    made, (silent, seen) = written(of(studies[name], SaysSo(words={SPOT.id: (HALF,)})), tmp_path / "out")
    assert (silent["decision"], silent["present"], silent["segment"]) == ("no claim", False, None)
    assert [(one["code"], one["sentence"]) for one in silent["no_claim"]] == [(HALF.code, HALF.sentence)]
    assert silent["files"] == {}
    assert (seen["decision"], seen["no_claim"], seen["segment"]) == ("seen", [], 1)
    assert not (tmp_path / "out" / f"{SPOT.id}.nii.gz").exists()
    (segment,) = dcmread(tmp_path / "out" / "segmentation.dcm").SegmentSequence
    assert segment.SegmentLabel == OTHER.name
    assert f"no segment in the DICOM SEG, for nothing is claimed: {SPOT.name}" in made.record["warnings"]
    assert f"{SPOT.name} no claim: {HALF.sentence} (score" in made.summary
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<strong>no claim</strong>") == 1
    assert "which the model does not understand" in page
    assert "a guard of the tests" in page
    assert made.record["guard"] == "a guard of the tests"


def test_a_study_without_any_claim_has_no_seg_and_no_mask(studies: Studies, tmp_path: Path) -> None:
    made, findings = written(of(studies["dx"], SaysSo(image=(STRANGE,))), tmp_path / "out")
    assert [one["files"] for one in findings] == [{}, {}]
    assert made.record["formats_refused"] == {"dicom-seg": "nothing is claimed of any finding"}
    assert set(made.files) == {"overlay.png", "report.html", "result.json", "settings.yaml"}
    only, _ = written(
        of(studies["dx"], SaysSo(image=(STRANGE,))), tmp_path / "seg", Formats(nifti=False, png=False, dicom_seg=True)
    )
    assert "segmentation.dcm" not in only.files


def test_without_the_gate_only_the_map_is_written(studies: Studies, tmp_path: Path) -> None:
    _, findings = written(of(studies["dx"], SaysSo(image=(STRANGE,)), gate=False), tmp_path / "out")
    assert [(one["decision"], one["present"], set(one["files"])) for one in findings] == [
        ("no claim", False, {"saliency"})
    ] * 2


@pytest.mark.parametrize("there", [True, False])
def test_a_case_of_a_batch_without_a_claim_is_done_and_counts_as_not_seen(
    studies: Studies, tmp_path: Path, there: bool
) -> None:
    study = studies["us-png"]
    with PIL.Image.open(reference_path(study)) as drawn:
        mask = np.asarray(drawn.convert("L")) > 0
    empty = tmp_path / "empty.png"
    PIL.Image.fromarray(np.zeros(mask.shape, np.uint8)).save(empty)
    case = Case(
        case_id="a", image=study, modality="ultrasound", reference_kind="mask",
        references=(reference_path(study) if there else empty,), reference_key="" if there else "1",
    )  # fmt: skip
    work = CaseWork(key="a", number=1, case=case, concepts=(SPOT.id,))
    run = RunFolder(tmp_path / "run")
    run.make()
    asked = StudyRunnerFactory(run=run, concepts={SPOT.id: SPOT}, settings=FAST)
    runner = StudyRunner(asked, replace(bright_pipeline(FAST), guard=SaysSo(image=(STRANGE,))))
    (row,) = runner.write(work, runner.compute(work, runner.read(work)))
    assert (row["decision"], row["present"], row["no_claim"]) == ("no claim", False, STRANGE.code)
    assert (row["dsc"], row["outcome"]) == ((0.0, "prediction empty") if there else (None, "both empty"))
    outcome = Outcome(key="a", number=1, round=0, state="done", rows=(row,))
    assert Outcome.from_line(outcome.line()).unclaimed == (SPOT.id,)
    assert not list((tmp_path / "run" / "cases" / "a").glob("*.nii.gz"))
    plain = StudyRunner(asked, bright_pipeline(FAST))
    (other,) = plain.write(work, plain.compute(work, plain.read(work)))
    assert other["no_claim"] is None


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands load the plain models of the tests, and a guard that lets nothing pass."""
    monkeypatch.setattr(
        "medkt.pipeline.Pipeline.load",
        lambda *_, settings=None, **__: replace(bright_pipeline(settings or FAST), guard=SaysSo(image=(STRANGE,))),
    )


@pytest.mark.usefixtures("strange")
def test_commands_say_it_and_end_well(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = ("-i", studies["us-png"], "--modality", "ultrasound", *BRIGHT, *QUICK)
    ran = medkt("segment", *words, "-o", tmp_path / "a")
    assert ran.code == 0, ran.err
    assert f"a bright spot no claim: {STRANGE.sentence} (score" in ran.out
    assert STRANGE.sentence not in ran.err  # said once
    told = json.loads(medkt("segment", *words, "-o", tmp_path / "b", "--json").out)
    assert (told["status"], told["findings"][0]["no_claim"][0]["code"]) == ("done", STRANGE.code)
    ran = medkt("explain", *words, "-o", tmp_path / "c")
    assert ran.code == 0, ran.err
    assert f"a bright spot: no claim: {STRANGE.sentence}; score" in ran.out
    assert not (tmp_path / "c" / f"{SPOT.id}.nii.gz").exists()


def test_a_demonstration_says_so_everywhere(
    medkt: Command, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = bright_pipeline(FAST)
    result = plain.segment(read_image(studies["dx"]), [SPOT])
    made, _ = written(result, tmp_path / "plain")
    assert made.record["demonstration"] is None
    seg = dcmread(tmp_path / "plain" / "segmentation.dcm")
    assert not any(DEMONSTRATION_SHORT in str(element.value) for element in seg.iterall())
    drawn = replace(result, encoder=replace(result.encoder, name="small"))
    made, _ = written(drawn, tmp_path / "drawn")
    assert made.record["demonstration"] == DEMONSTRATION
    assert DEMONSTRATION in (tmp_path / "drawn" / "report.html").read_text(encoding="utf-8")
    seg = dcmread(tmp_path / "drawn" / "segmentation.dcm")
    assert seg.SeriesDescription.startswith(DEMONSTRATION_SHORT)
    assert len(seg.SeriesDescription) <= 64
    assert DEMONSTRATION_SHORT in seg.ContentDescription
    assert DEMONSTRATION_SHORT in seg.SegmentSequence[0].SegmentAlgorithmName
    assert (tmp_path / "drawn" / "overlay.png").read_bytes() != (tmp_path / "plain" / "overlay.png").read_bytes()


def test_the_commands_say_once_that_small_is_a_demonstration(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    study, us = studies["us-png"], ("--modality", "ultrasound", "-c", "us_cyst")
    ran = medkt("segment", "-i", study, studies["us"], *us, "-o", tmp_path / "a", *QUICK)
    assert ran.code == 0, ran.err
    assert ran.out.count(DEMONSTRATION) == 1
    assert DEMONSTRATION in medkt("classify", "-i", study, *us).out
    assert json.loads(medkt("classify", "-i", study, *us, "--json").out)["demonstration"] == DEMONSTRATION
    assert DEMONSTRATION in medkt("explain", "-i", study, *us, "-o", tmp_path / "b", *QUICK).out

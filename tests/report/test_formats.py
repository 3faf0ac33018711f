"""What becomes of a format that a study cannot have, and of findings without a mask in a DICOM SEG."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from whole_line import BRIGHT, Command, Studies, bright_pipeline

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.datasets.case import Case
from medkt.errors import SettingsError, UnsupportedError
from medkt.io import read_image
from medkt.pipeline import FindingResult, StudyResult, View
from medkt.report.formats import Formats
from medkt.report.study_folder import write_result
from medkt.runs.folder import RunFolder
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.tasks.cases import CaseWork
from medkt.tasks.segment.studies import StudyRunner, StudyRunnerFactory

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))


@pytest.fixture
def never_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that would look for something fails the test."""

    def compute(*_: Any, **__: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr("medkt.pipeline.Pipeline.segment", compute)


def of(study: Path, *words: str, **view: Any) -> StudyResult:
    return bright_pipeline(FAST).segment(
        read_image(study), [concept_from_text(word) for word in words], view=View(**view)
    )


def test_options_of_the_seg_need_a_seg() -> None:
    asked = Formats.parse("dicom-seg", seg_every_frame=True, seg_empty_segments=True)
    assert asked == Formats(nifti=False, png=False, dicom_seg=True, seg_every_frame=True, seg_empty_segments=True)
    with pytest.raises(SettingsError, match="--seg-every-frame is about the DICOM SEG, which --format nifti does not"):
        Formats.parse("nifti", seg_every_frame=True)
    with pytest.raises(SettingsError, match="--seg-empty-segments is about the DICOM SEG"):
        Formats.parse("png", seg_empty_segments=True)


def test_a_refused_seg_costs_nothing_else(studies: Studies, tmp_path: Path) -> None:
    result = of(studies["cxr-png"], "a bright spot", modality="cxr")
    written = write_result(result, tmp_path, formats=Formats(dicom_seg=True), name="x")
    record = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    reason = "a DICOM SEG refers to DICOM images, and this one is not; write NIfTI or PNG"
    assert record["formats_refused"] == {"dicom-seg": reason}
    assert f"no DICOM SEG is written: {reason}" in record["warnings"]
    assert f"no DICOM SEG is written: {reason}" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {"mask", "saliency", "png"} == set(record["findings"][0]["files"])
    assert record["findings"][0]["segment"] is None
    assert "segmentation.dcm" not in written.files


@pytest.mark.usefixtures("never_computes")
def test_what_cannot_be_written_is_said_before_anything_is_computed(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    words = ("segment", "-i", studies["cxr-png"], "--modality", "cxr", *BRIGHT, "-f", "dicom-seg")
    ran = medkt(*words, "-o", tmp_path / "out")
    assert ran.code == 2
    assert "image.png: a DICOM SEG refers to DICOM images, and this one is not" in ran.err
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.usefixtures("never_computes")
def test_a_regridded_study_is_refused_before_anything_is_computed(
    medkt: Command, bright: None, tmp_path: Path, failing: Path
) -> None:
    words = ("segment", "-i", failing / "head_ct_two_steps", "--regrid", *BRIGHT, "-f", "dicom-seg", "-o", tmp_path)
    ran = medkt(*words)
    assert ran.code == 2
    assert "the image was regridded" in ran.err


def test_in_a_batch_it_is_the_reading_that_fails(studies: Studies, tmp_path: Path) -> None:
    case = Case(case_id="a", image=studies["cxr-png"], modality="cxr")
    work = CaseWork(key="a", number=1, case=case)

    def runner(formats: Formats) -> StudyRunner:
        asked = StudyRunnerFactory(run=RunFolder(tmp_path), concepts={}, settings=FAST, formats=formats)
        return StudyRunner(asked, bright_pipeline(FAST))

    with pytest.raises(UnsupportedError, match="refers to DICOM images"):
        runner(Formats(nifti=False, png=False, dicom_seg=True)).read(work)
    assert runner(Formats(dicom_seg=True)).read(work)[0].geometry.shape[0] == 1


def test_headers_of_which_no_seg_can_be_made_cost_nothing_else(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = of(studies["dx"], "a bright spot")

    def fail(*_: Any, **__: Any) -> None:
        raise UnsupportedError("somebody's name") from ValueError("somebody's name")

    monkeypatch.setattr("medkt.io.write_dicom_seg", fail)
    written = write_result(result, tmp_path / "a", formats=Formats(dicom_seg=True), name="x")
    assert written.record["formats_refused"] == {
        "dicom-seg": "none can be made of the headers of this series (ValueError)"
    }
    assert "somebody" not in (tmp_path / "a" / "result.json").read_text(encoding="utf-8")
    assert (tmp_path / "a" / written.record["findings"][0]["files"]["mask"]).is_file()
    with pytest.raises(UnsupportedError):
        write_result(result, tmp_path / "b", formats=Formats(nifti=False, png=False, dicom_seg=True), name="x")


@pytest.fixture
def one_of_two(studies: Studies) -> StudyResult:
    """A study with a finding that is seen and one that is not."""
    result = of(studies["dx"], "a bright spot", "something dark")
    absent = of_absent(studies["dx"])
    return replace(result, findings=(result.findings[0], absent))


def of_absent(study: Path) -> FindingResult:
    strict = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "presence.threshold=0.999999"))
    (finding,) = bright_pipeline(strict).segment(read_image(study), [concept_from_text("something dark")]).findings
    return finding


def test_a_finding_without_a_mask_has_no_segment(one_of_two: StudyResult, tmp_path: Path) -> None:
    result, second = one_of_two, one_of_two.findings[1]
    assert second.found.presence.present is False
    written = write_result(result, tmp_path / "a", formats=Formats(dicom_seg=True), name="x")
    records = written.record["findings"]
    assert [one["segment"] for one in records] == [1, None]
    assert ["dicom_seg" in one["files"] for one in records] == [True, False]
    assert len(dcmread(tmp_path / "a" / "segmentation.dcm").SegmentSequence) == 1
    (note,) = [one for one in written.record["warnings"] if "no segment in the DICOM SEG" in one]
    assert note.endswith(second.concept.name)
    asked = Formats(dicom_seg=True, seg_empty_segments=True)
    written = write_result(result, tmp_path / "b", formats=asked, name="x")
    assert [one["segment"] for one in written.record["findings"]] == [1, 2]
    assert len(dcmread(tmp_path / "b" / "segmentation.dcm").SegmentSequence) == 2


def test_nothing_seen_is_no_seg_and_a_note(
    studies: Studies, tmp_path: Path, one_of_two: StudyResult, medkt: Command, bright: None
) -> None:
    words = ("segment", "-i", studies["dx"], "-p", "something dark", "--set", "presence.threshold=0.999999")
    ran = medkt(*words, "-f", "dicom-seg", "-o", tmp_path / "a")
    assert ran.code == 0
    assert "no DICOM SEG is written: no finding has a mask" in ran.err
    record = json.loads((tmp_path / "a" / "result.json").read_text(encoding="utf-8"))
    assert record["formats_refused"] == {
        "dicom-seg": "no finding has a mask; --seg-empty-segments writes segments without one"
    }
    assert record["findings"][0]["files"] == {}
    ran = medkt(*words, "-f", "nifti,dicom-seg", "--seg-empty-segments", "--seg-every-frame", "-o", tmp_path / "b")
    assert ran.code == 0
    assert not dcmread(tmp_path / "b" / "segmentation.dcm").pixel_array.any()

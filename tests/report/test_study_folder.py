"""A result as a folder: which files, under which names, and what stays when something goes wrong."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from whole_line import Studies, bright_pipeline, files_below

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.errors import OutputError, SettingsError, UnsupportedError
from medkt.io import read_image
from medkt.pipeline import StudyResult, View
from medkt.report.study_folder import Formats, case_name, prepare_folder, summarise, write_result
from medkt.segmentation.slicewise import SegmentationSettings

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))


@pytest.fixture(scope="module")
def result(studies: Studies) -> StudyResult:
    return bright_pipeline(FAST).segment(read_image(studies["dx"]), [concept_from_text("a bright spot")])


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("nifti", Formats(nifti=True, dicom_seg=False, png=False)),
        (" png , dicom-seg,", Formats(nifti=False, dicom_seg=True, png=True)),
    ],
)
def test_formats(text: str, formats: Formats) -> None:
    assert Formats.parse(text) == formats


@pytest.mark.parametrize("text", ["", ",", "minc", "nifti,dicom_seg"])
def test_unknown_formats(text: str) -> None:
    with pytest.raises(SettingsError, match="known: nifti, dicom-seg, png"):
        Formats.parse(text)


def test_only_what_was_asked_for_is_written(result: StudyResult, tmp_path: Path) -> None:
    written = write_result(result, tmp_path, formats=Formats(nifti=False, png=True), name="x")
    assert set(written.files) == {
        "a_bright_spot_cbcd0414.png", "overlay.png", "report.html", "result.json", "settings.yaml",
    }  # fmt: skip
    assert sorted(written.files) == [path.name for path in files_below(tmp_path)]
    assert json.loads((tmp_path / "result.json").read_text()) == json.loads(json.dumps(written.record))


def test_names_of_cases(result: StudyResult) -> None:
    assert case_name(result) == f"case-{result.image.provenance.digest[:12]}"


def test_a_seg_of_a_picture_leaves_nothing(studies: Studies, tmp_path: Path) -> None:
    result = bright_pipeline(FAST).segment(
        read_image(studies["cxr-png"]), [concept_from_text("a bright spot")], view=View(modality="cxr")
    )
    with pytest.raises(UnsupportedError, match="refers to DICOM images") as caught:
        write_result(result, tmp_path, formats=Formats(nifti=False, png=False, dicom_seg=True), name="x")
    assert str(caught.value).startswith(f"{tmp_path / 'segmentation.dcm'}: ")
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_what_was_there(
    result: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(result, tmp_path, formats=Formats(), name="first")
    before = {path.name: path.read_bytes() for path in files_below(tmp_path)}
    replace = os.replace

    def interrupt(source: Any, target: Any) -> None:
        if Path(target) == tmp_path / "report.html" and Path(source).parent.name.endswith(".part"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_result(result, tmp_path, formats=Formats(), name="second", overwrite=True)
    assert {path.name: path.read_bytes() for path in files_below(tmp_path)} == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"medkt": 1}', '{"findings": [{"files": {}}]}'])
def test_somebody_elses_result_json_is_left_alone(content: str, result: StudyResult, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(OutputError, match=r"result\.json: stands there and is not of an earlier result"):
        write_result(result, tmp_path, formats=Formats(), name="x", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == content


def test_a_list_of_files_that_climbs_out_removes_nothing(result: StudyResult, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (folder / "result.json").write_text('{"medkt": "0.1.0", "findings": [{"files": {"mask": "../mine.txt"}}]}')
    write_result(result, folder, formats=Formats(), name="x", overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="choose another output folder"):
        prepare_folder(tmp_path / "taken")


def test_the_summary_is_one_line(result: StudyResult, tmp_path: Path) -> None:
    written = write_result(result, tmp_path, formats=Formats(), name="x")
    assert written.summary == summarise(written.record)
    assert "\n" not in written.summary
    assert written.summary.startswith("a bright spot seen (score 1.00; 11 lesions, largest at least ")

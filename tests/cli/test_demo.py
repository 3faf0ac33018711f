"""`medkt demo`: a study, the command that segments it, and files whose names are said."""

import json
import re
from pathlib import Path

import pytest
from whole_line import Command, load_bright

from medkt.config import resolve
from medkt.extras import has_extra
from medkt.pipeline import Pipeline
from medkt.segmentation.slicewise import SegmentationSettings


def test_the_demo_says_what_it_did(medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice in one place, as people do; with the plain models, which is quick."""
    quick = resolve(
        SegmentationSettings,
        sets=("m2ib.steps=2", "m2ib.samples=2", "map.max_slices=1", "presence.threshold=0.2", "presence.extent_mm=0"),
    )
    monkeypatch.setattr(Pipeline, "load", lambda *args, **kwargs: load_bright(settings=quick))
    for _ in range(2):
        ran = medkt("demo", "-o", tmp_path / "demo")
        assert ran.code == 0, ran.err
    assert ran.out.startswith(f"$ medkt segment -i {tmp_path / 'demo'}")
    assert "The study is synthetic" in ran.out
    assert "What was drawn into the study: 1 lesion, 42.3 x 41.1 mm, 41.06 mL." in ran.out
    named = dict(re.findall(r"^(mask|picture|report|folder) +(\S+)$", ran.out, re.MULTILINE))
    assert set(named) == {"mask", "picture", "report", "folder"}
    assert all(Path(path).exists() for path in named.values())
    record = json.loads((Path(named["folder"]) / "result.json").read_text())
    assert record["domain"] == "ct"
    assert record["reference"] is True
    assert (Path(named["folder"]) / "segmentation.dcm").is_file() == has_extra("dicom-objects")


def test_without_the_writer_of_segmentations_the_demo_says_so_and_goes_through(
    medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "map.max_slices=1"))
    monkeypatch.setattr(Pipeline, "load", lambda *args, **kwargs: load_bright(settings=quick))
    monkeypatch.setattr("medkt.extras.is_installed", lambda name: name != "highdicom")
    ran = medkt("demo", "-o", tmp_path / "demo")
    assert ran.code == 0, ran.err
    assert "pip install 'medkt[dicom-objects]'" in ran.out
    result = tmp_path / "demo" / "result"
    assert (result / "report.html").is_file()
    assert not (result / "segmentation.dcm").exists()


def test_the_command_that_is_shown_can_be_given(
    medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "map.max_slices=1"))
    monkeypatch.setattr(Pipeline, "load", lambda *args, **kwargs: load_bright(settings=quick))
    shown = medkt("demo", "-o", tmp_path / "demo").out.splitlines()[0]
    words = shown.removeprefix("$ medkt ").split()
    assert medkt(*words).code == 0


def test_a_place_that_cannot_be_written(medkt: Command, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    ran = medkt("demo", "-o", tmp_path / "taken")
    assert ran.code == 2
    assert ran.err.startswith(f"medkt: {tmp_path / 'taken'}")
    assert ran.err.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_of_the_users_is_left_alone(medkt: Command, tmp_path: Path) -> None:
    """The demo makes `study` anew at each run, but only where the last one was its own."""
    mine = tmp_path / "study"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    ran = medkt("demo", "-o", tmp_path)
    assert ran.code == 2
    assert "study" in ran.err
    assert (mine / "thesis.txt").read_text() == "mine"

"""`result.json` reads back as what it was written from, and so does one that medkt 0.1 left."""

import json
from pathlib import Path

import pytest
from study_records import earlier_result
from whole_line import Studies, bright_pipeline

from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.errors import UnsupportedError
from medkt.io import read_image
from medkt.records import as_plain
from medkt.report.study_folder import Formats, write_result
from medkt.report.study_record import FORM
from medkt.segmentation.slicewise import SegmentationSettings

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))


def test_what_is_written_reads_back(studies: Studies, tmp_path: Path) -> None:
    result = bright_pipeline(FAST).segment(read_image(studies["dx"]), [concept_from_text("a bright spot")])
    written = write_result(result, tmp_path, formats=Formats(nifti=False), name="x")
    held = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (held["schema"], next(iter(held))) == (FORM.number, "schema")
    record = FORM.read(held, where="result.json")
    assert record.findings[0].slices[0].regions[0].how
    assert FORM.write(record) == held == written.record


def test_a_result_of_0_1_is_read() -> None:
    seen = FORM.read(earlier_result(), where="a result")
    assert (seen.findings[0].decision, seen.findings[0].no_claim, seen.guard) == ("seen", (), None)
    assert as_plain(seen.findings[0].measures) == earlier_result()["findings"][0]["measures"]


def test_where_a_calibration_claimed_nothing_it_says_so_today() -> None:
    silent = earlier_result("case-4c81c1d6833134ad2a81")
    assert silent["findings"][0]["decision"] == "not decided"
    assert FORM.read(silent, where="a result").findings[0].decision == "no claim"


def test_a_later_result_is_not_guessed_at() -> None:
    with pytest.raises(UnsupportedError, match="schema 3, this medkt reads 1 to 2; update medkt"):
        FORM.read({**earlier_result(), "schema": 3}, where="a result")

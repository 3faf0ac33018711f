"""A study of which a file is lost, at the doors of the commands: refused, or read because that was allowed, and then it is said."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from whole_line import BRIGHT, QUICK, Command, Studies

from medkt.cli.main import COMMANDS
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest

from .inline_engine import inline

__all__ = ["inline"]

COMMANDS.setdefault("batch", ("medkt.cli.batch", "many studies"))
SECRET = "PLANTED_last"


@pytest.fixture
def cut(studies: Studies, tmp_path: Path) -> Path:
    """A CT whose last file lost its content; its name is a patient's."""
    folder = tmp_path / "ct"
    shutil.copytree(studies["ct-series"], folder)
    last = sorted(folder.iterdir())[-1]
    last.write_bytes(b"")
    last.rename(folder / f"{SECRET}.dcm")
    return folder


@pytest.mark.parametrize("command", ["segment", "explain", "classify"])
@pytest.mark.usefixtures("bright")
def test_one_study(command: str, cut: Path, tmp_path: Path, medkt: Command) -> None:
    out = tmp_path / "result"
    words = [command, "-i", cut, *BRIGHT, *(() if command == "classify" else ("-o", out, *QUICK))]
    refused = medkt(*words)
    assert (refused.code, "incomplete" in refused.err, SECRET in refused.err) == (2, True, True)
    assert "--allow-incomplete" in refused.err
    assert not (out / "result.json").exists()
    allowed = medkt(*words, "--allow-incomplete", "--json")
    assert allowed.code == 0, allowed.err
    assert SECRET not in allowed.out
    if command == "segment":
        _says_what_was_lost(out)


def _says_what_was_lost(out: Path) -> None:
    record = json.loads((out / "result.json").read_text())
    told = record["input"]["completeness"]
    assert (told["entries"], told["used"], told["allowed"]) == (5, 4, True)
    assert told["unexplained"] == {"empty, 0 bytes": 1}
    assert any("--allow-incomplete" in warning for warning in record["warnings"])
    page = (out / "report.html").read_text()
    assert "4 of 5 used; 1 empty, 0 bytes (not explained)" in page
    assert SECRET not in page + json.dumps(record)


@pytest.mark.usefixtures("bright", "inline")
def test_a_cohort(cut: Path, studies: Studies, tmp_path: Path, medkt: Command) -> None:
    cases = [Case(case_id=name, image=image) for name, image in (("cut", cut), ("whole", studies["ct-series"]))]
    write_manifest(cases, tmp_path / "cohort.csv")
    words = ["batch", "--manifest", tmp_path / "cohort.csv", *BRIGHT, *QUICK, "--keep-ids", "-q"]
    assert medkt(*words, "-o", tmp_path / "refused").code == 4
    assert {row["status"] for row in _rows(tmp_path / "refused")} == {"done", "failed"}
    assert medkt(*words, "-o", tmp_path / "allowed", "--allow-incomplete").code == 0
    lost = {row["input_digest"]: row["incomplete"] for row in _rows(tmp_path / "allowed")}
    assert sorted(lost.values()) == ["0", "1"]


def _rows(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open() as file:
        return list(csv.DictReader(file))

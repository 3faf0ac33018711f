"""A command that is refused, or ends before it wrote anything, leaves no folder; and `segment` gives what `batch` gives."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from whole_line import Command, Studies

from medkt.cli.main import main

from .inline_engine import inline

__all__ = ["inline"]

CHEAP = ("--set", "m2ib.steps=2", "--set", "m2ib.samples=2", "--set", "map.max_slices=2", "-q")


@pytest.mark.parametrize("command", ["segment", "explain"])
def test_refused_words_leave_no_folder(
    studies: Studies, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    output = tmp_path / "results" / "of" / "today"
    words = [command, "-i", str(studies["ct-series"]), "-p", "????", "-o", str(output), *CHEAP]
    assert main(words) == 2
    assert "????" in capsys.readouterr().err
    assert list(tmp_path.glob("results*")) == []
    output.mkdir(parents=True)
    assert main(words) == 2
    assert list(output.iterdir()) == []  # what was there before stays


def test_a_refused_run_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run"
    assert main(["batch", "--manifest", str(tmp_path / "absent.csv"), "-c", "ct_nodule", "-o", str(output)]) == 2
    assert "absent.csv" in capsys.readouterr().err
    assert not output.exists()
    (output / "mine").mkdir(parents=True)
    (output / "mine" / "notes.txt").touch()
    assert main(["batch", "--manifest", str(tmp_path / "absent.csv"), "-c", "ct_nodule", "-o", str(output)]) == 2
    assert (output / "mine" / "notes.txt").exists()


def test_a_command_that_fails_after_it_wrote_keeps_what_it_wrote(studies: Studies, tmp_path: Path) -> None:
    missing = tmp_path / "missing.nii.gz"
    words = ["segment", "-i", str(studies["us-png"]), str(missing), "-c", "us_cyst", "--modality", "ultrasound"]
    assert main([*words, "-o", str(tmp_path / "new"), *CHEAP]) == 4
    (case,) = (tmp_path / "new").iterdir()
    assert (case / "result.json").is_file()


def _without_times(path: Path) -> Any:
    record = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in record.items() if name not in ("seconds", "case")}


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    ("study", "concept", "modality"),
    [("ct-series", "ct_nodule", "ct"), ("us-png", "us_cyst", "ultrasound")],
)
def test_segment_and_batch_give_the_same_bits(
    studies: Studies, tmp_path: Path, medkt: Command, study: str, concept: str, modality: str
) -> None:
    """Mask, saliency and every field of the result that is no time; the case's name is a pseudonym in a run."""
    manifest = tmp_path / "one.csv"
    manifest.write_text(f"case_id,image,modality,concept\nA,{studies[study]},{modality},{concept}\n", encoding="utf-8")
    kinds = "nifti,png,dicom-seg" if "series" in study else "nifti,png"
    formats = ("-f", kinds, "--set", "presence.gate=false", *CHEAP)
    medkt("segment", "-i", studies[study], "-c", concept, "--modality", modality, "-o", tmp_path / "alone", *formats)
    medkt("batch", "--manifest", manifest, "-o", tmp_path / "run", "--workers", "1", *formats)
    (case,) = (tmp_path / "run" / "cases").iterdir()
    alone = tmp_path / "alone"
    assert sorted(one.name for one in alone.iterdir()) == sorted(one.name for one in case.iterdir())
    assert _without_times(case / "result.json") == _without_times(alone / "result.json")
    (files,) = (finding["files"] for finding in _without_times(alone / "result.json")["findings"])
    for name in (files["mask"], files["saliency"]):
        assert (case / name).read_bytes() == (alone / name).read_bytes()
    mask = np.asarray(nib.load(alone / files["mask"]).dataobj)
    saliency = np.asarray(nib.load(alone / files["saliency"]).dataobj)
    assert mask.any()
    assert np.ptp(saliency) > 0
    for name in ("overlay.png", "settings.yaml"):
        assert (case / name).read_bytes() == (alone / name).read_bytes()

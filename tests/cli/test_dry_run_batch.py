"""`medkt batch --dry-run`: some cases are read, nothing is computed, and no folder is made."""

import json
from pathlib import Path
from typing import Any

import pytest
from whole_line import Command, Studies, files_below

from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.estimates import batch, machine
from medkt.estimates.machine import Rates
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import Printer, RunStatus

OFF = ("--set", "presence.gate=false")


@pytest.fixture(autouse=True)
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("a dry run computed something")

    monkeypatch.setattr(SmallEncoder, "image_prefix", refused)
    monkeypatch.setattr(machine, "_measured", lambda *_: Rates(forward=1e10, back=1e10, half=1e10))
    monkeypatch.setattr(batch, "cores", lambda: 2)


def manifest_of(folder: Path, study: Path, count: int, bad: tuple[int, ...] = ()) -> Path:
    (folder / "cut.nii.gz").write_bytes(study.read_bytes()[:150])
    cases = [
        Case(
            case_id=f"SECRET-{k}",
            image=folder / "cut.nii.gz" if k in bad else study,
            modality="ct",
            concept="ct_nodule",
        )
        for k in range(count)
    ]
    write_manifest(cases, folder / "cohort.csv")
    return folder / "cohort.csv"


def test_a_plan_of_a_cohort(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, studies["ct-nifti"], 30, bad=(0,))
    before = files_below(tmp_path)
    words = ("batch", "--manifest", manifest, "-o", tmp_path / "run", "--dry-run", *OFF)
    ran = medkt(*words, "--json", "-w", "4")
    assert ran.code == 0, ran.err
    plan = json.loads(ran.out)
    assert (plan["cases"], plan["read"], plan["readable"], plan["ended"]) == (30, 12, 11, 0)
    assert list(plan["refused"]) == ["1"]
    each, left = plan["seconds_a_case"]["most"], 30 * 11 / 12
    assert plan["seconds"]["most"] == pytest.approx(plan["seconds_start"] + each * left / 2, rel=0.01)
    assert plan["memory_bytes"] == 4 * plan["memory_bytes_a_worker"]
    assert any("4 workers of 1 thread(s) share 2 cores" in note for note in plan["notes"])
    shown = medkt(*words)
    anywhere = json.loads(medkt("batch", "--manifest", manifest, "--dry-run", "--json", *OFF).out)
    assert (anywhere["output"], anywhere["cases"], anywhere["disk_bytes"]) == (None, 30, plan["disk_bytes"])
    assert "12 at even distances: 11 can be looked at, 1 would fail" in shown.out
    assert "SECRET" not in ran.out + shown.out + ran.err + shown.err
    assert files_below(tmp_path) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--set", "m2ib.step=3"), "m2ib.step"),
        (("-w", "0"), "--workers 0"),
        (("--keep-column", "sex"), "no such column"),
        (("-m", "biomedclip"), "models pull biomedclip"),
        (("-p", "xqzt wvbk"), "xqzt wvbk"),
        (("--shard", "3/2"), "--shard 3/2"),
    ],
)
def test_what_a_run_would_refuse_is_refused(
    medkt: Command, studies: Studies, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    manifest = manifest_of(tmp_path, studies["ct-nifti"], 2)
    ran = medkt("batch", "--manifest", manifest, "-o", tmp_path / "run", "--dry-run", *more)
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "run").exists()


def test_a_run_with_other_settings_is_not_gone_on_with(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, studies["ct-nifti"], 1)
    (tmp_path / "run").mkdir()
    record = {"schema": 0, "identity": {"settings": {"m2ib": {"steps": 3}}}}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    before = files_below(tmp_path)
    ran = medkt("batch", "--manifest", manifest, "-o", tmp_path / "run", "--dry-run")
    assert ran.code == 2
    assert "run" in ran.err
    assert files_below(tmp_path) == before


def test_the_pace_of_a_run_does_not_count_the_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models load for 60 s, a case takes 3 s: after the first of 21 there is a minute left, not twenty."""
    now = 1000.0
    monkeypatch.setattr("medkt.runs.progress.time.monotonic", lambda: now)
    lines: list[str] = []

    class Out:
        def write(self, text: str) -> None:
            lines.append(text)

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    def summary(done: int) -> RunStatus:
        return RunStatus(total=21, states={"pending": 21 - done, "running": 0, "done": done, "failed": 0}, failures={})

    printer = Printer(out=Out(), quiet=False)
    printer.begin(summary(0))
    now += 60
    printer.tick(summary(0))  # a line of progress, which says nothing of the time
    now += 3
    printer.ended(Outcome(key="a", number=1, round=0, state="done", seconds={"read": 1.0, "compute": 2.0}))
    printer.tick(summary(1))
    printer.tick(summary(1))
    said = [line for line in lines if "cases" in line]
    assert ["left" in line for line in said] == [False, True]
    assert "1/21 cases, 20.0 a minute, 1 min left" in said[1]

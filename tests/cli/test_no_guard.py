"""`--no-guard`: every command that looks at images has it, says in a plan whether the guard is on, and in its record."""

import json
from pathlib import Path

import pytest
from guards import STRANGE, SaysSo
from whole_line import BRIGHT, QUICK, Command, Studies, load_bright

from medkt.datasets import Case, write_manifest
from medkt.errors import SettingsError
from medkt.runs.folder import RunFolder

US = ("--modality", "ultrasound")
PLANS = {
    "explain": ("-i", "x.png", *BRIGHT),
    "classify": ("-i", "x.png", *BRIGHT),
    "evaluate": ("--manifest", "x.csv", *BRIGHT),
    "evaluate --classify": ("--manifest", "x.csv"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_says_whether_the_guard_is_on(medkt: Command, name: str) -> None:
    words = (*name.split(), *PLANS[name], "--dry-run")
    assert "guard: on\n" in medkt(*words).out
    ran = medkt(*words, "--no-guard")
    assert "guard: off (--no-guard)" in ran.out, ran.err
    assert [json.loads(medkt(*words, *more, "--json").out)["guard"] for more in ((), ("--no-guard",))] == [True, False]


def test_a_published_way_has_no_guard(medkt: Command) -> None:
    ran = medkt("explain", *PLANS["explain"], "--as-published", "m2ib", "--dry-run")
    assert "guard: off (m2ib, as published, holds no answer back)" in ran.out, ran.err


def test_plans_of_segment_and_batch(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    study = studies["us-png"]
    assert "guard: on\n" in medkt("segment", "-i", study, *US, *BRIGHT, *QUICK, "--dry-run").out
    listed = write_manifest([Case(case_id="a", image=study, modality="ultrasound")], tmp_path / "cases.csv")
    ran = medkt("batch", "--manifest", listed, *BRIGHT, *QUICK, "--dry-run", "--no-guard")
    assert "guard: off (--no-guard)" in ran.out, ran.err


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain models, with a guard that lets nothing pass unless it is left out."""
    guard = SaysSo(image=(STRANGE,))
    monkeypatch.setattr(
        "medkt.pipeline.Pipeline.load", lambda *names, **options: load_bright(*names, **{"guard": guard, **options})
    )
    monkeypatch.setattr("medkt.pipeline.classification.default_guard", lambda _: guard)


@pytest.mark.usefixtures("strict")
def test_without_it_commands_answer(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = ("-i", studies["us-png"], *US, *BRIGHT, *QUICK, "--json")
    for number, command in enumerate(("segment", "explain")):
        for more, decisions in (((), ("no claim",)), (("--no-guard",), ("seen", "not seen", "not decided"))):
            ran = medkt(command, *words, *more, "-o", tmp_path / f"{number}{bool(more)}")
            assert ran.code == 0, ran.err
            record = json.loads(ran.out)
            assert record["findings"][0]["decision"] in decisions
            assert record["guard"] == (None if more else "a guard of the tests")


@pytest.mark.usefixtures("strict")
def test_classify_says_why_nothing_is_claimed(medkt: Command, studies: Studies) -> None:
    words = ("classify", "-i", studies["us-png"], *US, "-c", "us_cyst")
    ran = medkt(*words)
    assert ran.code == 0, ran.err
    assert f"no claim: {STRANGE.sentence}" in ran.out
    record = json.loads(medkt(*words, "--json").out)
    assert (record["no_claim"][0]["code"], record["guard"]) == (STRANGE.code, "a guard of the tests")
    record = json.loads(medkt(*words, "--no-guard", "--json").out)
    assert (record["no_claim"], record["guard"]) == ([], None)


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.make()
    run.claim({"preset": "default"})  # as an earlier version began it
    with pytest.raises(SettingsError, match="without a guard, as runs of earlier versions were: say --no-guard"):
        run.claim({"preset": "default", "guarded": True})
    run.claim({"preset": "default", "guarded": False})
    other = RunFolder(tmp_path / "other")
    other.make()
    other.claim({"preset": "default", "guarded": True})
    other.claim({"preset": "default", "guarded": True})
    with pytest.raises(SettingsError, match="begun with a guard: leave --no-guard out"):
        other.claim({"preset": "default", "guarded": False})

"""A run that medkt 0.1 left, as it lies on disk: three phantoms with a site's calibration, which abstained on one of them.

It was made before "no claim" was a state of its own: `decision` says "not decided" there, `present` is empty, the ledger has
version 3, and neither tables nor results have the column `no_claim`.
"""

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from run_tables import make_outcomes, row, write_run

from medkt.cli.main import main
from medkt.errors import SettingsError
from medkt.report.run.case_record import record_of
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import VERSION, Ledger
from medkt.runs.merge import merge_runs
from medkt.runs.query import query
from medkt.runs.record import FORM as RUN
from medkt.statistics import BootstrapSettings
from medkt.tasks.masks.evaluation import evaluate_scores
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.registry import task_named

RECORDED = Path(__file__).parent / "run_of_0_1.zip"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The run, unpacked."""
    shutil.unpack_archive(RECORDED, tmp_path / "earlier")
    return tmp_path / "earlier"


def test_its_abstention_counts_as_no_claim(earlier: Path) -> None:
    found = evaluate_scores(read_scores(earlier / "results.parquet"), BootstrapSettings(resamples=100))
    (told,) = found.unclaimed
    assert (told.done, told.held, told.with_finding) == (3, 1, 1)
    (decisions,) = found.decisions
    assert (decisions.positives, decisions.negatives, decisions.no_claim, decisions.undecided) == (2, 1, 1, 0)
    assert decisions.sensitivity.estimate == pytest.approx(0.5)


def test_every_command_that_reads_runs_reads_it(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["batch", "status"], ["evaluate"], ["report"]):
        assert main([*words, str(earlier), *(["--resamples", "100"] if words != ["batch", "status"] else [])]) == 0, (
            words
        )
    told = capsys.readouterr().out
    assert "3 of 3 cases done, 0 failed" in told
    assert "no claim in 1 of 3 cases" in told
    assert "no claim in 1 of 3 cases" in (earlier / "report.html").read_text(encoding="utf-8")
    answer = query([earlier], "SELECT count(*) FROM results WHERE decision = 'not decided'")
    assert answer.rows == [(1,)]


def test_its_records_are_brought_up_to_today(earlier: Path) -> None:
    run = RUN.read_file(earlier / "run.json")
    assert (run.identity["site"], run.software and run.software["medkt"], run.merged) == ("ward", "0.1.0", False)
    states = [record_of(path.parent).findings[0].decision for path in sorted(earlier.glob("cases/*/result.json"))]
    assert states == ["not seen", "no claim", "seen"]


def test_its_results_have_what_a_reader_asks_for(earlier: Path) -> None:
    for path in earlier.glob("cases/*/result.json"):
        (finding,) = json.loads(path.read_text(encoding="utf-8"))["findings"]
        assert "no_claim" not in finding
        assert finding["decision"] in ("seen", "not seen", "not decided")


def test_its_ledger_is_read_where_it_lies_and_taken_over_by_who_writes(earlier: Path) -> None:
    ledger = RunFolder(earlier).ledger
    with Ledger(ledger, read_only=True) as read:
        assert (read.total(), read.silent()) == (3, 0)
    assert _version(ledger) == 3
    with Ledger(ledger) as written:
        assert [one.state for one in written.outcomes()] == ["done"] * 3
    assert _version(ledger) == VERSION


def _version(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute("PRAGMA user_version").fetchone()[0])
    finally:
        database.close()


def test_it_is_merged_with_a_shard_of_today(earlier: Path, tmp_path: Path) -> None:
    record = RunFolder(earlier).read()
    first, second = (replace(record, identity={**record.identity, "shard": shard}) for shard in ("1/2", "2/2"))
    RunFolder(earlier).write_record(first)
    own = make_outcomes(
        [
            row(
                "us_cyst",
                present=False,
                decision="no claim",
                no_claim="unlike-modality",
                outcome="prediction empty",
                dsc=0.0,
            )
        ]
    )
    (tmp_path / "now").mkdir()
    shutil.copy(earlier / "salt", tmp_path / "now" / "salt")
    now = write_run(tmp_path / "now", own, **second.identity)
    RunFolder(now).write_record(replace(second, tables={}))
    summary = merge_runs([earlier, now], tmp_path / "whole")
    assert (summary.total, summary.no_claim) == (4, 1)
    found = evaluate_scores(read_scores(tmp_path / "whole" / "results.parquet"), BootstrapSettings(resamples=100))
    assert (found.unclaimed[0].held, found.decisions[0].no_claim) == (2, 2)
    assert found.decisions[0].sensitivity.estimate == pytest.approx(1 / 3)


def test_it_goes_on_with_the_same_settings_under_their_names_of_today(earlier: Path) -> None:
    """Where the settings of M2IB stand has changed since; what they are has to agree, and nothing is filled in."""
    run, task = RunFolder(earlier), task_named("segment")
    had = run.read()
    m2ib = {"name": "m2ib", **had.identity["settings"]["m2ib"]}
    settings = {key: value for key, value in had.identity["settings"].items() if key != "m2ib"}
    wanted = {**had.identity, "settings": {**settings, "saliency": {"method": m2ib}}}
    with pytest.raises(SettingsError, match=r"settings\.m2ib: .* in the run, null now"):
        run.claim(wanted, accept_versions=True)
    assert run.ended(wanted, accept_versions=True, today=task.today) == 3
    for changed, said in (
        ({"saliency": {"method": {**m2ib, "steps": 3}}}, r"saliency\.method\.steps: 2 in the run, 3 now"),
        ({"saliency": {"method": {"name": "gradcam"}}}, r'method\.name: "m2ib" in the run, "gradcam" now'),
        ({"presence": {**settings["presence"], "rate": 0.03}}, r"presence\.rate: null in the run, 0\.03 now"),
    ):
        other = {**wanted, "settings": {**wanted["settings"], **changed}}
        with pytest.raises(SettingsError, match=said):
            run.claim(other, accept_versions=True, today=task.today)
    assert run.read() == had
    run.claim(wanted, accept_versions=True, today=task.today)
    assert run.read().identity["settings"] == wanted["settings"]

"""No claim in a run's statistics: it counts as not seen everywhere, and how often it was said stands at the head."""

import json
from pathlib import Path

import pytest
from run_tables import make_outcomes, row, write_run

from medkt.cli.main import main
from medkt.runs.ledger import Ledger
from medkt.runs.merge import merge_runs
from medkt.runs.query import query
from medkt.runs.work import Value
from medkt.statistics import BootstrapSettings
from medkt.tasks.masks.abstention import EARLIER, headlines
from medkt.tasks.masks.comparison import compare_runs
from medkt.tasks.masks.evaluation import Evaluation, evaluate_scores
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.words import text_lines

QUICK = BootstrapSettings(resamples=200)


def seen(**more: Value) -> dict[str, Value]:
    return row(decision="seen", no_claim=None, dsc=0.8, **more)


def missed() -> dict[str, Value]:
    return row(present=False, decision="not seen", no_claim=None, dsc=0.0, outcome="prediction empty")


def silent(codes: str = "unlike-modality", *, there: bool = True) -> dict[str, Value]:
    outcome = "prediction empty" if there else "both empty"
    return row(present=False, decision="no claim", no_claim=codes, outcome=outcome, dsc=0.0 if there else None)


def absent() -> dict[str, Value]:
    return row(present=False, decision="not seen", no_claim=None, outcome="both empty")


def earlier() -> dict[str, Value]:
    """What medkt 0.1 said where a calibration made no claim."""
    return row(present=None, decision="not decided", p_value=0.2, outcome="prediction empty", dsc=0.0)


def evaluated(path: Path) -> Evaluation:
    return evaluate_scores(read_scores(path / "results.parquet"), QUICK)


def test_no_claim_counts_as_not_seen(tmp_path: Path) -> None:
    rows = [seen(), seen(), missed(), silent("unlike-modality;negation"), silent(), silent(there=False), absent()]
    run = write_run(tmp_path / "run", make_outcomes(rows))
    found = evaluated(run)
    (decisions,) = found.decisions
    assert (decisions.positives, decisions.negatives, decisions.no_claim, decisions.undecided) == (5, 2, 3, 0)
    assert decisions.sensitivity.estimate == pytest.approx(2 / 5)
    assert decisions.specificity.estimate == pytest.approx(1.0)
    line = found.line("dsc", concept="cyst", part="positives")
    assert line is not None
    assert line.summary.mean.estimate == pytest.approx((0.8 + 0.8) / 5)
    assert line.no_claim == 2
    (told,) = found.unclaimed
    assert (told.done, told.held, told.with_finding) == (7, 3, 2)
    assert told.why == {"unlike-modality": 3, "negation": 1}
    said = "cyst: no claim in 3 of 7 cases (42.9%, 15.8% to 75.0%), counted as not seen; 2 of them show it and have DSC 0; "
    assert list(headlines(found.unclaimed)) == [f"{said}reasons: unlike-modality 3, negation 1"]
    assert list(text_lines(found))[1].startswith(said)
    (counts,) = found.counts
    assert (counts.seen, counts.no_claim) == (2, 3)


def test_a_gate_that_is_off_is_no_abstention(tmp_path: Path) -> None:
    rows = [row(present=None, decision="not decided", no_claim=None, dsc=0.5), seen()]
    found = evaluated(write_run(tmp_path / "run", make_outcomes(rows)))
    assert (found.decisions[0].undecided, found.decisions[0].no_claim, found.unclaimed[0].held) == (1, 0, 0)
    assert next(headlines(found.unclaimed)) == "cyst: no claim in 0 of 2 cases (0.0%, 0.0% to 65.8%)"


def test_tables_of_earlier_versions(tmp_path: Path) -> None:
    """One without the state says nothing of it; where a calibration abstained, that counts as not seen too."""
    old = evaluated(write_run(tmp_path / "old", make_outcomes([row(dsc=0.8), row(present=False, dsc=0.0)])))
    assert old.unclaimed == ()
    assert "no claim in" not in "\n".join(text_lines(old))
    site = evaluated(
        write_run(tmp_path / "site", make_outcomes([row(decision="seen", p_value=0.01, dsc=0.8), earlier()]))
    )
    assert (site.decisions[0].positives, site.decisions[0].no_claim) == (2, 1)
    assert site.decisions[0].sensitivity.estimate == pytest.approx(0.5)
    assert site.unclaimed[0].why == {EARLIER: 1}


def test_old_and_new_shards_merged(tmp_path: Path) -> None:
    outcomes = make_outcomes(
        [row(decision="seen", p_value=0.01, dsc=0.8), earlier(), seen(), silent(), silent(there=False)]
    )
    salt = "ab" * 32
    parts = []
    for index, own in enumerate((outcomes[:2], outcomes[2:]), 1):
        (tmp_path / f"{index}").mkdir()
        (tmp_path / f"{index}" / "salt").write_text(salt)
        parts.append(write_run(tmp_path / f"{index}", own, shard=f"{index}/2"))
    summary = merge_runs(parts, tmp_path / "whole")
    assert (summary.no_claim, summary.plain()["no_claim"]) == (2, 2)
    found = evaluated(tmp_path / "whole")
    assert (found.unclaimed[0].held, found.unclaimed[0].with_finding) == (3, 2)
    assert found.decisions[0].sensitivity.estimate == pytest.approx(2 / 4)
    answer = query([tmp_path / "whole"], "SELECT case_id, no_claim FROM results WHERE decision = 'no claim' ORDER BY 1")
    assert answer.rows == [("case-003", "unlike-modality"), ("case-004", "unlike-modality")]


def test_status_compare_and_page_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "a", make_outcomes([seen(), missed(), absent()]))
    second = write_run(tmp_path / "b", make_outcomes([seen(), silent(), silent(there=False)]))
    assert main(["batch", "status", str(second), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["no_claim"] == 2
    assert main(["batch", "status", str(second)]) == 0
    assert "3 of 3 cases done, 2 with no claim, 0 failed" in capsys.readouterr().out
    with Ledger(second / "ledger.sqlite", read_only=True) as ledger:
        assert ledger.silent() == 2
    assert {
        line.no_claim
        for line in compare_runs(first / "results.parquet", second / "results.parquet", settings=QUICK).lines
    } == {(0, 1), (0, 2)}
    capsys.readouterr()
    assert main(["compare", str(first), str(second), "--resamples", "200"]) == 0
    told = capsys.readouterr().out
    assert "first: cyst: no claim in 0 of 3 cases" in told
    assert "second: cyst: no claim in 2 of 3 cases" in told
    assert main(["report", str(second), "--resamples", "200"]) == 0
    page = (second / "report.html").read_text(encoding="utf-8")
    assert '<p class="headline">cyst: no claim in 2 of 3 cases' in page
    assert "dsc 0.000, no claim</figcaption>" in page
    assert "trained on drawn images" in page  # its encoder is `small`
    other = write_run(tmp_path / "c", make_outcomes([seen()]), models={"encoder": {"name": "clip", "digest": ""}})
    assert main(["report", str(other), "--resamples", "200"]) == 0
    assert "trained on drawn images" not in (other / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["evaluate", str(second), "--resamples", "200"]) == 0
    told = capsys.readouterr().out
    assert "no claim in 2 of 3 cases" in told
    assert "trained on drawn images" in told

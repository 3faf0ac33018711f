"""The ledger and the files it reads: nothing lost, nothing twice, and what is damaged is said."""

from pathlib import Path

import pytest

from medkt.errors import InputError, UnreadableError
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import Outcome, OutcomeFile, read_outcomes


def _outcome(number: int, *, turn: int = 0, state: str = "done", kind: str = "") -> Outcome:
    rows = ({"concept": "cyst", "score": number / 7},) if state == "done" else ({"concept": "cyst"},)
    return Outcome(
        key=f"case-{number}", number=number, round=turn, state=state, kind=kind, rows=rows,  # type: ignore[arg-type]
        seconds={"read": 0.5},
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.add((n, f"case-{n}") for n in range(1, 6))
    return made


def _collected(ledger: Ledger, path: Path) -> list[int]:
    return [outcome.number for batch in ledger.collect(path) for outcome in batch]


def test_cases_go_through_their_states(ledger: Ledger) -> None:
    assert ledger.total() == 5
    ledger.mark(["case-1", "case-2"], "running")
    assert ledger.counts() == {"pending": 3, "running": 2, "done": 0, "failed": 0}
    ledger.record([_outcome(1), _outcome(2, state="failed", kind="timeout")], {})
    ledger.mark(["case-1"], "pending")  # an outcome is not taken back
    assert ledger.counts() == {"pending": 3, "running": 0, "done": 1, "failed": 1}
    assert ledger.failures() == {"timeout": 1}
    ledger.mark(["case-3"], "running", tries=1)
    ledger.set_back()
    assert ledger.unfinished() == {3: (0, 1), 4: (0, 0), 5: (0, 0)}
    assert [outcome.number for outcome in ledger.outcomes()] == [1, 2]


def test_an_outcome_counts_once(ledger: Ledger) -> None:
    assert len(ledger.record([_outcome(1)], {})) == 1
    assert ledger.record([_outcome(1, state="failed", kind="crash")], {}) == []
    assert ledger.record([_outcome(99)], {}) == []
    (only,) = ledger.outcomes()
    assert only == _outcome(1)


def test_a_later_round_replaces_an_earlier_one(ledger: Ledger) -> None:
    failed = [_outcome(1, state="failed", kind="memory"), _outcome(2, state="failed", kind="timeout")]
    ledger.record(failed, {})
    assert ledger.retry(["timeout"]) == 1
    assert ledger.unfinished()[2] == (1, 0)
    assert ledger.record([failed[1]], {}) == []  # a line of the round before
    assert len(ledger.record([_outcome(2, turn=1)], {})) == 1
    assert ledger.failures() == {"memory": 1}


def test_a_file_is_read_once_and_a_torn_line_not_at_all(ledger: Ledger, tmp_path: Path) -> None:
    file = OutcomeFile(tmp_path)
    path = tmp_path / file.name
    file.append(_outcome(1))
    assert _collected(ledger, path) == [1]
    end = file.append(_outcome(2))
    with path.open("ab") as torn:
        torn.write(_outcome(3).line()[:-5])
    assert _collected(ledger, path) == [2]
    assert _collected(ledger, path) == []
    assert [last for _, last in read_outcomes(path)][-1] == end
    file.close()


def test_numbers_that_json_has_not_become_nothing() -> None:
    outcome = Outcome(key="a", number=1, round=0, state="done", rows=({"dsc": float("nan"), "ä": "ü"},))
    assert Outcome.from_line(outcome.line()).rows == ({"dsc": None, "ä": "ü"},)


def test_what_is_damaged_is_said(ledger: Ledger, tmp_path: Path) -> None:
    bad = tmp_path / "worker-1.jsonl"
    bad.write_bytes(_outcome(1).line() + b"{}\n")
    with pytest.raises(UnreadableError, match=r"worker-1.jsonl: the line that ends at byte \d+ is no outcome"):
        _collected(ledger, bad)
    (tmp_path / "no.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(UnreadableError, match=r"no.sqlite: is no ledger of medkt"):
        Ledger(tmp_path / "no.sqlite")
    with pytest.raises(InputError, match=r"there is no such file; give the folder of a run"):
        Ledger(tmp_path / "absent.sqlite", read_only=True)


def test_a_case_named_twice_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(InputError, match="names a case id twice"):
            ledger.add([(1, "a"), (2, "a")])
        assert ledger.total() == 0
        assert ledger.add([(1, "a")]) == 1
        assert ledger.add([(1, "b"), (2, "c")]) == 1  # a ledger that has its cases keeps them

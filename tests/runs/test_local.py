"""Whole runs with processes of this machine: failures, deaths, timeouts, stops, kills, resuming."""

import csv
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from medkt.errors import MedktError, OutputError, SettingsError, WeightsError
from medkt.runs.coordinator import FailureLimit, run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import Ledger
from medkt.runs.local import LocalEngine
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import RunStatus, SilentWatcher
from medkt.runs.work import pseudonym

from .fake_studies import FakeFactory
from .runs import SALT, make_cases, make_plan, make_run, steps_in, tables_of


def _rows(folder: RunFolder) -> list[dict[str, str]]:
    with (folder.path / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _run(tmp_path: Path, words: list[str], *, name: str = "run", workers: int = 1, **options: object) -> RunStatus:
    cases = make_cases(tmp_path / "images", words)
    plan = make_plan(cases)
    folder = make_run(tmp_path / name, plan)
    timeout, threads = options.pop("timeout_s", None), options.pop("threads", 1)
    factory = FakeFactory(tmp_path / "log", str(options.pop("model", "fake")), str(options.pop("device", "cpu")))
    engine = LocalEngine(factory, folder.workers, workers=workers, timeout_s=timeout, threads=threads)  # type: ignore[arg-type]
    return run_cohort(folder, plan, engine, salt=SALT, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [1, 2])
def test_every_case_ends_and_failures_have_their_kind(tmp_path: Path, threads: int) -> None:
    words = ["ok", "missing", "ok", "geometry", "bug", "memory", "die-once", "ok"]
    summary = _run(tmp_path, words, workers=2, threads=threads)
    assert summary.states == {"pending": 0, "running": 0, "done": 4, "failed": 4}
    assert summary.failures == {"crash": 1, "geometry": 1, "memory": 1, "unreadable": 1}
    rows = _rows(RunFolder(tmp_path / "run"))
    assert len(rows) == 2 * len(words)
    assert rows == sorted(rows, key=lambda row: (row["case_id"], row["concept"]))
    expected = {pseudonym(f"PLANTED-ID-{n}", SALT): word for n, word in enumerate(words)}
    assert {row["case_id"] for row in rows} == set(expected)
    kinds = {"missing": "unreadable", "geometry": "geometry", "bug": "crash", "memory": "memory"}
    for row in rows:
        assert row["failure"] == kinds.get(expected[row["case_id"]], "")
        assert row["status"] == ("failed" if row["failure"] else "done")
        assert bool(row["score"]) == (row["status"] == "done")
        assert row["kept_sex"] in "FM"
    done = steps_in(tmp_path / "log")
    again = Counter(len(steps) for case, steps in done.items() if words[int(case[-1])] in ("ok", "bug", "memory"))
    assert set(again) <= {2, 3, 4, 5, 6}  # an innocent that waited beside a death is begun anew at most once


def test_no_identifier_and_no_path_is_in_any_file(tmp_path: Path) -> None:
    _run(tmp_path, ["ok", "missing", "bug", "geometry"])
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) >= 9
    for path in files:
        content = path.read_bytes()
        assert b"PLANTED" not in content, path
        assert str(tmp_path).encode() not in content, path
        assert "PLANTED" not in path.name


def test_a_case_that_kills_its_worker_fails_alone_after_three_tries(tmp_path: Path) -> None:
    summary = _run(tmp_path, ["ok", "die", "ok", "ok", "ok"])
    assert summary.failures == {"crash": 1}
    assert summary.states["done"] == 4
    done = steps_in(tmp_path / "log")
    assert done["PLANTED-ID-1"].count("compute") == 3
    assert all(done[f"PLANTED-ID-{n}"].count("write") == 1 for n in (0, 2, 3, 4))


def test_a_case_that_takes_too_long_is_stopped_and_the_rest_goes_on(tmp_path: Path) -> None:
    began = time.monotonic()
    summary = _run(tmp_path, ["ok", "slow 60", "ok", "ok"], timeout_s=1.0)
    assert time.monotonic() - began < 30
    assert summary.failures == {"timeout": 1}
    assert summary.states["done"] == 3
    assert steps_in(tmp_path / "log")["PLANTED-ID-1"].count("compute") == 1


def test_too_many_failures_stop_the_run_and_it_goes_on_later(tmp_path: Path) -> None:
    words = ["missing"] * 4 + ["slow 0.05"] * 12
    summary = _run(tmp_path, words, limit=FailureLimit(count=2))
    assert "more than --max-failures allows" in summary.stopped
    assert not summary.complete
    summary = _run(tmp_path, words)
    assert summary.complete
    assert summary.states["done"] == 12
    assert all(steps.count("write") <= 1 for steps in steps_in(tmp_path / "log").values())


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    _run(tmp_path, ["ok", "missing", "ok"])
    first = tables_of(RunFolder(tmp_path / "run"))
    before = steps_in(tmp_path / "log")
    _run(tmp_path, ["ok", "missing", "ok"])
    assert steps_in(tmp_path / "log") == before
    assert tables_of(RunFolder(tmp_path / "run")) == first


def test_retry_does_failed_cases_again(tmp_path: Path) -> None:
    _run(tmp_path, ["ok", "missing", "geometry"])
    (tmp_path / "images" / "PLANTED^NAME-1.txt").write_text("ok")
    with Ledger(RunFolder(tmp_path / "run").ledger) as ledger:
        assert ledger.retry(["unreadable"]) == 1
    folder, plan = RunFolder(tmp_path / "run"), make_plan(make_cases(tmp_path / "images", ["ok", "ok", "geometry"]))
    engine = LocalEngine(FakeFactory(tmp_path / "log"), folder.workers)
    summary = run_cohort(folder, plan, engine, salt=SALT)
    assert summary.failures == {"geometry": 1}
    # the ledger can be made anew from the workers' files, and then says the same
    tables = tables_of(folder)
    for path in folder.path.glob("ledger.sqlite*"):
        path.unlink()
    again = run_cohort(folder, plan, LocalEngine(FakeFactory(tmp_path / "log"), folder.workers), salt=SALT)
    assert again.states == summary.states
    assert tables_of(folder) == tables


@pytest.mark.parametrize(
    ("model", "error", "says"),
    [("broken", WeightsError, "a key is missing"), ("dead", MedktError, "3 workers in a row ended with code 9")],
)
def test_models_that_do_not_load_end_the_run(tmp_path: Path, model: str, error: type[MedktError], says: str) -> None:
    with pytest.raises(error, match=says):
        _run(tmp_path, ["ok"], model=model)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_ends_the_run_and_its_case_is_not_failed(tmp_path: Path, threads: int) -> None:
    with pytest.raises(OutputError, match="the disk is full"):
        _run(tmp_path, ["full"], threads=threads)
    with Ledger(RunFolder(tmp_path / "run").ledger) as ledger:
        assert ledger.counts() == {"pending": 1, "running": 0, "done": 0, "failed": 0}


@pytest.mark.parametrize(
    ("threads", "device", "writer"), [(1, "cpu", "MainThread"), (2, "cpu", "_writing"), (1, "cuda", "_writing")]
)
def test_only_a_worker_with_one_core_writes_where_it_computes(
    tmp_path: Path, threads: int, device: str, writer: str
) -> None:
    _run(tmp_path, ["ok", "missing", "ok"], threads=threads, device=device)
    lines = [line.split() for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    threads_of = {step: {thread for done, _, thread in lines if done == step} for step in ("read", "compute", "write")}
    assert threads_of == {"read": {"_reading"}, "compute": {"MainThread"}, "write": {writer}}


def test_other_models_are_refused(tmp_path: Path) -> None:
    _run(tmp_path, ["missing"])
    with Ledger(RunFolder(tmp_path / "run").ledger) as ledger:
        ledger.retry()
    with pytest.raises(SettingsError, match=r'encoder.name: "fake" in the run, "other" now'):
        _run(tmp_path, ["missing"], model="other")


def test_two_coordinators_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    plan = make_plan(make_cases(tmp_path / "images", ["ok"]))
    with folder.held(), pytest.raises(OutputError, match="another `medkt batch` works in this folder"):
        run_cohort(folder, plan, LocalEngine(FakeFactory(tmp_path / "log"), folder.workers), salt=SALT)


class _Stopper(SilentWatcher):
    """Sends this process a signal when the second case has ended."""

    def __init__(self, number: int) -> None:
        self.number, self.seen = number, 0

    def ended(self, outcome: Outcome, words: str = "") -> None:
        self.seen += 1
        if self.seen == 2:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_stops_cleanly_and_the_run_goes_on(tmp_path: Path, number: int, word: str) -> None:
    assert threading.current_thread() is threading.main_thread()
    words = ["slow 0.1"] * 12
    before = signal.getsignal(number)
    summary = _run(tmp_path, words, watcher=_Stopper(number))
    assert summary.stopped == word
    assert 2 <= summary.ended < 12
    assert signal.getsignal(number) == before
    assert len(_rows(RunFolder(tmp_path / "run"))) == 2 * summary.ended
    summary = _run(tmp_path, words)
    assert summary.complete
    # what was begun came to its end: nothing was done twice
    assert all(sorted(steps) == ["compute", "read", "write"] for steps in steps_in(tmp_path / "log").values())


def _forked(root: Path, words: list[str]) -> int:
    """A coordinator in a process of its own, which has everything imported already; its process id."""
    process = os.fork()
    if process == 0:
        try:
            _run(root, words, workers=2)
            os._exit(0)
        finally:
            os._exit(1)
    return process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test makes its coordinators with fork")
def test_a_kill_at_any_moment_leaves_the_same_table(tmp_path: Path) -> None:
    words = ["slow 0.04", "missing", "ok", "slow 0.02"] * 10
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    _run(straight, words, workers=2)
    killed.mkdir()
    log = killed / "log"
    for lines in (1, 12, 40):  # killed when so many steps have been done
        process = _forked(killed, words)
        while not log.exists() or log.read_bytes().count(b"\n") < lines:
            time.sleep(0.005)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        assert not (killed / "run" / "results.csv").exists()
    assert os.waitpid(_forked(killed, words), 0)[1] == 0
    assert tables_of(RunFolder(killed / "run")) == tables_of(RunFolder(straight / "run"))
    # only what was in hand at a kill is begun twice: at most four cases of two workers, three times
    twice = [case for case, steps in steps_in(log).items() if steps.count("write") > 1]
    assert len(twice) <= 2 * 3


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    words = ["slow 0.05"] * 16
    cases = make_cases(tmp_path / "images", words)
    plan = make_plan(cases)
    folder = make_run(tmp_path / "run", plan)
    engine = LocalEngine(FakeFactory(tmp_path / "log"), folder.workers, workers=2)

    class Killer(SilentWatcher):
        done = False

        def ended(self, outcome: Outcome, words: str = "") -> None:
            if not self.done:
                self.done = True
                os.kill(engine.processes[0], signal.SIGKILL)

    summary = run_cohort(folder, plan, engine, salt=SALT, watcher=Killer())
    assert summary.states["done"] == 16
    assert len(_rows(folder)) == 32

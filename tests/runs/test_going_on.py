"""A run that goes on after something has changed: what it was made from, with what, and what became of its files."""

import json
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from medkt.datasets.case import Case
from medkt.errors import MedktError, OutputError, SettingsError, UnreadableError
from medkt.runs import provenance
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.inputs import ABSENT
from medkt.runs.integrity import verify_run
from medkt.runs.ledger import Ledger
from medkt.runs.outcomes import read_outcomes
from medkt.runs.progress import RunStatus, SilentWatcher
from medkt.runs.work import Row, pseudonym
from medkt.tasks.cases import CasePlan, CaseWork, fingerprint

from .fake_studies import FakeFactory, FakeRunner
from .inline import Inline
from .runs import SALT, make_cases, make_plan, make_run, steps_in, tables_of


class _Noted(SilentWatcher):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def noted(self, text: str) -> None:
        self.texts.append(text)


def _go(
    tmp_path: Path, cases: Sequence[Case], *, strict: bool = False, **options: object
) -> tuple[RunStatus, list[str]]:
    folder, noted = make_run(tmp_path / "run"), _Noted()
    plan: CasePlan = replace(make_plan(cases), strict=strict)
    engine = Inline(FakeFactory(tmp_path / "log"), folder.workers)
    return run_cohort(folder, plan, engine, salt=SALT, watcher=noted, **options), noted.texts  # type: ignore[arg-type]


def _done_again(tmp_path: Path) -> list[str]:
    """Which cases were written since this was asked last."""
    done = sorted(case for case, steps in steps_in(tmp_path / "log").items() if "write" in steps)
    (tmp_path / "log").unlink(missing_ok=True)
    return done


def _fresh(tmp_path: Path, cases: Sequence[Case]) -> dict[str, bytes]:
    """The tables of a run over these cases that never stopped."""
    elsewhere = tmp_path / "fresh"
    shutil.rmtree(elsewhere, ignore_errors=True)
    _go(elsewhere, cases)
    return tables_of(RunFolder(elsewhere / "run"))


@pytest.mark.parametrize("strict", [False, True])
def test_a_changed_input_is_done_again(tmp_path: Path, strict: bool) -> None:
    """Before, going on kept the numbers of the file as it was."""
    cases = make_cases(tmp_path / "images", ["ok", "ok", "missing"])
    _go(tmp_path, cases, strict=strict)
    assert _done_again(tmp_path) == ["PLANTED-ID-0", "PLANTED-ID-1"]
    assert _go(tmp_path, cases, strict=strict)[1] == []
    assert _done_again(tmp_path) == []
    cases[1].image.write_text("ok, and more", encoding="utf-8")
    cases[2].image.write_text("ok", encoding="utf-8")  # came late
    summary, notes = _go(tmp_path, cases, strict=strict)
    assert notes == ["2 cases are done again: what they were made from has changed"]
    assert _done_again(tmp_path) == ["PLANTED-ID-1", "PLANTED-ID-2"]
    assert summary.states["done"] == 3
    assert tables_of(RunFolder(tmp_path / "run")) == _fresh(tmp_path, cases)
    assert verify_run(tmp_path / "run").problems == []


def test_bytes_that_change_within_size_and_time_show_with_strict_only(tmp_path: Path) -> None:
    cases = make_cases(tmp_path / "images", ["slow 0.0"])
    case, before = cases[0], {strict: fingerprint(cases[0], [], SALT, strict=strict) for strict in (False, True)}
    kept = case.image.stat()
    case.image.write_text("slow 0.1", encoding="utf-8")
    os.utime(case.image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert fingerprint(case, [], SALT) == before[False]
    assert fingerprint(case, [], SALT, strict=True) != before[True]


def test_every_file_that_is_read_counts(tmp_path: Path) -> None:
    """Folders by their listing, references, the other half of a pair, a sidecar, the files of a DICOMDIR; and the row."""
    series, pair, disc = tmp_path / "series", tmp_path / "pair.hdr", tmp_path / "disc"
    for folder in (series / "inner", disc):
        folder.mkdir(parents=True)
    for path in (series / "inner" / "1.dcm", pair, tmp_path / "mask.nii.gz", disc / "DICOMDIR", disc / "1.dcm"):
        path.write_text("x")
    seen = set[str]()

    def look() -> None:
        for image in (series, pair, disc / "DICOMDIR"):
            case = Case(case_id="a", image=image, references=(tmp_path / "mask.nii.gz",), reference_kind="mask")
            seen.add(fingerprint(case, [], SALT))

    def changed(path: Path) -> int:
        before = len(seen)
        path.write_text("other")
        look()
        return len(seen) - before

    look()
    assert len(seen) == 3
    assert changed(series / "inner" / "1.dcm") == 1
    assert changed(series / "2.dcm") == 1
    assert changed(series / ".DS_Store") == 0
    assert changed(tmp_path / "pair.img") == 1
    assert changed(disc / "1.dcm") == 1
    assert changed(tmp_path / "mask.nii.gz") == 3
    assert changed(tmp_path / "mask.json") == 3
    case = Case(case_id="a", image=pair)
    assert fingerprint(case, [], SALT) != fingerprint(replace(case, volume=2), [], SALT)
    assert fingerprint(case, [], SALT) != fingerprint(case, ["cyst"], SALT)
    assert fingerprint(case, [], SALT) != fingerprint(case, [], b"another salt")
    assert fingerprint(replace(case, image=tmp_path / "none"), [], SALT) == ABSENT


def test_rows_come_and_go(tmp_path: Path) -> None:
    """Before, one row more was "a run with other settings"."""
    cases = make_cases(tmp_path / "images", ["ok"] * 4)
    _go(tmp_path, cases[:3])
    _done_again(tmp_path)
    now = (cases[3], cases[2], cases[0])  # one more, in front; one gone; another order
    summary, notes = _go(tmp_path, now)
    assert _done_again(tmp_path) == ["PLANTED-ID-3"]
    assert summary.total == summary.states["done"] == 3
    assert notes == ["1 cases of earlier are not in the manifest any more and count no more; gone.csv lists them"]
    folder = RunFolder(tmp_path / "run")
    assert (folder.path / "gone.csv").read_text() == f"case_id,gone\n{pseudonym('PLANTED-ID-1', SALT)},row\n"
    assert tables_of(folder) == _fresh(tmp_path, now)
    summary, notes = _go(tmp_path, cases)  # it is back, and need not be done again
    assert (_done_again(tmp_path), notes, summary.total) == ([], [], 4)
    assert not (folder.path / "gone.csv").exists()
    assert tables_of(folder) == _fresh(tmp_path, cases)


def test_inputs_that_are_gone_keep_their_rows_and_are_listed(tmp_path: Path) -> None:
    cases = make_cases(tmp_path / "images", ["ok", "ok"])
    _go(tmp_path, cases)
    before = tables_of(RunFolder(tmp_path / "run"))
    cases[0].image.unlink()
    summary, notes = _go(tmp_path, cases)
    assert notes == ["1 cases are kept as they are though their files are gone; gone.csv lists them"]
    assert summary.states["done"] == 2
    assert tables_of(RunFolder(tmp_path / "run")) == before
    assert f"{pseudonym('PLANTED-ID-0', SALT)},inputs\n" in (tmp_path / "run" / "gone.csv").read_text()


class _WithFolder(FakeRunner):
    """Leaves a folder, as studies do."""

    cases: Path

    def write(self, work: CaseWork, result: str) -> Sequence[Row]:
        rows = super().write(work, result)
        (self.cases / work.key).mkdir(exist_ok=True)
        (self.cases / work.key / "result.json").write_text(json.dumps({"case": work.key}))
        return rows


class _FolderFactory(FakeFactory):
    def __call__(self) -> FakeRunner:
        runner = _WithFolder(self.log, self.model, self.device)
        object.__setattr__(runner, "cases", self.log.parent / "run" / "cases")
        return runner


def _go_with_folders(tmp_path: Path) -> list[str]:
    from medkt.runs.local import LocalEngine

    folder, noted = make_run(tmp_path / "run"), _Noted()
    plan = make_plan(make_cases(tmp_path / "images", ["ok", "ok"]))
    engine = LocalEngine(_FolderFactory(tmp_path / "log"), folder.workers)
    run_cohort(folder, plan, engine, salt=SALT, watcher=noted)
    return noted.texts


def test_a_folder_that_is_gone_is_made_again_and_a_changed_one_is_seen(tmp_path: Path) -> None:
    """Before, a deleted case folder went unnoticed."""
    assert _go_with_folders(tmp_path) == []
    _done_again(tmp_path)
    one, two = (tmp_path / "run" / "cases" / pseudonym(f"PLANTED-ID-{n}", SALT) for n in (0, 1))
    assert verify_run(tmp_path / "run").plain() == {
        "run": "run", "sound": True, "problems": [], "checked": {"outcomes": 2, "cases": 2, "tables": 6, "folders": 2},
    }  # fmt: skip
    shutil.rmtree(one)
    (two / "result.json").write_text("{}")
    (tmp_path / "run" / "cases" / "of-nobody").mkdir()
    assert sorted(verify_run(tmp_path / "run").problems) == sorted(
        [
            f"cases/{one.name}: the case's folder is not there",
            f"cases/{two.name}: the case's folder was changed since the run wrote it, or is damaged",
            "cases/of-nobody: no outcome knows of this folder",
        ]
    )
    assert _go_with_folders(tmp_path) == ["1 cases are done again: their folders are gone"]
    assert _done_again(tmp_path) == ["PLANTED-ID-0"]
    assert one.is_dir()


def test_other_versions_are_refused_unless_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = make_cases(tmp_path / "images", ["ok", "ok"])
    _go(tmp_path, cases[:1])
    folder = RunFolder(tmp_path / "run")
    identity = folder.read().identity
    monkeypatch.setattr(provenance, "_version", lambda name: "9.9")
    with pytest.raises(
        SettingsError, match=r"other versions \(torch: .* in the run, \"9.9\" now; numpy: .*--accept-versions"
    ):
        folder.claim(identity)
    folder.claim(identity, accept_versions=True)
    first = dict(folder.read().made_with)
    engine = Inline(FakeFactory(tmp_path / "log", "other"), folder.workers)
    with pytest.raises(SettingsError, match=r"encoder\.name"):
        run_cohort(folder, make_plan(cases), engine, salt=SALT)
    engine = Inline(FakeFactory(tmp_path / "log", "other"), folder.workers)
    run_cohort(folder, make_plan(cases), engine, salt=SALT, accept_versions=True)
    noted = folder.read().made_with
    assert len(noted) == 2
    assert first.items() <= noted.items()
    (second,) = set(noted) - set(first)
    assert noted[second].software["torch"] == "9.9"
    assert noted[second].models["encoder"]["name"] == "other"


def test_each_flipped_byte_of_an_outcome_is_one_line(tmp_path: Path) -> None:
    cases = make_cases(tmp_path / "images", ["ok"])
    _go(tmp_path, cases)
    folder = RunFolder(tmp_path / "run")
    (file,) = folder.outcome_files()
    whole = file.read_bytes()
    for place in range(len(whole) - 1):
        for bit in (1, 128):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(
                UnreadableError, match=r"is no outcome of a case, or was changed since; take the file out"
            ):
                list(read_outcomes(file))
    assert verify_run(folder.path).problems[0].startswith(file.name)
    file.write_bytes(whole)
    assert verify_run(folder.path).sound
    _damage(file)
    folder.ledger.unlink()  # which has taken the line in already
    with pytest.raises(UnreadableError, match="take the file out"):
        _go(tmp_path, cases)
    file.unlink()
    summary, _ = _go(tmp_path, cases)
    assert summary.states["done"] == 1
    assert verify_run(folder.path).sound


def _damage(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 4
    file.write_bytes(whole)


@pytest.mark.parametrize("name", ["results.parquet", "failures.csv", "timings.parquet"])
def test_a_flipped_byte_of_a_table_is_seen(tmp_path: Path, name: str) -> None:
    _go(tmp_path, make_cases(tmp_path / "images", ["ok", "missing"]))
    folder = RunFolder(tmp_path / "run")
    file = folder.path / name
    _damage(file)
    assert verify_run(folder.path).problems == [f"{name}: the table was changed since the run wrote it, or is damaged"]
    if name.endswith(".parquet"):
        with pytest.raises(UnreadableError, match="is not as the run wrote it"):
            folder.require_table(file.stem)
    file.unlink()
    assert verify_run(folder.path).problems == [f"{name}: the table is not there"]


def test_a_ledger_that_says_something_else_is_seen(tmp_path: Path) -> None:
    _go(tmp_path, make_cases(tmp_path / "images", ["ok", "ok"]))
    folder = RunFolder(tmp_path / "run")
    with Ledger(folder.ledger) as ledger:
        (one, two) = ledger.outcomes()
        ledger._database.execute("UPDATE outcomes SET payload = ? WHERE key = ?", (one.line().decode(), two.key))
    assert any("the ledger has" in problem or "table" in problem for problem in verify_run(folder.path).problems)
    folder.ledger.write_bytes(b"SQLite format 3\0" + bytes(4000))
    (problem,) = verify_run(folder.path).problems
    assert problem.startswith("ledger.sqlite: is no ledger of medkt, or is damaged")


def test_of_two_runs_that_begin_at_once_one_is_refused(tmp_path: Path) -> None:
    """Before, 1 of 12 starts mixed them: whether there was a record was asked before the lock was held."""
    for turn in range(20):
        folder = RunFolder(tmp_path / f"run-{turn}")
        folder.make()
        barrier, refused, claimed = threading.Barrier(4), list[MedktError](), list[int]()

        def begin(number: int, folder: RunFolder = folder, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                folder.claim({"settings": number})
                claimed.append(number)  # noqa: B023
            except (SettingsError, OutputError) as error:
                refused.append(error)  # noqa: B023

        threads = [threading.Thread(target=begin, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == 1
        assert len(refused) == 3
        assert folder.read().identity == {"settings": claimed[0]}

"""Going on with a manifest that has not changed: files alone are looked at, and no change is seen less for it."""

import csv
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medkt.datasets.manifest import iterate_files, iterate_manifest
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.ledger import VERSION, Ledger
from medkt.runs.work import Shard, pseudonym
from medkt.tasks.cases import CasePlan
from medkt.tasks.manifest import plan_of

from .fake_studies import FakeFactory
from .inline import Inline
from .runs import SALT, make_run, steps_in, tables_of
from .test_going_on import _Noted

CHANGED = "cases are done again: what they were made from has changed"
GONE = "cases are kept as they are though their files are gone; gone.csv lists them"


def _table(tmp_path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    path = tmp_path / "cases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("case_id", "image", "sex"), *((one, f"images/{one}.nii.gz", sex) for one, sex in rows)]
        )
    return path


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A manifest of five cases with their files."""
    (tmp_path / "images").mkdir()
    for number in range(5):
        (tmp_path / "images" / f"c{number}.nii.gz").write_text("ok", encoding="utf-8")
    return _table(tmp_path, [(f"c{number}", "FM"[number % 2]) for number in range(5)])


def _plan(cases: Path, **changes: Any) -> CasePlan:
    plan = plan_of(cases, concepts=str, asked=["cyst"], columns=["sex"], cache=cases.parent / "cache.json")
    return replace(plan, **changes)


def _go(cases: Path, **changes: Any) -> tuple[list[str], list[str]]:
    """What was noted, and which cases were done."""
    folder, noted, log = make_run(cases.parent / "run"), _Noted(), cases.parent / "log"
    engine = Inline(FakeFactory(log), folder.workers)
    run_cohort(folder, _plan(cases, **changes), engine, salt=SALT, watcher=noted)
    done = sorted(case for case, steps in steps_in(log).items() if "write" in steps)
    log.unlink(missing_ok=True)
    return noted.texts, done


@pytest.fixture
def files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row may be gone through for its digits."""
    monkeypatch.setattr(CasePlan, "present", lambda *words, **named: pytest.fail("rows were gone through"))


@pytest.mark.parametrize("strict", [False, True])
def test_only_files_are_looked_at_and_each_change_is_seen(
    cases: Path, strict: bool, request: pytest.FixtureRequest
) -> None:
    images = cases.parent / "images"
    assert _go(cases, strict=strict) == ([], ["c0", "c1", "c2", "c3", "c4"])
    request.getfixturevalue("files_alone")
    assert _go(cases, strict=strict) == ([], [])
    (images / "c1.nii.gz").write_text("ok, and more", encoding="utf-8")
    (images / "c3.json").write_text("{}", encoding="utf-8")  # a sidecar that came
    aside = (images / "c4.nii.gz").rename(cases.parent / "aside")
    assert _go(cases, strict=strict) == ([f"2 {CHANGED}", f"1 {GONE}"], ["c1", "c3"])
    assert pseudonym("c4", SALT) in (cases.parent / "run" / "gone.csv").read_text()
    assert _go(cases, strict=strict) == ([f"1 {GONE}"], [])
    aside.rename(images / "c4.nii.gz")
    (images / "c3.json").unlink()
    assert _go(cases, strict=strict) == ([f"1 {CHANGED}"], ["c3"])
    assert not (cases.parent / "run" / "gone.csv").exists()


def test_bytes_within_size_and_time_are_seen_with_strict(cases: Path) -> None:
    image = cases.parent / "images" / "c2.nii.gz"
    _go(cases, strict=True)
    kept = image.stat()
    image.write_text("OK", encoding="utf-8")
    os.utime(image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert _go(cases, strict=True) == ([f"1 {CHANGED}"], ["c2"])


@pytest.mark.parametrize("shard", [Shard(index=1, count=2), Shard(index=2, count=2)])
def test_a_shard_looks_at_its_own_files(cases: Path, shard: Shard, request: pytest.FixtureRequest) -> None:
    _, own = _go(cases, shard=shard)
    assert 0 < len(own) < 5
    request.getfixturevalue("files_alone")
    for number in range(5):
        (cases.parent / "images" / f"c{number}.nii.gz").write_text("other", encoding="utf-8")
    assert _go(cases, shard=shard) == ([f"{len(own)} {CHANGED}"], own)


def test_another_manifest_is_gone_through(cases: Path) -> None:
    """One row more, one of another sex, one gone."""
    _go(cases)
    (cases.parent / "images" / "c9.nii.gz").write_text("ok", encoding="utf-8")
    _table(cases.parent, [("c9", "M"), ("c0", "F"), ("c1", "F"), ("c2", "F"), ("c3", "M")])
    notes, done = _go(cases)
    assert done == ["c1", "c9"]
    assert notes[0] == f"1 {CHANGED}"
    assert notes[1].startswith("1 cases of earlier are not in the manifest")
    before = tables_of(RunFolder(cases.parent / "run"))
    assert _go(cases) == (notes[1:], [])
    assert tables_of(RunFolder(cases.parent / "run")) == before


def test_a_start_that_was_killed_while_it_compared_hides_no_change_of_a_row(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _go(cases)
    _table(cases.parent, [(f"c{number}", "FF"[number % 2]) for number in range(5)])
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "compare", lambda ledger: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _go(cases)
    monkeypatch.setattr(CasePlan, "present", lambda *words, **named: pytest.fail("rows were gone through"))
    assert _go(cases) == ([f"2 {CHANGED}"], ["c1", "c3"])


def test_whatever_the_digits_of_rows_depend_on_has_them_made_anew(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(cases)
    changes: dict[str, Any] = {
        "digest": "other", "concepts": {"a": "cyst"}, "asked": ("cyst", "nodule"), "shard": Shard(index=1, count=2),
        "keep_ids": True, "columns": (), "own_columns": ("class_name",),
    }  # fmt: skip
    digests = [plan.rows_digest(SALT), plan.rows_digest(b"another")]
    digests += [replace(plan, **{name: value}).rows_digest(SALT) for name, value in changes.items()]
    monkeypatch.setattr("medkt.tasks.cases.__version__", "another")
    digests.append(plan.rows_digest(SALT))
    assert len(set(digests)) == len(digests)
    assert replace(plan, files=None).rows_digest(SALT) == ""  # of folders of masks: gone through each time
    with Ledger(cases.parent / "ledger.sqlite") as ledger:
        ledger.plan([])
        assert not ledger.knows("")


def test_a_ledger_of_the_second_version_goes_on(cases: Path, request: pytest.FixtureRequest) -> None:
    _go(cases)
    path = RunFolder(cases.parent / "run").ledger
    before = sqlite3.connect(path)
    before.executescript(
        "DROP INDEX by_silence; ALTER TABLE cases DROP COLUMN silent; ALTER TABLE cases DROP COLUMN row; DELETE FROM facts WHERE name = 'rows'; PRAGMA user_version = 2"
    )
    before.close()
    assert _go(cases) == ([], [])
    after = sqlite3.connect(path)
    assert after.execute("PRAGMA user_version").fetchone() == (VERSION,)
    after.close()
    request.getfixturevalue("files_alone")
    assert _go(cases) == ([], [])


NAMES = (
    "a.png",
    "./b/c.png",
    "b//c.png",
    "b/../a.png",
    "/abs/a.png",
    "b/",
    ".",
    "..",
    ".hidden",
    "b/.hidden",
    "ü ß.png",
    "a|.png",
)


@pytest.mark.parametrize("base", [".", "sub", "/abs"])
def test_files_are_spelled_as_the_cases_have_them(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = (tmp_path if base == "/abs" else Path(base)) / "cases.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"c{number}", name, " | ".join(NAMES[:2])) for number, name in enumerate(NAMES)]
        csv.writer(file).writerows([("case_id", "image", "reference"), *rows])
    wanted = [(str(case.image), *map(str, case.references)) for case in iterate_manifest(path, check_files=False)]
    assert [tuple(map(os.path.normpath, found)) for found in iterate_files(path)] == [
        tuple(map(os.path.normpath, one)) for one in wanted
    ]
    assert not any(part.endswith("/") for found in iterate_files(path) for part in found)

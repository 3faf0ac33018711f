"""A run's folder: what it is a run of, its salt, and its lock."""

import json
import stat
from pathlib import Path

import pytest

from medkt.errors import InputError, OutputError, SettingsError, UnreadableError
from medkt.runs.coordinator import FailureLimit
from medkt.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.make()
    return made


def test_a_run_goes_on_with_the_same_only(folder: RunFolder) -> None:
    identity = {"manifest": "a", "settings": {"m2ib": {"steps": 10, "beta": 0.1}}, "columns": ("sex",)}
    folder.claim(identity)
    folder.claim(identity)
    other = {**identity, "settings": {"m2ib": {"steps": 5, "beta": 0.1}}}
    with pytest.raises(SettingsError, match=r"other settings \(settings.m2ib.steps: 10 in the run, 5 now\)"):
        folder.claim(other)
    folder.claim_models({"encoder": {"digest": "1"}})
    folder.claim_models({"encoder": {"digest": "1"}})
    with pytest.raises(SettingsError, match=r'encoder.digest: "1" in the run, "2" now'):
        folder.claim_models({"encoder": {"digest": "2"}})


def test_the_salt_is_made_once_and_is_nobodys_business(folder: RunFolder, tmp_path: Path) -> None:
    salt = folder.salt()
    assert len(salt) == 32
    assert folder.salt() == salt
    assert stat.S_IMODE((folder.path / "salt").stat().st_mode) == 0o600
    second = RunFolder(tmp_path / "second")
    second.make()
    assert second.salt(folder.path / "salt") == salt
    third = RunFolder(tmp_path / "third")
    third.make()
    assert third.salt() != salt
    with pytest.raises(SettingsError, match="is not the salt of this run"):
        third.salt(folder.path / "salt")


def test_a_salt_that_is_none_is_refused(folder: RunFolder, tmp_path: Path) -> None:
    given = tmp_path / "given"
    with pytest.raises(InputError, match="the salt cannot be read"):
        folder.salt(given)
    given.write_text("no digits")
    with pytest.raises(InputError, match="is no salt; expected hexadecimal digits"):
        folder.salt(given)
    given.write_text("abcd")
    with pytest.raises(InputError, match="a salt of 2 bytes protects nothing"):
        folder.salt(given)


def test_what_is_no_run_is_said(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run of `medkt batch`"):
        folder.read()
    folder.record.write_text("{")
    with pytest.raises(UnreadableError, match=r"run\.json: is not JSON"):
        folder.read()
    folder.record.write_text("{}")
    with pytest.raises(UnreadableError, match="key identity is missing"):
        folder.read()
    for name, value in {"schema": "2", "tables": [], "models": "none", "software": 3, "made_with": None}.items():
        folder.record.write_text(json.dumps({"identity": {}, name: value}))  # of an earlier version, without a sum
        with pytest.raises(UnreadableError, match=rf"{name} (expects|'2', this medkt reads 1 to 2)"):
            folder.read()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").make()


def test_a_record_that_was_changed_is_refused(folder: RunFolder) -> None:
    folder.claim({"settings": {"m2ib": {"beta": 0.1}}})
    written = folder.record.read_text()
    assert folder.read().identity == {"settings": {"m2ib": {"beta": 0.1}}}
    for before, after in (("0.1", "0.2"), ("m2ib", "m2iB"), ("null", "{}"), ('"models"', '"model"'), ("0.1", "NaN")):
        folder.record.write_text(written.replace(before, after, 1))
        with pytest.raises(UnreadableError, match=r"was changed since it was written|is damaged \(Out of range"):
            folder.read()
    folder.record.write_text(written)
    folder.note_tables([folder.record])
    assert list(folder.read().tables or ()) == ["run.json"]  # written anew, the sum is too


def test_a_folder_is_held_by_one(folder: RunFolder) -> None:
    with folder.held(), pytest.raises(OutputError, match="another `medkt batch` works"), folder.held():
        pass
    with folder.held():
        pass


def test_a_disk_that_takes_two_ids_for_one(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`clear_case` would remove the other case's result; here the disk is only said to have given another name."""
    folder.make()
    (folder.cases / "scan").mkdir()
    assert folder.clear_case("scan") == folder.cases / "scan"
    (folder.cases / "scan").mkdir()
    monkeypatch.setattr("os.listdir", lambda path: ["Scan"])
    with pytest.raises(InputError, match="does not tell the case's id from another one"):
        folder.clear_case("scan")
    assert (folder.cases / "scan").is_dir()


@pytest.mark.parametrize("text", ["-1", "many", "101%", "%", "1.5"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"expected a number of cases such as 20, or a share such as 5%"):
        FailureLimit.parse(text)


def test_limits() -> None:
    assert FailureLimit.parse("2").passed(3, 100)
    assert not FailureLimit.parse("2").passed(2, 100)
    assert FailureLimit.parse("2.5%").passed(6, 200)
    assert not FailureLimit.parse("2.5%").passed(5, 200)
    assert not FailureLimit().passed(100, 100)

"""Files that one process holds, on disks that lock and on those that do not."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medkt.errors import OutputError
from medkt.io.locks import HELD, holder_said, is_free, let_go, take, wait_until_free


def _refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def lock(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("medkt.io.locks._lock", lock)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT)


@pytest.mark.parametrize("number", [None, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_one_holds_a_file_whatever_the_disk_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """Before, a disk without locks said "another batch works here" for ever."""
    if number is not None:
        _refuse(monkeypatch, number)
    path = tmp_path / "lock"
    first, second = _opened(path), _opened(path)
    assert take(first, path)
    assert not take(second, path)
    assert not is_free(path)
    assert not wait_until_free(path, seconds=0.1)
    let_go(first, path)
    assert is_free(path)
    assert take(second, path)
    let_go(second, path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lock"]


def test_who_asks_does_not_take_away_what_this_process_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, errno.ENOLCK)
    path = tmp_path / "lock"
    descriptor = _opened(path)
    assert take(descriptor, path)
    assert not is_free(path)
    assert (tmp_path / f"lock{HELD}").exists()
    let_go(descriptor, path)


def test_a_process_that_ended_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, errno.ENOLCK)
    path = tmp_path / "lock"
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    held = {"host": os.uname().nodename, "process": int(ended.stdout), "began": "1"}
    (tmp_path / f"lock{HELD}").write_text(json.dumps(held))
    path.touch()
    assert is_free(path)


def test_a_process_of_another_computer_counts_until_somebody_says_that_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    (tmp_path / f"lock{HELD}").write_text(json.dumps({"host": "elsewhere", "process": 7, "began": "1"}))
    assert not is_free(path)
    assert "process 7 of elsewhere; if it is gone, delete" in holder_said(path)


def test_a_disk_that_fails_is_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, errno.EIO)
    path = tmp_path / "lock"
    descriptor = _opened(path)
    with pytest.raises(OutputError, match="cannot be locked"):
        take(descriptor, path)
    os.close(descriptor)

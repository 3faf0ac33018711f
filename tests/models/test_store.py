"""A model in the store is the old one or the new one, and never none, wherever the process that replaces it is killed."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from medkt.errors import OutputError
from medkt.io import parts
from medkt.io.sha256 import sha256_of
from medkt.models import bundle, store

NAME = "sam-vit-b"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _install(text: str, *names: str) -> None:
    with store.assembling(NAME) as folder:
        entries = {}
        for name in names:
            (folder / name).write_text(f"{text} {name}", encoding="utf-8")
            entries[name] = store.StoredFile(sha256=sha256_of(folder / name), size=1, source=text, stated=False)
        store.write_manifest(folder, NAME, names[0], entries)


def _found() -> tuple[str, list[str]]:
    """Which copy it is, and its files; all of it is sound and nothing else lies there."""
    found = store.installed(NAME)
    assert found is not None
    assert {one.state for one in store.verify(found)} == {"ok"}
    assert sorted(os.listdir(found.folder)) == sorted([*found.files, store.MANIFEST])
    return found.files[found.weights].source, sorted(found.files)


OLD, NEW = ("old", ["merges.txt", "old.pth", "vocab.txt"]), ("new", ["new.pth", "vocab.txt"])


def _watched(home: Path, copies: Path, seen: list[Path]) -> Callable[[Any], Callable[..., None]]:
    """Calls before which the store is kept as it stands: a process may be killed there."""
    copying: list[None] = []

    def watch(real: Any) -> Callable[..., None]:
        def call(*words: Any, **named: Any) -> None:
            if not copying:
                copying.append(seen.append(copies / str(len(seen))))
                shutil.copytree(home, seen[-1])  # which calls some of them itself
                copying.clear()
            real(*words, **named)

        return call

    return watch


def test_a_model_is_never_lost_to_a_kill(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, one between two renames lost both copies."""
    _install("old", "old.pth", "merges.txt", "vocab.txt")
    assert _found() == OLD
    seen: list[Path] = []
    watch = _watched(home, tmp_path / "killed", seen)
    with monkeypatch.context() as patched:
        for name in ("replace", "rename", "unlink", "mkdir", "fsync"):
            patched.setattr(os, name, watch(getattr(os, name)))
        _install("new", "new.pth", "vocab.txt")
    assert _found() == NEW
    assert len(seen) >= 10
    monkeypatch.setattr(parts, "began_of", lambda process: "7")  # this process has ended
    found = []
    for copy in seen:
        parts._sweep_once.cache_clear()
        monkeypatch.setenv("MEDKT_HOME", str(copy))
        found.append(_found())
        _install("new", "new.pth", "vocab.txt")  # a later one replaces it all the same, and takes away what was left
        assert _found() == NEW
        assert os.listdir(copy / "models") == [NAME]
    assert found == [OLD] * found.count(OLD) + [NEW] * found.count(NEW)  # once it is the new one, it stays so
    assert min(found.count(OLD), found.count(NEW)) >= 4


@pytest.mark.parametrize("call", ["replace", "rename"])
def test_a_disk_that_fails_leaves_the_earlier_copy(home: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    _install("old", "old.pth", "merges.txt", "vocab.txt")
    real, at = getattr(os, call), 0
    while True:
        at, calls = at + 1, [0]

        def fail(*words: Any, at: int = at, calls: list[int] = calls) -> None:
            calls[0] += 1
            if calls[0] == at:
                raise OSError(5, "Input/output error")
            real(*words)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            with suppress(OutputError):
                _install("new", "new.pth", "vocab.txt")
                break
        assert _found() == OLD
        assert os.listdir(home / "models") == [NAME]
    assert at > 1
    assert _found() == NEW


def test_an_export_that_was_killed_leaves_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install("old", "old.pth")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda path, **named: None)
        patched.setattr(Path, "replace", lambda *words: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OutputError, match="cannot be written"):
            bundle.export([NAME], tmp_path / "models.zip")
    assert len([one for one in os.listdir(tmp_path) if parts.is_part(one)]) == 1
    parts._sweep_once.cache_clear()
    monkeypatch.setattr(parts, "began_of", lambda process: "7")
    bundle.export([NAME], tmp_path / "models.zip")
    assert sorted(os.listdir(tmp_path)) == ["home", "models.zip"]

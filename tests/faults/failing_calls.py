"""Calls to the system that fail at their n-th time, as full, slow, foreign and read-only disks make them fail.

Only calls that touch a test's own folder count, so that nothing of Python itself is in the way.
"""

import errno
import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medkt.io import locks

WRITING = ("w", "a", "x", "+")


@dataclass
class Fault:
    """One kind of call, which error it ends with, and at which time; 0 only counts."""

    name: str
    error: int
    at: int = 0
    calls: int = 0

    def hit(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise OSError(self.error, os.strerror(self.error))


FAULTS = tuple(
    (name, error)
    for name, errors in {
        "link": (errno.EPERM, errno.EOPNOTSUPP),
        "replace": (errno.EACCES, errno.ENOSPC),
        "rename": (errno.EIO,),
        "open": (errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG),
        "fsync": (errno.EIO, errno.ENOSPC),
        "write": (errno.ENOSPC,),
        "mkdir": (errno.EACCES, errno.ENOSPC),
        "lock": (errno.ENOLCK, errno.ENOSYS, errno.EIO),
        "sqlite": (errno.ENOSPC, errno.EIO),
        "fopen": (errno.ENOSPC, errno.EROFS),
        "unlink": (errno.EACCES,),
        "copy": (errno.ENOSPC,),
    }.items()
    for error in errors
)


def install(monkeypatch: pytest.MonkeyPatch, fault: Fault, root: Path) -> None:
    """Let the calls of one kind below `root` count, and one of them fail."""
    own = str(root)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            if str(path).startswith(own):
                fault.hit()
            return real(path, *rest, **named)

        return call

    def descriptor(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(number: int, *rest: Any) -> Any:
            if os.readlink(f"/proc/self/fd/{number}").startswith(own):
                fault.hit()
            return real(number, *rest)

        return call

    if fault.name in ("link", "replace", "rename", "open", "mkdir", "unlink"):
        monkeypatch.setattr(os, fault.name, counted(getattr(os, fault.name)))
    elif fault.name in ("fsync", "write"):
        monkeypatch.setattr(os, fault.name, descriptor(getattr(os, fault.name)))
    elif fault.name == "lock":
        monkeypatch.setattr(locks, "_lock", descriptor(locks._lock))
    elif fault.name == "copy":
        monkeypatch.setattr(shutil, "copyfile", counted(shutil.copyfile))
    elif fault.name == "fopen":
        monkeypatch.setattr(io, "open", _opening(io.open, fault, own))
    else:
        monkeypatch.setattr(sqlite3, "connect", _connecting(sqlite3.connect, fault))


def _opening(real: Callable[..., Any], fault: Fault, own: str) -> Callable[..., Any]:
    def call(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if str(path).startswith(own) and set(WRITING) & set(mode):
            fault.hit()
        return real(path, mode, *rest, **named)

    return call


def _connecting(real: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    words = {errno.ENOSPC: "database or disk is full", errno.EIO: "disk I/O error"}[fault.error]

    class Failing(sqlite3.Connection):
        def _hit(self) -> None:
            try:
                fault.hit()
            except OSError as error:
                raise sqlite3.OperationalError(words) from error

        def execute(self, *words: Any) -> Any:
            self._hit()
            return super().execute(*words)

        def executemany(self, *words: Any) -> Any:
            self._hit()
            return super().executemany(*words)

        def executescript(self, *words: Any) -> Any:
            self._hit()
            return super().executescript(*words)

    def connect(*words: Any, **named: Any) -> Any:
        return real(*words, **named, factory=Failing)

    return connect

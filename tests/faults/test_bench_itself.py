"""The bench sees what it is to see: each verdict, from a door that does just that."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medkt.errors import InputError

from .bench import seeds
from .bench.attacks import ATTACKS, CUT, Attack
from .bench.child import Door, Limits, end_of
from .bench.going import go, read_state, replay

LIMITS = Limits(memory_mib=512, seconds=1)


def _raise(error: Exception) -> Door:
    def door(path: Path) -> object:
        raise error

    return door


def _spin(path: Path) -> None:
    while True:
        time.monotonic()


def _say(path: Path) -> None:
    os.write(2, b"libtiff: a value out of a file\n")


@pytest.mark.parametrize(
    ("verdict", "door"),
    [
        ("done", str), ("refused", _raise(InputError("a.dcm: is damaged; export it again"))), ("trace", _raise(KeyError("x"))),
        ("trace", _raise(OSError(5, "no disk"))), ("memory", _raise(MemoryError())), ("memory", lambda path: bytearray(2**30)),
        ("memory", _raise(InputError("a.dcm: does not fit into memory", code="memory"))), ("words", _say),
        ("crash", lambda path: os.kill(os.getpid(), signal.SIGSEGV)), ("crash", lambda path: os._exit(3)), ("hang", _spin),
        ("trace", lambda path: sys.exit(1)),
    ],
)  # fmt: skip
def test_every_verdict(verdict: str, door: Any, tmp_path: Path) -> None:
    assert end_of(door, tmp_path, LIMITS).verdict == verdict


def test_what_differs_without_a_word_is_silent_and_is_kept_and_done_again(tmp_path: Path, monkeypatch: Any) -> None:
    """A door that reads what is left of a cut file; half of the inputs were tried before, in another call."""
    attack = Attack(
        format="list", how="cut", sound=seeds.caption_lists, change=CUT, door=lambda path: len(path.read_bytes()), strict=True
    )  # fmt: skip
    monkeypatch.setattr("faults.bench.going.ATTACKS", (attack,))
    for most in (2, 3):
        record = go([attack], seed=7, seconds_each=0.0, findings=tmp_path, most=most)[attack.name]
    assert (record.number, record.counts) == (5, {"silent": 5})
    told = sorted(tmp_path.glob("list__cut-7-*.json"))
    assert [json.loads(one.read_text())["number"] for one in told] == [0, 1, 2]
    assert replay(told[1]).verdict == "silent"
    assert read_state(tmp_path)["7"][attack.name].number == 5
    assert "| list | 5 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 5 |" in (tmp_path / "summary.md").read_text()


def test_names_of_attacks_are_their_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)

"""A share of the fault bench: a few damaged inputs of every format, each in a process of its own; see `faults.bench`."""

from itertools import groupby
from pathlib import Path

import pytest

from .bench.attacks import ATTACKS, Attack
from .bench.going import go

SEED = 0
EACH = 2  # inputs of an attack; half as many where they take long
GROUPS = [list(alike) for _, alike in groupby(ATTACKS, key=lambda attack: (attack.sound, attack.door))]


LONG = {"ledger"}
"""Formats whose inputs take tens of seconds: a run goes on from each."""


@pytest.mark.parametrize(
    "attacks",
    [pytest.param(one, marks=pytest.mark.slow if one[0].format in LONG and one[0].heavy else ()) for one in GROUPS],
    ids=lambda attacks: attacks[0].format,
)
def test_damaged_inputs_are_read_or_refused_in_a_line(attacks: list[Attack], tmp_path: Path) -> None:
    most = EACH // 2 if attacks[0].heavy else EACH
    records = go(attacks, seed=SEED, seconds_each=0.0, findings=tmp_path, most=most)
    found = {name: record.kinds for name, record in records.items() if record.kinds}
    assert not found, [path.read_text() for path in tmp_path.glob("*-*.json")]
    assert all(record.number == most for record in records.values() if record.counts)

"""Dataclasses as what JSON and YAML can hold."""

import json
from dataclasses import dataclass

import numpy as np

from medkt.records import as_plain


@dataclass(frozen=True)
class Inner:
    numbers: np.ndarray
    missing: float = float("nan")


@dataclass(frozen=True)
class Outer:
    inner: Inner
    names: tuple[str, ...]
    by_number: dict[int, np.float32]


def test_everything_becomes_what_json_holds() -> None:
    made = as_plain(Outer(inner=Inner(np.array([[1, 2]])), names=("a",), by_number={3: np.float32(0.5)}))
    assert made == {"inner": {"numbers": [[1, 2]], "missing": None}, "names": ["a"], "by_number": {"3": 0.5}}
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_infinity_is_nothing_too() -> None:
    assert as_plain([float("inf"), np.float64("-inf"), np.array([np.inf])]) == [None, None, [None]]

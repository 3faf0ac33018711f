"""Records with a number and a checksum: read whole or not at all, and brought up from earlier numbers."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medkt.errors import InputError, UnreadableError, UnsupportedError
from medkt.records import RecordForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of a site."""

    site: str
    above: float
    threads: int = 0


def sum_of(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode()).hexdigest()


FORM = RecordForm(
    kind=Rule, name="rule", number=3, key="version", head={"format": "a rule"}, sum_of=sum_of, summed_from=3, unnamed=1,
    earlier={1: lambda plain: {"above" if key == "over" else key: value for key, value in plain.items()}},
    writer="medkt calibrate", again="calibrate again",
)  # fmt: skip
RULE = Rule(site="here", above=0.25)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = FORM.write(RULE)
    assert list(written) == ["format", "version", "site", "above", "threads", "sum"]
    (tmp_path / "rule.json").write_text(FORM.text(RULE))
    assert FORM.read_file(tmp_path / "rule.json") == RULE


def test_earlier_numbers_are_brought_up_one_by_one() -> None:
    assert FORM.read({"format": "a rule", "site": "here", "over": 0.25}, where="x") == RULE
    assert FORM.read({"format": "a rule", "version": 2, "site": "here", "above": 0.25}, where="x") == RULE
    with pytest.raises(UnreadableError, match=r"is damaged \(unknown key over; known here"):
        FORM.read({"format": "a rule", "version": 2, "site": "here", "over": 0.25}, where="x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "another"}, "x: is no rule of medkt's; give a file that `medkt calibrate` wrote"),
        ({"version": 0}, "x: version 0, this medkt reads 1 to 3; calibrate again"),
        ({"version": True}, "x: version True, this medkt reads 1 to 3"),
        ({"above": "0.25"}, r"x: is damaged \(above expects float, got '0.25' \(str\)\); calibrate again"),
        ({"above": 0.26}, "x: was changed since it was written, or is damaged; calibrate again"),
        ({"more": 1}, r"x: is damaged \(unknown key more"),
        ({"above": float("nan")}, r"x: is damaged \(Out of range float"),
    ],
)
def test_what_is_not_as_it_was_written(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        FORM.read({**FORM.write(RULE), **change}, where="x")


def test_a_later_number_says_to_update() -> None:
    with pytest.raises(UnsupportedError, match="x: version 4, this medkt reads 1 to 3; update medkt"):
        FORM.read({**FORM.write(RULE), "version": 4}, where="x")


def test_files_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        FORM.read_file(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("{")
    with pytest.raises(UnreadableError, match=r"odd\.json: is not JSON .*; calibrate again"):
        FORM.read_file(tmp_path / "odd.json")
    with pytest.raises(UnreadableError, match="is no rule of medkt's"):
        FORM.read([1], where="x")

"""Records and settings from plain values: what is wrong is named by its path, and what was written reads back equal."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.errors import SettingsError, UnreadableError
from medkt.records import as_plain, fill, left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    bank: tuple[Text, ...] = ()
    shares: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    names: Sequence[str] = ()
    other: Text | None = None
    site: str = left_out("")
    free: Any = None


@dataclass(frozen=True, slots=True)
class Whole:
    asking: Asking


@dataclass(frozen=True, slots=True)
class ByBottleneck:
    method: Literal["m2ib"] = "m2ib"
    beta: float = 0.1


@dataclass(frozen=True, slots=True)
class ByGradient:
    method: Literal["gradcam"] = "gradcam"
    layer: int = 9


@dataclass(frozen=True, slots=True)
class Saliency:
    how: ByBottleneck | ByGradient


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bank": [{"text": "a"}] * 3 + [{"text": 4}]}, r"^asking\.bank\[3\]\.text expects str, got 4 \(int\)$"),
        ({"bank": [{"weight": 1}]}, r"^key asking\.bank\[0\]\.text is missing$"),
        ({"bank": "a"}, r"^asking\.bank expects a list, got 'a'$"),
        ({"bank": [[]]}, r"^asking\.bank\[0\] has keys of its own \(text, weight\), got \[\]$"),
        ({"bnk": []}, r"^unknown key asking\.bnk; known here: bank, shares"),
        ({"shares": {"ct": [1]}}, r"^asking\.shares\.ct expects 2 values, got 1$"),
        ({"shares": []}, r"^asking\.shares expects keys with values, got \[\]$"),
        ({"names": ["a", None]}, r"^asking\.names\[1\] expects str, got None \(NoneType\)$"),
        ({"other": {"text": "a", "weight": True}}, r"^asking\.other\.weight expects float, got True \(bool\)$"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        fill(Whole, {"asking": values})


def test_a_whole_that_is_no_mapping() -> None:
    with pytest.raises(UnreadableError, match=r"^Whole has keys of its own \(asking\), got 3$"):
        fill(Whole, 3)


def test_keys_of_a_later_version_are_passed_over_where_that_is_said() -> None:
    assert fill(Asking, {"bank": [{"text": "a", "later": 1}], "later": 2}, more=True) == Asking(bank=(Text(text="a"),))


def test_null_is_nan_in_records_and_an_error_in_settings() -> None:
    assert math.isnan(fill(Text, {"text": "a", "weight": None}).weight)
    with pytest.raises(UnreadableError, match=r"^weight expects float, got None"):
        fill(Text, {"text": "a", "weight": None}, entry="setting")


def test_of_a_union_the_tag_decides() -> None:
    assert fill(Saliency, {"how": {"method": "gradcam", "layer": 3}}) == Saliency(ByGradient(layer=3))
    assert fill(Saliency, {"how": {"beta": 0.2}}) == Saliency(ByBottleneck(beta=0.2))
    with pytest.raises(UnreadableError, match=r"^unknown key how\.beta; known here: method, layer"):
        fill(Saliency, {"how": {"method": "gradcam", "beta": 0.2}})
    with pytest.raises(UnreadableError, match=r"^how\.method is one of 'm2ib', 'gradcam', got 'rise'"):
        fill(Saliency, {"how": {"method": "rise"}})


def test_what_a_dataclass_itself_refuses_is_told_as_it_says_it() -> None:
    @dataclass(frozen=True)
    class Rate:
        rate: float

        def __post_init__(self) -> None:
            if not 0 < self.rate < 1:
                raise SettingsError(f"a rate lies between 0 and 1, got {self.rate:g}")

    with pytest.raises(SettingsError, match="a rate lies between 0 and 1, got 2"):
        fill(Rate, {"rate": 2})


TEXTS = st.builds(Text, text=st.text(), weight=st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.builds(
        Asking, bank=st.lists(TEXTS).map(tuple), names=st.lists(st.text()).map(tuple), other=st.none() | TEXTS,
        shares=st.dictionaries(st.text(), st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers())),
        site=st.text(), free=st.none() | st.integers() | st.lists(st.text()),
    )
)  # fmt: skip
def test_what_was_written_reads_back_equal(asking: Asking) -> None:
    plain = as_plain(asking)
    assert ("site" in plain) == bool(asking.site)
    assert fill(Asking, json.loads(json.dumps(plain, allow_nan=False))) == asking

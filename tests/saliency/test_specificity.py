"""How alike two maps are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medkt.saliency.specificity import HARDLY, Specificity, correlation, specificity

MAP = np.array([[0.0, 1.0], [2.0, 5.0], [3.0, 3.0]], dtype=np.float32)


def test_correlation_is_pearsons() -> None:
    other = np.array([[1.0, 0.0], [2.0, 4.0], [1.0, 7.0]], dtype=np.float32)
    assert correlation(MAP, other) == pytest.approx(np.corrcoef(MAP.ravel(), other.ravel())[0, 1])


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_correlation_does_not_see_scale_and_offset(scale: float, offset: float) -> None:
    assert correlation(MAP, MAP * np.float32(scale) + np.float32(offset)) == pytest.approx(1.0, abs=1e-4)
    assert correlation(MAP, -MAP * np.float32(scale)) == pytest.approx(-1.0, abs=1e-4)


def test_constant_maps_are_alike_and_like_no_other() -> None:
    flat = np.full_like(MAP, 0.3)
    assert correlation(flat, flat + 1) == 1.0
    assert correlation(flat, MAP) == 0.0


def test_the_index_is_that_of_the_most_alike_text() -> None:
    found = specificity(MAP, {"nonsense": -MAP, "normal": MAP * 2})
    assert found is not None
    assert found.nearest == "normal"
    assert found.index == pytest.approx(0.0, abs=1e-6)
    assert "correlates 1.000 with the map of 'normal'" in str(found.warning)
    assert specificity(MAP, {}) is None


def test_a_map_that_listens_has_no_warning() -> None:
    assert Specificity(index=HARDLY, nearest="nonsense").warning is None
    assert Specificity(index=HARDLY - 1e-6, nearest="nonsense").warning is not None

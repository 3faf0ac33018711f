import numpy as np
import pytest

from medkt.statistics import risk_coverage


def test_risk_and_coverage_by_hand() -> None:
    """Surest first: 0.9 right, 0.2 wrong, 0.6 right, 0.5 (called present) wrong."""
    curve = risk_coverage(np.array([0.9, 0.6, 0.2, 0.5]), np.array([True, True, True, False]))
    assert curve.coverage == (0.25, 0.5, 0.75, 1.0)
    assert curve.risk == pytest.approx((0.0, 0.5, 1 / 3, 0.5))
    assert curve.area == pytest.approx((0 + 0.5 + 1 / 3 + 0.5) / 4)


def test_equally_sure_studies_come_together() -> None:
    curve = risk_coverage(np.array([0.75, 0.25, 0.75]), np.array([True, True, True]))
    assert curve.coverage == (1.0,)
    assert curve.risk == pytest.approx((1 / 3,))

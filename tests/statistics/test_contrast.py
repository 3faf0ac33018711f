import numpy as np
import pytest

from medkt.statistics import contrast


def test_a_contrast_has_the_estimate_and_the_width_of_its_parts() -> None:
    """Of shares: the standard errors of independent groups, a mean over two others."""
    first, others = np.repeat([1.0, 0.0], [60, 40]), [np.repeat([1.0, 0.0], [10, 90]), np.repeat([1.0, 0.0], [30, 20])]
    found = contrast(first, others)
    assert found.estimate == pytest.approx(0.6 - (0.1 + 0.6) / 2)
    error = np.sqrt(0.6 * 0.4 / 100 + (0.1 * 0.9 / 100 + 0.6 * 0.4 / 50) / 4)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert found == contrast(first, others)  # the same draws


def test_groups_without_any_difference_have_a_point() -> None:
    found = contrast(np.ones(5), [np.ones(4)])
    assert (found.estimate, found.low, found.high) == (0, 0, 0)

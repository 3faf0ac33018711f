import numpy as np
import pytest

from medkt.domains import check_plausible, domain
from medkt.spatial import Geometry, Image


def _image(values: np.ndarray) -> Image:
    return Image(values=values, geometry=Geometry(affine=np.eye(4), shape=values.shape), modality="MR")


def test_one_pair_of_percentiles_for_the_whole_volume() -> None:
    values = np.zeros((4, 30, 40), np.int16)
    values[1], values[2] = 100, np.linspace(100, 1000, 1200).reshape(30, 40)
    rule = domain("mri").intensity(_image(values))
    low, high = np.percentile(values[values > 0], [0.5, 99.5])
    assert (rule.centre - rule.width / 2, rule.centre + rule.width / 2) == pytest.approx((low, high))
    assert rule.apply(values[1]).max() < 0.01  # a dim slice stays dim
    assert rule.apply(values[2]).max() == 1


def test_a_scale_of_the_signal_changes_nothing() -> None:
    values = np.random.default_rng(1).integers(1, 500, (3, 20, 30)).astype(np.float32)
    once, tenfold = (domain("mri").intensity(_image(values * scale)).apply(values[1] * scale) for scale in (1, 10))
    np.testing.assert_allclose(once, tenfold, atol=1e-5)


def test_negative_values_are_doubted() -> None:
    values = np.linspace(0, 100, 60).reshape(3, 4, 5)
    assert check_plausible(_image(values), domain("mri")) == ()
    (warning,) = check_plausible(_image(values - 7), domain("mri"))
    assert "values down to -7" in warning

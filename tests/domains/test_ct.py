import numpy as np
import pytest

from medkt.domains import check_plausible, domain
from medkt.errors import UnknownNameError
from medkt.spatial import Display, Geometry, Image, Provenance

HU = np.linspace(-1000, 1000, 2 * 4 * 5).reshape(2, 4, 5).astype(np.int16)


def _image(values: np.ndarray, *, source: str = "dicom", inverted: bool = False) -> Image:
    return Image(
        values=values, geometry=Geometry(affine=np.eye(4), shape=values.shape), modality="CT",
        display=Display(windows=((0.0, 10.0),), inverted=inverted), provenance=Provenance(source=source),
    )  # fmt: skip


def test_the_default_is_the_lung_window_in_hounsfield_units() -> None:
    rule = domain("ct").intensity(_image(HU))
    assert rule.name == "lung"
    np.testing.assert_allclose(rule.apply(HU[0]), np.clip((HU[0] + 1350) / 1500, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("window", "width", "level"),
    [
        ("lung", 1500, -600), ("soft", 400, 40), ("mediastinum", 400, 40), ("abdomen", 400, 50), ("liver", 150, 30),
        ("brain", 80, 40), ("stroke", 40, 40), ("subdural", 215, 75), ("bone", 1800, 400),
    ],
)  # fmt: skip
def test_named_windows(window: str, width: float, level: float) -> None:
    rule = domain("ct").intensity(_image(HU), window=window)
    ends = np.array([[level - width / 2, level, level + width / 2]])
    np.testing.assert_allclose(rule.apply(ends), [[0, 0.5, 1]], atol=1e-6)


def test_an_inverted_ct_still_has_bone_bright() -> None:
    ct = domain("ct")
    np.testing.assert_array_equal(
        ct.intensity(_image(HU, inverted=True)).apply(HU[1]), ct.intensity(_image(HU)).apply(HU[1])
    )


def test_a_picture_is_shown_as_stored() -> None:
    picture = _image(np.arange(0, 240, 6, dtype=np.uint8).reshape(2, 4, 5), source="raster")
    for window in (None, "brain"):
        rule = domain("ct").intensity(picture, window=window)
        assert rule.name == "as stored"
        np.testing.assert_allclose(rule.apply(picture.values[0]), picture.values[0] / 255, atol=1e-6)
    with pytest.raises(UnknownNameError, match="no window 'brian'"):
        domain("ct").intensity(picture, window="brian")
    (warning,) = check_plausible(picture, domain("ct"))
    assert "without Hounsfield units" in warning
    deep = _image(HU.astype(np.int32) + 1000, source="raster")
    assert domain("ct").intensity(deep).name == "percentiles 0.5-99.5 of pixels"


def test_a_ct_without_air_is_doubted() -> None:
    assert check_plausible(_image(HU), domain("ct")) == ()
    (warning,) = check_plausible(_image(np.abs(HU)), domain("ct"))
    assert "no value below -500 HU" in warning


def test_a_constant_ct_is_zeros_with_a_warning() -> None:
    rule = domain("ct").intensity(_image(np.full((2, 4, 5), 40, np.int16)))
    assert rule.warnings
    assert rule.apply(HU[0]).max() == 0

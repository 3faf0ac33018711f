import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import apply_voi_lut

from medkt.domains.intensity import Intensity, from_display, from_percentiles, from_range
from medkt.domains.percentiles import extent, percentiles
from medkt.errors import InputError, SettingsError
from medkt.spatial import Display, Geometry, Image

PLANE = np.arange(-20, 40, dtype=np.int16).reshape(6, 10)


def _image(values: np.ndarray, display: Display | None = None) -> Image:
    values = values if values.ndim == 3 else values[None]
    return Image(
        values=values, geometry=Geometry.of_pixels(*values.shape[1:], frames=len(values)), display=display or Display()
    )


def _shown(display: Display, plane: np.ndarray = PLANE) -> np.ndarray:
    shown = from_display(_image(plane, display))
    assert shown is not None
    return shown.apply(plane)


# ---- DICOM's own formulas, PS3.3 C.11.2.1.2 and C.11.2.1.3, written plainly


def _linear(x: float, centre: float, width: float) -> float:
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0
    if x > centre - 0.5 + (width - 1) / 2:
        return 1
    return (x - (centre - 0.5)) / (width - 1) + 0.5


def _linear_exact(x: float, centre: float, width: float) -> float:
    return min(1, max(0, (x - centre) / width + 0.5))


def _sigmoid(x: float, centre: float, width: float) -> float:
    return 1 / (1 + np.exp(-4 * (x - centre) / width))


@pytest.mark.parametrize(
    ("function", "formula"), [("LINEAR", _linear), ("LINEAR_EXACT", _linear_exact), ("SIGMOID", _sigmoid)]
)
@pytest.mark.parametrize("window", [(10.0, 20.0), (-3.5, 7.0), (0.0, 2.0)])
@pytest.mark.parametrize("inverted", [False, True])
def test_voi_functions(function: str, formula: object, window: tuple[float, float], inverted: bool) -> None:
    shown = _shown(Display(windows=(window,), function=function, inverted=inverted))
    plain = np.vectorize(formula, otypes=[float])(PLANE, *window)
    np.testing.assert_allclose(shown, 1 - plain if inverted else plain, atol=1e-6)
    assert shown.dtype == np.float32


@given(st.floats(-30, 40), st.floats(1.5, 60), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
def test_voi_functions_against_pydicom(centre: float, width: float, function: str) -> None:
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 8, 1
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = f"{centre:.4f}", f"{width:.4f}", function
    theirs = (apply_voi_lut(PLANE, dataset) + 128) / 255
    window = (float(dataset.WindowCenter), float(dataset.WindowWidth))
    np.testing.assert_allclose(_shown(Display(windows=(window,), function=function)), theirs, atol=2e-5)


def test_a_linear_window_of_width_one_is_a_threshold() -> None:
    shown = _shown(Display(windows=((5.0, 1.0),)))
    np.testing.assert_array_equal(shown, PLANE > 4.5)


def test_a_table_comes_before_windows_and_holds_outside_its_range() -> None:
    entries = np.array([10, 20, 40, 50], np.uint16)
    shown = _shown(Display(table=(-2.0, entries), windows=((0.0, 5.0),)))
    plain = np.interp(PLANE, [-2, -1, 0, 1], (entries - 10) / 40)
    np.testing.assert_allclose(shown, plain, atol=1e-6)
    np.testing.assert_allclose(_shown(Display(table=(-2.0, entries), inverted=True)), 1 - plain, atol=1e-6)


def test_a_table_of_large_first_value_on_unsigned_values() -> None:
    plane = np.array([[0, 60_000, 65_535]], np.uint16)
    shown = _shown(Display(table=(60_000.0, np.array([0, 100]))), plane)
    np.testing.assert_array_equal(shown, [[0, 0, 1]])


def test_a_file_without_windows_has_no_rule_of_its_own() -> None:
    assert from_display(_image(PLANE)) is None


def test_display_that_dicom_does_not_allow_is_refused() -> None:
    with pytest.raises(SettingsError, match="function is 'LOG'; DICOM has LINEAR, LINEAR_EXACT, SIGMOID"):
        from_display(_image(PLANE, Display(windows=((0.0, 5.0),), function="LOG")))
    with pytest.raises(SettingsError, match=r"window has width 0\.5; DICOM asks for at least 1"):
        from_display(_image(PLANE, Display(windows=((0.0, 0.5),))))
    with pytest.raises(SettingsError, match="window has width 0; "):
        from_display(_image(PLANE, Display(windows=((0.0, 0.0),), function="SIGMOID")))


# ---- ranges and percentiles


def test_a_range_is_clipped_and_described() -> None:
    rule = from_range("named", 0, 20, source="a book")
    np.testing.assert_allclose(rule.apply(PLANE), np.clip(PLANE / 20, 0, 1), atol=1e-6)
    assert rule.description == "named: 0 to 20 shown as 0 to 1 (a book)"
    assert "inverted (MONOCHROME1)" in from_range("named", 0, 20, source="", inverted=True).description


def test_percentiles_of_non_zero_voxels() -> None:
    values = np.zeros((3, 40, 50), np.float32)
    values[1] = np.linspace(100, 300, 2000).reshape(40, 50)
    rule = from_percentiles(_image(values), 0.5, 99.5, source="s", non_zero=True)
    low, high = np.percentile(values[1], [0.5, 99.5])
    assert (rule.centre - rule.width / 2, rule.centre + rule.width / 2) == pytest.approx((low, high))
    assert rule.apply(values[0]).max() == 0
    assert "0.5-99.5 of non-zero voxels" in rule.description


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_zeros_with_a_warning(value: int) -> None:
    image = _image(np.full((2, 4, 5), value, np.int16), Display(inverted=True))
    rule = from_percentiles(image, 0.5, 99.5, source="s", inverted=True)
    assert rule.apply(image.values[0]).max() == 0
    assert rule.warnings == ("the image is constant: there is nothing to see in it",)


def test_a_few_bright_voxels_in_a_flat_field_are_shown() -> None:
    values = np.full((1, 100, 100), 10, np.int16)
    values[0, 5, 5] = 50
    assert from_percentiles(_image(values), 0.5, 99.5, source="s").apply(values[0])[5, 5] == 1


def test_one_value_beside_zeros_is_shown() -> None:
    values = np.zeros((1, 10, 12), np.uint8)
    values[0, 3:6] = 255
    shown = from_percentiles(_image(values), 0.5, 99.5, source="s", non_zero=True).apply(values[0])
    assert (shown[0, 0], shown[3, 0]) == (0, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(bad: float) -> None:
    values = np.ones((1, 4, 5), np.float32)
    values[0, 2, 2] = bad
    with pytest.raises(InputError, match="holds NaN or infinity"):
        extent(values)
    with pytest.raises(InputError, match="holds NaN or infinity"):
        Intensity(name="", description="", width=1.0).apply(values[0])


# ---- percentiles


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64, ">i2", ">f4"]
)
@pytest.mark.parametrize("non_zero", [False, True])
@given(
    whole=st.lists(st.integers(-30, 30) | st.sampled_from([-32000, 32000]), min_size=1, max_size=40),
    wanted=st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_percentiles_are_exact_in_every_type(
    kind: str, non_zero: bool, whole: list[int], wanted: tuple[float, float]
) -> None:
    values = np.array(whole).astype(kind).reshape(1, 1, -1)
    kept = values[values != 0] if non_zero else values
    (low, high), number = percentiles(values, *wanted, non_zero=non_zero)
    assert number == kept.size
    plain = np.percentile(kept.astype(np.float64), wanted) if kept.size else np.zeros(2)
    np.testing.assert_allclose([low, high], plain, rtol=1e-12, atol=1e-9)


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False), min_size=1, max_size=60),
    st.floats(0, 100),
)
def test_percentiles_of_real_numbers_whatever_their_size_and_sign(numbers: list[float], wanted: float) -> None:
    for kind in (np.float32, np.float64):
        values = np.array(numbers, kind).reshape(1, -1, 1)
        (low, high), _ = percentiles(values, wanted, 100)
        np.testing.assert_allclose(low, np.percentile(values.astype(np.float64), wanted), rtol=1e-9, atol=1e-9)
        assert high == values.max()


def test_zeros_are_left_out_beside_the_smallest_numbers_that_there_are() -> None:
    small = np.array([0, 0, 0, 3e-310, 1e-310, 2e-310]).reshape(1, 2, 3)
    assert percentiles(small, 0, 100, non_zero=True) == ((1e-310, 3e-310), 3)
    assert percentiles(small, 0, 100) == ((0, 3e-310), 6)


def test_wide_whole_numbers_and_many_voxels_are_counted_in_parts() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(-(10**9), 10**9, (7, 200, 150)).astype(np.int32)
    narrow = rng.integers(0, 900, (7, 200, 150)).astype(np.uint16)
    for values in (wide, narrow, narrow.astype(np.float32), (wide / 7).astype(np.float64)):
        ends, _ = percentiles(values, 0.5, 99.5)
        np.testing.assert_allclose(ends, np.percentile(values.astype(np.float64), [0.5, 99.5]), rtol=1e-12)
        for other in (values[::-1], values.transpose(2, 0, 1), np.asfortranarray(values), values[:, ::-1, ::-1]):
            assert percentiles(other, 0.5, 99.5)[0] == ends


def test_the_same_values_give_the_same_rule_in_every_type() -> None:
    values = np.random.default_rng(1).integers(0, 700, (3, 40, 50))
    rules = [
        from_percentiles(_image(values.astype(kind)), 0.5, 99.5, source="s") for kind in (np.int16, np.float32, float)
    ]
    assert len({(rule.centre, rule.width) for rule in rules}) == 1
    planes = [
        rule.apply(values[1].astype(kind)) for rule, kind in zip(rules, (np.int16, np.float32, float), strict=True)
    ]
    np.testing.assert_array_equal(planes[0], planes[1])
    np.testing.assert_array_equal(planes[0], planes[2])

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.domains import check_plausible, domain
from medkt.phantom import cxr as phantom
from medkt.spatial import Display, Geometry, Image


def _image(values: np.ndarray, display: Display | None = None) -> Image:
    values = values if values.ndim == 3 else values[None]
    return Image(
        values=values,
        geometry=Geometry.of_pixels(*values.shape[1:], frames=len(values)),
        modality="DX",
        display=display or Display(),
    )


RAMP = np.linspace(0, 4095, 40 * 50).reshape(40, 50).astype(np.uint16)


def test_a_film_is_shown_by_percentiles_whether_its_file_has_a_window_or_not() -> None:
    """A NIfTI of the same film has none, and one film has one answer; `--window file` shows the file's."""
    with_window, without = _image(RAMP, Display(windows=((2000.0, 1000.0), (1.0, 2.0)))), _image(RAMP)
    rule, plain = domain("cxr").intensity(with_window), domain("cxr").intensity(without)
    assert rule.name == plain.name == "percentiles 0.5-99.5 of pixels"
    np.testing.assert_array_equal(rule.apply(RAMP), plain.apply(RAMP))
    assert rule.description == f"{plain.description}; the file's own window is not used (--window file)"
    own = domain("cxr").intensity(with_window, window="file")
    assert own.name == "file window 1"
    assert (own.apply(RAMP)[RAMP < 1500] == 0).all()
    assert domain("cxr").intensity(without, window="file").name == plain.name


def test_inversion_is_last_with_and_without_a_window() -> None:
    for windows in ((), ((2000.0, 1000.0),)):
        plain = domain("cxr").intensity(_image(RAMP, Display(windows=windows))).apply(RAMP)
        inverted = domain("cxr").intensity(_image(RAMP, Display(windows=windows, inverted=True))).apply(RAMP)
        np.testing.assert_allclose(inverted, 1 - plain, atol=1e-6)


def test_a_constant_image_is_zeros_with_a_warning() -> None:
    flat = _image(np.full((4, 5), 9, np.uint16), Display(windows=((9.0, 4.0),), inverted=True))
    rule = domain("cxr").intensity(flat)
    assert rule.warnings
    assert rule.apply(flat.values[0]).max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_inverted_values_are_noticed(seed: int) -> None:
    plane = phantom.draw_plane("", np.random.default_rng(seed), side=128).plane
    stored = (plane * 4000).astype(np.uint16)
    assert check_plausible(_image(stored), domain("cxr")) == ()
    (warning,) = check_plausible(_image(4000 - stored), domain("cxr"))
    assert "look inverted" in warning
    assert check_plausible(_image(4000 - stored, Display(inverted=True)), domain("cxr")) == ()


def test_a_volume_is_noticed() -> None:
    (warning,) = check_plausible(_image(np.stack([RAMP] * 3)), domain("cxr"))
    assert "3 slices: a radiograph is one" in warning


def test_real_radiographs_raise_no_alarm_and_most_negatives_do(shared_data: Path) -> None:
    paths = sorted((shared_data / "cxr/shenzhen/images").glob("*.jpg"))[:20]
    planes = [np.asarray(Picture.open(path).convert("L").resize((256, 256))) for path in paths]
    assert not any(check_plausible(_image(plane), domain("cxr")) for plane in planes)
    assert sum(bool(check_plausible(_image(255 - plane), domain("cxr"))) for plane in planes) >= 0.9 * len(planes)

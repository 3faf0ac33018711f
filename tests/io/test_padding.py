"""PixelPaddingValue: what is no part of the patient is filled, named, and left out of what is counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import write_picture, write_series
from pydicom import dcmread

from medkt.domains import domain
from medkt.io import read_image
from medkt.io.dicom_padding import Padding
from medkt.spatial import Image

RNG = np.random.default_rng(3)
FILM = RNG.integers(300, 3000, (40, 60)).astype(np.uint16)
BORDER = np.ones((40, 60), dtype=bool)
BORDER[7:35, 11:52] = False


def _with_padding(path: Path, value: int, limit: int | None = None, vr: str = "US") -> None:
    dataset = dcmread(path)
    dataset.add_new(0x00280120, vr, value)
    if limit is not None:
        dataset.add_new(0x00280121, vr, limit)
    dataset.save_as(path)


def _film(path: Path, value: int, *, limit: int | None = None, **attributes: Any) -> Image:
    plane = FILM.copy()
    plane[BORDER] = value if limit is None else RNG.integers(min(value, limit), max(value, limit) + 1, BORDER.sum())
    attributes = {"BitsStored": 12, "HighBit": 11, **attributes}
    _with_padding(write_picture(path, plane, "DX", **attributes), value, limit)
    return read_image(path)


def _shown(image: Image) -> tuple[float, float]:
    how = domain("cxr").intensity(image)
    return how.centre - how.width / 2, how.centre + how.width / 2


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("value", "limit"), [(0, None), (4095, None), (3100, 4095), (200, 0)])
def test_a_padded_film_is_shown_as_the_film_without_its_border(
    photometric: str, value: int, limit: int | None, tmp_path: Path
) -> None:
    image = _film(tmp_path / "padded.dcm", value, limit=limit, PhotometricInterpretation=photometric)
    inner = np.ascontiguousarray(FILM[7:35, 11:52])
    bare = read_image(write_picture(tmp_path / "bare.dcm", inner, "DX", PhotometricInterpretation=photometric))
    assert np.array_equal(image.values[0][~BORDER], FILM[~BORDER])
    assert image.display.region == (7, 11, 35, 52)
    assert _shown(image) == _shown(bare)
    shown = domain("cxr").intensity(image).apply(image.values[0])
    assert (shown[BORDER] == 0).all()  # black, whichever end of the scale that is
    assert np.array_equal(shown[7:35, 11:52], domain("cxr").intensity(bare).apply(bare.values[0]))
    (step,) = [step for step in image.provenance.steps if "padding" in step]
    assert "52 % of the voxels" in step
    assert "left out of percentiles" in step


def test_black_lies_below_the_window_of_the_file(tmp_path: Path) -> None:
    image = _film(tmp_path / "padded.dcm", 4095, WindowCenter=100, WindowWidth=3000)
    assert (domain("cxr").intensity(image).apply(image.values[0])[BORDER] == 0).all()


HU = RNG.integers(-1000, 1200, (4, 20, 24)).astype(np.int32)
ROUND = (np.indices((20, 24))[0] - 9.5) ** 2 + (np.indices((20, 24))[1] - 11.5) ** 2 > 9**2


@pytest.mark.parametrize("stored", ["signed", "unsigned"])
@pytest.mark.parametrize("vr", ["SS", "US"])
@pytest.mark.parametrize("padding", [-2000, -3024, -1024])
@pytest.mark.parametrize("slope", [1, 2, 0.5])
def test_padding_of_a_ct_is_air(stored: str, vr: str, padding: int, slope: float, tmp_path: Path) -> None:
    intercept = 0 if stored == "signed" else -1024
    raw = ((HU - intercept) / slope).astype(np.int32)
    low = int((padding - intercept) / slope)
    raw[:, ROUND] = low
    raw[2] = low  # a slice of padding alone
    kind = np.int16 if stored == "signed" else np.uint16
    paths = write_series(
        tmp_path, (raw & 0xFFFF).astype(np.uint16).view(kind), RescaleSlope=slope, RescaleIntercept=intercept
    )
    for path in paths:
        _with_padding(path, low if vr == "SS" else low & 0xFFFF, vr=vr)
    image = read_image(tmp_path)
    wanted = raw * slope + intercept
    wanted[:, ROUND] = wanted[2] = -1000
    assert np.allclose(image.values, wanted)
    assert image.values.dtype == (np.float32 if slope == 0.5 else np.int16)
    assert image.padding is None
    assert any("filled with -1000 (air)" in step for step in image.provenance.steps)


def test_a_ct_that_is_not_in_hounsfield_units_keeps_its_lowest_value(tmp_path: Path) -> None:
    raw = (HU + 1024).astype(np.int16)
    raw[:, ROUND] = -2000
    for path in write_series(tmp_path, raw):
        _with_padding(path, -2000, vr="SS")
    image = read_image(tmp_path)
    assert image.values.min() == (HU + 1024)[:, ~ROUND].min()
    assert domain("ct").implausible(image)  # air would have hidden this


@pytest.mark.parametrize(("padding", "vr"), [(-32768, "SS"), (0x8000, "US")])
def test_padding_of_an_mr_is_zero_and_not_counted(padding: int, vr: str, tmp_path: Path) -> None:
    raw = RNG.integers(5, 900, (4, 20, 24)).astype(np.int16)
    raw[:, ROUND] = -32768
    for path in write_series(tmp_path, raw, modality="MR"):
        _with_padding(path, padding, vr=vr)
    image = read_image(tmp_path)
    assert (image.values[:, ROUND] == 0).all()
    assert image.display.region is None
    how = domain("mri").intensity(image)
    ends = domain("mri").percentiles
    wanted = np.percentile(raw[:, ~ROUND], [ends.low, ends.high])
    assert np.allclose([how.centre - how.width / 2, how.centre + how.width / 2], wanted)
    assert domain("mri").implausible(image) == ()


def test_a_value_that_no_pixel_has_changes_nothing(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", FILM, "DX")
    _with_padding(path, 4095)
    image = read_image(path)
    assert np.array_equal(image.values[0], FILM)
    assert image.padding is None
    assert not any("padding" in step for step in image.provenance.steps)


def test_a_picture_of_padding_alone_stays_as_it_is(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", np.zeros((8, 9), np.uint16), "DX")
    _with_padding(path, 0)
    assert (read_image(path).values == 0).all()


def test_padding_is_filled_before_a_stack_is_resampled(tmp_path: Path) -> None:
    raw = HU[[0, 1, 3]].astype(np.int16)
    raw[:, ROUND] = -2000
    for path in write_series(tmp_path, raw, at=[0.0, 1.0, 3.0]):
        _with_padding(path, -2000, vr="SS")
    image = read_image(tmp_path, regrid=True)
    assert image.values.shape[0] == 4
    assert (image.values[:, ROUND] == -1000).all()


def test_planes_that_are_gone_move_what_is_known_of_the_others() -> None:
    """The lowest value that is real is looked for in the planes that hold some, wherever those have moved."""
    values = np.full((5, 2, 3), 7.0)
    values[[1, 4]] = 0.0  # padding throughout, filled for the time being
    bits = np.packbits(np.ones((2, 3), bool))
    padding = Padding(planes={1: bits, 4: bits}, empty={1, 4}, pixels=12)
    assert padding.ends(values) == (7, 7)
    left = padding.without({0, 2})
    assert left.planes.keys() == left.empty == {0, 2}
    assert left.ends(values[[1, 3, 4]]) == (7, 7)
    assert padding.without({1}).empty == {3}

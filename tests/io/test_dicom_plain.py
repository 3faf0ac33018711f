"""Pixels that are read straight from a file are those of the library's decoder; whatever is unusual goes through it."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import header, save
from numpy.typing import NDArray
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medkt.errors import IncompleteError, InputError
from medkt.io import dicom_apart, read_image
from medkt.io.dicom_luts import scaled
from medkt.io.rescaling import smallest

Array = NDArray[Any]


@pytest.fixture
def straight(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each frame was read straight, as it goes on."""
    taken: list[bool] = []
    read = dicom_apart.plain_plane

    def spy(*of: Any) -> Array | None:
        found = read(*of)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(dicom_apart, "plain_plane", spy)
    return taken


def by_the_decoder(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as changed:
        changed.setattr(dicom_apart, "plain_plane", lambda *_: None)
        return read_image(path)


def stored(kind: str, shape: tuple[int, int]) -> Array:
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    values = np.random.default_rng(0).integers(low, high, shape, dtype=kind, endpoint=True)
    values.flat[:2] = low, high
    return values


SCALINGS: tuple[dict[str, Any], ...] = (
    {},
    {"RescaleSlope": 1, "RescaleIntercept": -1024},
    {"RescaleSlope": -3, "RescaleIntercept": 70_000},
    {"RescaleSlope": "0.5", "RescaleIntercept": "0.25"},
)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_values_are_those_of_the_decoder(
    syntax: str, kind: str, straight: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (shape, scaling, padded) in enumerate(product([(5, 7), (4, 6)], SCALINGS, [False, True])):
        bits = 7 if number % 3 else 8 * np.dtype(kind).itemsize
        more = {"PixelPaddingValue": int(np.iinfo(kind).min)} if padded else {}
        path = tmp_path / f"{number}.dcm"
        save(header("CR", stored(kind, shape), BitsStored=bits, HighBit=bits - 1, **scaling, **more), path, syntax)
        found, expected = read_image(path), by_the_decoder(path, monkeypatch)
        assert found.values.dtype == expected.values.dtype
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.provenance == expected.provenance
        assert found.display == expected.display
    assert straight == [kind[1] == "2" or syntax == ImplicitVRLittleEndian] * 16  # OB goes the other way


UNUSUAL: dict[str, dict[str, Any]] = {
    "frames": {"NumberOfFrames": 1},
    "no sign": {"PixelRepresentation": None},
    "no bits": {"BitsStored": None},
    "no photometric": {"PhotometricInterpretation": None},
    "no samples": {"SamplesPerPixel": None},
    "a row less": {"Rows": 3},
}


@pytest.mark.filterwarnings("ignore:The pixel data")
@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_goes_through_the_decoder(what: str, straight: list[bool], tmp_path: Path) -> None:
    path = save(header("CR", stored("u2", (4, 6)), **UNUSUAL[what]), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_image(path).values[0], stored("u2", (4, 6))[: UNUSUAL[what].get("Rows", 4)])
    assert straight == [False]


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_another_encoding_goes_through_the_decoder(syntax: str, straight: list[bool], tmp_path: Path) -> None:
    values = stored("u2", (4, 6))
    written = values.astype(">u2") if syntax == ExplicitVRBigEndian else values
    path = save(header("CR", written), tmp_path / "a.dcm", syntax)
    np.testing.assert_array_equal(read_image(path).values[0], values)
    assert straight == [False]


def test_bytes_after_the_pixels_and_a_cut_are_the_decoders_matter(straight: list[bool], tmp_path: Path) -> None:
    whole = save(header("CR", stored("u2", (4, 6))), tmp_path / "a.dcm").read_bytes()
    after = tmp_path / "after.dcm"
    after.write_bytes(whole + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd")  # Data Set Trailing Padding
    np.testing.assert_array_equal(read_image(after).values[0], stored("u2", (4, 6)))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole[:-6])
    with pytest.raises((IncompleteError, InputError), match="cut"):
        read_image(cut)
    assert straight == [False, False]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", ">i2"])
def test_whole_scalings_are_those_of_64_bits(kind: str) -> None:
    values = stored(kind.removeprefix(">"), (3, 5)).astype(kind)
    for slope, intercept in product([1, 2, -1, -3, 300, 70_000], [0, 5, -1024, 40_000, -3_000_000_000]):
        expected = smallest(values.astype(np.int64) * slope + intercept)
        found = scaled(values, slope, intercept)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    few = np.array([[3, 9]], np.int16)  # far away on the way, near at the end
    assert scaled(few, 10_000, -60_000).tolist() == [[-30_000, 30_000]]
    assert scaled(few, 10_000, -60_000).dtype == np.int16

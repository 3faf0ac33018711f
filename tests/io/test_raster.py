"""Pictures: levels kept, colour to luma, pages and turns said."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from medkt.errors import AmbiguousInputError, InputError, OutputError, UnreadableError, UnsupportedError
from medkt.io import read_image, read_mask, write_png_mask
from medkt.spatial import Geometry, Image, Mask

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
LUMA = np.rint(COLOUR @ [0.299, 0.587, 0.114])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_and_colour(suffix: str, tmp_path: Path) -> None:
    for name, plane, expected in (("g", GREY, GREY), ("c", COLOUR, LUMA)):
        Pillow.fromarray(plane).save(tmp_path / f"{name}.{suffix}")
        image = read_image(tmp_path / f"{name}.{suffix}")
        assert np.array_equal(image.values[0], expected)
        assert image.values.dtype == np.uint8
        assert image.geometry.unit == "pixel"
        assert "no pixel spacing in the file: lengths are in pixels" in image.provenance.warnings


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    plane = GREY.astype(np.uint16) * 257
    Pillow.fromarray(plane).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", plane)
    for name in ("a.png", "a.tif"):
        image = read_image(tmp_path / name)
        assert image.values.dtype == np.uint16
        assert np.array_equal(image.values[0], plane)


def test_alpha_is_dropped_and_palettes_are_expanded(tmp_path: Path) -> None:
    Pillow.fromarray(np.dstack([COLOUR, np.zeros((3, 4), np.uint8)])).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert np.array_equal(image.values[0], LUMA)
    assert "alpha dropped" in image.provenance.steps
    Pillow.fromarray(COLOUR).quantize(12).save(tmp_path / "p.png")
    assert np.abs(read_image(tmp_path / "p.png").values[0].astype(int) - LUMA).max() <= 12


def test_a_palette_of_eight_bits_is_the_same_picture_in_a_tiff(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16)
    for name, colours in (("times_256", levels * 256), ("times_257", levels * 257)):
        tifffile.imwrite(tmp_path / f"{name}.tif", GREY, photometric="palette", colormap=np.stack([colours] * 3))
        image = read_image(tmp_path / f"{name}.tif")
        assert image.values.dtype == np.uint8
        assert np.array_equal(image.values[0], GREY)
    tifffile.imwrite(tmp_path / "fine.tif", GREY, photometric="palette", colormap=np.stack([levels * 3] * 3))
    assert np.array_equal(read_image(tmp_path / "fine.tif").values[0], GREY.astype(np.uint16) * 3)


def test_jpeg_and_its_turn(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(np.full((16, 8), 77, np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert image.values.shape == (1, 16, 8)
    assert any("orientation 6): not done" in warning for warning in image.provenance.warnings)


def test_pages_need_a_choice(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY + 1]), photometric="minisblack")
    with pytest.raises(AmbiguousInputError, match="2 pages; choose one with --volume 1 to 2"):
        read_image(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif", volume=2).values[0], GREY + 1)
    with pytest.raises(InputError, match="no page 3"):
        read_image(tmp_path / "a.tif", volume=3)


def test_white_is_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    assert np.array_equal(read_image(tmp_path / "a.tif").values[0], 255 - GREY)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_white_is_zero_in_signed_and_real_numbers_too(kind: type, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", 220 - GREY.astype(kind), photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    assert np.array_equal(image.values[0] - image.values.min(), GREY)
    assert "white is zero: inverted" in image.provenance.steps


def test_inks_are_the_colours_that_they_print(tmp_path: Path) -> None:
    printed = Pillow.fromarray(COLOUR).convert("CMYK")
    printed.save(tmp_path / "a.tif")
    expected = np.asarray(printed.convert("RGB")) @ [0.299, 0.587, 0.114]
    assert np.abs(read_image(tmp_path / "a.tif").values[0] - expected).max() <= 1
    inks = np.zeros((3, 4, 4), np.uint16)
    inks[..., 3] = 65535 - GREY.astype(np.uint16) * 257  # a grey picture in black ink alone
    tifffile.imwrite(tmp_path / "k.tif", inks, photometric="separated")
    image = read_image(tmp_path / "k.tif")
    assert np.array_equal(image.values[0], GREY.astype(np.uint16) * 257)
    assert "alpha dropped" not in image.provenance.steps


@pytest.mark.parametrize(("mode", "named"), [("LAB", "CIELAB"), ("YCbCr", "YCbCr")])
def test_colours_whose_first_channel_is_no_red_are_refused(mode: str, named: str, tmp_path: Path) -> None:
    Pillow.fromarray(COLOUR).convert(mode).save(tmp_path / "a.tif")
    with pytest.raises(UnsupportedError, match=f"stored as {named}, which is not read; save it as grey or RGB"):
        read_image(tmp_path / "a.tif")


def test_what_is_refused(tmp_path: Path) -> None:
    Pillow.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(UnreadableError, match=r"b\.png: decoding the picture failed"):
        read_image(tmp_path / "b.png")
    with pytest.raises(InputError, match="--series is for DICOM"):
        read_image(tmp_path / "a.png", series="1")
    frames = [Pillow.fromarray(GREY), Pillow.fromarray(GREY + 5)]
    frames[0].save(tmp_path / "c.png", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedError, match="is an animation"):
        read_image(tmp_path / "c.png")
    bad = GREY.astype(np.float32)
    bad[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "n.tif", bad)
    with pytest.raises(InputError, match="1 pixels are NaN"):
        read_image(tmp_path / "n.tif")


def test_png_mask_comes_back(tmp_path: Path) -> None:
    Pillow.fromarray(COLOUR).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    mask = Mask(values=image.values > 100, geometry=image.geometry)
    path = write_png_mask(mask, image, tmp_path / "m.png")
    assert set(np.unique(np.asarray(Pillow.open(path)))) <= {0, 255}
    assert np.array_equal(read_mask(path, like=image).values, mask.values)
    with pytest.raises(OutputError, match=r"ends in \.png"):
        write_png_mask(mask, image, tmp_path / "m.jpg")
    deep = Image(values=np.zeros((2, 3, 4)), geometry=Geometry.of_pixels(3, 4, frames=2))
    with pytest.raises(OutputError, match="2 slices do not go into one PNG"):
        write_png_mask(Mask(values=deep.values > 0, geometry=deep.geometry), deep, tmp_path / "m.png")


def test_jpeg_masks_have_a_threshold(tmp_path: Path) -> None:
    plane = np.zeros((16, 16), np.uint8)
    plane[4:12, 4:12] = 255
    Pillow.fromarray(plane).save(tmp_path / "m.jpg", quality=60)
    assert np.array_equal(read_mask(tmp_path / "m.jpg").values[0], plane > 0)


def test_labels(tmp_path: Path) -> None:
    Pillow.fromarray(np.array([[0, 1], [2, 2]], np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="holds 2 labels, 1, 2; say which is meant: --label 1"):
        read_mask(tmp_path / "m.png")
    both = read_mask(tmp_path / "m.png", label="1+2")
    assert both.values[0].tolist() == [[False, True], [True, True]]
    assert both.provenance.steps == ("labels 1+2",)
    assert read_mask(tmp_path / "m.png", label=2).values.sum() == 2
    with pytest.raises(InputError, match="no voxel has label 3"):
        read_mask(tmp_path / "m.png", label=3)


def test_how_much_of_a_picture_is_in_colour_is_kept(tmp_path: Path) -> None:
    screen = np.full((20, 40, 3), 90, np.uint8)
    screen[:10, :10] = (200, 30, 10)
    Pillow.fromarray(screen).save(tmp_path / "colour.png")
    Pillow.fromarray(screen[..., 0]).save(tmp_path / "grey.png")
    assert read_image(tmp_path / "colour.png").colour == 100 / 800
    assert read_image(tmp_path / "grey.png").colour == 0.0

"""Framings against Pillow and torchvision, and there-and-back of points and maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from torchvision.transforms import v2

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import EncoderSpec
from medkt.models.framing import frame_plane, prepare

POLICIES = ("letterbox", "crop", "squash", "canvas")
SIDES = st.integers(1, 90)


def make_plane(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * 1000 + columns).random((rows, columns), dtype=np.float32)


def pillow_resize(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.asarray(PILImage.fromarray(plane).resize((columns, rows), PILImage.Resampling.BICUBIC))


def test_crop_is_what_torchvision_does() -> None:
    plane = make_plane(50, 83)
    steps = v2.Compose([v2.Resize(24, interpolation=v2.InterpolationMode.BICUBIC, antialias=True), v2.CenterCrop(24)])
    expected = steps(torch.from_numpy(plane)[None, None]).clamp(0, 1)
    pixels = frame_plane(50, 83, 24, "crop").image(plane)
    assert pixels.shape == (1, 3, 24, 24)
    torch.testing.assert_close(pixels, expected.repeat(1, 3, 1, 1), atol=1e-6, rtol=0)


def test_squash_is_what_pillow_does() -> None:
    plane = make_plane(50, 83)
    pixels = frame_plane(50, 83, 24, "squash").image(plane)
    np.testing.assert_allclose(pixels[0, 0], np.clip(pillow_resize(plane, 24, 24), 0, 1), atol=2e-6)


@pytest.mark.parametrize(("rows", "columns"), [(50, 83), (83, 50), (11, 7), (24, 24)])
def test_letterbox_is_a_black_square_resized_by_pillow(rows: int, columns: int) -> None:
    plane, side = make_plane(rows, columns), max(rows, columns)
    square = np.zeros((side, side), np.float32)
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = plane
    pixels = frame_plane(rows, columns, 24, "letterbox").image(plane)
    np.testing.assert_allclose(pixels[0, 2], np.clip(pillow_resize(square, 24, 24), 0, 1), atol=2e-6)


def test_canvas_does_not_enlarge() -> None:
    plane = make_plane(10, 6)
    pixels = frame_plane(10, 6, 24, "canvas").image(plane)
    np.testing.assert_array_equal(pixels[0, 1, 7:17, 9:15], plane)
    assert float(pixels[0, 1].sum()) == pytest.approx(float(plane.sum()), rel=1e-5)


def test_points_by_hand() -> None:
    # 40 x 20 into 20: scale 0.5; the canvas is 40 wide, so the plane begins at column 10, which is 5 on the square.
    framing = frame_plane(40, 20, 20, "letterbox")
    moved = framing.points(np.array([[0.0, 0.0], [19.0, 39.0]]))
    np.testing.assert_allclose(moved, [[4.75, -0.25], [14.25, 19.25]])
    # 40 x 20 into 20 by its middle: scale 1, ten rows are lost above.
    np.testing.assert_allclose(frame_plane(40, 20, 20, "crop").points(np.array([[3.0, 12.0]])), [[3.0, 2.0]])


@settings(deadline=None, max_examples=60)
@given(rows=SIDES, columns=SIDES, size=st.integers(1, 64), policy=st.sampled_from(POLICIES))
def test_there_and_back_of_a_point(rows: int, columns: int, size: int, policy: str) -> None:
    framing = frame_plane(rows, columns, size, policy)
    corners = np.array([[0, 0], [columns - 1, rows - 1], [columns / 3, rows / 2]], dtype=np.float64)
    np.testing.assert_allclose(framing.points_home(framing.points(corners)), corners, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(20, 90), columns=st.integers(20, 90), policy=st.sampled_from(POLICIES), data=st.data())
def test_a_bright_spot_comes_home_to_its_place(rows: int, columns: int, policy: str, data: st.DataObject) -> None:
    framing = frame_plane(rows, columns, 64, policy)
    visible = framing.home(np.ones((64, 64), np.float32))
    inner = np.argwhere(visible > 0)
    row, column = inner[data.draw(st.integers(0, len(inner) - 1))]
    plane = np.zeros((rows, columns), np.float32)
    plane[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = 1.0
    mass = plane * visible
    back = framing.home(framing.image(plane)[0, 0].numpy())
    grid = np.indices(plane.shape)
    for axis in (0, 1):
        expected = (grid[axis] * mass).sum() / mass.sum()
        assert (grid[axis] * back).sum() / back.sum() == pytest.approx(expected, abs=1.0)


def test_home_of_a_ramp_is_the_ramp() -> None:
    framing = frame_plane(30, 60, 32, "letterbox")
    centres = (np.arange(16, dtype=np.float32) + 0.5) / 16 * 60 - 0.5  # the plane's column under each token
    home = framing.home(np.tile(centres, (16, 1)))
    np.testing.assert_allclose(home[10, 2:58], np.arange(2, 58), atol=1e-4)
    assert home.shape == (30, 60)
    assert home.dtype == np.float32


def test_home_leaves_what_was_not_seen_at_zero() -> None:
    home = frame_plane(40, 20, 20, "crop").home(np.ones((5, 5), np.float32))
    np.testing.assert_array_equal(home.any(axis=1), [False] * 10 + [True] * 20 + [False] * 10)
    assert frame_plane(40, 20, 20, "squash").home(np.ones((1, 1), np.float32)).min() == 1.0


def test_prepare_normalises_by_the_spec() -> None:
    spec = EncoderSpec(
        name="x", family="clip", input_size=8, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0), framing="crop",
        text_length=4, layers=1, default_layer=0, licence="",
    )  # fmt: skip
    pixels, framing = prepare(spec, np.ones((8, 8), np.float32))
    assert pixels[0, :, 0, 0].tolist() == [1.0, 3.0, 0.5]
    assert framing == frame_plane(8, 8, 8, "crop")


@pytest.mark.parametrize(
    ("plane", "error", "says"),
    [
        (np.zeros((4, 5), np.float32), InputError, r"is for a plane of \(4, 4\), got \(4, 5\)"),
        (np.full((4, 4), np.nan, np.float32), NumericalError, "NaN or infinity"),
        (np.full((4, 4), 255, np.float32), InputError, r"windowed to \[0, 1\], got 255"),
    ],
)
def test_planes_that_no_model_may_see(plane: np.ndarray, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        frame_plane(4, 4, 2, "crop").image(plane)


def test_framings_that_cannot_be() -> None:
    with pytest.raises(SettingsError, match="unknown framing policy 'stretch'; known: letterbox"):
        frame_plane(4, 4, 4, "stretch")
    with pytest.raises(InputError, match="at least one pixel"):
        frame_plane(0, 4, 4, "crop")
    with pytest.raises(InputError, match="at least one value"):
        frame_plane(4, 4, 4, "crop").home(np.zeros((0, 3), np.float32))

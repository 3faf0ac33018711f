"""How a plane is put into a model's square, how points go along, and how a map comes home.

Coordinates are (x, y) = (column, row) with whole numbers at pixel centres, on the plane and on the square alike.
Along one axis a plane coordinate `p` lies on the square at `(p + 0.5) * scale + shift - 0.5`; everything here is that
one line, used forwards by `image` and `points` and backwards by `points_home` and `home`.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Picture
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import EncoderSpec
from medkt.shapes import Plane, PointsXY

Policy = Literal["letterbox", "crop", "squash", "canvas"]

_RANGE_TOLERANCE = (
    1e-4  # float32 arithmetic on the way to [0, 1] may overshoot by so much; a forgotten window does more
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The way from one plane to one square and back. Made by `frame_plane`.

    The plane is laid on a black canvas at (`pad_top`, `pad_left`), the canvas is resized, and the square is cut out of
    the resized canvas at (`cut_top`, `cut_left`).

    Attributes:
        rows, columns: of the plane.
        size: side of the square, in pixels.
        policy: the name of the policy that it was made by.
        canvas_rows, canvas_columns: of the canvas, in the plane's pixels.
        pad_top, pad_left: where the plane begins on the canvas.
        resized_rows, resized_columns: of the canvas after resizing, in the square's pixels.
        cut_top, cut_left: where the square begins on the resized canvas.
        eight_bit: whether the plane becomes a picture of 8 bits first and is resized as one, as public code does.
    """

    rows: int
    columns: int
    size: int
    policy: str
    canvas_rows: int
    canvas_columns: int
    pad_top: int
    pad_left: int
    resized_rows: int
    resized_columns: int
    cut_top: int
    cut_left: int
    eight_bit: bool = False

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the square a pixel of the plane, along columns and along rows."""
        return self.resized_columns / self.canvas_columns, self.resized_rows / self.canvas_rows

    @property
    def shift_xy(self) -> tuple[float, float]:
        """Where the plane's outer corner lies on the square, counted from the square's outer corner."""
        scale_x, scale_y = self.scale_xy
        return self.pad_left * scale_x - self.cut_left, self.pad_top * scale_y - self.cut_top

    def image(self, plane: Plane) -> Tensor:
        """The plane on the square: (1, 3, size, size) float32 in [0, 1], grey in each channel, not normalised.

        Resized by the antialiased bicubic filter that Pillow uses; what lies beside the plane is black. With `eight_bit`
        by Pillow itself, which rounds to whole grey levels after the columns and again after the rows.

        Args:
            plane: (rows, columns), intensities already windowed to [0, 1].

        Raises:
            InputError: another shape, or values outside [0, 1].
            NumericalError: NaN or infinity.
        """
        self._check(plane)
        if self.eight_bit:
            return self._by_pillow(plane)
        below = self.canvas_rows - self.pad_top - self.rows
        right = self.canvas_columns - self.pad_left - self.columns
        pixels = torch.from_numpy(np.ascontiguousarray(plane))[None, None]
        canvas = functional.pad(pixels, (self.pad_left, right, self.pad_top, below))
        if (self.resized_rows, self.resized_columns) != (self.canvas_rows, self.canvas_columns):
            canvas = functional.interpolate(
                canvas, size=(self.resized_rows, self.resized_columns), mode="bicubic", antialias=True
            )
        rows = slice(self.cut_top, self.cut_top + self.size)
        columns = slice(self.cut_left, self.cut_left + self.size)
        return canvas[:, :, rows, columns].clamp(0.0, 1.0).repeat(1, 3, 1, 1)

    def _by_pillow(self, plane: Plane) -> Tensor:
        canvas = np.zeros((self.canvas_rows, self.canvas_columns), dtype=np.uint8)
        rows, columns = (
            slice(first, first + side) for first, side in zip((self.pad_top, self.pad_left), plane.shape, strict=True)
        )
        canvas[rows, columns] = np.rint(np.clip(plane, 0, 1) * 255)
        picture = Picture.fromarray(canvas).resize(
            (self.resized_columns, self.resized_rows), Picture.Resampling.BICUBIC
        )
        box = (self.cut_left, self.cut_top, self.cut_left + self.size, self.cut_top + self.size)
        square = torch.from_numpy(np.array(picture.crop(box), dtype=np.float32) / 255)
        return square[None, None].repeat(1, 3, 1, 1)

    def points(self, points_xy: PointsXY) -> PointsXY:
        """Points of the plane on the square; beyond 0..size-1 where the plane is cut off."""
        return ((points_xy + 0.5) * self.scale_xy + self.shift_xy - 0.5).astype(points_xy.dtype)

    def points_home(self, points_xy: PointsXY) -> PointsXY:
        """Points of the square on the plane; outside the plane where the square is padding."""
        return ((points_xy + 0.5 - self.shift_xy) / self.scale_xy - 0.5).astype(points_xy.dtype)

    def home(self, values: Float[np.ndarray, "grid_rows grid_columns"]) -> Plane:
        """A map on the square brought to the plane's grid, bilinear.

        Args:
            values: over the whole square at any resolution: (16, 16) tokens as well as (size, size) pixels.

        Returns:
            (rows, columns). Pixels that the square does not show are 0; what was padding is cut away.
        """
        if values.size == 0:
            raise InputError(f"a map needs at least one value to be brought home, got the shape {values.shape}")
        (scale_x, scale_y), (shift_x, shift_y) = self.scale_xy, self.shift_xy
        y = (np.arange(self.rows) + 0.5) * scale_y + shift_y
        x = (np.arange(self.columns) + 0.5) * scale_x + shift_x
        inside = _within(y, self.size)[:, None] & _within(x, self.size)[None, :]
        along_rows = _sample(values.astype(np.float32), y / self.size)  # (rows, grid_columns)
        plane = _sample(np.ascontiguousarray(along_rows.T), x / self.size).T
        return np.where(inside, plane, np.float32(0)).astype(np.float32)

    def _check(self, plane: Plane) -> None:
        if plane.shape != (self.rows, self.columns):
            raise InputError(f"this framing is for a plane of {(self.rows, self.columns)}, got {plane.shape}")
        low, high = float(plane.min()), float(plane.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise NumericalError("the plane holds NaN or infinity: replace them before a model sees it")
        if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
            raise InputError(f"a plane for a model must be windowed to [0, 1], got {low:g} to {high:g}")


def frame_plane(rows: int, columns: int, size: int, policy: str, *, eight_bit: bool = False) -> Framing:
    """The framing of a plane by a named policy.

    Args:
        rows: of the plane.
        columns: of the plane.
        size: side of the model's square.
        policy: "letterbox": the whole plane fitted, centred, the rest black; "canvas": the same but a plane smaller
            than the square keeps its size (MedCLIP); "crop": the shortest side fitted, the middle cut out (CLIP,
            BiomedCLIP; what lies beyond is not seen); "squash": both sides fitted, aspect ratio lost.
        eight_bit: as the image processors of public code: a picture of 8 bits before and after resizing, and a middle
            that cannot be cut out evenly begins half a pixel earlier; else half to even.

    Raises:
        InputError: a side is not positive.
        SettingsError: an unknown policy.

    Example:
        >>> frame_plane(512, 256, 224, "letterbox").scale_xy
        (0.4375, 0.4375)
    """
    if min(rows, columns, size) < 1:
        raise InputError(f"a framing needs sides of at least one pixel, got {rows} x {columns} onto {size}")
    if policy not in get_args(Policy):
        raise SettingsError(f"unknown framing policy {policy!r}; known: {', '.join(get_args(Policy))}")
    known = cast(Policy, policy)
    canvas = _canvas(rows, columns, size, known)
    resized = _resized(rows, columns, size) if known == "crop" else (size, size)
    spare = [side - size for side in resized]
    cut = [over // 2 for over in spare] if eight_bit else [round(over / 2) for over in spare]
    return Framing(
        rows=rows,
        columns=columns,
        size=size,
        policy=known,
        canvas_rows=canvas[0],
        canvas_columns=canvas[1],
        pad_top=(canvas[0] - rows) // 2,
        pad_left=(canvas[1] - columns) // 2,
        resized_rows=resized[0],
        resized_columns=resized[1],
        cut_top=cut[0],
        cut_left=cut[1],
        eight_bit=eight_bit,
    )


def prepare(spec: EncoderSpec, plane: Plane, *, eight_bit: bool = False) -> tuple[Tensor, Framing]:
    """A plane as `spec`'s model wants it: (1, 3, size, size) normalised pixels, and the framing that leads back."""
    framing = frame_plane(plane.shape[0], plane.shape[1], spec.input_size, spec.framing, eight_bit=eight_bit)
    return normalise(framing.image(plane), spec), framing


def normalise(pixels: Tensor, spec: EncoderSpec) -> Tensor:
    """(images, 3, side, side) in [0, 1] to what the model was trained on: less the mean, over the deviation."""
    mean = torch.tensor(spec.mean, dtype=pixels.dtype, device=pixels.device)[:, None, None]
    std = torch.tensor(spec.std, dtype=pixels.dtype, device=pixels.device)[:, None, None]
    return (pixels - mean) / std


def _canvas(rows: int, columns: int, size: int, policy: Policy) -> tuple[int, int]:
    if policy == "letterbox":
        return max(rows, columns), max(rows, columns)
    if policy == "canvas":
        return max(rows, columns, size), max(rows, columns, size)
    return rows, columns


def _resized(rows: int, columns: int, size: int) -> tuple[int, int]:
    # The longer side is cut down to a whole number, not rounded: torchvision's Resize, which CLIP was trained with.
    short = min(rows, columns)
    return (size, int(size * columns / short)) if rows <= columns else (int(size * rows / short), size)


def _within(coordinates: np.ndarray, size: int) -> np.ndarray:
    inside: np.ndarray = (coordinates >= 0) & (coordinates <= size)
    return inside


def _sample(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values along axis 0 at positions in [0, 1], linear between cell centres, constant beyond the outermost centre."""
    cells = len(values)
    at = np.clip(positions * cells - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(np.intp), max(cells - 2, 0))
    weight = (at - low).astype(np.float32)[:, None]
    sampled: np.ndarray = values[low] * (1 - weight) + values[np.minimum(low + 1, cells - 1)] * weight
    return sampled

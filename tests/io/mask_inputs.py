"""Masks as files in every way in which they are wrong or ambiguous, and the verdict that each must have at every door."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel
import numpy as np
from dicom_making import write_series
from PIL import Image as Picture
from pydicom import dcmread
from scipy.ndimage import gaussian_filter

from medkt.errors import InputError
from medkt.io import read_image

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
BALL = sum((axis - centre) ** 2 for axis, centre in zip(np.indices((12, 10, 8)), (6, 5, 4), strict=True)) < 9
RING = (sum((axis - centre) ** 2 for axis, centre in zip(np.indices((12, 10, 8)), (6, 5, 4), strict=True)) < 16) & ~BALL
DISC = sum((axis - centre) ** 2 for axis, centre in zip(np.indices((32, 40)), (16, 20), strict=True)) < 49
GREY = DISC.astype(np.uint8) * 255
NOISE = np.random.default_rng(0)


@dataclass(frozen=True)
class MaskInput:
    """One file, what the user says of it, and what must come of it.

    Attributes:
        name: what it is, in words.
        make: writes it into a folder, and gives its path and the path of the image that it belongs to.
        key: what the user says, in the grammar of `MaskChoice`.
        inside: how many voxels are inside; None where it must be refused.
        says: a part of the error, or the rule.
    """

    name: str
    make: Callable[[Path], tuple[Path, Path]]
    key: str
    inside: int | None
    says: str

    @property
    def error(self) -> type[InputError] | None:
        return InputError if self.inside is None else None


def nifti(values: Any, **header: Any) -> Callable[[Path], tuple[Path, Path]]:
    def make(folder: Path) -> tuple[Path, Path]:
        image = nibabel.Nifti1Image(np.asarray(values), AFFINE)
        image.header.set_xyzt_units("mm")
        if "slope" in header:
            image.header.set_slope_inter(header["slope"], 0)
        nibabel.save(image, folder / "mask.nii.gz")
        study = nibabel.Nifti1Image(NOISE.integers(0, 900, BALL.shape).astype(np.int16), AFFINE)
        study.header.set_xyzt_units("mm")
        nibabel.save(study, folder / "image.nii.gz")
        return folder / "mask.nii.gz", folder / "image.nii.gz"

    return make


def picture(pixels: Any, *, name: str = "mask.png", mode: str | None = None, palette: Any = None) -> Any:
    def make(folder: Path) -> tuple[Path, Path]:
        image = Picture.fromarray(np.asarray(pixels), mode) if palette is None else _indexed(pixels, palette)
        image.save(folder / name)
        Picture.fromarray(NOISE.integers(0, 255, DISC.shape).astype(np.uint8)).save(folder / "image.png")
        return folder / name, folder / "image.png"

    return make


def _indexed(pixels: Any, palette: Any) -> Picture.Image:
    image = Picture.frombytes("P", DISC.shape[::-1], np.asarray(pixels, np.uint8).tobytes())
    image.putpalette([level for colour in palette for level in colour])
    return image


def seg(parts: list[np.ndarray], *, kind: str = "BINARY", most: int = 255) -> Callable[[Path], tuple[Path, Path]]:
    """A SEG by highdicom, of parts over a series of 4 slices."""

    def make(folder: Path) -> tuple[Path, Path]:
        values = np.arange(4 * 6 * 5).reshape(4, 6, 5)
        write_series(series := folder / "series", values)
        sources = sorted((dcmread(path) for path in series.iterdir()), key=lambda one: one.InstanceNumber)
        for source in sources:
            source.SliceThickness = 1.0
        image = read_image(series)
        order = [
            int(np.rint(image.geometry.to_index(np.array([one.ImagePositionPatient], float))[0, 0])) for one in sources
        ]
        stored = np.stack(parts, axis=-1)[order]
        made = hd.seg.Segmentation(
            sources, stored if kind == "FRACTIONAL" else stored.astype(np.uint8), kind, [_described(number + 1) for number in range(len(parts))],
            hd.UID(), 1, hd.UID(), 1, "maker", "model", "1", "0", omit_empty_frames=False,
            max_fractional_value=most,
        )  # fmt: skip
        made.save_as(folder / "mask.dcm")
        return folder / "mask.dcm", series

    return make


def _described(number: int) -> Any:
    code = hd.sr.CodedConcept("108369006", "SCT", "Neoplasm")
    kind = hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure")
    return hd.seg.SegmentDescription(number, f"part {number}", kind, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)


def _block(left: int) -> np.ndarray:
    values = np.zeros((4, 6, 5), dtype=bool)
    values[1:3, 2:4, left : left + 2] = True
    return values


def _alpha(grey: Any, alpha: Any) -> np.ndarray:
    return np.stack([*[np.broadcast_to(grey, DISC.shape)] * 3, np.broadcast_to(alpha, DISC.shape)], axis=-1).astype(
        np.uint8
    )


def _colours(first: tuple[int, int, int], second: tuple[int, int, int] | None = None) -> np.ndarray:
    pixels = np.zeros((*DISC.shape, 3), np.uint8)
    pixels[DISC] = first
    if second is not None:
        pixels[:16][DISC[:16]] = second
    return pixels


_BOTH = BALL * 1 + RING * 2
_SOFT = gaussian_filter(BALL.astype(np.float32), 0.7)
_RESIDUE = BALL + np.where(NOISE.random(BALL.shape) < 0.5, np.float32(1e-7), np.float32(0))
_UNKNOWN = np.where(np.arange(12)[:, None, None] < 1, -1, BALL).astype(np.int16)
_EDGE = np.asarray(
    Picture.fromarray(GREY).resize((20, 16), Picture.Resampling.BILINEAR).resize((40, 32), Picture.Resampling.BILINEAR)
)
_HALF = int((_SOFT >= 0.5).sum())
_B, _R, _D = int(BALL.sum()), int(RING.sum()), int(DISC.sum())
_SEVERAL, _CUT = "say which is meant: --label 1", "say where to cut it: --threshold"

INPUTS = (
    MaskInput("NIfTI 0/1", nifti(BALL.astype(np.uint8)), "", _B, "its only label, 1"),
    MaskInput("NIfTI 0/255", nifti(BALL.astype(np.uint8) * 255), "", _B, "its only label, 255"),
    MaskInput("NIfTI empty", nifti(BALL * np.uint8(0)), "", 0, "nothing is inside"),
    MaskInput("NIfTI float 0.0/1.0", nifti(BALL.astype(np.float64)), "", _B, "its only label, 1"),
    MaskInput("NIfTI 255 scaled by 1/255", nifti(BALL.astype(np.uint8) * 255, slope=1 / 255), "", _B, "its only label, 1"),
    MaskInput("NIfTI 0.99995", nifti(BALL * np.float32(0.99995)), "", _B, "its only label, 1"),
    MaskInput("NIfTI 0/1, all above 1", nifti(BALL.astype(np.uint8)), ">1", None, "its highest value is 1, so nothing is above 1"),
    MaskInput("NIfTI 255 scaled, label 1", nifti(BALL.astype(np.uint8) * 255, slope=1 / 255), "1", _B, "label 1"),
    MaskInput("NIfTI 0.99995, label 1", nifti(BALL * np.float32(0.99995)), "1", _B, "label 1"),
    MaskInput("NIfTI labels 1, 2", nifti(_BOTH.astype(np.uint8)), "", None, f"holds 2 labels, 1, 2; {_SEVERAL}"),
    MaskInput("the same, label 1", nifti(_BOTH.astype(np.uint8)), "1", _B, "label 1"),
    MaskInput("the same, label 1+2", nifti(_BOTH.astype(np.uint8)), "1+2", _B + _R, "labels 1+2"),
    MaskInput("the same, all labels", nifti(_BOTH.astype(np.float32)), "all", _B + _R, "all labels together"),
    MaskInput("the same, threshold 0.5", nifti(_BOTH.astype(np.uint8)), ">=0.5", None, "takes all that is not 0"),
    MaskInput("NIfTI probabilities", nifti(_SOFT), "", None, _CUT),
    MaskInput("the same, threshold 0.5", nifti(_SOFT), ">=0.5", _HALF, "0.5 and above"),
    MaskInput("the same, label 1", nifti(_SOFT), "1", None, _CUT),
    MaskInput("NIfTI residue of 1e-7", nifti(_RESIDUE), "", None, _CUT),
    MaskInput("the same, threshold 0.5", nifti(_RESIDUE), ">=0.5", _B, "0.5 and above"),
    MaskInput("NIfTI 0.9", nifti(BALL * np.float32(0.9)), "", None, _CUT),
    MaskInput("NIfTI with -1", nifti(_UNKNOWN), "", None, "holds -1 in 80 voxels"),
    MaskInput("the same, label 1", nifti(_UNKNOWN), "1", _B, "label 1"),
    MaskInput("the same, threshold 0.5", nifti(_UNKNOWN), ">=0.5", None, "no negative values"),
    MaskInput("the same, all labels", nifti(_UNKNOWN), "all", None, "holds -1 in 80 voxels"),
    MaskInput("NIfTI with NaN", nifti(np.where(RING, np.nan, BALL).astype(np.float32)), "", None, "NaN"),
    MaskInput("NIfTI all inside", nifti(np.ones(BALL.shape, np.uint8)), "", None, "every voxel is inside"),
    MaskInput("NIfTI that is a CT", nifti(NOISE.integers(-900, 900, BALL.shape).astype(np.int16)), "", None, "a mask has few"),
    MaskInput("NIfTI whose image is not negative, threshold", nifti(NOISE.integers(0, 900, BALL.shape).astype(np.int16)), ">127", None, "neither black nor white"),
    MaskInput("NIfTI of two volumes", nifti(np.stack([BALL, RING], -1).astype(np.uint8)), "", None, "volumes"),
    MaskInput("grey PNG", picture(GREY), "", _D, "its only label, 255"),
    MaskInput("PNG of 1 bit", picture(DISC), "", _D, "its only label, 255"),
    MaskInput("PNG of 16 bits", picture(DISC.astype(np.uint16) * 65535), "", _D, "its only label, 65535"),
    MaskInput("PNG with a soft edge", picture(_EDGE), "", None, "--threshold 128"),
    MaskInput("the same, threshold 128", picture(_EDGE), ">=128", int((_EDGE >= 128).sum()), "128 and above"),
    MaskInput("the same, threshold 0.5", picture(_EDGE), ">=0.5", None, "give one in its own range"),
    MaskInput("PNG, mask in the alpha channel", picture(_alpha(255, GREY)), "", None, "may be in its alpha channel"),
    MaskInput("PNG, black with the mask in alpha", picture(_alpha(0, GREY)), "", None, "may be in its alpha channel"),
    MaskInput("PNG, opaque alpha", picture(_alpha(GREY, 255)), "", _D, "its only label, 255"),
    MaskInput("PNG, alpha that says the same", picture(_alpha(GREY, GREY)), "", _D, "its only label, 255"),
    MaskInput("PNG, alpha of nothing", picture(_alpha(GREY, 0)), "", None, "say two things"),
    MaskInput("PNG, grey and opaque alpha", picture(_alpha(GREY, 255)[..., 2:]), "", _D, "its only label, 255"),
    MaskInput("PNG, white with the mask in alpha", picture(_alpha(255, GREY)[..., 2:]), "", None, "may be in its alpha channel"),
    MaskInput("PNG, alpha that says another thing", picture(_alpha(GREY, np.roll(GREY, 9, 1))), "", None, "say two things"),
    MaskInput("PNG all white", picture(np.full(DISC.shape, 255, np.uint8)), "", None, "every voxel is inside"),
    MaskInput("PNG, one colour on black", picture(_colours((255, 0, 0))), "", _D, "its only label, 1 (one colour on black)"),
    MaskInput("PNG, two colours", picture(_colours((255, 0, 0), (0, 255, 0))), "", None, "2 colours besides black"),
    MaskInput("PNG, palette of grey", picture(1 - DISC, palette=[(255,) * 3, (0,) * 3]), "", _D, "its only label, 255"),
    MaskInput("PNG, palette of colours", picture(DISC, palette=[(0, 0, 0), (128, 0, 0)]), "", _D, "its only label, 1 (palette)"),
    MaskInput("the same, two labels", picture(DISC * 1 + (np.roll(DISC, 9) & ~DISC) * 2, palette=[(0, 0, 0), (128, 0, 0), (0, 128, 0)]), "", None, f"holds 2 labels, 1, 2; {_SEVERAL}"),
    MaskInput("PNG, palette that shows both as black", picture(DISC, palette=[(0, 0, 0), (0, 0, 0)]), "", None, "several indices in one grey"),
    MaskInput("JPEG", picture(GREY, name="mask.jpg"), "", _D, "128 and above (JPEG)"),
    MaskInput("JPEG, label 255", picture(GREY, name="mask.jpg"), "255", None, "changes label values"),
    MaskInput("JPEG of 0/1", picture(DISC.astype(np.uint8), name="mask.jpg"), "", None, "its highest value is"),
    MaskInput("JPEG in colour", picture(_colours((255, 0, 0)), name="mask.jpg"), "", None, "is in colour"),
    MaskInput("PNG that is a radiograph", picture(NOISE.integers(0, 255, DISC.shape).astype(np.uint8)), "", None, "a mask has few"),
    MaskInput("SEG, one segment", seg([_block(1)]), "", 8, "segment 1"),
    MaskInput("SEG, two segments", seg([_block(1), _block(3)]), "", None, f"1 'part 1', 2 'part 2'; {_SEVERAL}"),
    MaskInput("the same, segment 2", seg([_block(1), _block(3)]), "2", 8, "segment 2"),
    MaskInput("the same, 1+2", seg([_block(1), _block(3)]), "1+2", 16, "segments 1+2"),
    MaskInput("the same, segment 3", seg([_block(1), _block(3)]), "3", None, r"no segment 3; there are [1, 2]"),
    MaskInput("SEG, fractions", seg([_block(1) * 0.4], kind="FRACTIONAL"), "", None, _CUT),
    MaskInput("the same, threshold 0.3", seg([_block(1) * 0.4], kind="FRACTIONAL"), ">=0.3", 8, "0.3 and above"),
    MaskInput("SEG, fractions of 100", seg([_block(1) * 0.4], kind="FRACTIONAL", most=100), ">=0.3", 8, "0.3 and above"),
    MaskInput("SEG, the largest of 100 alone", seg([_block(1) * 1.0], kind="FRACTIONAL", most=100), "", 8, "segment 1"),
    MaskInput("SEG of labels, two segments", seg([_block(1), _block(3)], kind="LABELMAP"), "", None, f"1 'part 1', 2 'part 2'; {_SEVERAL}"),
    MaskInput("the same, segment 2", seg([_block(1), _block(3)], kind="LABELMAP"), "2", 8, "segment 2"),
    MaskInput("the same, all", seg([_block(1), _block(3)], kind="LABELMAP"), "all", 16, "segments 1+2"),
)  # fmt: skip

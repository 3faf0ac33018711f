"""The oracles are DeepMind's surface-distance tests and values measured with its code (2-D and 3-D)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from medkt.errors import SettingsError
from medkt.metrics import dice, iou, nsd, nsd_slab

Scores = dict[int, tuple[float, float | None]]
masks = hnp.arrays(np.bool_, (5, 7)).filter(np.any)


def _blank(*shape: int) -> np.ndarray:
    return np.zeros(shape, bool)


def _with(mask: np.ndarray, *where: slice | int) -> np.ndarray:
    mask = mask.copy()
    mask[where] = True
    return mask


def _square(shift: int = 0, *, side: int = 10, margin: int = 0) -> np.ndarray:
    """A square of `side` pixels, moved to the right by `shift`, grown by `margin` all round."""
    first, last = 10 - margin, 10 + side + margin
    return _with(_blank(40, 48), slice(first, last), slice(first + shift, last + shift))


def _disc(radius: int, shift: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:128, :128]
    return (rows - 64) ** 2 + (columns - 64 - shift) ** 2 <= radius**2


def _open_disc(radius: int, shift: int = 0) -> np.ndarray:
    """Without the pixels that lie exactly on the radius."""
    rows, columns = np.mgrid[:128, :128]
    return (rows - 64) ** 2 + (columns - 64 - shift) ** 2 < radius**2


# ---- DeepMind's own tests


def test_two_single_pixels() -> None:
    reference, prediction = _with(_blank(128, 128), 50, 70), _with(_blank(128, 128), 50, 72)
    assert nsd(reference=reference, prediction=prediction, spacing=(2, 1), tolerance=1) == pytest.approx(0.5)
    assert nsd(reference=reference, prediction=prediction, spacing=(2, 1), tolerance=2) == pytest.approx(1)


def test_two_small_rectangles_with_oblong_spacing() -> None:
    reference = _with(_blank(6, 6), slice(1, 3), slice(1, 3))
    prediction = _with(_blank(6, 6), slice(1, 4), slice(1, 3))
    score = nsd(reference=reference, prediction=prediction, spacing=(2, 1), tolerance=1)
    assert score == pytest.approx(0.870268, abs=1e-6)


def test_two_single_voxels() -> None:
    reference, prediction = _with(_blank(128, 128, 128), 50, 60, 70), _with(_blank(128, 128, 128), 50, 60, 72)
    assert nsd(reference=reference, prediction=prediction, spacing=(3, 2, 1), tolerance=1) == pytest.approx(0.5)


def test_two_half_cubes() -> None:
    reference, prediction = _with(_blank(100, 100, 100), slice(50)), _with(_blank(100, 100, 100), slice(51))
    score = nsd(reference=reference, prediction=prediction, spacing=(2, 1, 1), tolerance=1)
    assert score == pytest.approx(0.836145, abs=1e-6)
    assert dice(reference=reference, prediction=prediction) == pytest.approx(0.990099, abs=1e-6)


SHIFTED = [_disc(20, shift) for shift in (0, 5, 10, 20)]
HOLED = _square(side=12) & ~_with(_blank(40, 48), slice(13, 19), slice(13, 19))

# ---- contour and slab side by side: name, reference, prediction, Dice, IoU, {tolerance: (nsd, nsd_slab)}

ROWS = [
    ("shift 0", _square(), _square(), 1, 1, {1: (1, 1), 2: (1, 1)}),
    ("shift 1", _square(), _square(1), 0.9, 0.818182, {0: (0.5, 0.936667), 1: (1, 1), 2: (1, 1)}),
    ("shift 2", _square(), _square(2), 0.8, 0.666667, {1: (0.551509, 0.936667), 2: (1, 1)}),
    ("shift 3", _square(), _square(3), 0.7, 0.538462, {1: (0.5, 0.839630), 2: (0.603017, 0.936667)}),
    ("shift 5", _square(), _square(5), 0.5, 0.333333, {1: (0.396983, 0.645556), 2: (0.5, 0.742593)}),
    ("10 in 14", _square(), _square(margin=2), 0.675676, 0.510204, {1: (0, 0.867385), 2: (0.884382, 0.979224)}),
    ("10 in 16", _square(), _square(margin=3), 0.561798, 0.390625, {1: (0, 0.725004), 2: (0, 0.852795)}),
    ("the same, wider", _square(), _square(margin=3), 0.561798, 0.390625, {3: (0.814784, None)}),
    ("20x20, shift 5", _square(side=20), _square(5, side=20), 0.75, 0.6, {1: (0.449257, 0.819274), 2: (0.5, 0.868394)}),
    ("disc, shift 5", SHIFTED[0], SHIFTED[1], 0.843278, 0.729023, {1: (0.207107, 0.898368), 2: (0.344329, 0.931638)}),
    ("disc, shift 10", SHIFTED[0], SHIFTED[2], 0.688146, 0.524560, {1: (0.120574, 0.743279), 2: (0.177414, 0.777913)}),
    ("disc, shift 20", SHIFTED[0], SHIFTED[3], 0.393795, 0.245171, {1: (0.061188, 0.443789), 2: (0.097031, 0.473181)}),
    (
        "a hole", _square(side=12), HOLED,
        0.857143, 0.75, {1: (0.804023, 0.967356), 2: (0.804023, 0.996373)},
    ),
    (
        "the whole image and its top half", ~_blank(16, 16), _with(_blank(16, 16), slice(8)),
        0.666667, 0.5, {1: (0.622329, 0.729749), 2: (0.658806, 0.770251)},
    ),
    (
        "two pixels, 2 apart", _with(_blank(12, 14), 5, 5), _with(_blank(12, 14), 5, 7),
        0, 0, {1: (0.5, 0.5), 2: (1, 1)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "prediction", "its_dice", "its_iou", "scores"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_contour_and_slab(
    reference: np.ndarray,
    prediction: np.ndarray,
    its_dice: float,
    its_iou: float,
    scores: Scores,
) -> None:
    both = {"reference": reference, "prediction": prediction}
    assert dice(**both) == pytest.approx(its_dice, abs=1e-6)
    assert iou(**both) == pytest.approx(its_iou, abs=1e-6)
    for tolerance, (contour, slab) in scores.items():
        assert nsd(**both, spacing=(1, 1), tolerance=tolerance) == pytest.approx(contour, abs=1e-6)
        if slab is not None:
            assert nsd_slab(**both, tolerance_px=tolerance) == pytest.approx(slab, abs=1e-6)


@pytest.mark.parametrize(
    ("prediction", "slab", "contour"),
    [
        (_open_disc(30), 0.775, 0.0),
        (_open_disc(42), 0.999, 0.885),
        (_open_disc(50), 0.826, 0.0),
        (_open_disc(60), 0.652, 0.0),
        (_open_disc(40, 20), 0.732, 0.095),
    ],
)
def test_the_slab_forgives_what_the_contour_does_not(prediction: np.ndarray, slab: float, contour: float) -> None:
    both = {"reference": _open_disc(40), "prediction": prediction}
    assert nsd_slab(**both) == pytest.approx(slab, abs=1e-3)
    assert nsd(**both, spacing=(1, 1), tolerance=2) == pytest.approx(contour, abs=1e-3)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_monais_default_is_another_number() -> None:
    """It counts edge pixels: 0.555556 where the contour gives 0.551509. Were it ever the same, the setting is lost."""
    import torch
    from monai.metrics.surface_dice import compute_surface_dice

    planes = [torch.from_numpy(plane)[None, None] for plane in (_square(2), _square())]
    assert float(compute_surface_dice(*planes, [1.0], include_background=True)) == pytest.approx(0.555556, abs=1e-6)


# ---- the rule for empty masks, and guards


def test_empty_rule() -> None:
    empty, some = _blank(9, 11), _with(_blank(9, 11), 4, 5)
    for metric in (lambda **both: nsd(**both, spacing=(2, 1), tolerance=2), nsd_slab):
        assert np.isnan(metric(reference=empty, prediction=empty))
        assert metric(reference=some, prediction=empty) == 0
        assert metric(reference=empty, prediction=some) == 0


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf])
def test_impossible_tolerances_are_refused(tolerance: float) -> None:
    with pytest.raises(SettingsError, match="a tolerance is 0 or more"):
        nsd(reference=_square(), prediction=_square(), spacing=(1, 1), tolerance=tolerance)


@pytest.mark.parametrize("spacing", [(1,), (1, 1, 1), (0, 1), (-1, 1), (np.nan, 1)])
def test_impossible_spacings_are_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="one positive step for each of 2 axes"):
        nsd(reference=_square(), prediction=_square(), spacing=spacing, tolerance=1)


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape are compared"):
        nsd(reference=_blank(3, 4), prediction=_blank(4, 3), spacing=(1, 1), tolerance=1)


# ---- properties


def test_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="a plane or a volume has a boundary, got 1 axes"):
        nsd(reference=np.ones(3, bool), prediction=np.ones(3, bool), spacing=(1,), tolerance=1)


@settings(max_examples=25)
@given(masks, masks, st.sampled_from([0.0, 1.0, 2.5]))
def test_symmetric_and_unchanged_by_flips(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    how = {"spacing": (2.0, 0.7), "tolerance": tolerance}
    one = nsd(reference=a, prediction=b, **how)
    assert nsd(reference=b, prediction=a, **how) == pytest.approx(one, abs=1e-6)
    assert nsd(reference=a[::-1].copy(), prediction=b[::-1].copy(), **how) == pytest.approx(one, abs=1e-6)
    assert nsd(reference=a[:, ::-1].copy(), prediction=b[:, ::-1].copy(), **how) == pytest.approx(one, abs=1e-6)


@settings(max_examples=25)
@given(masks, masks, st.floats(0.1, 10))
def test_unchanged_by_scaling_spacing_with_tolerance(a: np.ndarray, b: np.ndarray, scale: float) -> None:
    one = nsd(reference=a, prediction=b, spacing=(2, 0.7), tolerance=1.4)
    scaled = nsd(reference=a, prediction=b, spacing=(2 * scale, 0.7 * scale), tolerance=1.4 * scale)
    assert scaled == pytest.approx(one, abs=1e-5)


@settings(max_examples=10)
@given(masks)
def test_a_mask_agrees_with_itself(a: np.ndarray) -> None:
    assert nsd(reference=a, prediction=a, spacing=(3, 1), tolerance=0) == pytest.approx(1)


@settings(max_examples=20)
@given(masks, masks, st.sampled_from([0.6, 1.3, 2.0]))
def test_contours_against_a_plain_reckoning(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    score = nsd(reference=a, prediction=b, spacing=(2, 0.7), tolerance=tolerance)
    assert score == pytest.approx(_plain_nsd(a, b, (2, 0.7), tolerance), abs=1e-5)


def _plain_nsd(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float], tolerance: float) -> float:
    """Marching squares by its definition: at each pixel corner, the length of boundary that its 2x2 window holds."""
    near = total = 0.0
    for one, other in ((_lengths(a, spacing), _lengths(b, spacing)), (_lengths(b, spacing), _lengths(a, spacing))):
        away = ndimage.distance_transform_edt(other == 0, sampling=spacing)
        near += one[(one > 0) & (away <= tolerance + 1e-9)].sum()
        total += one.sum()
    return near / total


def _lengths(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    padded = np.pad(mask, 1)
    windows = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    down, across = spacing
    diagonal = float(np.hypot(down, across)) / 2
    lengths = np.zeros(windows.shape[1:])
    for row, column in np.ndindex(lengths.shape):
        top_left, top_right, low_left, low_right = windows[:, row, column]
        count = int(windows[:, row, column].sum())
        if count in (1, 3):
            lengths[row, column] = diagonal  # one corner cut off
        elif count == 2 and top_left == low_right:
            lengths[row, column] = 2 * diagonal  # two corners cut off
        elif count == 2:
            lengths[row, column] = across if top_left == top_right else down  # a straight line through
        assert not (count == 2 and top_left == top_right and low_left != low_right)
    return lengths

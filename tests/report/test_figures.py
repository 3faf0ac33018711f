"""The picture of a result: its size, what is drawn where, and the same bytes each time."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.report.figures import Panel, draw_panels


def _panel(rows: int = 40, columns: int = 48, aspect: float = 1.0) -> Panel:
    plane = np.tile(np.linspace(0, 0.6, columns, dtype=np.float32), (rows, 1))
    mask = np.zeros((rows, columns), dtype=bool)
    mask[rows // 4 : rows // 2, columns // 4 : columns // 2] = True
    return Panel(
        plane=plane,
        saliency=plane / 2,
        mask=mask,
        boxes_xyxy=np.array([[columns // 2, rows // 2, columns - 4, rows - 4]], dtype=np.float32),
        title="a finding, plane 3",
        caption="seen, score 0.90",
        aspect=aspect,
        colour=(250, 20, 20),
    )


def _drawn(*panels: Panel) -> np.ndarray:
    with Picture.open(BytesIO(draw_panels(panels, footer="a footer"))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def _reddish(pixels: np.ndarray) -> np.ndarray:
    found: np.ndarray = (pixels[..., 0] > 200) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    return found


def test_the_same_bytes_each_time() -> None:
    assert draw_panels([_panel()], footer="f") == draw_panels([_panel()], footer="f")


def test_a_row_for_each_finding() -> None:
    one, three = _drawn(_panel()), _drawn(_panel(), _panel(), _panel())
    assert one.shape[1] == three.shape[1]
    assert 2.2 < three.shape[0] / one.shape[0] < 3


def test_the_outline_runs_round_the_mask_in_the_findings_colour() -> None:
    pixels = _drawn(_panel())
    rows, columns = np.nonzero(_reddish(pixels))
    assert len(rows) > 50
    assert columns.min() > 2 * pixels.shape[1] / 3 - 5  # in the third picture only
    bare = _drawn(replace(_panel(), mask=np.zeros((40, 48), dtype=bool)))
    assert not _reddish(bare).any()


def test_a_long_caption_is_not_cut() -> None:
    """It stands under the middle of the three pictures, where the whole width is free."""
    long = "not decided, score 0.12; 12 lesions, largest at least 123.4 x 118.0 mm, 123.45 mL; together at least 1234.56 mL"
    pixels = _drawn(replace(_panel(), caption=long))
    below = pixels[-60:-25]  # under the pictures and above the footer
    (columns,) = np.nonzero((below.min(axis=2) > 100).any(axis=0))
    assert columns[0] > 20
    assert columns[-1] < pixels.shape[1] - 20


def test_a_mask_at_the_edge_is_outlined_there() -> None:
    everything = replace(_panel(), mask=np.ones((40, 48), dtype=bool))
    assert _reddish(_drawn(everything)).sum() > 100


def test_the_box_and_the_reference_are_drawn() -> None:
    pixels = _drawn(_panel())
    blue = (pixels[..., 2] > 180) & (pixels[..., 0] < 130)
    assert blue.sum() > 50
    reference = np.zeros((40, 48), dtype=bool)
    reference[5:30, 5:40] = True
    green = _drawn(replace(_panel(), reference=reference))
    assert ((green[..., 1] > 170) & (green[..., 0] < 150) & (green[..., 2] < 150)).sum() > 20


def test_a_plane_keeps_its_proportions() -> None:
    """Twice as high pixels make the plane twice as high on the page."""
    flat, tall = _drawn(_panel(24, 48)), _drawn(_panel(24, 48, aspect=2.0))
    assert tall.shape[0] > flat.shape[0]
    assert tall.shape[1] == flat.shape[1]


@pytest.mark.parametrize("shape", [(8, 300), (300, 8)])
def test_narrow_planes_are_drawn(shape: tuple[int, int]) -> None:
    pixels = _drawn(_panel(*shape))
    assert pixels.shape[0] < 1500
    assert _reddish(pixels).any()


def test_a_plane_that_was_not_looked_at() -> None:
    assert _drawn(replace(_panel(), saliency=None, boxes_xyxy=np.zeros((0, 4), np.float32))).any()


def test_a_map_of_zeros() -> None:
    assert _drawn(replace(_panel(), saliency=np.zeros((40, 48), np.float32))).any()


def test_words_with_signs_are_drawn_as_they_stand() -> None:
    """A dollar sign would begin a formula."""
    assert _drawn(replace(_panel(), title="costs $5_ and $\\frac{")).shape == _drawn(_panel()).shape

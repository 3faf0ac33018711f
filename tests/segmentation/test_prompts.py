"""Boxes and points, by hand."""

import numpy as np
import pytest
from drawing import forced, mask, plane

from medkt.errors import InputError, SettingsError
from medkt.segmentation.prompts import Prompts, PromptSettings, prompts_of
from medkt.segmentation.threshold import ThresholdSettings, components

MASK = mask("........ .##...#. .##..... ........ ........")
MAP = plane("00000000 05900070 08600100 00000000 00000000")


def make_prompts(spacing_mm: tuple[float, float] | None = None, **settings: object) -> Prompts:
    parts = components(MASK, MAP, ThresholdSettings(order="area"), pixel_area_mm2=None)
    return prompts_of(parts, MAP, PromptSettings(**settings), spacing_mm=spacing_mm)


def test_each_component_has_a_box_or_all_have_one() -> None:
    assert make_prompts().boxes_xyxy.tolist() == [[1, 1, 3, 3], [6, 1, 7, 2]]
    one = make_prompts(boxes="one")
    assert (one.boxes_xyxy.tolist(), one.regions) == ([[1, 1, 7, 3]], 1)


def test_margins_in_parts_and_millimetres_stop_at_the_edge() -> None:
    assert make_prompts(margin=0.5).boxes_xyxy[0].tolist() == [0, 0, 4, 4]
    assert make_prompts(margin_mm=2.0, spacing_mm=(2.0, 4.0)).boxes_xyxy[0].tolist() == [0.5, 0, 3.5, 4]
    assert make_prompts(margin_mm=2.0).boxes_xyxy[0].tolist() == [1, 1, 3, 3]
    assert make_prompts(margin=9.0).boxes_xyxy[0].tolist() == [0, 0, 7, 4]


def test_points_are_the_maxima_in_order() -> None:
    found = make_prompts(use="points", points=2)
    assert found.points_xy.tolist() == [[2, 1], [1, 2], [6, 1]]
    assert (found.labels.tolist(), found.region.tolist()) == ([1, 1, 1], [0, 0, 1])
    assert found.boxes_xyxy.shape == (0, 4)


def test_negative_points_lie_in_the_box_and_outside_the_region() -> None:
    found = make_prompts(use="both", boxes="one", points=1, negatives=2)
    assert found.points_xy[0].tolist() == [2, 1]
    assert found.labels.tolist() == [1, 0, 0]
    assert not MASK[found.points_xy[1:, 1].astype(int), found.points_xy[1:, 0].astype(int)].any()
    assert len(found.boxes_xyxy) == 1


def test_no_component_gives_no_prompt() -> None:
    for use in ("boxes", "points", "both"):
        for boxes in ("each", "one"):
            found = prompts_of([], MAP, PromptSettings(use=use, boxes=boxes), spacing_mm=None)
            assert (found.regions, len(found.boxes_xyxy), len(found.points_xy)) == (0, 0, 0)


def test_equal_values_keep_reading_order() -> None:
    drawn = mask("##### ##### #####")
    (part,) = components(drawn, drawn.astype(np.float32), ThresholdSettings(), pixel_area_mm2=None)
    found = prompts_of([part], drawn.astype(np.float32), PromptSettings(use="points", points=2), spacing_mm=None)
    assert found.points_xy.tolist() == [[0, 0], [1, 0]]


def test_contradictions_are_refused() -> None:
    empty = {
        "points_xy": np.zeros((0, 2), np.float32),
        "labels": np.zeros(0, np.int64),
        "region": np.zeros(0, np.int64),
    }
    with pytest.raises(InputError, match="a box for each of 2 regions or none, got 1"):
        Prompts(boxes_xyxy=np.zeros((1, 4), np.float32), regions=2, **empty)
    with pytest.raises(InputError, match="every region without a box needs a positive point"):
        Prompts(boxes_xyxy=np.zeros((0, 4), np.float32), regions=1, **empty)
    with pytest.raises(InputError, match=r"regions 0 to 0, got \[1\]"):
        Prompts(
            boxes_xyxy=np.zeros((1, 4), np.float32),
            points_xy=np.zeros((1, 2), np.float32),
            labels=np.ones(1, np.int64),
            region=np.ones(1, np.int64),
            regions=1,
        )
    with pytest.raises(SettingsError, match="unknown prompts 'scribbles'"):
        forced(PromptSettings, use="scribbles")
    with pytest.raises(SettingsError, match="prompt setting margin cannot be -1"):
        PromptSettings(margin=-1.0)
    with pytest.raises(SettingsError, match="points is at least 1"):
        PromptSettings(points=0)

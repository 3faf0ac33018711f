"""How many slices in a row must bear a score out, by the distance between them."""

from dataclasses import replace

import numpy as np
import pytest

from medkt.domains import domain
from medkt.pipeline.answer import run_of
from medkt.pipeline.look import View, look_at
from medkt.segmentation.presence import PresenceSettings
from medkt.spatial import Geometry, Image


def stack(spacing: float, modality: str) -> Image:
    values = np.random.default_rng(0).integers(0, 200, (12, 24, 24)).astype(np.int16)
    affine = np.array([[0, 0, 2, 0], [0, 2, 0, 0], [spacing, 0, 0, 0], [0, 0, 0, 1]], dtype=float)  # slices along z
    return Image(
        values=values,
        geometry=replace(Geometry.of_pixels(24, 24), shape=values.shape, affine=affine, unit="mm", stack="space"),
    )


@pytest.mark.parametrize(
    ("modality", "spacing", "extent", "run"),
    [("ct", 10.0, None, 1), ("ct", 8.0, None, 2), ("ct", 4.0, None, 3), ("ct", 4.0, 0.0, 1), ("ct", 4.0, 20.0, 6), ("mri", 6.0, None, 1), ("mri", 3.0, None, 1), ("mri", 1.0, 5.0, 2)],
)  # fmt: skip
def test_the_extent_of_the_domain_or_of_the_settings(
    modality: str, spacing: float, extent: float | None, run: int
) -> None:
    image, kind = stack(spacing, modality), domain(modality)
    looked = look_at(image, kind, View(modality=modality))
    assert run_of(PresenceSettings(extent_mm=extent), kind, image, looked) == run


def test_a_picture_and_a_clip_have_no_run() -> None:
    image, kind = stack(4.0, "ct"), domain("ct")
    looked = look_at(image, kind, View(modality="ct"))
    for geometry in (replace(image.geometry, stack="time"), replace(image.geometry, unit="pixel")):
        assert run_of(PresenceSettings(extent_mm=50.0), kind, replace(image, geometry=geometry), looked) == 1

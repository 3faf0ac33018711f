"""No image of a patient is larger than a patient, or than the machine that made it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medkt.domains import check_plausible, domain
from medkt.errors import GeometryError
from medkt.io import read_image
from medkt.spatial import Display, Geometry, Image

CODES = {"cxr": "DX", "ct": "CT", "mri": "MR", "ultrasound": "US"}


def image(
    sizes_mm: tuple[float, float, float], name: str, shape: tuple[int, int, int] = (4, 5, 6), **geometry: object
) -> Image:
    steps = [size / n for size, n in zip(sizes_mm, shape, strict=True)]
    grid = replace(Geometry.of_pixels(5, 6), affine=np.diag([*steps, 1.0]), shape=shape, unit="mm")
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 1000 * (name == "ct")
    return Image(values=values, geometry=replace(grid, **geometry), modality=CODES[name])  # type: ignore[arg-type]


LIMITS = {"cxr": (600, 1500), "ct": (900, 2500), "mri": (700, 2500), "ultrasound": (700, 1000)}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("turned", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_the_limits_of_each_modality_whichever_axis_is_which(name: str, turned: tuple[int, int, int]) -> None:
    wide, long = LIMITS[name]
    for sizes, sound in (
        ((wide - 1, wide - 1, long - 1), True),
        ((50, wide - 1, long - 1), True),
        ((50, 60, long + 1), False),
        ((50, wide + 1, wide + 2), False),
    ):
        one = image((sizes[turned[0]], sizes[turned[1]], sizes[turned[2]]), name)
        if sound:
            check_plausible(one, domain(name))
            continue
        with pytest.raises(
            GeometryError, match=rf"at most {wide} mm wide and {long} mm long .*: the spacing or its unit"
        ):
            check_plausible(one, domain(name))


@pytest.mark.parametrize("name", LIMITS)
def test_a_plane_has_two_extents_and_its_depth_is_none(name: str) -> None:
    wide, _ = LIMITS[name]
    check_plausible(image((5000, wide - 1, wide - 1), name, shape=(1, 5, 6)), domain(name))
    with pytest.raises(GeometryError, match=r"several slices lie in one picture"):
        check_plausible(image((3, wide + 20, wide + 10), name, shape=(1, 5, 6)), domain(name))


def test_the_frames_of_a_clip_are_no_length() -> None:
    clip = image((5000, 100, 120), "ultrasound", stack="time")
    check_plausible(clip, domain("ultrasound"))


def test_of_an_ultrasound_screen_the_region_counts() -> None:
    screen = image((1, 1200, 1200), "ultrasound", shape=(1, 60, 60))
    with pytest.raises(GeometryError, match="1200 x 1200 mm large"):
        check_plausible(screen, domain("ultrasound"))
    check_plausible(replace(screen, display=Display(region=(10, 10, 40, 40))), domain("ultrasound"))


def test_metres_written_as_millimetres_are_noticed() -> None:
    with pytest.raises(GeometryError, match=r"0\.12 x 0\.24 x 0\.24 mm large.*metres"):
        check_plausible(image((0.12, 0.24, 0.24), "mri"), domain("mri"))


def test_pixels_are_no_millimetres() -> None:
    check_plausible(image((1, 4000, 4000), "cxr", shape=(1, 5, 6), unit="pixel"), domain("cxr"))


@pytest.mark.parametrize(("unit", "what"), [(1, "at most 700 mm wide"), (3, "less than 1 mm from end to end")])
def test_a_unit_code_that_does_not_fit_the_numbers(tmp_path: Path, unit: int, what: str) -> None:
    """The steps are in millimetres, the unit says metres or micrometres."""
    one: Any = nibabel.Nifti1Image(np.ones((64, 64, 20), np.int16), np.diag([3.5, 3.5, 4.0, 1.0]))
    one.header["xyzt_units"] = unit
    nibabel.save(one, tmp_path / "a.nii")
    with pytest.raises(GeometryError, match=what):
        check_plausible(read_image(tmp_path / "a.nii"), domain("mri"))

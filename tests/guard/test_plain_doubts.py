"""What no study of a modality is: each check fires, and none fires on a study."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Picture

from medkt.domains import domain
from medkt.guard.plain import limits, plain_doubts
from medkt.io import read_image
from medkt.models.small import SmallEncoder, load_small
from medkt.phantom.drawers import draw_normal
from medkt.phantom.finding import DOMAINS, DomainName
from medkt.pipeline.answer import sight_of
from medkt.pipeline.look import View, look_at
from medkt.presence import Sight
from medkt.spatial import Geometry, Image


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


def sight(encoder: SmallEncoder, image: Image, modality: str) -> Sight:
    looked = look_at(image, domain(modality), View(modality=modality))
    features = torch.ones(len(looked.positions), 128)  # nothing plain is asked of them
    return sight_of(encoder, image, domain(modality), looked, features)


def picture(folder: Path, pixels: NDArray[Any]) -> Image:
    Picture.fromarray(pixels).save(folder / "picture.png")
    return read_image(folder / "picture.png")


def normal(modality: DomainName) -> NDArray[np.uint8]:
    plane = draw_normal(modality, np.random.default_rng(4), side=96)
    return np.rint(plane * 255).astype(np.uint8)


@pytest.mark.parametrize("modality", DOMAINS)
def test_a_study_gives_no_doubt(encoder: SmallEncoder, modality: DomainName, tmp_path: Path) -> None:
    assert not plain_doubts(sight(encoder, picture(tmp_path, normal(modality)), modality))


@pytest.mark.parametrize("modality", DOMAINS)
def test_a_picture_in_colour_is_none(encoder: SmallEncoder, modality: DomainName, tmp_path: Path) -> None:
    grey = normal(modality)
    tinted = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    image = picture(tmp_path, tinted)
    assert image.colour > 0.5
    (doubt,) = plain_doubts(sight(encoder, image, modality))
    assert doubt.code == "colour"
    assert doubt.figures["colour"] > doubt.figures["most_colour"]
    assert "in colour" in doubt.said


def test_the_box_of_a_doppler_study_may_be_in_colour(encoder: SmallEncoder, tmp_path: Path) -> None:
    grey = normal("ultrasound")
    screen = np.stack([grey] * 3, axis=-1)
    screen[30:60, 20:70] = (200, 30, 10)
    image = picture(tmp_path, screen)
    assert 0.1 < image.colour < 0.3
    assert not plain_doubts(sight(encoder, image, "ultrasound"))
    assert [one.code for one in plain_doubts(sight(encoder, image, "mri"))] == ["colour"]


def test_grey_saved_as_colour_is_grey(tmp_path: Path) -> None:
    grey = normal("cxr")
    Picture.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "film.jpg", quality=80)
    assert read_image(tmp_path / "film.jpg").colour == 0.0


def test_few_levels(encoder: SmallEncoder, tmp_path: Path) -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[20:40, 10:50] = 255
    (doubt,) = plain_doubts(sight(encoder, picture(tmp_path, drawn), "cxr"))
    assert (doubt.code, doubt.figures["levels"]) == ("few-levels", 2)


def test_noise(encoder: SmallEncoder, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 64), np.uint8)
    (doubt,) = plain_doubts(sight(encoder, picture(tmp_path, noise), "ultrasound"))
    assert doubt.code == "noise"


@pytest.mark.parametrize(("step", "codes"), [(0.05, ["small"]), (1.0, [])])
def test_a_size_that_no_patient_has(encoder: SmallEncoder, step: float, codes: list[str]) -> None:
    geometry = Geometry(affine=np.diag([1.0, step, step, 1.0])[[2, 1, 0, 3]], shape=(1, 96, 96))
    image = Image(values=normal("cxr")[None], geometry=geometry, modality="DX")
    assert [one.code for one in plain_doubts(sight(encoder, image, "cxr"))] == codes


def test_every_modality_has_its_limits() -> None:
    assert set(limits().most_colour) == set(limits().smallest_mm) == set(DOMAINS)


def test_the_shown_plane_decides(encoder: SmallEncoder, tmp_path: Path) -> None:
    """A border that holds nothing is no part of what is counted."""
    noise = np.random.default_rng(2).integers(0, 256, (64, 64), np.uint8)
    padded = np.pad(noise, 60)
    assert [one.code for one in plain_doubts(sight(encoder, picture(tmp_path, padded), "cxr"))] == ["noise"]

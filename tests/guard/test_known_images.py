"""Distances to known kinds: fitted on drawn rows whose places are known, written, read, and decided by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medkt.errors import InputError, WeightsError
from medkt.guard.known_images import BETWEEN_STUDIES, KnownImages, PlaneNumbers, nearness, read_known, write_known
from small_model.guard_fit import Sample, fit_known

WIDTH = 5


def rows(place: float, number: int, seed: int) -> PlaneNumbers:
    """Rows around a place on the first axis; the second varies ten times as much as the others."""
    spread = np.random.default_rng(seed).standard_normal((number, WIDTH)) * [1, 10, 1, 1, 1]
    return np.asarray(spread + np.array([place, 0, 0, 0, 0]), np.float64)


def sample(name: str, place: float, *, number: int = 60, times: int = 1, seed: int = 0) -> Sample:
    modality, body, _ = name.split("/")
    return Sample(
        name=name, modality=modality, body=body, looks=rows(place, number, seed), centres=8,
        images=np.repeat(np.arange(number // times), times),
    )  # fmt: skip


@pytest.fixture(scope="module")
def known() -> KnownImages:
    made = [
        sample("ct/chest/drawn", 0.0),
        sample("ct/head/real", 20.0, seed=1),
        sample("mri/head/drawn", -20.0, seed=2),
    ]
    return fit_known([*made, sample("//nothing", 40.0, seed=3)], encoder="e" * 64, layer=3)


def test_an_image_of_the_kind_is_near_and_one_of_none_is_far(known: KnownImages) -> None:
    own = known.of("ct", "chest")
    like = nearness(known, known.placed(rows(0.0, 5, 9)), own)
    assert not like.is_far
    assert not like.is_other
    assert like.own.name == "ct/chest/drawn"
    nowhere = nearness(known, known.placed(rows(0.0, 5, 9) + np.array([0, 0, 30, 0, 0])), own)
    assert nowhere.is_far
    assert nowhere.beyond == 100
    assert nowhere.distance > 2 * nowhere.limit


def test_another_kind_is_named(known: KnownImages) -> None:
    found = nearness(known, known.placed(rows(-20.0, 5, 9)), known.of("ct"))
    assert found.is_other
    assert found.other is not None
    assert found.other.name == "mri/head/drawn"
    of_body = nearness(known, known.placed(rows(20.0, 5, 9)), known.of("ct", "chest"))
    assert of_body.is_other
    assert of_body.other is not None
    assert of_body.other.body == "head"
    assert not nearness(known, known.placed(rows(20.0, 5, 9)), known.of("ct")).is_other  # a CT, of whatever


def test_there_is_more_room_between_studies_than_to_nothing(known: KnownImages) -> None:
    own = known.of("ct", "chest")
    between = nearness(known, known.placed(rows(-20.0, 5, 9)), own)
    assert between.contrast == pytest.approx(between.own.contrast * BETWEEN_STUDIES)
    nothing = nearness(known, known.placed(rows(40.0, 5, 9)), own)
    assert nothing.other is not None
    assert nothing.other.modality == ""
    assert nothing.is_other
    assert nothing.contrast == nothing.own.contrast


def test_a_wide_direction_counts_less(known: KnownImages) -> None:
    (kind,) = known.of("mri")
    at = known.placed(np.array([[-20.0, 0, 0, 0, 0], [-20, 6, 0, 0, 0], [-20, 0, 6, 0, 0]]))
    _, wide, narrow = kind.distances(at)
    assert narrow > 1.5 * wide


def test_the_middle_plane_decides(known: KnownImages) -> None:
    study = rows(0.0, 5, 9)
    study[:2] += 500
    assert not nearness(known, known.placed(study), known.of("ct", "chest")).is_far
    study[2:4] += 500
    assert nearness(known, known.placed(study), known.of("ct", "chest")).is_far


def test_images_that_are_held_out_set_the_limit() -> None:
    """Planes that are one image changed a little do not vouch for each other."""
    spread = rows(0.0, 20, 4)
    few = replace(
        sample("ct/chest/drawn", 0.0),
        centres=40,
        looks=np.repeat(spread, 3, axis=0),
        images=np.repeat(np.arange(20), 3),
    )
    alone = replace(few, images=np.arange(60))
    far = sample("mri/head/drawn", -20.0, seed=2)
    honest, flattered = (fit_known([one, far], encoder="e", layer=0).kinds[0] for one in (few, alone))
    assert honest.limit > 1.2 * flattered.limit
    with pytest.raises(InputError, match="at least 5"):
        fit_known([replace(few, images=np.repeat(np.arange(4), 15))], encoder="e", layer=0)


def test_what_is_written_is_read(known: KnownImages, tmp_path: Path) -> None:
    path = tmp_path / "guard.safetensors"
    write_known(known, path)
    again = read_known(path)
    assert (again.encoder, again.layer) == (known.encoder, 3)
    assert [(k.name, k.limit, k.contrast, k.own) for k in again.kinds] == [
        (k.name, k.limit, k.contrast, k.own) for k in known.kinds
    ]
    at = rows(3.0, 4, 5)
    np.testing.assert_array_equal(
        again.kinds[0].distances(again.placed(at)), known.kinds[0].distances(known.placed(at))
    )
    first = path.read_bytes()
    write_known(again, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_a_damaged_file_is_refused(content: bytes | None, known: KnownImages, tmp_path: Path) -> None:
    path = tmp_path / "guard.safetensors"
    if content is None:
        write_known(known, path)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="reinstall medkt"):
        read_known(path)

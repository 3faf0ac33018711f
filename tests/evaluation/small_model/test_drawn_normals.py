"""What ships of normals is what the recipe makes: a few studies of it, and lesions that cover what they should."""

import numpy as np
from guards import SaysSo

from medkt.guard import default_guard
from medkt.models.small import load_small
from medkt.presence.normals import cover_key, default_normals
from small_model.covered import LEAST, ROOM, ROOM_IN_A_PLANE, SEED, _share
from small_model.normals import _groups


def test_the_shipped_planes_are_those_that_are_drawn_anew() -> None:
    encoder = load_small()
    shipped = default_normals(encoder)
    assert shipped is not None
    (made,) = _groups(encoder, SaysSo(), "ultrasound", 2, is_volume=False)
    kept = shipped.of("ultrasound", "breast", "", is_volume=False)
    assert kept is not None
    assert (made.modality, made.body, made.window, made.step_mm) == ("ultrasound", "breast", "", 0.0)
    np.testing.assert_array_equal(made.studies, kept.studies[:2])
    np.testing.assert_allclose(made.features, kept.features[:2], atol=0.005)
    assert np.abs(made.features[0] - kept.features[1]).max() > 0.01  # of another study they are others


def test_the_shipped_planes_of_a_volume_are_without_its_odd_ends() -> None:
    encoder = load_small()
    shipped = default_normals(encoder)
    assert shipped is not None
    (made,) = _groups(encoder, default_guard(encoder), "mri", 1, is_volume=True)
    kept = shipped.of("mri", "head", "", is_volume=True)
    assert kept is not None
    first = kept.studies == 0
    np.testing.assert_array_equal(made.places, kept.places[first])
    np.testing.assert_allclose(made.features, kept.features[first], atol=0.005)
    assert len(made.places) < 48


def test_a_drawn_lesion_covers_less_than_the_limit() -> None:
    shipped = default_normals(load_small())
    assert shipped is not None
    plane = _share("cxr", "cxr_effusion", SEED, is_volume=False)
    assert 0 < ROOM_IN_A_PLANE * plane <= shipped.covered[cover_key("cxr", is_volume=False)]
    volume = _share("mri", "mri_glioma", SEED, is_volume=True)
    assert 0 < ROOM * volume <= shipped.covered[cover_key("mri", is_volume=True, concept="mri_glioma")] + 1e-3
    assert min(shipped.covered.values()) >= LEAST

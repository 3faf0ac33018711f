"""The drawn chest CT: sane HU, planes and volumes that agree, and findings where their masks say."""

import numpy as np
import pytest

from medkt.errors import UnknownNameError
from medkt.phantom import ct
from medkt.phantom.finding import findings_of, held_out_identities

FINDINGS = [f.id for f in findings_of("ct")]


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_has_a_mask_within_the_body(finding: str) -> None:
    for seed in range(6):
        drawn = ct.draw_plane(finding, np.random.default_rng(seed), side=96)
        assert drawn.plane.dtype == np.float32
        assert drawn.plane.shape == drawn.mask.shape == (96, 96)
        assert drawn.plane.min() >= 0
        assert drawn.plane.max() <= 1
        assert drawn.domain == "ct"
        assert drawn.attributes is not None
        assert drawn.context["window"] in ct.WINDOWS
        assert drawn.mask.sum() >= 2
        y, x = (np.nonzero(drawn.mask)[axis] - 47.5 for axis in (0, 1))
        body = ct.make_study(finding, np.random.default_rng(seed)).body
        assert (body.skin_depth(y * 3.75, x * 3.75) > 0).all()


def test_a_healthy_chest_has_no_mask() -> None:
    windows = set()
    for seed in range(12):
        drawn = ct.draw_plane("", np.random.default_rng(seed), side=64)
        assert not drawn.mask.any()
        assert drawn.attributes is None
        windows.add(drawn.context["window"])
    assert windows == {"lung", "soft"}


@pytest.mark.parametrize("finding", ["", "ct_tumour", "ct_effusion", "ct_emphysema"])
def test_the_same_seed_gives_the_same_plane(finding: str) -> None:
    first, again = (ct.draw_plane(finding, np.random.default_rng(5), side=64) for _ in range(2))
    np.testing.assert_array_equal(first.plane, again.plane)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.attributes == again.attributes


def test_tissues_have_their_hounsfield_units() -> None:
    for seed in range(6):
        study = ct.make_study("", np.random.default_rng(seed))
        hu = study.hu_plane(-20.0)
        centres = (np.arange(128) - 63.5) * 360 / 128
        y, x = centres[:, None], centres[None, :]
        lung, air = study.body.lung_depth(-20.0, y, x), study.body.skin_depth(y, x) < -12
        above = air & (y < 0)
        assert hu[above].mean() < -900
        assert -900 < np.median(hu[lung > 6]) < -700
        if study.body.muscle > 17:  # thick enough to be seen between ribs and fat
            muscle = np.abs(study.body.cage_depth(-20.0, y, x) + 12.5) < 1.5
            assert np.median(hu[muscle & (np.abs(x) > 60)]) == pytest.approx(55, abs=25)
        assert hu[study.body.heart_depth(-20.0, y, x) > 12].mean() == pytest.approx(90, abs=80)
        assert hu.max() > 250  # bone
        assert hu.min() >= -1024


def test_a_volume_is_its_planes() -> None:
    shape, spacing = (10, 60, 90), (14.0, 6.0, 4.0)
    hu, mask = ct.volume("ct_bulla", np.random.default_rng(3), shape=shape, spacing_mm=spacing)
    assert hu.shape == mask.shape == shape
    assert hu.dtype == np.int16
    study = ct.make_study("ct_bulla", np.random.default_rng(3))
    ys, xs = ((np.arange(n) - (n - 1) / 2).astype(np.float32) * step for n, step in ((60, 6.0), (90, 4.0)))
    for k in (0, 4, 9):
        z = (k - 4.5) * 14.0
        np.testing.assert_allclose(hu[k], np.clip(study.hu_at(z, ys, xs), -1024, 3071), atol=0.51)
        np.testing.assert_array_equal(mask[k], study.mask_at(z, ys, xs))
    assert mask.any()


def test_a_square_plane_is_a_plane_of_a_volume() -> None:
    study = ct.make_study("ct_nodule", np.random.default_rng(1))
    z = study.lesions[0].centre[0]
    hu, _ = ct.volume("ct_nodule", np.random.default_rng(1), shape=(1, 64, 64), spacing_mm=(1.0, 5.625, 5.625))
    np.testing.assert_allclose(hu[0], study.hu_plane(0.0, 64), atol=0.51)
    assert study.mask_plane(z, 64).any()


def test_the_volume_of_a_mask_is_that_of_its_lesion() -> None:
    spacing = (4.0, 3.0, 3.0)
    _, mask = ct.volume("ct_nodule", np.random.default_rng(2), shape=(60, 120, 120), spacing_mm=spacing)
    radius = ct.make_study("ct_nodule", np.random.default_rng(2)).lesions[0].radius
    assert mask.sum() * np.prod(spacing) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.3)


@pytest.mark.parametrize(
    ("finding", "low", "high"),
    [
        ("ct_nodule", -30, 90),
        ("ct_granuloma", 200, 950),
        ("ct_bulla", -1010, -930),
        ("ct_ground_glass", -760, -350),
        ("ct_effusion", -15, 35),
    ],
)
def test_findings_have_their_hounsfield_units(finding: str, low: float, high: float) -> None:
    for seed in range(5):
        study = ct.make_study(finding, np.random.default_rng(seed))
        z, mask = study.draw_level(np.random.default_rng(0))
        assert low < np.median(study.hu_plane(z)[mask]) < high


def test_an_abscess_is_darker_in_the_centre_than_on_its_rim() -> None:
    for seed in range(6):
        study = ct.make_study("ct_abscess", np.random.default_rng(seed))
        z, y, x = study.lesions[0].centre
        row, column = (round(c * 128 / 360 + 63.5) for c in (y, x))
        hu, mask = study.hu_plane(z), study.mask_plane(z)
        assert hu[row, column] < np.percentile(hu[mask], 80) - 200


def test_fluid_lies_at_the_back() -> None:
    for seed in range(6):
        drawn = ct.draw_plane("ct_effusion", np.random.default_rng(seed))
        assert np.nonzero(drawn.mask)[0].mean() > 70


def test_free_attributes_never_meet_a_held_out_finding() -> None:
    rng = np.random.default_rng(0)
    drawn = [ct.draw_unnamed_attributes(rng) for _ in range(1000)]
    assert not {a.identity for a in drawn} & held_out_identities("ct")
    assert {a.place for a in drawn} <= set(ct.PLACES)
    for attributes in drawn[:60]:
        assert ct.draw_plane("unnamed", rng, side=64, attributes=attributes).mask.any(), attributes


def test_display_windows_map_their_limits_to_black_and_white() -> None:
    np.testing.assert_allclose(ct.display(np.array([[-1350.0, -600.0, 150.0]]), "lung"), [[0.0, 0.5, 1.0]])
    np.testing.assert_allclose(ct.display(np.array([[-160.0, 40.0, 400.0]]), "soft"), [[0.0, 0.5, 1.0]])


def test_wrong_names_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match="no phantom finding 'ct_cough'"):
        ct.draw_plane("ct_cough", rng)
    with pytest.raises(UnknownNameError, match="belongs to domain 'cxr'"):
        ct.draw_plane("cxr_nodule", rng)
    with pytest.raises(UnknownNameError, match="needs its attributes"):
        ct.draw_plane("unnamed", rng)

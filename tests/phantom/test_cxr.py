"""Drawn radiographs: what every plane promises, and that each finding is visible where its mask says."""

import numpy as np
import pytest

from medkt.errors import UnknownNameError
from medkt.phantom import cxr
from medkt.phantom.finding import Attributes, findings_of, held_out_identities

FINDINGS = [f.id for f in findings_of("cxr")]


def _attributes(shape: str = "round", intensity: str = "bright", place: str = "middle", side: str = "") -> Attributes:
    return Attributes(
        shape=shape, margin="sharp", intensity=intensity, texture="uniform", size="large", number="single",
        place=place, side=side,
    )  # fmt: skip


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_has_a_mask_within_the_chest(finding: str) -> None:
    for seed in range(8):
        drawn = cxr.draw_plane(finding, np.random.default_rng(seed), side=96)
        assert drawn.plane.dtype == np.float32
        assert drawn.plane.shape == drawn.mask.shape == (96, 96)
        assert drawn.plane.min() >= 0
        assert drawn.plane.max() <= 1
        assert drawn.domain == "cxr"
        assert drawn.finding == finding
        assert drawn.attributes is not None
        rows = np.nonzero(drawn.mask)[0]
        assert 8 <= rows.size < 96 * 96 * 0.3
        assert rows.min() > 3
        assert rows.max() < 92


def test_a_normal_chest_has_no_mask_and_dark_lungs() -> None:
    for seed in range(8):
        drawn = cxr.draw_plane("", np.random.default_rng(seed))
        assert not drawn.mask.any()
        assert drawn.attributes is None
        lung, spine = drawn.plane[45:65, 28:40].mean(), drawn.plane[60:90, 60:70].mean()
        assert lung < spine - 0.1


@pytest.mark.parametrize("finding", ["", "cxr_mass", "cxr_effusion", "cxr_pneumothorax"])
def test_the_same_seed_gives_the_same_plane(finding: str) -> None:
    first, again = (cxr.draw_plane(finding, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.plane, again.plane)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.attributes == again.attributes
    assert not np.array_equal(first.plane, cxr.draw_plane(finding, np.random.default_rng(6)).plane)


def test_the_patients_left_is_on_the_right() -> None:
    for seed in range(8):
        for side, low, high in (("left", 56, 128), ("right", 0, 72)):
            drawn = cxr.draw_plane("unnamed", np.random.default_rng(seed), attributes=_attributes(side=side))
            columns = np.nonzero(drawn.mask)[1]
            assert low <= columns.mean() <= high


def test_upper_lesions_lie_above_lower_ones() -> None:
    rows = {
        place: [
            np.nonzero(cxr.draw_plane("unnamed", np.random.default_rng(s), attributes=_attributes(place=place)).mask)[
                0
            ].mean()
            for s in range(8)
        ]
        for place in ("upper", "lower")
    }
    assert np.mean(rows["upper"]) + 20 < np.mean(rows["lower"])


@pytest.mark.parametrize(("finding", "sign"), [("cxr_nodule", 1), ("cxr_effusion", 1), ("cxr_pneumothorax", -1)])
def test_findings_differ_from_the_other_side_of_the_chest(finding: str, sign: int) -> None:
    differences = []
    for seed in range(12):
        drawn = cxr.draw_plane(finding, np.random.default_rng(seed))
        differences.append(drawn.plane[drawn.mask].mean() - drawn.plane[:, ::-1][drawn.mask].mean())
    assert sign * np.median(differences) > 0.05


def test_a_cavity_is_darker_than_its_rim() -> None:
    darker = []
    for seed in range(12):
        drawn = cxr.draw_plane("cxr_cavity", np.random.default_rng(seed))
        rows, columns = np.nonzero(drawn.mask)
        far = np.hypot(rows - rows.mean(), columns - columns.mean())
        values = drawn.plane[rows, columns]
        radius = far.max()
        darker.append(values[far < 0.4 * radius].mean() < values[(far > 0.7 * radius) & (far < 0.9 * radius)].mean())
    assert np.mean(darker) > 0.9


def test_a_big_heart_is_wider_than_half_of_the_chest() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for big, low, high in ((True, 0.52, 0.95), (False, 0.3, 0.52)):
            chest = cxr.Chest.draw(rng, 128, big_heart=big)
            heart = np.ptp(chest.u[chest.heart >= 0.5])
            assert low < heart / (2 * chest.half_width) < high


def test_free_attributes_never_meet_a_held_out_finding() -> None:
    rng = np.random.default_rng(0)
    drawn = [cxr.draw_unnamed_attributes(rng) for _ in range(1000)]
    assert not {a.identity for a in drawn} & held_out_identities("cxr")
    assert {a.place for a in drawn} <= set(cxr.PLACES)
    for attributes in drawn[:60]:
        assert cxr.draw_plane("unnamed", rng, side=64, attributes=attributes).mask.any(), attributes


def test_wrong_names_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match="no phantom finding 'cxr_cough'"):
        cxr.draw_plane("cxr_cough", rng)
    with pytest.raises(UnknownNameError, match="belongs to domain 'ct'"):
        cxr.draw_plane("ct_nodule", rng)
    with pytest.raises(UnknownNameError, match="needs its attributes"):
        cxr.draw_plane("unnamed", rng)

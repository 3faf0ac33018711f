"""One lesion: every shape, margin and texture shows what its word promises."""

import numpy as np
import numpy.typing as npt
import pytest

from medkt.errors import UnknownNameError
from medkt.phantom.finding import DOMAINS, Attributes, DomainName, held_out_identities
from medkt.phantom.lesion import (
    NUMBER,
    SIZE_FRACTION,
    LesionBlob,
    draw_free_attributes,
    draw_number,
    draw_radius,
    make_lesion,
)

SHAPES = ("round", "oval", "lobulated", "irregular", "wedge", "crescent", "linear")
TEXTURES = ("uniform", "mottled", "hollow", "septated", "stippled", "streaked")
GRID = (np.arange(161, dtype=np.float32) - 80) / 20  # -4 to 4 radii, the lesion's centre on sample 80
YY, XX = GRID[:, None], GRID[None, :]


def _make_lesion(shape: str = "round", margin: str = "sharp", texture: str = "uniform", seed: int = 0) -> LesionBlob:
    attributes = Attributes(
        shape=shape, margin=margin, intensity="bright", texture=texture, size="large", number="single", place="here"
    )
    rng = np.random.default_rng(seed)
    return make_lesion(attributes, rng, centre=(0.0, 0.0, 0.0), radius=1.0, outward=(0.0, 0.0, 1.0))


def _extent(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The standard deviations of the mask's points along its long and its short axis."""
    covariance = np.cov(np.argwhere(mask).T)
    short, long = np.sqrt(np.linalg.eigvalsh(covariance))
    return float(long), float(short)


@pytest.mark.parametrize("margin", ["sharp", "hazy", "spiculated"])
@pytest.mark.parametrize("shape", SHAPES)
def test_weight_is_a_soft_mask_within_reach(shape: str, margin: str) -> None:
    for seed in range(5):
        lesion = _make_lesion(shape, margin, seed=seed)
        weight = lesion.weight(0.0, YY, XX)
        assert weight.dtype == np.float32
        assert weight.shape == (161, 161)
        assert weight.min() >= 0
        assert weight.max() <= 1
        mask = lesion.mask(0.0, YY, XX)
        assert mask.any()
        np.testing.assert_array_equal(mask, weight >= 0.5)
        assert not weight[np.hypot(YY, XX) > lesion.reach].any()


def test_sharp_edges_are_narrower_than_hazy_ones() -> None:
    partly = {
        m: float(((w := _make_lesion(margin=m).weight(0.0, YY, XX)) > 0.02)[w < 0.98].sum()) for m in ("sharp", "hazy")
    }
    assert partly["hazy"] > 3 * partly["sharp"]


def test_rays_leave_a_spiculated_body() -> None:
    beyond = np.hypot(YY, XX) > 1.15
    assert (_make_lesion(margin="spiculated").mask(0.0, YY, XX) & beyond).sum() > 50
    assert not (_make_lesion().mask(0.0, YY, XX) & beyond).any()


def test_round_has_the_area_of_its_radius() -> None:
    assert _make_lesion().mask(0.0, YY, XX).sum() / 400 == pytest.approx(np.pi, rel=0.03)


def test_a_lesion_is_a_body_in_three_dimensions() -> None:
    for shape in SHAPES:
        lesion = _make_lesion(shape)
        areas = [int(lesion.mask(z, YY, XX).sum()) for z in (0.0, 0.2, 4.0)]
        assert areas[0] > 0
        assert areas[2] == 0
    assert _make_lesion("round").mask(0.5, YY, XX).sum() < _make_lesion("round").mask(0.0, YY, XX).sum()


@pytest.mark.parametrize("seed", range(4))
def test_shapes_have_the_proportions_of_their_names(seed: int) -> None:
    ratios = {}
    for shape in ("round", "oval", "linear"):
        long, short = _extent(_make_lesion(shape, seed=seed).mask(0.0, YY, XX))
        ratios[shape] = long / short
    assert ratios["round"] == pytest.approx(1, abs=0.03)
    assert 1.4 < ratios["oval"] < 2.3
    assert ratios["linear"] > 6


@pytest.mark.parametrize("seed", range(4))
def test_a_wedge_is_wider_at_its_base(seed: int) -> None:
    mask = _make_lesion("wedge", seed=seed).mask(0.0, YY, XX)  # outward is +x: columns run from the apex to the base
    widths = mask.sum(axis=0)
    assert widths[80 + 14] > 2 * widths[80 - 10] > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_crescent_has_its_back_outward_and_is_hollow_behind(seed: int) -> None:
    mask = _make_lesion("crescent", seed=seed).mask(0.0, YY, XX)
    assert mask[80, 80 + 15]
    assert not mask[80, 80 - 5]  # between the tips
    rows = np.flatnonzero(mask.any(axis=1))
    assert rows[-1] - rows[0] > 40


@pytest.mark.parametrize("shape", ["lobulated", "irregular"])
def test_uneven_outlines_leave_gaps_in_their_circle(shape: str) -> None:
    far = np.hypot(YY, XX)
    for seed in range(4):
        mask = _make_lesion(shape, seed=seed).mask(0.0, YY, XX)
        ring = mask & (far > 0.85) & (far < 1.0)
        share = ring.sum() / ((far > 0.85) & (far < 1.0)).sum()
        assert 0.1 < share < 0.9


@pytest.mark.parametrize("shape", ["round", "oval", "lobulated", "irregular", "wedge"])
def test_hollow_is_darker_in_the_centre_than_on_its_rim(shape: str) -> None:
    for seed in range(4):
        lesion = _make_lesion(shape, texture="hollow", seed=seed)
        contrast, mask = lesion.contrast(0.0, YY, XX), lesion.mask(0.0, YY, XX)
        assert contrast.max() > 0.9
        assert contrast[mask].min() < 0
        assert lesion.profile(0.0, YY, XX)[~mask].min() == pytest.approx(1)  # the rim is closed
    assert _make_lesion("round", texture="hollow").contrast(0.0, YY, XX)[80, 80] < 0


def test_textures_have_their_ranges() -> None:
    for seed in range(6):
        inside = {t: _make_lesion(texture=t, seed=seed).profile(0.0, YY, XX)[np.hypot(YY, XX) < 0.95] for t in TEXTURES}
        assert np.ptp(inside["uniform"]) == 0
        assert 0.29 <= inside["mottled"].min() < 0.6
        assert 0.9 < inside["mottled"].max() <= 1.21
        assert inside["septated"].min() < -0.7
        assert np.median(inside["septated"]) > 0.6
        assert inside["stippled"].max() > 2.5
        assert np.median(inside["stippled"]) == pytest.approx(1)
        assert inside["streaked"].min() < 0
        assert np.median(inside["streaked"]) > 0.5


def test_the_same_seed_gives_the_same_lesion() -> None:
    for shape in SHAPES:
        first, again = (_make_lesion(shape, "spiculated", "mottled", seed=3) for _ in range(2))
        np.testing.assert_array_equal(first.contrast(0.0, YY, XX), again.contrast(0.0, YY, XX))


@pytest.mark.parametrize(
    ("shape", "margin", "texture", "message"),
    [
        ("organ", "sharp", "uniform", "shape 'organ'; known: round, oval"),
        ("round", "soft", "uniform", "margin 'soft'; known: sharp"),
        ("round", "sharp", "striped", "texture 'striped'; known: uniform"),
    ],
)
def test_unknown_words_are_named(shape: str, margin: str, texture: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        _make_lesion(shape, margin, texture)


def test_sizes_and_numbers_stay_in_their_tables() -> None:
    rng = np.random.default_rng(0)
    for size, (low, high) in SIZE_FRACTION.items():
        assert all(low <= draw_radius(size, rng) <= high for _ in range(50))
    for number, (least, most) in NUMBER.items():
        assert {draw_number(number, rng) for _ in range(300)} == set(range(least, most + 1))


@pytest.mark.parametrize("domain", DOMAINS)
def test_free_attributes_never_meet_a_held_out_finding(domain: DomainName) -> None:
    rng = np.random.default_rng(0)
    drawn = {draw_free_attributes(domain, rng, shapes=SHAPES, places=("here",)).identity for _ in range(1000)}
    assert not drawn & held_out_identities(domain)
    assert len(drawn) > 60  # yet most combinations are met

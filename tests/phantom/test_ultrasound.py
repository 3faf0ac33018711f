import numpy as np
import pytest

from medkt.errors import UnknownNameError
from medkt.phantom import ultrasound
from medkt.phantom.finding import PhantomPlane, findings_of, held_out_identities

FINDINGS = [f.id for f in findings_of("ultrasound")]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _below_against_beside(drawn: PhantomPlane) -> float:
    """Brightness just below the lesion over that at the same depth beside it."""
    rows, columns = np.nonzero(drawn.mask)
    height = rows.max() - rows.min() + 1
    centre, half = int(columns.mean()), max((columns.max() - columns.min()) // 4, 1)
    level = slice(rows.max() + 3, rows.max() + 3 + max(height // 2, 4))
    below = drawn.plane[level, centre - half : centre + half + 1]
    width = columns.max() - columns.min() + 6
    beside = [
        drawn.plane[level, max(centre - 2 * width, 0) : max(centre - width, 1)],
        drawn.plane[level, centre + width : centre + 2 * width],
    ]
    return float(below.mean() / max(np.concatenate([b.ravel() for b in beside]).mean(), 1e-3))


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_is_drawn_inside_the_field(finding: str) -> None:
    for seed in range(3):
        drawn = ultrasound.draw_plane(finding, _rng(seed), side=96)
        assert drawn.plane.dtype == np.float32
        assert drawn.plane.min() >= 0
        assert drawn.plane.max() <= 1
        assert drawn.mask.any()
        assert drawn.attributes is not None
        # The field is one piece in every column: a lesion's column has an image above and below it.
        for column in np.flatnonzero(drawn.mask.any(axis=0)):
            assert drawn.plane[: np.flatnonzero(drawn.mask[:, column])[0], column].any()


def test_a_normal_breast_has_no_finding() -> None:
    drawn = ultrasound.draw_plane("", _rng(), side=64)
    assert not drawn.mask.any()
    assert drawn.attributes is None


@pytest.mark.parametrize("finding", ["", "us_carcinoma", "us_calcifications"])
def test_a_seed_gives_one_image(finding: str) -> None:
    one, other = (ultrasound.draw_plane(finding, _rng(5), side=64) for _ in range(2))
    np.testing.assert_array_equal(one.plane, other.plane)
    np.testing.assert_array_equal(one.mask, other.mask)


def test_behind_a_cyst_is_more_echo_and_behind_a_carcinoma_less() -> None:
    cyst, carcinoma = (
        np.median([_below_against_beside(ultrasound.draw_plane(f, _rng(s), side=96)) for s in range(15)])
        for f in ("us_cyst", "us_carcinoma")
    )
    assert cyst > 1.2
    assert carcinoma < 0.8


def test_levels_are_in_the_order_of_the_words() -> None:
    levels = [
        np.mean([d.plane[d.mask].mean() for d in (ultrasound.draw_plane(f, _rng(s), side=96) for s in range(8))])
        for f in ("us_cyst", "us_fibroadenoma", "us_lipoma", "us_calcifications")
    ]
    assert levels == sorted(levels)
    assert levels[0] < 0.1


def test_an_unnamed_look_is_never_held_out() -> None:
    rng = _rng()
    drawn = {ultrasound.draw_unnamed_attributes(rng).identity for _ in range(1000)}
    assert len(drawn) > 30
    assert drawn.isdisjoint(held_out_identities("ultrasound"))


def test_unnamed_lesions_are_drawn() -> None:
    rng = _rng(1)
    for _ in range(12):
        attributes = ultrasound.draw_unnamed_attributes(rng)
        drawn = ultrasound.draw_plane("unnamed", rng, side=96, attributes=attributes)
        assert drawn.mask.any()
        assert drawn.attributes == attributes


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="needs attributes"):
        ultrasound.draw_plane("unnamed", _rng())
    with pytest.raises(UnknownNameError, match="a finding of mri"):
        ultrasound.draw_plane("mri_glioma", _rng())

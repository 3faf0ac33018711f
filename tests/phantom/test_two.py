"""Two lesions in one picture: apart, each where its mask says, and nothing else changed by there being a second."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from medkt.phantom import ct
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, Attributes, DomainName
from medkt.phantom.two import GAP, distance_px, draw_two

ROUND = Attributes(
    shape="round",
    margin="sharp",
    intensity="bright",
    texture="uniform",
    size="medium",
    number="single",
    place="",
    side="left",
)
PLACES = {"cxr": "middle", "ct": "middle", "mri": "lobar", "ultrasound": "middle"}


def looks(domain: DomainName) -> tuple[Attributes, Attributes]:
    first = replace(ROUND, place=PLACES[domain], side="" if domain == "ultrasound" else "left")
    return first, replace(first, shape="oval", intensity="dark", side="" if domain == "ultrasound" else "right")


@pytest.mark.parametrize("domain", DOMAINS)
def test_both_lie_apart_and_the_same_seed_gives_them_again(domain: DomainName) -> None:
    drawn = [draw_two(domain, *looks(domain), np.random.default_rng((4, n)), side=96) for n in (0, 1, 1)]
    assert [one is not None for one in drawn] == [True, True, True]
    for one in filter(None, drawn):
        assert one.plane.shape == one.masks[0].shape == one.masks[1].shape == (96, 96)
        assert 0 <= one.plane.min() <= one.plane.max() <= 1
        nearest = cdist(*(np.argwhere(mask) for mask in one.masks)).min()  # brute force
        assert nearest >= GAP * 96
        assert distance_px(*one.masks) == pytest.approx(nearest)
        if domain != "ultrasound":  # the patient's left is on the right
            assert np.argwhere(one.masks[0])[:, 1].mean() > np.argwhere(one.masks[1])[:, 1].mean()
    assert drawn[1] is not None
    assert drawn[2] is not None
    np.testing.assert_array_equal(drawn[1].plane, drawn[2].plane)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_light_and_a_dark_one_look_so(domain: DomainName) -> None:
    steps = []
    for n in range(6):
        one = draw_two(domain, *looks(domain), np.random.default_rng((5, n)), side=64)
        if one is not None:
            steps.append(one.plane[one.masks[0]].mean() - one.plane[one.masks[1]].mean())
    assert len(steps) >= 4
    assert np.median(steps) > 0.1


def test_what_lies_too_near_is_not_taken() -> None:
    first, second = (replace(look, size="large", side="left") for look in looks("cxr"))
    drawn = [draw_two("cxr", first, second, np.random.default_rng((6, n)), side=48, tries=1) for n in range(16)]
    assert None in drawn  # two large ones in one lung seldom fit
    assert all(distance_px(*one.masks) >= GAP * 48 for one in drawn if one is not None)


def test_levels_of_ct_that_exclude_each_other_share_no_plane() -> None:
    first, second = (replace(look, place=at) for look, at in zip(looks("ct"), ("upper", "lower"), strict=True))
    assert not ct.share_a_level(first, second)
    assert draw_two("ct", first, second, np.random.default_rng(0), side=64) is None
    assert ct.share_a_level(first, replace(second, place="peripheral"))
    assert ct.share_a_level(first, replace(second, place="upper"))


@pytest.mark.parametrize(("finding", "domain"), [("ct_nodule", "ct"), ("mri_glioma", "mri"), ("us_cyst", "ultrasound")])
def test_one_lesion_is_drawn_as_before(finding: str, domain: DomainName) -> None:
    """Weights and tables rest on these pictures: their sums at the commit before there were two."""
    drawn = DRAWERS[domain].draw_plane(finding, np.random.default_rng(7), side=64)
    assert float(drawn.plane.astype(np.float64).sum()) == pytest.approx(BEFORE[finding], abs=0.05)


BEFORE = {"ct_nodule": 1861.29, "mri_glioma": 1007.93, "us_cyst": 1183.75}

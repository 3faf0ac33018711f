"""Two lesions and a sentence for each: the pictures, and where a drawn map lies."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from medkt.errors import InputError
from medkt.examine import KINDS, Landing, draw_cases, landing
from medkt.phantom.finding import DOMAINS, find
from medkt.phantom.two import GAP

SIDE = 64


@pytest.mark.parametrize("kind", KINDS)
def test_cases_hold_two_lesions_apart_and_two_sentences_without_a_name(kind: str) -> None:
    cases = list(draw_cases(kind, each=1, side=SIDE, seed=5))  # type: ignore[arg-type]
    assert [case.domain for case in cases] == list(DOMAINS)
    for case in cases:
        assert cdist(*(np.argwhere(mask) for mask in case.masks)).min() >= GAP * SIDE
        assert case.sentences[0] != case.sentences[1]
        if kind == "free":
            assert case.findings == ("", "")
            continue
        found = [find(name) for name in case.findings]
        assert [one.held_out for one in found] == [kind == "held-out", False]
        assert not [text for text in case.sentences for one in found if one.name.lower() in text.lower()]


def test_more_cases_add_to_those_there_are() -> None:
    few, more = (list(draw_cases("known", each=n, side=SIDE, seed=5)) for n in (1, 2))
    assert {case.key for case in few} < {case.key for case in more}
    np.testing.assert_array_equal(few[1].plane, next(case.plane for case in more if case.key == few[1].key))


def test_where_a_map_lies() -> None:
    own, other = np.zeros((32, 40), bool), np.zeros((32, 40), bool)
    own[4:10, 4:10] = other[20:26, 28:34] = True
    map_ = np.zeros((32, 40), np.float32)
    map_[5, 5] = 1.0  # the brightest place
    map_[other] = 0.2  # but more over the other: 36 * 0.2 against 1
    assert landing(map_, own=own, other=other) == Landing(by_mean=0.0, by_maximum=1.0)
    assert landing(map_, own=other, other=own) == Landing(by_mean=1.0, by_maximum=0.0)
    beside = np.zeros_like(map_)
    beside[4, 10] = 1.0  # one pixel beside the own lesion: within 6 of 128
    assert landing(beside, own=own, other=other) == Landing(by_mean=0.5, by_maximum=1.0)
    away = np.zeros_like(map_)
    away[16, 16] = 1.0
    assert landing(away, own=own, other=other).by_maximum == 0.0
    assert landing(np.ones_like(map_), own=own, other=other) == Landing(by_mean=0.5, by_maximum=0.5)


def test_masks_that_cannot_be_compared_are_refused() -> None:
    some, none = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    map_ = np.zeros((8, 8), np.float32)
    with pytest.raises(InputError, match="two masks of its shape that hold some"):
        landing(map_, own=some, other=none)
    with pytest.raises(InputError, match=r"a map \(8, 8\) needs two masks"):
        landing(map_, own=none, other=some)

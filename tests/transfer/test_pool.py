"""Picking from an unlabelled pool: what stands out is picked, and nothing else ever is."""

from itertools import permutations

import numpy as np
import pytest

from medkt.errors import InputError
from medkt.transfer.pool import CHANCE, by_chance, pick


def test_those_that_lead_by_more_than_all_others_are_picked_best_first() -> None:
    comparison = np.linspace(-1, 0, 60)
    pool = np.concatenate([np.linspace(-1, -0.1, 30), [0.3, 0.9, 0.5, 0.2, 0.7]])
    assert pick(pool, comparison).tolist() == [31, 34, 32, 30, 33]
    assert pick(pool, comparison, most=2).tolist() == [31, 34]


def test_a_pool_without_the_finding_is_refused_as_often_as_said() -> None:
    rng, refused = np.random.default_rng(0), 0
    for _ in range(400):
        leads = rng.normal(size=160)
        try:
            pick(leads[:80], leads[80:])
        except InputError:
            refused += 1
    assert refused >= 400 * (1 - 2 * CHANCE)


def test_nothing_stands_out_is_told() -> None:
    with pytest.raises(InputError, match=r"nothing stands out in the pool: 1 of its 3 studies"):
        pick(np.array([0.1, 0.2, 2.0]), np.array([0.3, 0.4, 0.5]))
    with pytest.raises(InputError, match="beside other studies"):
        pick(np.array([0.1]), np.zeros(0))


def test_the_chance_by_counting() -> None:
    orders = list(permutations("ppccc"))
    wanted = sum(order[:2] == ("p", "p") for order in orders) / len(orders)
    assert by_chance(2, 2, 3) == pytest.approx(wanted)
    assert by_chance(0, 2, 3) == 1

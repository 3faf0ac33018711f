"""From which lead on a finding is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medkt.asking import Directions, bias_of, leads, settled
from medkt.asking.bias import ENOUGH_NORMALS, bound_on_new
from medkt.errors import InputError


def test_the_bias_is_the_greatest_of_its_bounds():
    known, normal = np.linspace(-1, 0, 101), np.linspace(-0.5, 0.5, 99)
    assert bias_of(known=known) == pytest.approx(-0.01)
    assert bias_of(normal=normal) == pytest.approx(np.quantile(normal, 0.99))
    assert bias_of(unlabelled=known) == pytest.approx(-0.05)
    assert bias_of(known=known, normal=normal) == pytest.approx(np.quantile(np.concatenate([known, normal]), 0.99))


def test_many_known_findings_do_not_outvote_the_normals():
    known, normal = np.full(2000, -1.0), np.arange(1.0, 20.0)  # of 2019 leads, 1 % are normals
    assert bias_of(known=known, normal=normal) == 19  # of 19, the highest: the 19th of 19 by ceil(0.95 * 20)


@given(st.integers(ENOUGH_NORMALS, 400), st.integers(0, 2**32 - 1))
def test_no_more_new_normals_are_expected_above_the_bound_than_the_share(count, seed):
    leads = np.random.default_rng(seed).normal(size=count)
    above = 1 + int((leads > bound_on_new(leads, 0.05)).sum())  # ranks that a new one may take above the bound
    assert above / (count + 1) <= 0.05 + 1e-9


def test_of_few_normals_it_is_the_highest():
    assert bound_on_new(np.array([0.3, 0.1, 0.2]), 0.05) == 0.3


def test_a_normal_study_has_a_handicap_so_that_one_bias_bounds_both_leads() -> None:
    """Worked out on 100 known and 100 normal pictures: what is wanted, its rival and the normal study lie on three axes."""
    steps = torch.linspace(0, 0.99, 100)
    nothing = torch.zeros(100)
    pictures = {
        "known": torch.stack(
            [steps, nothing, nothing - 1], dim=1
        ),  # far from a normal study: they lead it by 1 and more
        "normal": torch.stack(
            [nothing, steps - 1, nothing + 0.2], dim=1
        ),  # lead the rival by up to 1, a normal study by -0.2
    }
    asked = Directions(wanted=torch.eye(3)[0], rivals=torch.eye(3)[1:2], normal=torch.eye(3)[2])

    def of_each(one: Directions) -> dict[str, np.ndarray]:
        return {kind: np.asarray(leads(some, one).double()) for kind, some in pictures.items()}

    found, bias = settled(asked, of_each)
    rival = bias_of(**of_each(replace(asked, normal=None)))
    assert found.handicap == pytest.approx(-0.2 - rival)
    assert bias == pytest.approx(bias_of(**of_each(found)))
    assert bias < 1
    plain, same = settled(replace(asked, normal=None), of_each)
    assert (plain.handicap, same) == (0.0, pytest.approx(rival))


@pytest.mark.parametrize("found", [np.zeros(0), np.array([0.1, np.nan])])
def test_no_bias_without_finite_leads(found):
    with pytest.raises(InputError, match="needs leads of pictures, finite ones"):
        bias_of(normal=found)

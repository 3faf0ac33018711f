"""`classify`: words of one class that are not understood hold back that class alone, and the others are compared without it."""

from pathlib import Path

import numpy as np
import pytest
from guards import HALF, STRANGE, SaysSo

from medkt.concepts import concept_from_text
from medkt.phantom.study import write_study
from medkt.pipeline import Classification, View, classify

ASKED = ["us_cyst", "us_carcinoma", concept_from_text("a round spot")]


def asked(path: Path, guard: SaysSo | None, concepts: list = ASKED) -> Classification:  # type: ignore[type-arg]
    return classify(path, concepts=concepts, view=View(modality="ultrasound"), guard=guard, guarded=guard is not None)


@pytest.fixture(scope="module")
def breast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(
        tmp_path_factory.mktemp("us"), domain="ultrasound", finding="us_cyst", seed=2, format="png", side=96
    )


def test_the_others_are_compared_without_it(breast: Path) -> None:
    result = asked(breast, SaysSo(words={"us_carcinoma": (HALF,)}))
    assert result.no_claim == ()
    assert [one.no_claim for one in result.scores] == [(), (HALF,), (), ()]
    left = [one.probabilities for one in result.scores if not one.no_claim]
    np.testing.assert_allclose(np.sum(left, axis=0), 1, atol=1e-6)
    without = asked(breast, None, [ASKED[0], ASKED[2]])
    for one, other in zip([result.scores[k] for k in (0, 2, 3)], without.scores, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_where_fewer_than_two_are_left_nothing_is_claimed(breast: Path) -> None:
    every = {one if isinstance(one, str) else one.id: (HALF,) for one in ASKED}
    assert asked(breast, SaysSo(words=every)).no_claim == (HALF,)
    assert asked(breast, SaysSo(image=(STRANGE,))).no_claim == (STRANGE,)
    assert asked(breast, SaysSo()).no_claim == ()

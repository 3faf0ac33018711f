"""By which way a concept is asked."""

from typing import Any

import numpy as np
import pytest

from medkt.asking import WAYS, AskingWords, choice
from medkt.asking.choice import CLEARLY, USUAL, choose_way
from medkt.asking.pictures import PictureCounts
from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.models.small import load_small
from medkt.phantom.reading import read

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker

CONCEPT, KIND = load_concept("us_phyllodes"), domain("ultrasound")


def figures(**means: float) -> dict[str, dict[str, float]]:
    """Areas with these means, the others at a half."""
    return {
        way.name: {"others": means.get(_key(way.name), 0.5), "normal": means.get(_key(way.name), 0.5)} for way in WAYS
    }


def _key(name: str) -> str:
    return name.replace("+", "_").replace(" ", "_")


@pytest.mark.parametrize(
    ("means", "taken"),
    [
        ({"virtual_among_all": 0.8, "name": 0.8 + CLEARLY - 1e-6}, USUAL),
        ({"virtual_among_all": 0.8, "name": 0.8 + CLEARLY + 1e-6}, "name"),
        ({"virtual_among_all": 0.8, "virtual": 0.9, "description": 0.9}, "description"),  # of equal ones the simplest
        ({"virtual_among_all": 0.52, "virtual": 0.59}, USUAL),  # the model sees nothing in drawn pictures
        ({"virtual_among_all": float("nan"), "name": float("nan")}, USUAL),
    ],
)
def test_another_way_is_taken_only_where_it_is_clearly_better(means: dict[str, float], taken: str) -> None:
    assert choice._taken(figures(**means), {}).way.name == taken


def test_of_what_cannot_be_drawn_the_usual_way_is_taken_and_says_why() -> None:
    encoder = load_small()
    known = KIND.others(CONCEPT)
    spoken = AskingWords.of(CONCEPT, KIND, known, ("it is not well understood",))
    nothing = choose_way(encoder, spoken, read("it is not well understood", "ultrasound"), [])
    assert (nothing.way.name, nothing.figures) == (USUAL, {})
    assert "names no thing" in nothing.why
    assert "no picture of this part of the body" in choose_way(encoder, spoken, None, []).why


def test_drawn_pictures_decide_and_are_no_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    from medkt.asking.calibration import SEED as CALIBRATION
    from medkt.audit.exam import SEED as EXAM

    monkeypatch.setattr(choice, "COUNTS", PictureCounts(finding=3, others=3, normal=2, known=0))
    described = CONCEPT.texts("inversion")
    spoken = AskingWords.of(CONCEPT, KIND, KIND.others(CONCEPT), described)
    made = choose_way(load_small(), spoken, read(described[0], "ultrasound"), ["us_cyst"])
    assert set(made.figures) == {way.name for way in WAYS}
    assert made.pictures == {"finding": 3, "others": 3, "normal": 2}
    assert all(0 <= area <= 1 for areas in made.figures.values() for area in areas.values())
    assert len({choice.SEED, CALIBRATION, EXAM}) == 3
    again: Any = choose_way(load_small(), spoken, read(described[0], "ultrasound"), ["us_cyst"])
    assert again.figures == made.figures
    assert np.isfinite([list(areas.values()) for areas in made.figures.values()]).all()

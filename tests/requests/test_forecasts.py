"""What is said of the time that a learning takes."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from medkt.estimates import pace
from medkt.requests.forecasts import LearningForecast
from medkt.requests.listener import Listener


class Told(Listener):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def test_what_comes_before_the_stages_that_are_expected_says_nothing_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Normal studies of the user's are read for a hundred seconds; then images are made, two seconds a step."""
    now = [0.0]
    plan: Any = SimpleNamespace(
        concept="cyst", line=lambda: "about 200 s", expected={"images": 100.0, "fine-tuning": 100.0}
    )
    listener = Told()
    ahead = LearningForecast(listener)
    monkeypatch.setattr(pace, "StagePace", partial(pace.StagePace, clock=lambda: now[0]))
    ahead.expect(plan)
    tick = ahead.told(lambda *_: None)
    for number in range(1, 11):
        now[0] += 10
        tick("normal studies", number, 10)
    assert listener.lines == ["cyst: about 200 s"]
    now[0] += 20
    tick("images", 10, 100)
    assert listener.lines[1:] == ["images: 10 of 100 steps are done; about 6 min left for all"]

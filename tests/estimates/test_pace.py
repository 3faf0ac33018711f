"""What is said to be left, by a clock that the test turns."""

import pytest

from medkt.estimates.machine import seconds_of
from medkt.estimates.pace import StagePace
from medkt.estimates.words import Seconds, duration, too_large


class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("speed", [0.2, 1.0, 7.0])
def test_after_the_first_slice_an_estimate_is_within_a_factor_of_two(speed: float) -> None:
    """Whatever was expected, and though the first slice takes half as long again as the others."""
    clock = Clock()
    pace = StagePace({"maps": 20.0, "measure and write": 2.0}, clock)
    pace.begin()
    clock.now += 3 * speed
    pace.left("presence", 8, 20)
    clock.now += 4 * speed
    pace.left("presence", 20, 20)
    clock.now += 1.5 * speed
    said = pace.left("maps", 1, 20)
    took = 19 * speed + 2 * speed
    assert took / 2 <= said <= took * 2


def test_what_was_expected_of_later_stages_is_as_wrong_as_this_one() -> None:
    clock = Clock()
    pace = StagePace({"images": 10.0, "fine-tuning": 5.0}, clock)
    pace.begin()
    clock.now += 6.0  # of ten images 2, where 2 s were expected of them
    assert pace.left("images", 2, 10) == pytest.approx(24 + 3 * 5)


def test_a_stage_that_is_met_again_is_measured_by_itself() -> None:
    clock = Clock()
    pace = StagePace({}, clock)
    pace.begin()
    clock.now += 2
    assert pace.left("maps", 1, 2) == pytest.approx(2)
    clock.now += 2
    pace.left("maps", 2, 2)
    clock.now += 9
    assert pace.left("maps", 1, 3) == pytest.approx(18)


def test_the_speed_is_the_shortest_of_several_calls() -> None:
    clock, spent = Clock(), iter([50.0, 0.01, 0.005, 0.02])

    def call() -> None:
        clock.now += next(spent)

    assert seconds_of(call, clock=clock) == pytest.approx(0.005)


def test_words_for_seconds_and_bytes() -> None:
    assert [duration(one) for one in (0.04, 45, 600, 9000)] == ["0.0 s", "45 s", "10 min", "2.5 h"]
    assert str(Seconds(least=30, most=33)) == "about 32 s"
    assert str(Seconds(least=30, most=300)) == "30 s to 5 min"
    assert too_large(2e9, 1_000_000_000) == ("about 2.0 GB of memory are needed and 1.0 GB are free here",)
    assert too_large(2e9, None) == too_large(1.0, 2) == ()

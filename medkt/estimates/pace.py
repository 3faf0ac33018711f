"""What is left, said anew while the work goes on: by how long the first part of it took."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass
class StagePace:
    """Told what a stage has done, as a progress bar is; says how many seconds are left.

    The stage that goes on is measured. Those that follow take as many times what was expected of them as this one does.

    Attributes:
        expected: seconds of each stage, in the order in which they come; those of others are taken as they are found.
        clock: seconds from anywhere.
    """

    expected: Mapping[str, float] = field(default_factory=dict)
    clock: Clock = time.monotonic
    _stage: str = ""
    _done: int = 0
    _since: float = 0.0
    _mark: float = 0.0

    def begin(self) -> None:
        """The work begins now."""
        self._stage, self._mark = "", self.clock()

    def left(self, stage: str, done: int, total: int) -> float:
        """Seconds left, after `done` of `total` parts of a stage."""
        now = self.clock()
        if stage != self._stage or done <= self._done:  # a stage that is met again is another group's
            self._stage, self._since = stage, self._mark
        self._done, self._mark = done, now
        whole = (now - self._since) / max(done, 1) * total
        factor = whole / self.expected[stage] if self.expected.get(stage) else 1.0
        return whole * (1 - done / max(total, 1)) + factor * sum(self._after(stage), 0.0)

    def _after(self, stage: str) -> list[float]:
        names = list(self.expected)
        return [self.expected[name] for name in names[names.index(stage) + 1 :]] if stage in names else []

"""What was measured, one JSON line each, so that a run that was cut short goes on where it ended."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from medkt.models.encoder import DualEncoder
from medkt.transfer.learning import TransferResult


class Rows:
    """What was measured, one line each, and what is there already."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._there = {key for row in self.read() for key in self._keys(row)}

    def read(self) -> Iterator[dict[str, object]]:
        if self.path.exists():
            yield from (json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines())

    def has(self, what: str, *, finding: str, condition: str, seed: int, way: str = "") -> bool:
        """Whether there is a line with this figure ("accuracy", "segmented") of the condition, asked in that way."""
        return (finding, condition, seed, way, what) in self._there

    def add(self, **row: object) -> None:
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, allow_nan=False) + "\n")
        self._there.update(self._keys(row))
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items() if _short(v)}, flush=True)

    @staticmethod
    def _keys(row: dict[str, object]) -> list[tuple[object, ...]]:
        return [(row["finding"], row["condition"], row["seed"], row.get("way", ""), what) for what in row]


class Once:
    """A learning that is made when it is first asked for, and once."""

    def __init__(self, make: Callable[[], TransferResult]) -> None:
        self._make, self._made = make, None

    def kept(self) -> TransferResult:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __call__(self) -> DualEncoder:
        return self.kept().encoder


def _short(value: object) -> bool:
    return not isinstance(value, list) or len(value) <= 12

"""What was measured of each encoder, one JSON line each, so that a run that was cut short goes on where it ended."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

KEYS = ("encoder", "half", "map", "key", "question")


class Kept:
    """The lines of a file; a line is found again by the `KEYS` that it has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = [json.loads(line) for line in lines]
        self._there = {self._name(row) for row in self.rows}

    def has(self, **keys: object) -> bool:
        """Whether there is a line with exactly these keys."""
        return self._name(keys) in self._there

    def add(self, rows: Sequence[dict[str, object]]) -> None:
        """Write lines at once, so that a stop leaves all of them or none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as out:
            out.write("".join(json.dumps(row) + "\n" for row in rows))
        self.rows += rows
        self._there |= {self._name(row) for row in rows}

    def of(self, **keys: object) -> Iterator[dict[str, object]]:
        """Lines that have these values."""
        return (row for row in self.rows if all(row.get(name) == value for name, value in keys.items()))

    @staticmethod
    def _name(row: dict[str, object]) -> tuple[object, ...]:
        return tuple(row.get(name) for name in KEYS)

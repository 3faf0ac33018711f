"""Which lines of medkt the tests run, room by room.

Run: `make coverage`, which runs the tests under coverage.py and then this over what it wrote. Statements count, not branches;
what ran in processes of their own counts where the process ended by itself, and not where a test killed it.
"""

import argparse
import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from medkt.about import __version__

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "evaluation" / "results" / "coverage.md"


@dataclass(slots=True)
class Room:
    """Files and statements of a folder, and how many statements ran."""

    files: int = 0
    lines: int = 0
    run: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; 1 of a room without a statement."""
        return self.run / self.lines if self.lines else 1.0


def rooms_of(measured: dict[str, dict[str, dict[str, int]]]) -> dict[str, Room]:
    """The rooms of `medkt/` by name, sorted, from the files of coverage.py's JSON; files of no room stand under "(files)"."""
    rooms: dict[str, Room] = defaultdict(Room)
    for name, file in measured.items():
        parts = Path(name).parts
        room = rooms[parts[1] if len(parts) > 2 else "(files)"]
        room.files += 1
        room.lines += file["summary"]["num_statements"]
        room.run += file["summary"]["covered_lines"]
    return dict(sorted(rooms.items()))


def table_of(rooms: dict[str, Room], commit: str) -> str:
    """The page."""
    whole = Room(*(sum(getattr(room, part) for room in rooms.values()) for part in ("files", "lines", "run")))
    rows = [*((f"`{name}`", room) for name, room in rooms.items()), ("**all**", whole)]
    lines = [
        f"| {name} | {room.files} | {room.lines} | {room.lines - room.run} | {100 * room.share:.1f} % |"
        for name, room in rows
    ]
    head = [
        "# Lines that the tests run", "",
        f"medkt {__version__} at {commit}, `make coverage`: the tests of `make unit` under coverage.py. Lines are statements; those that only a",
        "process ran which a test killed count as not run.", "",
        "| room | files | lines | not run | share |", "| --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    return "\n".join([*head, *lines]) + "\n"


def main() -> None:
    """Print the page, and write it over the recorded one with `--write`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path, help="what `coverage json` wrote")
    parser.add_argument("--commit", help="that was measured; the checkout's unless given")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}, too")
    arguments = parser.parse_args()
    head = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = arguments.commit or subprocess.check_output(head, text=True).strip()
    page = table_of(rooms_of(json.loads(arguments.measured.read_text(encoding="utf-8"))["files"]), commit)
    print(page)
    if arguments.write:
        RESULTS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

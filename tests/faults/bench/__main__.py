"""`python -m faults.bench run|replay|summary`; see `make faults`."""

import argparse
import sys
from pathlib import Path

from .attacks import ATTACKS
from .child import SOUND
from .going import as_markdown, go, read_state, replay, summary


def main() -> int:
    """0 where nothing was found, 1 where something was."""
    parser = argparse.ArgumentParser(prog="faults.bench")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="try inputs of every attack, going on from where it stopped")
    run.add_argument("--seconds-each", type=float, default=60.0)
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--only", default="", help="attacks whose name begins so")
    run.add_argument("--rounds", type=int, default=1, help="how often to go through all of them")
    again = commands.add_parser("replay", help="do findings again")
    again.add_argument("told", type=Path, nargs="+", metavar="FINDING.json")
    told = commands.add_parser("summary", help="what was tried and found so far")
    for one in (run, told):
        one.add_argument("--findings", type=Path, default=Path("build/faults"))
    given = parser.parse_args()
    if given.command == "replay":
        ends = [replay(one) for one in given.told]
        for path, end in zip(given.told, ends, strict=True):
            print(f"{path.name}: {end.verdict} {end.said or end.result[:200]}")
        return int(any(end.verdict not in SOUND for end in ends))
    if given.command == "run":
        chosen = [attack for attack in ATTACKS if attack.name.startswith(given.only)]
        for _ in range(given.rounds):
            go(chosen, seed=given.seed, seconds_each=given.seconds_each, findings=given.findings, say=_said)
    state = read_state(given.findings)
    rows = summary(state)
    print(as_markdown(rows))
    for records in state.values():
        for name, record in records.items():
            for kind, count in record.kinds.items():
                print(f"{name}: {count} {kind}")
    return int(any(row[verdict] for row in rows for verdict in row if verdict in ("crash", "hang", "memory", "trace", "words", "silent")))  # fmt: skip


def _said(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

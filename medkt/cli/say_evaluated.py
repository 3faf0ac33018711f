"""What `medkt evaluate` and `medkt compare` print of what was evaluated."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.requests.evaluate import EvaluateResult
    from medkt.tasks.base import RunComparison


def say_evaluated(found: "EvaluateResult", *, as_json: bool) -> None:
    """Words for the user, or JSON lines."""
    from medkt.records import as_plain
    from medkt.tasks.registry import task_named

    task = task_named(found.task)
    for arm, run in found.runs.items():
        if as_json:
            print(json.dumps({"event": "evaluation", "arm": arm, **as_plain(run.evaluation)}, allow_nan=False))
            continue
        others = "".join(f" and {name}" for name in list(task.tables(run.evaluation))[1:])
        print(
            f"\n{run.path}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json)"
            f"{others}"
        )
        print("\n".join(task.say(run)))
    if found.compared is not None:
        _say_comparison(found, found.compared, as_json=as_json)
    if not as_json:
        tuned = _is_label_tuned(found.request.preset)
        published = list(task.say_published(found.runs, found.protocol, label_tuned=tuned))
        print("\n".join(["", *published]) if published else "", end="\n" if published else "")


def compared_lines(compared: "RunComparison") -> Iterator[str]:
    """What differs, a line each below a head."""
    from medkt.tasks.masks.words import aligned

    return aligned(compared.head, compared.rows)


def _say_comparison(found: "EvaluateResult", compared: "RunComparison", *, as_json: bool) -> None:
    from medkt.records import as_plain

    arms = list(found.folders)
    if as_json:
        print(json.dumps({"event": "comparison", "arms": arms, "lines": as_plain(compared.lines)}, allow_nan=False))
        return
    where = found.folders[arms[0]].parent / "comparison.json"
    print(f"\n{' and '.join(arms)} compared, second minus first{compared.pairing} (in full: {where}):")
    print("\n".join(compared_lines(compared)))


def _is_label_tuned(preset: str) -> bool:
    from medkt.datasets.protocol import LABEL_TUNED

    return preset in LABEL_TUNED

"""The arms of a run that asks whether learning helped: the model as it is, and what it was taught, over the same cases."""

from pathlib import Path

from medkt.runs.folder import RunFolder

ARMS = ("base", "kt")


def arms_below(run: Path) -> dict[str, Path]:
    """The two runs in a folder that holds a base run and the one with what was learnt; nothing where it holds others."""
    paths = {arm: run / arm for arm in ARMS}
    return paths if all(RunFolder(path).record.is_file() for path in paths.values()) else {}

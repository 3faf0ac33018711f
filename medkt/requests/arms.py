"""Base alone; or, where something learnt is asked for, base and then what was taught over the same cases."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.runs.progress import RunStatus


def run_arms(
    run_arm: "Callable[..., RunStatus]", output: Path, salt: Path | None, *, learnt: bool
) -> "tuple[Mapping[str, Path], tuple[RunStatus, ...]]":
    """The folder of each arm, and what its run came to; one that was stopped is the last.

    `run_arm` is called with the arm's folder, `learnt` and the file of the `salt` that names its cases.
    """
    from medkt.tasks.arms import ARMS

    folders = {arm: output / arm for arm in ARMS} if learnt else {ARMS[0]: output}
    done: list[RunStatus] = []
    for arm, path in folders.items():
        own = folders["base"] / "salt" if arm == "kt" else salt
        done.append(run_arm(path, learnt=arm == "kt", salt=own))
        if done[-1].stopped:
            break
    return folders, tuple(done)

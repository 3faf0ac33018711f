"""`evaluate` of masks that models make of the cases of a manifest, or of a published data set."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.requests.arms import run_arms
from medkt.requests.cohort import asked_of, findings_asked
from medkt.requests.evaluate_request import MODES, WHERE, EvaluateRequest, columns_of
from medkt.requests.listener import Listener
from medkt.requests.option import present
from medkt.requests.scoring import scoring_of
from medkt.requests.work import require_work, run_asked

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import RunStatus
    from medkt.runs.work import Shard
    from medkt.tasks.segment.findings import RunFindings


def run_models(
    request: EvaluateRequest, protocol: "Protocol | None", listener: Listener
) -> "tuple[Mapping[str, Path], tuple[RunStatus, ...]]":
    """Base alone; or, where something learnt is asked for, base and then KT over the same cases; gives folders and what came of them."""
    from medkt.errors import SettingsError

    shard = require_work(request)
    asked = asked_of(request)
    if protocol is not None and len(asked.own) > 1:
        raise SettingsError(
            f"a protocol looks for one finding, got {', '.join(asked.own)}: give one -c, -p or .medkt file"
        )
    arm = partial(_run_arm, request, asked, protocol, shard, listener)
    return run_arms(arm, present(request.output, WHERE), request.salt, learnt=bool(asked.packages))


def _run_arm(
    request: EvaluateRequest,
    asked: "RunFindings",
    protocol: "Protocol | None",
    shard: "Shard",
    listener: Listener,
    path: Path,
    *,
    learnt: bool,
    salt: Path | None,
) -> "RunStatus":
    from medkt.records import as_plain
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.base import CaseSource
    from medkt.tasks.registry import task_named

    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    data = Path() if protocol is None else present(request.data, MODES)
    source = CaseSource(
        manifest=None if protocol else present(request.manifest, MODES), protocol=protocol, data=data, shard=shard,
        keep_ids=request.keep_ids, columns=tuple(columns_of(request)), cache=folder.path / "manifest.json",
    )  # fmt: skip
    scoring = scoring_of(request, protocol)
    noted = {"scoring": as_plain(scoring), "protocol": protocol.name if protocol else None, "learnt": learnt}
    wanted = findings_asked(
        request, source, asked, command="evaluate", listener=listener, learnt=learnt, scoring=scoring, noted=noted
    )
    task = task_named("segment")
    return run_asked(request, task, wanted, folder, whole=path, salt=salt, listener=listener)

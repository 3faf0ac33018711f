"""`evaluate` of masks that models make of the cases of a manifest, or of a published data set."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.requests.arms import run_arms
from medkt.requests.cohort import AskedFindings, asked_of, factory_of, identity_of, manifest_plan_of, worded
from medkt.requests.evaluate_request import MODES, WHERE, EvaluateRequest, columns_of
from medkt.requests.listening import Listener
from medkt.requests.option import present
from medkt.requests.scoring import scoring_of
from medkt.requests.work import require_work, run_plan, salt_of

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import Summary
    from medkt.runs.work import Shard
    from medkt.tasks.cases import CasePlan


def run_models(
    request: EvaluateRequest, protocol: "Protocol | None", listener: Listener
) -> "tuple[Mapping[str, Path], tuple[Summary, ...]]":
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
    asked: AskedFindings,
    protocol: "Protocol | None",
    shard: "Shard",
    listener: Listener,
    path: Path,
    *,
    learnt: bool,
    salt: Path | None,
) -> "Summary":
    from medkt.errors import InputError
    from medkt.records import as_plain
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder

    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    plan = _plan(request, asked, protocol, shard, folder.path / "manifest.json", listener)
    if not next(iter(plan.cases())).has_mask:
        raise InputError(
            f"{request.manifest}: its cases have no reference, so nothing can be scored; `medkt batch` runs them"
        )
    scoring = scoring_of(request, protocol)
    factory = factory_of(request, folder, asked, command="evaluate", listener=listener, learnt=learnt, scoring=scoring)
    made = salt_of(folder, path, salt)
    named = {"protocol": protocol.name if protocol else None, "learnt": learnt}
    folder.claim(
        {**identity_of(request, asked, plan, factory), "scoring": as_plain(scoring), **named},
        accept_versions=request.accept_versions,
    )
    return run_plan(request, folder, plan, factory, made, listener)


def _plan(
    request: EvaluateRequest,
    asked: AskedFindings,
    protocol: "Protocol | None",
    shard: "Shard",
    cache: Path,
    listener: Listener,
) -> "CasePlan":
    from medkt.tasks.protocols import plan_of_protocol

    columns = columns_of(request)
    if protocol is None:
        manifest = present(request.manifest, MODES)
        return manifest_plan_of(request, manifest, asked, shard, columns, cache=cache, listener=listener)
    # the user's words or learnt concept, else the protocol's words: the same question to both arms
    concept = asked.own[0] if asked.own else asked.identify(protocol.concept)
    plan = plan_of_protocol(
        protocol, present(request.data, MODES), concept=concept, shard=shard, keep_ids=request.keep_ids, columns=columns
    )
    return worded(request, plan, listener)

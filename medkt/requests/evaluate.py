"""`evaluate`: masks against references, or classes against the truth, with the statistics that a reviewer asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medkt.requests.evaluate_classes import run_classes, settle_classes, standing_of_classes
from medkt.requests.evaluate_masks import run_masks
from medkt.requests.evaluate_models import run_models
from medkt.requests.evaluate_request import MODES, WHERE, EvaluateRequest
from medkt.requests.listener import SILENT, Listener
from medkt.requests.masks import given_values
from medkt.requests.models import settings_of
from medkt.requests.option import present, requested
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.work import listed

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import RunStatus
    from medkt.tasks.base import EvaluatedRun, RunComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult:
    """What an evaluation came to.

    Attributes:
        request: as it was carried out, with what the protocol and a published way put in.
        folders: of each arm, "base" and where something learnt was asked for "kt"; of a run that was read, under "".
        runs: each arm with its statistics; nothing where a run was stopped, or is one of several shards.
        compared: the second arm minus the first, where there are two.
        task: of the runs, a name of the registry of tasks.
        protocol: that the cases are of, where this request named one.
        done: what the runs of this request came to; nothing where a run was read.
    """

    request: EvaluateRequest
    folders: Mapping[str, Path]
    runs: "Mapping[str, EvaluatedRun]"
    task: str
    compared: "RunComparison | None" = None
    protocol: "Protocol | None" = None
    done: "tuple[RunStatus, ...]" = ()

    @property
    def evaluations(self) -> Mapping[str, Any]:
        """The statistics of each arm, of a type of the task's."""
        return {arm: run.evaluation for arm, run in self.runs.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledEvaluation:
    """An evaluation that may begin: `request` with what the protocol and a published way put in; what it is of.

    Attributes:
        of: "run", or a task: "masks" (two folders), "segment" (masks that models make) or "classify".
    """

    request: EvaluateRequest
    of: Literal["run", "masks", "segment", "classify"]
    protocol: "Protocol | None" = None


def evaluate(
    request: EvaluateRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> EvaluateResult:
    """Evaluate masks, or classes that are told apart, and write the statistics beside the tables of the run.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: options that do not go together.
        MedktError: from reading and from the run; a case that fails is no error, but stands in the run's table of failures.
    """
    from medkt.tasks.arms import arms_below

    wanted = settle_evaluation(requested(EvaluateRequest, request, options))
    request = wanted.request
    runs: Mapping[str, Path]
    if wanted.of == "run":
        run = present(request.run, MODES)
        runs = arms_below(run) or {"": run}
        return _evaluated(request, runs, (), wanted.protocol)
    if wanted.of == "masks":
        runs, done = run_masks(request, listener)
    elif wanted.of == "classify":
        runs, done = run_classes(request, wanted.protocol, listener)
    else:
        runs, done = run_models(request, wanted.protocol, listener)
    if done[-1].stopped or (wanted.of != "masks" and request.shard != "1/1"):
        return EvaluateResult(
            request=request, folders=runs, runs={}, task=wanted.of, protocol=wanted.protocol, done=done
        )
    return _evaluated(request, runs, done, wanted.protocol)


def settle_evaluation(request: EvaluateRequest, *, writes: bool = True) -> SettledEvaluation:
    """What a request is of, with what its protocol and a published way put in; `writes` unless nothing is to be done.

    Raises:
        SettingsError: options that do not go together. MissingDependencyError: the extra of runs is not installed.
    """
    from medkt.errors import SettingsError
    from medkt.extras import require

    require("runs", "an evaluation")
    _ = request.bootstrap  # what it refuses is refused before the work
    masks = request.reference is not None or request.prediction is not None
    modes = [request.run is not None, request.manifest is not None, masks, request.protocol is not None]
    if sum(modes) != 1:
        raise SettingsError(f"say what to evaluate, one of: {MODES}")
    if (modes[0] or masks) and (request.as_published or not writes or request.prompts):
        raise SettingsError(
            "--as-published, --prompts and --dry-run go with --manifest or --protocol; here no model is asked"
        )
    if request.classify and request.manifest is None:
        raise SettingsError("--classify goes with --manifest; a protocol says itself what its task is")
    if modes[0]:
        return SettledEvaluation(request=request, of="run")
    if request.output is None and writes:
        raise SettingsError(WHERE)
    protocol = _protocol(request)
    if request.classify or (protocol is not None and protocol.task == "classification"):
        return SettledEvaluation(request=settle_classes(request), of="classify", protocol=protocol)
    _require_of_masks(request, masks=masks)
    if protocol is not None and protocol.window:  # before what the user sets
        request = replace(request, set=(f"window={protocol.window}", *request.set))
    if masks:
        return SettledEvaluation(request=request, of="masks")
    return SettledEvaluation(request=settled(request, "evaluate", "segmentation"), of="segment", protocol=protocol)


def standing_of_evaluation(wanted: SettledEvaluation) -> "Standing":
    """Every setting of an evaluation that asks a model, with where it is from."""
    if wanted.of == "classify":
        return standing_of_classes(wanted.request, wanted.protocol)
    return standing_of(wanted.request, "evaluate", "segmentation", settings_of(wanted.request), own=WINDOW)


def _require_of_masks(request: EvaluateRequest, *, masks: bool) -> None:
    """That no option is given which means nothing where masks are scored; `masks` where they are there already."""
    from medkt.errors import SettingsError

    if request.rule != "default":
        raise SettingsError("--rule is for classes that are told apart; masks have --preset")
    if request.apart:
        raise SettingsError("--apart is for classes that are told apart; masks are asked of each concept's own encoder")
    if not masks and (request.patients or request.patient_pattern):
        raise SettingsError("--patients goes with two folders of masks; a manifest has the column patient_id")
    if not masks and given_values(request):
        raise SettingsError(
            f"{given_values(request)[0]} goes with two folders of masks; in a manifest the column reference_key says which label"
        )


def _protocol(request: EvaluateRequest) -> "Protocol | None":
    from medkt.errors import SettingsError

    if request.protocol is None:
        return None
    from medkt.datasets.protocol import load_protocol  # with the builder of every layout

    protocol = load_protocol(request.protocol)
    if request.data is None:
        raise SettingsError(f"say where the data set lies: --data DIR ({protocol.title}: {protocol.access})")
    return protocol


def _evaluated(
    request: EvaluateRequest, folders: Mapping[str, Path], done: "tuple[RunStatus, ...]", protocol: "Protocol | None"
) -> EvaluateResult:
    """The statistics of each arm, and of two the comparison; files beside their tables say the same."""
    from medkt.tasks.ended_runs import compared, evaluated, write_comparison
    from medkt.tasks.registry import task_of_runs

    task, settings = task_of_runs(folders), request.bootstrap
    runs = {
        arm: evaluated(task, path, by=listed(request.by), settings=settings, write=True)
        for arm, path in folders.items()
    }
    difference = None
    if len(folders) == 2:
        first, second = folders.values()
        difference = compared(task, first, second, settings)
        write_comparison(first.parent, tuple(folders), difference, settings)
    return EvaluateResult(
        request=request, folders=folders, runs=runs, task=task.name, compared=difference, protocol=protocol, done=done
    )

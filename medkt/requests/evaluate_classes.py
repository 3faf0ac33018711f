"""`evaluate` where the task is to tell classes apart: protocols such as `jsrt` or `chexpert`, or `classify` with a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.requests.arms import run_arms
from medkt.requests.classify import rule_of
from medkt.requests.cohort import asked_of
from medkt.requests.evaluate_request import MODES, WHERE, EvaluateRequest, columns_of
from medkt.requests.listener import Listener
from medkt.requests.models import is_guarded
from medkt.requests.option import present
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.reading import modality_of, view_of
from medkt.requests.words import packages_of
from medkt.requests.work import require_work, run_asked

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import RunStatus
    from medkt.runs.work import Shard
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.tasks.classify.classes import ClassWords, Survey
    from medkt.tasks.segment.findings import RunFindings

OF_MASKS = (
    "metrics", "tolerance", "empty", "resample_to_reference", "site", "label", "threshold", "reference_label",
    "prediction_label", "reference_threshold", "prediction_threshold", "patients", "patient_pattern", "segmenter", "preset",
    "prompts", "settings", "set", "format",
)  # fmt: skip
"""Options that mean nothing where no mask is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is told apart, by which rule; in the cases of a protocol, or of a manifest that was surveyed."""

    asked: "RunFindings"
    classes: "tuple[ClassWords, ...]"
    settings: "ClassSettings"
    protocol: "Protocol | None" = None
    survey: "Survey | None" = None


def settle_classes(request: EvaluateRequest) -> EvaluateRequest:
    """The request with what a published way puts in.

    Raises:
        SettingsError: an option is given that means nothing here, or two that do not go together.
    """
    from medkt.errors import SettingsError

    usual = EvaluateRequest()
    for name in OF_MASKS:
        if getattr(request, name) != getattr(usual, name):
            raise SettingsError(
                f"--{name.replace('_', '-')} belongs to masks, and where classes are told apart none is made; leave it out"
            )
    if request.together and request.apart:
        raise SettingsError("--together asks one encoder of all classes, --apart several; give one of the two")
    return settled(request, "evaluate", "classification")


def standing_of_classes(request: EvaluateRequest, protocol: "Protocol | None") -> "Standing":
    """Every setting with where it is from."""
    return standing_of(request, "evaluate", "classification", _settings(request, protocol), own=WINDOW)


def run_classes(
    request: EvaluateRequest, protocol: "Protocol | None", listener: Listener
) -> "tuple[Mapping[str, Path], tuple[RunStatus, ...]]":
    """Base alone; or, where something learnt is given, base and then KT over the same cases; `request` is settled."""
    shard = require_work(request)
    task = _task(request, protocol)
    arm = partial(_run_arm, request, task, standing_of_classes(request, protocol).as_json(), shard, listener)
    return run_arms(arm, present(request.output, WHERE), request.salt, learnt=bool(task.asked.packages))


def _settings(request: EvaluateRequest, protocol: "Protocol | None") -> "ClassSettings":
    settings = rule_of(request.rule)
    return replace(settings, window="8-bit") if protocol is not None and protocol.window == "8-bit" else settings


def _task(request: EvaluateRequest, protocol: "Protocol | None") -> _Task:
    from medkt.errors import SettingsError
    from medkt.pipeline import concept_in
    from medkt.tasks.classify.classes import classes_of_manifest, classes_of_protocol, survey_classes

    asked, settings = asked_of(request), _settings(request, protocol)
    given = [asked.concepts[name] for name in asked.own]
    if protocol is not None:
        if request.prompt:
            raise SettingsError(
                f"-p: a free text does not say which class of {protocol.name!r} it stands for; write it as a concept with the "
                "id or name of that class, and give its file with -c"
            )
        classes = classes_of_protocol(protocol, given)
        present(request.data, MODES)
        return _Task(asked=asked, classes=classes, protocol=protocol, settings=settings)
    manifest = present(request.manifest, MODES)
    survey = survey_classes(manifest)
    modality = modality_of(request) or survey.modality
    only = bool(request.prompt) or len(packages_of(request)) < len(set(request.concept))
    classes = classes_of_manifest(survey, given, only=only, load=lambda name: concept_in(name, modality))
    return _Task(asked=asked, classes=classes, survey=survey, settings=settings)


def _run_arm(
    request: EvaluateRequest,
    task: _Task,
    stands: Mapping[str, Any],
    shard: "Shard",
    listener: Listener,
    path: Path,
    *,
    learnt: bool,
    salt: Path | None,
) -> "RunStatus":
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.base import CaseSource
    from medkt.tasks.classify.runner import ClassRunnerFactory
    from medkt.tasks.classify.task import ClassifyJob
    from medkt.tasks.registry import task_named

    look = ClassRunnerFactory(
        classes=task.classes, model=request.model, device=request.device, view=view_of(request),
        regrid=request.regrid, allow_incomplete=request.allow_incomplete, packages=tuple(task.asked.packages) if learnt else (),
        together=request.together and learnt, apart=request.apart and learnt, settings=task.settings,
        guarded=is_guarded(request),
    )  # fmt: skip
    source = CaseSource(
        manifest=request.manifest, protocol=task.protocol, data=request.data or Path(), shard=shard,
        keep_ids=request.keep_ids, columns=tuple(columns_of(request)),
    )  # fmt: skip
    wanted = ClassifyJob(
        source=source, look=look, packages=[task.asked.packages[path] for path in look.packages], learnt=learnt,
        survey=task.survey, as_published=stands,
    )  # fmt: skip
    folder = RunFolder(shard_folder(path, shard))
    return run_asked(request, task_named("classify"), wanted, folder, whole=path, salt=salt, listener=listener)

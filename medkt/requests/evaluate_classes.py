"""`evaluate` where the task is to tell classes apart: protocols such as `jsrt` or `chexpert`, or `classify` with a manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.requests.arms import run_arms
from medkt.requests.classify import rule_of
from medkt.requests.cohort import AskedFindings, asked_of
from medkt.requests.evaluate_request import MODES, WHERE, EvaluateRequest, columns_of
from medkt.requests.listening import Listener
from medkt.requests.models import is_guarded
from medkt.requests.option import present
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.reading import modality_of, view_of
from medkt.requests.words import packages_of
from medkt.requests.work import identity_of_work, require_work, run_plan, salt_of

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import Summary
    from medkt.runs.work import Shard
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.classify.classes import ClassWords
    from medkt.tasks.classify.classifying import ClassRunnerFactory

OF_MASKS = (
    "metrics", "tolerance", "empty", "resample_to_reference", "site", "label", "threshold", "reference_label",
    "prediction_label", "reference_threshold", "prediction_threshold", "patients", "patient_pattern", "segmenter", "preset",
    "prompts", "settings", "set", "format",
)  # fmt: skip
"""Options that mean nothing where no mask is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is told apart, and what makes the plan of its cases."""

    asked: AskedFindings
    classes: "tuple[ClassWords, ...]"
    protocol: str | None
    plan: "Callable[..., CasePlan]"
    settings: "ClassSettings"


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
) -> "tuple[Mapping[str, Path], tuple[Summary, ...]]":
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
    from medkt.tasks.classify.classes import (
        classes_of_manifest,
        classes_of_protocol,
        plan_of_class_manifest,
        plan_of_classes,
        survey_classes,
    )

    asked, settings = asked_of(request), _settings(request, protocol)
    given = [asked.concepts[name] for name in asked.own]
    if protocol is not None:
        if request.prompt:
            raise SettingsError(
                f"-p: a free text does not say which class of {protocol.name!r} it stands for; write it as a concept with the "
                "id or name of that class, and give its file with -c"
            )
        classes = classes_of_protocol(protocol, given)
        plan = partial(plan_of_classes, protocol, present(request.data, MODES), classes=classes)
        return _Task(asked=asked, classes=classes, protocol=protocol.name, plan=plan, settings=settings)
    manifest = present(request.manifest, MODES)
    survey = survey_classes(manifest)
    modality = modality_of(request) or survey.modality
    only = bool(request.prompt) or len(packages_of(request)) < len(set(request.concept))
    classes = classes_of_manifest(survey, given, only=only, load=lambda name: concept_in(name, modality))
    plan = partial(plan_of_class_manifest, manifest, survey, classes=classes)
    return _Task(asked=asked, classes=classes, protocol=None, plan=plan, settings=settings)


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
) -> "Summary":
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.classify.classifying import ClassRunnerFactory

    plan = task.plan(shard=shard, keep_ids=request.keep_ids, columns=columns_of(request))
    factory = ClassRunnerFactory(
        classes=task.classes, model=request.model, device=request.device, view=view_of(request),
        regrid=request.regrid, allow_incomplete=request.allow_incomplete, packages=tuple(task.asked.packages) if learnt else (),
        together=request.together and learnt, apart=request.apart and learnt, settings=task.settings,
        guarded=is_guarded(request),
    )  # fmt: skip
    published = {"as_published": stands} if stands else {}
    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    made = salt_of(folder, path, salt)
    folder.claim(
        {**_identity(task, plan, factory, learnt=learnt), **published, **identity_of_work(request)},
        accept_versions=request.accept_versions,
    )
    return run_plan(request, folder, plan, factory, made, listener)


def _identity(task: _Task, plan: "CasePlan", factory: "ClassRunnerFactory", *, learnt: bool) -> dict[str, Any]:
    """All that the results depend on, the digest of the model aside: the workers tell that."""
    from medkt.about import __version__
    from medkt.records import as_plain
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.tasks.classify.classes import classes_record
    from medkt.tasks.segment.studies import concept_digest

    packages = [task.asked.packages[path] for path in factory.packages]
    taught = {"packages": packages, "together": factory.together, "apart": factory.apart}
    return {
        "medkt": __version__,
        "task": "classification",
        "manifest": plan.digest,
        "shard": str(plan.shard),
        "classes": classes_record(task.classes),
        "concepts": {one.concept.id: concept_digest(one.concept) for one in task.classes},
        "view": as_plain(factory.view),
        "regrid": factory.regrid,
        "ids": "the manifest's" if plan.keep_ids else "pseudonyms",
        "columns": list(plan.columns),
        "protocol": task.protocol,
        "learnt": learnt,
        **(taught if packages else {}),
        **({} if task.settings == ClassSettings() else {"settings": as_plain(task.settings)}),
        "guarded": factory.guarded,
        **({"allow_incomplete": True} if factory.allow_incomplete else {}),
    }

"""`medkt evaluate` where the task is to tell classes apart: `--protocol jsrt` or `chexpert`, or `--classify --manifest`."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.cohort_options import (
    Asked,
    asked_of,
    exit_code,
    of_work,
    require_work,
    run_arms,
    run_plan,
    salt_of,
    shard_exit,
)
from medkt.cli.published import WINDOW, say_settings, settle, standing_of
from medkt.cli.say_classes import by_of, say_classes

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.datasets.protocol import Protocol
    from medkt.runs.progress import Summary
    from medkt.runs.work import Shard
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.classify.classes import ClassWords
    from medkt.tasks.classify.classifying import ClassRunnerFactory

# options that mean nothing where no mask is made, with what they are when nobody gives them
OF_MASKS: Mapping[str, object] = {
    "metrics": None, "tolerance": None, "empty": "standard", "resample_to_reference": False, "site": None,
    "label": None, "threshold": None, "reference_label": None, "prediction_label": None, "reference_threshold": None,
    "prediction_threshold": None, "patients": None, "patient_pattern": None, "segmenter": None, "preset": "default", "prompts": None, "settings": None, "set": [], "format": "nifti,png",
}  # fmt: skip


def add_classes(parser: argparse.ArgumentParser) -> None:
    """The options of this task alone."""
    from medkt.cli.classify import add_rule

    add_rule(parser)
    parser.add_argument(
        "--classify", action="store_true",
        help="with --manifest: tell the classes of its column class_name apart, and make no masks",
    )  # fmt: skip
    parser.add_argument(
        "--apart", action="store_true",
        help="where classes are told apart: each learnt class by its own encoder, the others by the base; by default one "
        "taught encoder is asked of all classes, so that what it forgot shows",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is told apart, and what makes the plan of its cases."""

    asked: Asked
    classes: "tuple[ClassWords, ...]"
    protocol: str | None
    plan: "Callable[..., CasePlan]"
    settings: "ClassSettings"


def run_classes(arguments: argparse.Namespace, protocol: "Protocol | None") -> int:
    """Base alone; or, where something learnt is given, base and then KT over the same cases."""
    _require_fitting(arguments)
    settle(arguments, "evaluate", "classification")
    if arguments.dry_run:
        from medkt.cli.segment import guard_words

        stands = _stands(arguments, _settings(arguments, protocol))
        return say_settings(stands, as_json=arguments.json, guard=guard_words(arguments))
    shard = require_work(arguments)
    task = _task(arguments, protocol)
    arm = partial(_run_arm, arguments, task, shard=shard)
    folders, done = run_arms(arguments, arm, learnt=bool(task.asked.packages))
    if done[-1].stopped:
        return exit_code(done[-1])
    if arguments.shard != "1/1":
        return shard_exit(arguments, folders, done)
    return say_classes(arguments, folders, done, protocol=protocol)


def _require_fitting(arguments: argparse.Namespace) -> None:
    from medkt.errors import SettingsError

    for name, usual in OF_MASKS.items():
        if getattr(arguments, name) != usual:
            raise SettingsError(
                f"--{name.replace('_', '-')} belongs to masks, and where classes are told apart none is made; leave it out"
            )
    if arguments.together and arguments.apart:
        raise SettingsError("--together asks one encoder of all classes, --apart several; give one of the two")


def _settings(arguments: argparse.Namespace, protocol: "Protocol | None") -> "ClassSettings":
    from medkt.cli.classify import rule_of

    settings = rule_of(arguments)
    return replace(settings, window="8-bit") if protocol is not None and protocol.window == "8-bit" else settings


def _stands(arguments: argparse.Namespace, settings: "ClassSettings") -> "Standing":
    return standing_of(arguments, "evaluate", "classification", settings, own=WINDOW)


def _task(arguments: argparse.Namespace, protocol: "Protocol | None") -> _Task:
    from medkt.cli.segment import modality_of, packages_of
    from medkt.errors import SettingsError
    from medkt.pipeline import concept_in
    from medkt.tasks.classify.classes import (
        classes_of_manifest,
        classes_of_protocol,
        plan_of_class_manifest,
        plan_of_classes,
        survey_classes,
    )

    asked, settings = asked_of(arguments), _settings(arguments, protocol)
    given = [asked.concepts[name] for name in asked.own]
    if protocol is not None:
        if arguments.prompt:
            raise SettingsError(
                f"-p: a free text does not say which class of {protocol.name!r} it stands for; write it as a concept with the "
                "id or name of that class, and give its file with -c"
            )
        classes = classes_of_protocol(protocol, given)
        plan = partial(plan_of_classes, protocol, arguments.data, classes=classes)
        return _Task(asked=asked, classes=classes, protocol=protocol.name, plan=plan, settings=settings)
    survey = survey_classes(arguments.manifest)
    modality = modality_of(arguments) or survey.modality
    only = bool(arguments.prompt) or len(packages_of(arguments)) < len(set(arguments.concept))
    classes = classes_of_manifest(survey, given, only=only, load=lambda name: concept_in(name, modality))
    plan = partial(plan_of_class_manifest, arguments.manifest, survey, classes=classes)
    return _Task(asked=asked, classes=classes, protocol=None, plan=plan, settings=settings)


def _run_arm(
    arguments: argparse.Namespace, task: _Task, path: Path, *, shard: "Shard", learnt: bool, salt: Path | None
) -> "Summary":
    from medkt.cli.segment import is_guarded, view_of
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.classify.classifying import ClassRunnerFactory

    columns = tuple(dict.fromkeys([*arguments.keep_column, *by_of(arguments)]))
    plan = task.plan(shard=shard, keep_ids=arguments.keep_ids, columns=columns)
    factory = ClassRunnerFactory(
        classes=task.classes, model=arguments.model, device=arguments.device, view=view_of(arguments),
        regrid=arguments.regrid, allow_incomplete=arguments.allow_incomplete, packages=tuple(task.asked.packages) if learnt else (),
        together=arguments.together and learnt, apart=arguments.apart and learnt, settings=task.settings,
        guarded=is_guarded(arguments),
    )  # fmt: skip
    stands = _stands(arguments, task.settings).as_json()
    published = {"as_published": stands} if stands else {}
    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    made = salt_of(folder, path, salt)
    folder.claim(
        {**_identity(task, plan, factory, learnt=learnt), **published, **of_work(arguments)},
        accept_versions=arguments.accept_versions,
    )
    return run_plan(arguments, folder, plan, factory, made)


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

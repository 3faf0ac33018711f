"""`--dry-run`: what a command would do, how long it would take and how much memory, and nothing done."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.published import WINDOW, guard_plan, settings_section, settings_values, standing_of
from medkt.cli.threads import use_threads

if TYPE_CHECKING:
    from medkt.cli.cohort_options import Asked
    from medkt.concepts import Concept
    from medkt.estimates.machine import Timer
    from medkt.estimates.segment import StudyPlan
    from medkt.estimates.words import Section
    from medkt.estimates.work import Costs
    from medkt.pipeline import Pipeline
    from medkt.runs.folder import RunFolder
    from medkt.runs.work import Shard
    from medkt.tasks.cases import CaseWork
    from medkt.transfer.packages import Taught

HELP = "only say what would be done, how long it would take and how much memory; what would be refused is refused"


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """`--dry-run`."""
    parser.add_argument("--dry-run", action="store_true", help=HELP)


def say_plan(sections: "Sequence[Section]", values: Mapping[str, Any], *, as_json: bool) -> None:
    """The plan on standard output, for a person or a machine."""
    from medkt.estimates.words import text_of

    if as_json:
        print(json.dumps({"dry_run": True, **values}, allow_nan=False))
    else:
        print(text_of(sections))


def state_of(folder: Path | None) -> str:
    """Whether the place of the results is there; empty where nobody named one."""
    return "" if folder is None else "is there" if folder.exists() else "would be made"


def require_place(folder: Path | None) -> None:
    """That a folder, where one is named, could be made or written, without making it.

    Raises:
        OutputError: it could not.
    """
    from medkt.errors import OutputError

    if folder is None:
        return
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    why = (
        "Not a directory" if not there.is_dir() else "" if os.access(there, os.W_OK | os.X_OK) else "Permission denied"
    )
    if why:
        raise OutputError(f"{folder}: cannot be written ({why}); choose another output folder")


def timer_of(device: str, threads: int) -> "Timer":
    """How fast this machine computes with the options of a command."""
    from functools import partial

    from medkt.estimates.machine import measured_rates
    from medkt.pipeline import resolve_device

    return partial(measured_rates, device=str(resolve_device(device)), threads=threads)


def plan_segment(arguments: argparse.Namespace, wanted: "Sequence[Concept | str | Path]", names: Sequence[str]) -> int:
    """Say what `medkt segment` would do with each study; 4 where some would be refused and others not."""
    from medkt.cli.segment import guard_words, packages_of, pipeline_of, settings_of
    from medkt.errors import MedktError
    from medkt.estimates.models import planned_encoder, planned_segmenter
    from medkt.estimates.segment import SegmentPlan, costs_of
    from medkt.pipeline.words import require_words
    from medkt.report.write import require_no_result
    from medkt.transfer.packages import Taught

    use_threads(arguments)
    output: Path | None = arguments.output
    require_place(output)
    if output is not None and len(arguments.input) == 1:
        require_no_result(output, overwrite=arguments.overwrite)
    encoder_plan, encoder = planned_encoder(arguments.model)
    segmenter = planned_segmenter(arguments.segmenter, encoder.spec.family, settings_of(arguments))
    # whether a package or a calibration belongs to these weights is known from the weights alone
    pipeline = pipeline_of(arguments) if packages_of(arguments) or arguments.site else None
    taught = (pipeline and pipeline.taught) or Taught.of(pipeline.encoder if pipeline else encoder)
    require_words(wanted, encoder)
    costs = costs_of(encoder_plan.name, segmenter.name, timer_of(arguments.device, arguments.threads))
    loading = 0.0 if pipeline else float(encoder_plan.bytes + segmenter.bytes)
    studies: dict[str, StudyPlan] = {}
    failures: list[MedktError] = []
    for path, own in zip(arguments.input, names, strict=True):
        try:
            if output is not None and len(arguments.input) > 1 and own:
                require_no_result(output / own, overwrite=arguments.overwrite)
            studies[str(path)] = _study(arguments, path, wanted, taught, costs, pipeline, loading)
        except MedktError as error:
            if len(arguments.input) == 1:
                raise
            failures.append(error)
            print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
    plan = SegmentPlan(
        studies=studies, models=(encoder_plan, segmenter), started=time.process_time(),
        output=None if output is None else str(output), output_state=state_of(output), refused=len(failures),
    )  # fmt: skip
    found = standing_of(arguments, "segment", "segmentation", settings_of(arguments), own=WINDOW)
    guard, guard_values = guard_plan(guard_words(arguments))
    say_plan(
        [*plan.sections(), *guard, settings_section(found)],
        {**plan.as_json(), **guard_values, **settings_values(found)},
        as_json=arguments.json,
    )
    return 0 if not failures else 4 if studies else failures[0].exit_code


def _study(
    arguments: argparse.Namespace,
    path: Path,
    wanted: "Sequence[Concept | str | Path]",
    taught: "Taught",
    costs: "Costs | None",
    pipeline: "Pipeline | None",
    loading: float,
) -> "StudyPlan":
    """The plan of one study; refuses what segmenting it would refuse before its models compute."""
    from medkt.cli.mask_options import choice_of
    from medkt.cli.segment import calibration_for, formats_of, settings_of, view_of
    from medkt.errors import InputError, NumericalError
    from medkt.estimates.segment import plan_study
    from medkt.io import read_image
    from medkt.pipeline import study_of
    from medkt.pipeline.run import reference_of

    image = read_image(
        path, series=arguments.series, volume=arguments.volume, regrid=arguments.regrid,
        allow_incomplete=arguments.allow_incomplete,
    )  # fmt: skip
    try:
        formats_of(arguments).require_some(image)
        study = study_of(taught, image, wanted, settings_of(arguments), view_of(arguments))
        if arguments.site and pipeline is not None:
            from medkt.calibration import keys_of

            for key in keys_of(pipeline, study, view_of(arguments)):
                calibration_for(key, arguments.site)
    except (InputError, NumericalError) as error:
        raise type(error)(f"{path}: {error}") from error
    if arguments.reference:
        reference_of(image, arguments.reference, choice_of(arguments))
    return plan_study(study, taught, costs, loading=loading)


def plan_batch(arguments: argparse.Namespace, folder: "RunFolder | None", asked: "Asked", shard: "Shard") -> int:
    """Say what `medkt batch` would do; what it would refuse before its workers start is refused."""
    from dataclasses import replace

    from medkt.cli.cohort_options import factory_of, identity_of, worded
    from medkt.cli.segment import guard_words
    from medkt.datasets.reference import read_case_image, reference_mask
    from medkt.estimates.batch import BatchPlan, sampled
    from medkt.estimates.models import planned_encoder, planned_segmenter
    from medkt.estimates.segment import costs_of, plan_study
    from medkt.pipeline import study_of
    from medkt.pipeline.words import require_words
    from medkt.runs.folder import RunFolder
    from medkt.tasks.manifest import plan_of
    from medkt.tasks.segment.studies import concepts_of
    from medkt.transfer.packages import Taught

    use_threads(arguments)
    place = None if folder is None else folder.path
    require_place(place)
    plan = plan_of(
        arguments.manifest, concepts=asked.identify, asked=asked.own, shard=shard, keep_ids=arguments.keep_ids,
        columns=arguments.keep_column,
    )  # fmt: skip
    plan = worded(arguments, plan)
    factory = factory_of(arguments, folder or RunFolder(Path()), asked, command="batch")  # nothing is run by it
    identity = identity_of(arguments, asked, plan, factory)
    ended = 0 if folder is None else folder.ended(identity, accept_versions=arguments.accept_versions)
    encoder_plan, encoder = planned_encoder(arguments.model, real=bool(factory.packages))
    segmenter = planned_segmenter(arguments.segmenter, encoder.spec.family, factory.settings)
    require_words(factory.concepts.values(), encoder)
    taught = Taught.of(encoder, list(factory.packages), together=factory.together)
    costs = costs_of(encoder_plan.name, segmenter.name, timer_of(arguments.device, arguments.threads))
    loading = encoder_plan.bytes + segmenter.bytes

    def look(work: "CaseWork") -> "StudyPlan":
        image = read_case_image(work.case, regrid=factory.regrid, allow_incomplete=factory.allow_incomplete)
        factory.formats.require_some(image)
        if work.case.has_mask:
            reference_mask(work.case, image=image)
        view = replace(factory.view, modality=work.case.modality or factory.view.modality)
        study = study_of(taught, image, concepts_of(work, factory.concepts), factory.settings, view)
        return plan_study(study, taught, costs, loading=loading)

    cases, read, studies, refused = sampled(plan, look)
    found = BatchPlan(
        cases=cases, ended=ended, read=read, studies=studies, refused=refused, models=(encoder_plan, segmenter),
        workers=arguments.workers, threads=arguments.threads, started=time.process_time(), output=None if place is None else str(place),
        output_state=state_of(place), notes=plan.notes,
    )  # fmt: skip
    stands = standing_of(arguments, "batch", "segmentation", factory.settings, own=WINDOW)
    guard, guard_values = guard_plan(guard_words(arguments))
    say_plan(
        [*found.sections(), *guard, settings_section(stands)],
        {**found.as_json(), **guard_values, **settings_values(stands)},
        as_json=arguments.json,
    )
    return 0

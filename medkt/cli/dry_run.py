"""`--dry-run`: what a command would do, how long it would take and how much memory, and nothing done."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.published import guard_plan, guard_words, settings_section, settings_values
from medkt.requests.ahead import timer_of
from medkt.requests.batch import WHICH, BatchRequest
from medkt.requests.cohort import asked_of, findings_asked
from medkt.requests.listening import Listener
from medkt.requests.models import GuardOptions, settings_of, use_threads
from medkt.requests.option import present
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.reading import formats_of, view_of
from medkt.requests.segment import (
    SegmentRequest,
    pipeline_of,
    require_fitting,
    settle_segmentation,
)
from medkt.requests.words import packages_of
from medkt.requests.work import identity_of_work, require_work

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.concepts import Concept
    from medkt.estimates.segment import StudyPlan
    from medkt.estimates.words import Section
    from medkt.estimates.work import Costs
    from medkt.pipeline import Pipeline
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


def plan_segment(request: SegmentRequest, *, as_json: bool) -> int:
    """Say what `medkt segment` would do with each study; 4 where some would be refused and others not."""
    from medkt.errors import MedktError
    from medkt.estimates.models import planned_encoder, planned_segmenter
    from medkt.estimates.segment import SegmentPlan, costs_of
    from medkt.pipeline.words import require_words
    from medkt.report.write import require_no_result
    from medkt.transfer.packages import Taught

    request, wanted, names = settle_segmentation(request, writes=False)
    use_threads(request)
    output = request.output
    require_place(output)
    if output is not None and len(request.input) == 1:
        require_no_result(output, overwrite=request.overwrite)
    encoder_plan, encoder = planned_encoder(request.model)
    segmenter = planned_segmenter(request.segmenter, encoder.spec, settings_of(request))
    # whether a package or a calibration belongs to these weights is known from the weights alone
    pipeline = pipeline_of(request) if packages_of(request) or request.site else None
    taught = (pipeline and pipeline.taught) or Taught.of(pipeline.encoder if pipeline else encoder)
    require_words(wanted, encoder)
    costs = costs_of(encoder_plan.name, segmenter.name, timer_of(request.device, request.threads))
    loading = 0.0 if pipeline else float(encoder_plan.bytes + segmenter.bytes)
    studies: dict[str, StudyPlan] = {}
    failures: list[MedktError] = []
    for path, own in zip(request.input, names, strict=True):
        try:
            if output is not None and len(request.input) > 1 and own:
                require_no_result(output / own, overwrite=request.overwrite)
            studies[str(path)] = _study(request, path, wanted, taught, costs, pipeline, loading)
        except MedktError as error:
            if len(request.input) == 1:
                raise
            failures.append(error)
            print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
    plan = SegmentPlan(
        studies=studies, models=(encoder_plan, segmenter), started=time.process_time(),
        output=None if output is None else str(output), output_state=state_of(output), refused=len(failures),
    )  # fmt: skip
    found = standing_of(request, "segment", "segmentation", settings_of(request), own=WINDOW)
    _say_with_settings(plan.sections(), plan.as_json(), request, found, as_json=as_json)
    return 0 if not failures else 4 if studies else failures[0].exit_code


def _say_with_settings(
    sections: "Sequence[Section]", values: Mapping[str, Any], request: GuardOptions, found: "Standing", *, as_json: bool
) -> None:
    guard, guard_values = guard_plan(guard_words(request))
    say_plan(
        [*sections, *guard, settings_section(found)],
        {**values, **guard_values, **settings_values(found)},
        as_json=as_json,
    )


def _study(
    request: SegmentRequest,
    path: Path,
    wanted: "Sequence[Concept | str | Path]",
    taught: "Taught",
    costs: "Costs | None",
    pipeline: "Pipeline | None",
    loading: float,
) -> "StudyPlan":
    """The plan of one study; refuses what segmenting it would refuse before its models compute."""
    from medkt.errors import InputError, NumericalError
    from medkt.estimates.segment import plan_study
    from medkt.io import read_image
    from medkt.pipeline import study_of

    image = read_image(
        path, series=request.series, volume=request.volume, regrid=request.regrid,
        allow_incomplete=request.allow_incomplete,
    )  # fmt: skip
    try:
        formats_of(request).require_some(image)
        study = study_of(taught, image, wanted, settings_of(request), view_of(request))
        if request.site and pipeline is not None:
            from medkt.calibration import keys_of, require_calibration

            for key in keys_of(pipeline, study, view_of(request)):
                require_calibration(key, site=request.site)
    except (InputError, NumericalError) as error:
        raise type(error)(f"{path}: {error}") from error
    require_fitting(request, image)
    return plan_study(study, taught, costs, loading=loading)


def plan_batch(request: BatchRequest, listener: Listener, *, as_json: bool) -> int:
    """Say what `medkt batch` would do; what it would refuse before its workers start is refused."""
    from dataclasses import replace

    from medkt.datasets.reference import read_case_image, reference_mask
    from medkt.estimates.batch import BatchPlan, sampled
    from medkt.estimates.models import planned_encoder, planned_segmenter
    from medkt.estimates.segment import costs_of, plan_study
    from medkt.pipeline import study_of
    from medkt.pipeline.words import require_words
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder
    from medkt.tasks.base import CaseSource
    from medkt.tasks.registry import task_named
    from medkt.tasks.segment.studies import concepts_of
    from medkt.transfer.packages import Taught

    manifest = present(request.manifest, WHICH)
    request = settled(request, "batch", "segmentation")
    shard = require_work(request)
    asked = asked_of(request)
    folder = None if request.output is None else RunFolder(shard_folder(request.output, shard))
    use_threads(request)
    place = None if folder is None else folder.path
    require_place(place)
    source = CaseSource(manifest=manifest, shard=shard, keep_ids=request.keep_ids, columns=tuple(request.keep_column))
    task, wanted = task_named("segment"), findings_asked(request, source, asked, command="batch", listener=listener)
    plan = task.plan(wanted)
    factory = replace(wanted.look, concepts=dict(asked.concepts))  # nothing is run by it
    identity = task.identity(wanted, plan, identity_of_work(request))
    ended = 0 if folder is None else folder.ended(identity, accept_versions=request.accept_versions)
    encoder_plan, encoder = planned_encoder(request.model, real=bool(factory.packages))
    segmenter = planned_segmenter(request.segmenter, encoder.spec, factory.settings)
    require_words(factory.concepts.values(), encoder)
    taught = Taught.of(encoder, list(factory.packages), together=factory.together)
    costs = costs_of(encoder_plan.name, segmenter.name, timer_of(request.device, request.threads))
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
        workers=request.workers, threads=request.threads, started=time.process_time(), output=None if place is None else str(place),
        output_state=state_of(place), notes=plan.notes,
    )  # fmt: skip
    stands = standing_of(request, "batch", "segmentation", factory.settings, own=WINDOW)
    _say_with_settings(found.sections(), found.as_json(), request, stands, as_json=as_json)
    return 0

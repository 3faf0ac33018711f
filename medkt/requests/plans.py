"""What a request would do, how long it would take and how much memory, and nothing done."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.requests.batch import WHICH, BatchRequest
from medkt.requests.cohort import asked_of, findings_asked
from medkt.requests.forecasts import timer_of
from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import settings_of, use_threads
from medkt.requests.option import present, requested
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.reading import formats_of, image_of, view_of
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
    from medkt.errors import MedktError
    from medkt.estimates.batch import BatchPlan
    from medkt.estimates.segment import SegmentPlan, StudyPlan
    from medkt.estimates.work import Costs
    from medkt.pipeline import Pipeline
    from medkt.tasks.cases import CaseWork
    from medkt.transfer.packages import AdaptedEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStudies:
    """What would become of studies.

    Attributes:
        request: as it would be carried out.
        plan: of each study, and of the whole.
        standing: every setting with where it is from.
        failures: why a study would be refused, where others would not.
    """

    request: SegmentRequest
    plan: "SegmentPlan"
    standing: "Standing"
    failures: "Mapping[Path, MedktError]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """What would become of the cases of a manifest; attributes as of `PlannedStudies`."""

    request: BatchRequest
    plan: "BatchPlan"
    standing: "Standing"


def plan_segment(request: SegmentRequest | None = None, /, **options: Any) -> PlannedStudies:
    """What `segment_studies` would do with each study, how long it would take and how much memory.

    Args:
        request: what would be asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: what would be refused before the models compute; of several studies that are, the plan says which.
    """
    from medkt.errors import MedktError
    from medkt.estimates.models import planned_encoder, planned_segmenter
    from medkt.estimates.segment import SegmentPlan, costs_of
    from medkt.pipeline.words import require_words
    from medkt.report.study_folder import require_no_result
    from medkt.transfer.packages import AdaptedEncoder

    request, wanted, names = settle_segmentation(requested(SegmentRequest, request, options), writes=False)
    use_threads(request)
    output = request.output
    _require_place(output)
    if output is not None and len(request.input) == 1:
        require_no_result(output, overwrite=request.overwrite)
    encoder_plan, encoder = planned_encoder(request.model)
    segmenter = planned_segmenter(request.segmenter, encoder.spec, settings_of(request))
    # whether a package or a calibration belongs to these weights is known from the weights alone
    pipeline = pipeline_of(request) if packages_of(request) or request.site else None
    taught = (pipeline and pipeline.taught) or AdaptedEncoder.of(pipeline.encoder if pipeline else encoder)
    require_words(wanted, encoder)
    costs = costs_of(encoder_plan.name, segmenter.name, timer_of(request.device, request.threads))
    loading = 0.0 if pipeline else float(encoder_plan.bytes + segmenter.bytes)
    studies: dict[str, StudyPlan] = {}
    failures: dict[Path, MedktError] = {}
    for path, own in zip(request.input, names, strict=True):
        try:
            if output is not None and len(request.input) > 1 and own:
                require_no_result(output / own, overwrite=request.overwrite)
            studies[str(path)] = _study(request, path, wanted, taught, costs, pipeline, loading)
        except MedktError as error:
            if len(request.input) == 1:
                raise
            failures[path] = error
    plan = SegmentPlan(
        studies=studies, models=(encoder_plan, segmenter), started=time.process_time(),
        output=None if output is None else str(output), output_state=_state_of(output), refused=len(failures),
    )  # fmt: skip
    stands = standing_of(request, "segment", "segmentation", settings_of(request), own=WINDOW)
    return PlannedStudies(request=request, plan=plan, standing=stands, failures=failures)


def _study(
    request: SegmentRequest,
    path: Path,
    wanted: "Sequence[Concept | str | Path]",
    taught: "AdaptedEncoder",
    costs: "Costs | None",
    pipeline: "Pipeline | None",
    loading: float,
) -> "StudyPlan":
    """The plan of one study; refuses what segmenting it would refuse before its models compute."""
    from medkt.errors import InputError, NumericalError
    from medkt.estimates.segment import plan_study
    from medkt.pipeline import study_of

    image = image_of(request, path)
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


def plan_batch(request: BatchRequest | None = None, /, *, listener: Listener = SILENT, **options: Any) -> PlannedBatch:
    """What `batch` would do, how long it would take and how much memory, from a sample of the cases.

    Args:
        request: what would be asked for.
        listener: is told what is remarkable.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: what would be refused before the workers start.
    """
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
    from medkt.transfer.packages import AdaptedEncoder

    request = requested(BatchRequest, request, options)
    manifest = present(request.manifest, WHICH)
    request = settled(request, "batch", "segmentation")
    shard = require_work(request)
    asked = asked_of(request)
    folder = None if request.output is None else RunFolder(shard_folder(request.output, shard))
    use_threads(request)
    place = None if folder is None else folder.path
    _require_place(place)
    source = CaseSource(manifest=manifest, shard=shard, keep_ids=request.keep_ids, columns=tuple(request.keep_column))
    task, wanted = task_named("segment"), findings_asked(request, source, asked, command="batch", listener=listener)
    plan = task.plan(wanted)
    factory = replace(wanted.look, concepts=dict(asked.concepts))  # nothing is run by it
    identity = task.identity(wanted, plan, identity_of_work(request))
    ended = 0 if folder is None else folder.ended(identity, accept_versions=request.accept_versions, today=task.today)
    encoder_plan, encoder = planned_encoder(request.model, real=bool(factory.packages))
    segmenter = planned_segmenter(request.segmenter, encoder.spec, factory.settings)
    require_words(factory.concepts.values(), encoder)
    taught = AdaptedEncoder.of(encoder, list(factory.packages), together=factory.together)
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
    made = BatchPlan(
        cases=cases, ended=ended, read=read, studies=studies, refused=refused, models=(encoder_plan, segmenter),
        workers=request.workers, threads=request.threads, started=time.process_time(), output=None if place is None else str(place),
        output_state=_state_of(place), notes=plan.notes,
    )  # fmt: skip
    stands = standing_of(request, "batch", "segmentation", factory.settings, own=WINDOW)
    return PlannedBatch(request=request, plan=made, standing=stands)


def _state_of(folder: Path | None) -> str:
    """Whether the place of the results is there; empty where nobody named one."""
    return "" if folder is None else "is there" if folder.exists() else "would be made"


def _require_place(folder: Path | None) -> None:
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

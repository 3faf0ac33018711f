"""`segment`: studies and words in, masks, pictures and numbers out; the models are loaded once for all of them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.progress import Progress
from medkt.requests.forecasts import StudyForecast
from medkt.requests.listener import SILENT, Listener
from medkt.requests.masks import MaskOptions, choice_of, given_values
from medkt.requests.models import (
    GuardOptions,
    ModelOptions,
    SiteOptions,
    ThreadOptions,
    is_guarded,
    published_of,
    require_deciding,
    settings_of,
    use_threads,
)
from medkt.requests.option import Option, present, requested
from medkt.requests.published import settled
from medkt.requests.reading import ReadingOptions, WritingOptions, formats_of, image_of, in_turn, modality_of, view_of
from medkt.requests.words import LearntWordOptions, packages_of, wanted_of

if TYPE_CHECKING:
    from medkt.calibration import Calibration, ScoringKey
    from medkt.concepts import Concept
    from medkt.errors import MedktError
    from medkt.pipeline import Pipeline, Study, StudyResult
    from medkt.report.study_folder import ResultFiles, SiteDecisions
    from medkt.spatial import Image

log = logging.getLogger(__name__)

SAME_VOXELS = "equal voxels at the same place as another study of this run: the same study under two names counts once"
WHERE = "say where the results go: -o FOLDER"


@dataclass(frozen=True, kw_only=True)
class OneStudyRequest(LearntWordOptions, ReadingOptions, ModelOptions, ThreadOptions, GuardOptions):
    """What looking for findings on a study takes; the base of `SegmentRequest` and `ExplainRequest`."""


@dataclass(frozen=True, kw_only=True)
class MaskFormatOptions(WritingOptions):
    """How masks are written."""

    format: Annotated[
        str,
        Option(
            "of the masks: nifti, dicom-seg, png, nrrd (a segmentation of 3D Slicer), mha, several with commas (default: "
            "%(default)s); png is the overlay picture",
            short="-f",
            metavar="LIST",
        ),
    ] = "nifti,png"


@dataclass(frozen=True, kw_only=True)
class SegmentRequest(MaskFormatOptions, MaskOptions, SiteOptions, OneStudyRequest):
    """Which studies, and where the results go."""

    input: Annotated[
        tuple[Path, ...],
        Option(
            "a DICOM file, folder, zip or DICOMDIR; NIfTI, NRRD or MetaImage; PNG, JPEG or TIFF; several are done one after "
            "another",
            short="-i",
            metavar="STUDY",
        ),
    ]
    output: Annotated[
        Path | None,
        Option("where the results go; only --dry-run does without", short="-o", metavar="FOLDER"),
    ] = None
    reference: Annotated[
        Path | None, Option("a reference mask to score against (one study, one finding): DSC, NSD, IoU")
    ] = None
    keep_names: Annotated[bool, Option("name folders after the input files (may identify a patient)")] = False
    overwrite: Annotated[bool, Option("replace results that are there already")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentedStudy:
    """What became of one study.

    Attributes:
        path: of the study.
        written: where its result is, and what it says; None where it failed.
        failure: why it failed; None where it did not.
        encoder: the name of the encoder that looked; "" where it failed.
    """

    path: Path
    written: "ResultFiles | None" = None
    failure: "MedktError | None" = None
    encoder: str = ""


def segment_studies(
    request: SegmentRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> tuple[SegmentedStudy, ...]:
    """Segment studies one after another and write a folder for each.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Returns:
        What became of each study; one that fails among several stands there with its error.

    Raises:
        SettingsError: options that do not go together.
        MedktError: nothing can be begun, or the only study fails.
    """
    from medkt.pipeline.words import require_words
    from medkt.report.study_folder import prepare_folder, require_no_result
    from medkt.saliency import TextFeatureCache

    request, wanted, names = settle_segmentation(requested(SegmentRequest, request, options))
    output, several = present(request.output, WHERE), len(request.input) > 1
    prepare_folder(output)
    if not several:  # of several the folders are named after what is in the files
        require_no_result(output, overwrite=request.overwrite)
    pipeline = pipeline_of(request)
    require_words(wanted, pipeline.encoder)
    folders, kept = _Folders(), TextFeatureCache()

    def segmented_into(place: int, path: Path) -> SegmentedStudy:
        return _one(request, pipeline, path, names[place], wanted, output, folders, kept, listener)

    return in_turn(request.input, segmented_into, SegmentedStudy, listener)


def settle_segmentation(
    request: SegmentRequest, *, writes: bool = True
) -> "tuple[SegmentRequest, tuple[Concept | str | Path, ...], Sequence[str]]":
    """The request with what a published way puts in, what is looked for, and the name of each study's folder ("" for none).

    `writes` unless nothing is to be done.

    Raises:
        SettingsError: options that do not go together.
    """
    from medkt.errors import SettingsError
    from medkt.report.names import kept_names, require_each_once

    if writes:
        present(request.output, WHERE)
    formats_of(request)
    request = settled(request, "segment", "segmentation")
    require_deciding(request.site, settings_of(request))
    wanted = wanted_of(request, modality_of(request))
    if request.reference and (len(request.input) > 1 or len(wanted) != 1):
        raise SettingsError("--reference goes with one study and one finding")
    if given_values(request) and not request.reference:
        raise SettingsError(f"{given_values(request)[0]} says what is inside a --reference, and none is given")
    choice_of(request)
    require_each_once(request.input)
    return request, wanted, kept_names(request.input) if request.keep_names else ("",) * len(request.input)


def pipeline_of(request: OneStudyRequest, command: str = "segment", *, forced: Sequence[str] = ()) -> "Pipeline":
    """The models and settings that a request names; `command` and `forced` as for `published_of`."""
    from medkt.pipeline import Pipeline

    use_threads(request)
    log.info("loading %s", request.model)
    pipeline = Pipeline.load(
        request.model,
        segmenter=request.segmenter,
        device=request.device,
        settings=settings_of(request),
        preset=request.preset,
        as_published=published_of(request, command, forced=forced),
        guarded=is_guarded(request),
    )
    packages = packages_of(request)
    return pipeline.with_packages(packages, together=request.together) if packages else pipeline


@dataclass(slots=True)
class _Folders:
    """The studies of this request that are written: the folders they took, and where each digest was met first."""

    names: set[str] = field(default_factory=set)
    paths: dict[str, Path] = field(default_factory=dict)

    def noted(self, result: "StudyResult", own: str, path: Path) -> "tuple[StudyResult, str]":
        """The result, which says so where its voxels were met before, and its name: its own one, or one from its digest.

        No two studies of a request take one folder: of those that have equal voxels the second is `case-...-2`.
        """
        from medkt.report.names import free_name
        from medkt.report.study_folder import case_name

        if first := self.paths.get(result.image.provenance.digest):
            log.warning("%s: the same study as %s: equal voxels at the same place", path, first)
            result = replace(result, warnings=(*result.warnings, SAME_VOXELS))
        return result, own or free_name(case_name(result), self.names)

    def add(self, result: "StudyResult", name: str, path: Path) -> None:
        self.names.add(name)
        self.paths.setdefault(result.image.provenance.digest, path)


def _one(
    request: SegmentRequest,
    pipeline: "Pipeline",
    path: Path,
    own: str,
    wanted: "tuple[Concept | str | Path, ...]",
    output: Path,
    folders: _Folders,
    kept: Any,
    listener: Listener,
) -> SegmentedStudy:
    """Segment one study and write its folder."""
    from medkt.report.study_folder import require_no_result, write_result
    from medkt.saliency import texts_kept

    several = len(request.input) > 1
    if several and own:
        require_no_result(output / own, overwrite=request.overwrite)
    ahead = StudyForecast(pipeline, path.name, listener, device=request.device, threads=request.threads)
    with texts_kept(kept), listener.progress(path.name) as tick:
        result, decided = segmented(pipeline, path, wanted, request, ahead.told(tick), ahead.before)
    result, name = folders.noted(result, own, path)
    written = write_result(
        result, output / name if several else output, formats=formats_of(request), name=name,
        overwrite=request.overwrite, decided=decided,
    )  # fmt: skip
    folders.add(result, name, path)
    return SegmentedStudy(path=path, written=written, encoder=result.encoder.name)


def segmented(
    pipeline: "Pipeline",
    path: Path,
    concepts: "tuple[Concept | str | Path, ...]",
    request: SegmentRequest,
    tick: Progress,
    before: "Callable[[Study], None]",
) -> "tuple[StudyResult, SiteDecisions | None]":
    """Read one study and segment it; with a site presence is decided by that site's calibrations.

    `before` is told what is asked of it before anything is computed.
    """
    if request.site is not None:
        return _calibrated(pipeline, path, concepts, request, request.site, tick, before)
    result = pipeline.segment_file(
        path,
        concepts,
        view=view_of(request),
        series=request.series,
        volume=request.volume,
        regrid=request.regrid,
        allow_incomplete=request.allow_incomplete,
        check=lambda image: require_fitting(request, image),
        before=before,
        progress=tick,
    )
    return _scored(pipeline, result, request), None


def require_fitting(request: SegmentRequest, image: "Image") -> None:
    """That the result of an image can be written and scored as asked, before the models compute and not after.

    Raises:
        MedktError: it cannot.
    """
    formats_of(request).require_some(image)
    if request.reference:
        from medkt.pipeline.run import reference_of

        reference_of(image, request.reference, choice_of(request))


def _scored(pipeline: "Pipeline", result: "StudyResult", request: SegmentRequest) -> "StudyResult":
    return pipeline.score(result, request.reference, choice_of(request)) if request.reference else result


def _calibrated(
    pipeline: "Pipeline",
    path: Path,
    concepts: "tuple[Concept | str | Path, ...]",
    request: SegmentRequest,
    site: str,
    tick: Progress,
    before: "Callable[[Study], None]",
) -> "tuple[StudyResult, SiteDecisions | None]":
    from medkt.calibration import require_calibration, segment_calibrated
    from medkt.errors import InputError, NumericalError
    from medkt.report.study_folder import SiteDecisions

    used: dict[str, Calibration] = {}

    def find(key: "ScoringKey") -> "Calibration":
        used[key.concept] = require_calibration(key, site=site)
        return used[key.concept]

    began = time.perf_counter()
    image = image_of(request, path)
    seconds = time.perf_counter() - began
    try:
        require_fitting(request, image)
        done = segment_calibrated(
            pipeline,
            image,
            concepts,
            view=view_of(request),
            site=site,
            find=find,
            before=before,
            progress=tick,
        )
    except (InputError, NumericalError) as error:
        raise type(error)(f"{path}: {error}") from error
    result = _scored(pipeline, replace(done.result, seconds={"read": seconds, **done.result.seconds}), request)
    return result, SiteDecisions(site=site, decisions=done.decisions, calibrations=used)

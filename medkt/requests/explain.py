"""`explain`: where in a study the words point, whether the map depends on the words at all, and on which."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import settings_of
from medkt.requests.option import Option, present, requested
from medkt.requests.published import WINDOW, settled, standing_of
from medkt.requests.reading import modality_of, view_of
from medkt.requests.segment import OneStudyRequest, pipeline_of
from medkt.requests.words import wanted_of

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.pipeline import StudyResult
    from medkt.report.study_folder import ResultFiles

# the map is the answer here, so no presence decision stands before it
FORCED = ("presence.gate=false", "text_map.use=best")


@dataclass(frozen=True, kw_only=True)
class ExplainRequest(OneStudyRequest):
    """Which study, and where the maps go."""

    input: Annotated[Path, Option("as for `medkt segment`", short="-i", metavar="STUDY")]
    output: Annotated[
        Path | None, Option("where the maps go; only --dry-run does without", short="-o", metavar="FOLDER")
    ] = None
    method: Annotated[
        str | None,
        Option(
            "what makes the maps: m2ib (default), gradcam, gscorecam, chefer or patches; for --set saliency.method.name=NAME",
            metavar="NAME",
        ),
    ] = None
    overwrite: Annotated[bool, Option("replace results that are there already")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """The maps of a study: as a result, and where they were written."""

    result: "StudyResult"
    written: "ResultFiles"


def explain_study(
    request: ExplainRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> ExplainResult:
    """Write the saliency of every plane looked at, whether or not the finding is judged to be there.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: the study cannot be read, a word means nothing to the encoder, or nothing can be written.
    """
    from medkt.report.study_folder import Formats, case_name, prepare_folder, require_no_result, write_result

    request = requested(ExplainRequest, request, options)
    output = present(request.output, "say where the results go: -o FOLDER")
    request = _settled(request)
    wanted = wanted_of(request, modality_of(request))
    prepare_folder(output)
    require_no_result(output, overwrite=request.overwrite)
    pipeline = pipeline_of(request, "explain", forced=FORCED)
    with listener.progress(request.input.name) as tick:
        result = pipeline.segment_file(
            request.input, wanted, view=view_of(request), series=request.series, volume=request.volume,
            regrid=request.regrid, allow_incomplete=request.allow_incomplete, progress=tick,
        )  # fmt: skip
    written = write_result(
        result, output, formats=Formats(nifti=True, png=False), name=case_name(result), overwrite=request.overwrite
    )
    return ExplainResult(result=result, written=written)


def standing_of_explanation(request: ExplainRequest) -> "tuple[ExplainRequest, Standing]":
    """The request as it would be carried out, and every setting with where it is from."""
    request = _settled(request)
    settings = settings_of(request)
    return request, standing_of(request, "explain", "segmentation", settings, forced=FORCED, own=WINDOW)


def _settled(request: ExplainRequest) -> ExplainRequest:
    request = settled(request, "explain", "segmentation")
    chosen = () if request.method is None else (f"saliency.method.name={request.method}",)
    return replace(request, set=(*FORCED, *chosen, *request.set))

"""Many studies through the models: what `batch` and `evaluate` share, and what their options make of a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.listener import Listener
from medkt.requests.models import (
    GuardOptions,
    ModelOptions,
    SiteOptions,
    is_guarded,
    published_of,
    require_deciding,
    settings_of,
)
from medkt.requests.option import Option, Request
from medkt.requests.reading import CohortReadingOptions, formats_of, modality_of, view_of
from medkt.requests.words import LearntWordOptions, packages_of
from medkt.requests.work import PrivacyOptions, WorkOptions

if TYPE_CHECKING:
    from medkt.concepts import Concept
    from medkt.tasks.base import CaseSource
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.masks.scoring import Scoring
    from medkt.tasks.segment.findings import RunFindings
    from medkt.tasks.segment.task import SegmentJob


@dataclass(frozen=True, kw_only=True)
class SentenceOptions(Request):
    """Sentences of single images."""

    prompts: Annotated[
        Path | None,
        Option(
            "a sentence for each image, asked beside the concept's own words in rows of its own: JSON {file name: sentence}, "
            "or CSV with file and prompt",
            metavar="FILE",
        ),
    ] = None
    prompts_missing: Annotated[
        Literal["refuse", "own"],
        Option("images without a sentence there: refuse them beforehand, or ask them in the concept's own words alone"),
    ] = "refuse"


@dataclass(frozen=True, kw_only=True)
class CohortRequest(
    LearntWordOptions,
    CohortReadingOptions,
    ModelOptions,
    SiteOptions,
    GuardOptions,
    WorkOptions,
    PrivacyOptions,
    SentenceOptions,
):
    """What a run of studies through the models takes; the base of `BatchRequest` and `EvaluateRequest`."""


def asked_of(request: CohortRequest) -> "RunFindings":
    """What is asked for, each once; nothing, where nothing is.

    Raises:
        SettingsError: a concept has the id of a learnt one and other words.
        MedktError: a name has no or several meanings, or a package is not sound.
    """
    from medkt.concepts import read_package
    from medkt.errors import SettingsError
    from medkt.pipeline import concept_in, wanted_in
    from medkt.tasks.segment.findings import RunFindings

    modality = modality_of(request)
    packages = {Path(name).resolve(): read_package(name) for name in packages_of(request)}
    learnt = {concept.id: concept for package in packages.values() for concept in package.concepts}
    concepts: dict[str, Concept] = {}
    for one in wanted_in(request.concept, request.prompt, modality=modality):
        concept = concept_in(one, modality or "")
        if concept.digest != learnt.get(concept.id, concept).digest:
            raise SettingsError(
                f"{concept.id} is asked for with other words than those it was learnt with; leave one of the two out"
            )
        concepts[concept.id] = concept
    _require_words(request, concepts.values())
    digests = {path: package.digest for path, package in packages.items()}
    return RunFindings(concepts=concepts, own=tuple(concepts), learnt=learnt, packages=digests)


def _require_words(request: CohortRequest, concepts: "Iterable[Concept]") -> None:
    """That the encoder knows words of the users' own texts, before a folder is made; each worker asks for all texts."""
    from medkt.concepts import concepts as shipped
    from medkt.models.registry import load_encoder
    from medkt.pipeline.words import require_words

    own = [one for one in concepts if shipped().get(one.id) != one]
    if own and request.engine == "local":  # the machine that starts a cluster's run need not have the weights
        require_words(own, load_encoder(request.model))


def worded(request: CohortRequest, listener: Listener, plan: "CasePlan") -> "CasePlan":
    """The plan, with the sentences of `prompts` where they are given.

    Raises:
        SettingsError: beside learnt concepts or a site, which know the concepts' own words alone.
        InputError: as `Plan.with_prompts`, or the file is unusable.
    """
    if request.prompts is None:
        return plan
    from medkt.datasets.prompts import read_prompts
    from medkt.errors import SettingsError

    if packages_of(request) or request.site:
        raise SettingsError(
            "--prompts: a learnt concept and a site's calibration are of a concept's own words; leave --prompts out, or .medkt "
            "files and --site"
        )
    prompts = read_prompts(request.prompts, missing=request.prompts_missing)
    known = prompts.published_as or "not a known published file"
    listener.remark(f"{request.prompts}: {known}; rows of its sentences are stamped oracle_prompt")
    return plan.with_prompts(prompts)


def findings_asked(
    request: CohortRequest,
    source: "CaseSource",
    asked: "RunFindings",
    *,
    command: str,
    listener: Listener,
    learnt: bool = True,
    scoring: "Scoring | None" = None,
    noted: Mapping[str, Any] | None = None,
) -> "SegmentJob":
    """A run that looks for findings; `learnt=False` leaves the packages' weights out, and asks their words.

    With `scoring` it is an evaluation, whose record says what is `noted` too.

    Raises:
        SettingsError: options that do not go together.
    """
    from medkt.estimates.batch import FirstStudy
    from medkt.tasks.masks.scoring import Scoring
    from medkt.tasks.segment.studies import StudyRunnerFactory
    from medkt.tasks.segment.task import SegmentJob

    ahead = FirstStudy(workers=request.workers, threads=request.threads, device=request.device)
    settings = settings_of(request)
    require_deciding(request.site, settings)
    look = StudyRunnerFactory(
        model=request.model, segmenter=request.segmenter, device=request.device, settings=settings, preset=request.preset,
        as_published=published_of(request, command), view=view_of(request), regrid=request.regrid,
        allow_incomplete=request.allow_incomplete, formats=formats_of(request), packages=tuple(asked.packages) if learnt else (),
        together=request.together and learnt, site=request.site or "", guarded=is_guarded(request), scoring=scoring or Scoring(),
        foretell=ahead if listener.foretells else None,
    )  # fmt: skip
    return SegmentJob(
        source=source, findings=asked, look=look, worded=partial(worded, request, listener), noted=noted or {},
        scored=scoring is not None,
    )  # fmt: skip

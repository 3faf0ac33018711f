"""Many studies through the models: what `batch` and `evaluate` share, and what their options make of a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.listening import Listener
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
from medkt.requests.work import PrivacyOptions, WorkOptions, identity_of_work, patients_word

if TYPE_CHECKING:
    from medkt.concepts import Concept
    from medkt.runs.folder import RunFolder
    from medkt.runs.work import Shard
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.segment.scoring import Scoring
    from medkt.tasks.segment.studies import StudyRunnerFactory


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFindings:
    """The findings that a run looks for.

    Attributes:
        concepts: by id; those that rows of the manifest name are added as they are met.
        own: ids of those that the options ask of every case.
        learnt: the concepts of the packages, by id.
        packages: the `.medkt` files, and the SHA-256 of each one's manifest.
    """

    concepts: "dict[str, Concept]"
    own: tuple[str, ...]
    learnt: "Mapping[str, Concept]"
    packages: Mapping[Path, str]

    def identify(self, name: str) -> str:
        """The id of what a row calls a concept; a learnt concept of that id or name comes first.

        Raises:
            UnknownNameError: there is none of this name.
        """
        from medkt.concepts import load_concept

        concept = next((one for one in self.learnt.values() if one.is_called(name)), None) or load_concept(name)
        self.concepts[concept.id] = concept
        return concept.id


def asked_of(request: CohortRequest) -> AskedFindings:
    """What is asked for, each once; nothing, where nothing is.

    Raises:
        SettingsError: a concept has the id of a learnt one and other words.
        MedktError: a name has no or several meanings, or a package is not sound.
    """
    from medkt.concepts import read_package
    from medkt.errors import SettingsError
    from medkt.pipeline import concept_in, wanted_in

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
    return AskedFindings(concepts=concepts, own=tuple(concepts), learnt=learnt, packages=digests)


def _require_words(request: CohortRequest, concepts: "Iterable[Concept]") -> None:
    """That the encoder knows words of the users' own texts, before a folder is made; each worker asks for all texts."""
    from medkt.concepts import concepts as shipped
    from medkt.models.registry import load_encoder
    from medkt.pipeline.words import require_words

    own = [one for one in concepts if shipped().get(one.id) != one]
    if own and request.engine == "local":  # the machine that starts a cluster's run need not have the weights
        require_words(own, load_encoder(request.model))


def manifest_plan_of(
    request: CohortRequest,
    manifest: Path,
    asked: AskedFindings,
    shard: "Shard",
    columns: Sequence[str],
    *,
    cache: Path | None,
    listener: Listener,
) -> "CasePlan":
    """The cases of a manifest; with it `asked` holds every concept that any of them asks for."""
    from medkt.tasks.manifest import plan_of

    plan = plan_of(
        manifest, concepts=asked.identify, asked=asked.own, shard=shard, keep_ids=request.keep_ids, columns=columns,
        cache=cache,
    )  # fmt: skip
    return worded(request, plan, listener)


def worded(request: CohortRequest, plan: "CasePlan", listener: Listener) -> "CasePlan":
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


def factory_of(
    request: CohortRequest,
    folder: "RunFolder",
    asked: AskedFindings,
    *,
    command: str,
    listener: Listener,
    learnt: bool = True,
    scoring: "Scoring | None" = None,
) -> "StudyRunnerFactory":
    """What each worker makes its models of; `learnt=False` leaves the packages' weights out, and asks their words.

    Raises:
        SettingsError: options that do not go together.
    """
    from medkt.estimates.batch import FirstStudy
    from medkt.tasks.segment.scoring import Scoring
    from medkt.tasks.segment.studies import StudyRunnerFactory

    ahead = FirstStudy(workers=request.workers, threads=request.threads, device=request.device)
    settings = settings_of(request)
    require_deciding(request.site, settings)
    return StudyRunnerFactory(
        run=folder, concepts=dict(asked.concepts), model=request.model, segmenter=request.segmenter,
        device=request.device, settings=settings, preset=request.preset, as_published=published_of(request, command),
        view=view_of(request), regrid=request.regrid, allow_incomplete=request.allow_incomplete,
        formats=formats_of(request), packages=tuple(asked.packages) if learnt else (),
        together=request.together and learnt, site=request.site or "", guarded=is_guarded(request), scoring=scoring or Scoring(),
        foretell=ahead if listener.foretells else None,
    )  # fmt: skip


def identity_of(
    request: CohortRequest, asked: AskedFindings, plan: "CasePlan", factory: "StudyRunnerFactory"
) -> dict[str, Any]:
    """All that the results depend on, the digests of models and calibrations aside: the workers tell those."""
    from medkt.about import __version__
    from medkt.records import as_plain
    from medkt.tasks.segment.studies import concept_digest

    learnt = {"packages": [asked.packages[path] for path in factory.packages], "together": factory.together}
    return {
        "medkt": __version__,
        "manifest": plan.digest,
        "shard": str(plan.shard),
        **identity_of_work(request),
        "patients": patients_word(plan),
        "concepts": {name: concept_digest(concept) for name, concept in sorted(factory.concepts.items())},
        "asked": list(plan.asked),
        "preset": factory.preset,
        **({"as_published": as_plain(factory.as_published)} if factory.as_published else {}),
        "settings": as_plain(factory.settings),
        "view": as_plain(factory.view),
        "regrid": factory.regrid,
        "formats": as_plain(factory.formats),
        "ids": "the manifest's" if plan.keep_ids else "pseudonyms",
        "columns": list(plan.columns),
        **({"prompts": plan.prompts.as_json()} if plan.prompts else {}),
        **(learnt if factory.packages else {}),
        **({"site": factory.site} if factory.site else {}),
        "guarded": factory.guarded,  # runs of earlier versions say nothing of it, and were not
        **({"allow_incomplete": True} if factory.allow_incomplete else {}),
    }

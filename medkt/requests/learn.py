"""`learn`: from a description to a small file that makes a model see the finding."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.forecasts import LearningForecast, timer_of
from medkt.requests.learn_studies import (
    TeachingOptions,
    folders_of,
    read_for,
    require_own_fit,
    require_rehearsal,
    studies_of,
    taught_how,
)
from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import DEVICE, ENCODER
from medkt.requests.option import Option, Request, present, requested
from medkt.requests.published import settled, standing_of
from medkt.requests.reading import MODALITIES, ModalityOptions, modality_of

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.audit.probe import Probe
    from medkt.concepts import AskingRecord, Concept
    from medkt.concepts.package import Package
    from medkt.domains import Domain
    from medkt.estimates.learn import LearnPlan
    from medkt.estimates.models import ModelPlan
    from medkt.learning import LearningOutcome
    from medkt.learning.text_learning import AskingOutcome
    from medkt.models.encoder import DualEncoder
    from medkt.transfer.learn_settings import LearnSettings

WHERE = "say where the results go: -o NAME.medkt"
PROSE = (".txt", ".text", ".md")
"""Endings of files that are read as prose."""


@dataclass(frozen=True, kw_only=True)
class ExamOptions(Request):
    """What is asked of the result."""

    audit: Annotated[
        Literal["full", "quick", "none"],
        Option("what is asked of the result (default: quick); with none the words are never shown to be carried"),
    ] = "quick"
    probe: Annotated[
        Path | None,
        Option(
            "set the exam on studies of your own, too: DIR/with holds those that show the finding, DIR/without those that do not, a file or "
            "a folder (DICOM series) each; one of the two is enough to be shown, ten studies of each decide",
            metavar="DIR",
        ),
    ] = None
    second: Annotated[
        str | None,
        Option(
            "ask another encoder, too, whether the images mean to it what they were made from; told on the card, and decides nothing",
            metavar="MODEL",
        ),
    ] = None
    keep_anyway: Annotated[
        bool,
        Option(
            "write the package also where the audit says that the words were not carried (else exit code 6); it is stamped so"
        ),
    ] = False
    max_forgetting: Annotated[
        float | None,
        Option(
            "write nothing where a larger share of known images, inverted ones, gets another name (such as 0.05)",
            metavar="SHARE",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LearnRequest(ModalityOptions, TeachingOptions, ExamOptions):
    """What is learned, by which encoder, and where the package goes."""

    concept: Annotated[
        str,
        Option(
            "a concept file (`medkt concept new` makes one), the name of a concept, or a .txt that describes a finding in prose",
            positional=True,
            metavar="CONCEPT",
        ),
    ]
    name: Annotated[str, Option("how the finding that a .txt describes is called")] = ""
    output: Annotated[
        Path | None, Option("the package to write; only --dry-run does without", short="-o", metavar="NAME.medkt")
    ] = None
    modality: Annotated[
        str,
        Option(
            "whose known findings it is told apart from; the concept says so itself where it has a modality",
            choices=MODALITIES,
        ),
    ] = "auto"
    model: Annotated[str, Option(ENCODER, short="-m")] = "small"
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    seeds: Annotated[int, Option("learn with so many seeds, for intervals (default: %(default)s)", metavar="N")] = 1
    seed: Annotated[int, Option("the first of them (default: %(default)s)")] = 0
    delta: Annotated[Literal["low-rank", "full"], Option("how the weights are kept (default: low-rank)", told=True)] = (
        "low-rank"
    )
    cache: Annotated[
        Path | None, Option("of inverted images (default: MEDKT_CACHE or medkt's own)", metavar="FOLDER")
    ] = None
    overwrite: Annotated[bool, Option("replace a package that is there already")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnResult:
    """What a learning came to.

    Attributes:
        made: the concept with the encoder that knows it; of `how` "text" with the way in which it is asked.
        package: the file that was written; None where the exam says that the words were not carried.
        digest: of the package's manifest; "" without one.
        seconds: that it took.
        notes: what is to be known of the words and the studies.
    """

    made: "LearningOutcome | AskingOutcome"
    package: Path | None
    digest: str
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledLearning:
    """A learning that may begin: all that is known before a model is loaded.

    Attributes:
        request: with what a published way and `how` put in.
        concept, kind: what is learned, and among whose findings.
        target: the package to write; None where nothing is to be written.
    """

    request: LearnRequest
    concept: "Concept"
    kind: "Domain"
    target: Path | None


def learn_concept(
    request: LearnRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> LearnResult:
    """Learn, audit, and write the package, its page with pictures, and the contact sheet.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Raises:
        NotCarriedError: before anything was learned, the words are of another modality or part of the body; or nothing was
            learned. A verdict of the exam is no error: then `made.refusal` says why there is no package.
        ForgettingError: more was forgotten than `max_forgetting`.
        MedktError: from the steps.
    """
    wanted = settle_learning(requested(LearnRequest, request, options), listener)
    target = present(wanted.target, WHERE)
    if wanted.request.how == "text":
        from medkt.requests.learn_text import ask_concept

        return ask_concept(wanted, target, listener)
    return _trained(wanted, target, listener)


def settle_learning(request: LearnRequest, listener: Listener, *, writes: bool = True) -> SettledLearning:
    """Check and read what needs no model; `writes` unless nothing is to be done.

    Raises:
        SettingsError: options that do not go together. MedktError: the concept cannot be read, or means nothing.
    """
    from medkt.concepts.concept import ROLES
    from medkt.errors import SettingsError
    from medkt.pipeline.words import require_words

    if writes:
        present(request.output, WHERE)
    request = taught_how(settled(request, "learn", "learn"))
    target = None if request.output is None else _target(request.output, overwrite=request.overwrite)
    if request.seeds < 1:
        raise SettingsError(f"--seeds is 1 or more, got {request.seeds}")
    if request.max_forgetting is not None and not 0 <= request.max_forgetting <= 1:
        raise SettingsError(f"--max-forgetting is a share from 0 to 1, got {request.max_forgetting:g}")
    if request.max_forgetting is not None and request.audit == "none":
        raise SettingsError("--max-forgetting needs an audit; leave out --audit none")
    for name in ("probe", "second"):
        if getattr(request, name) is not None and request.audit == "none":
            raise SettingsError(f"--{name} is for the audit; leave out --audit none")
    concept, kind = _concept_and_domain(request, listener)
    require_words([concept], roles=ROLES)  # what needs no model, before one is loaded
    return SettledLearning(request=request, concept=concept, kind=kind, target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a concept is trained: the settings, where each is from, and the studies of the user's that the exam is set on."""

    settings: "LearnSettings"
    sources: Mapping[str, str]
    standing: "Standing"
    probe: "Probe | None"


def training_of(wanted: SettledLearning) -> Training:
    """The settings of a learning that trains, with its studies checked for being there.

    Raises:
        SettingsError: studies are given that do nothing. InputError: there are none where they should lie.
    """
    from medkt.audit import read_probe
    from medkt.config import preset_sources, resolve_learning, sources_of
    from medkt.pipeline import resolve_device
    from medkt.transfer.learn_settings import LearnSettings
    from medkt.transfer.trainable import require_installed

    request = wanted.request
    settings = resolve_learning(LearnSettings, preset=request.preset, file=request.settings, sets=request.set)
    require_installed(settings.finetune.trains)
    original = resolve_learning(LearnSettings, preset=request.preset)
    sources = sources_of(settings, original, preset_sources(request.preset, "learn"))
    stands = standing_of(request, "learn", "learn", settings, own={"delta": "low-rank"})
    settings = settings.on(resolve_device(request.device))
    require_own_fit(request, settings)
    # before any model computes
    probe = None if request.probe is None else read_probe(request.probe, wanted.kind, wanted.concept)
    studies_of(request, wanted.kind, wanted.concept)
    folders_of(request, wanted.kind, wanted.concept)
    return Training(settings=settings, sources=sources, standing=stands, probe=probe)


def _trained(wanted: SettledLearning, target: Path, listener: Listener) -> LearnResult:
    from medkt.learning import learn
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device
    from medkt.transfer.delta import DeltaSettings
    from medkt.transfer.study_planes import NOTHING_GIVEN

    request, concept, kind, training = wanted.request, wanted.concept, wanted.kind, training_of(wanted)
    settings, shown = training.settings, studies_of(request, kind, concept)
    encoder = load_encoder(request.model, device=resolve_device(request.device))
    require_rehearsal(request, encoder, settings)
    second = None if request.second is None else load_encoder(request.second, device=resolve_device(request.device))
    own = read_for(request, encoder, concept, kind, settings, training.probe, listener, shown)
    notes = [
        *notes_of(encoder, concept, kind), *(own.notes if own else ()), *(training.probe.notes if training.probe else ()),
    ]  # fmt: skip
    listener.advise(notes)
    ahead = LearningForecast(listener)
    if listener.foretells:
        ahead.expect(plan_of_learning(request, concept, kind, settings, encoder, notes))
    began = time.perf_counter()
    with listener.progress(f"learning {concept.name}") as tick:
        made = learn(
            encoder, concept, kind, settings, seeds=range(request.seed, request.seed + request.seeds),
            level=request.audit, max_forgetting=request.max_forgetting, cache=request.cache, sources=training.sources,
            as_published=training.standing.as_json(),
            delta=DeltaSettings(kind="full", storage="float32") if request.delta == "full" else None, progress=ahead.told(tick),
            probe=training.probe, second=second, keep_anyway=request.keep_anyway, shown=shown,
            studies=own.given if own else NOTHING_GIVEN, base_lead=own.base_lead if own else None,
        )  # fmt: skip
    seconds = time.perf_counter() - began
    notes += told_late(made.asking, notes, listener)
    if made.refusal:
        return LearnResult(made=made, package=None, digest="", seconds=seconds, notes=tuple(notes))
    package = _write(made, target)
    return LearnResult(made=made, package=target, digest=package.digest, seconds=seconds, notes=tuple(notes))


def plan_of_learning(
    request: LearnRequest,
    concept: "Concept",
    kind: "Domain",
    settings: "LearnSettings",
    encoder: "DualEncoder",
    notes: list[str],
    *,
    model: "ModelPlan | None" = None,
    started: float = 0.0,
) -> "LearnPlan":
    """What will be done, and how long it takes; `model` and `started` where nothing is loaded yet."""
    import torch

    from medkt.estimates.learn import Learning, plan_learn
    from medkt.estimates.models import ModelPlan
    from medkt.estimates.passes import encoder_passes
    from medkt.inversion.cache import cache_folder
    from medkt.transfer.image_batches import InversionBatch
    from medkt.transfer.trainable import frozen_layer
    from medkt.transfer.vocabulary import vocabulary_of

    passes, place = encoder_passes(encoder.spec.name), request.cache or cache_folder()
    words, kept = vocabulary_of(concept, kind), any(place.glob("*.safetensors"))

    def found(wanted: InversionBatch) -> int:
        return wanted.cached(encoder, words, request.cache) if kept else 0

    learning = Learning(
        vocabulary=words, settings=settings, seeds=range(request.seed, request.seed + request.seeds),
        level=request.audit, layer=frozen_layer(encoder, settings.finetune.trains), found=found,
    )  # fmt: skip
    here = model or ModelPlan(kind="encoder", name=encoder.spec.name, source="loaded", bytes=0)
    return plan_learn(
        learning, here, passes, timer_of(request.device, torch.get_num_threads()), concept=concept.id, output=None if request.output is None else str(request.output),
        cache=str(place), notes=notes, loading=here.bytes, started=started,
    )  # fmt: skip


def _target(path: Path, *, overwrite: bool) -> Path:
    from medkt.errors import OutputError, SettingsError

    if path.is_dir() or path.name in ("", ".."):
        raise SettingsError(f"{path}: is a folder, and a package is a file; give -o {path / 'NAME.medkt'}")
    if path.suffix != ".medkt":
        named = path.with_suffix(".medkt") if path.stem != ".medkt" else path.with_name("NAME.medkt")
        raise SettingsError(f"{path}: a package's name ends in .medkt; give -o {named}")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: is there already; choose another name or say --overwrite")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder; make it first")
    return path


def _concept_and_domain(request: LearnRequest, listener: Listener) -> "tuple[Concept, Domain]":
    from medkt.concepts import load_concept
    from medkt.domains import domain
    from medkt.errors import SettingsError

    modality = modality_of(request) or ""
    if request.name and not is_prose(request.concept):
        raise SettingsError(f"{request.concept}: has a name of its own; --name is for a description in a .txt file")
    if is_prose(request.concept):
        concept = _of_prose(Path(request.concept), request.name, modality, listener)
    else:
        concept = load_concept(request.concept, modality=modality)
    name = modality or concept.modality
    if not name:
        raise SettingsError(f"{concept.id}: says no modality; give --modality cxr, ct, mri or ultrasound")
    if concept.modality and concept.modality != name:
        raise SettingsError(f"{concept.id} is a finding of {concept.modality}, not of {name}; leave out --modality")
    return concept, domain(name)


def is_prose(given: str) -> bool:
    """Whether the concept of a command is a text file rather than a name or a concepts file."""
    return Path(given).suffix.lower() in PROSE


def _of_prose(path: Path, name: str, modality: str, listener: Listener) -> "Concept":
    """The concept that `learn` is to teach from a text; the listener is told what became of each sentence.

    Raises:
        SettingsError: no name or no modality is given. Else as `medkt.concepts.prose.draft_of`.
    """
    from medkt.concepts.prose import as_lines, concept_from_prose
    from medkt.errors import SettingsError

    if not name:
        raise SettingsError(
            f"{path}: a text does not say how the finding is called; give --name, as a radiologist writes it"
        )
    if not modality:
        raise SettingsError(f"{path}: is prose; say which images it describes: --modality cxr, ct, mri or ultrasound")
    concept, draft = concept_from_prose(path, name=name, modality=modality)
    listener.tell("\n".join(as_lines(draft)))
    return concept


def _write(made: "LearningOutcome", target: Path) -> "Package":
    """The package, and beside it the page with pictures, which a package never holds; both or none."""
    from medkt.io.together import files_together
    from medkt.learning.pictures import pictures_of
    from medkt.report.learned_concept import render_learned_concept

    page = target.with_suffix(".html").name
    with files_together(target.parent, (page, target.name)) as hidden:
        (hidden / page).write_text(render_learned_concept(made, pictures_of(made)), encoding="utf-8")
        return made.save(hidden / target.name)


def told_late(asking: "AskingRecord | None", notes: Sequence[str], listener: Listener) -> list[str]:
    """What is only known of the user's studies once they were read, and was not told yet; the listener is told."""
    from medkt.learning.text_card import doubts_of

    new = [one for one in doubts_of(asking) if one not in notes]
    listener.advise(new)
    return new


def notes_of(encoder: "DualEncoder", concept: "Concept", kind: "Domain") -> list[str]:
    """What is to be known of the captions; a word that the model does not know is what it may have to learn."""
    from medkt.concepts.concept import ROLES
    from medkt.concepts.meaning import check_text
    from medkt.examine.told import not_told
    from medkt.pipeline.words import cut_off_told, examination_of, texts_said
    from medkt.transfer.vocabulary import named

    verdicts = [check_text(encoder, text, modality=kind.name) for role in ROLES for text in concept.texts(role)]
    notes = [(v.text, note) for v in verdicts for code, note in v.notes.items() if code != "unknown_words"]
    examination, unread = examination_of(encoder)
    whole = [v.text for v in verdicts if "cut_off" not in v.notes and v.text in concept.texts("inversion")]
    with_name = cut_off_told(encoder, (*named(concept.name, whole), *_templates(concept, kind)))
    said = (not_told(examination, texts_said(concept, ROLES)), with_name and f"with the name before it, {with_name}")
    own = [*unread, *(f"{concept.id}: {one}" for one in said if one)]
    return list(dict.fromkeys([*(f"{concept.id}: {text[:60]!r}: {note}" for text, note in notes), *own]))


def _templates(concept: "Concept", kind: "Domain") -> tuple[str, ...]:
    return tuple(template.format(finding=concept.name) for template in kind.words_for(concept).templates)

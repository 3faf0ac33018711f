"""`invert`: what a model imagines at a text, as images, a contact sheet and a record."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import DEVICE, ENCODER
from medkt.requests.option import Option, present, requested
from medkt.requests.published import PublishedOptions, settled, standing_of
from medkt.requests.reading import MODALITIES, ModalityOptions, modality_of
from medkt.requests.words import WordOptions

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.concepts import Concept
    from medkt.inversion import InversionSettings, InvertedImages
    from medkt.models.encoder import DualEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class InversionOptions(PublishedOptions):
    """Which encoder, with which settings."""

    model: Annotated[str, Option(ENCODER, short="-m")] = "small"
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    preset: Annotated[
        str,
        Option("fast, kazemi, kt-paper, kt-code, kt-medclip (default: %(default)s)", metavar="NAME", told=True),
    ] = "fast"
    settings: Annotated[Path | None, Option("a file of settings over the preset", metavar="YAML")] = None
    set: Annotated[tuple[str, ...], Option("one setting, such as steps=50", metavar="KEY=VALUE", each=True)] = ()
    images: Annotated[int, Option("of each text (default: %(default)s)", metavar="N", told=True)] = 10
    seed: Annotated[int, Option("of all random numbers (default: %(default)s)")] = 0
    no_cache: Annotated[bool, Option("neither read nor keep images in the cache")] = False


@dataclass(frozen=True, kw_only=True)
class InvertRequest(WordOptions, ModalityOptions, InversionOptions):
    """Where the images go."""

    modality: Annotated[
        str, Option("which concept is meant where several modalities have one of that name", choices=MODALITIES)
    ] = "auto"
    output: Annotated[
        Path | None, Option("where the images go; only --dry-run does without", short="-o", metavar="FOLDER")
    ] = None
    overwrite: Annotated[bool, Option("replace an inversion that is there already")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertResult:
    """Images of texts, and where they were written.

    Attributes:
        inversion: the images, with the similarity of each to its text.
        folder: that they were written to.
        record: what `inversion.json` says there.
        notes: what is to be known of the texts.
        standing: every setting with where it is from.
    """

    inversion: "InvertedImages"
    folder: Path
    record: Mapping[str, Any]
    notes: tuple[str, ...]
    standing: "Standing"


def invert_concepts(
    request: InvertRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> InvertResult:
    """Invert every caption; each is kept in the cache once it is done, so that a second time goes on.

    Args:
        request: what is asked for.
        listener: is told how it goes on; the notes before the work begins.
        **options: fields of the request by name, in its place or over it.

    Raises:
        InputError: the encoder knows no word of a text.
        OutputError: an inversion is there already, or nothing can be written.
        MedktError: from the steps.
    """
    from medkt.config import preset_sources, resolve, sources_of
    from medkt.errors import OutputError
    from medkt.inversion import InversionSettings, invert, invert_cached
    from medkt.inversion.files import RECORD, write_inversion
    from medkt.models.registry import load_encoder
    from medkt.models.weights import weights_digest
    from medkt.pipeline import resolve_device

    request = requested(InvertRequest, request, options)
    output = present(request.output, "say where the results go: -o FOLDER")
    request, texts, settings, stands = settle_inversion(request)
    if (output / RECORD).exists() and not request.overwrite:
        raise OutputError(f"{output}: holds an inversion already; choose another folder or say --overwrite")
    encoder = load_encoder(request.model, device=resolve_device(request.device))
    notes = _notes(encoder, texts)
    listener.advise(notes)
    make = invert if request.no_cache else invert_cached
    with listener.progress("inverting") as tick:
        found = make(encoder, texts, settings, images=request.images, seed=request.seed, progress=tick)
    facts = {"name": encoder.spec.name, "digest": encoder.spec.digest, "weights_sha256": weights_digest(encoder.module)}
    facts["licence"] = encoder.spec.licence
    original = resolve(InversionSettings, preset=request.preset, folder="inversion")
    sources = sources_of(settings, original, preset_sources(request.preset, "inversion"))
    record = write_inversion(
        found, output, encoder=facts, overwrite=request.overwrite, preset=request.preset, sources=sources,
        as_published=stands.as_json(),
    )  # fmt: skip
    return InvertResult(inversion=found, folder=output, record=record, notes=tuple(notes), standing=stands)


def settle_inversion(
    request: InvertRequest,
) -> "tuple[InvertRequest, tuple[str, ...], InversionSettings, Standing]":
    """The request with what a published way puts in, the texts, the settings, and where each setting is from."""
    from medkt.config import resolve
    from medkt.inversion import InversionSettings
    from medkt.pipeline.words import require_words

    request = settled(request, "invert", "inversion")
    wanted = _concepts(request)
    require_words(wanted, roles=("inversion", "prompt"))
    texts = texts_of(wanted)
    settings = resolve(
        InversionSettings, preset=request.preset, folder="inversion", file=request.settings, sets=request.set
    )
    return request, texts, settings, standing_of(request, "invert", "inversion", settings, own={"images": 10})


def _notes(encoder: "DualEncoder", texts: Sequence[str]) -> list[str]:
    """What is to be known of the texts.

    Raises:
        InputError: the encoder knows no word of one.
    """
    from medkt.concepts.meaning import check_text
    from medkt.errors import InputError

    verdicts = [check_text(encoder, text) for text in texts]
    for verdict in verdicts:
        if verdict.refusal:
            raise InputError(verdict.refusal)
    return [f"{verdict.text[:60]!r}: {note}" for verdict in verdicts for note in verdict.notes.values()]


def texts_of(concepts: "Sequence[Concept]") -> tuple[str, ...]:
    """The captions for inversion, each once; those for prompts where a concept has none of its own."""
    texts: dict[str, None] = {}
    for concept in concepts:
        captions = concept.texts("inversion")
        if not captions:
            log.warning("%s has no caption for inversion; its prompts are used, which may hold its name", concept.id)
        texts.update(dict.fromkeys(captions or concept.texts("prompt")))
    return tuple(texts)


def _concepts(request: InvertRequest) -> "list[Concept]":
    from medkt.concepts import concept_from_text, load_concept
    from medkt.errors import SettingsError

    modality = modality_of(request) or ""
    found = [load_concept(name, modality=modality) for name in request.concept]
    found += [concept_from_text(text) for text in request.prompt]
    if not found:
        raise SettingsError('say what to look for: -p "a description" or -c CONCEPT (`medkt concepts` lists them)')
    return found

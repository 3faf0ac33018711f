"""`medkt invert`: what a model imagines at a text, as images, a contact sheet and a record."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.cli.outputs import add_output, require_output
from medkt.cli.published import SETTINGS_ONLY, Given, add_as_published, say_settings, settle, standing_of
from medkt.cli.segment import add_words, modality_of, progress, say_notes

if TYPE_CHECKING:
    from medkt.concepts import Concept
    from medkt.models.encoder import DualEncoder

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    add_words(parser)
    parser.add_argument(
        "--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"),
        help="which concept is meant where several modalities have one of that name",
    )  # fmt: skip
    add_output(parser, "FOLDER", "where the images go")
    parser.add_argument(
        "-m", "--model", default="small", help="the encoder: a name of `medkt models list`, or a weights file"
    )
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    parser.add_argument(
        "--preset",
        default="fast",
        action=Given,
        metavar="NAME",
        help="fast, kazemi, kt-paper, kt-code, kt-medclip (default: %(default)s)",
    )
    add_as_published(parser)
    parser.add_argument("--settings", type=Path, metavar="YAML", help="a file of settings over the preset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as steps=50")
    parser.add_argument(
        "--images", type=int, default=10, action=Given, metavar="N", help="of each text (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--no-cache", action="store_true", help="neither read nor keep images in the cache")
    parser.add_argument("--overwrite", action="store_true", help="replace an inversion that is there already")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """Invert every caption; each is kept in the cache once it is done, so that a second run goes on."""
    from medkt.pipeline.words import require_words

    require_output(arguments, "FOLDER")
    settle(arguments, "invert", "inversion")
    wanted = _concepts(arguments)
    require_words(wanted, roles=("inversion", "prompt"))
    texts = texts_of(wanted)

    from medkt.config import preset_sources, resolve, sources_of
    from medkt.errors import OutputError
    from medkt.inversion import InversionSettings, invert, invert_cached
    from medkt.inversion.write import RECORD, write_inversion
    from medkt.models.registry import load_encoder
    from medkt.models.weights import weights_digest
    from medkt.pipeline import resolve_device

    settings = resolve(
        InversionSettings, preset=arguments.preset, folder="inversion", file=arguments.settings, sets=arguments.set
    )
    stands = standing_of(arguments, "invert", "inversion", settings, own={"images": 10})
    if arguments.dry_run:
        return say_settings(stands, as_json=arguments.json)
    if (arguments.output / RECORD).exists() and not arguments.overwrite:
        raise OutputError(f"{arguments.output}: holds an inversion already; choose another folder or say --overwrite")
    encoder = load_encoder(arguments.model, device=resolve_device(arguments.device))
    notes = _notes(encoder, texts)
    say_notes(notes)
    make = invert if arguments.no_cache else invert_cached
    with progress(arguments.quiet or arguments.json, "inverting") as tick:
        found = make(encoder, texts, settings, images=arguments.images, seed=arguments.seed, progress=tick)
    facts = {"name": encoder.spec.name, "digest": encoder.spec.digest, "weights_sha256": weights_digest(encoder.module)}
    facts["licence"] = encoder.spec.licence
    original = resolve(InversionSettings, preset=arguments.preset, folder="inversion")
    sources = sources_of(settings, original, preset_sources(arguments.preset, "inversion"))
    record = write_inversion(
        found, arguments.output, encoder=facts, overwrite=arguments.overwrite, preset=arguments.preset, sources=sources,
        as_published=stands.as_json(),
    )  # fmt: skip
    if arguments.json:
        print(json.dumps({**record, "folder": str(arguments.output), "notes": notes}, allow_nan=False))
        return 0
    for text, similarity in zip(found.texts, found.similarity.mean(dim=1).tolist(), strict=True):
        print(f"{text}: mean similarity {similarity:.3f} of {arguments.images} images")
    say_notes([stands.words] if arguments.as_published else [])
    print(f"  {arguments.output}: images.safetensors, {RECORD}, sheet.png and a PNG of each image")
    return 0


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


def _concepts(arguments: argparse.Namespace) -> "list[Concept]":
    from medkt.concepts import concept_from_text, load_concept
    from medkt.errors import SettingsError

    modality = modality_of(arguments) or ""
    found = [load_concept(name, modality=modality) for name in arguments.concept]
    found += [concept_from_text(text) for text in arguments.prompt]
    if not found:
        raise SettingsError('say what to look for: -p "a description" or -c CONCEPT (`medkt concepts` lists them)')
    return found

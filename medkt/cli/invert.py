"""`medkt invert`: what a model imagines at a text, as images, a contact sheet and a record."""

import argparse
import json

from medkt.cli.fill import add_options, filled
from medkt.cli.published import SETTINGS_ONLY, say_settings
from medkt.cli.terminal import Terminal, say_notes
from medkt.requests.invert import InvertRequest, invert_concepts, settle_inversion


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, InvertRequest)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """Invert every caption, and say how near the images come."""
    request = filled(InvertRequest, arguments)
    if arguments.dry_run:
        *_, stands = settle_inversion(request)
        return say_settings(stands, as_json=arguments.json)
    found = invert_concepts(request, listener=Terminal(arguments))
    if arguments.json:
        record = {**found.record, "folder": str(found.folder), "notes": list(found.notes)}
        print(json.dumps(record, allow_nan=False))
        return 0
    from medkt.inversion.files import RECORD

    made = found.inversion
    for text, similarity in zip(made.texts, made.similarity.mean(dim=1).tolist(), strict=True):
        print(f"{text}: mean similarity {similarity:.3f} of {made.similarity.shape[1]} images")
    say_notes([found.standing.words] if request.as_published else [])
    print(f"  {found.folder}: images.safetensors, {RECORD}, sheet.png and a PNG of each image")
    return 0

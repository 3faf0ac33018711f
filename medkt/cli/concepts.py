"""`medkt concepts`: the findings that medkt has words for, and the words; the short form of `concept list` and `show`."""

import argparse
import json

from medkt.modalities import Choices


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one concept to show whole; all are listed without it")
    add_listing(parser)


def add_listing(parser: argparse.ArgumentParser) -> None:
    """The options of the list."""
    parser.add_argument("--modality", choices=Choices(), help="list only these")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """List concepts, or show the captions, codes and source of one."""
    return show(arguments.name) if arguments.name else listing(arguments)


def show(name: str) -> int:
    """Print one concept whole."""
    from medkt.concepts import load_concept
    from medkt.records import as_plain

    print(json.dumps(as_plain(load_concept(name)), indent=2, allow_nan=False))
    return 0


def listing(arguments: argparse.Namespace) -> int:
    """Print modality, id and name of every concept."""
    from medkt.concepts import concepts
    from medkt.records import as_plain

    found = [c for c in concepts().values() if arguments.modality in (None, c.modality)]
    if arguments.json:
        print(json.dumps([as_plain(concept) for concept in found], allow_nan=False))
        return 0
    width = max((len(concept.id) for concept in found), default=0) + 2
    for concept in found:
        print(f"{concept.modality:<12}{concept.id:<{width}}{concept.name}")
    return 0

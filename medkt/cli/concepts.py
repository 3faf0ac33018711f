"""`medkt concepts`: the findings that medkt has words for, and the words; the short form of `concept list` and `show`."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medkt.cli.fill import add_options, filled
from medkt.requests.concepts import ConceptListRequest, ConceptsRequest, concept_list, find_concepts

if TYPE_CHECKING:
    from medkt.concepts import Concept


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, ConceptsRequest)
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def configure_list(parser: argparse.ArgumentParser) -> None:
    """The options of `medkt concept list`."""
    add_options(parser, ConceptListRequest)
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """List concepts, or show the captions, codes and source of one."""
    request = filled(ConceptsRequest, arguments)
    found = find_concepts(request)
    if request.name:
        say_concept(*found)
    else:
        _say_list(found, as_json=arguments.json)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """`medkt concept list`."""
    _say_list(concept_list(filled(ConceptListRequest, arguments)), as_json=arguments.json)
    return 0


def say_concept(concept: "Concept") -> None:
    """Print one concept whole."""
    from medkt.records import as_plain

    print(json.dumps(as_plain(concept), indent=2, allow_nan=False))


def _say_list(found: "Sequence[Concept]", *, as_json: bool) -> None:
    """Print modality, id and name of every concept."""
    from medkt.records import as_plain

    if as_json:
        print(json.dumps([as_plain(concept) for concept in found], allow_nan=False))
        return
    width = max((len(concept.id) for concept in found), default=0) + 2
    for concept in found:
        print(f"{concept.modality:<12}{concept.id:<{width}}{concept.name}")

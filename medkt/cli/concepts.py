"""`medkt concepts`: the findings that medkt has words for, and the words."""

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one concept to show whole; all are listed without it")
    parser.add_argument("--modality", choices=("cxr", "ct", "mri", "ultrasound"), help="list only these")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """List concepts, or show the captions, codes and source of one."""
    from medkt.concepts import concepts, load_concept
    from medkt.report.plain import as_plain

    if arguments.name:
        print(json.dumps(as_plain(load_concept(arguments.name)), indent=2, ensure_ascii=False))
        return 0
    found = [c for c in concepts().values() if arguments.modality in (None, c.modality)]
    if arguments.json:
        print(json.dumps([as_plain(concept) for concept in found], ensure_ascii=False))
        return 0
    width = max(len(concept.id) for concept in found) + 2
    for concept in found:
        print(f"{concept.modality:<12}{concept.id:<{width}}{concept.name}")
    return 0

"""`medkt explain`: where in a study the words point, whether the map depends on the words at all, and on which."""

import argparse
import json

from medkt.cli.fill import add_options, filled
from medkt.cli.published import SETTINGS_ONLY, guard_words, say_settings
from medkt.cli.say_words import say_words
from medkt.cli.terminal import Terminal, say_demonstration, say_notes
from medkt.requests.explain import ExplainRequest, explain_study, standing_of_explanation


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, ExplainRequest)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """Write the maps, and say how far they depend on the words."""
    request = filled(ExplainRequest, arguments)
    if arguments.dry_run:
        request, stands = standing_of_explanation(request)
        return say_settings(stands, as_json=arguments.json, guard=guard_words(request))
    found = explain_study(request, listener=Terminal(arguments))
    result, written = found.result, found.written
    if arguments.json:
        print(json.dumps({**written.record, "folder": str(written.folder)}, allow_nan=False))
        return 0
    for finding in result.findings:
        depends = "not checked" if finding.specificity is None else f"{finding.specificity:.2f}"
        answer = finding.found.presence
        unclaimed = "" if answer.claims else f"no claim: {'; '.join(one.sentence for one in answer.reasons)}; "
        print(f"{finding.concept.name}: {unclaimed}score {answer.score:.2f}, depends on the words: {depends}")
        say_words(finding)
    say_demonstration(result.encoder.name)
    answered = {one.found.presence.reason for one in result.findings if not one.found.presence.claims}
    say_notes(warning for warning in result.warnings if warning not in answered)
    print(f"  {written.folder}: {', '.join(written.files)}")
    return 0

"""`medkt evaluate`: masks against references, or classes against the truth, with the statistics that a reviewer asks for.

medkt evaluate --manifest cases.csv -c ct_nodule -o runs/x --by sex,site
medkt evaluate --reference masks/ --prediction mine/ -o runs/mine
medkt evaluate --protocol busi --data Dataset_BUSI_with_GT -o runs/busi -c tumour.medkt
medkt evaluate --protocol chexpert --data CheXpert -o runs/chexpert
medkt evaluate --classify --manifest cases.csv -o runs/classes
medkt evaluate runs/x --by scanner
"""

import argparse
import sys

from medkt.cli.fill import add_options, filled
from medkt.cli.published import SETTINGS_ONLY, guard_words, say_settings
from medkt.cli.terminal import Terminal, exit_code
from medkt.requests.evaluate import EvaluateResult, evaluate, settle_evaluation, standing_of_evaluation
from medkt.requests.evaluate_request import EvaluateRequest


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, EvaluateRequest)
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: the batch's, then the statistics")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """One of the ways to come by masks or classes, then the statistics."""
    request = filled(EvaluateRequest, arguments)
    if arguments.dry_run:
        wanted = settle_evaluation(request, writes=False)
        return say_settings(standing_of_evaluation(wanted), as_json=arguments.json, guard=guard_words(wanted.request))
    found = evaluate(request, listener=Terminal(arguments))
    if found.evaluations:
        from medkt.cli.say_evaluated import say_evaluated

        say_evaluated(found, as_json=arguments.json)
        return max((exit_code(one) for one in found.done), default=0)
    return _exit_of_part(request, found)


def _exit_of_part(request: EvaluateRequest, found: EvaluateResult) -> int:
    """What follows a run that was stopped, or a shard of an evaluation, which has no statistics of its own."""
    if found.done[-1].stopped and (request.shard == "1/1" or found.task != "segment"):
        return exit_code(found.done[-1])
    merges = "; ".join(f"medkt batch merge {path}" for path in found.folders.values())
    print(f"medkt: a shard; when all are done: {merges}; medkt evaluate {request.output}", file=sys.stderr)
    return max(exit_code(one) for one in found.done)

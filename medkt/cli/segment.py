"""`medkt segment`: studies and words in, masks, pictures and numbers out; the models are loaded once for all of them."""

import argparse
import json
import sys
from typing import Any

from medkt.cli.dry_run import add_dry_run, say_planned
from medkt.cli.fill import add_options, filled
from medkt.cli.terminal import SOME_FAILED, Terminal, exit_of_studies, say_demonstration, say_failed_study, say_notes
from medkt.requests.segment import SegmentedStudy, SegmentRequest, segment_studies


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, SegmentRequest)
    parser.add_argument("--json", action="store_true", help="one JSON line a study on stdout")
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Segment each study; 4 where some failed and others did not, else the code of the failure."""
    request = filled(SegmentRequest, arguments)
    if arguments.dry_run:
        return _plan(request, as_json=arguments.json)
    studies = segment_studies(request, listener=_Told(arguments))
    return exit_of_studies([one.failure for one in studies if one.failure is not None], len(studies))


def _plan(request: SegmentRequest, *, as_json: bool) -> int:
    """Say what would be done with each study; 4 where some would be refused and others not."""
    from medkt.requests.plans import plan_segment

    found = plan_segment(request)
    for error in found.failures.values():
        print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
    say_planned(found, as_json=as_json)
    if not found.failures:
        return 0
    return SOME_FAILED if found.plan.studies else next(iter(found.failures.values())).exit_code


class _Told(Terminal):
    """Tells of each study when it has ended."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__(arguments)
        self._told_first = False

    def study_ended(self, study: SegmentedStudy) -> None:
        if study.failure is not None:
            say_failed_study(study.path, study.failure, as_json=self._json)
            return
        written: Any = study.written
        if self._json:
            record = {"status": "done", "input_path": str(study.path), **written.record, "folder": str(written.folder)}
            print(json.dumps(record, allow_nan=False))
            return
        print(f"{study.path}: {written.summary}")
        answered = {finding["reason"] for finding in written.record["findings"] if finding["no_claim"]}
        say_notes(warning for warning in written.record["warnings"] if warning not in answered)
        print(f"  {written.folder}: {', '.join(sorted(written.files))}")
        if not self._told_first:  # after the first study, for all of them; in JSON every record says it
            say_demonstration(study.encoder)
        self._told_first = True

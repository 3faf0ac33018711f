"""`medkt explain`: where in a study the words point, whether the map depends on the words at all, and on which."""

import argparse
import json
from pathlib import Path

from medkt.cli.outputs import add_output, require_output
from medkt.cli.published import SETTINGS_ONLY, WINDOW, say_settings, settle, standing_of
from medkt.cli.say_words import say_words
from medkt.cli.segment import (
    add_guard,
    add_models,
    add_reading,
    add_words,
    guard_words,
    pipeline_of,
    progress,
    say_demonstration,
    say_notes,
    segment_one,
    settings_of,
    wanted_of,
)
from medkt.cli.threads import add_threads

# the map is the answer here, so no presence decision stands before it
FORCED = ("presence.gate=false", "text_map.use=best")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="STUDY", help="as for `medkt segment`")
    add_output(parser, "FOLDER", "where the maps go")
    add_words(parser, learnt=True)
    add_reading(parser)
    add_models(parser)
    add_threads(parser)
    add_guard(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """Write the saliency of every plane looked at, whether or not the finding is judged to be there."""
    from medkt.report.write import Formats, case_name, prepare_folder, require_no_result, write_result

    require_output(arguments, "FOLDER")
    settle(arguments, "explain", "segmentation")
    arguments.set = [*FORCED, *arguments.set]
    if arguments.dry_run:
        found = standing_of(arguments, "explain", "segmentation", settings_of(arguments), forced=FORCED, own=WINDOW)
        return say_settings(found, as_json=arguments.json, guard=guard_words(arguments))
    wanted = wanted_of(arguments)
    prepare_folder(arguments.output)
    require_no_result(arguments.output, overwrite=arguments.overwrite)
    pipeline = pipeline_of(arguments, "explain", forced=FORCED)
    with progress(arguments.quiet or arguments.json, arguments.input.name) as tick:
        result = segment_one(pipeline, arguments.input, wanted, arguments, tick)
    written = write_result(
        result, arguments.output, formats=Formats(nifti=True, png=False), name=case_name(result), overwrite=arguments.overwrite
    )  # fmt: skip
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

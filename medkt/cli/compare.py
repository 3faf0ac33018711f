"""`medkt compare`: two runs over the same cases, pair by pair.

medkt compare runs/a runs/b
medkt compare runs/a runs/b -o compared.html --by sex
"""

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    from medkt.cli.report import add_page

    parser.add_argument("first", type=Path, metavar="RUN_A", help="the run that is compared with")
    parser.add_argument("second", type=Path, metavar="RUN_B", help="the other: differences are B minus A")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="also write a page, as `medkt report` does")
    parser.add_argument("--json", action="store_true", help="one JSON line a comparison")
    add_page(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say what differs, and how surely."""
    from medkt.cli.report import compared_report, write_page
    from medkt.cli.say_classes import tells_classes
    from medkt.errors import SettingsError
    from medkt.records import as_plain
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.unclaimed import headlines, unclaimed_of
    from medkt.report.run.words import aligned
    from medkt.report.run.words_compared import COMPARED_HEAD, compared_row
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    if arguments.first.resolve() == arguments.second.resolve():
        raise SettingsError("a run compared with itself differs in nothing; give two runs")
    if tells_classes({"first": arguments.first, "second": arguments.second}):
        return _classes(arguments)
    if arguments.output is not None:
        report = compared_report(arguments, {"first": arguments.first, "second": arguments.second})
        lines, said = report.compared, [write_page(report, arguments.output)]
        unclaimed = [arm.evaluation.unclaimed for arm in report.arms]
    else:
        tables = [RunFolder(run).require_table("results") for run in (arguments.first, arguments.second)]
        compared = compare_runs(*tables, settings=BootstrapSettings(resamples=arguments.resamples))
        lines, said = compared.lines, []
        unclaimed = [unclaimed_of(scores, level=0.95) for scores in (compared.first, compared.second)]
    if arguments.json:
        print("\n".join(json.dumps(as_plain(line), allow_nan=False) for line in lines))
        return 0
    for name, found in zip(("first", "second"), unclaimed, strict=True):
        print(*(f"{name}: {line}\n" for line in headlines(found)), sep="", end="")
    print("second minus first; a patient's cases count as one pair")
    print("\n".join([*aligned(COMPARED_HEAD, [compared_row(line) for line in lines]), *said]))
    return 0


def _classes(arguments: argparse.Namespace) -> int:
    """Two runs that tell classes apart."""
    from medkt.cli.say_classes import compared_class_lines, compared_classes, write_class_page
    from medkt.records import as_plain

    runs = {"first": arguments.first, "second": arguments.second}
    lines, _ = compared_classes(arguments, *runs.values())
    said = [write_class_page(arguments, runs, arguments.output)] if arguments.output is not None else []
    if arguments.json:
        print("\n".join(json.dumps(as_plain(line), allow_nan=False) for line in lines))
        return 0
    print("second minus first, over patients")
    print("\n".join([*compared_class_lines(lines), *said]))
    return 0

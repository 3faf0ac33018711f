"""`medkt report`: a run as one HTML file that opens from disk, without a network.

medkt report runs/x
medkt report runs/busi --by class_name -o busi.html
medkt report runs/ct --volumes cases.csv
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.report.run.page import Arm, RunReport
    from medkt.report.run.published import Beside


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of `medkt batch` or `medkt evaluate`")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the page (default: RUN/report.html)")
    parser.add_argument(
        "--volumes", type=Path, metavar="FROM",
        help="a viewer for the volumes among the cases shown; FROM is the manifest that the run was made from (of a "
        "protocol, the data folder). The images then stand in a folder beside the page: guard both as you guard the images",
    )  # fmt: skip
    add_page(parser)


def add_page(parser: argparse.ArgumentParser) -> None:
    """What both pages have: subgroups, pictures, the bootstrap."""
    parser.add_argument("--by", default="", metavar="LIST", help="columns of the result table to make subgroups of")
    parser.add_argument("--cases", type=int, default=3, metavar="N", help="worst and best cases shown of each concept")
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="of the bootstrap over patients")


def run(arguments: argparse.Namespace) -> int:
    """Write the page of a run, or of a base run and the learnt one beside it."""
    from medkt.cli.report_volumes import with_volumes
    from medkt.cli.say_classes import tells_classes, write_class_page
    from medkt.errors import SettingsError
    from medkt.report.run.published import ARMS
    from medkt.report.run.viewer import ViewerFiles
    from medkt.tasks.arms import arms_below

    arms = {ARMS[arm]: path for arm, path in arms_below(arguments.run).items()}
    page = arguments.output or arguments.run / "report.html"
    if tells_classes(arms or {"": arguments.run}):
        if arguments.volumes is not None:
            raise SettingsError("--volumes shows masks on images, and this run made none; leave it out")
        print(write_class_page(arguments, arms or {"": arguments.run}, page))
        return 0
    report = compared_report(arguments, arms) if arms else single_report(arguments, arguments.run)
    beside = ViewerFiles.of_page(page)
    if arguments.volumes is not None:
        report = with_volumes(report, arms or {"": arguments.run}, arguments.volumes, beside)
    if not report.viewer:
        beside.remove()  # images that a page does not show any more are not left lying about
    print(write_page(report, page))
    if report.viewer:
        print(f"{beside.path}: the images of the volumes shown; the page needs this folder beside it")
    elif arguments.volumes is not None:
        print(
            "medkt: none of the cases shown is a volume, so there is nothing to view; the pictures are in the page",
            file=sys.stderr,
        )
    return 0


def single_report(arguments: argparse.Namespace, path: Path) -> "RunReport":
    """The page of one run."""
    from medkt.report.run.page import RunReport

    arm = arm_of(arguments, path, "")
    beside, stamps = _published((arm,))
    return RunReport(title="Report of a run", arms=(arm,), beside=beside, stamps=stamps)


def compared_report(arguments: argparse.Namespace, paths: dict[str, Path]) -> "RunReport":
    """The page of two runs over the same cases."""
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.page import RunReport
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    first, second = (RunFolder(path).require_table("results") for path in paths.values())
    compared = compare_runs(first, second, settings=BootstrapSettings(resamples=arguments.resamples))
    arms = tuple(arm_of(arguments, path, name) for name, path in paths.items())
    beside, stamps = _published(arms)
    title = f"{arms[0].name} and {arms[1].name} compared"
    return RunReport(title=title, arms=arms, compared=compared.lines, beside=beside, stamps=stamps)


def arm_of(arguments: argparse.Namespace, path: Path, name: str) -> "Arm":
    """A run's statistics, record and cases to look at."""
    from medkt.errors import SettingsError
    from medkt.report.run.agreement import lesion_curves, volume_agreement
    from medkt.report.run.evaluation import evaluate_scores
    from medkt.report.run.page import Arm
    from medkt.report.run.pictures import cases_to_look_at
    from medkt.report.run.plots import Curves
    from medkt.report.run.presence import presence_curves
    from medkt.report.run.record_form import require_form
    from medkt.report.run.scores import read_scores
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    if arguments.cases < 0:
        raise SettingsError(f"--cases {arguments.cases}: 0 or more")
    record = RunFolder(path).read()
    require_form(record, path)
    by = tuple(dict.fromkeys(word.strip() for word in arguments.by.split(",") if word.strip()))
    scores = read_scores(RunFolder(path).require_table("results"), by=by)
    settings = BootstrapSettings(resamples=arguments.resamples)
    curves = Curves(
        presence=tuple(presence_curves(scores, level=settings.level)),
        volumes=tuple(volume_agreement(scores, settings)), lesions=tuple(lesion_curves(scores)),
    )  # fmt: skip
    return Arm(
        name=name, evaluation=evaluate_scores(scores, settings, identity=record["identity"]), record=record, curves=curves,
        cases=cases_to_look_at(path, scores, count=arguments.cases),
    )  # fmt: skip


def write_page(report: "RunReport", target: Path) -> str:
    """Write the page whole or not at all; gives what to tell the user."""
    from medkt.io.atomic import write_atomically
    from medkt.report.run.page import render_run

    page = render_run(report)
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))
    return f"{target}: open it in a browser; it needs no network"


def _published(arms: "Sequence[Arm]") -> "tuple[tuple[Beside, ...], tuple[str, ...]]":
    """Ours beside the published values, where the runs follow a protocol that ships with medkt.

    Which published column is meant stands in each run's record; two runs that are both of the base, or both of KT, have
    none between them.
    """
    from medkt.datasets.protocol import load_protocol, protocols
    from medkt.report.run.published import beside_published, stamps

    identities = [arm.record.get("identity", {}) for arm in arms]
    kinds = ["kt" if identity.get("learnt") else "base" for identity in identities]
    names = {identity.get("protocol") for identity in identities}
    name = next(iter(names)) if len(names) == 1 else None
    if name not in protocols() or len(set(kinds)) < len(kinds):
        return (), ()
    from medkt.report.write import LABEL_TUNED  # loads the models' packages

    protocol = load_protocol(name)
    tuned = any(identity.get("preset") in LABEL_TUNED for identity in identities)
    beside = beside_published(protocol, {kind: arm.evaluation for kind, arm in zip(kinds, arms, strict=True)})
    return beside, (f"{protocol.title}: {protocol.citation}", *stamps(protocol, label_tuned=tuned))

"""`report`: a run as one HTML file that opens from disk, without a network.

The function is `write_report`, for `medkt.report` is the room of the pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.evaluated import (
    StatisticsOptions,
    by_kind,
    class_evaluation_of,
    compared_classes,
    protocol_of,
    tells_classes,
)
from medkt.requests.option import Option, requested
from medkt.requests.work import listed

if TYPE_CHECKING:
    from medkt.report.run.class_comparison import ComparedClass
    from medkt.report.run.class_page import ClassReport
    from medkt.report.run.page import Arm, RunReport
    from medkt.report.run.published import Beside


@dataclass(frozen=True, kw_only=True)
class PageOptions(StatisticsOptions):
    """Subgroups, pictures, the bootstrap."""

    by: Annotated[str, Option("columns of the result table to make subgroups of", metavar="LIST")] = ""
    cases: Annotated[int, Option("worst and best cases shown of each concept", metavar="N")] = 3
    resamples: Annotated[int, Option("of the bootstrap over patients", metavar="N")] = 10_000


@dataclass(frozen=True, kw_only=True)
class ReportRequest(PageOptions):
    """Which run, and where its page goes."""

    run: Annotated[Path, Option("the folder of `medkt batch` or `medkt evaluate`", positional=True, metavar="RUN")]
    output: Annotated[Path | None, Option("the page (default: RUN/report.html)", short="-o", metavar="FILE")] = None
    volumes: Annotated[
        Path | None,
        Option(
            "a viewer for the volumes among the cases shown; FROM is the manifest that the run was made from (of a "
            "protocol, the data folder). The images then stand in a folder beside the page: guard both as you guard the images",
            metavar="FROM",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """A page that was written.

    Attributes:
        page: the file.
        beside: the folder with the images of the volumes that it shows; None where it shows none.
    """

    page: Path
    beside: Path | None = None


def write_report(request: ReportRequest | None = None, /, **options: Any) -> ReportResult:
    """Write the page of a run, or of a base run and the learnt one beside it; whole or not at all.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: options that do not fit the run.
        MedktError: the run, or with `volumes` an image, cannot be read; the page cannot be written.
    """
    from medkt.errors import SettingsError
    from medkt.report.run.published import ARMS
    from medkt.report.run.viewer import ViewerFiles
    from medkt.requests.report_volumes import with_volumes
    from medkt.tasks.arms import arms_below

    request = requested(ReportRequest, request, options)
    arms = {ARMS[arm]: path for arm, path in arms_below(request.run).items()}
    page, runs = request.output or request.run / "report.html", arms or {"": request.run}
    if tells_classes(runs):
        if request.volumes is not None:
            raise SettingsError("--volumes shows masks on images, and this run made none; leave it out")
        return ReportResult(page=write_class_page(class_report_of(request, runs), page))
    found = compared_report(request, arms) if arms else single_report(request, request.run)
    beside = ViewerFiles.of_page(page)
    if request.volumes is not None:
        found = with_volumes(found, runs, request.volumes, beside)
    if not found.viewer:
        beside.remove()  # images that a page does not show any more are not left lying about
    return ReportResult(page=write_page(found, page), beside=beside.path if found.viewer else None)


def single_report(request: PageOptions, run: Path) -> "RunReport":
    """The page of one run."""
    from medkt.report.run.page import RunReport

    arm = arm_of(request, run, "")
    beside, stamps = _published((arm,))
    return RunReport(title="Report of a run", arms=(arm,), beside=beside, stamps=stamps)


def compared_report(request: PageOptions, runs: Mapping[str, Path]) -> "RunReport":
    """The page of two runs over the same cases."""
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.page import RunReport
    from medkt.runs.folder import RunFolder

    first, second = (RunFolder(path).require_table("results") for path in runs.values())
    compared = compare_runs(first, second, settings=request.bootstrap)
    arms = tuple(arm_of(request, path, name) for name, path in runs.items())
    beside, stamps = _published(arms)
    title = f"{arms[0].name} and {arms[1].name} compared"
    return RunReport(title=title, arms=arms, compared=compared.lines, beside=beside, stamps=stamps)


def arm_of(request: PageOptions, run: Path, name: str) -> "Arm":
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

    if request.cases < 0:
        raise SettingsError(f"--cases {request.cases}: 0 or more")
    record = RunFolder(run).read()
    require_form(record, run)
    scores = read_scores(RunFolder(run).require_table("results"), by=listed(request.by))
    settings = request.bootstrap
    curves = Curves(
        presence=tuple(presence_curves(scores, level=settings.level)),
        volumes=tuple(volume_agreement(scores, settings)), lesions=tuple(lesion_curves(scores)),
    )  # fmt: skip
    return Arm(
        name=name, evaluation=evaluate_scores(scores, settings, identity=record["identity"]), record=record, curves=curves,
        cases=cases_to_look_at(run, scores, count=request.cases),
    )  # fmt: skip


def write_page(found: "RunReport", target: Path) -> Path:
    """Write the page whole or not at all."""
    from medkt.io.atomic import write_atomically
    from medkt.report.run.page import render_run

    page = render_run(found)
    return write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))


def class_report_of(request: PageOptions, runs: Mapping[str, Path]) -> "ClassReport":
    """The page of a run that tells classes apart, or of two over the same cases."""
    from medkt.report.run.class_page import ClassArm, ClassReport
    from medkt.report.run.class_published import beside_classes, class_stamps
    from medkt.runs.folder import RunFolder

    arms = tuple(
        ClassArm(name=name, evaluation=class_evaluation_of(request, run, write=False), record=RunFolder(run).read())
        for name, run in runs.items()
    )
    compared: tuple[ComparedClass, ...] = ()
    if len(arms) == 2:
        first, second = runs.values()
        compared = compared_classes(first, second, request.bootstrap)
    protocol = protocol_of(runs)
    title = f"{arms[0].name} and {arms[1].name} compared" if len(arms) == 2 else "Report of a classification"
    if protocol is None:
        return ClassReport(title=title, arms=arms, compared=compared)
    evaluations = by_kind(runs, {arm.name: arm.evaluation for arm in arms})
    return ClassReport(
        title=title, arms=arms, compared=compared, beside=beside_classes(protocol, evaluations),
        stamps=(f"{protocol.title}: {protocol.citation}", *class_stamps(protocol)),
    )  # fmt: skip


def write_class_page(found: "ClassReport", target: Path) -> Path:
    """Write the page whole or not at all."""
    from medkt.io.atomic import write_atomically
    from medkt.report.run.class_page import render_classes

    page = render_classes(found)
    return write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))


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

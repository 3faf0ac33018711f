"""`report`: a run as one HTML file that opens from disk, without a network.

The function is `write_report`, for `medkt.report` is the room of the pages.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from medkt.requests.evaluated import StatisticsOptions
from medkt.requests.option import Option, requested
from medkt.requests.work import listed


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
    from medkt.extras import require
    from medkt.report.run.viewer import ViewerFiles
    from medkt.requests.report_volumes import with_volumes
    from medkt.tasks.arms import arms_below
    from medkt.tasks.ended_runs import compared
    from medkt.tasks.masks.published import ARMS
    from medkt.tasks.page import render
    from medkt.tasks.registry import task_of_runs

    require("runs", "the page of a run")
    request = requested(ReportRequest, request, options)
    arms = {ARMS[arm]: path for arm, path in arms_below(request.run).items()}
    page, runs = request.output or request.run / "report.html", arms or {"": request.run}
    task, settings = task_of_runs(runs), request.bootstrap
    if request.volumes is not None and not task.makes_masks:
        raise SettingsError("--volumes shows masks on images, and this run made none; leave it out")
    first, *others = runs.values()
    difference = compared(task, first, others[0], settings) if others else None
    found = task.page(runs, difference, by=listed(request.by), settings=settings, cases=request.cases)
    if not task.makes_masks:
        return ReportResult(page=write_page(render(task, found), page))
    beside = ViewerFiles.of_page(page)
    if request.volumes is not None:
        found = with_volumes(found, runs, request.volumes, beside)
    if not found.viewer:
        beside.remove()  # images that a page does not show any more are not left lying about
    return ReportResult(page=write_page(render(task, found), page), beside=beside.path if found.viewer else None)


def write_page(page: str, target: Path) -> Path:
    """Write the page whole or not at all."""
    from medkt.io.atomic import write_atomically

    return write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))

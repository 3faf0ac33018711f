"""What `evaluate` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medkt.requests.classify import RULE
from medkt.requests.cohort import CohortRequest
from medkt.requests.evaluated import StatisticsOptions
from medkt.requests.masks import SideOptions
from medkt.requests.option import Option, Request
from medkt.requests.work import listed

MODES = "a RUN, --manifest, --protocol with --data, or --reference with --prediction"
WHERE = "say where the run goes: -o RUN"


@dataclass(frozen=True, kw_only=True)
class ClassOptions(Request):
    """Where classes are told apart."""

    rule: Annotated[str, RULE] = "default"
    classify: Annotated[
        bool, Option("with --manifest: tell the classes of its column class_name apart, and make no masks")
    ] = False
    apart: Annotated[
        bool,
        Option(
            "where classes are told apart: each learnt class by its own encoder, the others by the base; by default one "
            "taught encoder is asked of all classes, so that what it forgot shows"
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(StatisticsOptions, SideOptions, ClassOptions, CohortRequest):
    """What is evaluated, and how; one of a run, a manifest, a protocol, and two folders of masks."""

    run: Annotated[Path | None, Option("the statistics of a run that has ended", positional=True, metavar="RUN")] = None
    manifest: Annotated[Path | None, Option("the cases with their references: CSV or Parquet", metavar="TABLE")] = None
    reference: Annotated[Path | None, Option("masks that count as true, named by case", metavar="DIR")] = None
    prediction: Annotated[Path | None, Option("masks to score, with the same names", metavar="DIR")] = None
    patients: Annotated[
        Path | None,
        Option(
            "of two folders: CSV with columns file and patient, where several files are of one patient", metavar="TABLE"
        ),
    ] = None
    patient_pattern: Annotated[
        str | None,
        Option("the same, by the name: a regular expression whose first group is the patient", metavar="RE"),
    ] = None
    protocol: Annotated[
        str | None, Option("a published data set (busi, udiat ...), or a YAML file", metavar="NAME")
    ] = None
    data: Annotated[Path | None, Option("where that data set lies", metavar="DIR")] = None
    output: Annotated[Path | None, Option("the run's folder; one that is there goes on", short="-o", metavar="RUN")] = (
        None
    )
    by: Annotated[str, Option("columns of the manifest to make subgroups of: sex,scanner,site", metavar="LIST")] = ""
    metrics: Annotated[
        str | None,
        Option(
            "of dsc, iou, nsd, nsd_slab, hd, hd95, assd, volume, lesions (default: dsc,iou,nsd, or the protocol's)",
            metavar="LIST",
        ),
    ] = None
    tolerance: Annotated[
        str | None, Option("of the NSD: 2mm, 2px or 2 (default: 2, mm where there are any)", metavar="T")
    ] = None
    empty: Annotated[
        Literal["standard", "distances-missing", "agreement-counts"],
        Option("what a metric is where a mask is empty (default: %(default)s)"),
    ] = "standard"
    resample_to_reference: Annotated[
        bool,
        Option(
            "bring a mask on another grid onto the reference's (nearest), extended to hold both; else it is refused"
        ),
    ] = False
    resamples: Annotated[int, Option("of the bootstrap over patients", metavar="N")] = 10_000


def columns_of(request: EvaluateRequest) -> tuple[str, ...]:
    """The columns of the manifest that go into the result table."""
    return tuple(dict.fromkeys([*request.keep_column, *listed(request.by)]))

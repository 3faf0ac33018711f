"""`medkt batch`: every study of a manifest, with the models loaded once a worker; stops and goes on at any moment.

medkt batch --manifest cohort.csv -c ct_nodule -o runs/x --workers 2
medkt batch status runs/x
medkt batch retry runs/x --kind timeout
medkt batch merge runs/x
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medkt.cohort.engine import Engine
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.plan import Plan
    from medkt.cohort.progress import Summary
    from medkt.cohort.studies import StudyRunnerFactory
    from medkt.cohort.work import Shard
    from medkt.concepts import Concept

ACTIONS = ("run", "status", "retry", "merge")
STOPPED = {"interrupted": 130, "terminated": 143}
SOME_FAILED = 4


def configure(parser: argparse.ArgumentParser) -> None:
    from medkt.cli.segment import add_models, add_words

    parser.add_argument(
        "action", nargs="?", choices=ACTIONS, default="run",
        help="run (also goes on with a run), status, retry (failed cases are done again by the next run), merge (shards)",
    )  # fmt: skip
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="folders of runs, for status, retry and merge"
    )
    parser.add_argument("--manifest", type=Path, metavar="TABLE", help="the cases: a CSV or Parquet file")
    parser.add_argument("-o", "--output", type=Path, metavar="RUN", help="the run's folder; one that is there goes on")
    add_words(parser)
    _add_reading(parser)
    add_models(parser)
    _add_work(parser)
    _add_privacy(parser)
    parser.add_argument("--kind", default="", metavar="LIST", help="retry only failures of these kinds, with commas")
    parser.add_argument(
        "--partial", action="store_true", help="merge what there is, though cases or shards are missing"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: start, case, progress, end")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"),
        help="what the studies are, where neither the manifest nor the file says it",
    )  # fmt: skip
    parser.add_argument("--regrid", action="store_true", help="resample tilted or irregular series to a regular grid")
    parser.add_argument("--window", metavar="NAME", help="how values are shown; see `medkt segment`")
    parser.add_argument("--axis", type=int, choices=(0, 1, 2), help="cut across slices (0), rows (1) or columns (2)")
    parser.add_argument("--step-mm", type=float, metavar="MM", help="least distance between the planes looked at")
    parser.add_argument(
        "-f", "--format", default="nifti,png", metavar="LIST",
        help="nifti, dicom-seg, png (default: %(default)s); a DICOM SEG names its patient, as DICOM wants it",
    )  # fmt: skip


def _add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster")
    parser.add_argument("--ray-address", metavar="ADDRESS", help="of a Ray cluster that runs; else one is started here")
    parser.add_argument("-w", "--workers", type=int, default=1, metavar="N", help="how many hold the models at once")
    parser.add_argument("--threads", type=int, metavar="N", help="of each worker (default: cores / workers)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only this part of the manifest, counted from 1")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds one case may take")
    parser.add_argument("--max-failures", metavar="N|P%", help="stop when more cases than this have failed")


def _add_privacy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep-ids", action="store_true", help="the manifest's ids are pseudonyms already: use them")
    parser.add_argument("--salt", type=Path, metavar="FILE", help="the salt of another run, so that case names agree")
    parser.add_argument(
        "--keep-column", nargs="+", action="extend", default=[], metavar="NAME",
        help="columns of the manifest that go into the result table (sex, scanner ...)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """One of the four actions."""
    from medkt.errors import SettingsError

    if arguments.action == "run":
        if arguments.manifest is None or arguments.output is None:
            raise SettingsError("say which cases and where to: medkt batch --manifest TABLE -c CONCEPT -o RUN")
        return _run(arguments)
    if not arguments.runs:
        raise SettingsError(f"say which run: medkt batch {arguments.action} RUN")
    return {"status": _status, "retry": _retry, "merge": _merge}[arguments.action](arguments)


def _run(arguments: argparse.Namespace) -> int:
    from medkt.cohort.coordinator import Limit, run_cohort
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.merge import shard_folder
    from medkt.cohort.progress import Printer
    from medkt.cohort.work import Shard
    from medkt.errors import SettingsError

    if arguments.workers < 1:
        raise SettingsError(f"--workers {arguments.workers}: at least 1 is needed")
    shard, limit = Shard.parse(arguments.shard), Limit.parse(arguments.max_failures or "100%")
    folder = RunFolder(shard_folder(arguments.output, shard))
    folder.make()
    plan, concepts = _plan(arguments, shard, folder)
    factory = _factory(arguments, folder, concepts)
    salt = _salt(arguments, folder)
    folder.claim(_identity(arguments, plan, factory))
    watcher = Printer(stream=sys.stdout if arguments.json else None, quiet=arguments.quiet)
    summary = run_cohort(folder, plan, _engine(arguments, factory, folder), salt=salt, limit=limit, watcher=watcher)
    return _code(summary)


def _plan(arguments: argparse.Namespace, shard: "Shard", folder: "RunFolder") -> "tuple[Plan, Mapping[str, Concept]]":
    """The cases, and every concept that any of them asks for."""
    from medkt.cli.segment import concepts_of
    from medkt.cohort.plan import plan_of
    from medkt.concepts import load_concept

    asked = concepts_of(arguments) if arguments.concept or arguments.prompt else ()
    known = {concept.id: concept for concept in asked}

    def identify(name: str) -> str:
        concept = load_concept(name)
        known[concept.id] = concept
        return concept.id

    plan = plan_of(
        arguments.manifest, concepts=identify, asked=[concept.id for concept in asked], shard=shard,
        keep_ids=arguments.keep_ids, columns=arguments.keep_column,
        cache=folder.path / "manifest.json",
    )  # fmt: skip
    return plan, known


def _factory(
    arguments: argparse.Namespace, folder: "RunFolder", concepts: "Mapping[str, Concept]"
) -> "StudyRunnerFactory":
    from medkt.cohort.studies import StudyRunnerFactory
    from medkt.config import resolve
    from medkt.pipeline import View
    from medkt.report.write import Formats
    from medkt.segmentation.slicewise import SegmentationSettings

    settings = resolve(SegmentationSettings, preset=arguments.preset, file=arguments.settings, sets=arguments.set)
    view = View(
        modality=None if arguments.modality == "auto" else arguments.modality,
        window=arguments.window, axis=arguments.axis, step_mm=arguments.step_mm,
    )  # fmt: skip
    return StudyRunnerFactory(
        run=folder, concepts=dict(concepts), model=arguments.model, segmenter=arguments.segmenter,
        device=arguments.device, settings=settings, preset=arguments.preset, view=view, regrid=arguments.regrid,
        formats=Formats.parse(arguments.format),
    )  # fmt: skip


def _identity(arguments: argparse.Namespace, plan: "Plan", factory: "StudyRunnerFactory") -> dict[str, Any]:
    """All that the results depend on, the models' digests aside: the workers tell those."""
    from medkt.about import __version__
    from medkt.cohort.studies import concept_digest
    from medkt.report.plain import as_plain

    return {
        "medkt": __version__,
        "manifest": plan.digest,
        "shard": str(plan.shard),
        "concepts": {name: concept_digest(concept) for name, concept in sorted(factory.concepts.items())},
        "asked": list(plan.asked),
        "preset": factory.preset,
        "settings": as_plain(factory.settings),
        "view": as_plain(factory.view),
        "regrid": factory.regrid,
        "formats": as_plain(factory.formats),
        "ids": "the manifest's" if plan.keep_ids else "pseudonyms",
        "columns": list(plan.columns),
    }


def _salt(arguments: argparse.Namespace, folder: "RunFolder") -> bytes:
    """Shards that share a folder share a salt, so that their case names belong together."""
    from medkt.cohort.folder import RunFolder

    if folder.path == arguments.output:
        return folder.salt(arguments.salt)
    whole = RunFolder(arguments.output)
    whole.salt(arguments.salt)
    return folder.salt(whole.path / "salt")


def _engine(arguments: argparse.Namespace, factory: "StudyRunnerFactory", folder: "RunFolder") -> "Engine":
    from medkt.cohort.local import LocalEngine

    options = {"workers": arguments.workers, "threads": arguments.threads, "timeout_s": arguments.timeout}
    if arguments.engine == "local":
        return LocalEngine(factory, folder.workers.resolve(), **options)
    from medkt.cohort.ray import RayEngine

    gpus = 1.0 if arguments.device.startswith("cuda") else 0.0
    return RayEngine(factory, folder.workers.resolve(), address=arguments.ray_address, gpus=gpus, **options)


def _status(arguments: argparse.Namespace) -> int:
    """How far runs are, one line each."""
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.ledger import Ledger
    from medkt.cohort.merge import shards_below
    from medkt.cohort.progress import Summary, counts_text

    paths = [one for run in arguments.runs for one in (run, *shards_below(run)) if RunFolder(one).ledger.exists()]
    for path in paths or arguments.runs:
        RunFolder(path).read()
        with Ledger(RunFolder(path).ledger, read_only=True) as ledger:
            summary = Summary(total=ledger.total(), states=ledger.counts(), failures=ledger.failures())
        print(
            json.dumps({"run": path.name, **summary.plain()}, allow_nan=False)
            if arguments.json
            else f"{path}: {counts_text(summary)}"
        )
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    """Set failed cases back, so that the next run does them again."""
    from medkt.cohort.failures import KINDS
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.ledger import Ledger
    from medkt.errors import SettingsError

    kinds = [kind.strip() for kind in arguments.kind.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingsError(f"--kind {unknown[0]}: no kind of failure; known: {', '.join(KINDS)}")
    for path in arguments.runs:
        folder = RunFolder(path)
        folder.read()
        with folder.held(), Ledger(folder.ledger) as ledger:
            count = ledger.retry(kinds)
        print(f"{path}: {count} failed cases are pending again; the same `medkt batch --manifest ...` does them")
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    """Join shards: those below one folder, or those that are named."""
    from medkt.cohort.merge import merge_runs, shards_below
    from medkt.cohort.progress import counts_text
    from medkt.errors import SettingsError

    below = shards_below(arguments.runs[0]) if len(arguments.runs) == 1 else ()
    parts, target = list(below or arguments.runs), arguments.output or (arguments.runs[0] if below else None)
    if target is None:
        raise SettingsError("say where the merged run goes: medkt batch merge SHARD... -o RUN")
    summary = merge_runs(parts, target, partial=arguments.partial)
    print(json.dumps(summary.plain(), allow_nan=False) if arguments.json else f"{target}: {counts_text(summary)}")
    return 0


def _code(summary: "Summary") -> int:
    if summary.stopped:
        print(f"medkt: {summary.stopped}; the same command goes on from here", file=sys.stderr)
        return STOPPED.get(summary.stopped, SOME_FAILED)
    return SOME_FAILED if summary.states["failed"] else 0

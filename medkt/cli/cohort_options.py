"""What `medkt batch` and `medkt evaluate` share: their options, and what these make of a run."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from medkt.cli.console import drawing_on
from medkt.cli.threads import add_threads, require_threads

if TYPE_CHECKING:
    from medkt.concepts import Concept
    from medkt.runs.engine import Engine, RunnerFactory
    from medkt.runs.folder import RunFolder
    from medkt.runs.progress import Summary
    from medkt.runs.work import Shard
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.segment.scoring import Scoring
    from medkt.tasks.segment.studies import StudyRunnerFactory

STOPPED = {"interrupted": 130, "terminated": 143, "hung up": 129}
SOME_FAILED = 4
LONGEST_CASE_S = 6 * 3600.0  # the largest encoders on a processor take an hour or two for a thorax of thin slices
NAMED = 10  # failed cases that are named on the terminal


# ---- options


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How studies are read, cut and written; which series and volume stands in the manifest."""
    from medkt.cli.segment import add_seg

    parser.add_argument(
        "--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"),
        help="what the studies are, where neither the manifest nor the file says it",
    )  # fmt: skip
    parser.add_argument("--regrid", action="store_true", help="resample tilted or irregular series to a regular grid")
    parser.add_argument(
        "--allow-incomplete", action="store_true",
        help="read what is left of studies of which files are empty, cut, absent or not readable; the result says so",
    )  # fmt: skip
    parser.add_argument("--window", metavar="NAME", help="how values are shown; see `medkt segment`")
    parser.add_argument("--axis", type=int, choices=(0, 1, 2), help="cut across slices (0), rows (1) or columns (2)")
    parser.add_argument("--step-mm", type=float, metavar="MM", help="least distance between the planes looked at")
    parser.add_argument(
        "-f", "--format", default="nifti,png", metavar="LIST",
        help="nifti, dicom-seg, png, nrrd, mha (default: %(default)s); a DICOM SEG names its patient, as DICOM wants it",
    )  # fmt: skip
    add_seg(parser)


def add_site(parser: argparse.ArgumentParser) -> None:
    """Whose calibrations decide presence."""
    parser.add_argument(
        "--site", metavar="NAME",
        help="decide presence by the calibrations of this site (`medkt calibrate` makes them) and not by the threshold",
    )  # fmt: skip


def add_work(parser: argparse.ArgumentParser) -> None:
    """Who works, on which part, and when it stops."""
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster")
    parser.add_argument("--ray-address", metavar="ADDRESS", help="of a Ray cluster that runs; else one is started here")
    parser.add_argument("-w", "--workers", type=int, default=1, metavar="N", help="how many hold the models at once")
    add_threads(parser)
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only this part of the manifest, counted from 1")
    parser.add_argument(
        "--strict", action="store_true",
        help="going on, an input counts as changed by its bytes, which are read each time, and not by its size and time",
    )  # fmt: skip
    parser.add_argument(
        "--accept-versions", action="store_true",
        help="go on with rows that other versions or weights made; each row says in made_with what made it",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, metavar="S", default=LONGEST_CASE_S,
        help=f"seconds one case may take, {LONGEST_CASE_S:.0f} unless given; 0 for no limit",
    )  # fmt: skip
    parser.add_argument("--max-failures", metavar="N|P%", help="stop when more cases than this have failed")


def add_privacy(parser: argparse.ArgumentParser) -> None:
    """What of the manifest shows."""
    parser.add_argument("--keep-ids", action="store_true", help="the manifest's ids are pseudonyms already: use them")
    parser.add_argument("--salt", type=Path, metavar="FILE", help="the salt of another run, so that case names agree")
    parser.add_argument(
        "--keep-column", nargs="+", action="extend", default=[], metavar="NAME",
        help="columns of the manifest that go into the result table (sex, scanner ...)",
    )  # fmt: skip


def require_work(arguments: argparse.Namespace) -> "Shard":
    """Which part of the manifest; with it, what is misspelt among the options of `add_work` shows before a folder is made.

    Raises:
        SettingsError: no workers, no threads, no such shard, no such limit.
    """
    from medkt.errors import SettingsError
    from medkt.runs.coordinator import Limit
    from medkt.runs.work import Shard

    if arguments.workers < 1:
        raise SettingsError(f"--workers {arguments.workers}: at least 1 is needed")
    if not arguments.timeout >= 0:
        raise SettingsError(f"--timeout {arguments.timeout}: expected seconds, or 0 for no limit")
    require_threads(arguments)
    Limit.parse(arguments.max_failures or "100%")
    return Shard.parse(arguments.shard)


# ---- what is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The findings that a run looks for.

    Attributes:
        concepts: by id; those that rows of the manifest name are added as they are met.
        own: ids of those that the options ask of every case.
        learnt: the concepts of the packages, by id.
        packages: the `.medkt` files, and the SHA-256 of each one's manifest.
    """

    concepts: "dict[str, Concept]"
    own: tuple[str, ...]
    learnt: "Mapping[str, Concept]"
    packages: Mapping[Path, str]

    def identify(self, name: str) -> str:
        """The id of what a row calls a concept; a learnt concept of that id or name comes first.

        Raises:
            UnknownNameError: there is none of this name.
        """
        from medkt.concepts import load_concept

        concept = next((one for one in self.learnt.values() if one.is_called(name)), None) or load_concept(name)
        self.concepts[concept.id] = concept
        return concept.id


def asked_of(arguments: argparse.Namespace) -> Asked:
    """What `-c` and `-p` ask for, each once; nothing, where they are not given.

    Raises:
        SettingsError: a concept has the id of a learnt one and other words.
        MedktError: a name has no or several meanings, or a package is not sound.
    """
    from medkt.cli.segment import modality_of, packages_of
    from medkt.concepts import read_package
    from medkt.errors import SettingsError
    from medkt.pipeline import concept_in, wanted_in

    modality = modality_of(arguments)
    packages = {Path(name).resolve(): read_package(name) for name in packages_of(arguments)}
    learnt = {concept.id: concept for package in packages.values() for concept in package.concepts}
    concepts: dict[str, Concept] = {}
    for one in wanted_in(arguments.concept, arguments.prompt, modality=modality):
        concept = concept_in(one, modality or "")
        if concept.digest != learnt.get(concept.id, concept).digest:
            raise SettingsError(
                f"{concept.id} is asked for with other words than those it was learnt with; leave one of the two out"
            )
        concepts[concept.id] = concept
    _require_words(arguments, concepts.values())
    digests = {path: package.digest for path, package in packages.items()}
    return Asked(concepts=concepts, own=tuple(concepts), learnt=learnt, packages=digests)


def _require_words(arguments: argparse.Namespace, concepts: "Iterable[Concept]") -> None:
    """That the encoder knows words of the users' own texts, before a folder is made; each worker asks for all texts."""
    from medkt.concepts import concepts as shipped
    from medkt.models.registry import load_encoder
    from medkt.pipeline.words import require_words

    own = [one for one in concepts if shipped().get(one.id) != one]
    if own and arguments.engine == "local":  # the machine that starts a cluster's run need not have the weights
        require_words(own, load_encoder(arguments.model))


def manifest_plan_of(
    arguments: argparse.Namespace, asked: Asked, folder: "RunFolder", shard: "Shard", columns: Sequence[str]
) -> "CasePlan":
    """The cases of `--manifest`; with it `asked` holds every concept that any of them asks for."""
    from medkt.tasks.manifest import plan_of

    plan = plan_of(
        arguments.manifest, concepts=asked.identify, asked=asked.own, shard=shard, keep_ids=arguments.keep_ids,
        columns=columns, cache=folder.path / "manifest.json",
    )  # fmt: skip
    return worded(arguments, plan)


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """Sentences of single images."""
    parser.add_argument(
        "--prompts", type=Path, metavar="FILE",
        help="a sentence for each image, asked beside the concept's own words in rows of its own: JSON {file name: sentence}, or "
        "CSV with file and prompt",
    )  # fmt: skip
    parser.add_argument(
        "--prompts-missing", choices=("refuse", "own"), default="refuse",
        help="images without a sentence there: refuse them beforehand, or ask them in the concept's own words alone",
    )  # fmt: skip


def worded(arguments: argparse.Namespace, plan: "CasePlan") -> "CasePlan":
    """The plan, with the sentences of `--prompts` where they are given.

    Raises:
        SettingsError: beside learnt concepts or a site, which know the concepts' own words alone.
        InputError: as `Plan.with_prompts`, or the file is unusable.
    """
    if arguments.prompts is None:
        return plan
    from medkt.cli.segment import packages_of
    from medkt.datasets.prompts import read_prompts
    from medkt.errors import SettingsError

    if packages_of(arguments) or arguments.site:
        raise SettingsError(
            "--prompts: a learnt concept and a site's calibration are of a concept's own words; leave --prompts out, or .medkt "
            "files and --site"
        )
    prompts = read_prompts(arguments.prompts, missing=arguments.prompts_missing)
    if not arguments.quiet:
        known = prompts.published_as or "not a known published file"
        print(f"medkt: {arguments.prompts}: {known}; rows of its sentences are stamped oracle_prompt", file=sys.stderr)
    return plan.with_prompts(prompts)


# ---- what does the work


def factory_of(
    arguments: argparse.Namespace,
    folder: "RunFolder",
    asked: Asked,
    *,
    learnt: bool = True,
    scoring: "Scoring | None" = None,
    command: str = "evaluate",
) -> "StudyRunnerFactory":
    """What each worker makes its models of; `learnt=False` leaves the packages' weights out, and asks their words.

    Raises:
        SettingsError: options that do not go together.
    """
    from medkt.cli.segment import formats_of, is_guarded, published_of, require_deciding, settings_of, view_of
    from medkt.estimates.batch import FirstStudy
    from medkt.tasks.segment.scoring import Scoring
    from medkt.tasks.segment.studies import StudyRunnerFactory

    ahead = FirstStudy(workers=arguments.workers, threads=arguments.threads, device=arguments.device)
    settings = settings_of(arguments)
    require_deciding(arguments, settings)
    return StudyRunnerFactory(
        run=folder, concepts=dict(asked.concepts), model=arguments.model, segmenter=arguments.segmenter,
        device=arguments.device, settings=settings, preset=arguments.preset, as_published=published_of(arguments, command),
        view=view_of(arguments), regrid=arguments.regrid, allow_incomplete=arguments.allow_incomplete,
        formats=formats_of(arguments), packages=tuple(asked.packages) if learnt else (),
        together=arguments.together and learnt, site=arguments.site or "", guarded=is_guarded(arguments), scoring=scoring or Scoring(),
        foretell=None if arguments.quiet else ahead,
    )  # fmt: skip


def identity_of(
    arguments: argparse.Namespace, asked: Asked, plan: "CasePlan", factory: "StudyRunnerFactory"
) -> dict[str, Any]:
    """All that the results depend on, the digests of models and calibrations aside: the workers tell those."""
    from medkt.about import __version__
    from medkt.records import as_plain
    from medkt.tasks.segment.studies import concept_digest

    learnt = {"packages": [asked.packages[path] for path in factory.packages], "together": factory.together}
    return {
        "medkt": __version__,
        "manifest": plan.digest,
        "shard": str(plan.shard),
        **of_work(arguments),
        "patients": patients_word(plan),
        "concepts": {name: concept_digest(concept) for name, concept in sorted(factory.concepts.items())},
        "asked": list(plan.asked),
        "preset": factory.preset,
        **({"as_published": as_plain(factory.as_published)} if factory.as_published else {}),
        "settings": as_plain(factory.settings),
        "view": as_plain(factory.view),
        "regrid": factory.regrid,
        "formats": as_plain(factory.formats),
        "ids": "the manifest's" if plan.keep_ids else "pseudonyms",
        "columns": list(plan.columns),
        **({"prompts": plan.prompts.as_json()} if plan.prompts else {}),
        **(learnt if factory.packages else {}),
        **({"site": factory.site} if factory.site else {}),
        "guarded": factory.guarded,  # runs of earlier versions say nothing of it, and were not
        **({"allow_incomplete": True} if factory.allow_incomplete else {}),
    }


def of_work(arguments: argparse.Namespace) -> dict[str, Any]:
    """What of the options of work belongs to a run's identity."""
    return {"threads": arguments.threads, "inputs": "bytes" if arguments.strict else "sizes and times"}


def salt_of(folder: "RunFolder", whole: Path, given: Path | None) -> bytes:
    """The salt of a run, or of its shard: shards that share a folder share a salt, so that their names belong together."""
    from medkt.runs.folder import RunFolder

    if folder.path == whole:
        return folder.salt(given)
    run = RunFolder(whole)
    run.salt(given)
    return folder.salt(run.path / "salt")


def engine_of(arguments: argparse.Namespace, factory: "RunnerFactory", folder: "RunFolder") -> "Engine":
    """The workers."""
    from medkt.runs.local import LocalEngine

    options = {"workers": arguments.workers, "threads": arguments.threads, "timeout_s": arguments.timeout or None}
    if arguments.engine == "local":
        return LocalEngine(factory, folder.workers.resolve(), **options)
    from medkt.runs.ray import RayEngine

    gpus = 1.0 if arguments.device.startswith("cuda") else 0.0
    return RayEngine(factory, folder.workers.resolve(), address=arguments.ray_address, gpus=gpus, **options)


def patients_word(plan: "CasePlan") -> str:
    """What the record of a run says of patients."""
    from medkt.report.run.provisos import EACH_CASE

    return "stated" if plan.patients_stated else EACH_CASE


def run_plan(
    arguments: argparse.Namespace, folder: "RunFolder", plan: "CasePlan", factory: "RunnerFactory", salt: bytes
) -> "Summary":
    """Do what is left of a claimed run, with progress for people or for machines."""
    from medkt.runs.coordinator import Limit, run_cohort
    from medkt.runs.progress import Printer

    limit = Limit.parse(arguments.max_failures or "100%")
    for note in plan.notes:
        print(f"medkt: {note}", file=sys.stderr)
    engine = engine_of(arguments, factory, folder)
    with own_stdout(arguments.json and arguments.engine == "ray") as out:
        watcher = Printer(out=drawing_on(sys.stderr), stream=out if arguments.json else None, quiet=arguments.quiet)
        summary = run_cohort(
            folder, replace(plan, strict=arguments.strict), engine, salt=salt, limit=limit, watcher=watcher,
            accept_versions=arguments.accept_versions,
        )  # fmt: skip
    say_failures(folder, plan, watcher.words)
    return summary


def say_failures(folder: "RunFolder", plan: "CasePlan", words: Mapping[int, str] | None = None) -> None:
    """Which cases failed and why, on standard error.

    A manifest's cases are named by their place in it, and by id and file only on a terminal: logs of a cohort are passed on.
    Files hold pseudonyms only. `words` are what errors of this run said, by the case's number, for the terminal too; else,
    as for those of an earlier run, there is the sentence of the code.
    """
    from medkt.io.table import read_rows
    from medkt.runs.columns import CASE

    table = folder.table("failures")
    failed = {int(row["number"]): row for _, row in read_rows(table)} if table.is_file() else {}
    open_names = plan.of_masks or sys.stderr.isatty()
    for number, case in plan.numbered(sorted(failed)[:NAMED]):
        row = failed[number]
        files = "; reference ".join(map(str, (case.image, *case.references)))
        named = f"case {case.case_id} ({files})" if open_names else f"case {number} of the manifest ({row[CASE]})"
        why = (words or {}).get(number, row["message"]) if open_names else row["message"]
        print(f"medkt: {named}: {row['failure']}: {why}", file=sys.stderr)
    if failed:
        more = f"{len(failed) - NAMED} more; " if len(failed) > NAMED else ""
        where = "failures.csv of the run" if not open_names else str(folder.table("failures", "csv"))
        pseudonyms = (
            "" if plan.keep_ids else ", where cases have pseudonyms and the column number is their place in the input"
        )
        print(f"medkt: {more}all failures stand in {where}{pseudonyms}", file=sys.stderr)


@contextmanager
def own_stdout(alone: bool) -> Iterator[TextIO]:
    """Standard output; with `alone` for this stream only: what libraries print goes to standard error meanwhile.

    Ray says on standard output that a node has died, in the middle of what a machine reads as JSON lines.
    """
    if not alone:
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with open(os.dup(kept), "w", encoding="utf-8", buffering=1) as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def run_arms(
    arguments: argparse.Namespace, run_arm: "Callable[..., Summary]", *, learnt: bool
) -> "tuple[dict[str, Path], list[Summary]]":
    """Base alone; or, where something learnt is asked for, base and then KT over the same cases; a stopped one is the last.

    `run_arm` is called with the run's folder, whether it is that of what was learnt, and the file of the salt.
    """
    from medkt.tasks.arms import ARMS

    folders = {arm: arguments.output / arm for arm in ARMS} if learnt else {ARMS[0]: arguments.output}
    done: list[Summary] = []
    for arm, path in folders.items():
        salt = folders["base"] / "salt" if arm == "kt" else arguments.salt
        done.append(run_arm(path, learnt=arm == "kt", salt=salt))
        if done[-1].stopped:
            break
    return folders, done


def shard_exit(arguments: argparse.Namespace, folders: Mapping[str, Path], done: "Sequence[Summary]") -> int:
    """Say what follows a shard of an evaluation, which has no statistics of its own; gives the exit code."""
    merges = "; ".join(f"medkt batch merge {path}" for path in folders.values())
    print(f"medkt: a shard; when all are done: {merges}; medkt evaluate {arguments.output}", file=sys.stderr)
    return max(exit_code(one) for one in done)


def exit_code(summary: "Summary") -> int:
    """0, 4 where cases failed, 129, 130 and 143 where a signal ended the run; says on stderr why it ended."""
    if summary.stopped:
        print(f"medkt: {summary.stopped}; the same command goes on from here", file=sys.stderr)
        return STOPPED.get(summary.stopped, SOME_FAILED)
    return SOME_FAILED if summary.states["failed"] else 0

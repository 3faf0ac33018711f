"""`medkt segment`: studies and words in, masks, pictures and numbers out; the models are loaded once for all of them."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.about import demonstration_of
from medkt.cli.ahead import Ahead
from medkt.cli.dry_run import add_dry_run, plan_segment
from medkt.cli.mask_options import add_mask_choice, choice_of, given
from medkt.cli.outputs import add_output, require_output
from medkt.cli.published import WINDOW, Given, add_as_published, settle, standing_of
from medkt.cli.threads import add_threads, use_threads

if TYPE_CHECKING:
    from medkt.calibration import Calibration, ScoringKey
    from medkt.concepts import Concept
    from medkt.pipeline import Pipeline, Progress, Study, StudyResult, View
    from medkt.report.formats import Formats
    from medkt.report.write import Decided
    from medkt.segmentation.slicewise import SegmentationSettings
    from medkt.spatial import Image

log = logging.getLogger(__name__)

SAME_VOXELS = "equal voxels at the same place as another study of this run: the same study under two names counts once"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--input", type=Path, nargs="+", required=True, metavar="STUDY",
        help="a DICOM file, folder, zip or DICOMDIR; NIfTI, NRRD or MetaImage; PNG, JPEG or TIFF; several are done one after another",
    )  # fmt: skip
    add_output(parser, "FOLDER", "where the results go")
    add_words(parser, learnt=True)
    parser.add_argument(
        "-f", "--format", default="nifti,png", metavar="LIST",
        help="of the masks: nifti, dicom-seg, png, nrrd (a segmentation of 3D Slicer), mha, several with commas (default: %(default)s); png is the overlay picture",
    )  # fmt: skip
    add_seg(parser)
    add_reading(parser)
    add_models(parser)
    add_threads(parser)
    add_guard(parser)
    parser.add_argument(
        "--site", metavar="NAME",
        help="decide presence by the calibrations of this site (`medkt calibrate` makes them) and not by the threshold",
    )  # fmt: skip
    parser.add_argument(
        "--reference", type=Path, help="a reference mask to score against (one study, one finding): DSC, NSD, IoU"
    )
    add_mask_choice(parser)
    parser.add_argument(
        "--keep-names", action="store_true", help="name folders after the input files (may identify a patient)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument("--json", action="store_true", help="one JSON line a study on stdout")
    add_dry_run(parser)


def add_guard(parser: argparse.ArgumentParser) -> None:
    """Whether an answer may be held back."""
    parser.add_argument(
        "--no-guard", action="store_true",
        help="answer also where a study does not look like its modality, or words are half understood; results say so",
    )  # fmt: skip


def is_guarded(arguments: argparse.Namespace) -> bool:
    """Whether an answer may be held back: not where the user says so, and not in a published way, which holds nothing back."""
    return not arguments.no_guard and arguments.as_published is None


def guard_words(arguments: argparse.Namespace) -> str:
    """For a plan: "on", or "off" and why."""
    if arguments.no_guard:
        return "off (--no-guard): an answer is given whatever the study looks like"
    return "on" if is_guarded(arguments) else f"off ({arguments.as_published}, as published, holds no answer back)"


def add_seg(parser: argparse.ArgumentParser) -> None:
    """What of a study without mask goes into the DICOM SEG all the same."""
    parser.add_argument(
        "--seg-every-frame", action="store_true",
        help="a frame for every slice in the DICOM SEG, for viewers that misplace what lies behind a gap",
    )  # fmt: skip
    parser.add_argument(
        "--seg-empty-segments", action="store_true",
        help="a segment for every finding in the DICOM SEG, those without mask too (one frame, or all)",
    )  # fmt: skip


def formats_of(arguments: argparse.Namespace) -> "Formats":
    """What is written of each study."""
    from medkt.report.formats import Formats

    return Formats.parse(
        arguments.format, seg_every_frame=arguments.seg_every_frame, seg_empty_segments=arguments.seg_empty_segments
    )


def add_words(parser: argparse.ArgumentParser, *, learnt: bool = False) -> None:
    """`-p` and `-c`, for every command that asks for findings; `learnt` where it takes `.medkt` files too."""
    parser.add_argument(
        "-p", "--prompt", action="append", default=[], metavar="TEXT", help="free text; may be repeated"
    )
    files = "YAML files, or .medkt files of learnt concepts" if learnt else "or YAML files"
    parser.add_argument(
        "-c", "--concept", nargs="+", action="extend", default=[], metavar="CONCEPT",
        help=f"names of concepts (`medkt concepts` lists them), {files}",
    )  # fmt: skip
    if learnt:
        parser.add_argument(
            "--together", action="store_true",
            help="sum what was learnt for several concepts into one encoder; by default each concept has its own",
        )  # fmt: skip


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How the input is read and cut."""
    parser.add_argument(
        "--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"),
        help="what the study is; DICOM says so itself, for NIfTI and pictures it must be said",
    )  # fmt: skip
    parser.add_argument(
        "--series", metavar="UID", help="which series of a folder: its UID, the start of it, or its number"
    )
    parser.add_argument(
        "--volume",
        metavar="N",
        help="which volume of a file that holds several: its number from 1; of a DICOM series also its words ('echo 2', b1000)",
    )
    parser.add_argument("--regrid", action="store_true", help="resample a tilted or irregular series to a regular grid")
    parser.add_argument(
        "--allow-incomplete", action="store_true",
        help="read what is left of a study of which files are empty, cut, absent or not readable; the result says so",
    )  # fmt: skip
    parser.add_argument(
        "--window", metavar="NAME", help="how values are shown: lung, soft, brain ... or width/level, or 'file'"
    )
    parser.add_argument("--axis", type=int, choices=(0, 1, 2), help="cut across slices (0), rows (1) or columns (2)")
    parser.add_argument(
        "--step-mm", type=float, metavar="MM", help="least distance between the planes looked at; 0 for all"
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    """Which models, where, and with which settings."""
    parser.add_argument(
        "-m", "--model", default="small", help="the encoder: a name of `medkt models list`, or a weights file"
    )
    parser.add_argument("--segmenter", default=None, help="the segmenter (default: small with small, else sam-vit-b)")
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    parser.add_argument(
        "--preset", default="default", action=Given, metavar="NAME", help="default, m2ib, medclip-samv2 ..."
    )
    add_as_published(parser)
    parser.add_argument("--settings", type=Path, metavar="YAML", help="a file of settings over the preset")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as m2ib.beta=0.2"
    )


def run(arguments: argparse.Namespace) -> int:
    """Segment each study; 4 where some failed and others did not, else the code of the failure."""
    from medkt.codes import told
    from medkt.errors import MedktError, SettingsError
    from medkt.pipeline.words import require_words
    from medkt.report.names import kept_names, require_each_once
    from medkt.report.write import prepare_folder, require_no_result, write_result
    from medkt.saliency import KeptTexts, texts_kept

    require_output(arguments, "FOLDER")
    formats = formats_of(arguments)
    settle(arguments, "segment", "segmentation")
    require_deciding(arguments, settings_of(arguments))
    wanted = wanted_of(arguments)
    several = len(arguments.input) > 1
    if arguments.reference and (several or len(wanted) != 1):
        raise SettingsError("--reference goes with one study and one finding")
    if given(arguments) and not arguments.reference:
        raise SettingsError(f"{given(arguments)[0]} says what is inside a --reference, and none is given")
    choice_of(arguments)
    require_each_once(arguments.input)
    names = kept_names(arguments.input) if arguments.keep_names else ("",) * len(arguments.input)
    if arguments.dry_run:
        return plan_segment(arguments, wanted, names)
    prepare_folder(arguments.output)
    if not several:  # of several the folders are named after what is in the files
        require_no_result(arguments.output, overwrite=arguments.overwrite)
    pipeline = pipeline_of(arguments)
    require_words(wanted, pipeline.encoder)
    failures: list[MedktError] = []
    kept, done = KeptTexts(), _Done()
    for path, own in zip(arguments.input, names, strict=True):
        try:
            if several and own:
                require_no_result(arguments.output / own, overwrite=arguments.overwrite)
            ahead = Ahead(arguments, pipeline, str(path.name))
            with texts_kept(kept), progress(arguments.quiet or arguments.json, str(path.name)) as tick:
                result, decided = _segmented(pipeline, path, wanted, arguments, ahead.told(tick), ahead.before)
            result, name = done.noted(result, own, path)
            folder = arguments.output / name if several else arguments.output
            written = write_result(
                result, folder, formats=formats, name=name, overwrite=arguments.overwrite, decided=decided
            )
            _say(path, written, as_json=arguments.json)
            done.say_demonstration(result, as_json=arguments.json)
            done.add(result, name, path)
        except MedktError as error:
            if not several:
                raise
            failures.append(error)
            print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"status": "failed", "input_path": str(path), **told(error)}, allow_nan=False))
    if failures:
        print(f"medkt: {len(failures)} of {len(arguments.input)} studies failed", file=sys.stderr)
        return 4 if len(failures) < len(arguments.input) else failures[0].exit_code
    return 0


@dataclass(slots=True)
class _Done:
    """The studies of this run that are written: the folders they took, and where each digest was met first."""

    folders: set[str] = field(default_factory=set)
    paths: dict[str, Path] = field(default_factory=dict)

    def say_demonstration(self, result: "StudyResult", *, as_json: bool) -> None:
        """After the first study, for all of them; in JSON every record says it."""
        if not self.paths and not as_json:
            say_demonstration(result.encoder.name)

    def noted(self, result: "StudyResult", own: str, path: Path) -> "tuple[StudyResult, str]":
        """The result, which says so where its voxels were met before, and its name: its own one, or one from its digest.

        No two studies of a run take one folder: of those that have equal voxels the second is `case-...-2`.
        """
        from medkt.report.names import free_name
        from medkt.report.write import case_name

        if first := self.paths.get(result.image.provenance.digest):
            log.warning("%s: the same study as %s: equal voxels at the same place", path, first)
            result = replace(result, warnings=(*result.warnings, SAME_VOXELS))
        return result, own or free_name(case_name(result), self.folders)

    def add(self, result: "StudyResult", name: str, path: Path) -> None:
        self.folders.add(name)
        self.paths.setdefault(result.image.provenance.digest, path)


def concepts_of(arguments: argparse.Namespace) -> "tuple[Concept, ...]":
    """What the user asked for, each once; every name has to have one meaning, by itself or with `--modality`.

    Learnt concepts are refused: here nothing would lay their weights over the encoder.
    """
    from medkt.pipeline import concept_in

    for name in packages_of(arguments):
        concept_in(name)
    return tuple(concept_in(one) for one in wanted_of(arguments))


def wanted_of(arguments: argparse.Namespace) -> "tuple[Concept | str | Path, ...]":
    """What the user asked for, each once; a name stays a name where its meaning depends on what the study is."""
    from medkt.errors import SettingsError
    from medkt.pipeline import wanted_in

    if not arguments.concept and not arguments.prompt:
        raise SettingsError('say what to look for: -p "a description" or -c CONCEPT (`medkt concepts` lists them)')
    return wanted_in(arguments.concept, arguments.prompt, modality=modality_of(arguments))


def packages_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The `.medkt` files among the concepts, each once."""
    return tuple(dict.fromkeys(name for name in arguments.concept if Path(name).suffix == ".medkt"))


def pipeline_of(arguments: argparse.Namespace, command: str = "segment", *, forced: Sequence[str] = ()) -> "Pipeline":
    """The models and settings that the options name; `command` and `forced` as for `published_of`."""
    from medkt.pipeline import Pipeline

    use_threads(arguments)
    log.info("loading %s", arguments.model)
    pipeline = Pipeline.load(
        arguments.model,
        segmenter=arguments.segmenter,
        device=arguments.device,
        settings=settings_of(arguments),
        preset=arguments.preset,
        as_published=published_of(arguments, command, forced=forced),
        guarded=is_guarded(arguments),
    )
    packages = packages_of(arguments)
    return pipeline.with_packages(packages, together=arguments.together) if packages else pipeline


def settings_of(arguments: argparse.Namespace) -> "SegmentationSettings":
    """The preset, with the file of settings over it and single settings over both."""
    from medkt.config import resolve
    from medkt.segmentation.slicewise import SegmentationSettings

    return resolve(SegmentationSettings, preset=arguments.preset, file=arguments.settings, sets=arguments.set)


def published_of(arguments: argparse.Namespace, command: str, *, forced: Sequence[str] = ()) -> dict[str, Any]:
    """What records say of the published way that was asked for; {} where none was.

    Args:
        arguments: after `settle`.
        command: that is run.
        forced: assignments of the command itself.
    """
    if arguments.as_published is None:
        return {}
    settings = settings_of(arguments)
    return standing_of(arguments, command, "segmentation", settings, forced=forced, own=WINDOW).as_json()


def modality_of(arguments: argparse.Namespace) -> str | None:
    """What the user says the studies are; None where the files shall say it."""
    return None if arguments.modality == "auto" else arguments.modality


def view_of(arguments: argparse.Namespace) -> "View":
    """How studies are read and cut."""
    from medkt.pipeline import View

    return View(
        modality=modality_of(arguments), window=arguments.window, axis=arguments.axis, step_mm=arguments.step_mm
    )


def require_deciding(arguments: argparse.Namespace, settings: "SegmentationSettings") -> None:
    """That with `--site` presence is decided at all.

    Raises:
        SettingsError: the settings decide nothing.
    """
    from medkt.errors import SettingsError

    if arguments.site is not None and not settings.presence.gate:
        raise SettingsError(
            "--site decides presence, and with presence.gate=false (a preset may say so) nothing is decided; add "
            "--set presence.gate=true, or leave --site out"
        )
    if arguments.site is not None and settings.texts != "all":
        raise SettingsError(
            "--site decides presence by calibrations, which are of all prompts of a concept, and with texts=first (a preset "
            "may say so) one is asked; add --set texts=all, or leave --site out"
        )


def segment_one(
    pipeline: "Pipeline",
    path: Path,
    concepts: "tuple[Concept | str | Path, ...]",
    arguments: argparse.Namespace,
    tick: "Progress",
    check: "Callable[[Image], None] | None" = None,
    before: "Callable[[Study], None] | None" = None,
) -> Any:
    """Read one study and segment it; `check` sees the image, `before` what is asked of it, before anything is computed."""
    result = pipeline.segment_file(
        path,
        concepts,
        view=view_of(arguments),
        series=arguments.series,
        volume=arguments.volume,
        regrid=arguments.regrid,
        allow_incomplete=arguments.allow_incomplete,
        check=_checked(arguments, check),
        before=before,
        progress=tick,
    )
    if getattr(arguments, "reference", None):
        result = pipeline.score(result, arguments.reference, choice_of(arguments))
    return result


def _checked(
    arguments: argparse.Namespace, check: "Callable[[Image], None] | None" = None
) -> "Callable[[Image], None]":
    """`check`, and that a reference can be scored against, before the models compute and not after."""

    def also(image: "Image") -> None:
        if check is not None:
            check(image)
        if getattr(arguments, "reference", None):
            from medkt.pipeline.run import reference_of

            reference_of(image, arguments.reference, choice_of(arguments))

    return also


def _segmented(
    pipeline: "Pipeline",
    path: Path,
    concepts: "tuple[Concept | str | Path, ...]",
    arguments: argparse.Namespace,
    tick: "Progress",
    before: "Callable[[Study], None]",
) -> "tuple[StudyResult, Decided | None]":
    """As `segment_one`; with `--site` presence is decided by that site's calibrations."""
    import time

    from medkt.calibration import segment_calibrated
    from medkt.errors import InputError, NumericalError
    from medkt.io import read_image
    from medkt.report.write import Decided

    check = formats_of(arguments).require_some
    if arguments.site is None:
        return segment_one(pipeline, path, concepts, arguments, tick, check, before), None
    used: dict[str, Calibration] = {}

    def find(key: "ScoringKey") -> "Calibration":
        used[key.concept] = calibration_for(key, arguments.site)
        return used[key.concept]

    began = time.perf_counter()
    image = read_image(
        path,
        series=arguments.series,
        volume=arguments.volume,
        regrid=arguments.regrid,
        allow_incomplete=arguments.allow_incomplete,
    )
    seconds = time.perf_counter() - began
    try:
        _checked(arguments, check)(image)
        done = segment_calibrated(
            pipeline,
            image,
            concepts,
            view=view_of(arguments),
            site=arguments.site,
            find=find,
            before=before,
            progress=tick,
        )
    except (InputError, NumericalError) as error:
        raise type(error)(f"{path}: {error}") from error
    result = replace(done.result, seconds={"read": seconds, **done.result.seconds})
    if arguments.reference:
        result = pipeline.score(result, arguments.reference, choice_of(arguments))
    return result, Decided(site=arguments.site, decisions=done.decisions, calibrations=used)


def calibration_for(key: "ScoringKey", site: str) -> "Calibration":
    """The site's calibration for exactly this key.

    Raises:
        SettingsError: there is none; says where it would lie, and in what others of the concept differ.
        InputError: its file is damaged.
    """
    from dataclasses import asdict

    from medkt.calibration import calibration_path, find_calibration, lacking, read_calibration
    from medkt.errors import SettingsError

    if (found := find_calibration(key, site=site)) is not None:
        return found
    path = calibration_path(key, site=site)
    wanted = asdict(key)
    others = [asdict(read_calibration(one).key) for one in sorted(path.parent.glob(path.name.replace(key.short, "*")))]
    differs = sorted({", ".join(name for name in wanted if wanted[name] != had[name]) for had in others})
    near = f" (one of this concept differs in: {'; another in: '.join(differs)})" if differs else ""
    raise SettingsError(lacking(key, site=site, more=f", looked for {path}{near}"))


@contextmanager
def progress(hidden: bool, what: str) -> "Iterator[Progress]":
    """A bar on stderr; nothing where it is hidden or stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from medkt.cli.console import drawing_on, shown

    what, console = shown(what), Console(file=drawing_on(sys.stderr))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def tick(stage: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {stage}", completed=done, total=total)

        yield tick


def say_demonstration(encoder: str) -> None:
    """That what the encoder finds is a demonstration, where it is; on standard output, whatever is quiet."""
    if said := demonstration_of(encoder):
        print(f"  {said}")


def say_notes(warnings: Iterable[str]) -> None:
    """What a reader should know, unless `--quiet`."""
    if log.isEnabledFor(logging.WARNING):
        for warning in warnings:
            print(f"  note: {warning}", file=sys.stderr)


def _say(path: Path, written: Any, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {"status": "done", "input_path": str(path), **written.record, "folder": str(written.folder)},
                allow_nan=False,
            )
        )
        return
    print(f"{path}: {written.summary}")
    answered = {finding["reason"] for finding in written.record["findings"] if finding["no_claim"]}
    say_notes(warning for warning in written.record["warnings"] if warning not in answered)
    print(f"  {written.folder}: {', '.join(sorted(written.files))}")

"""`medkt calibrate`: the presence of one concept turned into a decision with a stated false-positive rate, for this site."""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.segment import add_guard, modality_of, progress, say_notes, settings_of, view_of
from medkt.cli.threads import add_threads, use_threads

if TYPE_CHECKING:
    from medkt.calibration import Assessment, Calibration, ScoredCases, Scorer
    from medkt.concepts import Concept
    from medkt.datasets import Case
    from medkt.domains import Domain
    from medkt.models.encoder import DualEncoder
    from medkt.saliency.targets import Asked
    from medkt.statistics import Interval

_PRESUMED = {"manifest": False, "positives": True, "check": None}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Scores normals of this site and says above which score the finding is called present, so that at most a stated share "
        "of normals is. With studies that show the finding it also says probabilities and how many are missed."
    )
    parser.add_argument(
        "concept", metavar="CONCEPT",
        help="name of a concept (`medkt concepts` lists them), YAML file, or .medkt file of a learnt concept",
    )  # fmt: skip
    parser.add_argument(
        "--base", action="store_true",
        help="with a .medkt file: ask its words of the model as it was loaded, the base that `evaluate` puts beside it",
    )  # fmt: skip
    parser.add_argument(
        "-m", "--manifest", type=Path, required=True, metavar="CSV",
        help="studies taken as normal; rows with present 1 count as showing the finding",
    )  # fmt: skip
    parser.add_argument("-p", "--positives", type=Path, metavar="CSV", help="studies known to show the finding")
    parser.add_argument("--check", type=Path, metavar="CSV", help="a second sample, with the column present filled in")
    parser.add_argument(
        "--false-positive-rate", type=float, default=0.05, metavar="RATE",
        help="at most this share of normals is called present (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--miss-rate", type=float, default=0.05, metavar="RATE",
        help="at most this share of studies with the finding is called absent, where enough are given (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--abstain-rate", type=float, default=0.05, metavar="RATE",
        help="without them: of this share of normals, besides, nothing is claimed (default: %(default)s; 0 for none)",
    )  # fmt: skip
    parser.add_argument(
        "--probability", choices=("auto", "platt", "isotonic", "none"), default="auto",
        help="how labelled scores become probabilities (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--site", default="here", metavar="NAME", help="whose studies these are (default: %(default)s)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write here, not to medkt's own folder, where segment looks"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a calibration that is there")
    parser.add_argument(
        "--figure", type=Path, metavar="PNG", help="draw scores, reliability, and risk against coverage"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    _add_looking(parser)


def _add_looking(parser: argparse.ArgumentParser) -> None:
    """Which model and how studies are looked at: a calibration is good for exactly these."""
    parser.add_argument(
        "--model", default="small", help="the encoder: a name of `medkt models list`, or a weights file"
    )
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    parser.add_argument("--preset", default="default", metavar="NAME", help="as for segment")
    parser.add_argument("--settings", type=Path, metavar="YAML", help="as for segment")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for segment")
    parser.add_argument("--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"))
    parser.add_argument("--window", metavar="NAME", help="as for segment")
    parser.add_argument("--axis", type=int, choices=(0, 1, 2), help="as for segment")
    parser.add_argument("--step-mm", type=float, metavar="MM", help="as for segment")
    parser.add_argument("--allow-incomplete", action="store_true", help="as for segment")
    add_guard(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score, calibrate, assess, write; 0 also where the promise did not hold on the second sample, which is said."""
    from datetime import UTC, datetime

    from medkt.calibration import CalibrationSettings, assess, calibrate, write_calibration

    settings = CalibrationSettings(
        false_positive_rate=arguments.false_positive_rate, miss_rate=arguments.miss_rate,
        abstain_rate=arguments.abstain_rate, probability=arguments.probability,
    )  # fmt: skip
    cases = _cases(arguments)
    _refuse_late_errors(arguments, len(cases["manifest"]), settings.false_positive_rate)
    use_threads(arguments)
    scorer = _scorer(arguments, cases)
    _require_free(arguments, scorer)
    scored = {what: _score(scorer, what, listed, arguments) for what, listed in cases.items() if listed}
    own = _together(scored, seed=settings.seed)
    _require_enough(own, settings.false_positive_rate)
    calibration = calibrate(
        scorer.key, own.of(False), own.of(True), settings, site=arguments.site, made=f"{datetime.now(UTC):%Y-%m-%d}"
    )
    calibration = replace(calibration, threads=arguments.threads)
    check = scored["check"].each_image_once().one_a_patient() if "check" in scored else None
    second = {} if check is None else {"check_normals": check.of(False), "check_findings": check.of(True)}
    assessment = assess(calibration, own.of(False), own.of(True), **second)
    if arguments.figure:
        _draw(arguments.figure, calibration, assessment, own)
    # last: where it is there, everything is
    written = write_calibration(calibration, arguments.output, overwrite=arguments.overwrite)
    _say(calibration, assessment, [*_notes(scored, own), *calibration.notes], written, as_json=arguments.json)
    return 0


def _cases(arguments: argparse.Namespace) -> "dict[str, tuple[Case, ...]]":
    """The cases of each manifest, with the labels that they must have."""
    from medkt.datasets import read_manifest
    from medkt.errors import InputError

    listed: dict[str, tuple[Case, ...]] = {}
    for what in _PRESUMED:
        path = getattr(arguments, what)
        listed[what] = read_manifest(path).cases if path else ()
        unsaid = [case.case_id for case in listed[what] if case.present is None]
        if what == "check" and unsaid:
            raise InputError(
                f"{path}: column present: nothing for case {unsaid[0]!r}; say 1 or 0 for each study to check"
            )
        if what == "manifest" and 0 < len(unsaid) < len(listed[what]):
            raise InputError(
                f"{path}: column present: {len(unsaid)} studies say nothing and the others do, case {unsaid[0]!r} for one; "
                "say it for all, or leave the column out and give studies with the finding as --positives"
            )
        if what == "positives" and (denied := [case.case_id for case in listed[what] if case.present is False]):
            raise InputError(
                f"{path}: column present: 0 for case {denied[0]!r}; --positives are studies with the finding"
            )
    return listed


def _refuse_late_errors(arguments: argparse.Namespace, studies: int, rate: float) -> None:
    """What can be known to go wrong before an hour of scoring."""
    from medkt.calibration.conformal import rank_for
    from medkt.errors import OutputError

    rank_for(rate, studies)
    for path in (arguments.output, arguments.figure):
        if path is not None and not path.absolute().parent.is_dir():
            raise OutputError(f"{path}: the folder to write into does not exist; make it first")


def _scorer(arguments: argparse.Namespace, cases: "dict[str, tuple[Case, ...]]") -> "Scorer":
    from medkt.calibration import Scorer, domain_of_cases
    from medkt.guard import default_guard

    kind = domain_of_cases(
        [case for listed in cases.values() for case in listed],
        modality_of(arguments) or "",
        allow_incomplete=arguments.allow_incomplete,
    )
    base, encoder, concept, asked = _asked(arguments, kind)
    return Scorer.of(
        encoder,
        concept,
        kind,
        settings=settings_of(arguments).presence,
        view=view_of(arguments),
        guard=None if arguments.no_guard else default_guard(base),
        asked=asked,
    )


def _asked(arguments: argparse.Namespace, kind: "Domain") -> "tuple[DualEncoder, DualEncoder, Concept, Asked | None]":
    """The encoder as it was loaded, the one that is asked, and what is asked by which directions.

    A learnt concept is asked of the encoder that was taught it, by the package's directions; with `--base` of the one that was
    loaded, by its words.
    """
    from medkt.errors import SettingsError
    from medkt.models.registry import load_encoder
    from medkt.pipeline import concept_in, resolve_device
    from medkt.transfer.packages import Taught, is_package

    learnt = is_package(arguments.concept)
    if arguments.base and not learnt:
        raise SettingsError(f"--base goes with a .medkt file, got {arguments.concept}; leave it out")
    encoder = load_encoder(arguments.model, device=resolve_device(arguments.device))
    if not learnt:
        # its words are checked by the scorer, before any study
        return encoder, encoder, concept_in(arguments.concept, kind.name), None
    taught = Taught.of(encoder, [arguments.concept])
    if len(taught.concepts) > 1:
        names = ", ".join(one.id for one in taught.concepts)
        raise SettingsError(f"{arguments.concept}: holds several concepts ({names}); give the file of one")
    concept = taught.concepts[0]
    if arguments.base:
        return encoder, encoder, concept, None
    return encoder, taught.copy or encoder, concept, taught.asked.get(concept.id)


def _require_free(arguments: argparse.Namespace, scorer: "Scorer") -> None:
    from medkt.calibration import calibration_path
    from medkt.errors import OutputError

    target = arguments.output or calibration_path(scorer.key, site=arguments.site)
    if target.exists() and not arguments.overwrite:
        raise OutputError(f"{target}: exists already; say --overwrite to replace it")


def _score(scorer: "Scorer", what: str, listed: "tuple[Case, ...]", arguments: argparse.Namespace) -> "ScoredCases":
    from medkt.calibration import score_cases

    with progress(arguments.quiet or arguments.json, what) as tick:
        return score_cases(
            scorer,
            listed,
            presumed=_PRESUMED[what],
            allow_incomplete=arguments.allow_incomplete,
            tick=lambda done: tick("scored", done, len(listed)),
        )


def _together(scored: "dict[str, ScoredCases]", *, seed: int) -> "ScoredCases":
    """What the calibration is made from: each image once, and one study a patient."""
    from medkt.calibration import ScoredCases

    parts = [scored[what] for what in ("manifest", "positives") if what in scored]
    return (
        ScoredCases(
            studies=tuple(one for part in parts for one in part.studies),
            present=tuple(one for part in parts for one in part.present),
            patients=tuple(one for part in parts for one in part.patients),
            digests=tuple(one for part in parts for one in part.digests),
        )
        .each_image_once()
        .one_a_patient(seed=seed)
    )


def _require_enough(own: "ScoredCases", rate: float) -> None:
    """That enough normals are left where copies were taken out.

    Raises:
        InputError: they are not; says how many copies there were.
    """
    from medkt.calibration.conformal import rank_for
    from medkt.errors import InputError

    try:
        rank_for(rate, len(own.of(False)))
    except InputError as error:
        raise InputError(f"{_copies(own)}; {error}" if own.copies else str(error)) from error


def _copies(own: "ScoredCases") -> str:
    verb = "study repeats" if own.copies == 1 else "studies repeat"
    return f"{own.copies} {verb} another one's voxels and count for nothing: each image is taken once"


def _notes(scored: "dict[str, ScoredCases]", own: "ScoredCases") -> list[str]:
    notes = [_copies(own)] if own.copies else []
    notes += [f"{own.set_aside} studies were left out: one a patient is taken"] if own.set_aside else []
    for what, part in scored.items():
        kinds = ", ".join(f"{number} {kind}" for kind, number in part.failed.items())
        notes += [f"of --{what} {sum(part.failed.values())} studies could not be scored ({kinds})"] if kinds else []
        lost = f"of --{what} {part.incomplete} studies are incomplete; they were read because that was allowed"
        notes += [lost] if part.incomplete else []
    if "check" in scored and (shared := set(own.patients) & set(scored["check"].patients)):
        notes.append(f"{len(shared)} patients of --check are also in the calibration: it is no second sample for them")
    if "check" in scored and (again := set(own.digests) & set(scored["check"].digests)):
        notes.append(f"{len(again)} images of --check are also in the calibration: it is no second sample with them")
    return notes


def _draw(path: Path, calibration: "Calibration", assessment: "Assessment", own: "ScoredCases") -> None:
    import numpy as np

    from medkt.calibration.figure import draw_calibration
    from medkt.io.atomic import write_atomically

    scores = {kind: np.array([one.score for one in own.of(kind)], np.float64) for kind in (False, True)}
    picture = draw_calibration(calibration, assessment, normals=scores[False], findings=scores[True])
    write_atomically(path, lambda part: part.write_bytes(picture))


def _say(
    calibration: "Calibration", assessment: "Assessment", notes: list[str], written: Path, *, as_json: bool
) -> None:
    from medkt.records import as_plain

    if as_json:
        print(json.dumps(_record(calibration, assessment, notes, written, as_plain), allow_nan=False))
        return
    key, rates = calibration.key, calibration.settings
    findings = 0 if calibration.findings is None else calibration.findings.count
    print(f"{key.concept} ({key.modality}) with {key.model}, site {calibration.site}")
    print(f"  from {calibration.normals.count} normals and {findings} studies with the finding, one a patient")
    print(f"  present above {calibration.present_above:.4g}: at most {rates.false_positive_rate:g} of normals")
    missed = f"at most {rates.miss_rate:g} of findings" if calibration.promises_misses else "no rate of misses promised"
    print(f"  absent up to {calibration.absent_up_to:.4g}: {missed}")
    for line in _measured(assessment):
        print(f"  {line}")
    say_notes(notes)
    print(f"  {written}")


def _measured(assessment: "Assessment") -> list[str]:
    lines = []
    if assessment.auc is not None and assessment.sensitivity is not None:
        lines += [
            f"AUC {_shown(assessment.auc)}",
            f"above the threshold of normals: {_shown(assessment.sensitivity)} of findings",
        ]
    if (held := assessment.held_out) is not None:
        lines.append(
            f"false positives in {held.splits} random halves: {held.mean:.3f} "
            f"({held.low:.3f} to {held.high:.3f} in nine of ten), promised {held.promised:g}"
        )
    if assessment.probabilities is not None and assessment.risk_coverage is not None:
        numbers = assessment.probabilities.numbers
        lines.append(
            f"cross-validated probabilities: calibration error {numbers['ece']:.3f}, Brier {numbers['brier']:.3f}, "
            f"area under risk and coverage {assessment.risk_coverage.area:.4f}"
        )
    for kind, shares in (assessment.check or {}).items():
        if shares.studies:
            lines.append(
                f"second sample, {shares.studies} {'normals' if kind == 'normal' else 'with the finding'}: "
                f"present {_shown(shares.present)}, absent {_shown(shares.absent)}, no claim {_shown(shares.abstain)}, "
                f"of these unlike {_shown(shares.unlike)}"
            )
    return lines


def _shown(interval: "Interval") -> str:
    ends = f" ({interval.low:.3f} to {interval.high:.3f})" if math.isfinite(interval.low) else ""
    return f"{interval.estimate:.3f}{ends}"


def _record(
    calibration: "Calibration", assessment: "Assessment", notes: list[str], written: Path, plain: Any
) -> dict[str, Any]:
    rates = calibration.settings
    return {
        "key": plain(calibration.key), "site": calibration.site, "made": calibration.made, "settings": plain(rates),
        "normals": calibration.normals.count,
        "findings": 0 if calibration.findings is None else calibration.findings.count,
        "present_above": calibration.present_above, "absent_up_to": calibration.absent_up_to,
        "promises_misses": calibration.promises_misses,
        "recognises_unlike": calibration.novelty is not None,
        "assessment": plain(assessment), "notes": notes, "file": str(written),
    }  # fmt: skip

"""`calibrate`: the presence of one concept turned into a decision with a stated false-positive rate, for one site."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import (
    DEVICE,
    ENCODER,
    GuardOptions,
    SettingsOptions,
    ThreadOptions,
    settings_of,
    use_threads,
)
from medkt.requests.option import Option, requested
from medkt.requests.reading import MODALITIES, ViewOptions, modality_of, view_of

if TYPE_CHECKING:
    from medkt.calibration import Assessment, Calibration, ScoredCases, Scorer
    from medkt.concepts import Concept
    from medkt.datasets import Case
    from medkt.domains import Domain
    from medkt.models.encoder import DualEncoder
    from medkt.saliency.targets import ConceptQuery

_PRESUMED = {"manifest": False, "positives": True, "check": None}
AS_SEGMENT = "as for segment"


@dataclass(frozen=True, kw_only=True)
class CalibratedViewOptions(ViewOptions, SettingsOptions):
    """Which model, and how studies are looked at.

    A calibration is good for exactly these.
    """

    model: Annotated[str, Option(ENCODER)] = "small"
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    preset: Annotated[str, Option(AS_SEGMENT, metavar="NAME")] = "default"
    settings: Annotated[Path | None, Option(AS_SEGMENT, metavar="YAML")] = None
    set: Annotated[tuple[str, ...], Option(AS_SEGMENT, metavar="KEY=VALUE", each=True)] = ()
    modality: Annotated[str, Option(choices=MODALITIES)] = "auto"
    window: Annotated[str | None, Option(AS_SEGMENT, metavar="NAME")] = None
    axis: Annotated[Literal[0, 1, 2] | None, Option(AS_SEGMENT)] = None
    step_mm: Annotated[float | None, Option(AS_SEGMENT, metavar="MM")] = None
    allow_incomplete: Annotated[bool, Option(AS_SEGMENT)] = False


@dataclass(frozen=True, kw_only=True)
class CalibrateRequest(CalibratedViewOptions, GuardOptions, ThreadOptions):
    """Of which concept, from which studies, and with which rates."""

    concept: Annotated[
        str,
        Option(
            "name of a concept (`medkt concepts` lists them), YAML file, or .medkt file of a learnt concept",
            positional=True,
            metavar="CONCEPT",
        ),
    ]
    base: Annotated[
        bool,
        Option(
            "with a .medkt file: ask its words of the model as it was loaded, the base that `evaluate` puts beside it"
        ),
    ] = False
    manifest: Annotated[
        Path,
        Option("studies taken as normal; rows with present 1 count as showing the finding", short="-m", metavar="CSV"),
    ]
    positives: Annotated[Path | None, Option("studies known to show the finding", short="-p", metavar="CSV")] = None
    check: Annotated[Path | None, Option("a second sample, with the column present filled in", metavar="CSV")] = None
    false_positive_rate: Annotated[
        float, Option("at most this share of normals is called present (default: %(default)s)", metavar="RATE")
    ] = 0.05
    miss_rate: Annotated[
        float,
        Option(
            "at most this share of studies with the finding is called absent, where enough are given (default: %(default)s)",
            metavar="RATE",
        ),
    ] = 0.05
    abstain_rate: Annotated[
        float,
        Option(
            "without them: of this share of normals, besides, nothing is claimed (default: %(default)s; 0 for none)",
            metavar="RATE",
        ),
    ] = 0.05
    probability: Annotated[
        Literal["auto", "platt", "isotonic", "none"],
        Option("how labelled scores become probabilities (default: %(default)s)"),
    ] = "auto"
    site: Annotated[str, Option("whose studies these are (default: %(default)s)", metavar="NAME")] = "here"
    output: Annotated[
        Path | None,
        Option("write here, not to medkt's own folder, where segment looks", short="-o", metavar="FILE"),
    ] = None
    overwrite: Annotated[bool, Option("replace a calibration that is there")] = False
    figure: Annotated[Path | None, Option("draw scores, reliability, and risk against coverage", metavar="PNG")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateResult:
    """A calibration that was made and written.

    Attributes:
        calibration: the thresholds, and what they are good for.
        assessment: how well they hold on the studies that were given.
        notes: what a reader should know of those studies.
        file: where the calibration was written.
    """

    calibration: "Calibration"
    assessment: "Assessment"
    notes: tuple[str, ...]
    file: Path


def calibrate(
    request: CalibrateRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> CalibrateResult:
    """Score studies, calibrate, assess, and write the calibration of a concept for a site.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Raises:
        InputError: the studies are too few for the rates, or say too little of themselves.
        OutputError: a calibration is there already, or cannot be written.
        MedktError: from the steps. That a promise did not hold on the second sample is no error; the assessment says it.
    """
    from datetime import UTC, datetime

    from medkt.calibration import CalibrationSettings, assess, write_calibration
    from medkt.calibration import calibrate as calibration_of
    from medkt.extras import require

    require("runs", "a calibration")
    request = requested(CalibrateRequest, request, options)
    settings = CalibrationSettings(
        false_positive_rate=request.false_positive_rate, miss_rate=request.miss_rate,
        abstain_rate=request.abstain_rate, probability=request.probability,
    )  # fmt: skip
    cases = _cases(request)
    _refuse_late_errors(request, len(cases["manifest"]), settings.false_positive_rate)
    use_threads(request)
    scorer = _scorer(request, cases)
    _require_free(request, scorer)
    scored = {what: _score(scorer, what, listed, request, listener) for what, listed in cases.items() if listed}
    own = _together(scored, seed=settings.seed)
    _require_enough(own, settings.false_positive_rate)
    calibration = calibration_of(
        scorer.key, own.of(False), own.of(True), settings, site=request.site, made=f"{datetime.now(UTC):%Y-%m-%d}"
    )
    calibration = replace(calibration, threads=request.threads)
    check = scored["check"].each_image_once().one_a_patient() if "check" in scored else None
    second = {} if check is None else {"check_normals": check.of(False), "check_findings": check.of(True)}
    assessment = assess(calibration, own.of(False), own.of(True), **second)
    if request.figure:
        _draw(request.figure, calibration, assessment, own)
    # last: where it is there, everything is
    written = write_calibration(calibration, request.output, overwrite=request.overwrite)
    notes = (*_notes(scored, own), *_notes_on_patients(cases), *calibration.notes)
    return CalibrateResult(calibration=calibration, assessment=assessment, notes=notes, file=written)


def _cases(request: CalibrateRequest) -> "dict[str, tuple[Case, ...]]":
    """The cases of each manifest, with the labels that they must have."""
    from medkt.datasets import read_manifest
    from medkt.errors import InputError

    listed: dict[str, tuple[Case, ...]] = {}
    for what in _PRESUMED:
        path = getattr(request, what)
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
        if what == "positives" and (denied := [case.case_id for case in listed[what] if _is_denied(case)]):
            raise InputError(
                f"{path}: column present: 0 for case {denied[0]!r}; --positives are studies with the finding"
            )
        if what == "manifest":
            _require_no_outline(path, [case for case in listed[what] if case.present is None])
    return listed


def _is_denied(case: "Case") -> bool:
    return case.present is False or case.reference_kind == "empty"


def _require_no_outline(path: Path | None, presumed: Sequence["Case"]) -> None:
    """That no study counts as one without the finding while a reference outlines something in it.

    Raises:
        InputError: one does; a mask may be empty, so the reference itself does not decide.
    """
    from medkt.errors import InputError

    outlined = [case.case_id for case in presumed if case.reference_kind not in ("", "empty")]
    if outlined:
        raise InputError(
            f"{path}: {len(outlined)} studies have a reference that may outline the finding, case {outlined[0]!r} for one, and without "
            "a column present all would count as without it; say 1 or 0 for each"
        )


def _require_of(concept: "Concept", kind: "Domain", cases: "dict[str, tuple[Case, ...]]") -> None:
    """That what a manifest says of a finding's presence is said of this one.

    Raises:
        InputError: a row speaks of another concept.
    """
    from medkt.errors import InputError, MedktError
    from medkt.pipeline import concept_in

    said = [case for listed in cases.values() for case in listed if case.concept and case.present is not None]
    for name in dict.fromkeys(case.concept for case in said):
        try:
            own = concept.is_called(name) or concept_in(name, kind.name).id == concept.id
        except MedktError:
            own = False
        if not own:
            case = next(case for case in said if case.concept == name)
            raise InputError(
                f"case {case.case_id!r}: column present speaks of {name!r}, the row's concept, and not of {concept.id}; give a manifest "
                "of the rows about this concept, or say of it in each row"
            )


def _refuse_late_errors(request: CalibrateRequest, studies: int, rate: float) -> None:
    """What can be known to go wrong before an hour of scoring."""
    from medkt.calibration.conformal import rank_for
    from medkt.errors import OutputError

    rank_for(rate, studies)
    for path in (request.output, request.figure):
        if path is not None and not path.absolute().parent.is_dir():
            raise OutputError(f"{path}: the folder to write into does not exist; make it first")


def _scorer(request: CalibrateRequest, cases: "dict[str, tuple[Case, ...]]") -> "Scorer":
    from medkt.calibration import Scorer, domain_of_cases
    from medkt.guard import default_guard

    kind = domain_of_cases(
        [case for listed in cases.values() for case in listed],
        modality_of(request) or "",
        allow_incomplete=request.allow_incomplete,
    )
    base, encoder, concept, asked = _asked(request, kind)
    _require_of(concept, kind, cases)
    return Scorer.of(
        encoder,
        concept,
        kind,
        settings=settings_of(request).presence,
        view=view_of(request),
        guard=None if request.no_guard else default_guard(base),
        asked=asked,
    )


def _asked(
    request: CalibrateRequest, kind: "Domain"
) -> "tuple[DualEncoder, DualEncoder, Concept, ConceptQuery | None]":
    """The encoder as it was loaded, the one that is asked, and what is asked by which directions.

    A learnt concept is asked of the encoder that was taught it, by the package's directions; with `--base` of the one that was
    loaded, by its words.
    """
    from medkt.errors import SettingsError
    from medkt.models.registry import load_encoder
    from medkt.pipeline import concept_in, resolve_device
    from medkt.transfer.packages import AdaptedEncoder, is_package

    learnt = is_package(request.concept)
    if request.base and not learnt:
        raise SettingsError(f"--base goes with a .medkt file, got {request.concept}; leave it out")
    encoder = load_encoder(request.model, device=resolve_device(request.device))
    if not learnt:
        # its words are checked by the scorer, before any study
        return encoder, encoder, concept_in(request.concept, kind.name), None
    taught = AdaptedEncoder.of(encoder, [request.concept])
    if len(taught.concepts) > 1:
        names = ", ".join(one.id for one in taught.concepts)
        raise SettingsError(f"{request.concept}: holds several concepts ({names}); give the file of one")
    concept = taught.concepts[0]
    if request.base:
        return encoder, encoder, concept, None
    return encoder, taught.copy or encoder, concept, taught.asked.get(concept.id)


def _require_free(request: CalibrateRequest, scorer: "Scorer") -> None:
    from medkt.calibration import calibration_path
    from medkt.errors import OutputError

    target = request.output or calibration_path(scorer.key, site=request.site)
    if target.exists() and not request.overwrite:
        raise OutputError(f"{target}: exists already; say --overwrite to replace it")


def _score(
    scorer: "Scorer", what: str, listed: "tuple[Case, ...]", request: CalibrateRequest, listener: Listener
) -> "ScoredCases":
    from medkt.calibration import score_cases

    with listener.progress(what) as tick:
        return score_cases(
            scorer,
            listed,
            presumed=_PRESUMED[what],
            allow_incomplete=request.allow_incomplete,
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


def _notes_on_patients(cases: "dict[str, tuple[Case, ...]]") -> Iterator[str]:
    """Studies of one patient are alike, and a promise made on them is made on fewer patients than it says."""
    for what, listed in cases.items():
        alone = sum(case.patient_id == case.case_id for case in listed)
        if alone:
            yield (
                f"of --{what} {alone} of {len(listed)} studies name no patient but their own case, so each counts as one: where several "
                "are of one patient the promise does not hold; fill the column patient_id"
            )


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

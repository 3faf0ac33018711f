"""A study's result as a folder: masks, saliency, a picture, `result.json`, `settings.yaml` and `report.html`.

The folder appears complete or not at all: everything is written into a hidden folder beside it, which is then renamed.
Nothing in it names the patient, the input's path or a date; the study is known by the digest of its voxels.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of
from medkt.bounds import read_note
from medkt.calibration import Calibration, Decision
from medkt.datasets.prompts import ORACLE
from medkt.datasets.protocol import LABEL_TUNED
from medkt.errors import MedktError, OutputError
from medkt.io import write_itk_mask, write_itk_saliency, write_nifti_mask, write_png_mask, write_saliency_nifti
from medkt.io.guard import one_line
from medkt.io.moves import is_moving, move_files
from medkt.io.parts import part_beside
from medkt.pipeline import FindingResult, StudyResult
from medkt.pipeline.look import PlaneSelection
from medkt.presence import Presence
from medkt.records import as_plain
from medkt.report.figures import Panel, draw_panels
from medkt.report.formats import SEG_FILE, SegOutcome, write_seg
from medkt.report.formats import Formats as Formats
from medkt.report.sizes import axes_text, measures_record, size_text
from medkt.report.study_page import number_text, render_study
from medkt.report.study_record import (
    FORM,
    CalibrationRecord,
    FindingRecord,
    InputRecord,
    ModelsRecord,
    NormalsRecord,
    ReferenceScores,
    SliceRecord,
    StudyRecord,
)
from medkt.report.words import WORDS_FILE, draw_words, words_record
from medkt.segmentation.slicewise import SliceResult
from medkt.spatial import Image
from medkt.spatial.modality import written_modality

RECORD = "result.json"
ALWAYS = ("overlay.png", "report.html", "settings.yaml")
OTHER_FILES = (*ALWAYS, WORDS_FILE)
_ITK_ENDINGS = {"nrrd": ".seg.nrrd", "mha": ".mha"}  # of masks; each has its field in `Formats`
MOST_PANELS = 12  # rows of the picture; further findings are in the tables only


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles:
    """Where a result is, and what it says."""

    folder: Path
    files: tuple[str, ...]
    record: Mapping[str, Any]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDecisions:
    """What the calibrations of one site decided about a study.

    Attributes:
        site: whose calibrations they are.
        decisions: by concept id.
        calibrations: what each was decided by, by the same ids.
    """

    site: str
    decisions: Mapping[str, Decision]
    calibrations: Mapping[str, Calibration]


def case_name(result: StudyResult) -> str:
    """A name for a study's folder that names nobody: from its digest. Those of files are in `medkt.report.names`."""
    return f"case-{result.image.provenance.digest[:12]}"


def prepare_folder(folder: Path) -> None:
    """Make the output folder, so that what is wrong with it shows before any work is done.

    Raises:
        OutputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = part_beside(folder)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another output folder") from error


def require_no_result(folder: Path, *, overwrite: bool) -> None:
    """Pass silently where a result may be written.

    Raises:
        OutputError: a result stands there already and `overwrite` is not set, or another file has the name of one that
            every result has.
    """
    if (folder / RECORD).exists() and not overwrite:
        raise OutputError(f"{folder}: holds a result already; choose another folder or say --overwrite")
    _require_free(folder, ALWAYS)


def write_result(
    result: StudyResult,
    folder: Path,
    *,
    formats: Formats,
    name: str,
    overwrite: bool = False,
    decided: SiteDecisions | None = None,
) -> ResultFiles:
    """Write everything about one study into `folder`.

    With `overwrite` the files of an earlier result go, all of them. Files that are not of a result are left alone: one
    that has a name which is needed is an error. With `decided` the decisions are those of calibrations.

    Raises:
        OutputError: a result stands there already and `overwrite` is not set, another file is in the way, or writing
            fails; then nothing is changed.
        UnsupportedError: a DICOM SEG is all that was asked for, and none can be written of this study; beside other
            formats that is a note in the result.
    """
    prepare_folder(folder)
    require_no_result(folder, overwrite=overwrite)
    hidden = part_beside(folder)
    try:
        hidden.mkdir()
        record = _write_all(result, hidden, formats, name, decided)
        files = sorted(path.name for path in hidden.iterdir())
        _move_all(hidden, folder, files)
    except MedktError as error:  # it may name a file in the hidden folder, which the user never sees
        raise type(error)(str(error).replace(f"{hidden}{os.sep}", f"{folder}{os.sep}")) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); check space and permission") from error
    finally:
        if not is_moving(hidden):  # a disk that failed on the way there and back: whoever comes next puts it right
            shutil.rmtree(hidden, ignore_errors=True)
    return ResultFiles(folder=folder, files=tuple(files), record=record, summary=summarise(record))


def _require_free(folder: Path, files: Sequence[str]) -> tuple[str, ...]:
    """The files of an earlier result, which may go; a foreign file under one of the names is an error."""
    earlier = _files_of_result(folder)
    foreign = [file for file in files if (folder / file).exists() and file not in earlier]
    if foreign:
        raise OutputError(
            f"{folder / foreign[0]}: stands there and is not of an earlier result; choose another output folder"
        )
    return earlier


def _move_all(hidden: Path, folder: Path, files: Sequence[str]) -> None:
    """Put the new files in the place of an earlier result's; where that fails, everything is as it was."""
    earlier = _require_free(folder, files)
    move_files(hidden, sorted(files, key=lambda name: name == RECORD), earlier=earlier)


def _files_of_result(folder: Path) -> tuple[str, ...]:
    """The files that the result in a folder says are its own; none where there is no result of medkt."""
    try:
        record = read_note(folder / RECORD) or {}
        listed = [file for finding in record["findings"] for file in finding["files"].values()]
        listed += [RECORD, *OTHER_FILES] if record["medkt"] else []
    except (KeyError, TypeError, AttributeError):
        return ()
    return tuple(dict.fromkeys(str(file) for file in listed if Path(str(file)).name == file))


def summarise(record: Mapping[str, Any]) -> str:
    """One line: each finding, seen or not or why nothing is claimed, its score and the sizes of its lesions."""
    parts = []
    for finding in record["findings"]:
        size = f"; {finding['size_text']}" if finding["present"] and finding["size_text"] != "–" else ""
        rule = finding["calibration"]
        rank = "" if rule is None else f", p {rule['p_value']:.2g}"
        scores = _scores_in_words(finding["reference_scores"])
        why = "; ".join(one["sentence"] for one in finding["no_claim"])
        said = f"{finding['decision']}: {why}" if why else finding["decision"]
        parts.append(f"{finding['name']} {said} (score {finding['score']:.2f}{rank}{size}{scores})")
    return "; ".join(parts)


def _scores_in_words(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return ""
    numbers = ", ".join(f"{key} {number_text(value, 3)}" for key, value in scores["numbers"].items())
    rule = scores["reference_rule"]
    return f"; {numbers}" + (f"; inside the reference: {rule}" if rule else "")


def record_of_result(
    result: StudyResult,
    *,
    case: str,
    files: Mapping[str, Mapping[str, str]],
    decided: SiteDecisions | None = None,
    seg: SegOutcome | None = None,
) -> dict[str, Any]:
    """The content of `result.json`: numbers, words, settings and digests; no path, name or date, no NaN, no infinity."""
    return FORM.write(_record_of(result, case, files, decided, seg or SegOutcome()))


def _record_of(
    result: StudyResult,
    case: str,
    files: Mapping[str, Mapping[str, str]],
    decided: SiteDecisions | None,
    seg: SegOutcome,
) -> StudyRecord:
    looked = result.findings[0].looked
    return StudyRecord(
        medkt=__version__, notice=NOT_A_MEDICAL_DEVICE, demonstration=demonstration_of(result.encoder.name) or None,
        case=case, domain=result.domain.name, domain_title=result.domain.title, input=_input_record(result.image),
        orientation=looked.planes.orientation, slice_axis=looked.planes.axis,
        planes=result.image.geometry.shape[looked.planes.axis], planes_scored=len(looked.positions),
        region=looked.region,
        intensity="; ".join(dict.fromkeys(f.looked.intensity.description for f in result.findings)),
        findings=tuple(_finding_record(result, one, files[one.concept.id], decided, seg) for one in result.findings),
        models=ModelsRecord(encoder=result.encoder, segmenter=result.segmenter), preset=result.preset,
        as_published=result.as_published or None, guard=result.guard, label_tuned=result.preset in LABEL_TUNED,
        settings=as_plain(result.settings), threads=torch.get_num_threads(),
        reference=any(finding.case is not None for finding in result.findings),
        warnings=(*result.warnings, *seg.notes),
        formats_refused={} if seg.refused is None else {"dicom-seg": seg.refused},
        seconds={key: round(value, 3) for key, value in result.seconds.items()},
    )  # fmt: skip


def _input_record(image: Image) -> InputRecord:
    geometry, found = image.geometry, image.provenance
    return InputRecord(
        source=found.source, digest=found.digest, modality=written_modality(image.modality), shape=geometry.shape,
        spacing=geometry.spacing, unit=geometry.unit, affine_lps=tuple(map(tuple, geometry.affine.tolist())),
        steps=tuple(found.steps), completeness=found.completeness,
    )  # fmt: skip


def _write_all(
    result: StudyResult, folder: Path, formats: Formats, case: str, decided: SiteDecisions | None
) -> dict[str, Any]:
    files: dict[str, dict[str, str]] = {finding.concept.id: {} for finding in result.findings}
    for finding in result.findings:
        files[finding.concept.id] = _write_finding(result, finding, folder, formats)
    seg = write_seg(result, folder, formats)
    for identifier in seg.segments:
        files[identifier]["dicom_seg"] = SEG_FILE
    said = _record_of(result, case, files, decided, seg)
    record = FORM.write(said)
    lines = (f"medkt {__version__} · {result.encoder.name} · {NOT_A_MEDICAL_DEVICE}", record["demonstration"])
    footer = "\n".join(line for line in lines if line)
    panels = [_panel(result, finding) for finding in result.findings[:MOST_PANELS]]
    picture = draw_panels(panels, footer=footer)
    (folder / "overlay.png").write_bytes(picture)
    settings = yaml.safe_dump(as_plain(result.settings), sort_keys=False, allow_unicode=True)
    (folder / "settings.yaml").write_text(settings, encoding="utf-8")
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    names = ", ".join(finding.concept.name for finding in result.findings[:MOST_PANELS])
    mapped = [(one["name"], one["text_maps"]) for one in record["findings"] if one["text_maps"]]
    if mapped:
        (folder / WORDS_FILE).write_bytes(draw_words(mapped, footer=footer))
    page = render_study(said, settings=settings, pictures={f"Image, saliency and outline of {names}": picture})
    (folder / "report.html").write_text(page, encoding="utf-8")
    return record


def _write_finding(result: StudyResult, finding: FindingResult, folder: Path, formats: Formats) -> dict[str, str]:
    """The files of one finding. Without a claim there is no mask, for an empty one would say that nothing is there."""
    names: dict[str, str] = {}
    identifier, claims = finding.concept.id, finding.found.presence.claims
    if formats.nifti and claims:
        names["mask"] = f"{identifier}.nii.gz"
        write_nifti_mask(result.mask(finding), result.image, folder / names["mask"])
    if formats.nifti and (claims or finding.found.slices):
        names["saliency"] = f"{identifier}_saliency.nii.gz"
        write_saliency_nifti(result.saliency(finding), result.image, folder / names["saliency"])
    for kind, ending in _ITK_ENDINGS.items():
        if getattr(formats, kind) and claims:
            names[f"mask_{kind}"] = f"{identifier}{ending}"
            write_itk_mask(
                result.mask(finding), result.image, folder / names[f"mask_{kind}"], name=finding.concept.name
            )
        if getattr(formats, kind) and (claims or finding.found.slices):
            names[f"saliency_{kind}"] = f"{identifier}_saliency.{kind}"
            write_itk_saliency(result.saliency(finding), result.image, folder / names[f"saliency_{kind}"])
    if formats.png and claims and result.image.geometry.shape[0] == 1:
        names["png"] = f"{identifier}.png"
        write_png_mask(result.mask(finding), result.image, folder / names["png"])
    return names


def _finding_record(
    result: StudyResult,
    finding: FindingResult,
    files: Mapping[str, str],
    decided: SiteDecisions | None,
    seg: SegOutcome,
) -> FindingRecord:
    found, measures = finding.found, finding.measures
    answer = found.presence
    return FindingRecord(
        concept=finding.concept.id, name=finding.concept.name, concept_digest=finding.concept.digest,
        prompts=tuple(finding.texts.prompts), oracle_prompt=finding.concept.source == ORACLE,
        words_notes=finding.words_notes, normal_captions=tuple(finding.texts.normal),
        contrast_captions=tuple(finding.texts.confusable), window=finding.looked.intensity.name,
        present=answer.present and answer.claims, decision=answer.state, no_claim=answer.reasons,
        score=round(answer.score, 6), threshold=_rounded(answer.strong), normals=_normals_record(answer), no_normals=answer.no_normals,
        reason=answer.reason, calibration=_calibration_record(finding, decided),
        specificity=_rounded_or_none(finding.specificity), text_maps=words_record(finding),
        slice_disagreement=_rounded_or_none(found.disagreement), pieces_dropped=found.dropped,
        measures=measures_record(measures), size_text=size_text(measures), diameter_text=axes_text(measures),
        slices_with_mask=len({piece.index for piece in found.pieces}),
        slices=tuple(_slice_record(finding.looked, piece) for piece in found.slices),
        reference_scores=_scores_record(finding), files=files, segment=seg.segments.get(finding.concept.id),
    )  # fmt: skip


def _slice_record(looked: PlaneSelection, piece: SliceResult) -> SliceRecord:
    boxes = np.round(looked.on_whole(piece.prompts.boxes_xyxy), 2).tolist()
    return SliceRecord(
        index=looked.index(piece.index), score=round(piece.score, 4), boxes_xyxy=tuple(map(tuple, boxes)),
        regions=tuple(piece.regions),
        specificity=None if piece.map.specificity is None else round(piece.map.specificity.index, 4),
    )  # fmt: skip


def _normals_record(presence: Presence) -> NormalsRecord | None:
    """How many studies that hold nothing were asked the same, and the share that scored as much; None where none were."""
    if presence.null is None:
        return None
    reached = float((presence.null >= presence.score).mean())
    return NormalsRecord(studies=len(presence.null), reached_by=_rounded(reached))


def _scores_record(finding: FindingResult) -> ReferenceScores | None:
    """The scores against the reference, and by which rule its voxels were taken from the file; None without one."""
    case, reference = finding.case, finding.reference
    if case is None:
        return None
    return ReferenceScores(
        numbers={key: _rounded(value) for key, value in case.numbers.items()}, missing=dict(case.unwritable),
        outcome=case.outcome, reference_rule="" if reference is None else "; ".join(reference.provenance.steps),
    )  # fmt: skip


def _calibration_record(finding: FindingResult, decided: SiteDecisions | None) -> CalibrationRecord | None:
    """What decided and what it promises; None where the threshold of the settings did."""
    if decided is None or finding.concept.id not in decided.decisions:
        return None
    decision, rule = decided.decisions[finding.concept.id], decided.calibrations[finding.concept.id]
    claims = finding.found.presence.claims
    return CalibrationRecord(
        site=decided.site, key=rule.key.short, outcome=decision.outcome if claims else "abstain",
        p_value=decision.p_value, probability=decision.probability if claims else None, unlike=decision.unlike,
        false_positive_rate=rule.settings.false_positive_rate,
        miss_rate=rule.settings.miss_rate if rule.promises_misses else None,
        present_above=rule.present_above, absent_up_to=rule.absent_up_to, calibration_normals=rule.normals.count,
        calibration_findings=0 if rule.findings is None else rule.findings.count,
    )  # fmt: skip


def _panel(result: StudyResult, finding: FindingResult) -> Panel:
    """The clearest slice: that with the highest score among those with a mask, else among all."""
    found, looked = finding.found, finding.looked
    masks = dict(found.masks())
    scores = {position: float(s) for position, s in zip(looked.positions, found.presence.scores, strict=True)}
    position = max(masks or scores, key=lambda p: (scores[p], -p))
    plane = result.plane(finding, position)
    slices = {piece.index: piece for piece in found.slices}
    here = slices.get(position)
    where = f", plane {looked.index(position)}" if len(looked.positions) > 1 else ""
    rows, columns = looked.planes.spacing(result.image.geometry)
    reference = finding.reference
    return Panel(
        plane=plane,
        saliency=here.map.on_plane(found.resize) if here else None,
        mask=masks.get(position, np.zeros(plane.shape, dtype=bool)),
        boxes_xyxy=here.prompts.boxes_xyxy if here else np.zeros((0, 4), np.float32),
        title=f"{one_line(finding.concept.name, 40)}{where}",
        caption=_caption(finding),
        aspect=rows / columns,
        colour=finding.concept.colour,
        reference=None
        if reference is None
        else looked.cut(looked.planes.show(reference.values, looked.index(position))),
    )


def _caption(finding: FindingResult) -> str:
    """Below a picture: what is said, and the lesions; of no claim the weightiest reason in their place."""
    answer = finding.found.presence
    rest = size_text(finding.measures) if answer.claims else one_line(answer.reasons[0].sentence, 90)
    return f"{answer.state}, score {answer.score:.2f}; {rest}"


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

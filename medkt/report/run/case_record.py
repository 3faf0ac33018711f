"""The `result.json` of a case, read back: a run may lie about for years, and come from elsewhere."""

from pathlib import Path

from medkt.bounds import read_note
from medkt.domains.registry import domains
from medkt.errors import InputError, UnreadableError
from medkt.report.study_record import FORM, FindingRecord, StudyRecord


def record_of(folder: Path) -> StudyRecord:
    """The `result.json` of a case.

    Raises:
        UnreadableError: there is none, or it is damaged.
    """
    path = folder / "result.json"
    held = read_note(path)
    if held is None:
        raise UnreadableError(f"{path}: cannot be read; {FORM.again}")
    record = FORM.read(held, where=str(path))
    if not _is_sound(record):
        raise UnreadableError(f"{path}: is damaged (a number or a name that no run writes); {FORM.again}")
    return record


def is_volume(record: StudyRecord) -> bool:
    """Whether the case has several slices, by its `result.json`."""
    return record.input.shape[0] > 1


def finding_in(record: StudyRecord, concept: str) -> FindingRecord:
    """What `result.json` says of one concept.

    Raises:
        InputError: the case was not asked for it.
    """
    for finding in record.findings:
        if finding.concept == concept:
            return finding
    raise InputError(f"the run's record of the case has no finding {concept}; run the case again")


def _is_sound(record: StudyRecord) -> bool:
    """Whether numbers and names are within what a run writes: a record may be damaged, or written by somebody else."""
    shape, axis = record.input.shape, record.slice_axis
    if not (record.domain in domains() and all(1 <= side < 1 << 31 for side in shape) and 0 <= axis <= 2):
        return False
    return all(
        all(Path(name).name == name for name in finding.files.values())  # in the folder of the case
        and (finding.segment is None or finding.segment >= 1)
        and all(0 <= one.index < shape[axis] for one in finding.slices)
        for finding in record.findings
    )

"""One case of a study: which image, what is looked for in it, and what is known about it. No voxels are held here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medkt.errors import InputError
from medkt.io.mask_choice import MaskChoice
from medkt.modalities import MODALITIES

REFERENCE_KINDS = ("", "mask", "empty", "rle", "coco", "rtstruct")
IMAGE_KINDS = ("", "jsrt")
LONGEST_ID = 128
_ID_MARKS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row of a manifest. It is small, holds no voxels, and can be pickled and sent to another process.

    Attributes:
        case_id: letters, digits, `.`, `_` and `-`; it names the case's results, so it is a pseudonym.
        image: what `read_case_image` reads: a file, or a folder of DICOM files.
        patient_id: a pseudonym that the images of one patient share; the case id where "" is given.
        series: of a DICOM folder, which series; see `read_image`.
        volume: of a file or series with several volumes, which: its number from 1, or what tells it apart ("echo 2").
        slice_index: only this slice of the volume, from 0 along the first axis as medkt reads it.
        image_kind: "jsrt" for a raw file that only `medkt.datasets.jsrt` reads; else "".
        references: files of the reference. Several masks ("mask") are one finding: their union.
        reference_kind: "mask" (NIfTI, picture, DICOM SEG), "empty" (an expert saw nothing: no file), "rle" (SIIM's CSV),
            "coco" (JSON), "rtstruct" (DICOM), or "" for none.
        reference_key: "mask": label values or segment numbers as "1" or "1+3", "all" for all together, ">200" or ">=0.5"
            for a threshold, "" for its only label (`medkt.io.mask_choice`); "rle": the image's name in the CSV; "coco": "image id" or "image id:category id"; "rtstruct": the name of the structure.
        concept: id, name or words of what is looked for, as `load_concept` takes them.
        modality: the domain, a name of `medkt.modalities`, or "" where the file says it.
        split: "train", "val", "test" or any other word.
        class_name: the class of the whole image, where the task is to name it.
        present: whether the finding is in the image, None where nobody knows.
        columns: anything else to group by: sex, scanner, site, age; empty values are left out.
    """

    case_id: str
    image: Path = field(repr=False)
    patient_id: str = field(default="", repr=False)
    series: str = field(default="", repr=False)
    volume: int | str | None = None
    slice_index: int | None = None
    image_kind: str = ""  # checked below, with an error that a user can read
    references: tuple[Path, ...] = field(default=(), repr=False)
    reference_kind: str = ""
    reference_key: str = field(default="", repr=False)
    concept: str = ""
    modality: str = ""
    split: str = ""
    class_name: str = ""
    present: bool | None = None
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem is not None:
            raise InputError(f"case {self.case_id!r}: {problem}")
        object.__setattr__(self, "columns", {name: value for name, value in self.columns.items() if value})
        if not self.patient_id:
            object.__setattr__(self, "patient_id", self.case_id)

    @property
    def has_mask(self) -> bool:
        """Whether there is a reference that can be laid over the image, an empty one included."""
        return self.reference_kind != ""


def _problem(case: Case) -> str | None:
    """What is wrong with the case, None where nothing is: column, what it holds, what it should."""
    if not case.case_id or len(case.case_id) > LONGEST_ID or not _ID_MARKS.issuperset(case.case_id):
        return f"case_id: expected 1 to {LONGEST_ID} letters, digits, '.', '_' or '-', for it names files; give a pseudonym"
    if case.case_id.startswith("."):
        return "case_id: begins with a dot, which hides the case's files; take another first letter"
    if case.modality and case.modality not in MODALITIES:
        return f"modality: expected one of {', '.join(MODALITIES)}, got {case.modality!r}"
    if case.image_kind not in IMAGE_KINDS:
        return f"image_kind: expected {_or_empty(IMAGE_KINDS)}, got {case.image_kind!r}"
    if isinstance(case.volume, int) and case.volume < 1:
        return f"volume: counted from 1, got {case.volume}"
    if case.slice_index is not None and case.slice_index < 0:
        return f"slice: counted from 0, got {case.slice_index}"
    return _reference_problem(case)


def _reference_problem(case: Case) -> str | None:
    kind, files = case.reference_kind, len(case.references)
    if kind not in REFERENCE_KINDS:
        return f"reference_kind: expected {_or_empty(REFERENCE_KINDS)}, got {kind!r}"
    if kind == "" and (files or case.reference_key):
        return "reference_kind: empty, though a reference is given; say mask, rle, coco or rtstruct"
    if kind == "empty" and (files or case.reference_key):
        return "reference: a file is given, though reference_kind says empty; remove one of the two"
    if kind == "empty" and case.present:
        return "present: 1, though reference_kind says empty; one of the two is wrong"
    if kind == "mask" and not files:
        return "reference: no file, though reference_kind says mask; name the mask, or say empty where there is nothing"
    if kind == "mask" and (problem := _key_problem(case.reference_key)) is not None:
        return problem
    if kind in ("rle", "coco", "rtstruct") and files != 1:
        return f"reference: {kind} takes one file, got {files}"
    if kind in ("rle", "coco") and not case.reference_key:
        return f"reference_key: {kind} needs the image's name or number in the reference file"
    return None


def _key_problem(key: str) -> str | None:
    try:
        MaskChoice.parse(key)
    except InputError as error:
        return f"reference_key: {error}"
    return None


def _or_empty(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(name for name in names if name)} or nothing"

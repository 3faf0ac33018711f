"""Which files a result is written to beside its own, and what cannot be written of a study.

A format that a study has not got never costs the others: it is known as soon as the study is read, before anything is
computed, and stands in `result.json` with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medkt.about import demonstration_of
from medkt.errors import GeometryError, SettingsError, UnsupportedError
from medkt.extras import require
from medkt.pipeline import StudyResult
from medkt.spatial.image import Image

SEG_FILE = "segmentation.dcm"
_WORDS = {"nifti": "nifti", "dicom-seg": "dicom_seg", "png": "png", "nrrd": "nrrd", "mha": "mha"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """What is written beside the result's own files: NIfTI masks and saliency, a DICOM SEG, PNG masks, both as NRRD and MetaImage.

    Attributes:
        seg_every_frame: the SEG has a frame for every slice, those without mask too.
        seg_empty_segments: the SEG has a segment for every finding, those without mask too.
    """

    nifti: bool = True
    dicom_seg: bool = False
    png: bool = True
    nrrd: bool = False
    mha: bool = False
    seg_every_frame: bool = False
    seg_empty_segments: bool = False

    def __post_init__(self) -> None:
        """Raises `MissingDependencyError` where a DICOM SEG is asked for and what makes one is not installed."""
        if self.dicom_seg:
            require("dicom-objects", "a DICOM SEG")

    @classmethod
    def parse(cls, text: str, *, seg_every_frame: bool = False, seg_empty_segments: bool = False) -> "Formats":
        """Formats from a list of words such as `nifti,dicom-seg`.

        Raises:
            SettingsError: an unknown word; lists the known ones. Options of the SEG without a SEG.
            MissingDependencyError: a DICOM SEG, without the extra that makes one.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        unknown = [word for word in words if word not in _WORDS]
        if unknown or not words:
            raise SettingsError(
                f"--format {text}: unknown {unknown[0] if unknown else 'empty list'}; known: {', '.join(_WORDS)}"
            )
        if (seg_every_frame or seg_empty_segments) and "dicom-seg" not in words:
            option = "--seg-every-frame" if seg_every_frame else "--seg-empty-segments"
            raise SettingsError(
                f"{option} is about the DICOM SEG, which --format {text} does not ask for; add dicom-seg"
            )
        asked = {field: word in words for word, field in _WORDS.items()}
        return cls(**asked, seg_every_frame=seg_every_frame, seg_empty_segments=seg_empty_segments)

    @property
    def beside_seg(self) -> bool:
        """Whether masks are written in another format than the SEG."""
        return self.nifti or self.png or self.nrrd or self.mha

    def refused(self, image: Image) -> dict[str, str]:
        """The formats among those asked for that this study cannot have, each with the reason."""
        if not self.dicom_seg:
            return {}
        from medkt.io import seg_refusal  # loads highdicom, as the writer does

        reason = seg_refusal(image)
        return {} if reason is None else {"dicom-seg": reason}

    def require_some(self, image: Image) -> None:
        """Pass silently where something that was asked for can be written; asked before anything is computed.

        Raises:
            UnsupportedError: the DICOM SEG is all that was asked for, and none can be written of this study.
        """
        refused = self.refused(image)
        if refused and not self.beside_seg:
            raise UnsupportedError("; ".join(refused.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class SegOutcome:
    """What became of the DICOM SEG.

    Attributes:
        segments: the number of each finding's segment, by concept id; those that have none are not in it.
        refused: why there is no SEG; None where there is one or none was asked for.
        notes: what a reader of the result should know.
    """

    segments: Mapping[str, int] = field(default_factory=dict)
    refused: str | None = None
    notes: tuple[str, ...] = ()


def write_seg(result: StudyResult, folder: Path, formats: Formats) -> SegOutcome:
    """Write the findings of a study that have a mask as one SEG, where that was asked for and can be.

    Raises:
        UnsupportedError: it is all that was asked for, and cannot be written.
        OutputError: the file cannot be written.
    """
    if not formats.dicom_seg:
        return SegOutcome()
    if refused := formats.refused(result.image):
        if not formats.beside_seg:
            raise UnsupportedError(f"{folder / SEG_FILE}: {refused['dicom-seg']}")
        return _without(refused["dicom-seg"])
    masks = {finding.concept.id: result.mask(finding) for finding in result.findings}
    unclaimed = [one.concept for one in result.findings if not one.found.presence.claims]
    claimed = [one.concept for one in result.findings if one.found.presence.claims]
    empty = [one for one in claimed if not masks[one.id].values.any()]
    left_out = [] if formats.seg_empty_segments else empty
    concepts = [one for one in claimed if one not in left_out]
    if not claimed:
        return _without("nothing is claimed of any finding")
    if not concepts:
        return _without("no finding has a mask; --seg-empty-segments writes segments without one")
    from medkt.io import write_dicom_seg

    try:
        write_dicom_seg(
            [masks[one.id] for one in concepts], concepts, result.image, folder / SEG_FILE,
            every_frame=formats.seg_every_frame, demonstration=bool(demonstration_of(result.encoder.name)),
        )  # fmt: skip
    except (UnsupportedError, GeometryError) as error:
        if not formats.beside_seg:
            raise
        return _without(f"none can be made of the headers of this series ({type(error.__cause__).__name__})")
    note = "no segment in the DICOM SEG, for its mask is empty (--seg-empty-segments writes one): "
    notes = tuple(note + one.name for one in left_out)
    notes += tuple(f"no segment in the DICOM SEG, for nothing is claimed: {one.name}" for one in unclaimed)
    return SegOutcome(segments={one.id: number for number, one in enumerate(concepts, 1)}, notes=notes)


def _without(reason: str) -> SegOutcome:
    return SegOutcome(refused=reason, notes=(f"no DICOM SEG is written: {reason}",))

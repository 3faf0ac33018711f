"""What of a DICOM input is in the image, what is not and why, and what its headers say there should be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medkt.errors import IncompleteError
from medkt.io.dicom_files import DicomFile, FoundFiles
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_header import integer, text
from medkt.io.entries import UnreadEntry, said
from medkt.spatial.completeness import Completeness

OTHER_SERIES = "of another series"
OTHER_VOLUME = "of another volume of the series"
COPIES = "repeating an object of the series"
BESIDE_ANOTHER = "damaged or empty, beside another series"
ABSENT = "named by the DICOMDIR and not there"
COUNTED = "counted by the headers and not there"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """Every entry of an input, used or not, with names for the terminal; `notes` are doubts that prove nothing."""

    entries: int
    used: int
    passed: Counter[str]
    lost: Sequence[UnreadEntry]
    notes: tuple[str, ...] = ()

    def require(self, shown: str, *, allow_incomplete: bool) -> None:
        """Pass silently where nothing is lost, or where the user allows it.

        Raises:
            IncompleteError: something is lost; a few are named.
        """
        if not self.lost or allow_incomplete:
            return
        raise IncompleteError(
            f"{shown}: incomplete, {sum(one.count for one in self.lost)} lost: {said(self.lost)}. Restore them, or read what is left with "
            "--allow-incomplete.",
            code="lost-files",
            lost=sum(one.count for one in self.lost),
        )

    def and_broken(self, broken: Mapping[int, str], files: Sequence[DicomFile], left: Sequence[Frame]) -> "Account":
        """The same where files turned out to be damaged within their pixels."""
        lost = [UnreadEntry(name=files[index].path.name, reason="cut or damaged within the pixels") for index in broken]
        return replace(self, used=len({frame.file for frame in left}), lost=[*self.lost, *lost])

    def completeness(self, *, allowed: bool) -> Completeness:
        """The counts, without names."""
        return Completeness(
            entries=self.entries,
            used=self.used,
            passed_over=dict(sorted(self.passed.items())),
            unexplained=_by_reason(self.lost),
            allowed=allowed,
        )


def account_of(found: FoundFiles, files: Sequence[DicomFile], frames: Sequence[Frame]) -> Account:
    """The account of one volume.

    Args:
        found: everything that lay there.
        files: of the series that is read, each object once.
        frames: of the volume that is read; they point into `files`.
    """
    used = {frame.file for frame in frames}
    series = text(files[0].header, "SeriesInstanceUID")
    of_series = [file for file in found.pictures if text(file.header, "SeriesInstanceUID") == series]
    passed = found.passed + Counter(found.others)
    passed[OTHER_SERIES] += len(found.pictures) - len(of_series)
    passed[COPIES] += len(of_series) - len(files)
    passed[OTHER_VOLUME] += len(files) - len(used)
    lost, beside = _attributed(found, of_series)
    passed[BESIDE_ANOTHER] += beside
    lost += [UnreadEntry(name=one.name, reason=ABSENT) for one in found.absent if one.series in ("", series)]
    stated = _stated(found, files, frames) if found.whole else {}  # one file that was asked for claims nothing more
    lost += _counted(stated, len(lost))
    notes = _begins_late(stated, of_series, files, frames) if found.whole and not lost else ()
    return Account(entries=found.entries, used=len(used), passed=+passed, lost=lost, notes=notes)


def _attributed(found: FoundFiles, of_series: Sequence[DicomFile]) -> tuple[list[UnreadEntry], int]:
    """What is lost and may be of the series, and how many lie in a folder that holds other series only."""
    here = {file.folder for file in of_series}
    elsewhere = {file.folder for file in found.pictures} - here
    lost = [one for one in found.lost if one.folder not in elsewhere]
    return lost, len(found.lost) - len(lost)


def _by_reason(lost: Sequence[UnreadEntry]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in lost:
        counts[one.reason] += one.count
    return dict(counts)


def _stated(found: FoundFiles, files: Sequence[DicomFile], frames: Sequence[Frame]) -> dict[str, tuple[int, int]]:
    """What the headers count, by keyword: how many there should be, and how many there are.

    A count is of the acquisition or of the series, which may be more than one volume or series of the input: what it is
    compared with is the largest of these.
    """
    acquisition = text(files[frames[0].file].header, "AcquisitionNumber")
    study = [f for f in found.pictures if text(f.header, "AcquisitionNumber") == acquisition]
    images = sum(integer(file.header, "NumberOfFrames") or 1 for file in files)
    there = {
        "ImagesInAcquisition": max(images, len(study)),
        "NumberOfSeriesRelatedInstances": len(files),
        "NumberOfSlices": max(len(frames), images),
        "InConcatenationTotalNumber": len(files),
    }
    ends = [files[frames[place].file].header for place in (0, -1)]
    stated = {keyword: max(integer(header, keyword) or 0 for header in ends) for keyword in there}
    return {keyword: (stated[keyword], number) for keyword, number in there.items() if stated[keyword] > 0}


def _counted(stated: Mapping[str, tuple[int, int]], known: int) -> list[UnreadEntry]:
    """What the headers count beyond what lies there; `known` are lost already and not lost twice."""
    short = {keyword: says - there - known for keyword, (says, there) in stated.items()}
    keyword = max(short, key=lambda one: short[one], default="")
    if not keyword or short[keyword] <= 0:
        return []
    says, there = stated[keyword]
    return [UnreadEntry(name=f"{keyword} says {says}, {there} are there", reason=COUNTED, count=short[keyword])]


def _begins_late(
    stated: Mapping[str, tuple[int, int]],
    of_series: Sequence[DicomFile],
    files: Sequence[DicomFile],
    frames: Sequence[Frame],
) -> tuple[str, ...]:
    """A word where the files are numbered one by one, the first numbers are nowhere in the series, and no count speaks.

    It proves nothing: some numberings go on from series to series. The end cannot be told so at all.
    """
    numbers = sorted({integer(files[frame.file].header, "InstanceNumber") or 0 for frame in frames})
    if len(numbers) < 2 or len(numbers) < len(frames) or numbers[-1] - numbers[0] != len(numbers) - 1 or stated:
        return ()
    elsewhere = {integer(file.header, "InstanceNumber") or 0 for file in of_series}
    before = sum(number not in elsewhere for number in range(1, numbers[0]))
    if not before:
        return ()
    be = "is" if before == 1 else "are"
    return (
        f"the files are numbered from {numbers[0]} to {numbers[-1]} (InstanceNumber): if the series begins at 1, {before} "
        f"{be} missing at this end",
    )

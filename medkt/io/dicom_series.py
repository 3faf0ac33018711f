"""Which series of several: a unique identifier, its beginning, or a number in a stable list."""

from medkt.errors import AmbiguousInputError, InputError
from medkt.io.dicom_files import DicomFile
from medkt.io.dicom_header import integer, text

LISTED = 30  # a line that names more series than this helps nobody


def choose_series(files: list[DicomFile], series: str | None, shown: str) -> list[DicomFile]:
    """The files of one series.

    Args:
        files: pictures of any number of series.
        series: a series UID, an unambiguous beginning of one, or its number in the list from 1; None for the only one.
        shown: the path that the user gave.

    Raises:
        AmbiguousInputError: several fit; each is listed by UID, modality, number of images and size, and by no words.
        InputError: none fits.
    """
    groups: dict[str, list[DicomFile]] = {}
    for file in files:
        groups.setdefault(text(file.header, "SeriesInstanceUID"), []).append(file)
    uids = sorted(groups, key=lambda uid: (integer(groups[uid][0].header, "SeriesNumber") or 0, uid))
    if series is None:
        if len(uids) > 1:
            raise AmbiguousInputError(
                f"{shown}: {len(uids)} series; choose one with --series (UID, its beginning, or number): "
                + _listed(groups, uids),
                code="several-series",
                series=len(uids),
            )
        return groups[uids[0]]
    return groups[_uid_meant(series.strip(), groups, uids, shown)]


def _uid_meant(series: str, groups: dict[str, list[DicomFile]], uids: list[str], shown: str) -> str:
    if series in groups:
        return series
    if series.isdigit() and len(series) <= 4:  # UIDs begin so, too: a short one is a place in the list
        if 1 <= int(series) <= len(uids):
            return uids[int(series) - 1]
        raise InputError(
            f"{shown}: no series {series}, there are {len(uids)}: {_listed(groups, uids)}",
            code="no-such-series",
            series=len(uids),
        )
    fitting = [uid for uid in uids if series and uid.startswith(series)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise AmbiguousInputError(
            f"{shown}: {len(fitting)} series begin like --series {series}: {_listed(groups, fitting)}",
            code="several-series",
            series=len(fitting),
        )
    raise InputError(
        f"{shown}: no series begins with --series {series}; there are: {_listed(groups, uids)}",
        code="no-such-series",
        series=len(uids),
    )


def _listed(groups: dict[str, list[DicomFile]], uids: list[str]) -> str:
    lines = []
    for place, uid in enumerate(uids[:LISTED], 1):
        header = groups[uid][0].header
        count = sum(integer(file.header, "NumberOfFrames") or 1 for file in groups[uid])
        modality = text(header, "Modality") or "modality unknown"
        size = f"{integer(header, 'Columns')}x{integer(header, 'Rows')}"
        lines.append(f"[{place}] {uid or 'no UID'} {modality}, {count} image{'s' if count > 1 else ''}, {size}")
    more = f"; and {len(uids) - LISTED} more" if len(uids) > LISTED else ""
    return "; ".join(lines) + more

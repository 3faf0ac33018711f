"""Functional groups of enhanced files: what stands for one frame or for all of them."""

from pydicom import Dataset

from medkt.io.dicom_header import items, value


def functional(header: Dataset, frame_number: int, sequence: str) -> Dataset | None:
    """The item of a functional group for a frame (from 1): its own, else the shared one, else None."""
    own = value(header, "PerFrameFunctionalGroupsSequence")  # not a copy: thousands of frames ask for theirs
    groups = [own[frame_number - 1]] if own is not None and frame_number <= len(own) else []
    for group in [*groups, *items(header, "SharedFunctionalGroupsSequence")[:1]]:
        found = items(group, sequence)
        if found:
            return found[0]
    return None

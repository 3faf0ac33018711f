"""The `result.json` of a case, read back: a run may lie about for years, and come from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.bounds import read_note
from medkt.domains.registry import domains
from medkt.errors import InputError, UnreadableError


def record_of(folder: Path) -> Mapping[str, Any]:
    """The `result.json` of a case; all that is read of it here is of the right kind.

    Raises:
        UnreadableError: there is none, or it is damaged.
    """
    path = folder / "result.json"
    record = read_note(path)
    try:
        sound = record is not None and _is_sound(record)
    except (KeyError, TypeError, AttributeError):  # something is not there, or is no list or mapping
        sound = False
    if record is None or not sound:
        raise UnreadableError(f"{path}: cannot be read; run the case again with `medkt batch retry`")
    return record


def is_volume(record: Mapping[str, Any]) -> bool:
    """Whether the case has several slices, by its `result.json`."""
    return int(record["input"]["shape"][0]) > 1


def finding_in(record: Mapping[str, Any], concept: str) -> Mapping[str, Any]:
    """What `result.json` says of one concept.

    Raises:
        InputError: the case was not asked for it.
    """
    for finding in record["findings"]:
        if finding["concept"] == concept:
            found: Mapping[str, Any] = finding
            return found
    raise InputError(f"the run's record of the case has no finding {concept}; run the case again")


# ---- a record that was damaged, or written by somebody else


def _is_sound(record: Mapping[str, Any]) -> bool:
    """Whether the places that this module looks at hold what a run writes there."""
    shape, axis = record["input"]["shape"], record["slice_axis"]
    if len(shape) != 3 or not all(_is_whole(side, 1) for side in shape) or not _is_whole(axis, 0, 2):
        return False
    words = (record["input"]["digest"], record["domain"], *(finding["concept"] for finding in record["findings"]))
    return (
        all(isinstance(word, str) for word in words)
        and record["domain"] in domains()
        and all(_is_sound_finding(finding, shape[axis]) for finding in record["findings"])
    )


def _is_sound_finding(finding: Mapping[str, Any], planes: int) -> bool:
    names = list(finding["files"].values())
    return (
        isinstance(finding["window"], str)
        and all(isinstance(name, str) and Path(name).name == name for name in names)  # in the folder of the case
        and (finding.get("segment") is None or _is_whole(finding["segment"], 1))
        and all(
            _is_whole(one["index"], 0, planes - 1) and isinstance(one["score"], int | float)
            for one in finding["slices"]
        )
    )


def _is_whole(value: object, least: int, most: int = 1 << 31) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

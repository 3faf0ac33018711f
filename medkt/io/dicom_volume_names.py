"""What volumes of a series are called, and which of them a number or a name means."""

from collections.abc import Sequence

import numpy as np

from medkt.errors import AmbiguousInputError, InputError
from medkt.io.dicom_frames import Frame
from medkt.io.dicom_marks import COUNTED, SAID, MarkValue
from medkt.io.volume_number import number_of

# values that DICOM defines for image type, complex image component, laterality and view, as they are said here
TERMS = frozenset(
    (
        "original", "derived", "primary", "secondary", "mixed", "magnitude", "phase", "real", "imaginary", "water", "fat",
        "in phase", "out phase", "field map", "velocity", "localizer", "axial", "coronal", "sagittal", "oblique", "volume",
        "reformatted", "mpr", "maximum", "minimum", "mean", "max ip", "min ip", "projection image", "resampled", "average",
        "adc", "fa", "trace", "tracew", "diffusion", "perfusion", "subtraction", "addition", "filtered", "quantity", "t1",
        "t2", "t2 star", "none", "mosaic", "dynamic", "static", "gated", "mono energetic", "material specific", "iodine",
        "view L", "view R", "view PA", "view AP", "view LL", "view RL", "view L CC", "view R CC", "view L MLO", "view R MLO",
    )
)  # fmt: skip
LISTED = 20  # a line that names more volumes than this helps nobody
_ORDER = ("image type", "view", "echo", "TE", "b", "direction", "TI", "flip", "phase", "trigger", "time")


def parts_of_names(volumes: Sequence[Sequence[Frame]], ranks: Sequence[str]) -> list[list[str]]:
    """For each volume the words that tell it from the others: marks that are one within it and vary between them."""
    if len(volumes) < 2:
        return [[] for _ in volumes]
    names: list[list[str]] = [[rank] if rank else [] for rank in ranks]
    _add(names, [orientation_of(volume[0]) for volume in volumes])
    known = sorted({name for volume in volumes for name in volume[0].marks}, key=_place)
    for name in known:
        values = [{frame.marks.get(name) for frame in volume} for volume in volumes]
        if any(len(found) > 1 for found in values):
            continue  # differs from slice to slice, so it names no volume
        if name.startswith(COUNTED) and len(set(map(tuple, names))) == len(names):
            continue  # a bare counter says no more where all have names
        _add(names, _in_words(name, [found.pop() for found in values]))
    return names


def written_name(frames: Sequence[Frame], name: Sequence[str]) -> list[str]:
    """The words of a volume's name that may be written down: what numbers and places make, and DICOM's own terms.

    Image type, kernel, view and stack are texts of a header, and a text may say anything.
    """
    texts = {
        _plain(word)
        for frame in frames
        for mark, value in frame.marks.items()
        if isinstance(value, str)
        for part in value.split(", ")
        for word in (part, f"{mark} {part}")
    }
    own = ", ".join(name).split(", ") if name else []
    return [word for word in own if _plain(word) not in texts or word in TERMS]


def choose(described: Sequence[str], names: Sequence[Sequence[str]], volume: int | str | None, shown: str) -> int:
    """The index of the volume that is meant.

    Raises:
        AmbiguousInputError: several fit. InputError: none does.
    """
    listed = _listed(described, names, range(len(described)))
    if volume is None:
        if len(described) > 1:
            raise AmbiguousInputError(
                f"{shown}: {len(described)} volumes or views in the series; choose one with --volume: {listed} (by "
                "its number, or by words that tell it apart from all others)",
                code="several-volumes",
                volumes=len(described),
            )
        return 0
    number = number_of(volume)
    if number is not None:
        if not 1 <= number <= len(described):
            raise InputError(
                f"{shown}: no volume {number}; --volume counts from 1 to {len(described)}: {listed}",
                code="no-such-volume",
                volumes=len(described),
            )
        return number - 1
    fitting = _fitting(str(volume), names)
    if not fitting:
        raise InputError(
            f"{shown}: no volume is called {str(volume)!r}; there are: {listed}",
            code="no-such-volume",
            volumes=len(described),
        )
    if len(fitting) > 1:
        raise AmbiguousInputError(
            f"{shown}: {len(fitting)} volumes fit --volume {str(volume)!r}; say more, or give the number: "
            + _listed(described, names, fitting)
        )
    return fitting[0]


def _fitting(wanted: str, names: Sequence[Sequence[str]]) -> list[int]:
    """Volumes of which every part of what is wanted is a word, else the beginning of one."""
    parts = [_plain(part) for part in wanted.split(",") if _plain(part)]
    plain = [[_plain(word) for name in called for word in (name, *name.split(","))] for called in names]
    exact = [k for k, words in enumerate(plain) if parts and all(part in words for part in parts)]
    if exact:
        return exact
    return [
        k
        for k, words in enumerate(plain)
        if parts and all(any(word.startswith(part) for word in words) for part in parts)
    ]


def _plain(words: str) -> str:
    return "".join(words.casefold().split())


def _add(names: list[list[str]], said: Sequence[str]) -> None:
    if len(set(said)) > 1:
        for called, words in zip(names, said, strict=True):
            called.extend([words] if words and words not in called else [])


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER) + name.startswith(COUNTED), name)


def _in_words(name: str, values: Sequence[MarkValue | None]) -> list[str]:
    if name == "image type":
        return _words_apart(values)
    if name == "direction":
        known = list(dict.fromkeys(value for value in values if value is not None))
        return ["" if value is None else f"direction {known.index(value) + 1}" for value in values]
    first = min((value for value in values if isinstance(value, float)), default=0.0)
    said = []
    for value in values:
        if isinstance(value, float):
            said.append(
                SAID[name](value - first if name == "acquired" else value) if name in SAID else f"{name} {value:g}"
            )
        else:
            said.append("" if value is None else f"{name} {value}")
    return said


def _words_apart(values: Sequence[MarkValue | None]) -> list[str]:
    """The words of image types that not all of them have."""
    split = [str(value or "").split(", ") for value in values]
    common = set(split[0]).intersection(*split)
    return [", ".join(word for word in words if word and word not in common) for words in split]


def _listed(described: Sequence[str], names: Sequence[Sequence[str]], which: Sequence[int]) -> str:
    lines = []
    for k in list(which)[:LISTED]:
        more = [name for name in names[k] if name not in described[k].split(", ")]
        lines.append(", ".join([f"[{k + 1}] {described[k]}", *more]))
    return "; ".join(lines) + (f"; and {len(which) - LISTED} more" if len(which) > LISTED else "")


def orientation_of(frame: Frame) -> str:
    """The plane that a frame is nearest to, "" where it has no place."""
    if frame.directions is None:
        return ""
    across = np.cross(frame.directions[0], frame.directions[1])
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(across)))]

"""What tells apart two frames at one place: echo, b-value, time, phase, magnitude ..., from public and private headers.

A mark is a number, a vector or words under a name. Which of them make volumes of a series is decided in
`dicom_volumes`; here they are only read. Times of day stay inside: what is said is seconds after the first.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from pydicom import Dataset

from medkt.io.dicom_groups import functional
from medkt.io.dicom_header import has_private, image_type, items, number, numbers, private, text, value

MarkValue = float | str | tuple[float, ...]
FrameMarks = Mapping[str, MarkValue]

SIEMENS, PHILIPS, PHILIPS_2 = "SIEMENS MR HEADER", "Philips Imaging DD 001", "Philips MR Imaging DD 001"
GE, GE_2, UIH = "GEMS_PARM_01", "GEMS_ACQU_01", "Image Private Header"
COUNTED = "dimension"  # the file's own counters, which have no other name here
_COMPONENTS = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary", "W": "water", "F": "fat"}


def marks_of_file(header: Dataset) -> dict[str, MarkValue]:
    """The marks that all frames of a file share unless a functional group says otherwise."""
    found: dict[str, MarkValue | None] = {
        "image type": _words(header, image_type(header)),
        "echo": number(header, "EchoNumbers"),
        "TE": number(header, "EchoTime"),
        "b": _b_value(header),
        "direction": _direction(header),
        "TI": number(header, "InversionTime"),
        "flip": number(header, "FlipAngle"),
        "TR": number(header, "RepetitionTime"),
        "phase": number(header, "NominalPercentageOfCardiacPhase"),
        "trigger": number(header, "TriggerTime"),
        "time": number(header, "TemporalPositionIdentifier"),
        "acquisition": number(header, "AcquisitionNumber"),
        "kV": number(header, "KVP"),
        "kernel": text(header, "ConvolutionKernel") or None,
        "view": " ".join(filter(None, (text(header, "ImageLaterality"), text(header, "ViewPosition")))) or None,
        "stack": text(header, "StackID") or None,
        "acquired": _acquired(header),
    }
    return _present(found)


def marks_of_frame(header: Dataset, n: int) -> dict[str, MarkValue]:
    """The marks of frame `n` (from 1) of an enhanced file that stand in its functional groups."""

    def of(sequence: str, keyword: str, count: int = 1) -> MarkValue | None:
        group = functional(header, n, sequence)
        found = None if group is None else numbers(group, keyword, count)
        return None if found is None else (found[0] if count == 1 else found)

    content = functional(header, n, "FrameContentSequence")
    kind = functional(header, n, "MRImageFrameTypeSequence") or functional(header, n, "CTImageFrameTypeSequence")
    diffusion = functional(header, n, "MRDiffusionSequence")
    direction = next(iter(items(diffusion, "DiffusionGradientDirectionSequence")), None) if diffusion else None
    found: dict[str, MarkValue | None] = {
        "image type": None if kind is None else _words(kind, _frame_type(kind)),
        "TE": of("MREchoSequence", "EffectiveEchoTime"),
        "b": of("MRDiffusionSequence", "DiffusionBValue"),
        "direction": None if direction is None else numbers(direction, "DiffusionGradientOrientation", 3),
        "TI": of("MRModifierSequence", "InversionTimes"),
        "flip": of("MRTimingAndRelatedParametersSequence", "FlipAngle"),
        "TR": of("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
        "phase": of("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
        "trigger": of("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
        "kV": of("CTXRayDetailsSequence", "KVP"),
    }
    if content is not None:
        found["time"] = number(content, "TemporalPositionIndex")
        found["acquisition"] = number(content, "FrameAcquisitionNumber")
        found["stack"] = text(content, "StackID") or None
        found["acquired"] = _seconds(text(content, "FrameAcquisitionDateTime"))
        found.update(_dimensions(header, content))
    return _present(found)


def _present(found: Mapping[str, MarkValue | None]) -> dict[str, MarkValue]:
    return {name: one for name, one in found.items() if one is not None}


def _words(header: Dataset, parts: tuple[str, ...]) -> str | None:
    """ImageType and what Complex Image Component adds to it, one word after the other."""
    component = text(header, "ComplexImageComponent").lower()
    said = [_COMPONENTS.get(part, part.lower().replace("_", " ")) for part in parts]
    said += [component] if component and component != "mixed" else []
    return ", ".join(dict.fromkeys(part for part in said if part)) or None


def _frame_type(kind: Dataset) -> tuple[str, ...]:
    found = value(kind, "FrameType")
    return tuple(str(part).upper() for part in ([found] if isinstance(found, str) else found or ()))


def _b_value(header: Dataset) -> float | None:
    found = number(header, "DiffusionBValue")
    if found is not None:
        return found
    if not has_private(header):
        return None
    for group, creator, element in ((0x19, SIEMENS, 0x0C), (0x2001, PHILIPS, 0x03), (0x65, UIH, 0x09)):
        found = _number(private(header, group, creator, element))
        if found is not None:
            return found
    first = private(header, 0x43, GE, 0x39)
    found = _number(first[0] if isinstance(first, list | tuple) or hasattr(first, "append") else first)
    return None if found is None else found % 100000  # GE adds a thousand million to some


def _direction(header: Dataset) -> tuple[float, ...] | None:
    found = numbers(header, "DiffusionGradientOrientation", 3)
    if found is None and not has_private(header):
        return None
    if found is None:
        found = _three(private(header, 0x19, SIEMENS, 0x0E)) or _three(private(header, 0x65, UIH, 0x37))
    if found is None:
        found = _three([private(header, 0x2005, PHILIPS_2, element) for element in (0xB0, 0xB1, 0xB2)])
    if found is None:
        found = _three([private(header, 0x19, GE_2, element) for element in (0xBB, 0xBC, 0xBD)])
    return found if found is not None and any(found) else None


def _three(found: object) -> tuple[float, ...] | None:
    try:
        vector = tuple(float(one) for one in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    return tuple(round(one, 3) for one in vector) if len(vector) == 3 else None


def _number(found: object) -> float | None:
    try:
        return None if found is None or isinstance(found, bytes) else float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _acquired(header: Dataset) -> float | None:
    whole = text(header, "AcquisitionDateTime")
    if whole:
        return _seconds(whole)
    time = text(header, "AcquisitionTime") or text(header, "ContentTime")
    date = text(header, "AcquisitionDate") or text(header, "ContentDate")
    return _seconds((date if date.isdigit() and len(date) == 8 else "19000101") + time) if time else None


def _seconds(moment: str) -> float | None:
    """Seconds since a moment that is the same for all, of "YYYYMMDDHHMMSS.FFFFFF"."""
    digits, _, rest = moment.partition("&")[0].partition("+")[0].partition(".")
    try:
        whole = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
        part = float(f"0.{rest}") if rest else 0.0
    except ValueError:
        return None
    return (whole - datetime(1900, 1, 1)).total_seconds() + part


def _dimensions(header: Dataset, content: Dataset) -> dict[str, MarkValue]:
    """The file's own dimensions by what they are called, without those of place."""
    names = items(header, "DimensionIndexSequence")
    values = value(content, "DimensionIndexValues")
    if values is None or len(names) < 2:
        return {}
    found = [values] if isinstance(values, int) else list(values)
    if not all(isinstance(one, int) for one in found):
        return {}
    pairs = zip(names, found, strict=False)
    return {f"{COUNTED} {n}": float(index) for n, (name, index) in enumerate(pairs, 1) if not _of_place(name)}


def _of_place(name: Dataset) -> bool:
    pointer = value(name, "DimensionIndexPointer")
    return pointer in (0x00209056, 0x00209057, 0x00200032, 0x00200037, 0x00201041, 0x00209221)


SAID: dict[str, Callable[[float], str]] = {
    "echo": lambda v: f"echo {v:g}",
    "TE": lambda v: f"TE {v:.4g} ms",
    "b": lambda v: f"b{v:.5g}",
    "TI": lambda v: f"TI {v:.5g} ms",
    "flip": lambda v: f"flip angle {v:.4g}",
    "TR": lambda v: f"TR {v:.5g} ms",
    "phase": lambda v: f"phase {v:g} %",
    "trigger": lambda v: f"trigger {v:.5g} ms",
    "time": lambda v: f"temporal position {v:g}",
    "acquisition": lambda v: f"acquisition {v:g}",
    "kV": lambda v: f"{v:g} kV",
    "acquired": lambda v: f"{v:.4g} s after the first",
}

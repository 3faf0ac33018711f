"""What may be written down of an error: a code, numbers, and the fixed sentence of the code.

Messages name files and may quote headers, keys and the words of libraries, so no file that medkt writes holds one. The
sentences here were written before any patient was met. They take numbers and nothing else, so nothing has to be taken out.
"""

import math
from collections.abc import Mapping
from string import Formatter
from typing import Any

from medkt import errors
from medkt.errors import MedktError

Number = int | float

# code -> sentence; what stands in braces is a number that the error brings
SENTENCES: Mapping[str, str] = {
    # ends of a case that no error tells
    "timeout": "took longer than --timeout allows",
    "worker-died": "its worker died {times} times",
    "memory": "does not fit into memory",
    "foreign-error": "an error of a library, in line {line} of medkt's code; please report it",
    # an error of which nothing more may be said, by its class
    "unusable": "an input cannot be used as given",
    "unreadable": "a file is damaged, cut off or not of the kind that its name says",
    "incomplete": "a part of the input is empty, cut, unreadable or not there",
    "unsupported": "a file is sound but holds something that medkt does not handle",
    "ambiguous": "can be read in several ways; say which in the manifest's column series, volume or modality",
    "geometry": "the voxels have no usable place",
    "other-grid": "the image and its reference, or its prediction, do not lie on one grid",
    "settings": "a setting does not fit this study",
    "unknown-name": "a model, concept, domain or preset of that name does not exist",
    "weights": "the weights of a model are missing or are not what they claim to be",
    "not-installed": "an optional package is missing",
    "extension": "an installed package adds something to medkt that cannot be used",
    "not-written": "a result cannot be written",
    "no-number": "a computation gave NaN or infinity where a number was expected",
    "forgetting": "the model forgets more of what it knew than was allowed",
    "not-carried": "learning did not carry the words: the audit's answer is no",
    "medkt-error": "an error of medkt",
    # files
    "no-such-file": "there is no such file or folder",
    "no-permission": "no permission to read it",
    "empty-file": "the file is empty",
    "unknown-format": "is neither DICOM nor NIfTI nor NRRD, MetaImage, PNG, JPEG, TIFF or BMP",
    "reading-failed": "a library could not read it: it is damaged, cut off or not of its kind",
    "archive-empty": "the archive is empty",
    "archive-untrusted": "the archive would unpack to too much, or its members lead out of it",
    "archive-encrypted": "the archive is encrypted",
    "archive-several": "no DICOM file in the archive and {images} other images",
    "no-file": "is a pipe, a socket or a device, not a file",
    "over-budget": "takes {needed_mib} MiB once decoded, more than {allowed_mib} MiB (MEDKT_MAX_BYTES)",
    "too-many-frames": "says {frames} frames, more than {most}",
    "frames-beyond-bytes": "says {frames} frames, which its {bytes} bytes cannot hold",
    "voxels-beyond-bytes": "the header counts {needed} bytes of voxels and {present} are there",
    "too-large": "{width}x{height} pixels is too large",
    "not-finite": "{bad} of {voxels} voxels are NaN or infinite",
    "voxel-type": "the voxels are complex, or colour with alpha",
    "too-many-axes": "more than four axes that hold something",
    # DICOM
    "not-dicom": "is not a DICOM file, or is cut off within its header",
    "no-dicom": "no DICOM file in this folder",
    "no-picture": "holds no image that medkt reads",
    "lost-files": "incomplete: {lost} files are empty, cut, unreadable or not there",
    "damaged-header": "the header is damaged: it says {rows} rows, {columns} columns, {frames} frames",
    "damaged-number-of-frames": "the header does not say how many frames there are in a way that can be read",
    "frames-described": "{frames} frames, but {described} are described; the header is damaged",
    "frames-missing": "{missing} frames are missing; the file is truncated",
    "pixels-damaged": "the pixels are cut or damaged",
    "decoder-died": "its decoder crashed (signal or exit code {ended}): the pixels are damaged",
    "decoder-slow": "decoding took longer than {seconds} s (MEDKT_DECODE_SECONDS)",
    "irregular-stack": "{slices} slices do not make a regular grid",
    "slices-missing": "{missing} slices are missing",
    "no-spacing": "{slices} slices with positions but without PixelSpacing",
    "several-series": "holds {series} series; name one in the manifest's column series",
    "no-such-series": "no such series; there are {series}",
    "several-volumes": "holds {volumes} volumes; name one in the manifest's column volume",
    "no-such-volume": "no such volume; there are {volumes}",
    "no-such-slice": "no slice {slice}; there are {slices}, counted from 0",
    "mosaic": "is a mosaic of slices whose private header does not say enough",
    # references and masks
    "no-reference": "the case has no reference mask",
    "mask-shape": "the mask is {rows}x{columns} in {slices} slices, the image {image_rows}x{image_columns} in {image_slices}",
    "mask-empty": "no voxel of the mask is of the label, or over the threshold, that was asked for",
    "mask-unclear": "which values of the mask are inside is not said, or they do not fit",
    "outline": "the outlines of the reference do not fit, or the one that reference_key names is not there",
    "not-absent": "{voxels} voxels inside, though the case says present 0",
    # what is looked at
    "no-calibration": "the site has no calibration for a study of this kind",
    "no-seg": "no DICOM SEG can be made of this study",
} | {
    f"python-{one.__name__}": f"{one.__name__} in line {{line}} of medkt's code; please report it"
    for one in (
        ArithmeticError, AssertionError, AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError,
        OverflowError, RecursionError, RuntimeError, TypeError, UnicodeDecodeError, ValueError, ZeroDivisionError,
    )
}  # fmt: skip

_OF_CLASS: Mapping[type[MedktError], str] = {
    errors.IncompleteError: "incomplete",
    errors.UnreadableError: "unreadable",
    errors.UnsupportedError: "unsupported",
    errors.AmbiguousInputError: "ambiguous",
    errors.GeometryMismatchError: "other-grid",
    errors.GeometryError: "geometry",
    errors.InputError: "unusable",
    errors.SettingsError: "settings",
    errors.UnknownNameError: "unknown-name",
    errors.WeightsError: "weights",
    errors.ExtensionError: "extension",
    errors.MissingDependencyError: "not-installed",
    errors.OutputError: "not-written",
    errors.NumericalError: "no-number",
    errors.ForgettingError: "forgetting",
    errors.NotCarriedError: "not-carried",
    MedktError: "medkt-error",
}


def code_of(error: BaseException) -> tuple[str, dict[str, Number]]:
    """The code of an error with its numbers: its own, that of the error it was raised from, else that of its class."""
    told: BaseException | None = error
    while isinstance(told, MedktError):
        if told.code in SENTENCES:
            return told.code, numbers_for(told.code, told.numbers)
        told = told.__cause__
    of_python = f"python-{type(error).__name__}" if type(error).__module__ == "builtins" else ""
    foreign = of_python if of_python in SENTENCES else "foreign-error"
    return next((code for kind, code in _OF_CLASS.items() if isinstance(error, kind)), foreign), {}


def told(error: MedktError) -> dict[str, object]:
    """An error as JSON for programs: its class, its code, the code's sentence."""
    code, numbers = code_of(error)
    return {"error": type(error).__name__, "code": code, "message": sentence_of(code, numbers)}


def sentence_of(code: str, numbers: Mapping[str, object]) -> str:
    """The sentence of a code with its numbers in it; "" for a word that is no code.

    >>> sentence_of("slices-missing", {"missing": 3})
    '3 slices are missing'
    """
    words, told = SENTENCES.get(code, ""), numbers_for(code, numbers)
    given = {name: f"{told[name]:.6g}" if name in told else "?" for name in numbers_of(words)}
    return words.format_map(given)


def numbers_of(sentence: str) -> tuple[str, ...]:
    """The names of the numbers that a sentence takes."""
    return tuple(name for _, name, _, _ in Formatter().parse(sentence) if name)


def numbers_for(code: str, numbers: Mapping[str, object]) -> dict[str, Number]:
    """Those that the code's sentence takes, where they are finite numbers; whatever else stands there is left out."""
    found: dict[str, Number] = {}
    for name in numbers_of(SENTENCES.get(code, "")):
        value: Any = numbers.get(name)
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = value
    return found

"""Every layout of a data set, by name, and the first look at what a builder found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medkt.datasets.case import Case
from medkt.datasets.manifest import Manifest
from medkt.doors import Door
from medkt.errors import InputError, UnreadableError

CHECKED = 20  # cases of which the files are read before anything is computed

LAYOUTS: Door[Callable[..., Manifest]] = (
    Door(  # each takes the root and options of its own; some load a library of theirs
        group="medkt.layouts",
        what="layout",
        kind="collections.abc:Callable",
        own={
            "paired": "medkt.datasets.paired:build",
            "nnunet": "medkt.datasets.nnunet:build",
            "decathlon": "medkt.datasets.decathlon:build",
            "bids": "medkt.datasets.bids:build",
            "medclipsam": "medkt.datasets.medclipsam:build",
            "coco": "medkt.datasets.coco_set:build",
            "dicom": "medkt.datasets.dicom_outlines:build",
            "busi": "medkt.datasets.busi:build",
            "udiat": "medkt.datasets.udiat:build",
            "unitochest": "medkt.datasets.unitochest:build",
            "siim": "medkt.datasets.siim:build",
            "brats": "medkt.datasets.brats:build",
            "jsrt": "medkt.datasets.jsrt:build",
            "chexpert": "medkt.datasets.chexpert:build",
        },
    )
)


def build_manifest(layout: str, root: str | Path, *, checked: int | None = CHECKED, **options: Any) -> Manifest:
    """The manifest of a data set on disk, with the files of some of its cases read.

    Args:
        layout: a name of `LAYOUTS`.
        root: the folder of the data set.
        checked: how many cases, spread over the set, are read at once; None for all, 0 for none. The others are read
            when they are worked on, with the same checks.
        options: those of the layout's own `build`.

    Raises:
        UnknownNameError: no such layout. InputError: the builder's, or a file that cannot be used, with its name.

    Example:
        >>> manifest = build_manifest("busi", "Dataset_BUSI_with_GT")  # doctest: +SKIP
    """
    manifest = _built(layout, root, options)
    check_files(manifest.cases, count=checked)
    return manifest


def _built(layout: str, root: str | Path, options: dict[str, Any]) -> Manifest:
    """What the layout's own `build` gives; what a table of the data set calls files may be no name of a file."""
    build = LAYOUTS[layout]
    try:
        manifest = build(root, **options)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{root}: a table of the layout {layout} is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise InputError(f"{error.filename or root}: cannot be read ({error.strerror}); check the data set") from error
    return manifest


def check_files(cases: Sequence[Case], *, count: int | None = CHECKED) -> None:
    """Read images and masks of some cases, so that a wrong folder shows before a night's work.

    Raises:
        InputError: the first that cannot be used; or not one of the masks has anything inside.
    """
    from medkt.datasets.reference import read_case_image, reference_mask

    chosen = _spread(cases, len(cases) if count is None else count)
    outlined = 0
    for case in chosen:
        image = read_case_image(case)
        if case.has_mask:
            mask = reference_mask(case, image=image)
            if case.present and not mask.values.any():
                raise InputError(
                    f"case {case.case_id!r}: the finding is said to be there, but its mask is empty: {_first(case)}"
                )
            outlined += bool(mask.values.any())
    expected = [case for case in chosen if case.reference_kind not in ("", "empty") and case.present is not False]
    if expected and not outlined:
        raise InputError(
            f"none of {len(expected)} masks that were read has anything inside, such as {_first(expected[0])} with key "
            f"{expected[0].reference_key!r}; is it the right label, threshold or folder?"
        )


def _spread(cases: Sequence[Case], count: int) -> list[Case]:
    count = min(count, len(cases))
    return [cases[index * len(cases) // count] for index in range(count)]


def _first(case: Case) -> str:
    return str(case.references[0]) if case.references else "no file"

"""The JSRT database: 247 chest radiographs as raw files, with what is known about the nodule in 154 of them.

Shiraishi et al., AJR 2000;174:71-74: screen-film radiographs digitised to 2048 x 2048 pixels of 0.175 mm and 12 bits. The
files have no header: two bytes a pixel, the high byte first, row by row. Values grow with the film's optical density, so
bone is low: the image is shown inverted, as MONOCHROME1 is. The table of nodules is `CLNDAT_EN.txt`: file, subtlety (1 to
5), size in mm, age, sex, x, y, malignant or benign, place, diagnosis; that of the others is `CNNDAT_EN.TXT`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medkt.datasets.case import Case
from medkt.datasets.folder import files_below, require_folder
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError, UnreadableError
from medkt.io.digest import digest_of
from medkt.spatial import Display, Geometry, Image, Provenance

SIDE, BITS, SPACING_MM = 2048, 12, 0.175
BYTES = SIDE * SIDE * 2
CLASSES: Mapping[str, str] = {"malignant": "cxr_lung_cancer", "benign": "cxr_benign_nodule"}
_RECORD = re.compile(r"(JPC[LN]N\d{3})\.IMG")
_NODULE_FILE = re.compile(r"JPCLN\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodule:
    """A row of `CLNDAT_EN.txt`. `x` and `y` are the nodule's centre in pixels from the upper left."""

    subtlety: int
    size_mm: float
    age: str
    sex: str
    x: int
    y: int
    kind: str


def read_jsrt(path: Path) -> Image:
    """A raw JSRT file as an image, (1, 2048, 2048) uint16, in mm, to be shown inverted.

    Raises:
        InputError: no such file. UnreadableError: another size, or values of more than 12 bits.
    """
    shown = str(path)
    try:
        size = path.stat().st_size
        if size != BYTES:
            raise UnreadableError(
                f"{shown}: {size} bytes, a JSRT file has {BYTES} (2048 x 2048 pixels of two bytes); fetch it again"
            )
        stored = np.fromfile(path, dtype=">u2")
    except FileNotFoundError as error:
        raise InputError(f"{shown}: there is no such file") from error
    except OSError as error:
        raise InputError(f"{shown}: cannot be read ({error.strerror})") from error
    if stored.max() >= 1 << BITS:
        raise UnreadableError(
            f"{shown}: values up to {stored.max()}, a JSRT file has 12 bits (below 4096) with the high byte first; was it "
            "converted?"
        )
    values = np.ascontiguousarray(stored.astype(np.uint16).reshape(1, SIDE, SIDE))
    plane = Geometry.of_pixels(SIDE, SIDE)
    scale = np.diag([1.0, SPACING_MM, SPACING_MM, 1.0])
    geometry = Geometry(affine=plane.affine @ scale, shape=plane.shape, unit="mm")
    kept = Provenance(
        source="raster", digest=digest_of(values, geometry), steps=("JSRT raw file read", "spacing 0.175 mm")
    )
    return Image(values=values, geometry=geometry, modality="CR", display=Display(inverted=True), provenance=kept)


def read_nodules(path: Path) -> Mapping[str, Nodule]:
    """What `CLNDAT_EN.txt` says, by file name without its ending.

    Records are found by their file names, for line ends are missing in some copies.

    Raises:
        InputError: no record, a doubled one, or one that does not read as said above.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such table; JSRT's table of nodules is CLNDAT_EN.txt")
    parts = _RECORD.split(path.read_text(encoding="latin-1"))  # places and diagnoses hold stray bytes
    found: dict[str, Nodule] = {}
    for name, record in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise InputError(f"{path}, {name}: stands twice; keep one record")
        found[name] = _nodule(record, f"{path}, {name}")
    if not found:
        raise InputError(
            f"{path}: no record such as 'JPCLN001.IMG 5 15 53 Female 1634 692 malignant ...'; is it this table?"
        )
    return found


def build(root: str | Path) -> Manifest:
    """The 154 radiographs with a nodule (fewer where some are absent), each with its class; there are no outlines.

    Layout: `JPCLN*.IMG` and `CLNDAT_EN.txt` anywhere below `root` (`JPCNN*.IMG`, without nodules, are counted in the notes).

    Raises:
        InputError: no image, no table or two, an image without a record.
    """
    base = require_folder(root)
    tables = [path for path in base.rglob("*") if path.name.lower() == "clndat_en.txt"]
    if len(tables) != 1:
        raise InputError(
            f"{root}: {len(tables)} files named CLNDAT_EN.txt, expected one; it comes in Clinical_Information"
        )
    nodules = read_nodules(tables[0])
    images = files_below(base, (".img",))
    shown = {name: path for name, path in images.items() if _NODULE_FILE.fullmatch(name)}
    if not shown:
        raise InputError(f"{root}: no file such as JPCLN001.IMG; unpack Nodule154images there")
    missing = sorted(set(shown) - set(nodules))
    if missing:
        raise InputError(f"{tables[0]}: no record of {', '.join(missing[:5])}; is it the whole table?")
    others, absent = len(images) - len(shown), len(nodules) - len(shown)
    notes = (f"{others} radiographs without a nodule left out", f"{absent} records have no image here")
    return Manifest(
        cases=tuple(_case(name, path, nodules[name]) for name, path in sorted(shown.items())),
        name="JSRT",
        notes=tuple(note for note, count in zip(notes, (others, absent), strict=True) if count),
    )


def _case(name: str, path: Path, nodule: Nodule) -> Case:
    return Case(
        case_id=name, image=path, image_kind="jsrt", modality="cxr", split="test", class_name=nodule.kind,
        concept=CLASSES[nodule.kind], present=True,
        columns={
            "sex": nodule.sex, "age": nodule.age, "subtlety": str(nodule.subtlety), "size_mm": f"{nodule.size_mm:g}",
            "nodule_x": str(nodule.x), "nodule_y": str(nodule.y),
        },
    )  # fmt: skip


def _nodule(record: str, shown: str) -> Nodule:
    words = record.split()
    kinds = [word.lower() for word in words if word.lower() in CLASSES]
    try:
        subtlety, size, age, sex, x, y = words[:6]
        nodule = Nodule(
            subtlety=int(subtlety), size_mm=float(size), age=age, sex=sex, x=int(x), y=int(y), kind=kinds[0]
        )  # fmt: skip
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{shown}: expected subtlety, size in mm, age, sex, x, y, and malignant or benign, got {' '.join(words)[:60]!r}"
        ) from error
    if not (1 <= nodule.subtlety <= 5 and 0 <= nodule.x < SIDE and 0 <= nodule.y < SIDE and nodule.size_mm > 0):
        raise InputError(
            f"{shown}: subtlety 1 to 5, a size above 0 and a place within 2048 x 2048, got {' '.join(words[:6])}"
        )
    return nodule

"""NIfTI in and out, and the only place where RAS+ meets LPS+.

nibabel gives voxels as (i, j, k) and an affine to RAS+. Here they become (slices, rows, columns) = (k, j, i), and x and
y change sign. sform is preferred to qform, as nibabel does. Masks go back with the header of the image, bit for bit.
"""

import gzip
import io
import math
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medkt.bounds import budget
from medkt.errors import (
    GeometryError,
    IncompleteError,
    InputError,
    UnreadableError,
    UnsupportedError,
)
from medkt.io.digest import digest_of
from medkt.io.guard import reading
from medkt.io.native import NiftiNative
from medkt.io.nifti_statements import bytes_beyond, notes_on
from medkt.io.rescaling import keeps_whole, smallest
from medkt.io.volume_number import which_of
from medkt.shapes import Affine, Array
from medkt.spatial.completeness import Completeness
from medkt.spatial.geometry import Geometry
from medkt.spatial.image import Image
from medkt.spatial.provenance import Provenance

if TYPE_CHECKING:
    from nibabel.fileholders import FileHolder


World = Literal["RAS", "LPS"]

_TO_LPS = {"RAS": np.diag([-1.0, -1.0, 1.0, 1.0]), "LPS": np.eye(4)}
_TURNED = [2, 1, 0, 3]  # (i, j, k, 1) <-> (k, j, i, 1)
_PACKED_NAMES = (".gz", ".bz2", ".zst")
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units & 7: unknown, metre, millimetre, micrometre
_CHUNK = 1 << 24
_LAYOUTS = tuple(  # byte order; length of the header; place of the magic; where it says where voxels begin, and as what
    (order, *rest) for order in "<>" for rest in ((348, 344, 108, "f"), (540, 4, 168, "q"))
)
_CLASSES = {  # of nibabel, which is loaded where a file is NIfTI
    b"n+1\0": "Nifti1Image",
    b"ni1\0": "Nifti1Pair",
    b"n+2\0": "Nifti2Image",
    b"ni2\0": "Nifti2Pair",
}


def lps_affine(affine: Affine, unit_mm: float = 1.0, *, world: World = "RAS") -> Affine:
    """An affine (i, j, k) to RAS+ as one (slice, row, column) to LPS+ mm; `unit_mm` is the length of its unit."""
    scaled = np.array(affine, dtype=np.float64)
    scaled[:3] *= unit_mm
    turned: Affine = (_TO_LPS[world] @ scaled)[:, _TURNED]
    return turned


def grid_of(
    affine: Affine, shape: Sequence[int], unit_mm: float = 1.0, *, world: World = "RAS"
) -> tuple[Geometry, tuple[str, ...]]:
    """The grid of voxels that are stored as (i, j, k), and what to know of it.

    Args:
        affine: (4, 4), (i, j, k, 1) to the world.
        shape: along i, j and k; a picture may lack k.
        unit_mm: the length of the affine's unit.
        world: of the affine: "RAS" as NIfTI has it, or "LPS".

    Raises:
        GeometryError: the affine is singular.
    """
    affine, shape = np.array(affine, dtype=np.float64), (*shape[:3], 1)[:3]
    warnings: tuple[str, ...] = ()
    if shape[2] == 1 and np.linalg.norm(affine[:3, 2]) == 0:  # a picture often has no depth
        across = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = across / (np.linalg.norm(across) or 1.0)
        warnings = ("a single slice without depth: taken as 1",)
    lps = lps_affine(affine, unit_mm, world=world)
    return Geometry(affine=lps, shape=(int(shape[2]), int(shape[1]), int(shape[0]))), warnings


def unit_in_mm(code: int) -> float:
    """The length of the unit that a header's `xyzt_units` names; an unknown one is taken as the millimetre."""
    return _MILLIMETRES.get(code & 7, 1.0)


def ras_affine(affine_lps: Affine) -> Affine:
    """An affine (slice, row, column) to LPS+ as one (i, j, k) to RAS+, in the same unit."""
    turned: Affine = (_TO_LPS["RAS"] @ np.asarray(affine_lps, dtype=np.float64))[:, _TURNED]
    return turned


def nifti_magic(path: Path) -> bytes | None:
    """The four bytes that name the kind of NIfTI, b"ana" for Analyze, b"" for unreadable gzip, None for all else."""
    try:
        start = _start(path)
    except (OSError, EOFError, zlib.error):
        return b""
    for place in (344, 4):
        if start[place : place + 4] in _CLASSES:
            return start[place : place + 4]
    return b"ana" if start[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c") and len(start) >= 348 else None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(352)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(path) as packed:
            start = packed.read(352)
    return start


def read_nifti(path: Path, shown: str, *, volume: int | str | None = None, allow_incomplete: bool = False) -> Image:
    """The image in a NIfTI file; axes (slices, rows, columns) = (k, j, i), world LPS+ mm.

    Args:
        path: .nii, .nii.gz, or the .hdr or .img of a pair, each gzipped or not.
        shown: how to name it in messages.
        volume: which volume of a 4-D file, or of a 5-D one with a single time, from 1.
        allow_incomplete: read what the header counts where a slice or more lies beyond it.

    Raises:
        IncompleteError: more lies there than the header counts.
        AmbiguousInputError: several volumes and none chosen.
        UnsupportedError: complex or colour with alpha, Analyze, CIFTI, more than four axes longer than one.
        UnreadableError: damaged or truncated. GeometryError: a singular affine. InputError: NaN or infinite voxels.
    """
    stored, present = _open(path, shown)
    header = stored.header
    geometry, warnings = _geometry(header, path, shown)
    beyond = bytes_beyond(stored, present)
    if beyond.whole and not allow_incomplete:
        raise IncompleteError(
            f"{shown}: {beyond.said}. Export it again, or read what the header counts with --allow-incomplete."
        )
    completeness = Completeness(unexplained={beyond.said: 1}, allowed=True) if beyond.whole else Completeness()
    warnings += completeness.warnings or ((beyond.said,) if beyond.said else ())
    values, steps = _values(stored, volume, shown)
    require_finite(values, shown)
    return Image(
        values=values,
        geometry=geometry,
        provenance=Provenance(
            source="nifti",
            digest=digest_of(values, geometry),
            steps=steps,
            warnings=warnings,
            completeness=completeness,
        ),
        native=NiftiNative(header=header.copy(), shape=_shape_to_write(header.get_data_shape())),
    )


def _open(path: Path, shown: str) -> tuple[Any, int]:
    """Nibabel's image, and how many bytes its voxels' file holds, unpacked."""
    headers = (_of_pair(path, ".hdr") or path) if _named(path, ".img") else path
    magic = nifti_magic(headers)
    if magic == b"ana":
        raise UnsupportedError(f"{shown}: is Analyze 7.5, which does not say left from right; convert it to NIfTI")
    if magic is None or magic not in _CLASSES:
        raise UnreadableError(f"{shown}: is not NIfTI, or its gzip is damaged; export it again")
    kind = _class_named(_CLASSES[magic])
    files = dict.fromkeys(("header", "image"), _holder(headers, shown))
    if _CLASSES[magic].endswith("Pair"):
        voxels = _of_pair(headers, ".img")
        if voxels is None:
            raise InputError(f"{shown}: is the header of a pair, and the .img beside it is missing")
        files["image"] = _holder(voxels, shown)
    with reading(shown, "reading the NIfTI header"):
        stored = kind.from_file_map(files)
        axes = stored.shape
        stored.header.get_zooms()
    if any(str(code) for code in _cifti_codes(stored)):
        raise UnsupportedError(f"{shown}: is CIFTI (surfaces and parcels), not a volume; give the volume itself")
    if not axes or min(axes) < 1 or len(axes) < 2:
        raise UnreadableError(f"{shown}: has shape {axes}; an image has two axes or more and no empty one")
    present = _length(files["image"])
    needed = int(stored.dataobj.offset) + math.prod(axes) * stored.get_data_dtype().itemsize
    if needed > present:
        raise UnreadableError(
            f"{shown}: reading the voxels failed: the header counts {needed} bytes with voxels of shape {axes}, and {present} are there; it is cut off or "
            "damaged, export it again", code="voxels-beyond-bytes", needed=needed, present=present,
        )  # fmt: skip
    return stored, present


def _class_named(name: str) -> Any:
    """One of nibabel's classes, which have no hints for most of their methods."""
    import nibabel

    return getattr(nibabel, name)


def _named(path: Path, suffix: str) -> bool:
    """Whether the name ends so, gzipped or not."""
    return path.name.lower().endswith((suffix, f"{suffix}.gz"))


def _of_pair(path: Path, suffix: str) -> Path | None:
    """The file of a pair (.hdr, .img; either may be gzipped) that ends so, None where it is missing."""
    stem = re.sub(r"\.(hdr|img)(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    endings = [suffix + packed for packed in ("", ".gz")]
    names = [stem + spelt for ending in endings for spelt in (ending, ending.upper())]
    packed_alike = sorted(names, key=lambda name: name.lower().endswith(".gz") != path.name.lower().endswith(".gz"))
    return next((path.with_name(name) for name in packed_alike if path.with_name(name).is_file()), None)


def _cifti_codes(stored: Any) -> list[int]:
    """Extension codes 32 in the header: CIFTI-2 keeps its matrix description there."""
    return [extension.get_code() for extension in stored.header.extensions if extension.get_code() == 32]


def _holder(path: Path, shown: str) -> "FileHolder":
    from nibabel.fileholders import FileHolder

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed and path.suffix.lower() not in _PACKED_NAMES:
        _require_extensions(path, shown)
        return FileHolder(filename=str(path))
    if not packed:  # nibabel goes by the name: it would unpack what is not packed
        budget().require_bytes(path.stat().st_size, shown)
        return FileHolder(filename=str(path), fileobj=io.BytesIO(path.read_bytes()))
    held = io.BytesIO()
    with reading(shown, "unpacking the gzip"), gzip.open(path) as unpacked:
        while chunk := unpacked.read(_CHUNK):  # to the very end, for only there gzip's checksum is compared
            budget().require_bytes(held.tell() + len(chunk), shown)
            held.write(chunk)
    held.seek(0)
    return FileHolder(filename=str(path), fileobj=held)


def _require_extensions(path: Path, shown: str) -> None:
    """That each header extension ends within the file: nibabel takes as much memory as a length says before it reads.

    Four bytes after the header say whether there are any; each begins with its own length. They go on up to the voxels, in
    the header of a pair up to its end (NIfTI-1.1, extended header; NIfTI-2).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(540)
        layout = next((one for one in _LAYOUTS if head[:4] == struct.pack(f"{one[0]}i", one[1])), None)
        if layout is None:
            return
        order, place, magic, at, kind = layout
        if len(head) < place:  # nibabel says that the header is cut
            return
        voxels = struct.unpack_from(order + kind, head, at)[0] if head[magic : magic + 2] == b"n+" else size
        file.seek(place)
        has_some = file.read(4)[:1] not in (b"", b"\0")
        place += 4
        while has_some and place + 16 <= min(voxels, size):
            file.seek(place)
            place += max(16, struct.unpack(f"{order}i", file.read(4))[0])
            if place > size:
                raise UnreadableError(
                    f"{shown}: an extension of its header ends at byte {place} of {size}; it is cut off or damaged, export it again"
                )


def _length(holder: "FileHolder") -> int:
    if isinstance(holder.fileobj, io.BytesIO):
        return int(holder.fileobj.getbuffer().nbytes)
    return Path(str(holder.filename)).stat().st_size


def _geometry(header: Any, path: Path, shown: str) -> tuple[Geometry, tuple[str, ...]]:
    warnings = []
    with reading(shown, "reading the NIfTI affine"):
        affine = np.array(header.get_best_affine(), dtype=np.float64)
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        warnings.append(f"unknown unit code {unit}: taken as millimetres")
    elif unit == 0:
        warnings.append("the file names no unit: taken as millimetres")
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        warnings.append("neither sform nor qform is set: left and right are a guess")
    warnings += notes_on(header, affine, unit_in_mm(unit), path)
    try:
        geometry, of_grid = grid_of(affine, header.get_data_shape(), unit_in_mm(unit))
    except GeometryError as error:
        raise GeometryError(f"{shown}: {error}; set the sform of the file") from error
    warnings += of_grid
    if geometry.is_sheared:
        warnings.append("sheared affine: programs of ITK (3D Slicer, ITK-SNAP) open neither the study nor a mask of it")
    return geometry, tuple(warnings)


def _values(stored: Any, volume: int | str | None, shown: str) -> tuple[Array, tuple[str, ...]]:
    """(k, j, i) voxels of one volume; whole numbers where the file has them and the scaling keeps them."""
    kind = stored.get_data_dtype()
    colour = kind.names is not None
    if kind.kind == "c" or (kind.names is not None and kind.names != ("R", "G", "B")):
        raise UnsupportedError(
            f"{shown}: voxels are {'colour with alpha' if colour else 'complex'}; save real values", code="voxel-type"
        )
    which = _volume_index(stored.shape, volume, shown)
    slope, inter = float(stored.dataobj.slope), float(stored.dataobj.inter)  # nibabel clears them in the header
    voxels = math.prod(stored.shape if which is None else stored.shape[:3])
    scaled = (slope, inter) != (1.0, 0.0)
    budget().require_bytes(voxels * (max(8, kind.itemsize) if scaled else kind.itemsize), shown)
    with reading(shown, "reading the NIfTI voxels", explain=True):
        raw = np.asarray(stored.dataobj.get_unscaled()) if which is None else _one_volume(stored, which)
        raw = raw.reshape((*raw.shape[:3], 1)[:3])
    raw = raw.transpose(2, 1, 0)
    if colour:
        return _luma(raw), ("colour reduced to luma (ITU-R BT.601)",)
    raw = np.ascontiguousarray(raw, dtype=_native_type(raw.dtype))
    if (slope, inter) == (1.0, 0.0):
        return raw, ()
    whole = keeps_whole(slope, inter, shown)
    steps = (f"scaling applied ({'whole' if whole else 'real'})",)
    if raw.dtype.kind in "iu" and whole:
        return smallest(raw.astype(np.int64) * int(slope) + int(inter)), steps
    return (raw * np.float64(slope) + inter).astype(np.float64 if raw.dtype == np.float64 else np.float32), steps


def _one_volume(stored: Any, which: int) -> Array:
    """One volume of a 4-D file without holding the others, before scaling."""
    proxy: Any = stored.dataobj
    unscaled = type(proxy)(proxy.file_like, (proxy.shape, proxy.dtype, proxy.offset, 1.0, 0.0))
    further = tuple(which if side > 1 else 0 for side in proxy.shape[3:])
    return np.asarray(unscaled[(slice(None),) * 3 + further])


def _native_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind == "f" and kind.itemsize > 8:
        return np.dtype(np.float64)
    return kind.newbyteorder("=")


def _luma(raw: Array) -> Array:
    channels = np.stack([raw[name] for name in ("R", "G", "B")], axis=-1).astype(np.float64)
    grey: Array = np.rint(channels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return grey


def _volume_index(shape: tuple[int, ...], volume: int | str | None, shown: str) -> int | None:
    """The index along the only axis after the third that is longer than one, None for a file without one."""
    count = int(np.prod(shape[3:])) if len(shape) > 3 else 1
    if sum(side > 1 for side in shape[3:]) > 1:
        raise UnsupportedError(
            f"{shown}: has shape {shape}, more than four axes that hold something; save the volume that you need",
            code="too-many-axes",
        )
    index = which_of(volume, count, shape[:3], shown)
    return index if count > 1 else None


def _shape_to_write(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a mask: that of the file, but three axes where a fourth holds several volumes."""
    return tuple(shape) if len(shape) <= 3 or np.prod(shape[3:]) == 1 else tuple(shape[:3])


def require_finite(values: Array, shown: str) -> None:
    """Pass silently where every voxel is a number.

    Raises:
        InputError: NaN or infinite voxels; says how many.
    """
    if values.dtype.kind != "f":
        return
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise InputError(
            f"{shown}: {bad} of {values.size} voxels are NaN or infinite; replace them by a value for 'outside' "
            "(numpy.nan_to_num, fslmaths -nan)",
            code="not-finite",
            bad=int(bad),
            voxels=values.size,
        )


def image_like(values: Array, native: NiftiNative) -> Any:
    """(slices, rows, columns) values as a single-file NIfTI with the place of the file that was read.

    sform, qform, their codes, pixdim and units are the file's own; free text, intent, scaling and extensions are not
    copied, for they may name a patient or speak of other values.
    """
    kind = _class_named("Nifti2Image" if native.header.sizeof_hdr == 540 else "Nifti1Image")
    header = kind.header_class.from_header(native.header.as_byteswapped("<"), check=False)
    header.extensions.clear()
    for field in ("descrip", "aux_file", "db_name", "intent_name", "data_type"):
        if field in header.structarr.dtype.names:
            header[field] = b""
    for field in ("cal_max", "cal_min", "glmax", "glmin", "intent_code", "intent_p1", "intent_p2", "intent_p3"):
        if field in header.structarr.dtype.names:
            header[field] = 0
    places = {field: header[field].copy() for field in _PLACE}
    header.set_data_dtype(values.dtype)
    header.set_slope_inter(1.0, 0.0)
    image = kind(values.transpose(2, 1, 0).reshape(native.shape), None, header=header)
    for field, value in places.items():  # nibabel tidies these up; they are the file's
        image.header[field] = value
    return image


_PLACE = (
    "pixdim", "xyzt_units", "sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip


def image_from(values: Array, geometry: Geometry) -> Any:
    """(slices, rows, columns) values as NIfTI with the affine of a grid; sform is exact, qform set where it can be."""
    affine = ras_affine(geometry.affine)
    kind = _class_named("Nifti1Image")
    image = kind(values.transpose(2, 1, 0), affine)
    image.header.set_slope_inter(1.0, 0.0)
    aligned = geometry.stack == "space" and geometry.frame_of_reference_uid is not None
    image.set_sform(affine, code=1 if aligned else 2)
    if geometry.is_sheared:
        image.header["qform_code"] = 0  # a quaternion cannot lean
    else:
        image.set_qform(affine, code=1 if aligned else 2)
    image.header.set_xyzt_units(xyz="mm" if geometry.unit == "mm" else "unknown")
    return image

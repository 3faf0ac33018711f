"""What the text at the top of a NRRD or MetaImage file says, read before any library opens the file.

ITK fills in without a word what a header leaves out, and follows a detached header to any file of the disk. So it is asked
of the text itself where the voxels lie, and whether a spacing, a unit and an orientation are stated at all.
Sources: teem's definition of NRRD (NRRD0001 to NRRD0005), MetaIO's documentation of MetaImage tags.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medkt.errors import InputError, UnreadableError, UnsupportedError

ItkFormat = Literal["nrrd", "metaimage"]

SHOWN = {"nrrd": "NRRD", "metaimage": "MetaImage"}
_LONGEST = 1 << 20
_META = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|Comment|Name|ID|DimSize)\s*=")
_LOCAL = ("local", "")
_WIDTHS = {  # bytes of a number, by how it is called
    1: ("char", "signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t", "met_char", "met_uchar"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t", "ushort", "unsigned short",
        "unsigned short int", "uint16", "uint16_t", "met_short", "met_ushort"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float", "met_int", "met_uint",
        "met_float"),
}  # fmt: skip
_WORLDS = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # a header in a log might name the patient
class HeaderText:
    """The fields of a header.

    Attributes:
        kind: "nrrd" or "metaimage".
        fields: what the file says, by name in lower case without spaces at the ends; metadata of its own not in it.
        length: bytes up to where attached voxels begin.
    """

    kind: ItkFormat
    fields: Mapping[str, str]
    length: int

    @property
    def detached(self) -> str | None:
        """The name of the file that holds the voxels, as the header spells it; None where they follow the header."""
        if self.kind == "nrrd":
            return self.fields.get("data file", self.fields.get("datafile"))
        name = self.fields.get("elementdatafile", "LOCAL")
        return None if name.lower() in _LOCAL else name

    @property
    def sized(self) -> bool:
        """Whether a spacing is stated."""
        names = ("space directions", "spacings") if self.kind == "nrrd" else ("elementspacing", "elementsize")
        return any(name in self.fields for name in names)

    @property
    def placed(self) -> bool:
        """Whether it is stated which way the patient lies."""
        if self.kind == "nrrd":
            world = self.fields.get("space", "").lower().removesuffix("-time")
            return "space directions" in self.fields and world in _WORLDS
        return any(name in self.fields for name in ("transformmatrix", "rotation", "orientation"))

    @property
    def raw(self) -> bool:
        """Whether the voxels stand in their file byte for byte."""
        if self.kind == "nrrd":
            skips = any(
                self.fields.get(name, "0") != "0" for name in ("line skip", "byte skip", "lineskip", "byteskip")
            )
            return self.fields.get("encoding", "").lower() == "raw" and not skips
        compressed = self.fields.get("compresseddata", "False").lower() == "true"
        binary = self.fields.get("binarydata", "False").lower() == "true"
        return binary and not compressed and "headersize" not in self.fields

    def voxels_of(self, path: Path, shown: str) -> Path:
        """The file that holds the voxels: this one, or one beside it.

        Raises:
            UnsupportedError: they are spread over several files, or lie in another folder.
            InputError: the file is missing.
        """
        name = self.detached
        if name is None:
            return path
        if re.search(r"[%\s]\s*\d|^LIST", name) and not (path.parent / name).is_file():
            raise UnsupportedError(
                f"{shown}: its voxels are spread over several files; save them as one {SHOWN[self.kind]} file"
            )
        if Path(name).name != name or "\\" in name:  # a header from elsewhere must not choose what is read here
            raise UnsupportedError(
                f"{shown}: names voxels in another folder; put both files into one folder, and the bare name into the header"
            )
        if not (path.parent / name).is_file():
            raise InputError(f"{shown}: is a header, and the file of voxels that it names is not beside it")
        return path.parent / name

    def bytes_of_voxels(self, shown: str) -> int:
        """How many bytes the voxels take once decoded, as the header has it.

        Raises:
            UnreadableError: it counts none.
        """
        nrrd = self.kind == "nrrd"
        sides = self._counts("sizes" if nrrd else "dimsize")
        kind = self.fields.get("type" if nrrd else "elementtype", "").lower()
        numbers = [1] if nrrd else self._counts("elementnumberofchannels") or [1]
        width = next((width for width, names in _WIDTHS.items() if kind in names), 8)
        count = math.prod(sides) * numbers[0] * width
        if not sides or min(sides) < 1 or count < 1:
            raise UnreadableError(
                f"{shown}: its {SHOWN[self.kind]} header counts no voxels; it is damaged, export it again"
            )
        return count

    def _counts(self, name: str) -> list[int]:
        words = self.fields.get(name, "").split()
        return [int(word) for word in words] if all(re.fullmatch(r"\d{1,12}", word) for word in words) else []

    def slices_beyond(self, path: Path, shown: str) -> str:
        """A word about voxels behind those that the header counts, "" for none or where nobody can tell before they are unpacked.

        Raises:
            UnreadableError: fewer are there. UnsupportedError, InputError: as `voxels_of`.
        """
        held, needed = self.voxels_of(path, shown), self.bytes_of_voxels(shown)
        if not self.raw:
            return ""
        present = held.stat().st_size - (self.length if self.detached is None else 0)
        if present < needed:
            raise UnreadableError(
                f"{shown}: reading the voxels failed: the header counts {needed} bytes with voxels, and {present} are there; it is cut off or "
                "damaged, export it again", code="voxels-beyond-bytes", needed=needed, present=present,
            )  # fmt: skip
        slices = self._counts("sizes" if self.kind == "nrrd" else "dimsize")[-1]
        more = (present - needed) // max(1, needed // slices)
        return f"the file holds {more} slices more than its header counts" if more else ""

    def require_millimetres(self, shown: str) -> None:
        """Pass silently where lengths are in millimetres or have no unit.

        Raises:
            UnsupportedError: another unit, which ITK would take for millimetres.
        """
        named = self.fields.get("space units", self.fields.get("distanceunits", ""))
        units = {word for word in re.findall(r"[^\s\"]+", named) if word.lower() not in ("", "?", "none", "???")}
        other = {word for word in units if word.lower() not in ("mm", "millimeter", "millimetre", "millimeters")}
        if other:
            raise UnsupportedError(f"{shown}: its lengths are not in millimetres; save it in millimetres")


def itk_kind(path: Path) -> ItkFormat | None:
    """Whether a file is NRRD or MetaImage, by its content; None for neither."""
    with path.open("rb") as file:
        start = file.read(256)
    if start[:7] == b"NRRD000":
        return "nrrd"
    return "metaimage" if _META.match(start) else None


def header_of(path: Path, kind: ItkFormat, shown: str) -> HeaderText:
    """The header of a file of this kind.

    Raises:
        UnreadableError: it has no end.
    """
    with path.open("rb") as file:
        text = file.read(_LONGEST)
    end = _end_of_nrrd(text) if kind == "nrrd" else _end_of_meta(text)
    if end is None:
        raise UnreadableError(
            f"{shown}: its {SHOWN[kind]} header does not end; it is cut off or damaged, export it again"
        )
    lines = text[:end].decode("utf-8", "replace").splitlines()
    pairs = (_pair(line, ":" if kind == "nrrd" else "=") for line in lines)
    return HeaderText(kind=kind, fields=dict(one for one in pairs if one is not None), length=end)


def _end_of_nrrd(text: bytes) -> int | None:
    """After the empty line; a detached header may end with its last line."""
    found = re.search(rb"\n\r?\n", text)
    if found is not None:
        return found.end()
    return len(text) if re.search(rb"^data ?file:", text, re.MULTILINE) and len(text) < _LONGEST else None


def _end_of_meta(text: bytes) -> int | None:
    found = re.search(rb"^\s*ElementDataFile\s*=[^\n]*(\n|$)", text, re.MULTILINE)
    return None if found is None else found.end()


def _pair(line: str, sign: str) -> tuple[str, str] | None:
    if line.startswith("#") or sign not in line or (sign == ":" and ":=" in line):
        return None
    name, value = line.split(sign, 1)
    return name.strip().lower(), value.strip()

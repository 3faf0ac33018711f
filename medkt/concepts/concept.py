"""A finding in words: a name, captions with their sources, and the codes that DICOM wants."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Role = Literal["inversion", "finetune", "prompt", "contrast"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One coded term: `value` in `scheme` ("SCT", "DCM", "RADLEX"), with its meaning in words."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """One description of how a finding looks, in our own words.

    `roles` says what it may be used for: "inversion" (never holds the finding's name), "finetune", "prompt" (what an
    image is compared with), "contrast" (what it is not).
    """

    text: str
    roles: tuple[Role, ...] = ("prompt",)
    source: str = ""
    licence: str = ""
    author: str = ""


# DICOM PS3.16 CID 7150: what a segment is when nothing more exact is known
MORPHOLOGICALLY_ABNORMAL = Code(value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A finding that can be looked for.

    Attributes:
        id: lower-case letters, digits and underscores; names files and results.
        name: as a radiologist writes it.
        captions: at least one that may be a prompt; free text given by a user is the only caption.
        modality: the domain it belongs to, a name of `medkt.modalities`; "" for any.
        category, type, region: codes for a DICOM segment; `type` defaults to `category` where no code is known.
        colour: display colour, sRGB 0-255.
        smallest_visible_mm: diameter below which this finding is not expected to show, or None.
        window: the CT window in which it shows ("lung", "brain"); "" leaves it to the domain.
        body: the part of the body ("chest", "head"); "" is the one that the domain is mostly used for.
        related: ids of concepts that may be the same thing (a carcinoma is a tumour), so never a contrast to it.
        is_free_text: whether a user wrote the text for one run; it is then used as it stands, in no template.
    """

    id: str
    name: str
    captions: tuple[Caption, ...]
    synonyms: tuple[str, ...] = ()
    modality: str = ""
    views: tuple[str, ...] = ()
    category: Code = MORPHOLOGICALLY_ABNORMAL
    type: Code | None = None
    region: Code | None = None
    colour: tuple[int, int, int] = (230, 60, 60)
    smallest_visible_mm: float | None = None
    licence: str = ""
    source: str = ""
    author: str = ""
    digest: str = field(default="")
    window: str = ""
    body: str = ""
    related: tuple[str, ...] = ()
    is_free_text: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its synonyms."""
        return (self.name, *self.synonyms)

    def is_called(self, name: str) -> bool:
        """Whether this is the concept's id or, in any case, one of its names."""
        return name == self.id or name.casefold() in (one.casefold() for one in self.names)

    def texts(self, role: Role = "prompt") -> tuple[str, ...]:
        """The captions that may be used in this role, in file order."""
        return tuple(caption.text for caption in self.captions if role in caption.roles)


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether the text holds one of the names as whole words, in any case, singular or plural.

    >>> mentions("two lung nodules", ["lung nodule"]), mentions("nodular", ["nodule"])
    (True, False)
    """
    return any(re.search(rf"\b{re.escape(name)}(s|es)?\b", text, re.IGNORECASE) for name in names)

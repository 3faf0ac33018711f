"""Whether a text fits an image, decided attribute by attribute with three answers: yes, no, unknown.

What an image may show is a set of values for each attribute (one value where it is known); what a text claims is a
set of allowed values. The text fits if every possible value is allowed, contradicts if none of some attribute is,
and is undecided otherwise. Sets are the bits of an integer, so a batch is compared at once.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from medkt.phantom.descriptions import MARGIN, NUMBER, PLACE, SHAPE, SIDE, SIZE, TEXTURE
from medkt.phantom.finding import DOMAINS, findings
from small_model.corpus import Row
from small_model.real_images import REAL
from small_model.reports import ATTRIBUTES, Claims

NONE = "none"  # the value of every attribute of a normal image
_PLACES = tuple(dict.fromkeys(place for places in PLACE.values() for place in places))
VALUES: Mapping[str, tuple[str, ...]] = {
    "domain": tuple(dict.fromkeys((*DOMAINS, *(c.place for c in REAL.values())))),
    "finding": ("", "unnamed", *(i for i, f in findings().items() if not f.held_out), *(f"real_{r}" for r in REAL)),
    "shape": (NONE, *SHAPE),
    "margin": (NONE, *MARGIN),
    "intensity": (NONE, "bright", "faint", "dark", "very_bright"),
    "texture": (NONE, *TEXTURE),
    "size": (NONE, *SIZE),
    "number": (NONE, *NUMBER),
    "place": (NONE, *_PLACES),
    "side": (NONE, *SIDE),
}
"""Every attribute and its values; at most 63 fit into the bits of an int64."""
NAMES = tuple(VALUES)
_INDEX = {name: {value: i for i, value in enumerate(values)} for name, values in VALUES.items()}
_ALL = {name: (1 << len(values)) - 1 for name, values in VALUES.items()}


def image_bits(rows: Sequence[Row]) -> Int64[np.ndarray, "images attributes"]:
    """What each image may show."""
    return np.array([_possible(row) for row in rows], np.int64)


def text_bits(claims: Sequence[Claims]) -> Int64[np.ndarray, "texts attributes"]:
    """What each text allows; an attribute that it does not mention allows everything."""
    made = [[_bits(name, one[name]) if name in one else _ALL[name] for name in NAMES] for one in claims]
    return np.array(made, np.int64).reshape(-1, len(NAMES))


def compare(
    images: Int64[Tensor, "images attributes"], texts: Int64[Tensor, "texts attributes"]
) -> tuple[Bool[Tensor, "images texts"], Bool[Tensor, "images texts"]]:
    """Which texts fit which images, and which contradict them. A pair that is neither is undecided."""
    both = images[:, None] & texts[None]
    return (both == images[:, None]).all(-1), (both == 0).any(-1)


def known_values(bits: Int64[np.ndarray, "rows attributes"]) -> Int64[np.ndarray, "rows attributes"]:
    """The index of the one value that is set, or -1 where there are several."""
    made = np.full(bits.shape, -1, np.int64)
    single = (bits & (bits - 1)) == 0
    made[single] = np.rint(np.log2(bits[single].astype(np.float64))).astype(np.int64)
    return made


def _bits(name: str, values: Sequence[str] | frozenset[str]) -> int:
    return sum(1 << _INDEX[name][value] for value in values)


def _possible(row: Row) -> list[int]:
    if row.real:
        return _possible_of_real(row)
    made = {"domain": _bits("domain", [row.domain]), "finding": _bits("finding", _may_be_called(row))}
    for name in ATTRIBUTES:
        if row.attributes is None:
            made[name] = _bits(name, [NONE])
        elif name in row.known:
            made[name] = _bits(name, [getattr(row.attributes, name)])
        else:
            made[name] = _ALL[name] & ~1
    return [made[name] for name in NAMES]


def _may_be_called(row: Row) -> list[str]:
    """An unnamed lesion that looks like a named one may be that one."""
    if row.finding != "unnamed" or row.attributes is None:
        return [row.finding]
    looks = row.attributes.identity
    alike = [i for i, f in findings().items() if f.domain == row.domain and f.identity == looks and not f.held_out]
    return ["unnamed", *alike]


def _possible_of_real(row: Row) -> list[int]:
    kind = REAL[row.real]
    normal = not kind.names
    called = [""] if normal else [f"real_{row.real}", *kind.fits]
    made = {"domain": _bits("domain", [kind.place]), "finding": _bits("finding", called)}
    made |= {name: _bits(name, [NONE]) if normal else _ALL[name] & ~1 for name in ATTRIBUTES}
    return [made[name] for name in NAMES]


def as_tensor(bits: Int64[np.ndarray, "rows attributes"]) -> Int64[Tensor, "rows attributes"]:
    """The same bits for `compare`."""
    return torch.from_numpy(bits)

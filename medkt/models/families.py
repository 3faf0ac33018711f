"""Which family a checkpoint is of, by what its entries are called; those that medkt does not load too.

A file is said to be of the family whose way of naming fits most of its entries, so that a file of which some are missing,
or to which some were added, is still told by its name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medkt.models.containers import Shape
from medkt.models.family import Naming, names
from medkt.models.records import DOORS, ModelKind

_FEWEST = 0.5  # of the entries; below it a file is of no family

ALONE: tuple[Naming, ...] = (
    Naming(title="a BERT alone", names=names(r"(bert\.)?(embeddings|encoder\.layer\.\d+|pooler)\..*|cls\..*")),
    Naming(title="a ResNet alone", names=names(r"(conv1|bn1|layer[1-4]|fc)\..*")),
    Naming(title="a Vision Transformer alone", names=names(
        r"cls_token|pos_embed|mask_token|register_tokens|(patch_embed|blocks|norm|fc_norm|head)\..*"
    )),
)  # fmt: skip
"""Parts of models, which medkt does not load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingMatch:
    """A way of naming, and whose it is; `family` is "" where it is nobody's."""

    naming: Naming
    kind: ModelKind = "encoder"
    family: str = ""


def nearest(shapes: Mapping[str, Shape]) -> NamingMatch | None:
    """The way of naming that fits most of these entries; the first of several; None where none fits half of them."""
    likenesses = sorted(_likenesses(), key=lambda one: not one.naming.layout)  # what medkt loads first
    fits = [sum(bool(one.naming.names.fullmatch(name)) for name in shapes) for one in likenesses]
    most = max(fits)
    return likenesses[fits.index(most)] if shapes and most >= _FEWEST * len(shapes) else None


def described(shapes: Mapping[str, Shape]) -> str:
    """What a file looks like, in words: "CLIP ViT-B/16 in Hugging Face layout"; "" where it looks like nothing known."""
    found = nearest(shapes)
    if found is None:
        return ""
    naming = found.naming
    if not naming.layout:
        return f"{naming.title}, which medkt does not load"
    parts = (naming.variant(shapes) or "").split("-")
    size = f" ViT-{parts[1].upper()}" + "".join(f"/{patch}" for patch in parts[2:]) if len(parts) > 1 else ""
    return f"{naming.title}{size} in {naming.layout}"


def _likenesses() -> Iterator[NamingMatch]:
    for kind, door in DOORS.items():
        for family, record in door.items():
            yield from (NamingMatch(naming=naming, kind=kind, family=family) for naming in record.namings)
    yield from (NamingMatch(naming=naming) for naming in ALONE)

"""What a phantom can show: findings as combinations of visible attributes, read from `configs/phantom/findings.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np

from medkt.errors import UnknownNameError
from medkt.resources import data_yaml
from medkt.shapes import MaskPlane, Plane

DomainName = Literal["cxr", "ct", "mri", "ultrasound"]
DOMAINS: tuple[DomainName, ...] = ("cxr", "ct", "mri", "ultrasound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What one lesion looks like. The words are those of `configs/phantom/findings.yaml`."""

    shape: str
    margin: str
    intensity: str
    texture: str
    size: str
    number: str
    place: str
    side: str = ""  # "left", "right", "both" or "" (the patient's side; on a frontal image left is on the right)

    @property
    def identity(self) -> tuple[str, str, str]:
        """The (shape, intensity, texture) by which a held-out finding is kept out of training."""
        return (self.shape, self.intensity, self.texture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A named finding of one domain, and the range of attributes with which it is drawn."""

    id: str
    domain: DomainName
    name: str
    shape: str
    margin: str
    intensity: str
    texture: str
    size: tuple[str, ...]
    number: str
    place: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    held_out: bool = False
    drawn_by: Literal["lesion", "anatomy"] = "lesion"

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.shape, self.intensity, self.texture)

    def draw(self, rng: np.random.Generator, side: str = "") -> Attributes:
        """One instance's attributes: size and place are drawn from the finding's own lists."""
        return Attributes(
            shape=self.shape, margin=self.margin, intensity=self.intensity, texture=self.texture,
            size=str(rng.choice(self.size)), number=self.number, place=str(rng.choice(self.place)), side=side,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomPlane:
    """One phantom image as a radiologist would see it: a plane in [0, 1], what is in it, and where.

    `plane` is (rows, columns) float32 in [0, 1] after the domain's display window; `mask` is the finding (all
    False for a normal image); `finding` is the finding's id, "" for a normal image, "unnamed" for a lesion with
    a free combination of attributes; `attributes` is None for a normal image; `context` are free facts that a
    report may mention (the view, the sequence, the slice level).
    """

    plane: Plane
    mask: MaskPlane
    domain: DomainName
    finding: str
    attributes: Attributes | None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoLesions:
    """One phantom image with two different lesions: a plane as in `PhantomPlane`, and of each lesion its mask and look."""

    plane: Plane
    masks: tuple[MaskPlane, MaskPlane]
    domain: DomainName
    attributes: tuple[Attributes, Attributes]


@cache
def findings() -> Mapping[str, Finding]:
    """Every finding by id, in file order."""
    raw = data_yaml("configs/phantom/findings.yaml")
    made: dict[str, Finding] = {}
    for row in raw["findings"]:
        lists = {key: tuple(row.get(key, ())) for key in ("size", "place", "synonyms")}
        made[row["id"]] = Finding(**{**row, **lists})
    return made


def findings_of(domain: DomainName, *, held_out: bool | None = None) -> tuple[Finding, ...]:
    """The findings of one domain; with `held_out` only those that are (or are not) held out of training."""
    return tuple(f for f in findings().values() if f.domain == domain and (held_out is None or f.held_out is held_out))


def find(finding_id: str) -> Finding:
    """The finding of that id.

    Raises:
        UnknownNameError: no finding has this id; the message lists those that do.
    """
    try:
        return findings()[finding_id]
    except KeyError:
        raise UnknownNameError(f"no phantom finding {finding_id!r}; known: {', '.join(findings())}") from None


def held_out_identities(domain: DomainName) -> frozenset[tuple[str, str, str]]:
    """The (shape, intensity, texture) combinations that no training image of this domain may show."""
    return frozenset(f.identity for f in findings_of(domain, held_out=True))

"""The user's own studies that a learning may look at, as an encoder takes them; `medkt.learning.own_studies` reads them. And drawn ones in their place."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medkt.inversion.noise import stream
from medkt.phantom.drawers import DRAWERS, draw_normal
from medkt.phantom.finding import DomainName, findings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyPlanes:
    """Planes of studies, (studies, 3, side, side) in [0, 1] at the encoder's input size; None where none were given.

    Attributes:
        normals: without a finding; lesions are made inside them.
        rehearse: the usual mixture of a site, with lesions, of which nobody says what they show.
        images: that show the finding, to be learned from in place of images made from words.
    """

    normals: Tensor | None = None
    rehearse: Tensor | None = None
    images: Tensor | None = None
    pool: int = 0
    """Of how many unlabelled studies `images` stood out; 0 where they are labelled, or there are none."""

    @property
    def there(self) -> bool:
        """Whether there are any."""
        return any(part is not None for part in (self.normals, self.rehearse, self.images))

    @property
    def record(self) -> dict[str, int]:
        """How many of each there are, for a record; nothing that could name a patient."""
        parts = {"normals": self.normals, "rehearse": self.rehearse, "images": self.images}
        counts = {name: len(part) for name, part in parts.items() if part is not None}
        return {**counts, "pool": self.pool} if self.pool else counts


NOTHING_GIVEN = StudyPlanes()


def drawn_normals(domain: DomainName, count: int, seed: int, *, side: int) -> Float[Tensor, "images 1 side side"]:
    """Drawn studies without a finding, each with random numbers of its own."""
    return _stacked([draw_normal(domain, _generator(seed, "normal", n), side=side) for n in range(count)], side)


def drawn_findings(
    domain: DomainName, names: tuple[str, ...], count: int, seed: int, *, side: int
) -> Float[Tensor, "images 1 side side"]:
    """So many phantoms of each of these findings that medkt draws in the domain, finding after finding."""
    planes = [
        DRAWERS[domain].draw_plane(name, _generator(seed, name, n), side=side).plane
        for name in drawn_names(domain, names)
        for n in range(count)
    ]
    return _stacked(planes, side)


def drawn_names(domain: DomainName, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of these findings that medkt draws in the domain."""
    return tuple(name for name in names if name in findings() and findings()[name].domain == domain)


def _generator(seed: int, what: str, index: int) -> np.random.Generator:
    return np.random.default_rng(stream(seed, what, index, "rehearsal").initial_seed())


def _stacked(planes: list[np.ndarray], side: int) -> Tensor:
    if not planes:
        return torch.zeros((0, 1, side, side))
    grey = np.rint(np.stack(planes) * 255).astype(np.float32) / 255  # on 256 grey levels, as pictures are
    return torch.from_numpy(grey)[:, None]

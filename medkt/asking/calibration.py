"""Pictures that do not show a finding, by which the lead is set from which it is seen.

Drawn are known findings and normal studies, where medkt draws the part of the body; studies of the user's take their place
(`normals`, `rehearse`). Kept of all are vectors and counts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from medkt.asking.bias import ENOUGH_NORMALS, NORMALS_CALLED_SEEN, OF_ALL, OF_UNLABELLED, settled
from medkt.asking.pictures import NORMAL, PictureCounts, Pictures, draw_calibration
from medkt.asking.studies import ShownStudies, digest_of_studies
from medkt.asking.vectors import leads_of, vectors_of_planes
from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.phantom.drawers import DRAWN_BODY
from medkt.phantom.finding import DOMAINS, DomainName
from medkt.progress import Progress
from medkt.saliency.directions import Directions

SEED = 71_000
"""Of the drawn pictures: no training, exam or test of medkt's draws from it."""
COUNTS = PictureCounts(finding=0, others=0, normal=100, known=12)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeadCalibration:
    """Vectors of pictures that do not show the finding, from one encoder.

    Attributes:
        known: one set a picture or study, of known findings; `named` says which finding each shows, by its place among the known.
        normal: of studies without any finding.
        unlabelled: of studies of the usual mixture.
        set_on: what they are, for the record.
    """

    known: tuple[Float[Tensor, "_ width"], ...]
    named: tuple[int, ...]
    normal: tuple[Float[Tensor, "_ width"], ...]
    unlabelled: tuple[Float[Tensor, "_ width"], ...]
    set_on: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        encoder: DualEncoder,
        concept: Concept,
        domain: Domain,
        known: Sequence[Concept],
        *,
        normals: ShownStudies | None = None,
        rehearse: ShownStudies | None = None,
        progress: Progress | None = None,
    ) -> "LeadCalibration":
        """Drawn pictures, and in their place the user's studies where they are given.

        Args:
            encoder: that is asked.
            concept: whose part of the body is drawn.
            domain: in which.
            known: the findings that are drawn.
            normals: studies without any finding, in place of drawn ones.
            rehearse: studies of the usual mixture, of which nobody says what they show; no known finding is drawn then.
            progress: told (stage, studies done, studies in all).

        Raises:
            InputError: nothing is drawn of this part of the body and no normals are given; or from reading a study.
        """
        name, ids = drawn_domain(concept, domain), [one.id for one in known]
        if name is None and normals is None:
            raise InputError(
                f"{concept.id}: medkt draws no normal study of this part of the body, so that it cannot be set from which lead "
                "on the finding is seen; give studies without it with --normals DIR"
            )
        counts = PictureCounts(
            finding=0, others=0, normal=0 if normals else COUNTS.normal, known=0 if rehearse else COUNTS.known
        )
        drawn = None if name is None else draw_calibration(name, known=ids, counts=counts, seed=SEED)
        known_drawn, normal_drawn, named = _drawn_vectors(encoder, drawn, ids)
        own_normal, said_normal = _own(encoder, normals, "normal studies", progress)
        own_mixed, said_mixed = _own(encoder, rehearse, "studies of the usual mixture", progress)
        set_on = {
            "known findings, drawn": {"pictures": len(known_drawn), "seed": SEED} if known_drawn else None,
            "normals": said_normal or {"pictures": len(normal_drawn), "drawn with seed": SEED},
            "unlabelled": said_mixed,
        }
        return cls(
            known=known_drawn, named=named, normal=own_normal or normal_drawn, unlabelled=own_mixed, set_on=set_on,
        )  # fmt: skip

    def settled(
        self, directions: Directions, names: Float[Tensor, "known width"]
    ) -> tuple[Directions, float, dict[str, Any]]:
        """The directions with their handicap, the lead from which on the finding is seen, and what both were set on.

        Args:
            directions: by which it is asked.
            names: the known findings' directions, by which their pictures are named.
        """
        right = self._named_right(names)
        vectors = {
            "known": [one for one, good in zip(self.known, right, strict=True) if good],
            "normal": self.normal, "unlabelled": self.unlabelled,
        }  # fmt: skip
        directions, found = settled(
            directions, lambda asked: {kind: leads_of(some, asked) for kind, some in vectors.items()}
        )
        known, normal, unlabelled = (leads_of(some, directions) for some in vectors.values())
        said: dict[str, Any] = {key: dict(value) for key, value in self.set_on.items() if value is not None}
        if self.known:
            said["known findings, drawn"] |= {"named right": int(right.sum()), "called seen": _above(known, found)}
        said["normals"] |= {"called seen": _above(normal, found)}
        if self.unlabelled:
            said["unlabelled"] |= {"called seen": _above(unlabelled, found)}
        said["rule"] = {
            "quantile of known findings and normals": OF_ALL, "quantile of unlabelled": OF_UNLABELLED,
            "share of new normals called seen, at most": NORMALS_CALLED_SEEN,
            "enough normals for that": len(normal) >= ENOUGH_NORMALS,
        }  # fmt: skip
        return directions, found, said

    def _named_right(self, names: Float[Tensor, "known width"]) -> Bool[np.ndarray, " known_pictures"]:
        if not self.known:
            return np.zeros(0, bool)
        nearest = (torch.cat(self.known) @ names.to(self.known[0]).T).argmax(dim=1).cpu().numpy()
        return np.asarray(nearest == np.array(self.named), bool)


def drawn_domain(concept: Concept, domain: Domain) -> DomainName | None:
    """The domain whose drawn studies show the concept's part of the body; None where none does."""
    body = concept.body if concept.body in domain.words else domain.default_body
    return next((name for name in DOMAINS if name == domain.name and DRAWN_BODY[name] == body), None)


def _drawn_vectors(
    encoder: DualEncoder, drawn: Pictures | None, known: Sequence[str]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[int, ...]]:
    """Of known findings, of normals, and which finding each of the former shows."""
    if drawn is None or not drawn.planes:
        return (), (), ()
    rows = vectors_of_planes(encoder, drawn.planes)[:, None]
    of_known = [place for place, kind in enumerate(drawn.kinds) if kind != NORMAL]
    normal = tuple(rows[place] for place, kind in enumerate(drawn.kinds) if kind == NORMAL)
    return (
        tuple(rows[place] for place in of_known),
        normal,
        tuple(known.index(drawn.kinds[place]) for place in of_known),
    )


def _own(
    encoder: DualEncoder, studies: ShownStudies | None, what: str, progress: Progress | None
) -> tuple[tuple[Tensor, ...], dict[str, Any] | None]:
    """The vectors of the user's studies, and what is said of them: counts and digests."""
    if studies is None:
        return (), None
    vectors, digests, doubts = list[Tensor](), list[str](), Counter[str]()
    for study in studies:
        doubts.update(study.doubts)
        vectors.append(vectors_of_planes(encoder, study.planes))
        digests.append(study.digest)
        if progress is not None:
            progress(what, len(vectors), len(studies))
    planes = sum(len(one) for one in vectors)
    told: dict[str, Any] = {"studies": len(vectors), "planes": planes, "sha256": digest_of_studies(digests)}
    return tuple(vectors), {**told, **({"doubts": dict(doubts)} if doubts else {})}


def _above(found: Float64[np.ndarray, " studies"], bias: float) -> int:
    return int((found > bias).sum())

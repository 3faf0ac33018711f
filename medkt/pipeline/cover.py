"""How much of the body an answer covers. A mask over most of what is shown is no lesion, whatever the score was."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.pipeline.look import PlaneSelection
from medkt.presence import AnswerGuard, Guard, withheld
from medkt.segmentation.slicewise import ConceptResult
from medkt.spatial import Image


def held_to_size(
    found: Sequence[ConceptResult],
    asked: Sequence[Concept],
    guard: Guard | None,
    image: Image,
    kind: Domain,
    looked: PlaneSelection,
) -> dict[str, ConceptResult]:
    """The same results by concept, those without a mask and with no claim that cover more of the body than the guard lets pass."""
    return {
        one.concept: _held(one, concept, guard, image, kind, looked) for one, concept in zip(found, asked, strict=True)
    }


def _held(
    found: ConceptResult, concept: Concept, guard: Guard | None, image: Image, kind: Domain, looked: PlaneSelection
) -> ConceptResult:
    if not isinstance(guard, AnswerGuard) or not found.pieces or not found.presence.claims:
        return found
    reasons = guard.of_answer(concept, kind, covered(found, image, kind, looked), is_volume=len(looked.positions) > 1)
    if not reasons:
        return found
    held = withheld(found.presence, reasons, concept=found.concept)
    return replace(found, presence=held, pieces=(), disagreement=None)


def covered(found: ConceptResult, image: Image, kind: Domain, looked: PlaneSelection) -> float:
    """The share of the body, in the planes that were looked at, that lies in the mask; in [0, 1]."""
    return share_of_body(sum(int(np.count_nonzero(mask)) for _, mask in found.masks()), image, kind, looked)


def share_of_body(masked: int, image: Image, kind: Domain, looked: PlaneSelection) -> float:
    """That of so many pixels of the planes that were looked at; in [0, 1].

    The body is what is brighter than air, and what it encloses; where air has no level, as in a radiograph, all that is shown.
    """
    planes = (looked.planes.show(image.values, looked.index(position)) for position in looked.positions)
    return min(1.0, masked / max(sum(kind.body_pixels(image, looked.cut(plane)) for plane in planes), 1))

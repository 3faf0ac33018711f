"""`medkt segment` on images of one finding, asked by its bare name."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from tasks import TEST_SEED, Task, names_of

from medkt.concepts import Caption, Concept
from medkt.domains import Domain
from medkt.metrics import evaluate_case
from medkt.models.encoder import DualEncoder
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, findings
from medkt.pipeline import Pipeline, View
from medkt.spatial import Geometry, Image, Mask, Provenance

SIDE = 256
SPACING_MM = 1.0  # phantoms of all domains as pictures of one scale, so that a tolerance means the same in all
_LOADED: list[Pipeline] = []


def segment_by_name(encoder: DualEncoder, task: Task, numbers: range) -> list[dict[str, float]]:
    """DSC, IoU and boundary NSD (2 mm) of each phantom; 0 where the finding is not seen."""
    studies = [study_of(task, n) for n in numbers]
    return scores_by_name(encoder, task.concept, task.domain, studies, view_of(task), tolerance_mm=2.0)


def view_of(task: Task) -> View:
    """How its phantoms are shown: as they were drawn."""
    return View(modality=task.domain.name, window="256/127.5")


def loaded() -> Pipeline:
    """The small model's whole line, loaded once."""
    if not _LOADED:
        _LOADED.append(Pipeline.load("small"))
    return _LOADED[0]


def scores_by_name(
    encoder: DualEncoder, concept: Concept, kind: Domain, studies: Iterable[tuple[Image, Mask]], view: View,
    *, tolerance_mm: float | None = None, tolerance_px: float | None = None,
) -> list[dict[str, float]]:  # fmt: skip
    """Seen or not, DSC, IoU and boundary NSD of each image, asked by the concept's bare name alone."""
    pipeline = replace(loaded(), encoder=encoder)
    named = replace(concept, captions=tuple(Caption(text=text, roles=("prompt",)) for text in names_of(concept, kind)))
    rows = []
    for image, reference in studies:
        result = pipeline.segment(image, [named], view=view)
        mask = result.mask(result.findings[0])
        case = evaluate_case(reference=reference, prediction=mask, tolerance_mm=tolerance_mm, tolerance_px=tolerance_px)
        seen = {"seen": float(result.findings[0].found.presence.present)}
        rows.append(seen | {name: _zero_for_nan(number) for name, number in case.numbers.items()})
    return rows


def _zero_for_nan(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


def study_of(task: Task, n: int) -> tuple[Image, Mask]:
    """A phantom of the finding by its number, and its mask."""
    name = next(d for d in DOMAINS if d == task.domain.name)
    rng = np.random.default_rng((TEST_SEED, 5, *task.finding.id.encode(), n))
    if task.finding.id in findings():
        drawn = DRAWERS[name].draw_plane(task.finding.id, rng, side=SIDE)
    else:
        drawn = DRAWERS[name].draw_plane("unnamed", rng, side=SIDE, attributes=task.finding.draw(rng))
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])[[2, 1, 0, 3]]  # columns to the left, rows to the back
    geometry = Geometry(affine=affine, shape=(1, SIDE, SIDE), unit="mm")
    values = np.rint(drawn.plane * 255).astype(np.uint8)[None]
    return Image(values=values, geometry=geometry, provenance=Provenance()), Mask(
        values=drawn.mask[None], geometry=geometry
    )

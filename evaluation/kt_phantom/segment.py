"""`medkt segment` on phantom images of one finding, asked by its bare name."""

from dataclasses import replace

import numpy as np
from tasks import TEST_SEED, Task, names_of

from medkt.concepts import Caption
from medkt.datasets.phantom.finding import DOMAINS
from medkt.metrics import evaluate_case
from medkt.models.encoder import DualEncoder
from medkt.pipeline import Pipeline, View
from medkt.recipe.corpus import DRAWERS
from medkt.spatial import Geometry, Image, Mask, Provenance

SIDE = 256
SPACING_MM = 1.0  # phantoms of all domains as pictures of one scale, so that a tolerance means the same in all
_LOADED: list[Pipeline] = []


def segment_by_name(encoder: DualEncoder, task: Task, numbers: range) -> list[dict[str, float]]:
    """DSC, IoU and boundary NSD (2 mm) of each image; 0 where the finding is not seen."""
    if not _LOADED:
        _LOADED.append(Pipeline.load("small"))
    pipeline = replace(_LOADED[0], encoder=encoder)
    named = tuple(Caption(text=text, roles=("prompt",)) for text in names_of(task.concept, task.domain))
    concept = replace(task.concept, captions=named)
    rows = []
    for n in numbers:
        image, reference = _study(task, n)
        result = pipeline.segment(image, [concept], view=View(modality=task.domain.name, window="256/127.5"))
        mask = result.mask(result.findings[0])
        case = evaluate_case(reference=reference, prediction=mask, tolerance_mm=2.0)
        rows.append(
            {
                "seen": float(result.findings[0].found.presence.present),
                **{name: _zero_for_nan(case.numbers[name]) for name in ("dsc", "iou", "nsd@2mm")},
            }
        )
    return rows


def _zero_for_nan(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


def _study(task: Task, n: int) -> tuple[Image, Mask]:
    name = next(d for d in DOMAINS if d == task.domain.name)
    rng = np.random.default_rng((TEST_SEED, 5, *task.finding.id.encode(), n))
    if task.finding.id.startswith("dev_"):
        drawn = DRAWERS[name].draw_plane("unnamed", rng, side=SIDE, attributes=task.finding.draw(rng))
    else:
        drawn = DRAWERS[name].draw_plane(task.finding.id, rng, side=SIDE)
    geometry = Geometry(affine=np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]), shape=(1, SIDE, SIDE), unit="mm")
    values = np.rint(drawn.plane * 255).astype(np.uint8)[None]
    return Image(values=values, geometry=geometry, provenance=Provenance()), Mask(
        values=drawn.mask[None], geometry=geometry
    )

"""Dice of the small segmenter with a reference's own box, and with the box that a coarse map would give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from segment_anything import SamPredictor

from medkt.models.sam_parts import Sam
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, DomainName, findings_of
from small_model.prompts import coarse_box, tight_box
from small_model.real_images import REAL, RealImage

Plane = Float32[np.ndarray, "rows columns"]
Outline = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dice:
    """The mean Dice of some masks, its standard error, and how many there are."""

    mean: float
    error: float
    of: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} (n={self.of}, s.e. {self.error:.3f})" if self.of else "-"


def dice_of(values: Sequence[float]) -> Dice:
    """Summary of single values."""
    if not values:
        return Dice(mean=float("nan"), error=float("nan"), of=0)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Dice(mean=float(np.mean(values)), error=spread / len(values) ** 0.5, of=len(values))


def phantom_dice(sam: Sam, *, each: int, seed: int, side: int = 128) -> dict[str, dict[str, Dice]]:
    """By domain and over all: known and held-out findings, single lesions by their own box and by a coarse one.

    Findings of several lesions are prompted with one box around all of them and have a column of their own.
    """
    made: dict[str, dict[str, list[float]]] = {}
    for domain in DOMAINS:
        made[domain] = _domain_dice(sam, domain, each=each, seed=seed, side=side)
    columns = list(made[DOMAINS[0]])
    made["all"] = {column: [v for d in DOMAINS for v in made[d][column]] for column in columns}
    return {row: {column: dice_of(values) for column, values in columns.items()} for row, columns in made.items()}


def _domain_dice(sam: Sam, domain: DomainName, *, each: int, seed: int, side: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {
        f"{who}, {box} box": [] for who in ("known", "held out", "several or many") for box in ("reference", "coarse")
    }
    for index, finding in enumerate(findings_of(domain)):
        who = "several or many" if finding.number != "single" else "held out" if finding.held_out else "known"
        for n in range(each):
            rng = np.random.default_rng((seed, 11, index, n))
            drawn = DRAWERS[domain].draw_plane(finding.id, rng, side=side)
            own, coarse = both_boxes(sam, drawn.plane, drawn.mask, rng, cell=side / 16)
            found[f"{who}, reference box"].append(own)
            found[f"{who}, coarse box"].append(coarse)
    return found


def real_dice(sam: Sam, images: Iterable[RealImage], *, seed: int) -> dict[str, dict[str, Dice]]:
    """By class of the real images that have a mask: all parts of the mask in one box."""
    found: dict[str, tuple[list[float], list[float]]] = {label: ([], []) for label in REAL}
    rng = np.random.default_rng((seed, 12))
    for image in images:
        if image.mask is not None and image.mask.any():
            cell = max(image.plane.shape) / 16
            own, coarse = both_boxes(sam, image.plane, image.mask, rng, cell=cell)
            found[image.label][0].append(own)
            found[image.label][1].append(coarse)
    return {
        label: {"reference box": dice_of(own), "coarse box": dice_of(coarse)}
        for label, (own, coarse) in found.items()
        if own
    }


def both_boxes(sam: Sam, plane: Plane, mask: Outline, rng: np.random.Generator, *, cell: float) -> tuple[float, float]:
    """Dice with the mask's own box and with a coarse one, by segment_anything's predictor."""
    predictor = SamPredictor(sam)
    with torch.inference_mode():
        predictor.set_image(np.repeat(np.rint(plane * 255).astype(np.uint8)[..., None], 3, 2))
        made = []
        for box in (tight_box(mask), coarse_box(mask, rng, cell=cell)):
            predicted = predictor.predict(box=box, multimask_output=False)[0][0]
            made.append(2.0 * float((predicted & mask).sum()) / float(predicted.sum() + mask.sum()))
    return made[0], made[1]

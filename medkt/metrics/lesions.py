"""Lesion by lesion: which parts of the reference were found, which parts of the prediction are true.

A lesion is a connected part (`medkt.metrics.connected`). Connectivity and the rule of detection change every number here, so both are settings and
are recorded. Two rules: `iou` pairs lesions one to one, as many as possible and of those the best overlap (Kofler et
al. 2023, arXiv:2312.02608, for why the rule must be stated); `coverage` lets several parts share a lesion.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float64, Int

from medkt.errors import SettingsError
from medkt.metrics.connected import CONNECTIVITY, NEIGHBOURS, Labels, label_lesions
from medkt.metrics.lesion_scores import found_by_coverage, found_by_pairs
from medkt.shapes import Voxels
from medkt.spatial import Geometry, Mask

MatchRule = Literal["iou", "coverage"]
Overlaps = Float64[np.ndarray, "references predictions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSettings:
    """What a lesion is and when it counts as found."""

    connectivity: int = CONNECTIVITY
    """6 (faces), 18 (and edges) or 26 (and corners); for one plane, and within each frame of a clip, 4, 8 and 8 pixels."""
    rule: MatchRule = "iou"
    """iou: pairs of lesions with an IoU above the threshold. coverage: more than that part of a lesion is covered."""
    threshold: float = 0.1
    """From 0 to below 1; strictly more than this is asked for, so 0 means any overlap."""
    smallest_voxels: int = 1
    """Smaller parts of either mask are no lesions."""

    def __post_init__(self) -> None:
        if self.connectivity not in NEIGHBOURS:
            raise SettingsError(f"lesion connectivity is 6, 18 or 26, got {self.connectivity}")
        if self.rule not in ("iou", "coverage"):
            raise SettingsError(f"lesion rule is iou or coverage, got {self.rule!r}")
        if not 0 <= self.threshold < 1:
            raise SettingsError(f"a lesion threshold lies from 0 to below 1, got {self.threshold}")
        if self.smallest_voxels < 1:
            raise SettingsError(f"a lesion has at least 1 voxel, got {self.smallest_voxels}")

    def words(self) -> str:
        """The rule as recorded beside the numbers.

        >>> LesionSettings().words()
        'iou > 0.1, 26 neighbours, at least 1 voxel'
        """
        voxels = "1 voxel" if self.smallest_voxels == 1 else f"{self.smallest_voxels} voxels"
        return f"{self.rule} > {self.threshold:g}, {self.connectivity} neighbours, at least {voxels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLesion:
    """One connected part of the reference or of the prediction.

    Attributes:
        voxels: how many.
        volume_ml: None for one plane, a clip, or without spacing.
        matched: of a reference lesion, whether it was found; of a predicted one, whether it is true.
        overlap: the largest IoU (rule `iou`) with a lesion of the other mask, or the part of it that the other mask
            covers (rule `coverage`), from 0 to 1.
        score: of a predicted lesion, how sure the prediction was of it; None where no scores were given.
    """

    voxels: int
    volume_ml: float | None
    matched: bool
    overlap: float
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMatch:
    """The lesions of one case, each list in the order of the first voxel.

    Attributes:
        reference, prediction: the lesions of the two masks.
        best_score: for each reference lesion the score from which on it is found: with the predicted lesions of at least
            that score, by the same rule. None where it is not found, or without scores. What FROC needs.
        false_scores: the scores of the predicted lesions that are none; as many as `false_positives`.
        settings: what a lesion is and when it is found.
    """

    reference: tuple[MaskLesion, ...]
    prediction: tuple[MaskLesion, ...]
    best_score: tuple[float | None, ...] = ()
    false_scores: tuple[float, ...] = ()
    settings: LesionSettings = field(default_factory=LesionSettings)

    @property
    def found(self) -> int:
        """Reference lesions that were detected."""
        return sum(lesion.matched for lesion in self.reference)

    @property
    def false_positives(self) -> int:
        """Predicted lesions that are none."""
        return sum(not lesion.matched for lesion in self.prediction)

    @property
    def sensitivity(self) -> float:
        """The part of the reference lesions that was found, from 0 to 1; NaN where there is none."""
        return self.found / len(self.reference) if self.reference else float("nan")

    @property
    def precision(self) -> float:
        """The part of the predicted lesions that is true, from 0 to 1; NaN where nothing was predicted."""
        predicted = len(self.prediction)
        return (predicted - self.false_positives) / predicted if predicted else float("nan")


def match_lesions(
    *,
    reference: Mask,
    prediction: Mask,
    settings: LesionSettings | None = None,
    scores: Voxels | None = None,
) -> LesionMatch:
    """The lesions of two masks on one grid, and which of them meet.

    Args:
        reference: the mask that counts as true.
        prediction: the other one, on the same grid.
        settings: connectivity, rule and threshold.
        scores: how sure the prediction is, by voxel on the same grid; a lesion's score is its highest one.

    Raises:
        GeometryMismatchError: the masks lie on two grids.
        ValueError: the scores have another shape, or one inside a lesion is NaN.
    """
    reference.geometry.require_same_grid(prediction.geometry, what="prediction")
    settings = settings or LesionSettings()
    if scores is not None and scores.shape != prediction.values.shape:
        raise ValueError(f"scores have the shape of the masks {prediction.values.shape}, got {scores.shape}")
    theirs, ours = (_components(mask, settings) for mask in (reference, prediction))
    shared = _shared(theirs, ours)
    sizes = [np.bincount(labels.ravel(), minlength=1)[1:] for labels in (theirs, ours)]
    overlaps = _iou(shared, *sizes)
    if settings.rule == "iou":
        met = _paired(overlaps, settings.threshold)
        parts = [overlaps.max(axis=axis, initial=0.0) for axis in (1, 0)]
    else:
        parts = [shared.sum(axis=1) / sizes[0], shared.sum(axis=0) / sizes[1]]
        met = tuple(part > settings.threshold for part in parts)
    sure = _scores(ours, len(sizes[1]), scores)
    found, alarms = _by_score(shared, overlaps, (sizes[0], sizes[1]), settings, sure)
    step = reference.geometry
    return LesionMatch(
        reference=_lesions(sizes[0], met[0], parts[0], step, [None] * len(sizes[0])),
        prediction=_lesions(sizes[1], met[1], parts[1], step, sure),
        best_score=tuple(found), false_scores=tuple(alarms), settings=settings,
    )  # fmt: skip


def lesion_scores(study: LesionMatch) -> tuple[list[float], list[float]]:
    """Of one study, the score from which on each found reference lesion is found, and the scores of its false alarms."""
    return [score for score in study.best_score if score is not None], list(study.false_scores)


def _by_score(
    shared: Overlaps,
    overlaps: Overlaps,
    sizes: tuple[Int[np.ndarray, " references"], Int[np.ndarray, " predictions"]],
    settings: LesionSettings,
    sure: list[float | None],
) -> tuple[list[float | None], list[float]]:
    """From which score on each reference lesion is found, and the scores of the false alarms; nothing without scores."""
    scores = [one for one in sure if one is not None]
    if len(scores) < len(sure) or not sure:
        return [None] * len(sizes[0]), []
    if settings.rule == "iou":
        return found_by_pairs(overlaps > settings.threshold, scores)
    return found_by_coverage(shared, sizes, settings.threshold, scores)


def _components(mask: Mask, settings: LesionSettings) -> Labels:
    labels = label_lesions(mask, connectivity=settings.connectivity)
    large = np.bincount(labels.ravel(), minlength=1) >= settings.smallest_voxels
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0)
    kept: Labels = numbers[labels]
    return kept


def _shared(theirs: Labels, ours: Labels) -> Overlaps:
    """Voxels that each pair of lesions shares."""
    both = (theirs > 0) & (ours > 0)
    table = np.zeros((int(theirs.max(initial=0)), int(ours.max(initial=0))))
    np.add.at(table, (theirs[both] - 1, ours[both] - 1), 1)
    return table


def _iou(shared: Overlaps, theirs: Int[np.ndarray, " references"], ours: Int[np.ndarray, " predictions"]) -> Overlaps:
    table: Overlaps = shared / (theirs[:, None] + ours[None] - shared)
    return table


def _paired(overlaps: Overlaps, threshold: float) -> tuple[np.ndarray, ...]:
    """Which lesions of either mask are in a pair: as many pairs as possible, of those the largest sum of IoU."""
    allowed = overlaps > threshold
    worth = np.where(allowed, overlaps + min(overlaps.shape, default=0) + 1, 0.0)  # one more pair outweighs any overlap
    rows, columns = scipy.optimize.linear_sum_assignment(worth, maximize=True)
    good = allowed[rows, columns]
    met = [np.zeros(count, dtype=bool) for count in overlaps.shape]
    met[0][rows[good]] = True
    met[1][columns[good]] = True
    return tuple(met)


def _scores(labels: Labels, count: int, scores: Voxels | None) -> list[float | None]:
    if scores is None:
        return [None] * count
    highest = (
        [float(score) for score in scipy.ndimage.maximum(scores, labels, np.arange(1, count + 1))] if count else []
    )
    if np.isnan(scores[labels > 0]).any():
        raise ValueError("a score inside a predicted lesion is NaN; scores are numbers, larger where surer")
    return list(highest)


def _lesions(
    sizes: Int[np.ndarray, " lesions"],
    met: np.ndarray,
    parts: np.ndarray,
    geometry: Geometry,
    scores: list[float | None],
) -> tuple[MaskLesion, ...]:
    step = geometry.voxel_volume_ml
    return tuple(
        MaskLesion(
            voxels=int(size), volume_ml=None if step is None else int(size) * step, matched=bool(one),
            overlap=float(part), score=score,
        )
        for size, one, part, score in zip(sizes, met, parts, scores, strict=True)
    )  # fmt: skip

"""Is this study unlike everything that the calibration saw? Asked before anything is claimed about it.

Three looks: how far the encoder's embedding lies from those of the calibration studies, how far the grey levels and the
picture's shape do, and whether the domain finds something implausible that it did not find in them. A distance is
Mahalanobis's with a covariance of a few leading axes and one common variance for all others (Tipping and Bishop 1999, J R
Stat Soc B 61:611, for the form; Lee et al. 2018, arXiv:1807.03888, for the use). The axes are fitted to one half of the
studies and the threshold is the split-conformal quantile of the other half, so that at most the stated share of studies
like these is flagged.

An embedding far from those of normals may be a finding as well as something strange: measured on phantoms, all findings lie
beyond the threshold. So where the calibration has only normals, their embeddings decide only whether "absent" may be said;
with enough studies that show the finding, a study is unlike where it is far from both kinds.

Kept are means, axes and quantiles: no embedding of any study; the doubts of the domain are kept as digests.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from medkt.calibration.conformal import Tail, smallest_rate, tail_of
from medkt.calibration.scoring import StudyScore
from medkt.errors import InputError

StudyNumbers = Float64[np.ndarray, "studies numbers"]

FEWEST = 20  # studies; below, half of them say nothing about directions
MOST_AXES = 12
STUDIES_AN_AXIS = 5  # of the half that is fitted; an axis from fewer is noise
COMMON_DOUBT = 0.05  # a doubt that this share of the calibration studies met is none
LEAST_SPREAD_OF_EMBEDDING = 1e-4
LEAST_SPREAD_OF_GREY = (
    0.02  # of the range, or of a logarithm: where all calibration pictures are equal, one may differ so far
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSpread:
    """Where the numbers of known studies lie.

    Attributes:
        mean: of each number.
        axes: unit directions, the widest first.
        variances: along each axis.
        rest: the variance along every other direction.
        tail: of the distances of studies that were not fitted.
        rate: the share of like studies that may be flagged.
    """

    mean: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    rest: float
    tail: Tail
    rate: float

    def distance(self, numbers: Float64[np.ndarray, " numbers"]) -> float:
        """Root of the mean squared deviation, each direction in its own standard deviations; about 1 for a like study.

        Raises:
            InputError: another number of numbers.
        """
        if len(numbers) != len(self.mean):
            raise InputError(f"expected {len(self.mean)} numbers of a study, got {len(numbers)}: another model?")
        return float(
            _distances(numbers[None], np.array(self.mean), _axes(self), np.array(self.variances), self.rest)[0]
        )

    @property
    def threshold(self) -> float:
        """The distance beyond which a study is unlike; at least 1, which a like study has on average."""
        return max(1.0, self.tail.threshold(self.rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """What is known about the studies of a calibration.

    Attributes:
        studies: how many.
        normals: where the embeddings of normals lie.
        findings: where those of studies with the finding lie; None where there were too few.
        grey_levels: where the grey levels and shapes of all of them lie.
        doubts: the share of studies that met each doubt, by the digest of its sentence without the numbers.
    """

    studies: int
    normals: KnownSpread
    findings: KnownSpread | None
    grey_levels: KnownSpread
    doubts: Mapping[str, float]

    def unlike(self, study: StudyScore, *, claim: str) -> tuple[str, ...]:
        """Why nothing should be claimed about the study, one sentence each; empty where it is like the calibration's.

        Args:
            study: from `Scorer.score`.
            claim: "present", "absent" or "abstain": what would be said. Without known findings, the embedding says
                nothing against "present".
        """
        reasons = []
        known = [self.normals] if self.findings is None else [self.normals, self.findings]
        distances = [(spread.distance(study.embedding), spread.threshold) for spread in known]
        if all(distance > most for distance, most in distances) and (self.findings is not None or claim != "present"):
            distance, most = distances[0]
            reasons.append(
                f"the model sees it {distance:.1f} deviations from the normals of the calibration (limit {most:.1f})"
            )
        grey, most = self.grey_levels.distance(study.grey_levels), self.grey_levels.threshold
        if grey > most:
            reasons.append(
                f"its grey levels or shape lie {grey:.1f} deviations from those of the calibration (limit {most:.1f})"
            )
        unmet = [doubt for doubt in study.doubts if self.doubts.get(_digest(doubt), 0.0) < COMMON_DOUBT]
        return (*reasons, *unmet)


def fit_novelty(
    normals: Sequence[StudyScore], findings: Sequence[StudyScore] = (), *, rate: float = 0.02, seed: int = 0
) -> Novelty | None:
    """Learn what studies look like; None where there are fewer than `FEWEST` normals.

    Args:
        normals: those of the calibration, one a patient.
        findings: those with the finding; of fewer than `FEWEST` nothing is learnt about embeddings.
        rate: the share of like studies that each of the two distances may flag; where half of the studies cannot promise
            as little, the least that they can.
        seed: which half is fitted.
    """
    if len(normals) < FEWEST:
        return None
    rng = np.random.default_rng(seed)
    everyone = [*normals, *findings]
    met = Counter(digest for study in everyone for digest in {_digest(doubt) for doubt in study.doubts})
    return Novelty(
        studies=len(everyone),
        normals=_spread(rng.permutation([one.embedding for one in normals]), rate, least=LEAST_SPREAD_OF_EMBEDDING),
        findings=_spread(rng.permutation([one.embedding for one in findings]), rate, least=LEAST_SPREAD_OF_EMBEDDING)
        if len(findings) >= FEWEST
        else None,
        grey_levels=_spread(rng.permutation([one.grey_levels for one in everyone]), rate, least=LEAST_SPREAD_OF_GREY),
        doubts={digest: times / len(everyone) for digest, times in sorted(met.items())},
    )


def _spread(rows: StudyNumbers, rate: float, *, least: float) -> KnownSpread:
    half = len(rows) // 2
    fitted, judged = rows[:half], rows[half:]
    mean = fitted.mean(axis=0)
    _, lengths, directions = np.linalg.svd(fitted - mean, full_matrices=False)
    variances = lengths**2 / (half - 1)
    number = min(MOST_AXES, half // STUDIES_AN_AXIS, rows.shape[1] - 1)
    rest = max(float(variances[number:].sum()) / (rows.shape[1] - number), least**2)
    own = np.maximum(variances[:number], rest)
    distances = _distances(judged, mean, directions[:number], own, rest)
    promised = max(rate, smallest_rate(len(judged)))
    return KnownSpread(
        mean=_short(mean), axes=tuple(_short(axis) for axis in directions[:number]), variances=_short(own), rest=rest,
        tail=tail_of(distances, promised), rate=promised,
    )  # fmt: skip


def _distances(
    rows: StudyNumbers,
    mean: Float64[np.ndarray, " numbers"],
    axes: Float64[np.ndarray, "axes numbers"],
    variances: Float64[np.ndarray, " axes"],
    rest: float,
) -> Float64[np.ndarray, " studies"]:
    away = rows - mean
    along = away @ axes.T
    beside = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    squared = (along**2 / variances).sum(axis=1) + beside / rest
    return np.asarray(np.sqrt(squared / rows.shape[1]), np.float64)


def _axes(spread: KnownSpread) -> Float64[np.ndarray, "axes numbers"]:
    return np.array(spread.axes, np.float64).reshape(-1, len(spread.mean))


def _short(values: Float64[np.ndarray, " numbers"]) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)  # single precision is enough, and a third of the file


def _digest(doubt: str) -> str:
    """Of a sentence, whatever its numbers are; the sentence itself may quote a file and is not kept."""
    return hashlib.sha256(re.sub(r"\d+(\.\d+)?", "#", doubt).encode()).hexdigest()[:16]

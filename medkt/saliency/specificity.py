"""Whether a map listens to its words.

The complaint most often made of text-driven saliency is that any text lights the same place. So every map is compared
with the maps of a text that fits no study (`NONSENSE_TEXT`) and of the domain's normal caption, made from the same
image with the same noise: what differs, differs by the words.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

HARDLY = 0.05  # below this index a map is said to depend hardly on the words


@dataclass(frozen=True, slots=True, kw_only=True)
class Specificity:
    """How far a map differs from those of other words.

    Attributes:
        index: 1 - the largest correlation with another map: 0 the same map, 1 unrelated, up to 2 opposed.
        nearest: the other text whose map is most alike.
    """

    index: float
    nearest: str

    @property
    def warning(self) -> str | None:
        """What a reader should know, or None where the map depends on the words."""
        if self.index >= HARDLY:
            return None
        return (
            f"the map hardly depends on the words: it correlates {1 - self.index:.3f} with the map of "
            f"{self.nearest!r} (specificity {self.index:.3f}, below {HARDLY})"
        )


def specificity(
    map_: Float[np.ndarray, "rows columns"], others: dict[str, Float[np.ndarray, "rows columns"]]
) -> Specificity | None:
    """Compare a map with those of other texts, by Pearson's correlation over the places.

    None where nothing is there to compare with. A constant map correlates 1 with a constant one and 0 with any other.
    """
    if not others:
        return None
    correlations = {text: correlation(map_, other) for text, other in others.items()}
    nearest = max(correlations, key=lambda text: correlations[text])
    return Specificity(index=1 - correlations[nearest], nearest=nearest)


def correlation(first: Float[np.ndarray, "rows columns"], second: Float[np.ndarray, "rows columns"]) -> float:
    """Pearson's correlation of two maps, in [-1, 1]; of two constant maps 1, of one constant map 0."""
    a, b = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (first, second))
    flat = [float(np.abs(v).max()) <= 1e-6 * max(1.0, float(np.abs(m).max())) for v, m in ((a, first), (b, second))]
    if any(flat):
        return float(all(flat))
    return float(np.clip((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), -1, 1))

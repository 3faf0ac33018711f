"""How far an image of a modality may be changed and still be one that it makes: what augmentation keeps to."""

from dataclasses import dataclass
from typing import Literal

NoiseKind = Literal["gaussian", "rician"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The largest changes, of `configs/domains`; the defaults hold for a modality that says nothing.

    Attributes:
        symmetric: parts of the body of which a mirrored image is one of another patient; of the others the side counts.
        rotation_deg: to either side, in the plane.
        zoom: larger or smaller, as a part of the size; the same along rows and columns, since shape tells findings apart.
        shift: along rows and columns, as a part of the side.
        gamma: the exponent of the grey levels lies between 1 / (1 + gamma) and 1 + gamma.
        noise: standard deviation, of grey levels in [0, 1].
        noise_kind: "gaussian", added; or "rician", of the magnitude of a complex signal.
        bias_field: the largest coefficient of a smooth field that the grey levels are multiplied by; 0 for none.
        source: of these numbers.
    """

    symmetric: tuple[str, ...] = ()
    rotation_deg: float = 5.0
    zoom: float = 0.05
    shift: float = 0.05
    gamma: float = 0.1
    noise: float = 0.02
    noise_kind: NoiseKind = "gaussian"
    bias_field: float = 0.0
    source: str = "medkt's own choice, for a modality that says nothing"

    def mirrors(self, body: str) -> bool:
        """Whether an image of this part of the body may be mirrored left to right."""
        return body in self.symmetric

"""Every choice of a local inversion, in one record. Lengths are parts of the picture's side, so that they fit any encoder."""

import math
from dataclasses import dataclass, replace

import torch

from medkt.errors import SettingsError
from medkt.models.precision import Precision, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """How a lesion is made inside a normal study (`medkt.inversion.local`). Chosen on invented findings
    (evaluation/kt_phantom/README.md).
    """

    steps: int = 25
    """Steps of Adam. Thirty overfit the model, and teach less."""

    lr: float = 0.12
    """Learning rate."""

    radius: tuple[float, float] = (0.06, 0.16)
    """Least and greatest radius of what may change, drawn evenly over their logarithm."""

    wobble: float = 0.1
    """Standard deviation of each of three waves around the outline: 0 makes circles."""

    edge: float = 0.08
    """Softness of the outline, as a part of the radius."""

    jitter: float = 6 / 128
    """Largest circular shift along each axis, drawn for each image and step."""

    noise: float = 0.02
    """Standard deviation of the noise that is added in each step."""

    init_std: float = 0.05
    """Of the change before the first step, before squashing."""

    smooth: float = 17 / 128
    """Side of the mean filter over the gradient that says where the blob goes."""

    sharpen: float = 2.0
    """Power of the smoothed gradient by which a place is drawn; 0 draws it anywhere in the body."""

    black: float = 0.08
    """Grey level up to which a pixel is background."""

    border: float = 0.12
    """Part of the side along each border where no centre is put."""

    dtype: Precision = "auto"
    """Of the encoder's arithmetic, as in `InversionSettings.dtype`."""

    rows_at_once: int = 64
    """The most images in one pass: the bound on memory."""

    def __post_init__(self) -> None:
        low, high = self.radius
        checks = {
            "steps": self.steps >= 1,
            "lr": math.isfinite(self.lr) and self.lr > 0,
            "radius": 0 < low <= high < 0.5,
            "wobble": 0 <= self.wobble < 0.3,
            "edge": 0 < self.edge < 1,
            "jitter": 0 <= self.jitter < 0.5,
            "noise": math.isfinite(self.noise) and self.noise >= 0,
            "init_std": math.isfinite(self.init_std) and self.init_std >= 0,
            "smooth": 0 < self.smooth < 1,
            "sharpen": math.isfinite(self.sharpen) and self.sharpen >= 0,
            "black": 0 <= self.black < 1,
            "border": 0 <= self.border < 0.5,
            "rows_at_once": self.rows_at_once >= 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"local inversion: setting {name} cannot be {getattr(self, name)!r}")

    def on(self, device: torch.device) -> "LocalSettings":
        """The same with the precision that "auto" is on a device."""
        return replace(self, dtype=settled(self.dtype, device))

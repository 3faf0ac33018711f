"""Every choice of an inversion, in one record. The presets in `configs/inversion` fill it as the published codes did."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch

from medkt.errors import SettingsError
from medkt.models.precision import Precision, settled

Parametrisation = Literal["pixels", "multi_resolution", "hidden"]
SimilarityMeasure = Literal["cosine", "unit_distance", "raw_distance", "cross_entropy"]
InversionOptimiser = Literal["adam", "lbfgs"]
Annealing = Literal["none", "cosine", "periodic"]
Init = Literal["uniform", "normal"]
Squash = Literal["none", "sigmoid", "tanh"]
Clamp = Literal["after_gradient", "before_step", "after_step", "never"]
Scope = Literal["image", "text"]
Output = Literal["float", "stretched_8bit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionSettings:
    """How images are made from a text. The defaults are medkt's own preset `fast`; `kazemi`, `kt-paper`, `kt-code`,
    `kt-medclip` and `kt-vilt` hold the published ones with their quirks.
    """

    parametrisation: Parametrisation = "multi_resolution"
    """What is optimised: the "pixels"; the sum of images at many sides ("multi_resolution", after Fort and Whitaker,
    "Direct Ascent Synthesis", 2025); or a "hidden" state of the encoder (`invert_hidden`)."""

    similarity: SimilarityMeasure = "cosine"
    """What is made small: "cosine", 1 - cos; "unit_distance", the distance of the unit vectors, sqrt(2 - 2 cos);
    "raw_distance", the distance of the features as they are; "cross_entropy" of an image-text matching head."""

    steps: int = 25
    """Steps of the optimiser."""

    optimiser: InversionOptimiser = "adam"
    """"adam" with betas 0.9 and 0.999; "lbfgs", which evaluates the loss up to 25 times a step."""

    lr: float = 0.05
    """Learning rate, before annealing."""

    annealing: Annealing = "none"
    """"none"; "cosine": from `lr` to 0 once over all steps; "periodic": begun anew at each upsize, half a period in
    (steps - last upsize - 1) // 3 steps, so that it comes back up: 1.5 periods in the last stage. The 1 is there because
    the published code counts its steps from 1."""

    clip_norm: float | None = None
    """Upper bound of the gradient's Euclidean norm; None leaves it."""

    clip_over: Scope = "image"
    """Whose norm: of each "image", or of all images of one "text" together (published), whose loss is then their mean.
    With "image" an image does not depend on how many are made."""

    side: int | None = None
    """Side of the first image in pixels, at most the encoder's input; None is the encoder's input."""

    upsize_at: tuple[int, ...] = ()
    """After how many steps the side is doubled (bicubic, at most to the encoder's input) and the optimiser begun anew. A
    code that counts its steps from 1 and doubles before step 900 doubles after 899."""

    pyramid: tuple[int, ...] = ()
    """Sides of the images that "multi_resolution" sums; () is 1, 2, 4, 8 ... and the encoder's input."""

    squash: Squash = "tanh"
    """How the sum becomes a pixel: "tanh", (1 + tanh x) / 2; "sigmoid"; "none", as it is. For "multi_resolution"."""

    init: Init = "normal"
    """Noise at the start: "uniform" in [0, 1), or "normal"."""

    init_std: float = 0.3
    """Standard deviation of the normal start, 1 as published for ViLT."""

    views: int = 1
    """Augmented copies of each image in a step; the loss is their mean."""

    affine_p: float = 1.0
    """Probability that a copy is rotated, moved and scaled; 0 switches this off."""

    rotation: float = 0.0
    """Largest angle in degrees, both ways."""

    translation: float = 0.04
    """Largest move along each axis, as a part of the side."""

    scale: tuple[float, float] = (0.95, 1.05)
    """Range of the scale, the same for both axes; above 1 shows the image larger."""

    jitter: int = 0
    """Largest circular shift in pixels along each axis, drawn for each image and step; doubled at each upsize."""

    colour_mean: float = 0.0
    """A copy's channels become (x - m) / s with m uniform in +- this, and ..."""

    colour_std: float = 0.0
    """... ln s uniform in +- this. Both 0 change nothing, as published by default."""

    noise: float = 0.05
    """Standard deviation of the noise that is added to each copy after its resize."""

    tv: float = 0.0
    """Weight of the total variation (`regularizers.total_variation`). Its size grows with the side."""

    l1: float = 0.0
    """Weight of the sum of the absolute values."""

    gram: float = 0.0
    """Weight of the distance to the references' Gram matrices; for "hidden", which needs references for it."""

    layer: int | None = None
    """For "hidden": the state after this layer is optimised; None is the encoder's `default_layer`."""

    clamp: Clamp = "never"
    """When the unknown is clipped to [0, 1]: "after_gradient", as published: the gradient is taken of the image as it is,
    then the image is clipped, then the optimiser steps; "before_step", before the gradient; "after_step"; "never"."""

    channels: int = 1
    """3 for colour, or 1: a grey image that the encoder sees three times."""

    output: Output = "float"
    """"float": clipped to [0, 1]; "stretched_8bit": each image stretched from its minimum to its maximum and rounded
    to 256 levels, as the published PNG files were."""

    patience: int = 0
    """Stop once the running mean of the augmented similarity has not risen by `plateau` for so many steps; 0 never."""

    plateau: float = 0.002
    """The rise that counts."""

    dtype: Precision = "float32"
    """Of the encoder's arithmetic; the images and the optimiser stay float32. "auto": "bfloat16" where the device has
    instructions for it, which takes half the time, and "float32" elsewhere; the record says which it was."""

    channels_last: bool = False
    """Pixels go to the encoder with the channels innermost in memory; faster where it has many convolutions."""

    compile: bool = False
    """Run the encoder through `torch.compile`; pays for thousands of steps, costs a minute first."""

    rows_at_once: int = 64
    """The most augmented copies in one pass: the bound on memory. One image's copies always stay together."""

    def __post_init__(self) -> None:
        self._check_names()
        for name in ("steps", "views", "rows_at_once"):
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in ("jitter", "patience"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        weights = (
            "init_std",
            "rotation",
            "translation",
            "colour_mean",
            "colour_std",
            "noise",
            "tv",
            "l1",
            "gram",
            "plateau",
        )
        for name in weights:
            value = getattr(self, name)
            self._require(name, math.isfinite(value) and value >= 0, "a number, 0 or more")
        self._require("lr", math.isfinite(self.lr) and self.lr > 0, "a number above 0")
        self._require("affine_p", 0 <= self.affine_p <= 1, "a probability from 0 to 1")
        low, high = self.scale
        self._require("scale", 0 < low <= high < math.inf, "two numbers above 0, the smaller first")
        self._require("channels", self.channels in (1, 3), "1 (grey) or 3 (colour)")
        self._require("clip_norm", self.clip_norm is None or 0 < self.clip_norm < math.inf, "a number above 0, or null")
        self._require("side", self.side is None or self.side >= 2, "2 pixels or more, or null")
        self._require("layer", self.layer is None or self.layer >= 0, "0 or more, or null")
        rising = all(a < b for a, b in zip((0, *self.upsize_at), (*self.upsize_at, self.steps), strict=True))
        self._require("upsize_at", rising, f"rising numbers from 1 to steps - 1 ({self.steps - 1})")
        levels = all(a < b for a, b in zip((0, *self.pyramid), self.pyramid, strict=False))
        self._require("pyramid", levels, "rising sides from 1")
        if self.parametrisation != "pixels":
            self._check_no_pixels()
        if self.parametrisation == "hidden":
            self._check_hidden()
        elif self.gram or self.layer is not None:
            raise SettingsError(
                f'inversion: gram and layer belong to parametrisation "hidden", not "{self.parametrisation}"'
            )

    def on(self, device: torch.device) -> "InversionSettings":
        """The same with the precision that "auto" is on a device."""
        return replace(self, dtype=settled(self.dtype, device))

    def _check_names(self) -> None:
        kinds = {
            "parametrisation": Parametrisation, "similarity": SimilarityMeasure, "optimiser": InversionOptimiser, "annealing": Annealing,
            "init": Init, "squash": Squash, "clamp": Clamp, "clip_over": Scope, "output": Output, "dtype": Precision,
        }  # fmt: skip
        for name, kind in kinds.items():
            self._require(name, getattr(self, name) in get_args(kind), f"one of {', '.join(get_args(kind))}")

    def _check_no_pixels(self) -> None:
        for name in ("side", "upsize_at"):
            if getattr(self, name):
                raise SettingsError(
                    f'inversion: {name} belongs to parametrisation "pixels", not "{self.parametrisation}", which has '
                    "the encoder's own size from the start"
                )
        self._require("clamp", self.clamp == "never", f'"never" with parametrisation "{self.parametrisation}"')
        if self.parametrisation == "multi_resolution":
            self._require("init", self.init == "normal", '"normal" with parametrisation "multi_resolution"')

    def _check_hidden(self) -> None:
        no_images = ("views", "affine_p", "jitter", "colour_mean", "colour_std", "noise", "tv", "pyramid")
        for name in no_images:
            off = {"views": 1, "pyramid": ()}.get(name, 0)
            self._require(
                name, getattr(self, name) == off, f'{off!r} with parametrisation "hidden", which has no image'
            )
        self._require("output", self.output == "float", '"float" with parametrisation "hidden", which has no image')
        two_towers = self.similarity != "cross_entropy"
        self._require("similarity", two_towers, 'a distance of features with parametrisation "hidden"')

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise SettingsError(f"inversion: setting {name} cannot be {getattr(self, name)!r}; expected {expected}")

"""How a concept is learned, in one record; the presets in `configs/learn` fill it."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch

from medkt.errors import SettingsError
from medkt.inversion import InversionSettings
from medkt.records import left_out
from medkt.transfer.augment import AugmentSettings
from medkt.transfer.choice import ChoiceSettings
from medkt.transfer.finetune import FinetuneSettings
from medkt.transfer.teaching import TeachingSettings

CaptionUse = Literal["all", "caption"]
How = Literal["images", "local"]
CONTROL_IMAGES = 4
"""Of a quick control that has words of its own."""
CONTROL_STEPS = 12
"""Of inversion: as few are not halved for a control."""
FAST = InversionSettings(dtype="auto", channels_last=True)
"""The preset `fast` of inversion (`configs/inversion/fast.yaml`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings:
    """How a concept is learned. The defaults are medkt's own preset `fast`; presets stand in `configs/learn`."""

    how: How = "images"
    """What the finding is learned from: whole "images" made from words, or "local" lesions made from words inside normal
    studies (`teaching`), where all of `inversion`, `rehearsal_images` and `warm` has no effect."""

    teaching: TeachingSettings = field(default_factory=TeachingSettings)
    """How "local" lesions are made, what is rehearsed beside them, and where fine-tuning ends."""

    inversion: InversionSettings = FAST
    """How images are made from words."""

    images: int = 10
    """Images of the concept, shared out over its captions."""

    rehearsal_images: int = 4
    """Images of each known finding's caption, of each one's name, and of a normal study; 0 for none, as published."""

    warm: float = 0.5
    """Part of the images of each text, concept's and known ones', that start from a drawn normal study of the domain with
    a little noise, rather than from noise: they show the finding in a body. 0 for none, as published; no effect where
    medkt draws no such part of the body."""

    warm_noise: float = 0.05
    """Standard deviation of that noise, before squashing."""

    validation_images: int = 4
    """Images of the concept, and half as many of each known finding, that choice and audit ask about; 0 for none."""

    judged_with: InversionSettings = FAST
    """How those of the concept are made: as the preset `fast` also where another preset makes the images that are
    learned from."""

    rehearsed_with: InversionSettings = FAST
    """How all images of known findings are made, those to rehearse and those to judge by. For the first concept of a
    modality they are nine of ten images; later they are in the cache."""

    pictured: float = 0.5
    """A caption whose images come less near to it than this part of the best caption's is left out: the model cannot
    picture it, and its images show nothing. 0 keeps all."""

    words: CaptionUse = "all"
    """What an image of the concept shall match: "all" texts that name or describe it (`Vocabulary.own`); or "caption",
    one text alone, as published: "A NAME is CAPTION" with the caption that the image was made from."""

    views: int = 4
    """Copies of each image for fine-tuning: the image itself, and others moved, mirrored and with noise."""

    shift: float = 0.05
    """Largest move of a copy, as a part of the side."""

    noise: float = 0.03
    """Standard deviation of a copy's noise."""

    mirror: bool = True
    """Whether every second copy is mirrored left to right; never where a name or caption of the concept says left or right."""

    augment: AugmentSettings = left_out(AugmentSettings())  # noqa: RUF009 - frozen
    """How studies that are labelled (`--images`, `--pool`) are changed before they are learned from."""

    finetune: FinetuneSettings = field(default_factory=lambda: FinetuneSettings(dtype="auto"))
    """How the image tower is trained."""

    choose: bool = True
    """Whether learning rate, steps and interpolation are chosen without labels; else the last step is kept."""

    choice: ChoiceSettings = field(default_factory=ChoiceSettings)
    """The candidates and the rule."""

    def __post_init__(self) -> None:
        checks = {
            "images": self.images >= 1,
            "rehearsal_images": self.rehearsal_images >= 0,
            "warm": 0 <= self.warm <= 1,
            "warm_noise": self.warm_noise >= 0,
            "validation_images": self.validation_images >= 0,
            "pictured": 0 <= self.pictured < 1,
            "how": self.how in get_args(How),
            "words": self.words in get_args(CaptionUse),
            "views": self.views >= 1,
            "shift": 0 <= self.shift < 0.5,
            "noise": self.noise >= 0,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"learning setting {name} cannot be {getattr(self, name)!r}")
        if self.choose and not self.validation_images:
            raise SettingsError("learning: the choice needs images to ask about; set validation_images above 0")

    def on(self, device: torch.device) -> "LearnSettings":
        """The same with the precision that each "auto" is on a device."""
        parts = ("teaching", "inversion", "judged_with", "rehearsed_with", "finetune")
        return replace(self, **{part: getattr(self, part).on(device) for part in parts})

    def cheaper(self) -> "LearnSettings":
        """How a quick control makes images of words of its own: four, in half the steps, each twice as long; none of known findings."""
        how = self.inversion
        if how.steps > CONTROL_STEPS:
            how = replace(how, steps=how.steps // 2, lr=2 * how.lr)
        return replace(
            self, inversion=how, images=min(self.images, CONTROL_IMAGES), rehearsal_images=0, validation_images=0, choose=False,
            pictured=0.0, teaching=self.teaching.cheaper(),
        )  # fmt: skip

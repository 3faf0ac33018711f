"""How a finding is taught by lesions made inside normal studies, and what the model rehearses meanwhile: settings."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch

from medkt.errors import SettingsError
from medkt.inversion import LocalSettings

Stop = Literal["end", "bounded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingSettings:
    """How the images of `LearnSettings.how` "local" are made, what is rehearsed, and where fine-tuning ends."""

    inversion: LocalSettings = field(default_factory=LocalSettings)
    """How a lesion is made inside a normal study."""

    drawn: int = 20
    """Phantoms of each known finding to rehearse by, where medkt draws them and no folder of studies is given."""

    normals: int = 30
    """Normal studies among the rehearsal's."""

    known: int = 2
    """Local inversions of each known finding's caption among the rehearsal's, so that an artefact in a normal study is no cue."""

    blobs: int = 0
    """Normal studies with a blob of random texture, that the new name shall not fit."""

    rivals: int = 0
    """Local inversions of each altered caption (one word of shape, brightness or texture replaced). They are taught that caption
    in the same batches, so that the model learns what tells the finding from what looks nearly like it."""

    rival_captions: int = 6
    """Of how many altered captions, drawn from all there are."""

    stop: Stop = "end"
    """Where fine-tuning ends: at its "end"; or "bounded": the farthest place on the line from the base to the end where no
    larger share of images held back from the rehearsal takes the new name than `most_taken`."""

    most_taken: float = 0.015

    def __post_init__(self) -> None:
        checks = {
            "drawn": self.drawn >= 0,
            "normals": self.normals >= 0,
            "known": self.known >= 0,
            "blobs": self.blobs >= 0,
            "rivals": self.rivals >= 0,
            "rival_captions": self.rival_captions >= 0,
            "stop": self.stop in get_args(Stop),
            "most_taken": 0 <= self.most_taken < 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"teaching setting {name} cannot be {getattr(self, name)!r}")

    def on(self, device: torch.device) -> "TeachingSettings":
        """The same with the precision that "auto" is on a device."""
        return replace(self, inversion=self.inversion.on(device))

    def cheaper(self) -> "TeachingSettings":
        """Of a quick control's own images: lesions in half the steps, each twice as long, one of half as many altered captions.

        It rehearses what its learning rehearsed, so none of that is made again.
        """
        how = self.inversion
        return replace(
            self, inversion=replace(how, steps=-(-how.steps // 2), lr=2 * how.lr), drawn=0, normals=0, known=0,
            rivals=min(self.rivals, 1), rival_captions=-(-self.rival_captions // 2), stop="end",
        )  # fmt: skip

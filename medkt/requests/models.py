"""Which models, where, with which settings, and whether an answer may be held back."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, Request
from medkt.requests.published import WINDOW, PublishedOptions, standing_of

if TYPE_CHECKING:
    from medkt.segmentation.slicewise import SegmentationSettings

ENCODER = "the encoder: a name of `medkt models list`, or a weights file"
DEVICE = "auto, cpu, cuda, cuda:N or mps (default: %(default)s)"
SITE = "decide presence by the calibrations of this site (`medkt calibrate` makes them) and not by the threshold"


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(Request):
    """Which encoder, and where it computes."""

    model: Annotated[str, Option(ENCODER, short="-m")] = "small"
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"


@dataclass(frozen=True, kw_only=True)
class SettingsOptions(Request):
    """A preset, and what is set otherwise."""

    preset: Annotated[str, Option(metavar="NAME", told=True)] = "default"
    settings: Annotated[Path | None, Option("a file of settings over the preset", metavar="YAML")] = None
    set: Annotated[
        tuple[str, ...], Option("one setting, such as saliency.method.beta=0.2", metavar="KEY=VALUE", each=True)
    ] = ()


@dataclass(frozen=True, kw_only=True)
class ModelOptions(EncoderOptions, PublishedOptions, SettingsOptions):
    """Which models, where, and with which settings."""

    model: Annotated[str, Option(ENCODER, short="-m")] = "small"
    segmenter: Annotated[str | None, Option("the segmenter (default: small with small, else sam-vit-b)")] = None
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    preset: Annotated[str, Option("default, m2ib, medclip-samv2 ...", metavar="NAME", told=True)] = "default"


@dataclass(frozen=True, kw_only=True)
class ThreadOptions(Request):
    """How many threads compute.

    One, so that a result does not depend on the machine's cores, unless the user says another number: sums of many numbers
    come out differently in the last digit where they are shared out among threads. With one thread a study has the same
    numbers by itself and in a batch, on a notebook and on a server.
    """

    threads: Annotated[
        int,
        Option(
            "that compute; another number may change the last digits of a result (default: %(default)s)", metavar="N"
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True)
class GuardOptions(Request):
    """Whether an answer may be held back."""

    no_guard: Annotated[
        bool,
        Option(
            "answer also where a study does not look like its modality, or words are half understood; results say so"
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class SiteOptions(Request):
    """Whose calibrations decide presence."""

    site: Annotated[str | None, Option(SITE, metavar="NAME")] = None


def require_threads(request: ThreadOptions) -> None:
    """That the number is one.

    Raises:
        SettingsError: fewer than one.
    """
    from medkt.errors import SettingsError

    if request.threads < 1:
        raise SettingsError(f"--threads {request.threads}: at least 1 is needed")


def use_threads(request: ThreadOptions) -> None:
    """Let this process compute with as many threads as the options say.

    Raises:
        SettingsError: fewer than one.
    """
    require_threads(request)
    if "numpy" not in sys.modules:  # its libraries ask once, when they are loaded
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(request.threads)
    import torch

    torch.set_num_threads(request.threads)


def is_guarded(request: GuardOptions) -> bool:
    """Whether an answer may be held back: not where the user says so, and not in a published way, which holds nothing back."""
    return not request.no_guard and getattr(request, "as_published", None) is None


def settings_of(request: SettingsOptions) -> "SegmentationSettings":
    """The preset, with the file of settings over it and single settings over both."""
    from medkt.config import resolve
    from medkt.segmentation.slicewise import SegmentationSettings

    return resolve(SegmentationSettings, preset=request.preset, file=request.settings, sets=request.set)


def published_of(request: ModelOptions, command: str, *, forced: Sequence[str] = ()) -> dict[str, Any]:
    """What records say of the published way that was asked for; {} where none was.

    Args:
        request: after `settled`.
        command: that it is of.
        forced: assignments of the command itself.
    """
    if request.as_published is None:
        return {}
    settings = settings_of(request)
    return standing_of(request, command, "segmentation", settings, forced=forced, own=WINDOW).as_json()


def require_deciding(site: str | None, settings: "SegmentationSettings") -> None:
    """That with a site presence is decided at all.

    Raises:
        SettingsError: the settings decide nothing.
    """
    from medkt.errors import SettingsError

    if site is not None and not settings.presence.gate:
        raise SettingsError(
            "--site decides presence, and with presence.gate=false (a preset may say so) nothing is decided; add "
            "--set presence.gate=true, or leave --site out"
        )
    if site is not None and settings.texts != "all":
        raise SettingsError(
            "--site decides presence by calibrations, which are of all prompts of a concept, and with texts=first (a preset "
            "may say so) one is asked; add --set texts=all, or leave --site out"
        )

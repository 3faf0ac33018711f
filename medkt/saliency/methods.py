"""The saliency methods by name, and the group of settings that says which one makes the maps."""

from collections.abc import Callable
from dataclasses import dataclass, field

from medkt.errors import UnknownNameError
from medkt.saliency.chefer import CheferSettings
from medkt.saliency.gradcam import GradCAMSettings
from medkt.saliency.gscorecam import GScoreCAMSettings
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.patch_text import PatchTextSettings

METHODS: dict[str, type[SaliencyMethod]] = {
    "m2ib": M2IBSettings,
    "gradcam": GradCAMSettings,
    "gscorecam": GScoreCAMSettings,
    "chefer": CheferSettings,
    "patches": PatchTextSettings,
}
"""Each is a frozen dataclass whose field `name` is its key here."""


def method_named(name: str) -> Callable[..., SaliencyMethod]:
    """The settings of a method.

    Raises:
        UnknownNameError: lists the methods there are.
    """
    if name not in METHODS:
        raise UnknownNameError(f"no saliency method {name!r}; known: {', '.join(METHODS)}")
    return METHODS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencySettings:
    """Which method makes the maps."""

    method: SaliencyMethod = field(default_factory=M2IBSettings, metadata={"named": method_named})
    """A method by its `name`, with that method's own settings beside it."""

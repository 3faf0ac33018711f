"""The saliency methods by name, and the group of settings that says which one makes the maps."""

from collections.abc import Callable
from dataclasses import dataclass, field

from medkt.doors import Door
from medkt.errors import ExtensionError
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.method import SaliencyMethod

METHODS: Door[type[SaliencyMethod]] = Door(
    group="medkt.saliency",
    what="saliency method",
    kind="builtins:type",
    own={
        "m2ib": "medkt.saliency.m2ib:M2IBSettings",
        "gradcam": "medkt.saliency.gradcam:GradCAMSettings",
        "gscorecam": "medkt.saliency.gscorecam:GScoreCAMSettings",
        "chefer": "medkt.saliency.chefer:CheferSettings",
        "patches": "medkt.saliency.patch_text:PatchTextSettings",
    },
)
"""Each is a frozen dataclass whose field `name` is its key here."""


def method_named(name: str) -> Callable[..., SaliencyMethod]:
    """The settings of a method.

    Raises:
        UnknownNameError: lists the methods there are.
        ExtensionError: the package that adds it gives no such method.
    """
    kind = METHODS[name]
    lacking = [asked for asked in ("settled", "maps", "work") if not callable(getattr(kind, asked, None))]
    if lacking:
        raise ExtensionError(
            f"the saliency method {name!r} (entry points {METHODS.group}) is {kind.__qualname__}, which has no {' or '.join(lacking)}: "
            "see medkt.saliency.method"
        )
    return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencySettings:
    """Which method makes the maps."""

    method: SaliencyMethod = field(default_factory=M2IBSettings, metadata={"named": method_named})
    """A method by its `name`, with that method's own settings beside it."""

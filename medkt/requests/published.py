"""`as_published` in place of single presets, and every setting of a request with where it is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.models.records import ModelKind

WINDOW = {"window": None}  # an option that takes the place of a setting


@dataclass(frozen=True, kw_only=True)
class PublishedOptions(Request):
    """A published way in place of presets."""

    as_published: Annotated[
        str | None,
        Option(
            "all that a published way fixes, in place of --preset (and --rule): settings, window, text, options; such as "
            "kt-paper, kt-code, medclip-samv2, m2ib, medclip, kazemi",
            metavar="NAME",
        ),
    ] = None


PublishedOptionsT = TypeVar("PublishedOptionsT", bound=PublishedOptions)


def settled(request: PublishedOptionsT, command: str, group: str) -> PublishedOptionsT:
    """With a published way's presets and options in the place of those that nobody gave.

    Raises:
        SettingsError: a preset was given too, or the way says nothing to this command.
        UnknownNameError: no such way.
    """
    if request.as_published is None:
        return request
    from medkt.as_published import way
    from medkt.errors import SettingsError
    from medkt.models.records import is_drawn

    both = [name for name in ("preset", "rule") if hasattr(request, name) and request.gives(name)]
    if both:
        raise SettingsError(
            f"--as-published sets all that a published way fixes, --{both[0]} one group of settings alone: give one of the two"
        )
    found = way(request.as_published)
    changed: dict[str, Any] = {_preset_in(group): found.preset(group, command)}
    changed |= {name: value for name, value in found.options.get(command, {}).items() if not request.gives(name)}
    if getattr(request, "segmenter", "") is None and not is_drawn(_model_of(request)) and "segmenter" in found.models:
        changed["segmenter"] = found.models["segmenter"][0]
    return replace(request, **changed)


def standing_of(
    request: PublishedOptions,
    command: str,
    group: str,
    settings: object,
    *,
    forced: Sequence[str] = (),
    own: Mapping[str, object] | None = None,
) -> "Standing":
    """How the settings of a request stand to the preset or the published way that was asked for.

    Args:
        request: after `settled`.
        command: that it is of.
        group: of settings, as for `settled`.
        settings: as they are used.
        forced: assignments of the command itself.
        own: the options that a way may fix, with their values where nobody gives them.
    """
    from medkt.as_published import OptionValue, standing, way

    options = {name: OptionValue(used=getattr(request, name), own=value) for name, value in (own or {}).items()}
    return standing(
        group, getattr(request, _preset_in(group)), settings, command=command,
        published=way(request.as_published) if request.as_published else None, forced=forced, options=options,
        models=_models_of(request, segments=group == "segmentation"),
    )  # fmt: skip


def _preset_in(group: str) -> str:
    """The option that names the preset of a group of settings."""
    return "rule" if group == "classification" else "preset"


def _model_of(request: PublishedOptions) -> str:
    return str(getattr(request, "model"))  # noqa: B009 - every request that a way may settle asks for an encoder


def _models_of(request: PublishedOptions, *, segments: bool) -> dict[str, str]:
    """The names of the models that are asked for; a file is recognised where a record is kept of it."""
    from medkt.models.records import records, segmenter_beside
    from medkt.models.registry import find

    model = _model_of(request)
    segmenter = getattr(request, "segmenter", None) or segmenter_beside(model)
    asked: dict[ModelKind, str] = {"encoder": model, **({"segmenter": segmenter} if segments else {})}
    return {
        kind: name if name in records(kind) or not request.as_published else find(name, kind)[0].name
        for kind, name in asked.items()
    }

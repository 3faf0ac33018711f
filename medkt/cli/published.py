"""`--as-published` in place of single presets, and every setting of a command with where it is from."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medkt.as_published import Standing, Way
    from medkt.estimates.words import Section
    from medkt.models.records import Kind

SETTINGS_ONLY = "only say every setting and where it is from; what would be refused of the options is refused"
WINDOW = {"window": None}  # an option that takes the place of a setting


class Given(argparse.Action):
    """Stores an option, and that it was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = (*getattr(namespace, "given", ()), self.dest)


def add_as_published(parser: argparse.ArgumentParser) -> None:
    """`--as-published`."""
    parser.add_argument(
        "--as-published", metavar="NAME",
        help="all that a published way fixes, in place of --preset (and --rule): settings, window, text, options; such as "
        "kt-paper, kt-code, medclip-samv2, m2ib, medclip, kazemi",
    )  # fmt: skip


def settle(arguments: argparse.Namespace, command: str, group: str) -> "Way | None":
    """Put a published way's presets and options in the place of those that nobody gave.

    Raises:
        SettingsError: a preset was given too, or the way says nothing to this command.
        UnknownNameError: no such way.
    """
    if arguments.as_published is None:
        return None
    from medkt.as_published import way
    from medkt.errors import SettingsError

    given = getattr(arguments, "given", ())
    both = [name for name in ("preset", "rule") if name in given]
    if both:
        raise SettingsError(
            f"--as-published sets all that a published way fixes, --{both[0]} one group of settings alone: give one of the two"
        )
    found = way(arguments.as_published)
    setattr(arguments, "rule" if group == "classification" else "preset", found.preset(group, command))
    for name, value in found.options.get(command, {}).items():
        if name not in given:
            setattr(arguments, name, value)
    if getattr(arguments, "segmenter", "") is None and arguments.model != "small" and "segmenter" in found.models:
        arguments.segmenter = found.models["segmenter"][0]
    return found


def standing_of(
    arguments: argparse.Namespace,
    command: str,
    group: str,
    settings: object,
    *,
    forced: Sequence[str] = (),
    own: Mapping[str, object] | None = None,
    models: Mapping[str, str] | None = None,
) -> "Standing":
    """How the settings of a command stand to the preset or the published way that was asked for.

    Args:
        arguments: after `settle`.
        command: that is run.
        group: of settings, as for `settle`.
        settings: as they are used.
        forced: assignments of the command itself.
        own: the options that a way may fix, with their values where nobody gives them.
        models: as they are used; None takes the options.
    """
    from medkt.as_published import Beside, standing, way

    options = {name: Beside(used=getattr(arguments, name), own=value) for name, value in (own or {}).items()}
    return standing(
        group, arguments.rule if group == "classification" else arguments.preset, settings, command=command,
        published=way(arguments.as_published) if arguments.as_published else None, forced=forced, options=options,
        models=models if models is not None else models_of(arguments, segments=group == "segmentation"),
    )  # fmt: skip


def models_of(arguments: argparse.Namespace, *, segments: bool) -> dict[str, str]:
    """The names of the models that the options ask for; a file is recognised where a record is kept of it."""
    from medkt.models.records import records
    from medkt.models.registry import find

    segmenter = getattr(arguments, "segmenter", None) or ("small" if arguments.model == "small" else "sam-vit-b")
    asked: dict[Kind, str] = {"encoder": arguments.model, **({"segmenter": segmenter} if segments else {})}
    return {
        kind: name if name in records(kind) or not arguments.as_published else find(name, kind)[0].name
        for kind, name in asked.items()
    }


def settings_section(found: "Standing") -> "Section":
    """Every setting as it is printed."""
    from medkt.estimates.words import Section

    lines = tuple((path, f"{said(value.used)}  ({value.source})") for path, value in found.values.items())
    return Section(title=f"settings: {found.words}", lines=lines)


def said(value: object) -> str:
    """A value as YAML has it, on one line."""
    import yaml

    from medkt.records import as_plain

    return yaml.safe_dump(as_plain(value), default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


def say_settings(found: "Standing", *, as_json: bool, guard: str | None = None) -> int:
    """Every setting with its source, alone, on standard output; `guard` as `guard_words` has it, where there may be one."""
    from medkt.cli.dry_run import say_plan

    sections, values = guard_plan(guard) if guard is not None else ((), {})
    say_plan([*sections, settings_section(found)], {**values, **settings_values(found)}, as_json=as_json)
    return 0


def guard_plan(words: str) -> "tuple[Sequence[Section], dict[str, Any]]":
    """Whether the guard is on, as a section and for JSON."""
    from medkt.estimates.words import Section

    return (Section(title=f"guard: {words}", lines=()),), {"guard": words == "on"}


def settings_values(found: "Standing") -> dict[str, Any]:
    """The same for JSON."""
    return {"preset": found.preset, "as_published": found.as_json() or None, "settings": found.settings_json()}

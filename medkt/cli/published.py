"""Every setting of a command with where it is from, for `--dry-run`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.estimates.words import PlanSection
    from medkt.requests.models import GuardOptions

SETTINGS_ONLY = "only say every setting and where it is from; what would be refused of the options is refused"


def settings_section(found: "Standing") -> "PlanSection":
    """Every setting as it is printed."""
    from medkt.estimates.words import PlanSection

    lines = tuple((path, f"{said(value.used)}  ({value.source})") for path, value in found.values.items())
    return PlanSection(title=f"settings: {found.words}", lines=lines)


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


def guard_words(request: "GuardOptions") -> str:
    """For a plan: "on", or "off" and why."""
    from medkt.requests.models import is_guarded

    if request.no_guard:
        return "off (--no-guard): an answer is given whatever the study looks like"
    named = getattr(request, "as_published", None)
    return "on" if is_guarded(request) else f"off ({named}, as published, holds no answer back)"


def guard_plan(words: str) -> "tuple[Sequence[PlanSection], dict[str, Any]]":
    """Whether the guard is on, as a section and for JSON."""
    from medkt.estimates.words import PlanSection

    return (PlanSection(title=f"guard: {words}", lines=()),), {"guard": words == "on"}


def settings_values(found: "Standing") -> dict[str, Any]:
    """The same for JSON."""
    return {"preset": found.preset, "as_published": found.as_json() or None, "settings": found.settings_json()}

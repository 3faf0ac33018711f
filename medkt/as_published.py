"""Published ways of work as a whole: which presets, options and models belong to a name, and how a run stands to it.

A file of `configs/as_published` names the presets that a way consists of, and what it fixes beside them; the values stand in
the presets alone. How a run stands to a way is found by comparing its settings with the presets and with medkt's own.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from medkt.config import preset_sources, presets, read_yaml, resolve, resolve_learning
from medkt.errors import SettingsError, UnknownNameError
from medkt.inversion import InversionSettings
from medkt.models.records import record_of, records
from medkt.records import as_plain
from medkt.resources import data_file
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.segmentation.zero_shot import ClassSettings
from medkt.transfer.learn_settings import LearnSettings

OUR_OWN = "medkt's own"
GIVEN = "given for this run"
_OPTION = {"encoder": "model", "segmenter": "segmenter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsGroup:
    """One group of settings.

    Attributes:
        kind: the record that holds them.
        folder: of `configs`, where its presets are.
        own: medkt's own preset.
        commands: that take it.
    """

    kind: type[Any]
    folder: str
    own: str
    commands: tuple[str, ...]

    def settings(self, preset: str, sets: Sequence[str] = ()) -> Any:
        """The settings of a preset, with assignments over them."""
        if self.folder == "learn":
            return resolve_learning(self.kind, preset=preset, sets=sets)
        return resolve(self.kind, preset=preset, folder=self.folder, sets=sets)


GROUPS: Mapping[str, SettingsGroup] = {
    "learn": SettingsGroup(kind=LearnSettings, folder="learn", own="fast", commands=("learn",)),
    "inversion": SettingsGroup(kind=InversionSettings, folder="inversion", own="fast", commands=("invert",)),
    "segmentation": SettingsGroup(
        kind=SegmentationSettings, folder="presets", own="default", commands=("segment", "explain", "batch", "evaluate")
    ),
    "classification": SettingsGroup(
        kind=ClassSettings, folder="classification", own="default", commands=("classify", "evaluate")
    ),
}
"""What a published way may fix, by its name in a file of `configs/as_published`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWay:
    """A published way of work.

    Attributes:
        name, about, source: of the whole.
        presets: group -> the preset that holds its values.
        options: command -> option -> its value, beside the settings.
        models: "encoder" and "segmenter" -> names of those that it was published with, the first one preferred.
        sources: "command.option", "encoder" and "segmenter" -> where that is from.
    """

    name: str
    about: str
    source: str
    presets: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it says something to."""
        return tuple(dict.fromkeys(command for group in self.presets for command in GROUPS[group].commands))

    def preset(self, group: str, command: str) -> str:
        """The preset of a group.

        Raises:
            SettingsError: the way says nothing of it; lists the commands that it is for, and the ways that do.
        """
        if group in self.presets:
            return self.presets[group]
        fitting = ", ".join(name for name in ways() if group in way(name).presets)
        what = (
            f"{command} where classes are told apart" if (command, group) == ("evaluate", "classification") else command
        )
        raise SettingsError(
            f"--as-published {self.name} is of {', '.join(self.commands)} and says nothing of {what}; of that there are: {fitting}"
        )


def ways() -> tuple[str, ...]:
    """The names of the published ways, sorted."""
    return presets("as_published")


@cache
def way(name: str) -> PublishedWay:
    """A published way by its name.

    Raises:
        UnknownNameError: lists those there are, with what each is of.
    """
    if name not in ways():
        known = "; ".join(f"{one} ({', '.join(way(one).commands)})" for one in ways())
        raise UnknownNameError(f"no published way {name!r}; known: {known}")
    file = read_yaml(data_file(f"configs/as_published/{name}.yaml"))
    models = {
        role: (named,) if isinstance(named, str) else tuple(named) for role, named in file.get("models", {}).items()
    }
    return PublishedWay(
        name=name, about=file["about"], source=file["source"], presets=file["presets"], options=file.get("options", {}),
        models=models, sources={key: str(source) for source, keys in file.get("sources", {}).items() for key in keys},
    )  # fmt: skip


def leaves(settings: object, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested settings with its path ("presence.gate")."""
    for one in dataclasses.fields(settings):  # type: ignore[arg-type]
        value, path = getattr(settings, one.name), f"{where}.{one.name}" if where else one.name
        if dataclasses.is_dataclass(value):
            yield from leaves(value, path)
        else:
            yield path, value


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingValue:
    """One value that a run uses.

    Attributes:
        used: as it is used.
        base: as the preset, or the published way, has it.
        own: as medkt has it by default.
        source: where the used value is from.
    """

    used: Any
    base: Any
    own: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the settings of a run stand to those of a preset, and to a published way where one was asked for.

    Attributes:
        preset: whose values they are, but for those that were changed.
        values: by path ("presence.gate"); options of the command by their name ("--delta"), models as "encoder", "segmenter".
        way: the published way; None where none was asked for.
    """

    preset: str
    values: Mapping[str, SettingValue]
    way: PublishedWay | None = None

    @property
    def departs(self) -> tuple[str, ...]:
        """What is not as the preset, or the way, has it."""
        return tuple(path for path, value in self.values.items() if value.used != value.base)

    @property
    def left(self) -> tuple[str, ...]:
        """Where the preset's value, or the way's, is used, and medkt's own is another."""
        return tuple(path for path, value in self.values.items() if value.used == value.base != value.own)

    @property
    def words(self) -> str:
        """One sentence for people."""
        but = f", but for {', '.join(self.departs)}" if self.departs else ""
        if self.way is None:
            return f"preset {self.preset}{but}"
        left = f"; left of medkt's own: {', '.join(_gathered(self.left))}" if self.left else ""
        return f"as published ({self.way.name}){but}{left}"

    def as_json(self) -> dict[str, Any]:
        """For records: the way, where the run departs from it, and what of medkt's own it leaves; {} without a way."""
        if self.way is None:
            return {}
        values = self.values
        departs = {
            path: {"published": as_plain(values[path].base), "here": as_plain(values[path].used)}
            for path in self.departs
        }
        left = {path: {"own": as_plain(values[path].own), "here": as_plain(values[path].used)} for path in self.left}
        return {
            "name": self.way.name, "source": self.way.source, "preset": self.preset, "words": self.words,
            "departs": departs, "left": left,
        }  # fmt: skip

    def settings_json(self) -> dict[str, dict[str, Any]]:
        """Every value with its source."""
        return {path: {"value": as_plain(one.used), "source": one.source} for path, one in self.values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionValue:
    """An option of a command, beside its settings.

    Attributes:
        used: as it is used.
        own: its value where nobody gives it.
    """

    used: Any
    own: Any


def standing(
    group: str,
    preset: str,
    settings: object,
    *,
    command: str,
    published: PublishedWay | None = None,
    forced: Sequence[str] = (),
    options: Mapping[str, OptionValue] | None = None,
    models: Mapping[str, str] | None = None,
) -> Standing:
    """How a run's settings stand to a preset, to medkt's own, and to a published way.

    Args:
        group: of `GROUPS`.
        preset: the group's, that was asked for by itself or by the way.
        settings: as they are used.
        command: that uses them.
        published: the way that was asked for.
        forced: assignments of the command itself, such as `explain` has; they are no departure.
        options: of the command, those that a way may fix.
        models: "encoder" and "segmenter" as they are used.
    """
    values = _of_settings(GROUPS[group], preset, settings, command, forced)
    fixed = dict(published.options.get(command, {})) if published else {}
    for name, one in (options or {}).items():
        base = fixed.get(name, one.own)
        source = OUR_OWN if published is None or name not in fixed else published.sources[f"{command}.{name}"]
        path = f"--{name.replace('_', '-')}"
        values[path] = SettingValue(used=one.used, base=base, own=one.own, source=source if one.used == base else GIVEN)
    for role, name in (models or {}).items():
        wanted = published.models.get(role, ()) if published else ()
        base = name if not wanted or name in wanted else " or ".join(wanted)
        source = published.sources[role] if published and name in wanted else f"--{_OPTION[role]}"
        values[role] = SettingValue(used=name, base=base, own=base, source=source)
        if role == "encoder" and name in records("encoder"):
            framing, of_way = _framing(name), _framing((*wanted, name)[0])
            values["framing"] = SettingValue(
                used=framing, base=of_way, own=framing, source=f"configs/models.yaml, of {name}"
            )
    return Standing(preset=preset, values=values, way=published)


def _of_settings(
    group: SettingsGroup, preset: str, settings: object, command: str, forced: Sequence[str]
) -> dict[str, SettingValue]:
    base, own = dict(leaves(group.settings(preset, forced))), dict(leaves(group.settings(group.own, forced)))
    named: dict[str, str] = {**preset_sources(preset, group.folder)}
    named |= {one.partition("=")[0]: f"`medkt {command}` itself" for one in forced}
    return {
        path: SettingValue(
            # another method has settings that the preset's has not
            used=used,
            base=base.get(path),
            own=own.get(path),
            source=named.get(path, OUR_OWN) if used == base.get(path) else GIVEN,
        )
        for path, used in leaves(settings)
    }


def _framing(encoder: str) -> str:
    """How a picture is put into the square of an encoder; the small one says so in its weights."""
    return record_of(encoder, "encoder").framing or "letterbox"


def _gathered(paths: Sequence[str]) -> list[str]:
    """The paths; of a group with more than three of them the number."""
    of_group = Counter(path.rpartition(".")[0] for path in paths)
    gathered = [
        f"{group} ({of_group[group]} settings)" if (group := path.rpartition(".")[0]) and of_group[group] > 3 else path
        for path in paths
    ]
    return list(dict.fromkeys(gathered))

"""Settings from a preset, then a YAML file, then `--set key=value`; later ones win. YAML is read here and nowhere else.

Every algorithm has a frozen dataclass of settings beside it. They are filled as records are (`medkt.records.fill`), by
their hints, so that a misspelt key or a wrong type is an error which names the key's full path.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from medkt.bounds import parse_yaml, read_text
from medkt.errors import SettingsError, UnknownNameError, UnreadableError
from medkt.records import fill
from medkt.resources import data_file

T = TypeVar("T")
_LEARN_PARTS = {"inversion": "inversion", "finetune": "transfer"}  # part of a learning: folder of its presets


def presets(folder: str = "presets") -> tuple[str, ...]:
    """The names of the presets that ship with medkt in a folder of `configs`, sorted.

    Args:
        folder: "presets" (of segmentation), "inversion", "transfer", "learn" or "classification".
    """
    return tuple(sorted(path.stem for path in data_file(f"configs/{folder}").glob("*.yaml")))


def read_preset(name: str, folder: str = "presets") -> Mapping[str, Any]:
    """The values of a shipped preset, without what it says of itself.

    Raises:
        UnknownNameError: lists the presets there are.
    """
    known = presets(folder)
    if name not in known:
        kind = "" if folder == "presets" else f"{folder} "
        raise UnknownNameError(f"no {kind}preset {name!r}; known: {', '.join(known)}")
    values = read_yaml(data_file(f"configs/{folder}/{name}.yaml"))
    return {key: value for key, value in values.items() if key not in ("about", "source", "sources")}


def preset_sources(name: str, folder: str = "presets") -> Mapping[str, str]:
    """Where each value of a shipped preset is from, by its path ("trains.what"): a place in a paper, or a file of public code.

    A preset that names no source a value has that of the whole for each. For the folder "learn" those of the two presets
    that it names come too, as `resolve_learning` has their values ("inversion.lr").

    Raises:
        UnknownNameError: lists the presets there are.
    """
    values = dict(read_preset(name, folder))
    file = read_yaml(data_file(f"configs/{folder}/{name}.yaml"))
    found = dict.fromkeys(_paths(values), str(file["source"]))
    found |= {key: str(source) for source, keys in file.get("sources", {}).items() for key in keys}
    if folder == "learn":
        for part, of in _LEARN_PARTS.items():
            found |= {f"{part}.{key}": source for key, source in preset_sources(values[f"{part}_preset"], of).items()}
            del found[f"{part}_preset"]
    return found


def sources_of(settings: object, original: object, sources: Mapping[str, str]) -> Mapping[str, str]:
    """The sources that still hold: of values that are the preset's own; of a value that was changed it says so.

    Args:
        settings: as they are used.
        original: the preset alone.
        sources: of the preset (`preset_sources`).
    """

    def at(whole: object, path: str) -> object:
        for name in path.split("."):
            whole = getattr(whole, name)
        return whole

    kept = {path: at(settings, path) == at(original, path) for path in sources}
    return {path: source if kept[path] else "given for this run" for path, source in sources.items()}


def read_yaml(path: Path) -> Mapping[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        SettingsError: the file is absent, is not YAML, or holds something else; with its line where known.
    """
    try:
        values = parse_yaml(read_text(path), str(path))
    except UnreadableError as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text; a settings file is YAML") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: expected settings as `key: value`, got {type(values).__name__}")
    return values


def parse_overrides(assignments: Sequence[str]) -> Mapping[str, Any]:
    """`["m2ib.beta=0.1"]` to `{"m2ib": {"beta": 0.1}}`; values are read as YAML.

    Raises:
        SettingsError: an assignment has no `=` or no key, or two of them contradict each other in shape.
    """
    nested: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        path = key.strip().split(".")
        if not separator or not all(path):
            raise SettingsError(f"--set {assignment}: expected key=value, such as m2ib.beta=0.1")
        try:
            value = parse_yaml(text, f"--set {key.strip()}")
        except UnreadableError as error:
            raise SettingsError(str(error)) from error
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {assignment}: the value is not valid YAML") from error
        level = nested
        for part in path[:-1]:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise SettingsError(f"--set {assignment}: {part} was already given a value")
        level[path[-1]] = value
    return nested


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> Mapping[str, Any]:
    """Two nested mappings as one; where both have a value, the second's.

    Where both have a `name` and it is another, they are settings of different things, and the first's go.
    """
    if "name" in first and first["name"] != second.get("name", first["name"]):
        return second
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def build(kind: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """A settings dataclass from nested values; what is not given keeps its default.

    Raises:
        SettingsError: an unknown key, a missing one without default, or a value of the wrong type; `where` and the
            key's path are in the message, and the keys there are.
    """
    try:
        return fill(kind, _under_new_names(kind, values, {}), where=where, entry="setting")
    except UnreadableError as error:
        raise SettingsError(str(error)) from error


def resolve(
    kind: type[T],
    *,
    preset: str | None = None,
    folder: str = "presets",
    file: Path | None = None,
    sets: Sequence[str] = (),
) -> T:
    """Settings of `kind` from a preset of a folder of `configs`, a YAML file and `--set` assignments, in this order.

    Raises:
        UnknownNameError: no such preset.
        SettingsError: a key or value is wrong; says the file where it stands in one.
    """
    return _overlaid(kind, read_preset(preset, folder) if preset else {}, file, sets)


def resolve_learning(kind: type[T], *, preset: str, file: Path | None = None, sets: Sequence[str] = ()) -> T:
    """Settings of a learning: its preset names one of inversion and one of fine-tuning; then a file, then assignments.

    Raises:
        UnknownNameError: no such preset.
        SettingsError: a key or value is wrong; says the file where it stands in one.
    """
    values = dict(read_preset(preset, "learn"))
    named = {part: read_preset(values.pop(f"{part}_preset"), folder) for part, folder in _LEARN_PARTS.items()}
    # so that one key that is set leaves the others as they are by default
    named |= {part: read_preset("fast", "inversion") for part in ("judged_with", "rehearsed_with")}
    return _overlaid(kind, merge(named, values), file, sets)


def _overlaid(kind: type[T], values: Mapping[str, Any], file: Path | None, sets: Sequence[str]) -> T:
    """The values, then the file's, then the assignments; a fault in the file is told with its name."""
    if file is not None:
        given = read_yaml(file)
        try:
            values = merge(values, _under_new_names(kind, given, values))
            build(kind, values)
        except (SettingsError, UnknownNameError) as error:
            raise SettingsError(f"{file}: {error}") from error
    return build(kind, merge(values, _under_new_names(kind, parse_overrides(sets), values)))


def _under_new_names(kind: type[Any], values: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values of one source with those of an old group where they now belong.

    A dataclass says in `FORMERLY` that a group is now one choice of (group, field), by the old group's name.

    Args:
        kind: the dataclass.
        values: of the source.
        before: what they are laid over.

    Raises:
        SettingsError: the choice is another one, or the values are wrong; with the old name.
    """
    for old, (group, field, kind_of) in getattr(kind, "FORMERLY", {}).items():
        if old not in values:
            continue
        others = {key: value for key, value in values.items() if key != old}
        chosen = _name_at(merge(before, others), group, field) or old
        if chosen != old:
            raise SettingsError(
                f"{old} has settings of {old}, and {group}.{field}.name is {chosen}: leave one of them out"
            )
        if not isinstance(values[old], Mapping):
            raise SettingsError(f"{old} has settings of its own: {old}.KEY=VALUE; got {values[old]!r}")
        build(kind_of, values[old], where=old)
        values = merge({group: {field: {"name": old, **values[old]}}}, others)
    return values


def _name_at(values: Mapping[str, Any], group: str, field: str) -> Any:
    """The name that a choice has in nested values; None for none."""
    chosen = values.get(group)
    chosen = chosen.get(field) if isinstance(chosen, Mapping) else None
    return chosen.get("name") if isinstance(chosen, Mapping) else None


def _paths(values: Mapping[str, Any], where: str = "") -> list[str]:
    """The paths of all values of nested mappings."""
    found = []
    for key, value in values.items():
        path = _join(where, key)
        found += _paths(value, path) if isinstance(value, Mapping) else [path]
    return found


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)

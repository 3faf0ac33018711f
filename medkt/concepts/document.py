"""A YAML file as plain data that knows the line of everything in it.

Read with the safe constructors only. A file is bounded in size, depth and number of values, so that aliases of aliases
("billion laughs") end in an error and not in an empty memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medkt.bounds import require_regular
from medkt.bounds.texts import counting_loader
from medkt.errors import MedktError, UnreadableError

LARGEST_BYTES = 4 * 2**20
_MOST_VALUES = 20_000
_DEEPEST = 20

Step = str | int
Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A mapping read from YAML.

    Attributes:
        path: as the user named the file.
        raw: the data.
        lines: line of each value by the keys and indices that lead to it, counted from 1; () is the file's first.
    """

    path: str
    raw: dict[str, Any]
    lines: Mapping[Steps, int]

    def line(self, steps: Steps) -> int:
        """The line of a value, or of the nearest one around it that is there."""
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)

    def field(self, steps: Steps) -> str:
        """How a place is named to the user: `("concepts", 0, "captions", "prompt", 0)` is "the_id: captions.prompt[1]"."""
        concept = ""
        if len(steps) > 1 and steps[0] == "concepts":
            entry = self.raw["concepts"][steps[1]]
            known = entry.get("id") if isinstance(entry, dict) else None
            concept = known if isinstance(known, str) and known else f"concepts[{int(steps[1]) + 1}]"
            steps = steps[2:]
        named = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
        return ": ".join(part for part in (concept, named) if part)


def read_document(path: Path, *, holds: str) -> Document:
    """The mapping in a YAML file.

    Args:
        path: of the file.
        holds: what is expected in it, for the message.

    Raises:
        UnreadableError: missing, too large, no UTF-8, no YAML, a key stands twice, no mapping, nested without end.
    """
    return parse_document(read_text(path), str(path), holds=holds)


def parse_document(text: str, path: str, *, holds: str) -> Document:
    """As `read_document`, from the text itself; `path` only names it in messages."""
    lines: dict[Steps, int] = {}
    try:
        loader = counting_loader(text, path)  # `_value` counts what an alias stands for
        node = loader.get_single_node()
        raw = _value(loader, node, (), lines, path) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(str(error.problem or error.context or "").split())
        raise UnreadableError(f"{path}:{line}: is not valid YAML ({said}); check indents, colons and quotes") from error
    except MedktError:  # which is a ValueError too
        raise
    except (yaml.YAMLError, ValueError) as error:  # control characters; a date such as 2024-13-45
        raise UnreadableError(
            f"{path}: is not valid YAML ({' '.join(str(error).split())}); write plain text"
        ) from error
    except RecursionError as error:
        raise UnreadableError(f"{path}: is nested too deeply; {holds}") from error
    if not isinstance(raw, dict):
        raise UnreadableError(f"{path}:1: is not a mapping; {holds}")
    return Document(path=path, raw=raw, lines=lines)


def read_text(path: Path) -> str:
    """A text file as UTF-8.

    Raises:
        UnreadableError: missing, a folder, no permission, too large, or other bytes than UTF-8.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}); check the path and permission") from error
    if len(content) > LARGEST_BYTES:
        raise UnreadableError(f"{path}: is larger than {LARGEST_BYTES >> 20} MiB; give a file of words")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnreadableError(f"{path}:{line}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _value(loader: yaml.SafeLoader, node: yaml.Node, steps: Steps, lines: dict[Steps, int], path: str) -> Any:
    lines.setdefault(steps, node.start_mark.line + 1)
    if len(lines) > _MOST_VALUES or len(steps) > _DEEPEST:
        raise UnreadableError(
            f"{path}:{node.start_mark.line + 1}: holds more than {_MOST_VALUES} values or {_DEEPEST} levels, or an alias "
            "of itself; write it out plainly"
        )
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
        raise UnreadableError(f"{path}:{node.start_mark.line + 1}: has the tag {node.tag}; write plain text and lists")
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*steps, index), lines, path) for index, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise UnreadableError(f"{path}:{line}: a key is a list or a mapping; keys are words")
        key = str(key_node.value)
        if key in made:
            raise UnreadableError(f"{path}:{line}: the key {key!r} stands twice in one mapping; keep one of them")
        lines[(*steps, key)] = line  # of the key: its value may begin below it
        made[key] = _value(loader, value_node, (*steps, key), lines, path)
    return made

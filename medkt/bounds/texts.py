"""YAML and JSON from strangers: sizes, depths and counts are looked at while reading, not afterwards."""

import json
from pathlib import Path
from typing import Any

from medkt.bounds.regular import require_regular
from medkt.errors import UnreadableError

LARGEST_TEXT = 4 * 2**20
LARGEST_RECORD = 256 * 2**20
MOST_VALUES = 20_000
DEEPEST = 32


def read_text(path: Path, *, largest: int = LARGEST_TEXT) -> str:
    """A text file as UTF-8.

    Raises:
        InputError: no file but a pipe or a device. UnreadableError: too large. OSError, UnicodeDecodeError: as it says.
    """
    require_regular(path)
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise UnreadableError(f"{path}: is larger than {largest >> 20} MiB; it is not what is expected here")
    return content.decode("utf-8-sig")


def parse_yaml(text: str, shown: str) -> Any:
    """YAML by PyYAML's safe loader, of at most 20,000 values 32 deep, what aliases stand for counted each time.

    Raises:
        UnreadableError: larger or deeper: a few aliases of aliases stand for billions of values.
        yaml.YAMLError: it is no YAML.
    """
    loader = counting_loader(text, shown)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _written_out(node, {}) > MOST_VALUES:
            raise _too_much(f"{shown}:{node.start_mark.line + 1}")
        return loader.construct_document(node)
    except RecursionError as error:
        raise UnreadableError(f"{shown}: is nested too deeply; write it out plainly") from error
    finally:
        loader.dispose()


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values a node holds with every alias written out; more than any limit for one that holds itself."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # while it is counted: met again, it is its own part
        parts = node.value if isinstance(node.value, list) else []
        flat = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = min(MOST_VALUES + 1, 1 + sum(_written_out(one, known) for one in flat))
    return known[id(node)]


def _too_much(where: str) -> UnreadableError:
    return UnreadableError(
        f"{where}: holds more than {MOST_VALUES} values or {DEEPEST} levels, or an alias of itself; write it out plainly"
    )


def counting_loader(text: str, shown: str) -> Any:
    """A safe loader of PyYAML that stops where a text holds too much, before it has built it.

    What a value makes PyYAML raise (a date without such a month, a number without digits) becomes a `yaml.YAMLError`.
    """
    import yaml

    class Counting(yaml.SafeLoader):
        """Counts values and levels as they are composed."""

        values, level = 0, 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.values += 1
            self.level += 1
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            if self.values > MOST_VALUES or self.level > DEEPEST:
                raise _too_much(f"{shown}:{line}")
            node = super().compose_node(parent, index)
            self.level -= 1
            return node

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep=deep)
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
                kind = str(node.tag).rpartition(":")[2]
                raise yaml.constructor.ConstructorError(None, None, f"no {kind}", node.start_mark) from error

    return Counting(text)


def read_note(path: Path) -> dict[str, Any] | None:
    """A mapping that medkt keeps for itself beside other files; None where there is none, or none that can be read.

    It is for what can be found again without it: whoever asks goes on as if it had never been written.
    """
    try:
        held = parse_json(read_text(path, largest=LARGEST_RECORD), str(path))
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def parse_json(text: str | bytes, shown: str = "the JSON", **options: Any) -> Any:
    """JSON, whose brackets may be as deep as Python's own limit.

    Raises:
        UnreadableError: deeper. ValueError: it is no JSON.
    """
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        raise UnreadableError(f"{shown}: is nested too deeply to be read; fetch it again") from error

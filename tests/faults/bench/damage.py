"""Damage that knows nothing of a format: bits, blocks and numbers of a file, and values within a tree of JSON or YAML."""

from random import Random
from typing import Any

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_WIDE = (0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF)
ODD_TEXTS = (
    "", " ", "0", "-1", "1e308", "-1e308", "1e-308", "nan", "inf", "NaN", "-Infinity", "9" * 40, "1e999999999", "0x10",
    "true", "null", "~", "../../etc/passwd", "/", ".", "..", "a\x00b", "\x1b[2J\x1b[31m", "\n", "a\nb", "\r", "\u202e",
    "\ud800", "é" * 50, "x" * 5000, "=1+1", "'", '"', "`", "%s%n", "{0}", "{{x}}", "<script>alert(1)</script>", "|" * 30,
    "१२३", "²", "1_000", "１２", "  1", "1,5", "1;2", "on", "NONE",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, -1e-308, float("nan"), float("inf"),
    [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": 1}}}, [0] * 2000, *ODD_TEXTS,
)  # fmt: skip


def place(random: Random, size: int) -> int:
    """A byte of a file; half of them near its beginning, where headers are."""
    return min(size - 1, int(size ** random.random())) if random.random() < 0.5 else random.randrange(size)


def cut(content: bytes, number: int, random: Random) -> bytes:
    """The first n/50 of a file, in turn; after the last of them a random part."""
    share = number / 50 if number < 50 else random.random()
    return content[: int(len(content) * share)]


def flipped(content: bytes, random: Random) -> bytes:
    """One to four other bits."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 4)):
        changed[place(random, len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def torn(content: bytes, random: Random) -> bytes:
    """Bytes replaced, blocks left out, doubled, moved or filled, numbers of headers exchanged for extreme ones."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at = place(random, len(changed))
        length = min(len(changed) - at, 1 << random.randrange(12))
        kind = random.randrange(6)
        if kind == 0:
            width = random.choice((1, 2, 4, 8))
            number = random.choice(_NUMBERS if width < 8 else (*_NUMBERS, *_WIDE)) & ((1 << 8 * width) - 1)
            changed[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
        elif kind == 1:
            changed[at : at + length] = b""
        elif kind == 2:
            changed[at:at] = changed[at : at + length]
        elif kind == 3:
            changed[at : at + length] = bytes([random.choice((0, 0xFF, 0x20, 0x41))]) * length
        elif kind == 4:
            changed[at : at + length] = random.randbytes(length)
        else:
            other = place(random, len(changed))
            changed[at : at + length] = changed[other : other + length]
        if not changed:
            return b"\0"
    return bytes(changed)


def places_of(tree: Any, limit: int = 3000) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a tree of mappings and lists."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < limit:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            waiting.append(one[key])
    return found


def disturb(tree: Any, random: Random) -> Any:
    """The same tree with one to three values changed, taken out, doubled or put deeper."""
    for _ in range(random.randint(1, 3)):
        known = places_of(tree)
        if not known:
            return random.choice(ODD_VALUES)
        holder, key = random.choice(known)
        kind = random.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = [holder[key]]
        elif kind == 2:
            holder[key] = {"value": holder[key]}
        elif kind == 3 and isinstance(holder, dict):
            holder[random.choice(ODD_TEXTS)] = holder.pop(key)
        elif kind == 4 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = _near(holder[key], random)
    return tree


def _near(value: Any, random: Random) -> Any:
    """Another value; often one of the same kind, for others are seen at once."""
    if random.random() < 0.5 and isinstance(value, int | float) and not isinstance(value, bool):
        return random.choice((-value, value + 1, value * 10**9, 0, 1e300, float("nan"), str(value)))
    if random.random() < 0.3 and isinstance(value, str) and value:
        return value[: random.randrange(len(value))] + random.choice(ODD_TEXTS)
    return random.choice(ODD_VALUES)

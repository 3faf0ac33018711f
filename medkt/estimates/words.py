"""Seconds, bytes and ranges as a person reads them, and a plan as text or JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSection:
    """A part of a plan as it is printed: a title, and lines of a name and what is said of it."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """How long something takes: at least, and at most."""

    least: float | int
    most: float | int

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(least=self.least + other.least, most=self.most + other.most)

    def times(self, factor: float | int) -> "Seconds":
        """So many times as long."""
        return Seconds(least=self.least * factor, most=self.most * factor)

    def __str__(self) -> str:
        if self.most <= 1.3 * self.least or self.most < 2:
            return f"about {duration((self.least + self.most) / 2)}"
        return f"{duration(self.least)} to {duration(self.most)}"


def duration(seconds: float | int) -> str:
    """As "8 s", "12 min" or "3.5 h".

    >>> duration(0.4), duration(75), duration(750), duration(12600)
    ('0.4 s', '75 s', '12 min', '3.5 h')
    """
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(amount: float | int) -> str:
    """Bytes as "3.4 MB" or "1.2 GB".

    >>> size(3_400_000), size(1_240_000_000)
    ('3.4 MB', '1.2 GB')
    """
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.1f} MB"


def too_large(needed: float | int, free: int | None) -> tuple[str, ...]:
    """A note where this machine has not so much memory; none where it has, or does not say."""
    if free is None or needed <= free:
        return ()
    return (f"about {size(needed)} of memory are needed and {size(free)} are free here",)


def text_of(sections: Iterable[PlanSection]) -> str:
    """The sections as they are printed, a line a thing."""
    lines: list[str] = []
    for section in sections:
        lines.append(section.title)
        width = max((len(name) for name, _ in section.lines), default=0)
        lines += [f"  {name:<{width}}  {said}".rstrip() for name, said in section.lines]
    return "\n".join(lines)


def output_lines(output: str | None, state: str) -> tuple[tuple[str, str], ...]:
    """Where results would go, as a line of a plan; none where nobody named a place."""
    return () if output is None else (("output", f"{output} ({state})"),)


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Seconds for JSON."""
    return {name: round(value, 2) for name, value in values.items()}

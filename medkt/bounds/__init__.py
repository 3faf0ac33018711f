"""What a file may ask of this machine: one budget of bytes, frames and files, and readers that keep to it. What a file means is not known here."""

from medkt.bounds.regular import require_regular
from medkt.bounds.several import several_of
from medkt.bounds.sizes import Budget, budget
from medkt.bounds.texts import parse_json, parse_yaml, read_note, read_text

__all__ = ["Budget", "budget", "parse_json", "parse_yaml", "read_note", "read_text", "require_regular", "several_of"]

"""How long work tells how far it is; what is shown of that is the caller's."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("presence", "maps", "inversion", ...), how many of it are done, and how many there are."""

"""Commands in this process, with plain models and no worker processes where a test asks for that."""

from cli.inline_engine import inline
from whole_line import bright, medkt

__all__ = ["bright", "inline", "medkt"]

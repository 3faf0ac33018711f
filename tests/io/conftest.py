"""A few readers and writers are tried by whole commands, with plain models."""

from whole_line import bright, medkt

__all__ = ["bright", "medkt"]

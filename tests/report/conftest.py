"""Fixtures of the whole line for the tests of what is written."""

from whole_line import bright, medkt, studies

__all__ = ["bright", "medkt", "studies"]

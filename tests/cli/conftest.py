"""Fixtures of the whole line for the tests of commands."""

from whole_line import bright, medkt, studies

__all__ = ["bright", "medkt", "studies"]

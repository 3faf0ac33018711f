"""Fixtures of the whole line for the tests of unusable input."""

from whole_line import bright, medkt, studies

__all__ = ["bright", "medkt", "studies"]

"""Fixtures of the whole line for the tests of contracts."""

from whole_line import studies

__all__ = ["studies"]

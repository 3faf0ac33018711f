"""What the tests of this folder share."""

from whole_line import bright, studies

__all__ = ["bright", "studies"]

"""Files to images and masks back to files."""

from medkt.io.read import read_image

__all__ = ["read_image"]

"""Data sets: cases, manifests, and builders for the layouts in which they are published; no model, and no number about them."""

from medkt.datasets.case import Case
from medkt.datasets.manifest import Manifest, iterate_manifest, read_manifest, write_manifest

__all__ = ["Case", "Manifest", "iterate_manifest", "read_manifest", "write_manifest"]

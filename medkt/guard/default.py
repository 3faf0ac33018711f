"""The guard of an encoder: with the numbers of the images that it knows where those ship with it."""

from functools import cache
from pathlib import Path

from medkt.guard.known_images import KnownImages, read_known
from medkt.guard.modality import ModalityGuard
from medkt.models.encoder import DualEncoder
from medkt.models.family import family_of
from medkt.presence.normals import default_normals

NAME = "guard.safetensors"


def default_guard(encoder: DualEncoder) -> ModalityGuard:
    """The guard that is on by default for an encoder as it was loaded.

    Raises:
        WeightsError: the numbers that ship with the small model cannot be read.
    """
    normals = default_normals(encoder)
    return ModalityGuard(
        encoder=encoder.spec.name, digest=encoder.spec.digest, known=_known(encoder),
        covered={} if normals is None else normals.covered,
    )  # fmt: skip


def _known(encoder: DualEncoder) -> KnownImages | None:
    """What ships with the embedded model, of these weights and no others."""
    family = family_of(encoder)
    if family is None or family.beside is None or not (family.beside / NAME).exists():
        return None
    known = shipped(family.beside / NAME)
    return known if known.encoder == encoder.spec.digest else None


@cache
def shipped(path: Path) -> KnownImages:
    """The numbers in a file, read once."""
    return read_known(path)

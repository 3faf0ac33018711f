"""Packages that medkt uses for one purpose and does without otherwise: extras, and what is said where one is missing.

Whoever begins something that needs one asks `require` first, before anything is computed or written.
"""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from medkt.errors import MissingDependencyError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "clip": ("open_clip", "timm", "torchvision"),
    "codecs": ("openjpeg", "pylibjpeg", "jpeg_ls"),
    "dicom-objects": ("highdicom",),
    "lora": ("peft",),
    "ray": ("ray",),
    "runs": ("pyarrow", "duckdb", "sklearn"),
    "signing": ("cryptography",),
    "tiff": ("tifffile",),
}
"""The modules that each extra brings; `pyproject.toml` says of which distributions."""


def require(extra: str, what: str, modules: Iterable[str] | None = None) -> None:
    """Pass silently where the modules of an extra are installed; none of them is imported.

    Args:
        extra: its name.
        what: that needs it, as the message begins.
        modules: those that are needed, where it is not all of the extra's.

    Raises:
        MissingDependencyError: one is not installed; the message says how to install it.
    """
    missing = next((name for name in modules or EXTRAS[extra] if not is_installed(name)), None)
    if missing is not None:
        raise MissingDependencyError(f"{what} needs {missing}, which is not installed: {how_to_install(extra)}")


def how_to_install(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install 'medkt[{extra}]'"


def has_extra(extra: str) -> bool:
    """Whether all modules of an extra are installed."""
    return all(map(is_installed, EXTRAS[extra]))


def is_installed(module: str) -> bool:
    """Whether a module could be imported, by its name alone."""
    return find_spec(module) is not None

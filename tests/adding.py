"""Packages that add something to medkt, installed for one test: a folder on the path with the metadata that an installer writes."""

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from medkt.concepts.catalogue import concepts
from medkt.domains.registry import domain, domains
from medkt.doors import forget_installed

FIXTURE = Path(__file__).parent / "fixture_package"


@contextmanager
def added(folder: Path, name: str, groups: Mapping[str, Mapping[str, str]], *sources: Path) -> Iterator[Path]:
    """Within this block the distribution is installed in `folder`, in this process and in those that it starts.

    Args:
        folder: where; created.
        name: of the distribution.
        groups: its entry points: group, name, "module:attribute".
        sources: modules and packages of Python that it brings.
    """
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "INSTALLER").write_text("a test\n")
    lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in points.items()) for group, points in groups.items()]
    (about / "entry_points.txt").write_text("\n\n".join(lines) + "\n")
    for source in sources:
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / source.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        forget()
        yield folder
    forget()


@contextmanager
def fixture_package(folder: Path) -> Iterator[Path]:
    """Within this block `tests/fixture_package` is installed, as its `pyproject.toml` says."""
    project = tomllib.loads((FIXTURE / "pyproject.toml").read_text())["project"]
    with added(folder, project["name"], project["entry-points"], FIXTURE / "medkt_fixture") as where:
        yield where


def forget() -> None:
    """What was read of installed packages, and what was made of it."""
    forget_installed()
    for kept in (domain, domains, concepts):
        kept.cache_clear()

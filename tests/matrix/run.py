"""medkt on each Python that is here, with the lowest and the newest versions that it allows, bare and with all extras.

Usage: python tests/matrix/run.py --wheels FOLDER --out FOLDER [--python 3.12]... [--only lowest-bare]...

Each environment is made by uv below OUT, from the wheel and in a folder outside the checkout, and runs the quick tests: those
of `CORE`, which need no extra, and with all extras those of `EXTRAS`, too. An environment that is there is used again; what
came of all of them is told in `OUT/results.md`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PROJECT = TESTS.parent / "pyproject.toml"
UV = Path(sys.executable).parent / "uv"
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
CORE = (
    "installed/test_installed.py", "test_config.py", "spatial", "domains", "metrics/test_overlap.py", "metrics/test_surface.py", "concepts/test_package.py",
    "io/test_dicom.py", "io/test_dicom_gdcm.py", "io/test_nifti.py", "io/test_raster.py", "io/test_itk.py", "contracts/test_encoders.py",
    "cli/test_concept.py", "cli/test_classify.py", "cli/test_demo.py",
)  # fmt: skip
"""Run in a bare environment, too."""
EXTRAS = (
    "installed/test_typing.py", "concepts/test_signature.py", "io/test_seg.py", "runs/test_tables.py", "statistics/test_paired.py",
    "calibration/test_probability.py", "models/test_registry.py", "saliency/test_maps_by_hand.py", "segmentation/test_sam.py", "cli/test_query.py",
)  # fmt: skip
TOOLS = (
    "pytest>=8",
    "hypothesis>=6.100",
    "beartype>=0.19",
    "psutil>=5.9",
    "jsonschema>=4.18",
    "packaging",
    "mypy>=1.13",
)
ORACLES = ("surface-distance>=0.1", "dcmqi>=1.3", "dcm2niix>=1.0.20250505", "python-gdcm>=3.0.24")
SHOWN = (
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "monai",
    "pydicom",
    "nibabel",
    "simpleitk",
    "scikit-image",
    "pillow",
    "pyarrow",
    "highdicom",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One environment of the matrix."""

    python: str
    resolution: str
    extras: str

    @property
    def name(self) -> str:
        return f"{self.resolution}-{self.extras}"

    def folder(self, out: Path) -> Path:
        return out / f"{re.sub(r'[^0-9A-Za-z.]+', '-', self.python).strip('-')}-{self.name}"


def main() -> int:
    """Make and test every cell, and write the table; 1 where one fails."""
    arguments = _arguments()
    pythons = arguments.python or list(_found())
    cells = [
        Cell(python=python, resolution=resolution, extras=extras)
        for python in pythons
        for resolution in RESOLUTIONS
        for extras in ("bare", "all")
    ]
    cells = [cell for cell in cells if not arguments.only or cell.name in arguments.only]
    (wheel,) = arguments.wheels.resolve().glob("medkt-*.whl")
    rows, failed = [], False
    for cell in cells:
        began = time.monotonic()
        said, good = _tried(cell, wheel, arguments.out.resolve())
        failed |= not good
        rows.append((cell, said, time.monotonic() - began))
        _write(rows, arguments.out.resolve())
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--wheels", type=Path, required=True, metavar="FOLDER", help="holds the wheel")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="takes the environments, and results.md"
    )
    parser.add_argument(
        "--python", action="append", metavar="VERSION", help="3.12, or a path; every one that is here unless given"
    )
    parser.add_argument(
        "--only", action="append", metavar="CELL", help="lowest-bare, lowest-all, newest-bare or newest-all"
    )
    return parser.parse_args()


def _found() -> Iterator[str]:
    """One path a minor version from 3.11 on: those that uv finds, then those of pyenv, which stand on no search path."""
    asked = [str(UV), "python", "list", "--only-installed", "--output-format", "json"]
    listed = json.loads(subprocess.check_output(asked, text=True, stderr=subprocess.DEVNULL))
    here = [(one["version"], one["path"]) for one in listed if one["implementation"] == "cpython"]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    here += [(one.name, str(one / "bin" / "python")) for one in sorted(versions.glob("3.*")) if one.name[2:3].isdigit()]
    seen = set()
    for version, path in here:
        minor = tuple(int(part) for part in version.split(".")[:2])
        if minor >= (3, 11) and minor not in seen:
            seen.add(minor)
            yield path


def _tried(cell: Cell, wheel: Path, out: Path) -> tuple[str, bool]:
    """What came of a cell, in words, and whether it is good."""
    folder = cell.folder(out)
    print(f"== {folder.name}", flush=True)
    python = folder / "env" / "bin" / "python"
    try:
        _install(cell, wheel, folder, python)
    except subprocess.CalledProcessError as error:
        return f"cannot be installed (exit code {error.returncode})", False
    return _tested(cell, folder, python)


def _install(cell: Cell, wheel: Path, folder: Path, python: Path) -> None:
    if not python.exists():
        _uv("venv", "--quiet", "--python", cell.python, str(python.parents[1]))
    install = ("pip", "install", "--quiet", "--python", str(python))
    extras = [f"--extra={name}" for name in _extras()] if cell.extras == "all" else []
    # of a wheel the requirements are no direct ones, and "lowest-direct" would take the newest of them
    # a version without a wheel for this Python is none that anybody has there: the lowest is the first that has one
    _uv(*install, "--no-build", "--resolution", RESOLUTIONS[cell.resolution], "-r", str(PROJECT), *extras)
    _uv(*install, "--no-deps", "--reinstall", str(wheel))
    kept = folder / "installed.txt"  # the tools may move none of these
    kept.write_text(
        "".join(f"{name}=={version}\n" for name, version in _versions(python).items() if name != "medkt"),
        encoding="utf-8",
    )
    _uv(*install, "--constraint", str(kept), *TOOLS, *(ORACLES if cell.extras == "all" else ()))


def _extras() -> list[str]:
    """Every extra but the tools, and `all`, which is the others together."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return sorted(set(project["optional-dependencies"]) - {"all", "dev"})


def _tested(cell: Cell, folder: Path, python: Path) -> tuple[str, bool]:
    tests = folder / "tests"
    shutil.rmtree(tests, ignore_errors=True)
    shutil.copytree(TESTS, tests, ignore=shutil.ignore_patterns("__pycache__"))
    chosen = (*CORE, *(EXTRAS if cell.extras == "all" else ()))
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"MEDKT_INSTALLED": str(python.parents[1]), "OMP_NUM_THREADS": "1"}
    options = ["-q", "-ra", "-p", "no:cacheprovider", "--rootdir", str(tests)]
    with (folder / "tests.txt").open("w", encoding="utf-8") as report:
        code = subprocess.call(
            [str(python), "-m", "pytest", *options, *(str(tests / name) for name in chosen)],
            cwd=folder, env=environment, stdout=report, stderr=subprocess.STDOUT,
        )  # fmt: skip
    last = (folder / "tests.txt").read_text(encoding="utf-8").strip().splitlines()[-1].strip("= ")
    print(f"   {last}", flush=True)
    return last, code == 0


def _uv(*words: str) -> None:
    subprocess.check_call([str(UV), *words])


def _versions(python: Path) -> dict[str, str]:
    listed = subprocess.check_output([str(UV), "pip", "list", "--format", "json", "--python", str(python)], text=True)
    return {one["name"]: one["version"] for one in json.loads(listed)}


def _write(rows: Sequence[tuple[Cell, str, float]], out: Path) -> None:
    lines = ["| Python | versions | extras | tests | with |", "|---|---|---|---|---|"]
    for cell, said, _ in rows:
        python = cell.folder(out) / "env" / "bin" / "python"
        there = _versions(python) if python.exists() else {}
        held = ", ".join(f"{name} {there[name]}" for name in SHOWN if name in there)
        number = subprocess.check_output([str(python), "-V"], text=True).split()[1] if python.exists() else cell.python
        lines.append(
            f"| {number} | {cell.resolution} | {cell.extras} | {re.sub(r' in [0-9.]+s.*', '', said)} | {held} |"
        )
    (out / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

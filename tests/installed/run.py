"""Install the built wheel into an environment of its own and run tests from a folder outside the checkout.

Usage: python tests/installed/run.py FOLDER_WITH_WHEEL. What is tested is the installed package: the checkout is not on
the path, so a data file that did not go into the wheel is missed here.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTED = (
    "installed", "domains", "test_config.py", "conftest.py",
    *(f"concepts/{name}" for name in ("making.py", "test_catalogue.py", "test_lexicon.py", "test_phrases.py", "prose")),
)  # fmt: skip
"""What reads the files that a wheel must hold: models, settings, captions, word lists."""


def main(folder: Path) -> int:
    (wheel,) = folder.glob("medkt-*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        python = _environment(root / "env", wheel.resolve())
        tests = root / "tests"
        tests.mkdir()
        for name in TESTED:
            source = HERE.parent / name
            (tests / name).parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tests / name)
        options = ["-q", "-n", "2", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(tests)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["MEDKT_INSTALLED"] = str(root / "env")
        return subprocess.call([str(python), "-m", "pytest", *options, str(tests)], cwd=root, env=environment)


def _environment(path: Path, wheel: Path) -> Path:
    """A virtual environment that sees this one's dependencies but not its editable medkt."""
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", str(path)])
    python = path / "bin" / "python"
    site = Path(
        subprocess.check_output(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    # the wheel is unpacked first on the path; the dependencies come from the environment that runs this
    uv = Path(sys.executable).parent / "uv"
    subprocess.check_call([str(uv), "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)])
    dependencies = site / "_dependencies"
    dependencies.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "medkt" not in entry.name:
            (dependencies / entry.name).symlink_to(entry)
    (site / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return python


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

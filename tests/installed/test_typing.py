"""Who installs medkt has its types: a checker reads them from the package, and sees a mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED = os.environ.get("MEDKT_INSTALLED")
PROGRAM = """
import medkt

concept: medkt.load_concept
mask: str = medkt.read_image("a.dcm").geometry.unit
spacing: str = medkt.read_image("a.dcm").geometry.spacing
"""

CONFIG = """
[mypy]
ignore_missing_imports = True
follow_imports = skip
[mypy-medkt,medkt.*]
follow_imports = silent
"""
"""Of medkt alone the types are read: those of torch and its like take a minute and a half, and say nothing of medkt."""


@pytest.mark.skipif(INSTALLED is None, reason="for the wheel: in a checkout the sources are seen anyway")
def test_a_checker_reads_the_types_of_the_wheel(tmp_path: Path) -> None:
    program, config = tmp_path / "program.py", tmp_path / "mypy.ini"
    program.write_text(PROGRAM, encoding="utf-8")
    config.write_text(CONFIG, encoding="utf-8")
    options = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", f"{INSTALLED}/bin/python", *options, str(program)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    errors = [line for line in checked.stdout.splitlines() if "error:" in line]
    assert len(errors) == 2, checked.stdout + checked.stderr
    assert "is not valid as a type" in errors[0]
    assert 'expression has type "tuple[float, float, float]", variable has type "str"' in errors[1]

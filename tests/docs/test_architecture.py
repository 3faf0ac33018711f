"""The drawing of the rooms against the code: every room stands in it, at its height, and says itself what lives in it."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "medkt"
NO_ROOMS = {"__init__", "__main__"}


def _drawn() -> list[str]:
    """The lines of the drawing that begin with rooms; what is said of them is indented or stands two spaces away."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (drawing,) = re.findall(r"<!-- rooms -->\n```text\n(.*?)```", text, re.DOTALL)
    return [line.split("  ")[0] for line in drawing.splitlines() if not line.startswith(" ")]


def _rooms() -> set[str]:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - NO_ROOMS


def test_every_room_stands_in_the_drawing() -> None:
    assert {room for line in _drawn() for room in line.split(" | ")} == _rooms()


def test_the_drawing_is_that_of_the_import_contract() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    assert _drawn() == layers


def test_every_room_says_what_lives_in_it() -> None:
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert len(said.split("\n\n")[0].split()) >= 8, f"{path}: say in a sentence what lives here and what does not"

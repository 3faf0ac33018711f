"""No public type of `medkt/` has the name of another: classes, and names that stand for types."""

import ast
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "medkt"
STILL_TWICE = {
    "Calibration", "Counts", "Directions", "Group", "Manifest", "Part", "PlaneNumbers", "Row", "Rows", "Rule", "Section", "Shown", "Some", "Summary", "Table", "Task", "TextPooling", "Ticker", "Value", "Values", "Way", "Window",
}  # fmt: skip
"""Names that wait to be told apart; none is added, and one that is told apart leaves."""


def _types(module: ast.Module) -> set[str]:
    named = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    given = [node.targets[0] for node in module.body if isinstance(node, ast.Assign)]
    named |= {one.id for one in given if isinstance(one, ast.Name) and one.id[0].isupper() and not one.id.isupper()}
    return {name for name in named if not name.startswith("_")}


def test_no_public_type_name_stands_for_two_things() -> None:
    read = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py")))
    times = Counter(name for module in read for name in _types(module))
    assert {name for name, count in times.items() if count > 1} == STILL_TWICE

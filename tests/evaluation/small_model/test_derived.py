"""The list of what derives from the embedded model's weights: its files exist, its scripts work, and no file is forgotten."""

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "evaluation" / "small_model" / "derived.py"


@pytest.fixture(scope="module")
def derived() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derived", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["derived"] = module  # its dataclasses look for themselves there
    spec.loader.exec_module(module)
    return module


def test_every_file_and_script_that_is_named_exists(derived: ModuleType) -> None:
    names = [one.name for one in derived.DERIVED]
    assert len(set(names)) == len(names)
    for one in derived.DERIVED:
        assert one.commands or one.by_hand, one.name
        assert one.of in ("encoder", "segmenter", "both")
        scripts = [word for command in one.commands for word in command.split() if word.endswith(".py")]
        for file in (*one.files, *scripts):
            assert (ROOT / file).is_file(), f"{one.name}: {file}"
        assert all(command.startswith("{python} ") for command in one.commands)


def test_no_file_that_names_the_weights_is_forgotten(derived: ModuleType) -> None:
    listed = {file for one in derived.DERIVED for file in one.files} | {str(derived.KEPT.relative_to(ROOT))}
    marks = [digest[:8] for digest in derived.weights().values()]
    there = [path for top in ("evaluation", "medkt", "docs", "configs") for path in (ROOT / top).rglob("*")]
    text = [path for path in [*there, ROOT / "README.md"] if path.suffix in (".md", ".json", ".jsonl", ".yaml", ".py")]
    holding = {str(path.relative_to(ROOT)) for path in text if any(m in path.read_text("utf-8") for m in marks)}
    assert "evaluation/small_model/tables.md" in holding
    assert holding <= listed


def test_what_was_made_with_other_weights_is_said(derived: ModuleType) -> None:
    now = {"encoder": "a", "segmenter": "b"}
    one = next(one for one in derived.DERIVED if one.of == "both")
    other = next(one for one in derived.DERIVED if one.of == "encoder")
    made = {one.name: {"encoder": "a", "segmenter": "old"}, other.name: {"encoder": "a", "segmenter": "old"}}
    assert derived.state(one, made, now) == "of other weights"
    assert derived.state(other, made, now) == "of these weights"
    assert derived.state(one, {}, now) == "not known"


def test_a_failing_command_is_not_written_down(
    derived: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(derived, "KEPT", tmp_path / "derived.json")
    fails = derived.Derived(name="x", what="nothing", files=(), commands=("{python} --gone",))
    assert derived._run(fails, "nowhere") != 0
    assert "nothing is written down of it" in capfd.readouterr().err
    assert not derived.KEPT.exists()
    works = derived.Derived(name="y", what="nothing", files=(), commands=("{python} --version",))
    assert derived._run(works, "nowhere") == 0
    assert json.loads(derived.KEPT.read_text()) == {"y": derived.weights()}


def test_the_scripts_import_what_there_is(derived: ModuleType) -> None:
    scripts = {word for one in derived.DERIVED for c in one.commands for word in c.split() if word.endswith(".py")}
    lacking = [f"{script}: {name}" for script in sorted(scripts) for name in _lacking(ROOT / script)]
    assert not lacking


def _lacking(script: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("medkt"):
            base = ROOT.joinpath(*node.module.split("."))
            file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            for name in (alias.name for alias in node.names):
                if (
                    not re.search(rf"\b{name}\b", text)
                    and not (base / f"{name}.py").exists()
                    and not (base / name).is_dir()
                ):
                    yield f"{node.module}.{name}"

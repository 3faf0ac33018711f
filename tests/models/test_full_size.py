"""Every loader at its published size; minutes and gigabytes, so only with `-m full_size`."""

import gc
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def loader_table() -> Any:
    path = Path(__file__).resolve().parents[2] / "evaluation" / "loader_table.py"
    spec = importlib.util.spec_from_file_location("loader_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["loader_table"] = module
    spec.loader.exec_module(module)
    return module


TABLE = loader_table()
CASES = {f"{case.name}, {case.layout}": case for case in TABLE.cases()}


@pytest.mark.full_size
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_features_agree(case: Any) -> None:
    row = TABLE.measure(case)
    gc.collect()
    bound = 1e-5 * max(row.size, 1.0)
    assert row.image < bound
    assert row.text is None or row.text < bound


def test_the_recorded_table_holds_every_case() -> None:
    recorded = (Path(TABLE.__file__).parent / "results" / "loader_table.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in recorded.splitlines() if line.startswith("| ")]
    found = {(cells[0].removeprefix("| "), cells[1]) for cells in rows[1:]}
    assert found == {(case.name, case.layout) for case in CASES.values()}
    for cells in rows[1:]:
        assert float(cells[6]) < 1e-5 * max(float(cells[8]), 1.0)

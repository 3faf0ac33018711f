"""Tests marked full_size run only where they are asked for by `-m full_size`."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "full_size" in str(config.getoption("markexpr")):
        return
    left_out = [item for item in items if item.get_closest_marker("full_size")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full_size")]

"""The marker of this folder."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: starts a Ray cluster of several nodes on this machine (a minute)")

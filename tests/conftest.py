"""What every test shares: no network, no time limits on examples, and where the real images lie."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# a shared machine's speed varies; a slow example is not a wrong one
settings.register_profile("medkt", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("medkt")
MARKS = {
    "faults": "attacks of its own length; `SECONDS_EACH=60 pytest -m faults tests/faults`",
    "slow": "more of what the others test, in tens of seconds each; run with `-m slow`",
    "full_size": "builds checkpoints of the published size (minutes, gigabytes); run with `-m full_size`",
}
ASKED_FOR = ("slow", "full_size")
"""Marks of tests that run only where they are named by `-m`."""


def pytest_configure(config: pytest.Config) -> None:
    """The marks are told here, not in pyproject.toml, since the tests of the wheel run without that file."""
    for mark, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {meaning}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    apart = [mark for mark in ASKED_FOR if mark not in str(config.getoption("markexpr"))]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in apart)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be talked to: a connection to anywhere else fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model weights that a developer has must not change what the tests see."""
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "medkt-home"))


@pytest.fixture(autouse=True)
def loudness_of_its_own() -> Iterator[None]:
    """A command of another test that was told `-q` must not silence what this one listens for."""
    yield
    logging.getLogger("medkt").setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture(scope="session", autouse=True)
def interrupts_count() -> None:
    """What was started in the background has its interrupts ignored, and so would what the tests interrupt."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images: $MEDKT_DATA, else `../shared/data` beside the checkout; the test is skipped without it."""
    root = Path(os.environ.get("MEDKT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "manifest.tsv").is_file():
        pytest.skip("the folder of real images is absent; set MEDKT_DATA to it")
    return root


@pytest.fixture(scope="session")
def failing() -> Path:
    """Files that were once read wrongly: $MEDKT_FAILING, else `../shared/failing` beside the checkout; skipped without."""
    root = Path(os.environ.get("MEDKT_FAILING", Path(__file__).resolve().parents[2] / "shared" / "failing"))
    if not (root / "README.md").is_file():
        pytest.skip("the folder of files that once failed is absent; set MEDKT_FAILING to it")
    return root


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Numbers of public implementations: $MEDKT_ORACLES, else `../shared/oracles` beside the checkout; skipped without."""
    root = Path(os.environ.get("MEDKT_ORACLES", Path(__file__).resolve().parents[2] / "shared" / "oracles"))
    if not (root / "SHA256SUMS").is_file():
        pytest.skip("the numbers of public implementations are absent; set MEDKT_ORACLES to their folder")
    return root

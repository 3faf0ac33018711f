"""What the pages on security and privacy promise: each promise names a test, and the test is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("SECURITY.md", "docs/concepts/provenance_and_privacy.md", "docs/reference/stability.md")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_promise_names_is_there(page: str) -> None:
    named = _TEST.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 5
    lacking = [
        (file, name) for file, name in named if f"\ndef {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not lacking


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_a_test(page: str) -> None:
    rows = re.search(r"\| promise \| test \|\n\|[-| ]+\|\n((?:\|.*\n)+)", (ROOT / page).read_text(encoding="utf-8"))
    assert rows is not None
    assert [row for row in rows[1].splitlines() if not _TEST.search(row)] == []

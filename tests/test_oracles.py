"""medkt against numbers of the public implementations, where their folder is at hand."""

from pathlib import Path

import pytest
from oracles import CHECKS, LONG


@pytest.mark.parametrize("name", CHECKS)
def test_as_the_public_code(name: str, oracles: Path) -> None:
    found = list(LONG.get(name, CHECKS[name])(oracles))
    assert found
    assert [one for one in found if not one.holds] == []

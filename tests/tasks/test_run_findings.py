"""What rows of a manifest may call a concept: names of concepts, and no free texts, in quotes or without."""

import pytest

from medkt.concepts import load_concept
from medkt.errors import UnknownNameError
from medkt.tasks.segment.findings import RunFindings


def _nothing_asked() -> RunFindings:
    return RunFindings(concepts={}, own=(), learnt={}, packages={})


def test_a_row_names_a_concept() -> None:
    findings = _nothing_asked()
    assert findings.identify("solid nodule") == "ct_nodule"
    assert findings.concepts == {"ct_nodule": load_concept("ct_nodule")}


@pytest.mark.parametrize("text", ["a round bright spot", '"a round bright spot"', "'a round bright spot'"])
def test_a_free_text_is_refused_and_is_told_where_it_goes(text: str) -> None:
    findings = _nothing_asked()
    with pytest.raises(UnknownNameError, match="a free text goes with -p where a command takes one") as caught:
        findings.identify(text)
    assert "in quotes" not in str(caught.value)
    assert not findings.concepts

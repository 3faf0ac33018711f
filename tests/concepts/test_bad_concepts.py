"""Whatever cannot be used ends in one line with file, line, field and remedy, exit code 2, and nothing new on the disk."""

from pathlib import Path

import pytest
from bad_concepts import GOOD, KINDS

from medkt.cli import main as command_line
from medkt.concepts import read_concepts
from medkt.concepts.document import read_document
from medkt.concepts.lint import lint


@pytest.mark.parametrize("name", KINDS)
def test_one_line_and_exit_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(command_line.COMMANDS, "concept", ("medkt.cli.concept", "words"))
    monkeypatch.delenv("MEDKT_KEY_PASSPHRASE", raising=False)
    kind = KINDS[name]
    words = kind.make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert command_line.main(["concept", *words]) == 2
    ran = capsys.readouterr()
    said = ran.err if ran.err else ran.out
    (line,) = [line for line in said.splitlines() if line.startswith(("medkt: ", "error: "))]
    for part in (*kind.says, kind.remedy):
        assert part in line, line
    assert len(ran.err.splitlines()) == (1 if ran.err else 0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 25


def test_the_file_that_is_made_bad_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert [concept.id for concept in read_concepts(path)] == ["ct_veil"]
    assert lint(read_document(path, holds="x")) == ()

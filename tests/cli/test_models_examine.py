"""`medkt models examine` and `show`: what is written where, what is refused before anything is computed, what is printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from medkt.cli.main import main
from medkt.errors import NumericalError
from medkt.examine import IllustratedExamination, find_examination, read_examination
from medkt.examine.store import SHIPPED, examination_path

SMALL = read_examination(SHIPPED)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings with which the model was examined; the answer is the shipped examination, without pictures."""
    calls: list[Any] = []

    def found(encoder: Any, settings: Any, *, progress: Any) -> IllustratedExamination:
        calls.append(settings)
        progress("shape", 1, 2)
        return IllustratedExamination(examination=SMALL, examples={}, lesions=())

    monkeypatch.setattr("medkt.examine.examine", found)
    return calls


def test_page_and_figures_are_kept_and_put_where_they_are_wanted(
    asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert main(["models", "examine", "small", "-o", str(out), "--pairs", "61", "--seed", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    kept = examination_path(SMALL.digest)
    assert said["files"] == [
        *(str(kept.with_suffix(suffix)) for suffix in (".html", ".json")),
        *(str(out / f"examination{suffix}") for suffix in (".html", ".json")),
    ]
    assert read_examination(kept) == read_examination(out / "examination.json") == SMALL
    assert "What small understands" in (out / "examination.html").read_text(encoding="utf-8")
    assert said["examination"]["rows"]["margin"]["right"]["number"] == 120
    assert (asked[0].pairs, asked[0].pictures, asked[0].seed) == (61, 60, 3)


def test_what_is_there_is_not_replaced_unasked(
    asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "examine", "small"]) == 0
    assert "not shown: margin" in capsys.readouterr().out
    assert main(["models", "examine", "small"]) == 2
    assert "exists already; say --overwrite to examine the model anew" in capsys.readouterr().err
    assert main(["models", "examine", "small", "--overwrite", "-o", str(tmp_path / "out")]) == 0
    assert main(["models", "examine", "small", "-o", str(tmp_path / "out")]) == 2
    (tmp_path / "file").write_text("x")
    assert main(["models", "examine", "small", "--overwrite", "-o", str(tmp_path / "file")]) == 2
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["small", "--pairs", "59"], "fewer than 60"),
        (["small", "--pictures", "10"], "fewer than 60"),
        (["small", "--seed", "-1"], "--seed is 0 or more"),
        (["small", "--threads", "0"], "at least 1 is needed"),
        (["nobody"], "neither a known encoder nor a path"),
        (["sam-vit-b"], "neither a known encoder nor a path"),
    ],
)
def test_bad_calls(words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "examine", *words, "-o", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise NumericalError("the encoder 'small' gives NaN or infinity for a drawn picture")

    monkeypatch.setattr("medkt.examine.examine", fail)
    assert main(["models", "examine", "small", "-o", str(tmp_path / "out")]) == 2
    assert "gives NaN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not examination_path(SMALL.digest).exists()


def test_show_is_the_models_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "small"]) == 0
    shown = capsys.readouterr().out
    assert "licence of the weights: Apache-2.0" in shown
    assert f"weights {SMALL.digest[:12]}" in shown
    assert str(SMALL.rows["margin"].right) in shown
    assert main(["models", "show", "small", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["digest"] == said["examination"]["digest"] == SMALL.digest
    assert find_examination(SMALL.digest) == SMALL


def test_show_of_what_was_never_examined_or_reads_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "biomedclip"]) == 0
    shown = capsys.readouterr().out
    assert "here: no" in shown
    assert "not examined: `medkt models examine biomedclip`" in shown
    assert main(["models", "show", "sam-vit-b"]) == 0
    assert "examine" not in capsys.readouterr().out
    assert main(["models", "show", "biomedclip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["examination"] is None
    assert main(["models", "show", "nobody"]) == 2

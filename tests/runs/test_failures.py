"""Kinds of failures, what is written down of them, and that no text of an error is."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import medkt
from medkt.codes import SENTENCES, code_of, numbers_of, sentence_of, told
from medkt.errors import (
    AmbiguousInputError,
    ForgettingError,
    GeometryError,
    GeometryMismatchError,
    InputError,
    MedktError,
    MissingDependencyError,
    NotCarriedError,
    NumericalError,
    OutputError,
    SettingsError,
    UnreadableError,
    UnsupportedError,
    WeightsError,
)
from medkt.runs.failures import failure_of, kind_of, words_of
from medkt.runs.outcomes import Outcome

NAME = "DOE^JANE 19620304"


@pytest.mark.parametrize(
    ("error", "stage", "kind"),
    [
        (UnreadableError("x"), "read", "unreadable"),
        (InputError("no such file"), "read", "unreadable"),
        (InputError("nothing to look at"), "compute", "unsupported"),
        (UnsupportedError("x"), "read", "unsupported"),
        (AmbiguousInputError("x"), "read", "unsupported"),
        (MissingDependencyError("x"), "read", "unsupported"),
        (GeometryMismatchError("x"), "read", "geometry"),
        (NumericalError("x"), "compute", "model"),
        (MemoryError(), "compute", "memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "compute", "memory"),
        (ZeroDivisionError(), "compute", "crash"),
    ],
)
def test_the_kind_of_an_error(error: Exception, stage: str, kind: str) -> None:
    assert kind_of(error, stage) == kind


def test_an_input_that_does_not_fit_into_memory_is_of_that_kind() -> None:
    error = InputError("does not fit")
    error.__cause__ = MemoryError()
    assert kind_of(error, "read") == "memory"
    assert failure_of(error, "read").code == "memory"


def _kinds() -> Iterator[type[MedktError]]:
    waiting = [MedktError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += [one for one in kind.__subclasses__() if one.__module__.startswith("medkt.")]


@pytest.mark.parametrize("kind", [*_kinds(), ValueError, KeyError, UnicodeDecodeError, type(NAME, (Exception,), {})])
def test_no_text_of_an_error_is_written_whatever_it_is(kind: type[Exception]) -> None:
    """Every class of error, with and without a code of its own, and those of Python and of libraries."""
    made = [UnicodeDecodeError("utf-8", NAME.encode(), 0, 1, NAME)] if kind is UnicodeDecodeError else [kind(NAME)]
    if issubclass(kind, MedktError):
        made += [kind(NAME, code=NAME), kind(NAME, code="slices-missing", missing=NAME, **{NAME: 1.0})]
    for error in made:
        why = failure_of(error, "read")
        outcome = Outcome(
            key="case-1", number=1, round=0, state="failed", kind=why.kind, code=why.code, numbers=why.numbers
        )
        written = outcome.line().decode() + outcome.message
        assert "DOE" not in written
        assert outcome.message
        assert NAME in words_of(error)  # which the terminal gets


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (GeometryError(NAME, code="slices-missing", missing=np.int64(3)), "slices-missing", "3 slices are missing"),
        (UnreadableError(NAME), "unreadable", SENTENCES["unreadable"]),
        (GeometryMismatchError(NAME), "other-grid", SENTENCES["other-grid"]),
        (SettingsError(NAME), "settings", SENTENCES["settings"]),
        (OutputError(NAME), "not-written", SENTENCES["not-written"]),
        (WeightsError(NAME), "weights", SENTENCES["weights"]),
        (ForgettingError(NAME), "forgetting", SENTENCES["forgetting"]),
        (NotCarriedError(NAME), "not-carried", SENTENCES["not-carried"]),
    ],
)
def test_an_error_has_a_code_and_the_code_a_sentence(error: MedktError, code: str, sentence: str) -> None:
    assert code_of(error)[0] == code
    assert told(error) == {"error": type(error).__name__, "code": code, "message": sentence}


def test_the_code_of_an_error_that_was_told_on() -> None:
    first = InputError(NAME, code="no-such-slice", slice=9, slices=4)
    with pytest.raises(InputError) as raised:
        raise InputError(f"case {NAME}: {first}") from first
    assert code_of(raised.value) == ("no-such-slice", {"slice": 9, "slices": 4})


def test_numbers_that_are_none_are_left_out() -> None:
    assert sentence_of("slices-missing", {"missing": "DOE"}) == "? slices are missing"
    assert sentence_of("slices-missing", {"missing": float("nan")}) == "? slices are missing"
    assert sentence_of("slices-missing", {"missing": True}) == "? slices are missing"
    assert sentence_of(NAME, {}) == ""


def test_an_error_of_our_own_code_says_where() -> None:
    with pytest.raises(KeyError) as raised:
        Outcome.from_line(b"{}")
    why = failure_of(raised.value, "read")
    assert (why.kind, why.code) == ("crash", "python-KeyError")
    assert re.fullmatch(r"KeyError in line \d+ of medkt's code; please report it", sentence_of(why.code, why.numbers))


def test_an_outcome_of_an_earlier_version_loses_its_words() -> None:
    """Runs of versions that kept words can be merged and gone on with; their words go no further."""
    line = Outcome(key="case-1", number=1, round=0, state="failed", kind="unreadable").line().decode()
    kept = ("key", "number", "round", "state", "kind", "rows", "seconds")
    old = json.dumps({name: json.loads(line)[name] for name in kept} | {"message": NAME})
    assert NAME in old
    assert NAME not in Outcome.from_line(old).line().decode()


def _raised() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(Path(medkt.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(word.arg == "code" for word in node.keywords):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                if name.endswith("Error") or name == "Failure":
                    yield f"{path.name}:{node.lineno}", node


def test_every_code_that_is_raised_has_a_sentence_and_brings_its_numbers() -> None:
    seen = set()
    for where, call in _raised():
        words = {word.arg: word.value for word in call.keywords}
        if not isinstance(words["code"], ast.Constant):
            continue  # `failure_of`, which takes it from an error
        code = str(words["code"].value)
        assert code in SENTENCES, where
        seen.add(code)
        given = set(words) - {"code", "kind"}
        if "numbers" in words:
            held = words["numbers"]
            assert isinstance(held, ast.Dict), where
            given = {key.value for key in held.keys if isinstance(key, ast.Constant)}
        assert given == set(numbers_of(SENTENCES[code])), where
    assert len(seen) > 30

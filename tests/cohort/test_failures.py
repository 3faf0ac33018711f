"""Kinds of failures, and messages that name nobody."""

import pytest

from medkt.cohort.failures import kind_of, message_of, scrubbed
from medkt.errors import (
    AmbiguousInputError,
    GeometryMismatchError,
    InputError,
    MissingDependencyError,
    NumericalError,
    UnreadableError,
    UnsupportedError,
)


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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/data/DOE^JANE/ct.nii.gz: the header is cut off", "the header is cut off"),
        ("/data/x/: missing slices at z = 12.5 mm, 3 of 20", "missing slices at z = 12.5 mm, 3 of 20"),
        ("slice IM0001.dcm has another size, (512, 512)", "slice a file has another size, (512, 512)"),
        ("series 1.2.840.113619.2.5 of 2019-08-17", "series ... of ..."),
        ("patient DOE^JANE^A born 19620304 'Anna' \"B\"", "patient ... born ... ... ..."),
        (r"C:\studies\doe\a.dcm: damaged", "damaged"),
        ("two\n lines", "two lines"),
    ],
)
def test_a_message_keeps_no_identifier(text: str, left: str) -> None:
    assert scrubbed(text) == left


def test_known_texts_are_taken_out_wherever_they_stand() -> None:
    assert scrubbed("my study dir/a b.nii: odd JANE", "my study dir/a b.nii", "JANE") == "odd the file"
    assert len(scrubbed("word " * 200)) == 300


def test_foreign_errors_are_known_by_their_type_only() -> None:
    with pytest.raises(ValueError, match="DOE") as raised:
        raise ValueError("DOE^JANE")
    assert message_of(raised.value) == "ValueError"
    assert message_of(MemoryError()) == "does not fit into memory"
    assert "column series" in message_of(AmbiguousInputError("1: Abdomen JANE, 2: Chest"))

"""What is written down of a failed case names nobody: every kind of error, every secret of the case, wherever it stands."""

import itertools
import re

import pytest

from medkt.errors import GeometryError, InputError, NumericalError, UnreadableError, UnsupportedError, WeightsError
from medkt.runs.failures import failure_of
from medkt.runs.outcomes import Outcome

SECRETS = {
    "case": "Jane_Doe-7",
    "patient": "Mrs Doe",
    "series": "Head with Jane",
    "image": "/ward five/Doe Jane/first look/Head of Jane.img2",
    "folder": "/ward five/Doe Jane/first look",
    "file": "Head of Jane.img2",
    "a file inside": "slices of Jane/0001 Doe",
    "reference": "/truth of/Doe Jane/outline by X",
    "reference's folder": "/truth of/Doe Jane",
    "reference's file": "outline by X",
    "reference's key": "GTV of Jane",
}
ERRORS = (InputError, UnreadableError, UnsupportedError, GeometryError, NumericalError, WeightsError, RuntimeError)
PLACES = ("{}: is cut off", "what is in {} is cut off", "(see {}) and {}", "the case {}", "'{}' and [{}]", "{}")
NAMES = ("jane", "doe", "ward", "outline", "head of", "mrs", "truth")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_of_the_case_is_left(secret: str) -> None:
    for error, place in itertools.product(ERRORS, PLACES):
        why = failure_of(error(place.replace("{}", SECRETS[secret])), "read")
        outcome = Outcome(
            key="case-1", number=1, round=0, state="failed", kind=why.kind, code=why.code, numbers=why.numbers
        )
        said = outcome.line().decode() + outcome.message
        assert not [name for name in NAMES if re.search(rf"\b{name}\b", said.lower())], (error, place, said)


def test_what_is_wrong_is_still_said() -> None:
    why = failure_of(GeometryError("/ward/Doe: 3 slices", code="slices-missing", missing=3), "read")
    outcome = Outcome(key="c", number=1, round=0, state="failed", kind=why.kind, code=why.code, numbers=why.numbers)
    assert (why.kind, outcome.message) == ("geometry", "3 slices are missing")

"""What is written down of a failed case names nobody: every kind of error, every secret of the case, wherever it stands."""

import itertools
from pathlib import Path

import pytest

from medkt.cohort.failures import message_of
from medkt.cohort.work import Work
from medkt.datasets.case import Case
from medkt.errors import GeometryError, InputError, NumericalError, UnreadableError, UnsupportedError, WeightsError

CASE = Case(
    case_id="Jane_Doe-7", image=Path("/ward five/Doe Jane/first look/Head of Jane.img2"), patient_id="Mrs Doe",
    series="Head with Jane", references=(Path("/truth of/Doe Jane/outline by X"),),
    reference_kind="mask",
)  # fmt: skip
WORK = Work(key="case-1", number=1, case=CASE, concepts=("x",))
SECRETS = {
    "case": "Jane_Doe-7",
    "patient": "Mrs Doe",
    "series": "Head with Jane",
    "image": "/ward five/Doe Jane/first look/Head of Jane.img2",
    "folder": "/ward five/Doe Jane/first look",
    "file": "Head of Jane.img2",
    "reference": "/truth of/Doe Jane/outline by X",
    "reference's folder": "/truth of/Doe Jane",
    "reference's file": "outline by X",
}
ERRORS = (InputError, UnreadableError, UnsupportedError, GeometryError, NumericalError, WeightsError, RuntimeError)
PLACES = ("{}: is cut off", "what is in {} is cut off", "(see {}) and {}", "the case {}", "'{}' and [{}]", "{}")
NAMES = ("jane", "doe", "ward", "outline", "head of", "mrs", "truth")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_of_the_case_is_left(secret: str) -> None:
    for error, place in itertools.product(ERRORS, PLACES):
        said = message_of(error(place.replace("{}", SECRETS[secret])), *WORK.secrets)
        assert not [name for name in NAMES if name in said.lower()], (error, place, said)


def test_what_is_wrong_is_still_said() -> None:
    text = f"{CASE.image}: slice 3 of 20 has another size, (512, 512)"
    assert message_of(UnreadableError(text), *WORK.secrets) == "slice 3 of 20 has another size, (512, 512)"

"""Whose files are: a table or a pattern; ids of names in any script stay apart."""

import unicodedata
from pathlib import Path

import pytest

from medkt.datasets.folder import files_in, id_from, ids_from
from medkt.datasets.patients import FileOwners
from medkt.errors import InputError, SettingsError

NAMES = ["p1_s01", "p1_s02", "p2_s01"]
WHOSE = {"p1_s01": "A", "p1_s02": "A", "p2_s01": "B"}


def test_a_table_says_whose_the_files_are(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("file,patient\np1_s01.nii.gz,A\np1_s02,A\np2_s01.png,B\nanother.png,C\n")
    assert FileOwners(table=table).of(NAMES).items() >= WHOSE.items()
    table.write_text("case_id,patient_id\np1_s01,A\np1_s02,A\n")
    with pytest.raises(InputError, match=r"patients\.csv: no patient for p2_s01 \(1 of 3 files\)"):
        FileOwners(table=table).of(NAMES)
    table.write_text("file,patient\np1_s01,A\np1_s01,B\n")
    with pytest.raises(InputError, match=r"row 3, column file: 'p1_s01' is of two patients"):
        FileOwners(table=table).of(NAMES)
    table.write_text("study,patient\np1_s01,A\n")
    with pytest.raises(InputError, match=r"row 1: no column 'file' \(or case, case_id, name\)"):
        FileOwners(table=table).of(NAMES)


@pytest.mark.parametrize("pattern", [r"^(p\d)", r"^(?P<patient>p\d)_(s\d+)", r"s\d+_?(?P<patient>x)|(?=p)", r"^p\d"])
def test_a_pattern_says_it(pattern: str) -> None:
    if "(?=p)" in pattern:
        with pytest.raises(InputError, match="no patient for p1_s01"):
            FileOwners(pattern=pattern).of(NAMES)
    else:
        assert FileOwners(pattern=pattern).of(NAMES) == {"p1_s01": "p1", "p1_s02": "p1", "p2_s01": "p2"}


def test_a_pattern_is_found_anywhere_in_the_name_and_its_first_group_is_the_patient() -> None:
    names = ["mr_p1_s01", "ct_p1_s02", "ct_p2_s01"]
    assert FileOwners(pattern=r"_(p\d)_s").of(names) == {"mr_p1_s01": "p1", "ct_p1_s02": "p1", "ct_p2_s01": "p2"}
    assert FileOwners(pattern=r"p\d").of(names) == FileOwners(pattern=r"_(p\d)_s").of(names)


def test_guards(tmp_path: Path) -> None:
    assert FileOwners().of(NAMES) == {}
    with pytest.raises(SettingsError, match="give one of the two"):
        FileOwners(table=tmp_path, pattern="x")
    with pytest.raises(SettingsError, match="is no regular expression"):
        FileOwners(pattern="(").of(NAMES)
    with pytest.raises(InputError, match=r"--patient-pattern q: no patient for p1_s01, p1_s02, p2_s01 \(3 of 3"):
        FileOwners(pattern="q").of(NAMES)


@pytest.mark.parametrize("names", [
    ["病人一", "病人二", "病人三"], ["lesion (1)", "lesion-1"], ["x" * 140, "x" * 139 + "y"], ["Müller", "Möller"],
    ["пациент 1", "пациент 2"], ["a😀", "a😁"],
])  # fmt: skip
def test_names_that_differ_have_ids_that_differ(names: list[str]) -> None:
    ids = ids_from(names)
    assert len(set(ids.values())) == len(names)
    assert all(one.isascii() and 0 < len(one) <= 128 for one in ids.values())
    assert ids == ids_from(names[::-1])  # whatever else is there in whichever order


def test_plain_names_stay_as_they_are() -> None:
    assert ids_from(["case_7", "benign (12)"]) == {"case_7": "case_7", "benign (12)": "benign-12"}


def test_one_name_in_two_normal_forms_is_one_name(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    assert id_from(composed).rsplit("-", 1)[1] == id_from(apart).rsplit("-", 1)[1]
    for folder, name in (("a", composed), ("b", apart)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.png").touch()
    assert files_in(tmp_path / "a", [".png"], what="m").keys() == files_in(tmp_path / "b", [".png"], what="m").keys()


def test_of_a_name_with_a_dot_nothing_is_cut_off(tmp_path: Path) -> None:
    """The rows of other studies may be in the table, too."""
    table = tmp_path / "p.csv"
    table.write_text("case,patient\np1.3,other\np1.2,second\n")
    assert FileOwners(table=table).of(["p1.2"])["p1.2"] == "second"
    with pytest.raises(InputError, match="no patient for p1 "):
        FileOwners(table=table).of(["p1", "p1.2"])

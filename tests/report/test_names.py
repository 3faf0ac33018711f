"""Folders named after files: no two studies in one, in any script, on any disk."""

import unicodedata
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medkt.errors import SettingsError
from medkt.report.names import free_name, kept_names, require_each_once

NFC, NFD = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))


def _names(*paths: str) -> list[str]:
    return list(kept_names([Path("/data/of/all") / path for path in paths]))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["scan.v2.nii.gz", "plain.png"], ["scan.v2", "plain"]),
        (["a/scan.nii.gz", "b/scan.nii.gz"], ["a_scan", "b_scan"]),
        (["SCAN.NII.GZ", "IM0001.DCM", "film.Png"], ["SCAN", "IM0001", "film"]),
        (["x.nii.gz", "x.dcm", "x"], ["x.nii.gz", "x.dcm", "x"]),
        (["p1/t1/x.nii", "p2/t1/x.nii", "p2/t2/x.nii"], ["p1_t1_x", "p2_t1_x", "t2_x"]),
        (["a/scan.nii", "b/scan.nii", "a_scan.nii"], ["a_scan", "b_scan", "a_scan.nii"]),
        (["1.2.840.5", "1.2.840.6"], ["1.2.840.5", "1.2.840.6"]),
        (["病人一.png", "病人二.png"], ["病人一", "病人二"]),
        (["lesion (1).png", "lesion-1.png"], ["lesion (1)", "lesion-1"]),
        ([f"{NFC}.png", f"other/{NFD}.png"], [f"all_{NFC}", f"other_{NFC}"]),
        (["a/Scan.png", "b/scan.png"], ["a_Scan", "b_scan"]),
        (["con.png", ".hidden.nii", "end .", "a:b.png"], ["_con", "hidden", "end", "a_b"]),
    ],
)  # fmt: skip
def test_names_by_hand(paths: list[str], names: list[str]) -> None:
    assert _names(*paths) == names


@pytest.mark.parametrize(
    "pair", [("scan.png", "Scan.png"), (f"{NFC}.png", f"{NFD}.png"), ("a?.png", "a*.png"), ("ß.png", "ss.png")]
)
def test_what_no_folder_can_tell_apart_takes_digits(pair: tuple[str, str]) -> None:
    first, second = _names(*pair)
    assert len({_on_a_disk(first), _on_a_disk(second)}) == 2
    assert not any("data" in name for name in (first, second))  # and not the whole path


def test_a_folder_is_not_its_file(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").mkdir()
    assert kept_names([tmp_path / "x.dcm"]) == ("x.dcm",)
    (tmp_path / "y.dcm").write_text("")
    assert kept_names([tmp_path / "y.dcm"]) == ("y",)


def test_here_and_above_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NFD).mkdir()
    monkeypatch.chdir(tmp_path / NFD)
    assert kept_names([Path("."), Path("..")]) == (NFC, tmp_path.name)


def test_a_name_that_is_no_text_can_be_written() -> None:
    (name,) = kept_names([Path("/data") / b"scan\xe9.png".decode("utf-8", "surrogateescape")])
    assert name == "scan_"


def test_a_long_name_is_cut_and_stays_different() -> None:
    first, second = _names("病" * 120 + "1.png", "病" * 120 + "2.png")
    assert first != second
    assert max(len(name.encode()) for name in (first, second)) <= 200


PART = st.text(st.sampled_from("aAbßäÄ\u0308.:?一 _"), min_size=1, max_size=4).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(st.tuples(PART, PART, st.sampled_from(["", ".nii", ".dcm"])), min_size=2, max_size=6)


@settings(max_examples=200, deadline=None)
@given(PATHS)
def test_no_two_studies_meet_whatever_they_are_called(parts: list[tuple[str, str, str]]) -> None:
    paths = list(dict.fromkeys(Path("/data") / above / f"{own}{ending}" for above, own, ending in parts))
    names = kept_names(paths)
    assert len({_on_a_disk(name) for name in names}) == len(paths)
    assert all(name and len(name.encode()) <= 200 and not name.startswith(".") and "/" not in name for name in names)
    for order in list(permutations(range(len(paths))))[:5]:
        assert kept_names([paths[k] for k in order]) == tuple(names[k] for k in order)


def test_a_study_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    require_each_once([tmp_path / "a.png", tmp_path / "b.png"])
    for again in (tmp_path / "a.png", tmp_path / "link.png", tmp_path / "b" / ".." / "a.png"):
        with pytest.raises(SettingsError, match=r"a\.png: is given twice|link\.png: is given twice, also as "):
            require_each_once([tmp_path / "a.png", again])


def test_the_first_number_that_is_free() -> None:
    assert [free_name("a", taken) for taken in ((), ("a",), ("a", "a-2"))] == ["a", "a-2", "a-3"]


def _on_a_disk(name: str) -> str:
    """As a disk that heeds neither case nor composition compares names."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())

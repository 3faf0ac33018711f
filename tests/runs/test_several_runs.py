"""Several runs asked together: which row is of which, and what a column is that one of them has no cell of."""

from pathlib import Path

import pytest
from run_tables import make_outcomes, row, write_run

from medkt.errors import SettingsError
from medkt.runs.query import query


def _runs(tmp_path: Path) -> list[Path]:
    """Two folders of one name; the second has no volume at all."""
    volumes = {"first": (9.5, 100.25), "second": (None, None)}
    return [
        write_run(
            tmp_path / name / "base",
            make_outcomes([row(volume_reference_ml=one, dsc=0.5, reason="none" if one else None) for one in held]),
        )
        for name, held in volumes.items()
    ]


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = _runs(tmp_path)
    counted = "SELECT run, count(*), max(dsc) FROM results GROUP BY run ORDER BY run"
    assert query(runs, counted).rows == [("first/base", 2, 0.5), ("second/base", 2, 0.5)]
    other = write_run(tmp_path / "other", make_outcomes([row(dsc=0.25)]))
    assert query([runs[0], other], counted).rows == [("base", 2, 0.5), ("other", 1, 0.25)]


def test_a_run_that_is_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _runs(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="base: is given twice, and its rows would count twice"):
        query([*runs, Path("first/../first/base")], "SELECT count(*) FROM results")


@pytest.mark.parametrize("turned", [False, True])
def test_numbers_stay_numbers_beside_a_run_that_has_none(turned: bool, tmp_path: Path) -> None:
    runs = _runs(tmp_path)[:: -1 if turned else 1]
    sums = "SELECT max(volume_reference_ml), avg(volume_reference_ml), count(*), max(reason) FROM results"
    assert query(runs, sums).rows == [(100.25, (9.5 + 100.25) / 2, 4, "none")]

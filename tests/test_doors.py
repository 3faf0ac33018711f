"""What packages add by entry points: found, loaded when asked for, and refused with the name of the package."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from adding import added

from medkt.doors import Door
from medkt.errors import ExtensionError, UnknownNameError

OWN: Door[Path] = Door(group="medkt.things", what="thing", kind="pathlib:Path", own={"here": "a_own_thing:HERE"})


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a_own_thing.py").write_text("from pathlib import Path\nHERE = Path('here')\n")
    monkeypatch.syspath_prepend(tmp_path / "own")
    yield
    for name in ("a_own_thing", "a_given_thing"):
        sys.modules.pop(name, None)


def source(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a_given_thing.py").write_text(text)
    return folder / "a_given_thing.py"


def test_one_s_own_and_what_a_package_adds_are_looked_up_alike(tmp_path: Path) -> None:
    given = source(tmp_path / "source", "from pathlib import Path\nTHERE = Path('there')\n")
    assert list(OWN) == ["here"]
    with added(tmp_path / "site", "giver", {"medkt.things": {"there": "a_given_thing:THERE"}}, given):
        assert "there" in OWN
        assert "a_given_thing" not in sys.modules  # not loaded before it is asked for
        assert dict(OWN.items()) == {"here": Path("here"), "there": Path("there")}
    assert "there" not in OWN


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with added(tmp_path / "site", "giver", {"medkt.things": {"there": "a_given_thing:THERE"}}):
        with pytest.raises(UnknownNameError, match="no thing 'nowhere'; known: here, there"):
            OWN["nowhere"]
        assert "nowhere" not in OWN


def test_what_is_installed_is_not_read_for_a_name_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.doors.entry_points", lambda group: pytest.fail("read"))
    assert OWN["here"] == Path("here")
    assert "here" in OWN


@pytest.mark.parametrize(
    ("points", "text", "says"),
    [
        ({"here": "a_given_thing:THERE"}, "", "^giver adds a thing 'here' .*, which medkt has itself"),
        ({"A Name": "a_given_thing:THERE"}, "", "^giver adds a thing 'A Name' .*: a name has small letters"),
        ({"there": "a_given_thing:THERE"}, "THERE = 3\n", r"package giver adds a thing 'there' \(a_given_thing:THERE\) that is int and no Path"),
        ({"there": "a_given_thing:THERE"}, "1 / 0\n", r"package giver adds .* cannot be loaded \(ZeroDivisionError: division by zero\)"),
        ({"there": "a_given_thing:NONE"}, "", "package giver adds .* cannot be loaded .AttributeError"),
        ({"there": "no_such_module:THERE"}, "", "package giver adds .* cannot be loaded .ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_the_name_of_its_package(
    tmp_path: Path, points: dict[str, str], text: str, says: str
) -> None:
    given = source(tmp_path / "source", text)
    with added(tmp_path / "site", "giver", {"medkt.things": points}, given), pytest.raises(ExtensionError, match=says):
        [OWN[name] for name in OWN]


def test_two_packages_with_one_name_are_told_apart_by_the_user(tmp_path: Path) -> None:
    points = {"medkt.things": {"there": "a_given_thing:THERE"}}
    with (
        added(tmp_path / "one", "giver", points),
        added(tmp_path / "two", "other-giver", points),
        pytest.raises(ExtensionError, match=r"^giver and other-giver both add a thing 'there'"),
    ):
        OWN["there"]


def test_doors_load_nothing_heavy() -> None:
    program = (
        "import sys; from medkt.models.records import DOORS, records; from medkt.modalities import MODALITIES; "
        "from medkt.datasets.builders import LAYOUTS; "
        "[list(door) for door in (*DOORS.values(), MODALITIES, LAYOUTS)]; list(records('encoder')); "
        "assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""Settings: later sources win, and what is wrong is named by its full path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from medkt.config import (
    build,
    merge,
    parse_overrides,
    preset_sources,
    presets,
    read_preset,
    read_yaml,
    resolve,
    sources_of,
)
from medkt.errors import SettingsError, UnknownNameError
from medkt.records import as_plain
from medkt.resources import data_file, data_yaml


@dataclass(frozen=True)
class Inner:
    beta: float = 0.1
    layers: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Outer:
    name: Literal["a", "b"] = "a"
    inner: Inner = field(default_factory=Inner)
    limit: int | None = None
    verbose: bool = False
    mixed: float | str = 1.0


def test_values_are_typed_and_defaults_kept() -> None:
    made = build(Outer, {"inner": {"beta": 2, "layers": [3], "pair": [1, 2]}, "limit": None, "mixed": "auto"})
    assert made == Outer(inner=Inner(beta=2.0, layers=(3,), pair=(1.0, 2.0)), mixed="auto")
    assert isinstance(made.inner.beta, float)
    assert as_plain(made)["inner"] == {"beta": 2.0, "layers": [3], "pair": [1.0, 2.0]}
    assert build(Outer, as_plain(made)) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"innner": {}}, "unknown setting innner; known here: name, inner"),
        ({"inner": {"bta": 1}}, r"unknown setting inner\.bta; known here: beta, layers"),
        ({"inner": {"beta": "x"}}, r"inner\.beta expects float, got 'x'"),
        ({"inner": {"layers": [1, "x"]}}, r"inner\.layers\[1\] expects int"),
        ({"inner": {"layers": 3}}, r"inner\.layers expects a list"),
        ({"inner": {"pair": [1]}}, r"inner\.pair expects 2 values, got 1"),
        ({"inner": 3}, r"inner has settings of its own \(beta"),
        ({"name": "c"}, r"name is one of 'a', 'b', got 'c'"),
        ({"limit": 1.5}, "limit expects int"),
        ({"limit": True}, "limit expects int"),
        ({"verbose": 1}, "verbose expects bool"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(Outer, values)


def test_overrides_become_nested() -> None:
    assert parse_overrides(["inner.beta=0.2", "verbose=true", "inner.layers=[4, 5]"]) == {
        "inner": {"beta": 0.2, "layers": [4, 5]},
        "verbose": True,
    }
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("inner", "expected key=value"), ("=3", "expected key=value"), ("a..b=1", "key=value"), ("a=[", "not valid YAML")],
)
def test_a_malformed_override_is_refused(assignment: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_overrides([assignment])
    with pytest.raises(SettingsError, match="already given a value"):
        parse_overrides(["a=1", "a.b=2"])


def test_the_order_is_file_then_set(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("inner: {beta: 0.5}\nverbose: true\n")
    assert resolve(Outer, file=path, sets=["inner.beta=0.7"]) == Outer(inner=Inner(beta=0.7), verbose=True)


def test_bad_files_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for text, message in (
        ("a: [1\nb: 2\n", r"mine\.yaml, line \d: not valid YAML"),
        ("- 1\n", "expected settings as `key: value`, got list"),
        ("", "got NoneType"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=message):
            read_yaml(path)
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_yaml(path)
    with pytest.raises(SettingsError, match="No such file"):
        read_yaml(tmp_path / "absent.yaml")


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"known: .*medclip-samv2"):
        read_preset("medclip-samv3")


PUBLISHED = [
    (folder, name)
    for folder in ("inversion", "transfer", "learn", "presets", "classification")
    for name in presets(folder)
    if name.startswith(("kt-", "kazemi", "m2ib", "medclip"))
]


@pytest.mark.parametrize(("folder", "name"), PUBLISHED)
def test_every_value_of_a_published_preset_has_one_source(folder: str, name: str) -> None:
    listed = [key for keys in read_yaml(data_file(f"configs/{folder}/{name}.yaml"))["sources"].values() for key in keys]
    assert len(listed) == len(set(listed))
    assert sorted(listed) == sorted(paths_of(read_preset(name, folder)))


def paths_of(values: Mapping[str, Any], where: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found += paths_of(value, f"{where}{key}.") if isinstance(value, dict) else [f"{where}{key}"]
    return found


def test_sources_of_a_learning_are_those_of_its_parts_too() -> None:
    found = preset_sources("kt-code", "learn")
    assert "counts from 1" in found["inversion.upsize_at"]
    assert found["finetune.weight_decay"].endswith("transfer/biomedclip_finetune.py")
    assert "finetune_preset" not in found
    own = preset_sources("fast", "inversion")
    assert set(own) == {"dtype", "channels_last"}
    assert set(own.values()) == {read_yaml(data_file("configs/inversion/fast.yaml"))["source"]}


def test_a_changed_value_is_no_longer_its_presets() -> None:
    sources = {"limit": "a table", "inner.beta": "an equation"}
    changed = Outer(limit=3, inner=Inner(layers=(9,)))
    assert sources_of(changed, Outer(), sources) == {"limit": "given for this run", "inner.beta": "an equation"}


@pytest.mark.parametrize("name", ["models.yaml", "phantom/findings.yaml", "domains/ct.yaml", "domains/ultrasound.yaml"])
def test_what_ships_is_the_same_by_either_loader_of_yaml(name: str) -> None:
    text = data_file(f"configs/{name}").read_text(encoding="utf-8")
    assert data_yaml(f"configs/{name}") == yaml.safe_load(text)

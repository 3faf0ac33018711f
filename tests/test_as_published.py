"""A published way is the presets that it names and what it fixes beside them; the record says where a run departs from it."""

from dataclasses import replace
from typing import Any

import pytest

from medkt.as_published import GIVEN, GROUPS, OUR_OWN, OptionValue, leaves, standing, way, ways
from medkt.config import preset_sources, presets, read_preset, read_yaml
from medkt.errors import SettingsError, UnknownNameError
from medkt.models.records import records
from medkt.resources import data_file

EACH = [(name, group) for name in ways() for group in way(name).presets]


def flat(values: Any, where: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{where}{key}"
        found |= flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def in_yaml(group: str, preset: str) -> dict[str, Any]:
    """What the files say, read by hand; of a learning those of its two presets too."""
    values = dict(read_preset(preset, GROUPS[group].folder))
    if group == "learn":
        values["inversion"] = read_preset(values.pop("inversion_preset"), "inversion")
        values["finetune"] = read_preset(values.pop("finetune_preset"), "transfer")
    return flat(values)


@pytest.mark.parametrize(("name", "group"), EACH)
def test_a_way_is_its_presets_and_every_value_has_a_source(name: str, group: str) -> None:
    found = way(name)
    preset = found.presets[group]
    assert {found.preset(group, command) for command in GROUPS[group].commands} == {preset}
    settings = GROUPS[group].settings(preset)
    values = {path: list(value) if isinstance(value, tuple) else value for path, value in leaves(settings)}
    for path, value in in_yaml(group, preset).items():
        assert values[path] == value, path
    stands = standing(group, preset, settings, command=GROUPS[group].commands[0], published=found)
    assert set(stands.values) == set(values)
    assert all(value.source and value.source != GIVEN for value in stands.values.values())
    named = preset_sources(preset, GROUPS[group].folder)
    assert {path for path, value in stands.values.items() if value.source != OUR_OWN} == set(named)
    assert stands.departs == ()
    assert stands.words.startswith(f"as published ({name}); left of medkt's own: ")


@pytest.mark.parametrize("name", ways())
def test_a_way_holds_no_value_twice_and_says_where_the_others_are_from(name: str) -> None:
    found, file = way(name), read_yaml(data_file(f"configs/as_published/{name}.yaml"))
    assert set(file) <= {"about", "source", "presets", "models", "options", "sources"}
    for group, preset in found.presets.items():
        assert preset in presets(GROUPS[group].folder)
    options = {f"{command}.{option}" for command, fixed in found.options.items() for option in fixed}
    listed = [key for keys in file.get("sources", {}).values() for key in keys]
    assert sorted(listed) == sorted(options | set(found.models))
    assert set(found.options) <= set(found.commands)
    for role, named in found.models.items():
        assert set(named) <= set(records("encoder" if role == "encoder" else "segmenter"))


def test_what_a_run_departs_in_and_what_it_leaves_is_found_by_comparing() -> None:
    found = way("kt-paper")
    settings = GROUPS["learn"].settings("kt-paper", ["inversion.steps=4000"])
    delta = {"delta": OptionValue(used="full", own="low-rank")}
    stands = standing("learn", "kt-paper", settings, command="learn", published=found, options=delta)
    assert stands.departs == ("inversion.steps",)
    assert {"pictured", "rehearsal_images", "warm", "choose", "views", "mirror", "words", "--delta"} <= set(stands.left)
    assert "inversion.steps" not in stands.left
    record = stands.as_json()
    assert record["departs"] == {"inversion.steps": {"published": 5000, "here": 4000}}
    assert record["left"]["pictured"] == {"own": 0.5, "here": 0.0}
    assert record["words"].startswith("as published (kt-paper), but for inversion.steps; left of medkt's own: ")
    assert stands.values["inversion.steps"].source == GIVEN
    assert "whole weights" in stands.values["--delta"].source
    other = replace(stands, way=None)
    assert other.as_json() == {}
    assert other.words == "preset kt-paper, but for inversion.steps"


def test_options_and_models_that_are_not_the_published_ones_are_named() -> None:
    found, settings = way("medclip-samv2"), GROUPS["segmentation"].settings("medclip-samv2")
    stands = standing(
        "segmentation", "medclip-samv2", settings, command="segment", published=found,
        options={"window": OptionValue(used="lung", own=None)}, models={"encoder": "small", "segmenter": "sam-vit-h"},
    )  # fmt: skip
    assert stands.departs == ("--window", "encoder", "framing")
    assert stands.as_json()["departs"]["encoder"] == {"published": "biomedclip", "here": "small"}
    assert stands.values["framing"].base == "crop"
    assert "presence.gate" in stands.left


def test_what_a_command_sets_itself_is_no_departure() -> None:
    forced = ["presence.gate=false", "text_map.use=best"]
    settings = GROUPS["segmentation"].settings("m2ib", forced)
    stands = standing("segmentation", "m2ib", settings, command="explain", published=way("m2ib"), forced=forced)
    assert stands.departs == ()
    assert stands.values["text_map.use"].source == "`medkt explain` itself"


def test_unknown_and_unfitting_names_say_what_there_is() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no published way 'x'; known: kazemi \(invert\); kt-code \(learn, invert, "
    ):
        way("x")
    with pytest.raises(
        SettingsError, match=r"kazemi is of invert and says nothing of segment; of that there are: kt-code"
    ):
        way("kazemi").preset("segmentation", "segment")
    with pytest.raises(
        SettingsError, match=r"m2ib .* nothing of evaluate where classes are told apart; .*: kt-medclip, medclip"
    ):
        way("m2ib").preset("classification", "evaluate")

"""Protocols fit their builders and the published tables; a broken one names its key."""

from pathlib import Path

import pytest
from dataset_trees import TREES

from medkt.concepts import concepts
from medkt.datasets.protocol import load_protocol, protocols, read_protocol
from medkt.datasets.published import published_table, published_tables, read_published
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.resources import data_file

PAPER = ("unitochest", "udiat", "siim", "brats", "jsrt", "chexpert")


@pytest.mark.parametrize("name", protocols())
def test_a_shipped_protocol_is_whole(name: str, tmp_path: Path) -> None:
    protocol = load_protocol(name)
    for concept in (protocol.concept, *protocol.classes.values()):
        assert concept == "" or concepts()[concept].modality == protocol.modality
    if protocol.preset:
        assert data_file(f"configs/presets/{protocol.preset}.yaml").is_file()
    if protocol.published is not None:
        conditions = {value.condition for value in protocol.published_values()}
        assert {protocol.published.base, protocol.published.transferred} <= conditions
    TREES[protocol.layout](tmp_path)
    assert len(protocol.manifest(tmp_path, checked=2)) > 0


def test_every_data_set_of_the_paper_has_one() -> None:
    assert {*PAPER, "busi"} == set(protocols())
    for name in PAPER:
        protocol = load_protocol(name)
        assert protocol.published is not None
        assert protocol.unclear
        if protocol.task == "segmentation":
            assert [(m.name, m.unit) for m in protocol.metrics][-2:] == [("nsd", "pixel"), ("nsd_slab", "pixel")]
            assert protocol.label_tuned


def test_data_sets_of_8_bits_are_shown_as_they_are() -> None:
    assert {name for name in protocols() if load_protocol(name).window == "8-bit"} == {
        "busi",
        "udiat",
        "siim",
        "chexpert",
    }


def test_published_values_as_printed() -> None:
    found = {(v.dataset, v.condition, v.metric): v.value for v in published_table("segmentation")}
    assert len(found) == 84
    assert found["UDIAT", "base", "dsc"] == 56.25
    assert found["UDIAT", "lr 1e-5", "nsd_slab"] == 61.56
    assert found["BraTS 2023 glioma", "lr 2e-5", "iou"] == 12.62
    assert ("UDIAT", "lr 1e-4", "dsc") not in found  # a dash in the table
    jsrt = {(v.target, v.condition): v.value for v in published_table("jsrt") if v.dataset == "JSRT"}
    assert jsrt["Lung Cancer", "lr 2e-4"] == 92.86
    assert {v.metric for table in published_tables().values() for v in table}.isdisjoint({"nsd"})
    with pytest.raises(UnknownNameError, match="no published table 'x'; known: chexpert"):
        published_table("x")


def test_a_published_table_with_a_slip(tmp_path: Path) -> None:
    text = data_file("configs/published/jsrt.csv").read_text()
    (tmp_path / "t.csv").write_text(text.replace("54.55", '"54,55"', 1))
    with pytest.raises(InputError, match=r"t\.csv, row 2, columns value and sd: expected numbers, got '54,55'"):
        list(read_published(tmp_path / "t.csv"))


WHOLE = """
title: t
task: segmentation
layout: busi
modality: ultrasound
concept: us_cyst
metrics: [{name: dsc}]
access: a
citation: c
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title: t", "headline: t", "unknown key 'headline'; known: title, task"),
        ("title: t", "", "no key 'title'"),
        ("title: t", "title: 3", "title: expected str, got 3"),
        ("task: segmentation", "task: guess", "task: expected one of segmentation, classification, got 'guess'"),
        ("layout: busi", "layout: kits", "layout: expected one of paired"),
        ("modality: ultrasound", "modality: us", "modality: expected one of cxr"),
        ("name: dsc", "name: dice", r"metrics\[0\]\.name: expected one of dsc"),
        ("{name: dsc}", "{name: nsd}", r"metrics\[0\]: nsd and nsd_slab need a tolerance and a unit"),
        ("{name: dsc}", "{name: dsc, tolerance: 2}", r"metrics\[0\]: nsd and nsd_slab need a tolerance"),
        ("{name: dsc}", "dsc", r"metrics\[0\]: expected `key: value`, got str"),
        ("concept: us_cyst", "", "give a concept to segment, or classes"),
        ("access: a", "unclear: [1]", "unclear: expected sentences|no key 'access'"),
        ("access: a", "access: [", "line .*: not valid YAML"),
    ],
)
def test_a_broken_protocol(old: str, new: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(WHOLE)
    assert load_protocol(path).name == "mine"
    path.write_text(WHOLE.replace(old, new))
    with pytest.raises(SettingsError, match=says) as caught:
        read_protocol(path)
    assert "mine" in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no protocol 'kits'; known: brats, busi"):
        load_protocol("kits")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_protocol(tmp_path / "gone.yaml")

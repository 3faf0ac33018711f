"""How a concept is asked, in a package: whole, of one model, and beside packages from before."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking_of import asking_of, with_normal
from making import package_file, safetensors

from medkt.concepts import read_package
from medkt.concepts.asking_record import NORMAL, RIVALS, WANTED, AskingRecord
from medkt.concepts.composition import compose
from medkt.errors import InputError, UnreadableError, WeightsError

OLDER = Path(__file__).with_name("version_2.medkt")  # written by medkt before a normal study had a lead of its own
OLD = Path(__file__).with_name("version_1.medkt")  # written by medkt before packages held a way of asking


def test_a_package_from_before_is_read_and_says_nothing_of_asking():
    package = read_package(OLD)
    assert json.loads(zipfile.ZipFile(OLD).read("manifest.json"))["version"] == 1
    (one,) = package.learnt
    assert one.asking is None
    assert one.header.entries
    assert one.concept.id == "cxr_nodule"


def test_a_package_of_version_2_is_read_and_is_told_apart_by_its_nearest_rival():
    package = read_package(OLDER)
    assert json.loads(zipfile.ZipFile(OLDER).read("manifest.json"))["version"] == 2
    (one,) = package.learnt
    assert one.asking is not None
    assert one.asking.plain
    assert (one.asking.normal, one.asking.handicap, one.asking.sharpness) == ((), 0.0, 0.0)
    assert one.asking.digest == asking_of().digest


def test_a_way_that_version_2_can_hold_is_written_as_version_2(tmp_path):
    package_file(tmp_path / "now.medkt", asking=asking_of())
    one, other = (
        {n: z.read(n) for n in z.namelist() if n != "manifest.json"}
        for z in map(zipfile.ZipFile, (OLDER, tmp_path / "now.medkt"))
    )
    assert one == other


def test_a_normal_study_that_is_told_apart_is_written_as_version_3(tmp_path):
    path, asking = tmp_path / "a.medkt", with_normal(handicap=-0.25, sharpness=20.0)
    package_file(path, asking=asking)
    assert json.loads(zipfile.ZipFile(path).read("manifest.json"))["version"] == 3
    (one,) = read_package(path).learnt
    assert one.asking is not None
    assert one.asking.as_json() == asking.as_json()
    np.testing.assert_array_equal(one.asking.direction(NORMAL), [0, 0, 1])
    assert asking.digest != replace(asking, handicap=0.25).digest
    assert asking.texts_digest != replace(asking, normal=("clear",)).texts_digest


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"normal": ()}, "asked by have the shapes"),
        ({"handicap": float("nan")}, "a handicap of nan is none between leads"),
        ({"handicap": 4.5}, "a handicap of 4.5 is none between leads"),
        ({"sharpness": -1.0}, "cannot weigh together at a scale of -1.0"),
        ({"sharpness": float("inf")}, "cannot weigh together at a scale of inf"),
    ],
)
def test_what_is_no_normal_study_to_tell_apart_is_not_written(tmp_path, changed, said):
    with pytest.raises(UnreadableError, match=said):
        package_file(tmp_path / "a.medkt", asking=with_normal(**changed))
    assert not list(tmp_path.iterdir())


def test_what_says_nothing_of_asking_is_written_as_before(tmp_path):
    package_file(tmp_path / "now.medkt")
    one, other = (
        {n: z.read(n) for n in z.namelist() if n != "manifest.json"}
        for z in map(zipfile.ZipFile, (OLD, tmp_path / "now.medkt"))
    )
    assert one == other
    assert json.loads(zipfile.ZipFile(tmp_path / "now.medkt").read("manifest.json"))["version"] == 1


@pytest.mark.parametrize("weights", [True, False])
def test_writing_then_reading_is_the_identity(tmp_path, weights):
    path = tmp_path / "a.medkt"
    package_file(path, asking=asking_of(), **({} if weights else {"delta": b""}))
    assert json.loads(zipfile.ZipFile(path).read("manifest.json"))["version"] == 2
    (one,) = read_package(path).learnt
    assert one.asking is not None
    assert one.asking.as_json() == asking_of().as_json()
    assert one.asking.digest == asking_of().digest
    np.testing.assert_array_equal(one.asking.direction(WANTED), [1, 0, 0])
    np.testing.assert_array_equal(one.asking.direction(RIVALS), [[0, 1, 0], [0, 0, 1]])
    assert bool(one.delta) is weights
    assert bool(one.header.entries) is weights


def test_packages_with_and_without_weights_are_put_together(tmp_path):
    package_file(tmp_path / "a.medkt")
    package_file(tmp_path / "b.medkt", "cxr_mass", delta=b"", asking=asking_of(known=("cxr_nodule",)))
    made = compose([tmp_path / "a.medkt", tmp_path / "b.medkt"], tmp_path / "both.medkt")
    first, second = read_package(tmp_path / "both.medkt").learnt
    assert first.asking is None
    assert second.asking is not None
    assert not second.delta
    assert made.interference["norm"] == [1.0, 0.0]


def test_neither_weights_nor_a_way_of_asking_is_no_package(tmp_path):
    with pytest.raises(InputError, match="neither weights nor a way of asking"):
        package_file(tmp_path / "a.medkt", delta=b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"base_digest": "cd" * 32}, WeightsError, "the directions that it is asked by belong to the base cdcdcdcdcdcd"),
        ({"known": ("cxr_mass", "cxr_nodule")}, UnreadableError, "asked by have the shapes"),
        ({"known": (), "bank": ("a", "b")}, UnreadableError, "asked by have the shapes"),
        ({"texts": ()}, UnreadableError, "asked by have the shapes"),
        ({"bias": 3.0}, UnreadableError, "a lead of 3.0 is none between cosines"),
        ({"vectors": b""}, UnreadableError, "no safetensors"),
        ({"vectors": safetensors({"wanted": np.full(3, 2, np.float32), "rivals": np.eye(3, dtype=np.float32)[1:]})}, UnreadableError, "not the length 1"),
        ({"vectors": safetensors({"wanted": np.full(3, np.nan, np.float32), "rivals": np.eye(3, dtype=np.float32)[1:]})}, UnreadableError, "not the length 1"),
    ],
)  # fmt: skip
def test_what_is_no_way_of_asking_is_not_written(tmp_path, changed: dict[str, Any], error, said):
    with pytest.raises(error, match=said):
        package_file(tmp_path / "a.medkt", asking=asking_of(**changed))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"texts": ["another text"]}, "are not those that it was made of"),
        ({"vectors_sha256": "00"}, "are not those that it was made of"),
        ({"bias": "much"}, r"asking\.json: bias expects float, got 'much'"),
        ({"texts": "a text"}, "texts expects a list, got 'a text'"),
        ({"way": None}, "way expects str, got None"),
        ({"way": "two\nlines"}, "a text holds control characters"),
        ({"bank": None}, "bank expects a list, got None"),
    ],
)
def test_what_does_not_fit_is_refused_in_reading(changed, said):
    raw = {**asking_of().as_json(), **changed}
    with pytest.raises(UnreadableError, match=said):
        AskingRecord.of(raw, asking_of().vectors, "a.medkt: asking.json")
    raw.pop("known")
    with pytest.raises(UnreadableError, match="key known is missing"):
        AskingRecord.of(raw, asking_of().vectors, "a.medkt: asking.json")


def test_it_tells_of_no_machine_and_no_time(tmp_path):
    with pytest.raises(InputError, match=r"asking.json.*a path of a machine"):
        package_file(tmp_path / "a.medkt", asking=asking_of(set_on={"normals": "/home/somebody/normals"}))


def test_a_digest_is_of_everything():
    base = asking_of()
    assert base.digest == replace(base).digest
    for changed in ({"bias": 0.1}, {"texts": ("b",)}, {"way": "name"}, {"set_on": {}}):
        assert asking_of(**changed).digest != base.digest


def test_a_package_without_a_base_is_refused(tmp_path):
    package = package_file(tmp_path / "a.medkt", delta=b"", asking=asking_of())
    with pytest.raises(WeightsError, match="belong to small"):
        package.require_base("other", "ef" * 32)

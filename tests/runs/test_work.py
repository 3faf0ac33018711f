"""Names of cases, shards, and what a plan makes of a manifest."""

import json
import pickle
from collections import Counter
from pathlib import Path

import pytest

from medkt.datasets.case import Case
from medkt.errors import SettingsError
from medkt.io.sha256 import sha256_of_json
from medkt.runs.work import Shard, pseudonym
from medkt.tasks.cases import CaseWork
from medkt.tasks.manifest import plan_of

MANIFEST = """case_id,image,patient_id,concept,split,sex
a-1,one.nii,p1,ct_nodule,test,F
a-2,two.nii,p1,,train,M
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """A manifest of which every file is missing is refused."""
    for name in ("one.nii", "two.nii", "mask.nii"):
        (tmp_path / name).touch()


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/3", "1/2/3"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"expected i/n with i from 1 to n, such as 3/16"):
        Shard.parse(text)


def test_every_case_is_in_one_shard_and_the_shards_are_alike_in_size() -> None:
    shards = [Shard.parse(f"{index}/7") for index in range(1, 8)]
    held = Counter(shard.index for number in range(2000) for shard in shards if shard.holds(f"case-{number}"))
    assert sum(held.values()) == 2000
    assert max(held.values()) < 1.3 * min(held.values())
    assert Shard().holds("anything")


def test_pseudonyms_agree_with_the_salt_and_the_kind_only() -> None:
    assert pseudonym("MRN", b"salt") == pseudonym("MRN", b"salt")
    names = {pseudonym("MRN", b"salt"), pseudonym("MRN", b"other"), pseudonym("MRN", b"salt", kind="patient")}
    assert len(names) == 3
    assert all("MRN" not in name and len(name.split("-")[1]) == 20 for name in names)


def test_a_case_in_hand_shows_nothing_and_travels() -> None:
    case = Case(case_id="SECRET", image=Path("/SECRET/image.dcm"), patient_id="SECRET")
    work = CaseWork(key="case-1", number=1, case=case, concepts=("x",), columns={"patient": "SECRET"})
    assert "SECRET" not in repr(work)
    assert pickle.loads(pickle.dumps(work)) == work


def test_a_plan_of_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(MANIFEST)
    plan = plan_of(path, concepts=lambda name: f"id_of_{name}", asked=["cyst"], columns=["sex", "split"])
    names = dict(plan.names(b"salt"))
    assert names == {1: pseudonym("a-1", b"salt"), 2: pseudonym("a-2", b"salt")}
    first, second = plan.works(b"salt", {1: (0, 0), 2: (3, 1)})
    assert (first.concepts, second.concepts) == (("id_of_ct_nodule",), ("cyst",))
    assert (first.round, second.round) == (0, 3)
    assert first.columns == {"patient": pseudonym("p1", b"salt", kind="patient"), "kept_sex": "F", "kept_split": "test"}
    assert first.columns["patient"] == second.columns["patient"]
    assert first.case.image == tmp_path / "one.nii"
    assert [work.number for work in plan.works(b"salt", {2: (0, 0)})] == [2]


def test_a_manifest_is_gone_through_once(tmp_path: Path) -> None:
    path, cache = tmp_path / "cases.csv", tmp_path / "manifest.json"
    path.write_text(MANIFEST)
    first = plan_of(path, concepts=str, asked=["cyst"], columns=["sex"], cache=cache)
    known = json.loads(cache.read_text())
    assert (known["concepts"], len(known["columns"])) == (["ct_nodule"], 1)
    assert "sex" not in cache.read_text()  # of a table without a head the columns' names are a patient's row
    other = {name: value for name, value in known.items() if name != "sum"} | {"concepts": ["from the cache"]}
    cache.write_text(json.dumps({**other, "sum": sha256_of_json(other)}))
    again = plan_of(path, concepts=str, asked=["cyst"], columns=["sex"], cache=cache)
    assert (again.digest, dict(again.concepts)) == (first.digest, {"from the cache": "from the cache"})
    for spoilt in ("{", json.dumps({**known, "digest": "of another"}), json.dumps({**known, "concepts": []})):
        cache.write_text(spoilt)
        assert plan_of(path, concepts=str, asked=["cyst"], cache=cache).concepts == {"ct_nodule": "ct_nodule"}


def test_ids_are_kept_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(MANIFEST)
    plan = plan_of(path, concepts=str, asked=["cyst"], keep_ids=True)
    assert dict(plan.names(b"salt")) == {1: "a-1", 2: "a-2"}
    assert next(plan.works(b"salt", {1: (0, 0)})).columns == {"patient": "p1"}


def test_what_a_plan_refuses(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(MANIFEST)
    with pytest.raises(SettingsError, match="--keep-column site: the manifest has no such column; it has class_name"):
        plan_of(path, concepts=str, asked=["cyst"], columns=["site"])
    plan = plan_of(path, concepts=str, asked=[])
    with pytest.raises(SettingsError, match="case 2 of the manifest names no concept"):
        list(plan.works(b"salt", {2: (0, 0)}))
    path.write_text("case_id,image,reference\na-1,one.nii,mask.nii\n")
    plan = plan_of(path, concepts=str, asked=["cyst", "nodule"])
    with pytest.raises(SettingsError, match="case 1 of the manifest has a reference and the run asks for 2 concepts"):
        list(plan.works(b"salt", {1: (0, 0)}))

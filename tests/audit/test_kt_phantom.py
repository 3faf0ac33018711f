"""The tables of `evaluation/kt_phantom` against the rows they are made of, and its measure against pictures counted one by one."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from medkt.asking import WAYS, AskingWords, calibration, choice, way_called
from medkt.asking.pictures import PictureCounts
from medkt.models.small import load_small
from medkt.phantom.reading import read
from medkt.transfer.trainable import TrainableParts, frozen_layer

FOLDER = Path(__file__).resolve().parents[2] / "evaluation" / "kt_phantom"
MODULES = ("invent", "run", "rows", "tables", "tasks", "teach", "pictures")


@pytest.fixture(scope="module")
def kt() -> Iterator[SimpleNamespace]:
    """Its scripts, which import one another by their bare names; gone again after these tests."""
    sys.path.insert(0, str(FOLDER))
    there = {name: sys.modules.pop(name, None) for name in MODULES}
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in there.items():
            sys.modules.pop(name, None)
            if isinstance(module, ModuleType):
                sys.modules[name] = module


@pytest.fixture(scope="module")
def gallery(kt: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Few pictures of a modality, two findings of it."""
    encoder = load_small()
    tasks = [task for task in kt.tasks.tasks_of("held") if task.domain.name == "ultrasound"]
    numbers = kt.pictures.Numbers(finding=6, known=2, normal=5)
    layer = frozen_layer(encoder, TrainableParts())
    return kt.pictures.Gallery(encoder, tasks, layer, numbers, folder=tmp_path_factory.mktemp("kept"))


def test_every_measure_is_counted_picture_by_picture(gallery) -> None:  # type: ignore[no-untyped-def]
    task, base = gallery.tasks[0], gallery.base
    spoken = AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))
    asked, vectors = way_called("virtual").directions(base, spoken), gallery.vectors(base)
    found = gallery.measure(vectors, task, asked, bias=0.01)
    ids, lead, named = [one.id for one in task.known], [], []
    for vector in vectors:
        cosines = [float(vector @ rival) for rival in asked.rivals]
        lead.append(float(vector @ asked.wanted) - max(cosines))
        named.append(ids[int(np.argmax(cosines[: len(ids)]))])
    mine = [x for x, kind in zip(lead, gallery.kinds, strict=True) if kind == task.finding.id]
    other = [x for x, kind in zip(lead, gallery.kinds, strict=True) if kind == gallery.tasks[1].finding.id]
    normal = [x for x, kind in zip(lead, gallery.kinds, strict=True) if kind == "normal"]
    right = [n == k and x <= 0.01 for x, n, k in zip(lead, named, gallery.kinds, strict=True) if k in ids]
    assert (len(mine), len(other), len(normal), len(right)) == (6, 6, 5, 2 * len(ids))
    assert found.auc_others.estimate == pytest.approx(np.mean([[a > b for b in other] for a in mine]))
    assert found.auc_normals.estimate == pytest.approx(np.mean([[a > b for b in normal] for a in mine]))
    assert found.accuracy.estimate == pytest.approx(np.mean([x > 0.01 for x in mine]))
    assert found.others_taken.estimate == pytest.approx(np.mean([x > 0.01 for x in other]))
    assert found.normals_taken.estimate == pytest.approx(np.mean([x > 0.01 for x in normal]))
    assert found.known_kept.estimate == pytest.approx(np.mean(right))


def test_pictures_are_kept_and_of_a_seed(kt: SimpleNamespace, gallery) -> None:  # type: ignore[no-untyped-def]
    again = kt.pictures.Gallery(
        gallery.base, gallery.tasks, gallery.layer, gallery.numbers, folder=gallery.folder.parent
    )
    assert torch.equal(again.seen().hidden, gallery.seen().hidden)
    assert len(list(gallery.folder.glob("*.pt"))) == 1
    other = kt.pictures.Gallery(
        gallery.base, gallery.tasks, gallery.layer, gallery.numbers, seed=5, folder=gallery.folder.parent
    )
    assert other.key != gallery.key
    assert not torch.equal(other.seen().hidden, gallery.seen().hidden)


def row(finding: str, seed: int, value: float, condition: str = "base", way: str = "name") -> dict[str, object]:
    shares = {name: [value, 0.0, 1.0] for name in ("accuracy", "known_kept", "others_taken", "normals_taken")}
    areas = {name: [value, 0.1, 0.9] for name in ("auc_others", "auc_normals")}
    return {
        "finding": finding, "condition": condition, "seed": seed, "way": way, "set": "held", "domain": "cxr", **areas, **shares,
        "bias": {"lead": 0.1, **shares}, "seconds": 1.0,
    }  # fmt: skip


def test_means_are_over_findings_whatever_their_seeds(kt: SimpleNamespace) -> None:
    rows = [row("cxr_cavity", 0, 0.2), row("cxr_cavity", 1, 0.4), row("ct_abscess", 0, 0.9)]
    text = kt.tables.tables(rows)
    assert "| base | name | 2 | 1-2 | 0.60 (" in text  # (0.3 + 0.9) / 2
    whole = [row(f, s, v) for s, v in enumerate((0.2, 0.6)) for f in ("cxr_cavity", "ct_abscess")]
    assert "| base | name | 2 | 2 | 0.40 | 0.20-0.60 | 0.40 | 0.20-0.60 |" in kt.tables.tables(whole)


def test_known_points_are_against_the_base_asked_by_name(kt: SimpleNamespace) -> None:
    rows = [row("cxr_cavity", 0, 0.9), row("cxr_cavity", 0, 0.8, way="virtual"), row("cxr_cavity", 0, 0.7, "local")]
    text = kt.tables.tables(rows)
    assert "| base | virtual | 0.80 | 0.80 | -10.0 | 0.80 | 0.80 |" in text
    assert "| local | name | 0.70 | 0.70 | -20.0 | 0.70 | 0.70 |" in text


def test_what_was_taught_is_compared_with_asking_finding_by_finding(kt: SimpleNamespace) -> None:
    way = kt.teach.PACKAGED
    rows = [row("cxr_cavity", 0, 0.9, way=way), row("ct_abscess", 0, 0.5, way=way)]
    rows += [row("cxr_cavity", s, 0.8 + s / 10, "local", way) for s in (0, 1)] + [
        row("ct_abscess", 0, 0.7, "local", way)
    ]
    text = kt.tables.against_asking(rows)  # -0.05 and 0.2
    assert "| local | 2 | 0.08 (" in text
    assert (
        text.count("| 1.000 |") == 3
    )  # of the four sums of +-0.05 and +-0.2 none is nearer to 0 than 0.15, which is theirs
    assert kt.tables.against_asking(rows[:2]) == ""
    before = [{**one, "way": kt.teach.EARLIER} for one in rows]
    assert "| local, both asked as before | 2 | 0.08 (" in kt.tables.against_asking(before)


def test_what_is_missing_of_the_plan_is_said_with_its_command(kt: SimpleNamespace) -> None:
    held = [task.finding.id for task in kt.tasks.tasks_of("held")]
    rows = [row(finding, seed, 0.5, way=kt.teach.PACKAGED) for finding in held for seed in range(5)]
    said = kt.tables.missing(rows)
    assert "The held-out eight, base" not in said
    assert "The held-out eight, base: 1 of 40 (`run.py --findings held --teach 'base' --seeds 5`)" in kt.tables.missing(
        rows[1:]
    )
    assert "The held-out eight, labelled-10: 16 of 16" in said
    assert "The held-out eight, masks, base: 8 of 8 (`segmented.py --findings held --teach base`)" in said
    masks = [{"finding": finding, "condition": "base", "way": kt.teach.PACKAGED} for finding in held]
    assert "masks, base" not in kt.tables.missing(rows, masks)
    assert "masks, local: 8 of 8" in kt.tables.missing(rows, masks)
    taught = [row(held[0], 0, 0.5, "local", kt.teach.EARLIER), row(held[1], 0, 0.5, "local", kt.teach.PACKAGED)]
    assert (
        "The held-out eight, local: 39 of 40, 1 of these asked by the earlier ways alone (`run.py"
        in kt.tables.missing(taught)
    )


@pytest.mark.slow
def test_a_second_run_adds_only_what_is_missing(
    kt: SimpleNamespace, gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(calibration, "COUNTS", PictureCounts(finding=0, others=0, normal=20, known=2))
    monkeypatch.setattr(choice, "COUNTS", PictureCounts(finding=4, others=4, normal=4, known=0))
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path))
    bench = kt.teach.Bench(gallery.base, gallery.tasks[0], gallery, "held")
    path, name, virtual = tmp_path / "rows.jsonl", "name", "virtual"
    kt.run.measure(bench, "base", 0, kt.rows.Rows(path), [name])
    first = path.read_text()
    kt.run.measure(bench, "base", 0, kt.rows.Rows(path), [name, virtual, kt.run.PACKAGED])
    assert path.read_text().startswith(first)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["way"] for one in found] == ["name", "virtual", kt.run.PACKAGED]
    assert found[2]["asked"] in [way.name for way in WAYS]
    kt.run.measure(bench, "base", 0, kt.rows.Rows(path), [name, virtual])
    assert len(path.read_text().splitlines()) == 3


def test_the_recorded_tables_are_those_of_the_recorded_rows(kt: SimpleNamespace) -> None:
    folder = FOLDER / "results"
    rows = kt.tables.read(folder / "rows.jsonl")
    keys = [(one["finding"], one["condition"], one["seed"], one["way"]) for one in rows]
    assert len(set(keys)) == len(keys)
    assert (folder / "tables.md").read_text(encoding="utf-8") == kt.tables.page(folder)
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    begin, end = (readme.index(mark) for mark in kt.tables.MARKS)
    assert readme[begin + len(kt.tables.MARKS[0]) : end].strip() == kt.tables.brief(rows)


@pytest.mark.parametrize("said", ["labelled-x", "blobs", "labelled-"])
def test_an_unknown_condition_is_refused_with_those_there_are(kt: SimpleNamespace, said: str) -> None:
    with pytest.raises(SystemExit, match=f"no condition '{said}'; known: base, local"):
        kt.teach.conditions(f"base,{said}")
    assert kt.teach.conditions("base,controls,labelled-3")[1:3] == ("texture blobs", "altered words")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["new", "fresh"])
def test_the_drawn_findings_are_those_that_the_seed_draws(kt: SimpleNamespace, which: str) -> None:
    assert (FOLDER / f"{which}.yaml").read_text(encoding="utf-8") == kt.invent.as_yaml(which)
    looks = [
        one.finding.identity for name in kt.tasks.SETS for one in kt.tasks.tasks_of(name) if one.domain.name == "ct"
    ]
    assert len(set(looks)) == len(looks) == 12
    for task in kt.tasks.tasks_of(which):
        said = read(task.concept.texts("inversion")[0], task.finding.domain)
        told = {key: getattr(task.finding, key) for key in ("shape", "margin", "intensity", "texture")}
        assert not said.why_not
        assert {key: said.said[key] for key in told} == told

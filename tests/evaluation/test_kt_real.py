"""`evaluation/kt_real` from end to end at tiny size: what is asked of whom, resumed, refused, and what the figures are."""

import csv
import importlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from medkt.asking import WAYS, AskingWords, leads, way_called
from medkt.asking.bias import bias_of, bound_on_new
from medkt.asking.vectors import vectors_of_planes
from medkt.models.registry import load_encoder
from medkt.phantom.drawers import DRAWERS, draw_normal
from medkt.statistics.auc import auc_of

FOLDER = Path(__file__).parents[2] / "evaluation" / "kt_real"
OWN = ("run", "classes", "studies", "teaching", "clock", "tables")
TINY = (
    "images=2", "rehearsal_images=0", "validation_images=0", "choose=false", "views=1", "pictured=0", "finetune.steps=2", "finetune.batch=2",
    "finetune.rehearsal_batch=2", "teaching.inversion.steps=2", "teaching.known=0", "teaching.drawn=1", "teaching.normals=2",
    "teaching.rivals=0", "teaching.blobs=0",
)  # fmt: skip
STEPS = tuple(f"{part}.steps=2" for part in ("inversion", "judged_with", "rehearsed_with"))


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The scripts, whose names other evaluations have, too."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = {name: sys.modules.pop(name, None) for name in OWN}
    yield {name: importlib.import_module(name) for name in OWN}
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def cases(folder: Path, **changes: str) -> Path:
    """Nodules and normal films, five each to ask about and two to teach with, one patient with two films."""
    rows = []
    for kind, concept in (("nodule", "cxr_nodule"), ("normal", "")):
        for number in range(7):
            rng = np.random.default_rng((number, len(kind)))
            plane = (
                draw_normal("cxr", rng, side=96)
                if not concept
                else DRAWERS["cxr"].draw_plane(concept, rng, side=96).plane
            )
            name = f"{kind}{number}.png"
            Image.fromarray(np.rint(plane * 255).astype(np.uint8)).save(folder / name)
            row = {"case_id": name, "image": name, "modality": "cxr", "class_name": kind, "concept": concept}
            row |= {"split": "train" if number > 4 else "test", "patient_id": f"{kind}{max(number, 1)}"}
            rows.append({**row, **(changes if not rows else {})})
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "cases.csv"


def rows_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_the_whole_of_it_at_tiny_size(
    scripts: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = tmp_path / "out", cases(tmp_path)
    words = ["--data", str(manifest), "--out", str(out), "--cache", str(tmp_path / "cache"), "--set", *TINY, *STEPS]
    assert scripts["run"].main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "conditions of 1 classes: about " in said  # time is told beforehand, and nothing is done
    assert not out.exists()

    assert scripts["run"].main([*words, "--asking"]) == 0
    (base,) = rows_of(out)
    assert list(base["leads"]) == [way.name for way in WAYS]
    assert (base["of the class"], base["labels"], len(set(base["patients"]))) == (5, ["nodule"] * 5 + ["normal"] * 5, 8)

    assert scripts["run"].main([*words, "--control-seeds", "0"]) == 0  # every way by itself
    assert [row["condition"] for row in rows_of(out)] == ["base", "images", "local", "local, own studies"]
    words += ["--ways", "local, own studies"]
    assert scripts["run"].main(words) == 0
    found = {row["condition"]: row for row in rows_of(out)}
    own = "local, own studies"
    wanted = [f"{own}: {one}" for one in (*scripts["teaching"].ASKED, "labelled 1")]
    pools = [f"{own}: pool", f"{own}: pool without it"]
    assert set(found) == {"base", "images", "local", own, *wanted, *pools}
    unmade = {
        name: found.pop(name)["why not"] for name in pools
    }  # two studies of the class stand out beside one other by chance
    assert all("nothing stands out in the pool" in why for why in unmade.values())
    assert all(found[name]["leads"] != base["leads"] for name in ("images", "local", own))  # something was learned
    assert found[f"{own}: labelled 1"]["leads"] != found[own]["leads"] != found["local"]["leads"]

    before = (out / "rows.jsonl").read_bytes()
    (out / "rows.jsonl").write_bytes(before[: before.rindex(b"\n", 0, -1) + 1])  # a run that was cut short
    capsys.readouterr()
    assert scripts["run"].main(words) == 0
    assert "1 conditions of 1 classes" in capsys.readouterr().out
    again = {row["condition"]: row for row in rows_of(out)}
    assert {name: row["leads"] for name, row in again.items() if row["leads"]} == {
        name: row["leads"] for name, row in found.items()
    }

    page, table = ((out / name).read_text(encoding="utf-8") for name in ("page.html", "table.md"))
    assert page.count("Not made: ") == table.count("Not made: ") == len(pools)
    assert "No verdict: 5 studies of the class and 5 others are too few." in page
    assert table.count("\n| base |") + table.count("\n| images") + table.count("\n| local") == len(WAYS) * len(found)
    assert page.count("<svg") == len(WAYS) * len(found) + 1
    leads = np.array(base["leads"]["name"])
    assert f"| base | name | {auc_of(leads[5:], leads[:5]):.2f} (" in table


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        ({"split": "valid"}, [], "split 'valid'; known: train, validate, test"),
        ({"patient_id": "nodule5"}, [], "1 patients are to be learned from and asked about"),
        ({"concept": "cxr_mass"}, [], "a class has one concept"),
        ({"concept": "nobody"}, [], "nobody"),
        ({"class_name": ""}, [], "class_name and modality are needed"),
        ({"image": "normal3.png"}, [], "1 studies are to be learned from and asked about"),
        ({}, ["--classes", "cxr_mass"], "no class cxr_mass in .*; there are cxr_nodule"),
        ({}, ["--set", "images=0"], "images cannot be 0"),
        ({}, ["--ways", "dreams"], "no way of teaching dreams; there are images, local, local, own studies"),
        ({}, ["--model", "nobody"], "neither a known encoder nor a path"),
        ({}, ["--data", "elsewhere"], "give a folder that holds manifest.tsv, or a manifest"),
    ],
)
def test_what_is_refused(
    changes: dict[str, str],
    more: list[str],
    says: str,
    scripts: dict[str, ModuleType],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = cases(tmp_path, **changes)
    if "image" in changes:  # the same picture under another name, to be taught
        (tmp_path / "normal6.png").write_bytes((tmp_path / "normal3.png").read_bytes())
    assert scripts["run"].main(["--data", str(manifest), "--out", str(tmp_path / "out"), "--asking", *more]) == 2
    assert re.search(says, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_rows_of_another_run_are_left_alone(
    scripts: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = tmp_path / "out", cases(tmp_path)
    words = ["--data", str(manifest), "--out", str(out), "--asking"]
    assert scripts["run"].main(words) == 0
    before = (out / "rows.jsonl").read_bytes()
    assert scripts["run"].main([*words, "--most", "3"]) == 2
    assert "holds rows of another run (studies of cxr_nodule)" in capsys.readouterr().err
    assert (out / "rows.jsonl").read_bytes() == before


def test_a_normal_study_is_led_over_with_a_handicap_of_studies_that_are_not_asked_about(
    scripts: dict[str, ModuleType], tmp_path: Path
) -> None:
    """Of each encoder its own, as a package has it; none where no normal study may be learned from."""
    data = cases(tmp_path)
    (task,) = scripts["classes"].tasks_of(data, scripts["studies"].read_studies(data))
    encoder = load_encoder("small")
    bench = scripts["run"].Bench(encoder, task, ())
    spoken = AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))
    plain = way_called("virtual among all").directions(encoder, spoken)
    normals = vectors_of_planes(encoder, [plane for one in task.others for plane in one.planes])
    over_normal = (normals @ plain.wanted - normals @ plain.normal).double().numpy()
    over_others = leads(normals, replace(plain, normal=None)).double().numpy()
    handicap = bound_on_new(over_normal, 0.05) - bias_of(normal=over_others, unlabelled=over_others)
    vectors = vectors_of_planes(encoder, [plane for one in task.asked for plane in one.planes])
    row = bench.row(scripts["teaching"].Condition(name="base", seed=0, make=lambda: encoder))
    wanted = leads(vectors, replace(plain, handicap=handicap))
    np.testing.assert_allclose(row["leads"]["virtual among all"], wanted, atol=1e-4)
    assert not np.allclose(wanted, leads(vectors, plain), atol=1e-3)

    no_normals = replace(task, others=(), normal=())
    row = (
        scripts["run"]
        .Bench(encoder, no_normals, ())
        .row(scripts["teaching"].Condition(name="base", seed=0, make=lambda: encoder))
    )
    np.testing.assert_allclose(row["leads"]["virtual among all"], leads(vectors, plain), atol=1e-4)


def test_an_interval_holds_patients_together_and_a_change_pairs_them(scripts: dict[str, ModuleType]) -> None:
    tables = scripts["tables"]
    rng = np.random.default_rng(1)
    leads = np.concatenate([rng.normal(0.6, 1, 30), rng.normal(0, 1, 30)])
    row = {"leads": {"name": [*leads]}, "of the class": 30, "patients": [str(n) for n in range(60)]}
    drawn = tables.auc_drawn([row], "name")
    assert drawn[0] == pytest.approx(auc_of(leads[30:], leads[:30]))
    low, high = tables.ends(drawn)
    assert low < drawn[0] < high
    twice = {
        "leads": {"name": [*np.repeat(leads, 2)]},
        "of the class": 60,
        "patients": [str(n // 2) for n in range(120)],
    }
    assert tables.ends(tables.auc_drawn([twice], "name")) == pytest.approx((low, high))  # no more patients than before
    apart = {**twice, "patients": [str(n) for n in range(120)]}
    assert np.ptp(tables.ends(tables.auc_drawn([apart], "name"))) < 0.8 * (high - low)
    assert np.ptp(tables.auc_drawn([row], "name") - drawn) == 0


def test_a_verdict_says_on_which_side_of_chance(scripts: dict[str, ModuleType]) -> None:
    tables = scripts["tables"]

    def line(condition: str, way: str, auc: float, change: float = 0) -> object:
        drawn = np.linspace(auc - 0.08, auc + 0.08, 201)
        return tables.Line(
            condition=condition, way=way, auc=np.concatenate([[auc], drawn]), change=np.concatenate([[change], drawn - auc + change]),
            called=1.0, taken=0.0, renamed=0.0, seeds=1, pairs={},
        )  # fmt: skip

    lines = [line("base", "name", 0.5), line("base", "description", 0.3), line("base", "virtual", 0.9)]
    lines += [
        line("taught", "name", 0.8, 0.3),
        line("taught: noise images", "name", 0.7),
        line("taught: labelled 30", "name", 0.99),
        line("taught: pool", "name", 0.98),
    ]
    said, mark = tables.verdict_of(lines, {"decides": True})
    assert said == (
        "Asked by name: 0.50 (0.42 to 0.58), not told from chance. Asked by description: 0.30 (0.22 to 0.38), ranks below chance. "
        "Learned (taught), asked by name: 0.80 (0.72 to 0.88), ranks above chance; change +0.30 (+0.22 to +0.38). "
        "Best control (noise images): 0.70 (0.62 to 0.78); learned +0.10 (+0.10 to +0.10) more."
    )
    assert mark == "below"
    few = tables.verdict_of(lines, {"decides": False, "studies": 6, "others": 61})
    assert few == ("No verdict: 6 studies of the class and 61 others are too few.", "")


def test_what_stands_out_in_a_pool_is_taught(
    scripts: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool is every second of the others with the hidden ones of the class; what is picked is learned from."""
    teaching, data = scripts["teaching"], cases(tmp_path)
    studies = scripts["studies"].read_studies(data)
    (task,) = scripts["classes"].tasks_of(data, studies)
    asked: list[list[str]] = []

    def leads_of(encoder: object, some: list[object], directions: object) -> np.ndarray:
        asked.append([one.label for one in some])  # type: ignore[attr-defined]
        return np.array([1.0 if one.label == "nodule" else 0.0 for one in some])  # type: ignore[attr-defined]

    taught: list[list[str]] = []
    monkeypatch.setattr(teaching, "leads_of", leads_of)
    monkeypatch.setattr(teaching, "pick", lambda pool, beside: np.flatnonzero(pool > beside.max()))
    monkeypatch.setattr(teaching, "labelled", lambda *given: taught.append([one.label for one in given[-1]]))
    way = next(one for one in teaching.ways_of("fast", ()) if one.own)
    teaching._pooled(load_encoder("small"), task, way, lambda: None, task.given)
    assert asked[-2:] == [["nodule", "nodule", "normal"], ["normal"]]
    assert all(labels == ["normal"] for labels in asked[:-2])  # what the handicap is set on
    assert taught == [["nodule", "nodule"]]


def test_brightness_alone_stands_beside_the_words(scripts: dict[str, ModuleType]) -> None:
    """A description of something bright may rank whole films by their brightness, and no more."""
    tables, grey = scripts["tables"], [0.1, 0.2, 0.3, 0.6, 0.7, 0.5]
    row = {"class": "a", "condition": "base", "seed": 0, "studies": [*"abcdef"], "labels": [*"xxxyyy"], "patients": [*"abcdef"],
           "of the class": 3, "brightness": grey, "leads": {way.name: [2 * one - 1 for one in grey] for way in WAYS}, "renamed": 0.0}  # fmt: skip
    about = {"name": "a", "description": "bright", "studies": 3, "others": 3, "known": [], "met": "", "decides": True}
    made = tables.class_of("a", about, [row])
    assert made["rows"][-1]["cells"] == ("0.00 (0.00 to 0.00)", "", "", "", "", "1")
    assert made["verdict"].endswith(
        "Brightness alone: 0.00 (0.00 to 0.00); the description's lead goes with it by +1.00 (Spearman)."
    )
    assert tables.goes_with_brightness({**row, "brightness": [0.5] * 6}, "name") == 0


def test_the_clock_goes_by_what_rows_took(scripts: dict[str, ModuleType]) -> None:
    keys, times = [("a", "base"), ("a", "taught"), ("b", "base")], iter([0.0, 10.0, 40.0, 50.0])
    clock = scripts["clock"].Clock(keys, [1.0, 100.0, 1.0], now=lambda: next(times))
    assert clock.before() == "3 conditions of 2 classes: about 2 min"
    assert [clock.after() for _ in keys] == [
        "2 to come, about 17 min",
        "1 to come, about 0.4 s",
        "all there after 50 s",
    ]
    assert scripts["clock"].Clock([], None).before() == "every row is there"
    assert "is known after the first ones" in scripts["clock"].Clock(keys, None).before()


def test_the_classes_of_the_open_sets_are_of_known_labels(scripts: dict[str, ModuleType]) -> None:
    """Without the images: every concept loads, and says of which modality it is."""
    for chosen in scripts["classes"].CHOSEN:
        concept = scripts["classes"]._concept(chosen.concept)
        assert concept.modality in ("cxr", "mri", "ultrasound")
        assert concept.texts("inversion")
        assert not set(chosen.labels) & set(chosen.among)

"""What every task must do, over the registry: plan, run with a case that fails, go on, merge, evaluate, compare, page."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from adding import fixture_package
from PIL import Image as Picture
from runs.inline import Inline
from runs.runs import SALT, tables_of

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.errors import InputError, SettingsError, UnknownNameError, WeightsError
from medkt.io import read_image
from medkt.models.registry import load_encoder
from medkt.phantom.study import reference_path, write_study
from medkt.pipeline import View
from medkt.runs.coordinator import run_cohort
from medkt.runs.folder import RunFolder
from medkt.runs.merge import merge_runs, shard_folder
from medkt.runs.progress import RunStatus
from medkt.runs.record import RunRecord
from medkt.runs.work import Shard
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import COMMON, CaseSource, Task
from medkt.tasks.cases import CasePlan
from medkt.tasks.classify.classes import classes_of_manifest, survey_classes
from medkt.tasks.classify.runner import ClassRunnerFactory
from medkt.tasks.classify.task import ClassifyJob
from medkt.tasks.ended_runs import compared, evaluated
from medkt.tasks.masks.task import MasksJob
from medkt.tasks.page import render
from medkt.tasks.registry import TASKS, task_named, task_of, task_of_runs
from medkt.tasks.retrieve import RetrieveJob, images_for, sentences_for
from medkt.tasks.segment.findings import RunFindings
from medkt.tasks.segment.studies import StudyRunnerFactory
from medkt.tasks.segment.task import SegmentJob

FEW = BootstrapSettings(resamples=200)
KINDS = {"cxr_effusion": "pleural effusion", "cxr_cardiomegaly": "cardiomegaly"}
WORK = {"threads": 1, "inputs": "sizes and times"}
CELLS = {"text": "string", "number": "double", "whole": "int64", "yes or no": "bool"}


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with fixture_package(tmp_path_factory.mktemp("site") / "packages"):
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of two kinds with references, the last of them gone, in a manifest; and their masks in two folders."""
    root = tmp_path_factory.mktemp("cohort")
    cases = []
    for seed in range(3):
        finding = list(KINDS)[seed % 2]
        image = write_study(root / f"s{seed}", domain="cxr", finding=finding, seed=seed, format="png", side=64)
        cases.append(
            Case(
                case_id=f"PLANTED-{seed}", patient_id=f"PLANTED-P{seed}", image=image, references=(reference_path(image),),
                reference_kind="mask", modality="cxr", class_name=KINDS[finding], columns={"sentence": f"a {KINDS[finding]}"},
            )
        )  # fmt: skip
        for side in ("reference", "prediction"):
            (root / side).mkdir(exist_ok=True)
            values = np.zeros((8, 10), np.uint8)
            values[2 : 5 + seed, 3:6] = 255
            Picture.fromarray(values).save(root / side / f"{seed}.png")
    write_manifest(cases, root / "cases.csv")
    cases[2].image.unlink()
    (root / "prediction" / "2.png").write_bytes(b"no picture")
    return root


def _findings(source: CaseSource) -> SegmentJob:
    findings = RunFindings(concepts={}, own=(), learnt={}, packages={})
    findings = replace(findings, own=(findings.identify("cxr_effusion"),))
    settings = SegmentationSettings()
    return SegmentJob(source=source, findings=findings, look=StudyRunnerFactory(settings=settings))


def _classes(source: CaseSource) -> ClassifyJob:
    from medkt.concepts import load_concept

    classes = classes_of_manifest(survey_classes(source.table), [], only=False, load=load_concept)
    return ClassifyJob(source=source, look=ClassRunnerFactory(classes=classes))


def _brightness(source: CaseSource) -> Any:
    from medkt_fixture.task import BrightnessJob  # type: ignore[import-not-found]  # there while it is installed

    return BrightnessJob(source=source)


ASKED: Mapping[str, Callable[[CaseSource], Any]] = {
    "segment": _findings,
    "masks": lambda source: MasksJob(
        references=source.table.parent / "reference", predictions=source.table.parent / "prediction"
    ),
    "classify": _classes,
    "retrieve": lambda source: RetrieveJob(source=source),
    "brightness": _brightness,
}
"""What is asked of each task; one that is added to the registry is added here. The last is of a package."""


def _run(task: Task, asked: Any, plan: CasePlan, path: Path) -> RunStatus:
    run = RunFolder(path)
    run.make()
    run.claim(task.identity(asked, plan, WORK))
    (path / "salt").write_text(SALT.hex())
    return run_cohort(run, plan, Inline(task.runner(asked, run), run.workers), salt=SALT)


def test_every_task_is_asked() -> None:
    assert list(ASKED) == list(TASKS)


@pytest.mark.parametrize("name", list(ASKED))
def test_a_task(name: str, cohort: Path, tmp_path: Path) -> None:
    task = task_named(name)
    assert task.name == name
    asked = ASKED[name](CaseSource(manifest=cohort / "cases.csv"))
    plan, whole = task.plan(asked), tmp_path / "whole"
    done = _run(task, asked, plan, whole)
    assert (done.states["done"], done.states["failed"]) == (2, 1), list((whole / "workers").iterdir())
    assert task_of(RunFolder(whole).read()) is task
    before = tables_of(RunFolder(whole))
    again = _run(task, asked, plan, whole)  # nothing is left to do
    assert (again.states, tables_of(RunFolder(whole))) == (done.states, before)

    table = pq.read_table(whole / "results.parquet")
    for column in table.schema:
        described = [one for one in (*COMMON, *task.columns) if one.describes(column.name)]
        assert described, f"nothing says what the column {column.name} is"
        if table[column.name].null_count < table.num_rows:  # of an empty one nothing is known
            assert str(column.type) in {CELLS[one.kind] for one in described}, column
    assert not any(b"PLANTED" in file.read_bytes() for file in whole.rglob("*") if file.is_file())

    parts = [Shard(index=1, count=2), Shard(index=2, count=2)]
    for shard in parts:
        _run(task, asked, replace(plan, shard=shard), shard_folder(tmp_path / "merged", shard))
    merge_runs([shard_folder(tmp_path / "merged", shard) for shard in parts], tmp_path / "merged")
    assert tables_of(RunFolder(tmp_path / "merged")) == before

    found = evaluated(task, whole, by=(), settings=FEW, write=True)
    record = json.loads((whole / "evaluation.json").read_text(encoding="utf-8"))
    assert record["settings"]["statistics"]["resamples"] == FEW.resamples
    for file, (head, rows) in task.tables(found.evaluation).items():
        assert (whole / file).read_text(encoding="utf-8").splitlines()[0] == ",".join(head)
        assert all(set(row) == set(head) for row in rows)
    lines = list(task.say(found))
    assert any("1 failed" in line for line in lines), lines
    assert list(task.say(evaluated(task, tmp_path / "merged", by=(), settings=FEW))) == lines

    beside = compared(task, whole, tmp_path / "merged", FEW)
    assert beside.lines
    assert all(len(row) == len(beside.head) for row in beside.rows)

    for runs, difference in (({"": whole}, None), ({"first": whole, "second": tmp_path / "merged"}, beside)):
        page = task.page(runs, difference, by=(), settings=FEW, cases=1)
        keys = [section.key for section in task.sections(page) if section.parts]
        assert (keys[0], keys[-1]) == ("summary", "settings")
        assert ("compared" in keys) == (difference is not None)
        html = render(task, page)
        assert NOT_A_MEDICAL_DEVICE in html
        assert "PLANTED" not in html


def test_what_a_task_reads_of_a_row_counts_as_its_input(cohort: Path, tmp_path: Path) -> None:
    """A sentence that is written anew is searched anew, though the image is the same."""
    table = tmp_path / "cases.csv"
    text = (cohort / "cases.csv").read_text(encoding="utf-8").replace("PLANTED-P", "P")
    text = "\n".join(line.replace("s0/", f"{cohort}/s0/") for line in text.splitlines()[:2])
    table.write_text(text, encoding="utf-8")
    task, said = task_named("retrieve"), []
    for words in (text, text.replace("a pleural effusion", "a cyst")):
        table.write_text(words, encoding="utf-8")
        plan = task.plan(RetrieveJob(source=CaseSource(manifest=table)))
        said.append([inputs for *_, inputs in plan.present(SALT, look=True)])
    assert said[0] != said[1]
    assert len(said[0]) == 1


def test_a_search_needs_sentences(cohort: Path, tmp_path: Path) -> None:
    image = cohort / "s0"
    write_manifest([Case(case_id="a", image=image)], tmp_path / "cases.csv")
    with pytest.raises(InputError, match="no row has anything in the column sentence"):
        task_named("retrieve").plan(RetrieveJob(source=CaseSource(manifest=tmp_path / "cases.csv")))


def test_a_search_that_has_ended_is_asked_both_ways(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, run = task_named("retrieve"), RunFolder(tmp_path / "run")
    asked = RetrieveJob(source=CaseSource(manifest=cohort / "cases.csv", keep_ids=True))
    _run(task, asked, task.plan(asked), run.path)
    encoder, image = load_encoder("small"), read_image(cohort / "s1" / "image.png")
    by_words = images_for(run, f"a {KINDS['cxr_effusion']}", encoder)
    by_image = sentences_for(run, image, encoder, View(modality="cxr"))
    for found in (by_words, by_image):
        assert {case for case, _ in found} == {"PLANTED-0", "PLANTED-1"}
        assert found == sorted(found, key=lambda one: -one[1])
    table = pq.read_table(run.path / "results.parquet").to_pydict()
    own = dict(zip(table["case_id"], table["cosine"], strict=True))
    assert dict(by_words)["PLANTED-0"] == pytest.approx(own["PLANTED-0"], abs=1e-5)  # its own sentence
    assert dict(by_image)["PLANTED-1"] == pytest.approx(own["PLANTED-1"], abs=1e-5)  # its own image
    monkeypatch.setattr(encoder, "_spec", replace(encoder.spec, digest="0" * 64))
    with pytest.raises(WeightsError, match="was searched with another encoder than small; load that one"):
        images_for(run, "a cyst", encoder)


def test_tasks_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="known: segment, masks, classify, retrieve, brightness"):
        task_named("caption")
    with pytest.raises(UnknownNameError, match="no task 'caption'"):
        task_of(RunRecord(identity={"task": "caption"}))
    with pytest.raises(SettingsError, match="say which cases"):
        _ = CaseSource().table


def test_runs_of_two_tasks_are_not_compared(tmp_path: Path) -> None:
    runs = {}
    for name, identity in (("first", {"masks": "x"}), ("second", {"task": "classification"}), ("third", {})):
        runs[name] = tmp_path / name
        RunFolder(runs[name]).make()
        RunFolder(runs[name]).claim(identity)
    with pytest.raises(SettingsError, match="second tells classes apart and the other run segments"):
        task_of_runs({name: runs[name] for name in ("first", "second")})
    assert task_of_runs({name: runs[name] for name in ("first", "third")}).name == "masks"

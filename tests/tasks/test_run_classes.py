"""The statistics of a classification against other programs and plain computations, and what is shown of them."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from run_tables import make_outcomes, write_run
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_score, roc_auc_score

from medkt.datasets.protocol import load_protocol
from medkt.errors import InputError, SettingsError, UnreadableError
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.statistics import BootstrapSettings, flip_signs, multiclass_accuracy
from medkt.statistics.weighted import STILL
from medkt.tasks.classify.comparison import ComparedClass, compare_classes
from medkt.tasks.classify.evaluation import ACCURACY, ALL, AREA, BALANCED, PRECISION, evaluate_classes
from medkt.tasks.classify.published import HEAD, beside_class_row, beside_classes, class_protocol_lines
from medkt.tasks.classify.scores import ClassScores, read_class_scores
from medkt.tasks.classify.sections import ClassArm, ClassReport
from medkt.tasks.classify.words import (
    CLASS_HEAD,
    COMPARED_HEAD,
    WHOLE_HEAD,
    class_rows,
    class_text_lines,
    compared_class_row,
    confusion_rows,
    whole_rows,
)
from medkt.tasks.ended_runs import evaluated
from medkt.tasks.page import render
from medkt.tasks.registry import task_named, task_of

FEW = BootstrapSettings(resamples=200)
NAMES = {"Atelectasis": "cxr_atelectasis", "Edema": "cxr_oedema", "<b>Heart</b>": "cxr_cardiomegaly"}
Drawn = tuple[NDArray[np.int64], NDArray[np.float64]]


def _drawn(count: int, *, seed: int = 0, lift: float = 1.0) -> Drawn:
    """Classes of cases, and their shares, of which the right one is higher on average."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(NAMES), count)
    logits = random.normal(size=(count, len(NAMES)))
    logits[np.arange(count), truth] += lift
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, shares.round(6)


def _run(
    path: Path,
    drawn: Drawn,
    *,
    patients: int | None = None,
    failed: tuple[int, ...] = (),
    silent: tuple[int, ...] = (),
    **more: Any,
) -> Path:
    """A run's folder with these shares; rows of `failed` without any, and of those of `silent` nothing was claimed."""
    truth, shares = drawn
    names, concepts = list(NAMES), list(NAMES.values())
    rows: list[dict[str, Any]] = []
    for number, (true, row) in enumerate(zip(truth.tolist(), shares, strict=True)):
        own = {"concept": concepts[true], "class_name": names[true], "sex": "FM"[number % 2]}
        if number in failed:
            rows.append({**own, "kind": "unreadable"})
            continue
        best = int(row.argmax())
        told = {f"probability_{concept}": float(row[place]) for place, concept in enumerate(concepts)}
        rank = int((row >= row[true]).sum())
        said = {"predicted": names[best], "hit": best == true, "rank": rank, "no_claim": None}
        nothing = {"predicted": None, "hit": False, "rank": None, "no_claim": "unlike-modality"}
        rows.append({**own, **told, **(nothing if number in silent else said)})
    classes = [{"name": name, "concept": concept} for name, concept in NAMES.items()]
    identity = {"task": "classification", "classes": classes, "protocol": None, **more}
    return write_run(path, make_outcomes(rows, patients=patients), **identity)


def _scores(run: Path, **by: Any) -> ClassScores:
    return read_class_scores(run / "results.parquet", RunFolder(run).read().identity, **by)


def test_no_claim_is_called_nothing_and_counts_as_wrong(tmp_path: Path) -> None:
    truth, shares = _drawn(12, lift=50.0)
    run = _run(tmp_path, (truth, shares), silent=(0, 5))
    scores = _scores(run)
    found = evaluate_classes(scores, FEW)
    assert sum(one.no_claim for one in found.counts) == 2
    line = found.line(ALL, ACCURACY)
    assert line is not None
    assert (line.cases, line.found.estimate) == (12, pytest.approx(10 / 12))  # all others are right
    assert sum(one.cases for one in found.confusion) == 10
    assert "no claim in 2 of 12 cases (16.7%), counted as wrong" in list(class_text_lines(found))
    page = render(
        task_named("classify"),
        ClassReport(title="x", arms=(ClassArm(name="", evaluation=found, record=RunFolder(run).read()),)),
    )
    assert '<p class="headline">no claim in 2 of 12 cases' in page
    assert "trained on drawn images" in page


def test_numbers_are_those_of_scikit_learn(tmp_path: Path) -> None:
    truth, shares = _drawn(90)
    found = evaluate_classes(_scores(_run(tmp_path, (truth, shares))), FEW)
    predicted = shares.argmax(axis=1)

    def value(target: str, metric: str) -> float:
        line = found.line(target, metric)
        assert line is not None
        assert line.found.low <= line.found.estimate <= line.found.high
        return line.found.estimate

    assert value(ALL, ACCURACY) == pytest.approx(multiclass_accuracy(truth=truth, scores=shares))
    assert value(ALL, BALANCED) == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert value(ALL, AREA) == pytest.approx(np.mean([roc_auc_score(truth == k, shares[:, k]) for k in range(3)]))
    precisions = precision_score(truth, predicted, average=None)
    for place, name in enumerate(NAMES):
        assert value(name, ACCURACY) == pytest.approx((predicted == place)[truth == place].mean())
        assert value(name, AREA) == pytest.approx(roc_auc_score(truth == place, shares[:, place]))
        assert value(name, PRECISION) == pytest.approx(precisions[place])
    counted = np.array([one.cases for one in found.confusion]).reshape(3, 3)
    assert (counted == confusion_matrix(truth, predicted)).all()
    assert [one.called for one in found.counts] == counted.sum(axis=0).tolist()


def test_failed_cases_are_counted_and_in_no_number(tmp_path: Path) -> None:
    truth, shares = _drawn(30)
    found = evaluate_classes(_scores(_run(tmp_path, (truth, shares), failed=(0, 7))), FEW)
    held = np.delete(np.arange(30), [0, 7])
    line = found.line(ALL, ACCURACY)
    assert line is not None
    assert line.cases == 28
    assert line.found.estimate == pytest.approx(multiclass_accuracy(truth=truth[held], scores=shares[held]))
    assert found.failures == {"unreadable": 2}
    assert sum(one.failed for one in found.counts) == 2
    assert sum(one.cases for one in found.counts) == 30


def test_nothing_but_failures(tmp_path: Path) -> None:
    """A run of which every case failed has no number, no plot, and a page nevertheless."""
    run = _run(tmp_path, _drawn(3), failed=(0, 1, 2))
    found = evaluate_classes(_scores(run), FEW)
    assert found.line(ALL, AREA) is None
    assert "3 classes: 0 of 3 cases done, 3 failed" in list(class_text_lines(found))
    page = render(task_named("classify"), _report(run))
    assert "No case was classified" in page


def test_subgroups(tmp_path: Path) -> None:
    truth, shares = _drawn(40)
    run = _run(tmp_path, (truth, shares))
    found = evaluate_classes(_scores(run, by=("sex",)), FEW)
    line = found.line(ALL, ACCURACY, group="sex", value="F")
    assert line is not None
    assert line.found.estimate == pytest.approx(multiclass_accuracy(truth=truth[::2], scores=shares[::2]))
    assert [row[0] for row in whole_rows(found)] == ["all", "sex: F", "sex: M"]
    assert {len(row) for row in class_rows(found)} == {len(CLASS_HEAD)}
    with pytest.raises(SettingsError, match="--by scanner: the result table has no such column"):
        _scores(run, by=("scanner",))


def test_what_is_all_right_has_an_interval_with_a_width(tmp_path: Path) -> None:
    truth = np.repeat(np.arange(3), 10)
    found = evaluate_classes(_scores(_run(tmp_path, (truth, np.eye(3)[truth]))), FEW)
    whole, balanced = found.line(ALL, ACCURACY), found.line(ALL, BALANCED)
    assert whole is not None
    assert balanced is not None
    assert whole.found.method == "Wilson"
    assert whole.found.low == pytest.approx(0.886, abs=0.001)  # 30 of 30
    assert balanced.found.note == STILL
    assert math.isnan(balanced.found.low)


# ---- two runs


def _compared(first: Path, second: Path) -> tuple[ComparedClass, ...]:
    identities = {run / "results.parquet": RunFolder(run).read().identity for run in (first, second)}
    one, other = identities
    return compare_classes(one, other, identities, FEW)


def test_two_runs_compared(tmp_path: Path) -> None:
    """Eight cases of one class: the first run has one right that the second has not, the second six."""
    truth = np.zeros(8, dtype=np.int64)
    right, wrong = np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.8, 0.1])
    first = np.stack([right if n in (0, 7) else wrong for n in range(8)])
    second = np.stack([wrong if n == 0 else right for n in range(8)])
    lines = _compared(_run(tmp_path / "a", (truth, first)), _run(tmp_path / "b", (truth, second)))
    whole, by_class = lines[0], next(line for line in lines if line.target == "Atelectasis")
    assert (whole.only_first, whole.only_second) == (1, 6)
    assert whole.mcnemar_p == pytest.approx(2 * (1 + 7) / 2**7)  # 1 or none of 7, both sides
    assert whole.permutation_p == flip_signs(np.array([-1.0, 1, 1, 1, 1, 1, 1, 0])).p_value
    assert whole.found.estimate == pytest.approx(5 / 8)
    assert by_class.holm_p == by_class.permutation_p == whole.permutation_p
    assert not [line for line in lines if line.metric == AREA]  # one class only: nothing to tell it from
    assert len(compared_class_row(whole)) == len(COMPARED_HEAD)


def test_several_cases_of_a_patient_have_no_mcnemar(tmp_path: Path) -> None:
    drawn, other = _drawn(40), _drawn(40, lift=3.0)
    runs = [_run(tmp_path / name, one, patients=15) for name, one in (("a", drawn), ("b", other))]
    lines = _compared(*runs)
    assert math.isnan(lines[0].mcnemar_p)
    assert lines[0].patients == 15
    assert lines[0].found.estimate > 0
    areas = {line.target: line for line in lines if line.metric == AREA}
    assert set(areas) == {ALL, *NAMES}
    expected = roc_auc_score(other[0] == 1, other[1][:, 1]) - roc_auc_score(drawn[0] == 1, drawn[1][:, 1])
    assert areas["Edema"].found.estimate == pytest.approx(expected)
    same = _compared(runs[0], _run(tmp_path / "c", drawn, patients=15))[0]
    assert (same.found.note, same.permutation_p) == (STILL, 1.0)


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    truth, shares = _drawn(12)
    run = _run(tmp_path / "a", (truth, shares))
    shorter = _run(tmp_path / "b", (truth[:10], shares[:10]))
    with pytest.raises(
        InputError, match=r"2 stand in one only: case-010 \(first only\), case-011 \(first only\); run both"
    ):
        _compared(run, shorter)
    moved = _run(tmp_path / "c", ((truth + 1) % 3, shares))
    with pytest.raises(InputError, match="12 cases are of another class or patient in the second run"):
        _compared(run, moved)
    fewer = _run(tmp_path / "d", (truth, shares), classes=[{"name": "Edema", "concept": "cxr_oedema"}])
    with pytest.raises(UnreadableError, match=r"holds a class '.*', which the run's record does not"):
        _scores(fewer)
    none = _run(tmp_path / "e", (truth, shares), failed=tuple(range(12)))
    with pytest.raises(InputError, match="have classified no case in common"):
        _compared(run, none)


def test_a_table_of_another_run_is_refused(tmp_path: Path) -> None:
    run = _run(tmp_path / "a", _drawn(6), classes=[{"name": name, "concept": "other"} for name in NAMES])
    with pytest.raises(UnreadableError, match="has no column probability_other"):
        _scores(run)
    assert task_of(RunFolder(run).read()).name == "classify"
    assert task_of(RunRecord(identity={})).name == "segment"


# ---- what is shown


def _report(run: Path) -> ClassReport:
    arm = ClassArm(name="", evaluation=evaluate_classes(_scores(run), FEW), record=RunFolder(run).read())
    return ClassReport(title="A run", arms=(arm,))


def test_files_and_words(tmp_path: Path) -> None:
    run = _run(tmp_path, _drawn(30))
    found = evaluate_classes(_scores(run), FEW)
    evaluated(task_named("classify"), run, by=(), settings=FEW, write=True)
    record = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert record["lines"][0]["target"] == ALL
    assert (run / "confusion.csv").read_text(encoding="utf-8").count("\n") == 10
    assert (run / "evaluation.csv").read_text(encoding="utf-8").startswith("target,metric,group,value,cases")
    text = "\n".join(class_text_lines(found))
    assert "3 classes: 30 of 30 cases done, 0 failed" in text
    assert "accuracy of a class: the share of its images" in text
    assert len(whole_rows(found)[0]) == len(WHOLE_HEAD)
    assert [len(row) for row in confusion_rows(found, intervals=True)] == [4, 4, 4]


def test_the_page(tmp_path: Path) -> None:
    """It says what it must, names that hold marks stay words, and it asks no network for anything."""
    runs = [_run(tmp_path / name, _drawn(30, lift=lift)) for name, lift in (("a", 1.0), ("b", 2.0))]
    arms = tuple(
        ClassArm(name=name, evaluation=evaluate_classes(_scores(run), FEW), record=RunFolder(run).read())
        for name, run in zip(("base", "KT"), runs, strict=True)
    )
    page = render(task_named("classify"), ClassReport(title="base and KT", arms=arms, compared=_compared(*runs)))
    for said in (
        "research use only",
        "Each class, base",
        "Each class, KT",
        "Confusion table of KT",
        "Compared",
        "McNemar",
    ):
        assert said in page
    assert "<b>Heart" not in page
    assert "&lt;b&gt;Heart" in page
    assert page.count("<img ") == page.count('alt="') == 3
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "<script" not in page
    assert "SHA-256 " + "0" * 64 in page


def test_ours_beside_the_published_values(tmp_path: Path) -> None:
    protocol = load_protocol("chexpert")
    found = evaluate_classes(_scores(_run(tmp_path, _drawn(30))), FEW)
    rows = beside_classes(protocol, {"base": found, "kt": found})
    whole = next(row for row in rows if (row.target, row.arm) == (ALL, "base"))
    assert [one.value for one in whole.published] == [62.1, 19.4, 22.4]
    taught = next(row for row in rows if (row.target, row.arm) == ("Edema", "kt"))
    assert {one.condition for one in taught.published} == {"KT, lr 5e-5", "KT, lr 1e-5"}
    assert len(beside_class_row(whole)) == len(HEAD)
    text = "\n".join(class_protocol_lines(protocol, {"base": found}))
    assert "62.10 (MedCLIP-ViT, base)" in text
    assert "- unclear: the paper's choice of 1000 images" in text
    assert "second-hand" in text


def test_a_class_is_known_by_the_names_of_its_concept(tmp_path: Path) -> None:
    """JSRT's folder says "malignant", the publication "Lung Cancer"; what it chose by labels is said."""
    names = {"benign": "cxr_benign_nodule", "malignant": "cxr_lung_cancer"}
    rows = [
        {"concept": concept, "class_name": name, "predicted": "benign", "rank": 1 + n,
         "probability_cxr_benign_nodule": 0.9, "probability_cxr_lung_cancer": 0.1}
        for n, (name, concept) in enumerate(names.items())
    ]  # fmt: skip
    classes = [{"name": name, "concept": concept} for name, concept in names.items()]
    run = write_run(tmp_path, make_outcomes(rows), task="classification", classes=classes)
    found = evaluate_classes(_scores(run), FEW)
    protocol = load_protocol("jsrt")
    rows_of = {(row.target, row.arm): row for row in beside_classes(protocol, {"base": found, "kt": found})}
    assert [one.value for one in rows_of["malignant", "base"].published] == [83.93]
    assert len(rows_of["malignant", "kt"].published) == 5
    assert rows_of["malignant", "base"].ours.estimate == 0
    assert rows_of[ALL, "base"].published == ()
    text = "\n".join(class_protocol_lines(protocol, {"base": found}))
    assert "chosen there by the labels of the same images: lr 1e-5: learning rate" in text
    assert "among which classes the published accuracy was chosen is not said" in text

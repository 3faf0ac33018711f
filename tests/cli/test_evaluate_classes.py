"""`medkt evaluate` where classes are told apart, with the shipped small model: data sets in their published layout, manifests."""

import csv
import json
from pathlib import Path

import pytest
from datasets.dataset_trees import TREES
from whole_line import Command

from medkt.concepts import read_package
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.phantom.study import write_study

from .inline_engine import inline
from .small_package import write_small_package

__all__ = ["inline"]
pytestmark = pytest.mark.usefixtures("inline")

FEW = ("--resamples", "200", "-q")  # of the statistics alone
KINDS = {"pleural effusion": "cxr_effusion", "cardiomegaly": "cxr_cardiomegaly"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six radiographs of two kinds of three patients, one of them missing, in a manifest; packages; CheXpert's layout."""
    root = tmp_path_factory.mktemp("classes")
    cases = []
    for seed in range(6):
        name = list(KINDS)[seed % 2]
        study = write_study(root / f"s{seed}", domain="cxr", finding=KINDS[name], seed=seed, format="png", side=64)
        cases.append(
            Case(
                case_id=f"PLANTED-{seed}", image=study, modality="cxr", class_name=name, patient_id=f"PLANTED-P{seed // 2}",
                columns={"sex": "FM"[seed % 2]},
            )
        )  # fmt: skip
    write_manifest(cases, root / "cases.csv")
    cases[5].image.unlink()
    write_small_package(root / "heart.medkt", "cxr_cardiomegaly")
    write_small_package(root / "nodule.medkt", "cxr_nodule")
    (root / "chexpert").mkdir()
    TREES["chexpert"](root / "chexpert")
    return root


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_published_data_set(folder: Path, tmp_path: Path, medkt: Command) -> None:
    """Table, statistics, what was published, page; it goes on; and nothing of a patient in any of it."""
    run = tmp_path / "run"
    # its pictures are no films, and the guard would say so
    words = ("evaluate", "--no-guard", "--protocol", "chexpert", "--data", folder / "chexpert", "-o", run, *FEW)
    ran = medkt(*words)
    assert ran.code == 0, ran.err
    rows = rows_of(run)
    assert {row["class_name"] for row in rows} == {
        "Atelectasis",
        "Cardiomegaly",
        "Consolidation",
        "Edema",
        "Pleural Effusion",
    }
    for row in rows:
        shares = {name: float(value) for name, value in row.items() if name.startswith("probability_")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        rank = sum(value >= shares[f"probability_{row['concept']}"] for value in shares.values())
        assert int(row["rank"]) == rank
        assert (row["hit"] == "true") == (rank == 1) == (row["predicted"] == row["class_name"])
    assert "5 classes: 5 of 5 cases done, 0 failed" in ran.out
    assert "62.10 (MedCLIP-ViT, base)" in ran.out
    assert "- unclear: the paper's choice of 1000 images" in ran.out
    identity = json.loads((run / "run.json").read_text(encoding="utf-8"))["identity"]
    assert (identity["task"], identity["protocol"], identity["classes"][3]["name"]) == (
        "classification",
        "chexpert",
        "Edema",
    )
    assert identity["settings"] == {"rule": "direction", "text_pooling": "own", "window": "8-bit", "pixels": "float"}
    table = (run / "results.parquet").read_bytes()
    page = medkt("report", run, *FEW[:2])
    assert page.code == 0, page.err
    text = (run / "report.html").read_text(encoding="utf-8")
    for said in (
        "research use only",
        "Whose words stand for each class",
        "Failures by kind: none",
        "CheXpert, AAAI 2019",
    ):
        assert said in text
    other = tmp_path / "other"
    assert medkt(*words[: -len(FEW) - 1], other, "--salt", run / "salt", "--modality", "cxr", *FEW).code == 0
    assert medkt("compare", run, other, "-o", tmp_path / "two.html", *FEW[:2]).code == 0
    assert "MedCLIP-ViT" not in (tmp_path / "two.html").read_text(encoding="utf-8")  # which of the two would it be?
    again = medkt("evaluate", run, *FEW, "--json")
    record = json.loads(again.out)
    assert [one["cases"] for one in record["counts"]] == [1] * 5
    assert medkt(*words).code == 0
    assert (run / "results.parquet").read_bytes() == table
    for path in run.rglob("*"):
        assert not path.is_file() or b"patient00001" not in path.read_bytes()


def test_a_manifest_base_beside_kt(folder: Path, tmp_path: Path, medkt: Command) -> None:
    """The learnt concept is the class of its name; a broken case is a failure of both arms and in no number."""
    run = tmp_path / "run"
    words = ("evaluate", "--classify", "--manifest", folder / "cases.csv", "-c", folder / "heart.medkt", "-o", run)
    ran = medkt(*words, "--by", "sex", *FEW)
    assert ran.code == 4, ran.err
    assert "2 classes: 5 of 6 cases done, 1 failed" in ran.out
    assert "failed, unreadable: 1" in ran.out
    assert "asked: every class of the taught encoder" in ran.out
    assert "base and kt compared, second minus first" in ran.out
    records = [json.loads((run / arm / "run.json").read_text(encoding="utf-8")) for arm in ("base", "kt")]
    digest = read_package(folder / "heart.medkt").digest
    assert records[1]["models"]["encoder"]["packages"] == records[1]["identity"]["packages"] == [digest]
    assert "packages" not in records[0]["models"]["encoder"] | records[0]["identity"]
    assert records[0]["identity"]["concepts"] == records[1]["identity"]["concepts"]  # one question to both
    base, learnt = rows_of(run / "base"), rows_of(run / "kt")
    assert [row["case_id"] for row in base] == [row["case_id"] for row in learnt]
    for name in ("cosine_cxr_effusion", "cosine_cxr_cardiomegaly"):  # both are asked of the taught encoder
        assert all(one[name] != other[name] for one, other in zip(base, learnt, strict=True) if one["status"] == "done")
    assert [row["class_name"] for row in base if row["status"] == "failed"] == ["cardiomegaly"]
    compared = json.loads((run / "comparison.json").read_text(encoding="utf-8"))
    assert compared["schema"] == 1
    assert compared["lines"][0]["target"] == "all classes"
    assert (compared["lines"][0]["cases"], compared["lines"][0]["patients"]) == (5, 3)

    assert medkt("report", run, "--by", "sex", *FEW[:2]).code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Each class, KT" in page
    assert "every class of the taught encoder" in page
    ran = medkt("compare", run / "base", run / "kt", "-o", tmp_path / "two.html", *FEW[:2])
    assert ran.code == 0, ran.err
    assert "second minus first, over patients" in ran.out
    assert (tmp_path / "two.html").is_file()
    lines = [
        json.loads(line) for line in medkt("compare", run / "base", run / "kt", "--json", *FEW[:2]).out.splitlines()
    ]
    assert {line["metric"] for line in lines} == {"accuracy", "balanced accuracy", "AUC"}
    ran = medkt(
        "query", run / "kt", "SELECT class_name, count(*) AS n FROM results GROUP BY ALL ORDER BY 1", "--format", "csv"
    )
    assert ran.out.split() == ["class_name,n", "cardiomegaly,3", "pleural", "effusion,3"]
    for path in (*run.rglob("*"), tmp_path / "two.html"):
        assert not path.is_file() or b"PLANTED" not in path.read_bytes()


@pytest.mark.slow
def test_shards_are_the_whole(folder: Path, tmp_path: Path, medkt: Command) -> None:
    words = (
        "evaluate",
        "--classify",
        "--manifest",
        folder / "cases.csv",
        "-c",
        "cxr_effusion",
        "cxr_cardiomegaly",
        *FEW,
    )
    assert medkt(*words, "-o", tmp_path / "whole").code == 4
    for shard in ("1/2", "2/2"):
        ran = medkt(*words, "-o", tmp_path / "cut", "--salt", tmp_path / "whole" / "salt", "--shard", shard)
        assert "medkt batch merge" in ran.err
    assert medkt("batch", "merge", tmp_path / "cut").code in (0, 4)
    for table in ("results.parquet", "results.csv", "failures.csv"):
        assert (tmp_path / "cut" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()
    ran = medkt("evaluate", tmp_path / "cut", *FEW)
    assert "2 classes: 5 of 6 cases done, 1 failed" in ran.out
    ran = medkt(*words, "-o", tmp_path / "whole", "--keep-column", "sex")
    assert ran.code == 2
    assert "holds a run with other settings (columns:" in ran.err


@pytest.mark.slow
def test_jsrt_with_both_learnt_classes(tmp_path: Path, medkt: Command) -> None:
    """Each class has its own encoder, which the result says."""
    TREES["jsrt"](tmp_path / "jsrt")
    packages = [
        write_small_package(tmp_path / f"{name}.medkt", name) for name in ("cxr_benign_nodule", "cxr_lung_cancer")
    ]
    run = tmp_path / "run"
    ran = medkt("evaluate", "--protocol", "jsrt", "--data", tmp_path / "jsrt", "-c", *packages, "-o", run, *FEW)
    assert ran.code == 0, ran.err
    assert "asked: each learnt class of its own encoder, the others of the base" in ran.out
    assert "92.86 (MedCLIP (Swin-T), lr 2e-4)" in ran.out
    assert "label-tuned in the publication: the learning rate of knowledge transfer" in ran.out
    assert [row["class_name"] for row in rows_of(run / "kt")] == [row["class_name"] for row in rows_of(run / "base")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--protocol", "chexpert", "--data", "{tmp}/chexpert", "-c", "{tmp}/nodule.medkt"),
            "cxr_nodule (lung nodule) is none of the classes Atelectasis (cxr_atelectasis), Cardiomegaly",
        ),
        (
            ("--classify", "--manifest", "{tmp}/cases.csv", "-c", "{tmp}/nodule.medkt"),
            "cxr_nodule (lung nodule) is none of the classes pleural effusion (cxr_effusion), cardiomegaly",
        ),
        (
            ("--classify", "--manifest", "{tmp}/cases.csv", "-c", "cxr_effusion", "cxr_nodule"),
            "class 'cardiomegaly' of the manifest is none of cxr_effusion, cxr_nodule",
        ),
        (("--classify", "--manifest", "{tmp}/cases.csv", "--metrics", "dsc"), "--metrics belongs to masks"),
        (
            ("--classify", "--manifest", "{tmp}/cases.csv", "--by", "scanner"),
            "--by scanner: the manifest has no such column",
        ),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str, folder: Path, tmp_path: Path, medkt: Command) -> None:
    ran = medkt("evaluate", *(word.replace("{tmp}", str(folder)) for word in words), "-o", tmp_path / "run")
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_runs_of_two_tasks_are_not_compared(tmp_path: Path, medkt: Command) -> None:
    for name, identity in (("a", {"task": "classification"}), ("b", {})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"identity": identity, "models": None}), encoding="utf-8")
    ran = medkt("compare", tmp_path / "a", tmp_path / "b")
    assert ran.code == 2
    assert "tells classes apart and the other run segments" in ran.err
    ran = medkt("report", tmp_path / "a", "--volumes", "cases.csv")
    assert "--volumes shows masks on images, and this run made none" in ran.err

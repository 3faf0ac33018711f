"""Learnt concepts in cohorts, with the shipped small model: what a run records of them, and base beside KT."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from whole_line import Command

from medkt.concepts import read_package
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.phantom.study import reference_path, write_study

from .inline_engine import inline
from .small_package import write_small_package

__all__ = ["inline"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("inline")]

CHEAP = ("--set", "m2ib.steps=1", "--set", "m2ib.samples=1", "--set", "presence.gate=false", "-q")
FEW = ("--resamples", "200")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cysts with references in a manifest, and a package that changes what the model makes of them."""
    root = tmp_path_factory.mktemp("learnt")
    cases = []
    for seed in range(3):
        study = write_study(root / f"s{seed}", domain="ultrasound", finding="us_cyst", seed=seed, format="png", side=64)
        cases.append(
            Case(
                case_id=f"c{seed}", image=study, modality="ultrasound", references=(reference_path(study),),
                reference_kind="mask", columns={"sex": "FM"[seed % 2]},
            )
        )  # fmt: skip
    write_manifest(cases, root / "cases.csv")
    write_small_package(root / "cyst.medkt")
    return root


def identity(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return record


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_base_beside_kt_in_one_run(folder: Path, tmp_path: Path, medkt: Command) -> None:
    words = ("evaluate", "--manifest", folder / "cases.csv", "-c", folder / "cyst.medkt", "-o", tmp_path / "run")
    ran = medkt(*words, "--by", "sex", *CHEAP, *FEW)
    assert ran.code == 0, ran.err
    digest = read_package(folder / "cyst.medkt").digest
    base, learnt = tmp_path / "run" / "base", tmp_path / "run" / "kt"
    assert "packages" not in identity(base)["identity"] | identity(base)["models"]["encoder"]
    assert identity(learnt)["identity"]["packages"] == identity(learnt)["models"]["encoder"]["packages"] == [digest]
    scores = [[(row["case_id"], float(row["score"])) for row in rows_of(run)] for run in (base, learnt)]
    assert [case for case, _ in scores[0]] == [case for case, _ in scores[1]]  # one salt: the same pseudonyms
    assert all(one != other for (_, one), (_, other) in zip(*scores, strict=True))
    key = scores[0][0][0]
    records = [json.loads((run / "cases" / key / "result.json").read_text()) for run in (base, learnt)]
    assert records[0]["models"]["encoder"]["taught"] == []
    assert records[1]["models"]["encoder"]["taught"][0]["packages"] == [digest]
    assert records[0]["findings"][0]["prompts"] == records[1]["findings"][0]["prompts"]  # one question to both
    assert "base and kt compared, second minus first" in ran.out
    compared = json.loads((tmp_path / "run" / "comparison.json").read_text(encoding="utf-8"))
    assert compared["arms"] == ["base", "kt"]
    assert {line["comparison"]["metric"] for line in compared["lines"]} >= {"dsc", "iou"}
    assert compared["lines"][0]["comparison"]["patients"] == 3

    tables = {run: (run / "results.parquet").read_bytes() for run in (base, learnt)}
    again = medkt(*words, "--by", "sex", *CHEAP, *FEW, "--json")
    assert again.code == 0
    events = [json.loads(line) for line in again.out.splitlines()]
    assert [one["arm"] for one in events if one["event"] == "evaluation"] == ["base", "kt"]
    assert events[-1]["event"] == "comparison"
    assert {run: (run / "results.parquet").read_bytes() for run in (base, learnt)} == tables
    both = medkt("evaluate", tmp_path / "run", *FEW)
    assert "base and kt compared" in both.out
    assert medkt("report", tmp_path / "run", *FEW).code == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "base and KT compared" in page
    assert digest in page


def test_a_cohort_with_a_learnt_concept_goes_on_with_the_same_package_only(
    folder: Path, tmp_path: Path, medkt: Command
) -> None:
    package = tmp_path / "cyst.medkt"
    package.write_bytes((folder / "cyst.medkt").read_bytes())
    words = ("batch", "--manifest", folder / "cases.csv", "-c", package, "-o", tmp_path / "run", *CHEAP)
    ran = medkt(*words, "--json")
    assert ran.code == 0, ran.err
    run = tmp_path / "run"
    digest = read_package(package).digest
    assert identity(run)["identity"]["packages"] == identity(run)["models"]["encoder"]["packages"] == [digest]
    assert {row["concept"] for row in rows_of(run)} == {"us_cyst"}
    assert {row["present"] for row in rows_of(run)} == {""}  # the gate is off: nothing was decided
    assert medkt(*words).code == 0
    assert medkt("report", run, *FEW).code == 0
    assert digest in (run / "report.html").read_text(encoding="utf-8")

    write_small_package(tmp_path / "other.medkt", seed=1).replace(package)
    other = medkt(*words)
    assert other.code == 2
    assert "holds a run with other settings (packages: " in other.err
    base = medkt("batch", "--manifest", folder / "cases.csv", "-c", "us_cyst", "-o", run, *CHEAP)
    assert base.code == 2
    assert "packages: " in base.err


def test_rows_name_a_learnt_concept(folder: Path, tmp_path: Path, medkt: Command) -> None:
    """By its id or its name: the learnt one comes before the one that medkt has words for."""
    listed = (folder / "cases.csv").read_text(encoding="utf-8").splitlines()
    named = tmp_path / "named.csv"
    images = str(folder) + "/"
    table = list(csv.DictReader(listed))[:1]
    for one in table:
        one |= {"image": images + one["image"], "reference": images + one["reference"], "concept": "Simple Cyst"}
    with named.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)
    ran = medkt("batch", "--manifest", named, "-c", folder / "cyst.medkt", "-o", tmp_path / "run", *CHEAP)
    assert ran.code == 0, ran.err
    (row,) = rows_of(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "cases" / row["case_id"] / "result.json").read_text())
    assert record["models"]["encoder"]["taught"][0]["concepts"] == ["us_cyst"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("-c", "{made}/cyst.medkt", "--site", "ward", "--set", "presence.gate=false"),
            "--site decides presence, and with",
        ),
        (("-c", "{made}/cyst.medkt", "{tmp}/us_cyst.yaml"), "us_cyst is asked for with other words than those"),
        (("-c", "{tmp}/no.medkt"), "no.medkt"),
        (("-c", "{tmp}/torn.medkt"), "torn.medkt"),
    ],
)
@pytest.mark.parametrize("command", ["batch", "evaluate"])
def test_what_is_refused(
    command: str, words: tuple[str, ...], says: str, folder: Path, tmp_path: Path, medkt: Command
) -> None:
    content = (folder / "cyst.medkt").read_bytes()
    (tmp_path / "torn.medkt").write_bytes(content[: len(content) // 2])
    (tmp_path / "us_cyst.yaml").write_text(
        "version: 1\nmodality: ultrasound\nlicence: CC-BY-4.0\nauthor: a test\nsources: {own: our own}\nconcepts:\n"
        "  - id: us_cyst\n    name: cyst\n    source: [own]\n    captions: {prompt: [a ring]}\n",
        encoding="utf-8",
    )
    filled = [word.replace("{tmp}", str(tmp_path)).replace("{made}", str(folder)) for word in words]
    ran = medkt(command, "--manifest", folder / "cases.csv", "-o", tmp_path / "run", *filled)
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_package_of_another_model_ends_the_run(folder: Path, tmp_path: Path, medkt: Command) -> None:
    from learnt import make_words, write_learnt

    package = write_learnt(tmp_path / "pale.medkt", make_words("pale_disc", "bright disc"), 6.0)
    ran = medkt("batch", "--manifest", folder / "cases.csv", "-c", package, "-o", tmp_path / "run", "-q")
    assert ran.code == 2
    assert "the weights of pale_disc belong to bright-spots" in ran.err

"""`medkt batch` with the shipped small models on phantom studies: results, privacy, going on, shards, refusals.

The workers are real processes, so the models are the real small ones; the studies are tiny and the maps coarse.
"""

import csv
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from whole_line import Command

from medkt.cli import batch
from medkt.cli.main import COMMANDS, main
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.phantom.study import PLANTED, reference_path, write_study
from medkt.runs.ledger import Ledger

from .inline_engine import inline

__all__ = ["inline"]

COMMANDS.setdefault("batch", ("medkt.cli.batch", "many studies"))
COMMANDS.setdefault("query", ("medkt.cli.query", "questions to their tables"))
CHEAP = ("--set", "m2ib.steps=1", "--set", "m2ib.samples=1", "--set", "map.max_slices=1", "-q")
SMALL = {"shape": (4, 40, 32), "spacing_mm": (20.0, 8.0, 9.0), "side": 48}
STUDIES = (("ct", "ct_nodule", "dicom"), ("cxr", "cxr_nodule", "dicom"), ("ultrasound", "us_cyst", "nifti"))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies with references, and one that is cut off; ids, folders and headers name a patient."""
    root = tmp_path_factory.mktemp("PLANTED^FOLDER")
    cases = []
    for number, (domain, finding, form) in enumerate(STUDIES):
        study = write_study(
            root / f"PHANTOM^PLANTED-{number}",
            domain=domain,
            finding=finding,
            seed=number,
            format=form,
            **SMALL,  # type: ignore[arg-type]
        )
        cases.append(
            Case(
                case_id=f"MEDKT-PLANTED-ID-{number}", patient_id="MEDKT-PLANTED-ID", image=study, modality=domain,
                references=(reference_path(study),), reference_kind="mask", concept=finding,
                columns={"sex": "F", "born": "19620304"},
            )
        )  # fmt: skip
    cut = root / "PHANTOM^PLANTED.nii.gz"
    cut.write_bytes((root / "PHANTOM^PLANTED-2" / "image.nii.gz").read_bytes()[:200])
    cases.append(
        Case(
            case_id="MEDKT-PLANTED-ID-9", image=cut, modality="ultrasound", reference_kind="empty", concept="us_cyst",
            columns={"sex": "M", "born": "19620304"},
        )
    )  # fmt: skip
    write_manifest(cases, root / "cohort.csv")
    return root / "cohort.csv"


@pytest.fixture(scope="module")
def finished(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of that manifest."""
    run = tmp_path_factory.mktemp("runs") / "run"
    stream = StringIO()
    with redirect_stdout(stream):
        words = ["--manifest", str(manifest), "-o", str(run), "--keep-column", "sex", "--json", *CHEAP]
        assert main(["batch", *words]) == 4
    (run.parent / "stream.jsonl").write_text(stream.getvalue())
    return run


def _rows(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_case_has_its_row_and_its_files(finished: Path) -> None:
    rows = _rows(finished)
    assert [row["status"] for row in rows].count("done") == 3
    assert {row["concept"] for row in rows} == {"ct_nodule", "cxr_nodule", "us_cyst"}
    for row in rows:
        folder = finished / "cases" / row["case_id"]
        if row["status"] == "failed":
            assert (row["failure"], row["kept_sex"]) == ("unreadable", "M")
            assert not folder.exists()
            continue
        assert 0 <= float(row["dsc"] or 0) <= 1
        assert row["kept_sex"] == "F"
        record = json.loads((folder / "result.json").read_text())
        assert record["case"] == row["case_id"]
        assert (folder / record["findings"][0]["files"]["mask"]).is_file()
        assert (folder / "report.html").is_file()
        measures = record["findings"][0]["measures"]
        assert int(row["lesion_count"]) == measures["lesion_count"]
        assert row["largest_long_axis"] == (
            "" if measures["largest"] is None else str(measures["largest"]["long_axis"])
        )
        assert not {"voxels", "volume_ml", "area", "long_axis"} & set(row)  # of which lesion would they be?
    assert len({row["patient"] for row in rows if row["status"] == "done"}) == 1
    models = json.loads((finished / "run.json").read_text())["models"]
    assert len(models["encoder"]["digest"]) == len(models["segmenter"]["digest"]) == 64


def test_the_json_lines_say_what_happened(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished.parent / "stream.jsonl").read_text().splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("start", "end")
    cases = [line for line in lines if line["event"] == "case"]
    assert sorted(line["status"] for line in cases) == ["done", "done", "done", "failed"]
    assert lines[-1] | {"event": ""} == {
        "event": "", "total": 4, "pending": 0, "running": 0, "done": 3, "failed": 1, "no_claim": 0,
        "failures": {"unreadable": 1}, "stopped": "",
    }  # fmt: skip


def test_no_output_names_the_patient(finished: Path, manifest: Path) -> None:
    planted = {part for value in PLANTED.values() for part in (value, value.replace("^", " "))}
    planted |= {str(manifest.parent), "PLANTED"}
    seen = 0
    for name, content in _contents(finished.parent):
        seen += 1
        for text in planted:
            assert text.encode() not in content, f"{text} in {name}"
            assert text.encode("utf-16-le") not in content, f"{text} in {name}"
            assert text not in name
    assert seen > 30


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and what is inside those that pack or compress."""
    import gzip

    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name, content = str(path.relative_to(root)), path.read_bytes()
        yield name, content
        if path.suffix == ".parquet":
            yield name, str(pq.read_table(path).to_pydict()).encode() + str(pq.read_metadata(path)).encode()
        elif path.suffix == ".gz":
            yield name, gzip.decompress(content)
        elif path.suffix == ".sqlite":
            database = sqlite3.connect(path)
            yield name, "\n".join(database.iterdump()).encode()
            database.close()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((f"{name}/{one}", packed.read(one)) for one in packed.namelist())


def test_the_same_command_goes_on_and_another_is_refused(finished: Path, manifest: Path, medkt: Command) -> None:
    before = (finished / "results.parquet").read_bytes()
    words = ("batch", "--manifest", manifest, "-o", finished, "--keep-column", "sex", *CHEAP)
    assert medkt(*words).code == 4
    assert (finished / "results.parquet").read_bytes() == before
    other = medkt(*words, "--set", "m2ib.steps=2")
    assert other.code == 2
    assert "settings.saliency.method.steps: 1 in the run, 2 now" in other.err
    threads = medkt(*words, "--threads", "2")
    assert threads.code == 2
    assert "threads: 1 in the run, 2 now" in threads.err
    assert (finished / "results.parquet").read_bytes() == before


def test_status_and_retry(finished: Path, medkt: Command) -> None:
    said = medkt("batch", "status", finished)
    assert said.code == 0
    assert "3 of 4 cases done, 1 failed (1 unreadable)" in said.out
    assert json.loads(medkt("batch", "status", finished, "--json").out)["failed"] == 1
    assert "0 failed cases are pending again" in medkt("batch", "retry", finished, "--kind", "timeout").out
    with Ledger(finished / "ledger.sqlite", read_only=True) as ledger:
        assert ledger.counts()["failed"] == 1


@pytest.mark.usefixtures("inline")
def test_two_shards_merged_are_the_run(finished: Path, manifest: Path, tmp_path: Path, medkt: Command) -> None:
    """The shards are done in this process, the run by a worker: the same bytes."""
    for shard in ("1/2", "2/2"):
        words = ("--keep-column", "sex", "--salt", finished / "salt", "--shard", shard, *CHEAP)
        assert medkt("batch", "--manifest", manifest, "-o", tmp_path / "run", *words).code in (0, 4)
    merged = medkt("batch", "merge", tmp_path / "run")
    assert merged.code == 0, merged.err
    for table in ("results", "failures"):
        for suffix in ("parquet", "csv"):
            name = f"{table}.{suffix}"
            assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()
    answer = medkt("query", tmp_path / "run", "SELECT count(*) AS n FROM results", "--format", "csv")
    assert answer.out.split() == ["n", "4"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say which cases and where to"),
        (("status",), "say which run: medkt batch status RUN"),
        (("status", "{tmp}"), "holds no run of `medkt batch`"),
        (("retry", "{tmp}", "--kind", "bad"), "--kind bad: no kind of failure; known: unreadable, "),
        (("merge", "{tmp}"), "say where the merged run goes"),
        (("--manifest", "{tmp}/no.csv", "-o", "{tmp}/run", "-c", "ct_nodule"), "there is no such table"),
        (("--manifest", "x.csv", "-o", "{tmp}/run", "--workers", "0"), "--workers 0: at least 1 is needed"),
        (("--manifest", "x.csv", "-o", "{tmp}/run", "--shard", "0/2"), "--shard 0/2: expected i/n"),
        (("--manifest", "x.csv", "-o", "{tmp}/run", "--max-failures", "x"), "--max-failures x: expected a number"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str, tmp_path: Path, medkt: Command) -> None:
    ran = medkt("batch", *(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_actions_are_those_that_the_help_names() -> None:
    assert batch.ACTIONS == ("run", "status", "retry", "merge", "verify")

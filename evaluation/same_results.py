"""Do two checkouts give the same results? A recorded run of each kind, compared byte for byte.

    python evaluation/same_results.py record OUT --root CHECKOUT      # some minutes; everything the runs write, and their stdout
    python evaluation/same_results.py compare BEFORE AFTER            # a line a file that differs, and how many do not

What is recorded (`STEPS`): segment of every modality, from DICOM and from NIfTI, in every format; explain; classify; batch with a
case that fails, its two shards and their merge; evaluate of models, of two folders of masks and of classes; compare of two runs;
report of each; query; calibrate, and segment by the calibration; learn by text and by images, and segment by what was learnt; invert.

Results depend on no clock, but records name times, versions and a run's own digests of these: `VOLATILE` says which keys of JSON and
which columns of tables are left out, and nothing else is. Pages are compared by their text and by the numbers in their pictures; PNG,
NIfTI, DICOM and others by their bytes, DICOM objects without the UIDs and times that are new in every one.
"""

import argparse
import csv
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

VOLATILE = frozenset({"seconds", "per_second", "seconds_left", "sum", "tables", "schema"})
"""Keys and columns that say when, how fast or in which form, not what was found; "sum" and "tables" are digests over such."""
PASSING = ("salt", "timings.csv", "timings.parquet")
"""Files that are new in every run, as are those of its workers and what lies in a home of models."""

MODALITIES = {"cxr_nodule": "cxr", "ct_tumour": "ct", "mri_glioma": "mri", "us_cyst": "ultrasound"}
FINDINGS = tuple(MODALITIES)
MEDKT = [sys.executable, "-m", "medkt"]


def _studies(work: Path) -> Iterator[list[str]]:
    for finding in FINDINGS:
        for number in (1, 2, 3):
            form = "dicom" if number == 2 else "nifti"
            yield [
                "phantom",
                "--finding",
                finding,
                "--seed",
                str(number),
                "--format",
                form,
                "-o",
                f"{finding}_{number}",
            ]
    for domain in ("cxr", "ct", "mri", "ultrasound"):
        yield [
            "phantom",
            "--finding",
            "none",
            "--domain",
            domain,
            "--seed",
            "9",
            "--format",
            "nifti",
            "-o",
            f"normal_{domain}",
        ]


STEPS: tuple[tuple[str, list[str]], ...] = (
    *(
        (f"segment_{finding}", ["segment", "-i", f"{finding}_1/{{image}}", "--modality", MODALITIES[finding], "-c", finding, "-o", f"segment_{finding}"])
        for finding in FINDINGS
    ),
    ("segment_dicom", ["segment", "-i", "ct_tumour_2/{image}", "-c", "ct_tumour", "-f", "nifti,png,dicom-seg,nrrd,mha", "-o", "segment_dicom"]),
    ("segment_words", ["segment", "-i", "us_cyst_1/{image}", "-p", "a round dark cyst", "--modality", "ultrasound", "-o", "words"]),
    ("segment_m2ib", ["segment", "-i", "cxr_nodule_1/{image}", "--modality", "cxr", "-c", "cxr_nodule", "--set", "m2ib.layer=4", "-o", "m2ib"]),
    ("explain", ["explain", "-i", "cxr_nodule_1/{image}", "--modality", "cxr", "-c", "cxr_nodule", "-o", "explain"]),
    ("classify", ["classify", "-i", "cxr_nodule_1/{image}", "--modality", "cxr", "-c", "cxr_nodule", "cxr_mass", "cxr_effusion", "--json"]),
    ("batch", ["batch", "--manifest", "cases.csv", "-o", "batch", "--keep-ids"]),
    ("batch_status", ["batch", "status", "batch", "--json"]),
    ("shard_1", ["batch", "--manifest", "cases.csv", "-o", "sharded", "--keep-ids", "--shard", "1/2"]),
    ("shard_2", ["batch", "--manifest", "cases.csv", "-o", "sharded", "--keep-ids", "--shard", "2/2"]),
    ("merge", ["batch", "merge", "sharded"]),
    ("evaluate", ["evaluate", "--manifest", "cases.csv", "-o", "evaluated", "--keep-ids", "--json", "--by", "sex", "--keep-column", "sex"]),
    ("evaluate_m2ib", ["evaluate", "--manifest", "cases.csv", "-o", "evaluated_m2ib", "--keep-ids", "--json", "--set", "m2ib.layer=4"]),
    (
        "evaluate_masks",
        ["evaluate", "--reference", "true", "--prediction", "mine", "-o", "masks", "-c", "lesion", "--keep-ids", "--json",
         "--metrics", "dsc,iou,nsd,hd95,assd,volume,lesions"],
    ),
    ("evaluate_classes", ["evaluate", "--manifest", "classes.csv", "--classify", "-o", "classes", "--keep-ids", "--json"]),
    ("evaluate_classes_mean", ["evaluate", "--manifest", "classes.csv", "--classify", "--rule", "mean", "-o", "classes_mean", "--keep-ids"]),
    ("compare", ["compare", "evaluated", "evaluated_m2ib", "--json", "-o", "compared.html"]),
    ("compare_classes", ["compare", "classes", "classes_mean", "--json", "-o", "compared_classes.html"]),
    ("report_batch", ["report", "batch"]),
    ("report_evaluated", ["report", "evaluated", "--by", "sex"]),
    ("report_masks", ["report", "masks"]),
    ("report_classes", ["report", "classes"]),
    ("query", ["query", "evaluated", "SELECT case_id, concept, dsc, iou FROM results ORDER BY case_id, concept"]),
    ("calibrate", ["calibrate", "cxr_nodule", "-m", "normals.csv", "--site", "here", "-o", "calibration.json", "--json"]),
    ("learn_text", ["learn", "cxr_cavity", "--how", "text", "-o", "asked.medkt", "--audit", "none", "--json"]),
    ("learn_images", ["learn", "us_fat_necrosis", "--preset", "fast", "-o", "learnt.medkt", "--audit", "none", "--json"]),
    ("segment_asked", ["segment", "-i", "cxr_nodule_1/{image}", "--modality", "cxr", "-c", "asked.medkt", "-o", "segment_asked"]),
    ("segment_learnt", ["segment", "-i", "us_cyst_1/{image}", "--modality", "ultrasound", "-c", "learnt.medkt", "-o", "segment_learnt"]),
    ("invert", ["invert", "-c", "cxr_cavity", "--images", "2", "-o", "inverted"]),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--only", nargs="*", help="names of steps")
    parser.add_argument("--lines", type=int, default=6, help="of each difference that are shown")
    arguments = parser.parse_args(argv)
    if arguments.what == "record":
        record(arguments.folders[0], arguments.root.resolve(), arguments.only)
        return 0
    return compare(*arguments.folders, lines=arguments.lines)


# ---- record


def record(out: Path, root: Path, only: Sequence[str] | None) -> None:
    """Every step in one folder, its stdout beside its files."""
    out.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "MEDKT_HOME": str(out.resolve() / "home"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }

    def step(name: str, arguments: list[str]) -> None:
        done = subprocess.run(
            [*MEDKT, *arguments], cwd=out, env=environment, capture_output=True, text=True, check=False
        )
        said = f"exit code {done.returncode}\n{done.stdout}"
        (out / f"{name}.out").write_text(said, encoding="utf-8")
        (out / f"{name}.err").write_text(done.stderr, encoding="utf-8")
        print(f"{name}: exit {done.returncode}", flush=True)

    if not (out / "cases.csv").exists():
        for number, arguments in enumerate(_studies(out)):
            step(f"phantom_{number}", arguments)
        _tables(out)
    for name, arguments in STEPS:
        if only is None or name in only:
            step(name, [_image(out, word) for word in arguments])


def _image(out: Path, word: str) -> str:
    if not word.endswith("/{image}"):
        return word
    folder = out / word.removesuffix("/{image}")
    return str(
        next(path for path in sorted(folder.iterdir()) if path.name.startswith(("image", "series"))).relative_to(out)
    )


def _tables(out: Path) -> None:
    """The manifests, and two folders of masks: the reference, and the same moved by two voxels."""
    import nibabel
    import numpy as np

    rows = []
    for finding in FINDINGS:
        for number in (1, 2, 3):
            folder = f"{finding}_{number}"
            image = _image(out, f"{folder}/{{image}}")
            rows.append({
                "case_id": folder, "image": image, "reference": f"{folder}/reference.nii.gz",
                "concept": finding, "modality": MODALITIES[finding], "sex": "FM"[number % 2], "patient_id": f"p{len(rows) // 2}",
            })  # fmt: skip
    rows[-1]["image"] = "absent.nii.gz"
    _write(out / "cases.csv", rows)
    classes = [
        {"case_id": row["case_id"], "image": row["image"], "class_name": row["concept"], "modality": "cxr"}
        for row in rows
        if row["concept"] in ("cxr_nodule",)
    ]
    classes += [
        {"case_id": "normal", "image": _image(out, "normal_cxr/{image}"), "class_name": "cxr_mass", "modality": "cxr"}
    ]
    _write(out / "classes.csv", classes)
    normals = [
        {"case_id": f"n{number}", "image": _image(out, "normal_cxr/{image}"), "modality": "cxr"} for number in range(1)
    ]
    for number in range(20):
        folder = f"normals/{number}"
        subprocess.run([*MEDKT, "phantom", "--finding", "none", "--domain", "cxr", "--seed", str(100 + number), "--format", "nifti", "-q", "-o", folder],
                       cwd=out, check=True, capture_output=True)  # fmt: skip
        normals.append({"case_id": f"m{number}", "image": _image(out, f"{folder}/{{image}}"), "modality": "cxr"})
    _write(out / "normals.csv", normals)
    for folder in ("true", "mine"):
        (out / folder).mkdir()
    for row in rows:
        if not row["case_id"].endswith("_2"):
            shutil.copy(out / row["reference"], out / "true" / f"{row['case_id']}.nii.gz")
            mask = nibabel.load(out / row["reference"])
            moved = np.roll(np.asarray(mask.dataobj), 2, axis=0)
            nibabel.save(
                nibabel.Nifti1Image(moved, mask.affine, mask.header), out / "mine" / f"{row['case_id']}.nii.gz"
            )


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# ---- compare


def compare(before: Path, after: Path, *, lines: int) -> int:
    """Prints what differs; 0 where nothing does."""
    names = sorted(
        {path.relative_to(folder) for folder in (before, after) for path in folder.rglob("*") if path.is_file()}
    )
    same, bytes_same, other = 0, 0, list[str]()
    for name in names:
        one, two = before / name, after / name
        if name.suffix in (".err", ".lock") or name.name.endswith(("-wal", "-shm")):
            continue
        if name.name in PASSING or {"workers", "home"} & set(name.parts):
            continue
        if not (one.exists() and two.exists()):
            other.append(f"{name}: only {'before' if one.exists() else 'after'}")
        elif one.read_bytes() == two.read_bytes():
            same, bytes_same = same + 1, bytes_same + 1
        elif (texts := [as_text(path) for path in (one, two)])[0] == texts[1]:
            same += 1
        else:
            told = difflib.unified_diff(
                texts[0].splitlines(), texts[1].splitlines(), "before", "after", lineterm="", n=0
            )
            other.append("\n    ".join([f"{name}: differs", *list(told)[2 : 2 + lines]]))
    print("\n".join(other))
    print(f"{same} files the same, {bytes_same} of them byte for byte; {len(other)} differ")
    return 1 if other else 0


def as_text(path: Path) -> str:
    """What of a file is compared where its bytes differ."""
    readers: dict[str, Callable[[Path], str]] = {
        ".json": _json, ".jsonl": _json_lines, ".out": _out, ".csv": _table, ".parquet": _parquet, ".html": _page,
        ".dcm": _dicom, ".medkt": _package, ".sqlite": _ledger, ".gz": _unzipped, ".txt": _plain, ".log": _plain,
    }  # fmt: skip
    return readers.get(path.suffix, _digest)(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unzipped(path: Path) -> str:
    import gzip

    return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()


def _plain(path: Path) -> str:
    return _without_times(path.read_text(encoding="utf-8"))


def _without_times(text: str) -> str:
    text = re.sub(r"\d+(\.\d+)? ?(s|seconds|minutes|min|ms)\b", "SECONDS", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z| UTC)?", "TIME", text)
    return text


def _json(path: Path) -> str:
    return json.dumps(_steady(json.loads(path.read_text(encoding="utf-8"))), indent=1, sort_keys=True)


def _json_lines(path: Path) -> str:
    return "\n".join(
        json.dumps(_steady(json.loads(line))) for line in path.read_text(encoding="utf-8").splitlines() if line
    )


def _out(path: Path) -> str:
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.dumps(_steady(json.loads(line))))
        except ValueError:
            lines.append(_without_times(line))
    return "\n".join(lines)


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        if "m2ib" in value and "saliency" not in value:  # as the settings of M2IB stood before methods had names
            value = {**value, "saliency": {"method": {"name": "m2ib", **value["m2ib"]}}}
            del value["m2ib"]
        return {key: _steady(one) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_steady(one) for one in value]
    return _without_times(value) if isinstance(value, str) else value


def _table(path: Path) -> str:
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    return "\n".join(json.dumps(_steady(row)) for row in rows)


def _parquet(path: Path) -> str:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return "\n".join([str(table.schema), *(json.dumps(_steady(row), default=str) for row in table.to_pylist())])


def _page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<style.*?</style>|<script.*?</script>", "", text, flags=re.S)
    pictures = re.findall(r'src="data:image/[a-z+]+;base64,([^"]+)"', text)
    words = re.sub(r"<[^>]+>", " ", text)
    lines = [" ".join(line.split()) for line in re.split(r"\n", words)]
    digests = [hashlib.sha256(one.encode()).hexdigest() for one in pictures]
    return _without_times("\n".join([" ".join(line for line in lines if line), *digests]).replace(". ", ".\n"))


def _dicom(path: Path) -> str:
    import pydicom

    held = pydicom.dcmread(path)
    lines = [line for line in str(held).splitlines() if not re.search(r" (UI|DT|TM|DA):| UI: ", line)]
    return "\n".join([*lines, hashlib.sha256(held.PixelData).hexdigest() if "PixelData" in held else ""])


def _package(path: Path) -> str:
    with ZipFile(path) as held:
        parts = []
        for name in sorted(held.namelist()):
            body = held.read(name)
            parts += [
                name,
                json.dumps(_steady(json.loads(body)), indent=1)
                if name.endswith(".json")
                else hashlib.sha256(body).hexdigest(),
            ]
    return "\n".join(parts)


def _ledger(path: Path) -> str:
    import sqlite3

    lines = []
    with sqlite3.connect(path) as held:
        held.row_factory = sqlite3.Row
        for (table,) in held.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").fetchall():
            rows = [dict(row) for row in held.execute(f'SELECT * FROM "{table}"')]
            lines += [table, *sorted(json.dumps(_steady(row), default=repr) for row in rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

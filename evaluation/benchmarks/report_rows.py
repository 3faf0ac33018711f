"""How long `medkt report` takes for very many rows, and how much memory.

    python evaluation/benchmarks/report_rows.py --rows 1000000 --folder /tmp/rows

Numbers are drawn, not computed: five concepts, two cases a patient, 3 % failures, subgroups by sex and site.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    draw_run(arguments.folder, arguments.rows)
    began = time.perf_counter()
    words = ["report", str(arguments.folder), "--by", "sex,site"]
    subprocess.run([sys.executable, "-m", "medkt", *words], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{arguments.rows} rows: {time.perf_counter() - began:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of processor), "
          f"{used.ru_maxrss / 2**20:.2f} GiB at most, page of {(arguments.folder / 'report.html').stat().st_size / 2**20:.1f} MiB")  # fmt: skip


def draw_run(folder: Path, rows: int) -> None:
    """A run's record and result table."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    failed = random.random(rows) < 0.03
    positive, seen = random.random(rows) < 0.4, random.random(rows) < 0.5
    outcome = np.where(
        positive, np.where(seen, "normal", "prediction empty"), np.where(seen, "reference empty", "both empty")
    )
    numbers = np.where(seen, random.beta(4, 2, rows), 0.0)
    missing = failed | (outcome == "both empty")
    columns = {
        "case_id": [f"case-{n:020x}" for n in range(rows)], "patient": [f"patient-{n // 2:020x}" for n in range(rows)],
        "concept": np.array([f"concept_{k}" for k in range(5)])[np.arange(rows) * 5 // rows],
        "status": np.where(failed, "failed", "done"), "failure": pa.array(np.where(failed, "unreadable", ""), mask=~failed),
        "present": pa.array(seen, mask=failed), "outcome": pa.array(outcome, mask=failed),
        **{name: pa.array(numbers * part, mask=missing) for name, part in (("dsc", 1.0), ("iou", 0.8), ("nsd@2mm", 0.6))},
        "sex": np.array(["F", "M"])[random.integers(0, 2, rows)],
        "site": np.array(["a", "b", "c", "d"])[random.integers(0, 4, rows)],
    }  # fmt: skip
    write_table(pa.table(columns), folder / "results.parquet", compression="zstd")
    (folder / "run.json").write_text(json.dumps({"identity": {"medkt": "0"}, "models": None}), encoding="utf-8")


if __name__ == "__main__":
    main()

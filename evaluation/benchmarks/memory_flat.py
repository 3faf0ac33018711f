"""Does memory stay flat from study to study, and does a large CT fit? Resident memory of this process, in MiB.

    python evaluation/benchmarks/memory_flat.py            # print
    python evaluation/benchmarks/memory_flat.py --write    # and keep it in evaluation/results/memory_flat.md

First 50 small studies of all domains go through one `Pipeline`; between the tenth and the last, memory may grow by a
few MiB and no more. Then a CT of 512 x 512 x 600 voxels, written slice by slice so that making it takes no memory, is
segmented from its NIfTI file in a process of its own; the peak is what the system counted (`ru_maxrss`).
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from medkt.about import __version__
from medkt.concepts import load_concept
from medkt.config import resolve
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View
from medkt.report.study_folder import Formats, write_result
from medkt.segmentation.slicewise import SegmentationSettings

CASES = 50
FINDINGS = (("ct", "ct_nodule"), ("mri", "mri_glioma"), ("cxr", "cxr_nodule"), ("ultrasound", "us_cyst"))
LARGE = (600, 512, 512)  # slices, rows, columns
ALLOWED_GROWTH_MIB = 32
ALLOWED_PEAK_MIB = 4096


def resident() -> float:
    """MiB of this process."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def many_cases(cases: int) -> list[float]:
    """Resident memory after each of `cases` studies that were read, segmented and written."""
    settings = resolve(SegmentationSettings, sets=("m2ib.steps=3", "presence.gate=false", "map.max_slices=3"))
    pipeline = Pipeline.load("small", device="cpu", settings=settings)
    after = []
    with tempfile.TemporaryDirectory() as name:
        for case in range(cases):
            domain, finding = FINDINGS[case % len(FINDINGS)]
            folder = Path(name) / str(case)
            study = write_study(
                folder, domain=domain, finding=finding, seed=case, format="dicom", shape=(6, 96, 96),
                spacing_mm=(8.0, 3.0, 3.0), side=160,
            )  # fmt: skip
            result = pipeline.segment_file(study, [load_concept(finding)])
            write_result(result, folder / "out", formats=Formats(dicom_seg=True), name=str(case))
            after.append(resident())
    return after


def write_large_ct(path: Path) -> None:
    """A chest-like CT as .nii, slice by slice: a body of water, two lungs, noise, a nodule in thirty slices."""
    slices, rows, columns = LARGE
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((columns, rows, slices))
    header.set_sform(np.diag([-0.7, -0.7, 1.0, 1.0]), code=1)
    header.set_xyzt_units("mm")
    header["magic"], header["vox_offset"] = b"n+1", 352
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = (x / 0.85) ** 2 + (y / 0.62) ** 2 < 1
    lungs = ((np.abs(x) - 0.4) / 0.28) ** 2 + (y / 0.42) ** 2 < 1
    nodule = (x - 0.4) ** 2 + (y - 0.1) ** 2 < 0.03**2
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(header.binaryblock + b"\0" * 4)
        for index in range(slices):
            plane = np.where(lungs, -850.0, np.where(body, 40.0, -1000.0))
            plane[nodule & (285 <= index < 315)] = 30.0
            plane += rng.normal(0, 20, plane.shape)
            file.write(np.ascontiguousarray(plane.clip(-1024, 3071).astype("<i2")).tobytes())


def large_ct(path: Path) -> dict[str, float]:
    """Seconds and peak memory of one large CT: reading, segmenting, writing; run in a process of its own."""
    pipeline = Pipeline.load("small", device="cpu")
    before, began = resident(), time.perf_counter()
    result = pipeline.segment_file(path, [load_concept("ct_nodule")], view=View(modality="ct"))
    segmented = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as name:
        write_result(result, Path(name) / "out", formats=Formats(), name="large")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (finding,) = result.findings
    return {
        "before": before,
        "peak": peak,
        "planes": len(finding.looked.positions),
        "mapped": len(finding.found.slices),
        "segment": segmented,
        "write": time.perf_counter() - began - segmented,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--write", action="store_true", help="keep the table in evaluation/results/memory_flat.md")
    parser.add_argument("--large", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.large:
        print(json.dumps(large_ct(arguments.large)))
        return 0
    after = many_cases(arguments.cases)
    tenth = min(9, len(after) - 1)
    growth = max(after[tenth:]) - after[tenth]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "large.nii"
        write_large_ct(path)
        command = [sys.executable, str(Path(__file__).resolve()), "--large", str(path)]
        large = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    shape = " x ".join(map(str, LARGE))
    lines = [
        "# Memory",
        "",
        f"medkt {__version__}, `python evaluation/benchmarks/memory_flat.py --write`; models small, CPU.",
        "",
        "| what | MiB | wanted |",
        "|---|---|---|",
        f"| resident after 1 study | {after[0]:.0f} | |",
        f"| resident after 10 studies | {after[tenth]:.0f} | |",
        f"| resident after {len(after)} studies | {after[-1]:.0f} | |",
        f"| most growth after the tenth | {growth:.0f} | at most {ALLOWED_GROWTH_MIB} |",
        f"| before a CT of {shape} int16 (NIfTI) | {large['before']:.0f} | |",
        f"| peak while it was read, segmented and written | {large['peak']:.0f} | at most {ALLOWED_PEAK_MIB} |",
        "",
        f"The large CT: {large['planes']:.0f} planes looked at for presence, {large['mapped']:.0f} mapped; "
        f"{large['segment']:.0f} s to segment, {large['write']:.0f} s to write.",
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (Path(__file__).resolve().parents[1] / "results" / "memory_flat.md").write_text(table, encoding="utf-8")
    return 0 if growth <= ALLOWED_GROWTH_MIB and large["peak"] <= ALLOWED_PEAK_MIB else 1


if __name__ == "__main__":
    sys.exit(main())

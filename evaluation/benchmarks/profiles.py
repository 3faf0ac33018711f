"""Where the time of a cohort goes: an earlier version beside this one, in processor seconds, and the functions that take most.

    git worktree add --detach /tmp/before c470ba1
    python evaluation/benchmarks/profiles.py --beside /tmp/before --write     # both versions, and the table is kept
    python evaluation/benchmarks/profiles.py --only "evaluate"                # print some of it

The work: two folders of masks of 512 x 512 (PNG; DSC, IoU, NSD, HD95, ASSD) beside a plain loop over surface-distance, a
batch of cheap studies, the page of either run, one radiograph, one CT, and reading a CT of 200 x 512 x 512 beside
SimpleITK. Seconds are those of all processes of a command on one thread, with cached bytecode, start-up included; of
reading those of the reading alone, without its imports. Each is the least of `--repeats` runs, in which the versions
take turns. Then each command of this version runs once more under cProfile, every thread by its own clock: shares are of
the time that a function takes itself, "imports" are all that loading modules takes.
"""

import argparse
import compileall
import os
import platform
import pstats
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from batch_cost import CHEAP, draw, revision_of
from PIL import Image as Picture

from medkt.phantom.study import write_study

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "evaluation" / "results" / "profiles.md"
SIDE = 512
TOP = 6
METRICS = "dsc,iou,nsd,hd95,assd"

# Put before everything else that a process loads; a thread has a profile by the clock of its own.
OBSERVER = """
import atexit, cProfile, os, threading, time
into = os.environ.get("PROFILED_INTO")
if into:
    made, body = [], threading.Thread.run
    def observed(call, *words):
        one = cProfile.Profile(time.thread_time)
        made.append(one)
        one.enable()
        try:
            return call(*words)
        finally:
            one.disable()
    threading.Thread.run = lambda self: observed(body, self)
    main = cProfile.Profile(time.thread_time)
    def kept():
        main.disable()
        for number, one in enumerate([main, *made]):
            one.create_stats()
            one.dump_stats(f"{into}/{os.getpid()}-{number}.prof")
    atexit.register(kept)
    main.enable()
"""

PLAIN = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from scipy import ndimage
for name in ("filters", "morphology"):
    if not hasattr(ndimage, name):
        setattr(ndimage, name, ndimage)
if not hasattr(np, "Inf"):
    np.Inf = np.inf
import surface_distance as sd
means = []
for path in sorted(Path(sys.argv[1]).iterdir()):
    first, second = (np.asarray(Image.open(one)) > 0 for one in (path, Path(sys.argv[2]) / path.name))
    found = sd.compute_surface_distances(first, second, (1, 1))
    dsc = sd.compute_dice_coefficient(first, second)
    assd = sum(float((found[f"distances_{a}_to_{b}"] * found[f"surfel_areas_{a}"]).sum()) for a, b in (("gt", "pred"), ("pred", "gt")))
    assd /= float(found["surfel_areas_gt"].sum() + found["surfel_areas_pred"].sum())
    means.append((dsc, dsc / (2 - dsc), sd.compute_surface_dice_at_tolerance(found, 2), sd.compute_robust_hausdorff(found, 95), assd))
print(np.mean(means, axis=0))
"""

READING = """
import sys, time
def ours():
    from medkt import read_image
    return lambda: read_image(sys.argv[2]).values.sum()
def other():
    import SimpleITK as sitk
    reader = sitk.ImageSeriesReader()
    def read():
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[2]))
        image = reader.Execute()
        return sitk.GetArrayViewFromImage(image).sum()
    return read
read, spent = {"medkt": ours, "SimpleITK": other}[sys.argv[1]](), []
for _ in range(4):
    began = time.process_time()
    total = read()
    spent.append(time.process_time() - began)
print(min(spent), int(total))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command.

    Attributes:
        what: it is.
        words: of the command; {out} is a folder of the version's own.
        output: what it writes there.
        needs: what of an earlier job it reads.
    """

    what: str
    words: tuple[str, ...]
    output: str = ""
    needs: str = ""


def jobs(data: Path, masks: int, studies: int) -> tuple[Job, ...]:
    """In an order in which each finds what it needs."""
    sides = ("--reference", f"{data}/reference", "--prediction", f"{data}/prediction", "--metrics", METRICS)
    one = ("-d", "cpu", "--threads", "1")
    batch = ("batch", "--manifest", f"{data}/studies/0.csv", *one, "-f", "nifti", *CHEAP)
    film = ("segment", "-i", f"{data}/film", "-c", "cxr_nodule", "-d", "cpu")
    volume = ("segment", "-i", f"{data}/ct", "-c", "ct_nodule", "-d", "cpu")
    return (
        Job(what=f"`evaluate`, {masks} pairs of masks", words=("evaluate", *sides, *one, "-o", "{out}/masks"), output="masks"),
        Job(what=f"`evaluate RUN`, {masks} cases", words=("evaluate", "{out}/masks"), needs="masks"),
        Job(what=f"`report`, {masks} cases", words=("report", "{out}/masks"), needs="masks"),
        Job(what=f"`batch`, {studies} cheap studies", words=(*batch, "-o", "{out}/batch"), output="batch"),
        Job(what=f"`report`, {studies} studies", words=("report", "{out}/batch"), needs="batch"),
        Job(what="`segment`, one radiograph", words=(*film, "-o", "{out}/film"), output="film"),
        Job(what="`segment`, one CT", words=(*volume, "-o", "{out}/ct"), output="ct"),
    )  # fmt: skip


def draw_masks(folder: Path, count: int) -> None:
    """Pairs of discs with bumps, moved and disturbed."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE), dtype=np.float32)
    for side in ("reference", "prediction"):
        (folder / side).mkdir(parents=True)
    for number in range(count):
        centre, radius = rng.uniform(180, 330, 2), rng.uniform(40, 120)
        for side, shift in (("reference", 0.0), ("prediction", 1.0)):
            y, x = rows - centre[0] - 6 * shift, columns - centre[1] + 4 * shift
            bumps = 1 + 0.1 * np.sin(5 * np.arctan2(y, x) + shift) + 0.02 * rng.standard_normal()
            inside = np.hypot(y, x) < radius * bumps
            Picture.fromarray(inside.astype(np.uint8) * 255).save(folder / side / f"case_{number:03d}.png")


def draw_series(folder: Path) -> None:
    """200 slices of 512 x 512 as a scanner writes them."""
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    rng, series, frame = np.random.default_rng(0), generate_uid(), generate_uid()
    study = generate_uid()
    for number in range(200):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID, one.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.SOPClassUID, one.StudyInstanceUID, one.SeriesInstanceUID = CTImageStorage, study, series
        one.FrameOfReferenceUID, one.Modality, one.InstanceNumber = frame, "CT", number + 1
        one.ImagePositionPatient, one.ImageOrientationPatient = [-180, -180, 1.25 * number], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [0.7, 0.7], 1.25
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = SIDE, SIDE, 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.RescaleSlope, one.RescaleIntercept, one.PatientID = 1, -1024, "phantom"
        one.PixelData = rng.normal(1000, 200, (SIDE, SIDE)).astype("<i2").tobytes()
        one.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)


def draw_all(data: Path, masks: int, studies: int) -> None:
    """Everything that is worked on; phantoms as this version draws them."""
    draw_masks(data, masks)
    (data / "studies").mkdir()
    draw(data / "studies", studies, 1)
    for name, finding in (("film", "cxr_nodule"), ("ct", "ct_nodule")):
        domain = "cxr" if name == "film" else "ct"
        write_study(data / f"{name}-all", domain=domain, finding=finding, seed=11, format="dicom").rename(data / name)


def run(checkout: Path, words: Sequence[str], observed: Path | None = None) -> float:
    """Processor seconds of one command of `medkt`, with all its processes; `observed` takes the profiles of those."""
    program = [sys.executable, "-m", "medkt", *words]
    return spent(program, checkout, observed)


def spent(program: Sequence[str], checkout: Path, observed: Path | None = None) -> float:
    """Processor seconds of a program in whose eyes `medkt` lies in `checkout`."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if observed is not None:
        env |= {"PYTHONPATH": f"{observed}{os.pathsep}{checkout}", "PROFILED_INTO": str(observed)}
        (observed / "sitecustomize.py").write_text(OBSERVER, encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(program, env=env, capture_output=True, text=True, cwd=observed or "/")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(program)}: exit code {ran.returncode}: {ran.stderr[-600:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def done(job: Job, checkout: Path, folder: Path, observed: Path | None = None) -> float:
    """One job in a folder of the version's own, anew."""
    if job.output and (folder / job.output).exists():
        subprocess.run(["rm", "-r", str(folder / job.output)], check=True)
    return run(checkout, [word.format(out=folder) for word in job.words], observed)


def profiled(job: Job, folder: Path) -> str:
    """The functions of this version that take most time themselves, with their share."""
    with tempfile.TemporaryDirectory() as name:
        done(job, ROOT, folder, Path(name))
        kept = [str(path) for path in sorted(Path(name).glob("*.prof"))]
        stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, object]] = pstats.Stats(*kept).stats  # type: ignore[attr-defined]
    whole = sum(one[2] for one in stats.values())
    of_imports = sum(
        one[3] for key, one in stats.items() if key[2] == "_find_and_load" and key[0].startswith("<frozen")
    )
    most = sorted(stats.items(), key=lambda one: -one[1][2])
    named = [(_called(key), one[2]) for key, one in most if not _loads(key)][:TOP]
    listed = [f"imports {of_imports / whole:.0%}", *(f"`{what}` {seconds / whole:.0%}" for what, seconds in named)]
    return f"{', '.join(listed)} (of {whole:.1f} s)"


def _loads(key: tuple[str, int, str]) -> bool:
    return "importlib" in key[0] or key[2] in ("<built-in method marshal.loads>", "<built-in method builtins.exec>")


def _called(key: tuple[str, int, str]) -> str:
    file, _, name = key
    if file == "~":
        return name.removeprefix("<").removesuffix(">").replace("built-in method ", "").replace("'", "")
    parts = Path(file).with_suffix("").parts
    package = next((place for place in ("medkt", "site-packages") if place in parts), None)
    inner = parts[parts.index(package) + (package != "medkt") :] if package else parts[-1:]
    return f"{'.'.join(inner)}.{name}"


def measured(chosen: argparse.Namespace, folder: Path) -> Iterator[str]:
    """A line of the table a job."""
    checkouts = {"now": ROOT} if chosen.beside is None else {"before": chosen.beside.resolve(), "now": ROOT}
    for name, checkout in checkouts.items():
        compileall.compile_dir(checkout / "medkt", quiet=1)
        (folder / name).mkdir()
    draw_all(folder, chosen.masks, chosen.studies)
    every = jobs(folder, chosen.masks, chosen.studies)
    asked = [job for job in every if chosen.only in job.what]
    needed = {job.needs for job in asked}
    for job in every:
        if job not in asked and job.output not in needed - {""}:
            continue
        found = dict.fromkeys(checkouts, float("inf"))
        for _ in range(chosen.repeats if job in asked else 1):
            for name, checkout in checkouts.items():
                found[name] = min(found[name], done(job, checkout, folder / name))
        if job not in asked:
            continue
        yield row(job.what, found, profiled(job, folder / "now"))
        if job.output == "masks":
            loop = [sys.executable, "-c", PLAIN, str(folder / "reference"), str(folder / "prediction")]
            plain = min(spent(loop, ROOT) for _ in range(chosen.repeats))
            yield f"| the same, a plain loop over surface-distance | | {plain:.1f} | `evaluate` is {found['now'] / plain:.2f} times that | |"
    if not chosen.only or "reading" in chosen.only:
        yield reading(checkouts, folder)


def row(what: str, found: Mapping[str, float], most: str) -> str:
    """Of the table."""
    before = found.get("before")
    ratio = "" if before is None else f"{found['now'] / before:.2f}"
    return f"| {what} | {'' if before is None else f'{before:.1f}'} | {found['now']:.1f} | {ratio} | {most} |"


def reading(checkouts: Mapping[str, Path], folder: Path) -> str:
    """A CT of 200 x 512 x 512, beside SimpleITK; all have one sum of values."""
    draw_series(folder / "series")
    found, sums = {}, set()
    for name, checkout in (*checkouts.items(), ("SimpleITK", ROOT)):
        reader = "SimpleITK" if name == "SimpleITK" else "medkt"
        program = [sys.executable, "-c", READING, reader, str(folder / "series")]
        env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        said = subprocess.run(program, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
        found[name] = float(said[-2])
        sums.add(said[-1])
    if len(sums) > 1:
        raise RuntimeError(f"the readers disagree: {sums}")
    before = f"{found['before']:.2f}" if "before" in found else ""
    ratio = f"{found['now'] / found['before']:.2f}" if "before" in found else ""
    beside = f"SimpleITK {found['SimpleITK']:.2f} s: {found['now'] / found['SimpleITK']:.2f} times that"
    return f"| reading a CT of 200 x 512 x 512 | {before} | {found['now']:.2f} | {ratio} | {beside} |"


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="a checkout of the earlier version")
    parser.add_argument("--masks", type=int, default=500, help="pairs of masks")
    parser.add_argument("--studies", type=int, default=500, help="cheap studies of the batch")
    parser.add_argument("--repeats", type=int, default=2, help="runs, of which the least counts")
    parser.add_argument("--only", default="", help="the lines whose name holds this")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    chosen = parser.parse_args()
    version = {"now": revision_of(ROOT)} | ({"before": revision_of(chosen.beside)} if chosen.beside else {})
    said = ", ".join(f"{name} is {revision}" for name, revision in sorted(version.items()))
    told = " ".join((__doc__ or "").split("\n\n")[-1].split())
    lines = [
        "# Where the time of a cohort goes", "", f"{told} {platform.machine()}, Python {platform.python_version()}; {said}.", "",
        "| work | before, s | now, s | ratio | what takes it now |", "|---|---|---|---|---|",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        for line in measured(chosen, Path(name)):
            lines.append(line)
            print(line, flush=True)
            if chosen.write:
                RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

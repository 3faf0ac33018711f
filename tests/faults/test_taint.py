"""Names are planted wherever a file can name anybody, and found in no file that is written and on no standard output.

DICOM SEG is left out: it is an object of its patient's study, and `test_cohort_privacy.py` says what it may hold. Words that
the user gives for this purpose (`-c`, `-p`, `--site`, `--keep-names`, kept columns) are written as given.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.test_cohort_privacy import contents
from PIL import Image as Picture
from segmentation.bright_spots import BrightSpots
from whole_line import Command, bright_pipeline

import medkt.models.registry
import medkt.tasks.classify.runner
import medkt.tasks.segment.studies
from faults.tainted import FILE, NAMES, TAINT, failing, marks, picture, sound
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.errors import NumericalError, WeightsError
from medkt.phantom.study import reference_path
from medkt.pipeline import Pipeline
from medkt.spatial import Image

pytestmark = pytest.mark.usefixtures("inline", "bright")
QUICK = (
    "--set",
    "m2ib.steps=1",
    "--set",
    "m2ib.samples=1",
    "--set",
    "map.max_slices=1",
    "--set",
    "presence.gate=false",
)
FEW = ("--resamples", "100")
LITTLE = {
    "inversion.steps": 2, "judged_with.steps": 2, "rehearsed_with.steps": 2, "images": 2, "rehearsal_images": 1,
    "validation_images": 1, "views": 1, "pictured": 0.0, "finetune.steps": 2, "finetune.learning_rate": 0.001, "choose": "false",
}  # fmt: skip
RAISED = {
    "crash": RuntimeError(TAINT), "value": ValueError(TAINT), "key": KeyError(TAINT), "memory": MemoryError(TAINT),
    "weights": WeightsError(TAINT), "number": NumericalError(TAINT),
    "decode": UnicodeDecodeError("utf-8", TAINT.encode(), 0, 1, TAINT), "own": type(NAMES[0], (Exception,), {})(TAINT),
}  # fmt: skip


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a folder for temporary files and one for outputs; all are searched at the end."""
    for name in ("home", "temporary", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(medkt.models.registry, "load_encoder", lambda name, device: BrightSpots())
    monkeypatch.setattr(medkt.tasks.classify.runner, "load_encoder", lambda name, device: BrightSpots())
    return tmp_path


def require_untainted(found: Iterator[tuple[str, bytes]]) -> int:
    """No name stands in any of the contents; gives how many there are."""
    count = 0
    for name, content in found:
        count += 1
        lowered = content.lower()
        for mark in marks():
            assert mark not in lowered, f"{mark!r} in {name}: {lowered[max(0, lowered.find(mark) - 200) :][:300]!r}"
    return count


def written(places: Path) -> Iterator[tuple[str, bytes]]:
    for name in ("home", "temporary", "out"):
        yield from contents(places / name)


def spoken(out: str) -> Iterator[tuple[str, bytes]]:
    """The lines of JSON on standard output without the paths that the user gave."""
    for number, line in enumerate(out.splitlines()):
        told = json.loads(line)
        told.pop("input_path", None)
        yield f"line {number}", json.dumps(told, ensure_ascii=False).encode()


def raising(monkeypatch: pytest.MonkeyPatch, image: Path, root: Path) -> list[Case]:
    """Cases whose reader raises what no file makes it raise, with the names in its words."""
    read = medkt.tasks.segment.studies.read_case_image

    def reading(case: Case, **options: bool) -> Image:
        if case.series in RAISED:
            raise RAISED[case.series]
        return read(case, **options)

    monkeypatch.setattr(medkt.tasks.segment.studies, "read_case_image", reading)
    return [
        Case(case_id=f"{NAMES[0]}-raised-{what}", image=image, series=what, modality="ct", concept="ct_nodule")
        for what in RAISED
    ]


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    """In the contents, whatever the files are called."""
    for number, case in enumerate(sound(tmp_path / "in")):
        files = [case.image] if case.image.is_file() else sorted(case.image.glob("*.dcm"))
        plain = tmp_path / f"plain {number}"
        plain.mkdir()
        for place, file in enumerate(files):
            (plain / f"{place}{''.join(file.suffixes)}").write_bytes(file.read_bytes())
        with pytest.raises(AssertionError, match=f"in 0{''.join(files[0].suffixes)}"):
            require_untainted(contents(plain))


def test_batch_and_what_is_made_of_it(places: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of failure that a file or an error makes, in one run; then its page, tables, questions."""
    inputs, run = places / f"in {FILE}", places / "out" / "run"
    cases = [*sound(inputs), *failing(inputs).values()]
    cases = [*cases, *raising(monkeypatch, cases[1].image, inputs)]
    without = [Case(**{**_fields(case), "references": (), "reference_kind": ""}) for case in cases[:3]]
    without += [case for case in cases[3:] if not case.references]
    listed = write_manifest(without, inputs / f"{FILE}.csv")
    ran = medkt("batch", "--manifest", listed, "-o", run, "--json", *QUICK)
    assert ran.code == 4, ran.err
    ends = [json.loads(line) for line in ran.out.splitlines() if '"event": "case"' in line]
    done = [one for one in ends if one["status"] == "done"]
    assert len(done) == 3, [one for one in ends if one["status"] == "failed"]
    assert {one["failure"] for one in ends if "failure" in one} == {
        "unreadable", "unsupported", "geometry", "model", "memory", "crash",
    }  # fmt: skip
    assert len({one["code"] for one in ends if "code" in one}) > 12
    require_untainted(spoken(ran.out))
    require_untainted(iter([("stderr, which is no terminal here", ran.err.encode())]))
    for command in (("report", run, *FEW), ("query", run, "SELECT * FROM failures"), ("batch", "status", run)):
        said = medkt(*command)
        assert said.code == 0, said.err
        require_untainted(iter([("out", said.out.encode())]))
    assert require_untainted(written(places)) > 30


def _fields(case: Case) -> dict[str, object]:
    return {name: getattr(case, name) for name in Case.__slots__}


def test_evaluation_with_references_that_do_not_fit(places: Path, medkt: Command) -> None:
    inputs, run = places / f"in {FILE}", places / "out" / "run"
    cases = [*sound(inputs), *(case for case in failing(inputs).values() if case.references)]
    listed = write_manifest(cases, inputs / f"{FILE}.csv")
    ran = medkt("evaluate", "--manifest", listed, "-o", run, "--json", *QUICK, *FEW)
    assert ran.code == 4, ran.err
    failures = json.loads(medkt("batch", "status", run, "--json").out)["failures"]
    # a mask without the label that is asked for is an empty one, which is no failure; grid, mask, coco, rle, rtstruct are
    assert failures == {"unreadable": 4, "unsupported": 1}
    assert sum('"status": "done"' in line for line in ran.out.splitlines()) == 4
    require_untainted(spoken(ran.out))
    assert require_untainted(written(places)) > 30


def test_two_folders_of_masks(places: Path, medkt: Command) -> None:
    cases = sound(places / "in")
    folders = {name: places / f"{name} {FILE}" for name in ("truth", "mine")}
    for folder in folders.values():
        folder.mkdir()
        for number in (0, 1):
            content = reference_path(cases[1].image).read_bytes()
            (folder / f"{FILE}-{number}.nii.gz").write_bytes(content)
    (folders["mine"] / f"{FILE}-1.nii.gz").write_bytes(TAINT.encode())
    run = places / "out" / "run"
    words = ("--reference", folders["truth"], "--prediction", folders["mine"], "-c", "lesion")
    ran = medkt("evaluate", *words, "-o", run, "--json", *FEW)
    assert ran.code == 4, ran.err
    require_untainted(spoken(ran.out))
    assert require_untainted(written(places)) > 8


def test_segment_and_classify_of_every_study(places: Path, medkt: Command) -> None:
    inputs = places / f"in {FILE}"
    paths = [case.image for case in (*sound(inputs), *failing(inputs).values())]
    paths = list(dict.fromkeys(paths))
    out = places / "out" / "results"
    ran = medkt("segment", "-i", *paths, "-o", out, "-p", "a bright spot", "--modality", "ct", "--json", *QUICK)
    assert ran.code == 4, ran.err
    assert len(ran.out.splitlines()) == len(paths)
    require_untainted(spoken(ran.out))
    ran = medkt("classify", "-i", *paths, "-p", "a bright spot", "--modality", "ct", "--json")
    assert ran.code == 4, ran.err
    require_untainted(spoken(ran.out))
    ran = medkt("segment", "-i", *paths[:1], "-o", places / "out" / "one", "-p", "a bright spot", "--json", *QUICK)
    assert ran.code == 0, ran.err
    require_untainted(spoken(ran.out))
    assert require_untainted(written(places)) > 20


@pytest.mark.slow
def test_maps_comparisons_and_volumes(places: Path, medkt: Command) -> None:
    """What is made of studies one by one, and of runs that are there; the volumes' pixels are the study's own."""
    inputs, out = places / f"in {FILE}", places / "out"
    cases = sound(inputs)
    for number, case in enumerate(cases[:1]):
        words = ("-i", case.image, "-o", out / f"map {number}", "-p", "a bright spot", "--modality", case.modality)
        ran = medkt("explain", *words, "--json", *QUICK[:6])
        assert ran.code == 0, ran.err
        require_untainted(spoken(ran.out))
    listed = write_manifest(cases, inputs / f"{FILE}.csv")
    for run, margin in (("one", "0.1"), ("two", "0.2")):
        more = ("--set", f"prompts.margin={margin}", *(("--salt", out / "one" / "salt") if run == "two" else ()))
        ran = medkt("evaluate", "--manifest", listed, "-o", out / run, *QUICK, *FEW, *more)
        assert ran.code == 0, ran.err
        require_untainted(iter([("out", ran.out.encode()), ("err", ran.err.encode())]))
    for command in (
        ("compare", out / "one", out / "two", "-o", out / "both.html", *FEW),
        ("report", out / "one", "--volumes", listed, *FEW),
        ("batch", "verify", out / "one"),
    ):
        ran = medkt(*command)
        assert ran.code == 0, ran.err
        require_untainted(iter([("out", ran.out.encode()), ("err", ran.err.encode())]))
    assert (out / "one" / "report_files").is_dir()
    assert require_untainted(written(places)) > 40


@pytest.mark.slow
def test_other_pictures_other_columns_and_shards(places: Path, medkt: Command) -> None:
    """Text of JPEG and TIFF, columns that are called after a patient, sentences of images, shards."""
    inputs, run = places / f"in {FILE}", places / "out" / "run"
    image = picture(inputs / "png")
    with Picture.open(image) as shown:
        exif = shown.getexif()
        exif[0x013B] = TAINT
        shown.save(inputs / f"{FILE}.jpg", comment=TAINT.encode(), exif=exif, xmp=f"<x>{TAINT}</x>".encode())
        shown.save(inputs / f"{FILE}.tif", description=TAINT, artist=NAMES[0], software=NAMES[0])
    files = [inputs / f"{FILE}.jpg", inputs / f"{FILE}.tif"]
    cases = [
        Case(
            case_id=f"{NAMES[0]}-{n}", image=file, modality="ultrasound", concept="us_cyst",
            references=(reference_path(image),), reference_kind="mask", columns={FILE: TAINT, "ward": NAMES[0]},
        )
        for n, file in enumerate(files)
    ]  # fmt: skip
    listed, said = write_manifest(cases, inputs / f"{FILE}.csv"), inputs / f"prompts {FILE}.json"
    said.write_text(json.dumps({file.name: f"a dark disc {n}" for n, file in enumerate(files)}))
    for shard in ("1/2", "2/2"):
        words = ("-o", run, "--shard", shard, "--prompts", said, "--json", "-v")
        ran = medkt("batch", "--manifest", listed, *words, *QUICK)
        assert ran.code == 0, ran.err
        require_untainted(spoken(ran.out))
    for command in (
        ("batch", "merge", run),
        ("query", run, "SELECT * FROM results"),
        ("report", run, *FEW),
        ("batch", "verify", run),
    ):
        ran = medkt(*command)
        assert ran.code == 0, ran.err
        require_untainted(iter([("out", ran.out.encode())]))
    assert require_untainted(written(places)) > 20


@pytest.mark.slow
def test_a_learning_and_an_inversion(places: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of words in a file that is named after a patient: package, page, images, record, log and the cache of images."""
    monkeypatch.undo()
    for name, value in {"MEDKT_HOME": "home", "MEDKT_CACHE": "home/cache", "TMPDIR": "temporary"}.items():
        monkeypatch.setenv(name, str(places / value))
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = places / f"in {FILE}"
    folder.mkdir()
    words = folder / f"{FILE}.yaml"
    said = (
        "--name",
        "Pale ring",
        "--caption",
        "a bright circle around a dark disc",
        "--licence",
        "CC0-1.0",
        "--author",
        "me",
    )
    ran = medkt("concept", "new", "--modality", "ultrasound", *said, "-o", words)
    assert ran.code == 0, ran.err
    few = [f"{name}={value}" for name, value in LITTLE.items()]
    options = [word for one in few for word in ("--set", one)]
    ran = medkt("learn", words, "-o", places / "out" / "ring.medkt", *options, "--keep-anyway", "--json", "-v")
    assert ran.code == 0, ran.err
    require_untainted(iter([("out", ran.out.encode()), ("err", ran.err.encode())]))
    for number, cached in enumerate(((), ("--no-cache",))):
        less = ("--set", "steps=2", "--images", "1", *cached)
        ran = medkt("invert", "-c", words, "-o", places / "out" / f"images {number}", *less, "--json", "-v")
        assert ran.code == 0, ran.err
        require_untainted(iter([("out", ran.out.encode()), ("err", ran.err.encode())]))
    assert (places / "out" / "images 1" / "sheet.png").is_file()
    assert require_untainted(written(places)) > 12


def test_calibration(places: Path, medkt: Command) -> None:
    image = sound(places / f"in {FILE}")[2].image
    folder = image.parent
    cases = []
    for number in range(20):
        own = folder / f"{number} {FILE}.png"
        content = bytearray(image.read_bytes())
        own.write_bytes(bytes(content))
        cases.append(
            Case(case_id=f"{NAMES[0]}-{number}", patient_id=f"{number} {TAINT}", image=own, modality="ultrasound")
        )
    listed = write_manifest(cases, folder / f"{FILE}.csv")
    ran = medkt(
        "calibrate", "us_cyst", "--set", "presence.rule=cosine", "-m", listed, "-o", places / "out" / "rule.json"
    )
    require_untainted(iter([("out", ran.out.encode())]))
    require_untainted(written(places))


@pytest.mark.parametrize("loud", ["-q", "-v"])
def test_what_libraries_say_stays_with_them(
    places: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch, loud: str
) -> None:
    """Pydicom warns in the words of a header, on a logger with a level of its own; Python's warnings are logged too."""

    def loading(*words: object, **options: object) -> Pipeline:
        for name in ("pydicom", "py.warnings", "highdicom", "another"):
            logger = logging.getLogger(name)
            monkeypatch.setattr(logger, "level", logging.DEBUG)
            logger.error("Invalid value for VR DA: %s", TAINT)
        logging.getLogger("medkt.test").warning("of medkt")
        return bright_pipeline()

    monkeypatch.setattr(Pipeline, "load", loading)
    image = sound(places / "in")[2].image
    words = (
        "-i",
        image,
        "-o",
        places / "out" / "one",
        "-p",
        "a bright spot",
        "--modality",
        "ultrasound",
        loud,
        "--json",
    )
    ran = medkt("segment", *words, *QUICK)
    assert ran.code == 0, ran.err
    assert ("of medkt" in ran.err) == (loud == "-v")
    said = ran.err.replace(str(image), "").replace(image.name, "")  # what the user called it may stand on the terminal
    require_untainted(iter([("stderr", said.encode())]))

"""`medkt evaluate`: masks that are there, what is refused, and how cases with references go through the plain models."""

import csv
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from run_tables import make_outcomes, write_run
from run_tables import row as scored
from whole_line import Command, bright_pipeline

from medkt.concepts import concept_from_text
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.datasets.protocol import load_protocol
from medkt.errors import GeometryMismatchError, InputError, SettingsError
from medkt.metrics import MetricSettings, evaluate_case
from medkt.runs.folder import RunFolder
from medkt.runs.progress import RunStatus
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Geometry, Mask
from medkt.statistics import bootstrap
from medkt.tasks.manifest import plan_of
from medkt.tasks.masks.pairs import MaskRunnerFactory, plan_of_masks
from medkt.tasks.masks.scoring import Scoring, columns_of
from medkt.tasks.protocols import plan_of_protocol, scoring_of_protocol
from medkt.tasks.segment.studies import StudyRunner, StudyRunnerFactory

SALT = b"a salt of a test"
PACKAGE = Path(inspect.getfile(bootstrap)).parents[1]


def write_disc(
    path: Path, radius: float, *, centre: tuple[int, int] = (20, 24), shape: tuple[int, int] = (40, 56)
) -> None:
    """A PNG mask of a disc; none of it where the radius is 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.indices(shape)
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
    Picture.fromarray((inside * 255).astype(np.uint8)).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """References and predictions of four cases: right, smaller, nothing there, nothing found; names name a patient."""
    for name, of_reference, of_prediction in (("A", 9, 9), ("B", 12, 8), ("C", 0, 5), ("D", 7, 0)):
        write_disc(tmp_path / "true" / f"PLANTED^{name}.png", of_reference)
        write_disc(tmp_path / "mine" / f"PLANTED^{name}.png", of_prediction)
    return tmp_path / "true", tmp_path / "mine"


def test_two_folders_of_masks(folders: tuple[Path, Path], tmp_path: Path, medkt: Command) -> None:
    """With a real worker: the table of cases, the statistics, and nothing that names a patient."""
    words = ("evaluate", "--reference", folders[0], "--prediction", folders[1], "-o", tmp_path / "run", "-c", "lesion")
    ran = medkt(*words, "--tolerance", "1px", "--resamples", "200", "-q")
    assert ran.code == 0, ran.err
    with (tmp_path / "run" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["outcome"] for row in rows) == ["normal", "normal", "prediction empty", "reference empty"]
    assert sorted(float(row["dsc"]) for row in rows)[::3] == [0.0, 1.0]
    assert {"iou", "nsd@1px"} < set(rows[0])
    assert "lesion: 4 of 4 cases done, 0 failed, 4 scored" in ran.out
    record = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert record["settings"]["scoring"]["metrics"]["empty"] == "standard"
    positives = [line for line in record["lines"] if line["part"] == "positives" and line["summary"]["metric"] == "dsc"]
    assert positives[0]["summary"]["counts"]["used"] == 3
    assert (tmp_path / "run" / "evaluation.csv").is_file()
    for path in (tmp_path / "run").rglob("*"):
        assert "PLANTED" not in path.name
        assert not path.is_file() or b"PLANTED" not in path.read_bytes()
    again = medkt("evaluate", tmp_path / "run", "--resamples", "200", "--json")
    assert json.loads(again.out)["counts"][0]["scored"] == 4


def test_files_of_one_patient_count_as_one(tmp_path: Path, medkt: Command) -> None:
    """Twelve slices of three patients: patients in the table, in the interval and in the words; else each file is one."""
    for number in range(12):
        name = f"病人{number // 4}_s{number % 4}.png"
        write_disc(tmp_path / "true" / name, 9 + number % 4)
        write_disc(tmp_path / "mine" / name, 6 + number // 4 + number % 4)
    folders = ("--reference", tmp_path / "true", "--prediction", tmp_path / "mine", "--resamples", "200", "-q")
    (tmp_path / "whose.csv").write_text(
        "file,patient\n" + "".join(f"病人{n // 4}_s{n % 4}.png,P{n // 4}\n" for n in range(12)), encoding="utf-8"
    )
    for run, words in (("pattern", ("--patient-pattern", "^(.*)_")), ("table", ("--patients", tmp_path / "whose.csv"))):
        ran = medkt("evaluate", *folders, "-o", tmp_path / run, *words)
        assert ran.code == 0, ran.err
        counts = json.loads((tmp_path / run / "evaluation.json").read_text())["lines"][0]["summary"]["counts"]
        assert (counts["used"], counts["patients"]) == (12, 3)
        assert "counts as one patient" not in ran.out
        assert "inside a reference: its only label, 255 (12 cases)" in ran.out
    ran = medkt("evaluate", *folders, "-o", tmp_path / "files")
    assert "note: each file counts as one patient" in ran.out
    record = json.loads((tmp_path / "files" / "evaluation.json").read_text())
    assert record["lines"][0]["summary"]["counts"]["patients"] == 12
    assert record["provisos"][0].startswith("each file counts as one patient")


def test_labels_of_each_side_and_failures_by_their_own_names(tmp_path: Path, medkt: Command) -> None:
    """References hold one label, predictions two; the case whose shape differs is named with its file and the reason."""
    for name, shape in (("case_7", (40, 56)), ("case_8", (40, 50))):
        write_disc(tmp_path / "true" / f"{name}.png", 9)
        write_disc(tmp_path / "mine" / f"{name}.png", 9, shape=shape)
        drawn = np.asarray(Picture.open(tmp_path / "mine" / f"{name}.png")) // 255
        drawn[0] = 2
        Picture.fromarray(drawn).save(tmp_path / "mine" / f"{name}.png")
    folders = ("--reference", tmp_path / "true", "--prediction", tmp_path / "mine", "--resamples", "200", "-q")
    ran = medkt("evaluate", *folders, "-o", tmp_path / "a", "--prediction-label", "1")
    assert ran.code == 4
    assert (
        f"case case_8 ({tmp_path / 'mine' / 'case_8.png'}; reference {tmp_path / 'true' / 'case_8.png'}): geometry: the "
        "prediction lies on another grid: shape" in ran.err
    )
    assert f"all failures stand in {tmp_path / 'a' / 'failures.csv'}, where cases have pseudonyms" in ran.err
    with (tmp_path / "a" / "results.csv").open(newline="", encoding="utf-8") as file:
        done = next(row for row in csv.DictReader(file) if row["status"] == "done")
    assert (done["dsc"], done["reference_rule"], done["prediction_rule"]) == ("1", "its only label, 255", "label 1")
    both = medkt("evaluate", *folders, "-o", tmp_path / "b")
    assert (
        f"unreadable: {tmp_path / 'mine' / 'case_7.png'}: holds 2 labels, 1, 2; say which is meant: --label 1"
        in both.err
    )
    wrong = medkt("evaluate", *folders, "-o", tmp_path / "c", "--label", "1", "--threshold", "0.5")
    assert (wrong.code, "give one of the two" in wrong.err) == (2, True)


def test_masks_pair_completely_or_not_at_all(folders: tuple[Path, Path]) -> None:
    plan = plan_of_masks(references=folders[0], predictions=folders[1], concept="lesion", keep_ids=True)
    assert [key for _, key in plan.names(SALT)] == ["PLANTED-A", "PLANTED-B", "PLANTED-C", "PLANTED-D"]
    (folders[1] / "PLANTED^B.png").rename(folders[1] / "other.png")
    with pytest.raises(InputError, match=r"without a prediction.*without a reference"):
        plan_of_masks(references=folders[0], predictions=folders[1], concept="lesion")
    with pytest.raises(InputError, match="there is no such folder for predictions"):
        plan_of_masks(references=folders[0], predictions=folders[1] / "no", concept="lesion")


def test_masks_on_two_grids_are_refused(tmp_path: Path) -> None:
    write_disc(tmp_path / "true" / "a.png", 9)
    write_disc(tmp_path / "mine" / "a.png", 9, shape=(30, 56))
    plan = plan_of_masks(references=tmp_path / "true", predictions=tmp_path / "mine", concept="lesion")
    (work,) = plan.works(SALT, {1: (0, 0)})
    runner = MaskRunnerFactory(scoring=Scoring(unit="pixel"))()
    with pytest.raises(GeometryMismatchError, match="prediction"):
        runner.compute(work, runner.read(work))


def _ran(tmp_path: Path, scoring: Scoring) -> tuple[dict[str, Any], StudyRunner]:
    """The row of a case with a bright disc, through the plain models."""
    rows, columns = np.indices((64, 80))
    disc = (rows - 30) ** 2 + (columns - 40) ** 2 < 100
    Picture.fromarray((20 + 200 * disc).astype(np.uint8)).save(tmp_path / "image.png")
    write_disc(tmp_path / "mask.png", 10, centre=(30, 40), shape=(64, 80))
    case = Case(
        case_id="a", image=tmp_path / "image.png", references=(tmp_path / "mask.png",), reference_kind="mask",
        concept="spot", modality="ultrasound",
    )  # fmt: skip
    write_manifest([case], tmp_path / "cases.csv")
    concept = concept_from_text("a bright spot")
    plan = plan_of(tmp_path / "cases.csv", concepts=lambda name: concept.id, asked=())
    (work,) = plan.works(SALT, {1: (0, 0)})
    folder = RunFolder(tmp_path / "run")
    folder.make()
    factory = StudyRunnerFactory(
        run=folder, concepts={concept.id: concept}, settings=SegmentationSettings(), scoring=scoring
    )
    runner = StudyRunner(factory, bright_pipeline())
    (row,) = runner.write(work, runner.compute(work, runner.read(work)))
    assert (folder.cases / work.key / "overlay.png").is_file()
    return dict(row), runner


def test_studies_are_scored_as_the_protocol_says(tmp_path: Path) -> None:
    """A case through the plain models: its row holds the protocol's metrics, the slab in a column of its own."""
    row, runner = _ran(tmp_path, scoring_of_protocol(load_protocol("busi")))
    assert {"dsc", "iou", "nsd@2px", "nsd_slab@2px"} < set(row)
    assert row["outcome"] in ("normal", "prediction empty")
    assert "scores_found" not in row
    assert runner.facts()["encoder"] == {"name": "bright-spots", "digest": ""}


def test_lesions_have_the_score_of_their_plane(tmp_path: Path) -> None:
    row, _ = _ran(tmp_path, Scoring(metrics=MetricSettings(metrics=("dsc", "lesions"))))
    assert (row["lesions_reference"], row["lesions_predicted"], row["lesions_found"]) == (1, 1, 1)
    assert float(row["scores_found"]) == pytest.approx(row["score"], rel=1e-5)
    assert row["scores_false"] == ""


def _mask(*inside: tuple[int, int]) -> Mask:
    values = np.zeros((1, 6, 9), dtype=bool)
    for row, column in inside:
        values[0, row, column] = True
    return Mask(values=values, geometry=Geometry(affine=np.eye(4), shape=(1, 6, 9), unit="pixel"))


def test_what_a_row_says_of_infinite_and_missing_numbers() -> None:
    settings = MetricSettings(metrics=("dsc", "hd95"))
    one_empty = evaluate_case(reference=_mask((2, 3)), prediction=_mask(), settings=settings)
    assert columns_of(one_empty) == {
        "outcome": "prediction empty", "dsc": 0.0, "hd95_px": None, "infinite": "hd95_px",
    }  # fmt: skip
    both = columns_of(evaluate_case(reference=_mask(), prediction=_mask(), settings=settings))
    assert (both["outcome"], both["dsc"]) == ("both empty", None)
    assert "both masks are empty" in str(both["no_number"])


def test_the_tolerance_of_the_options() -> None:
    assert Scoring.parse("2mm", MetricSettings()).unit == "mm"
    assert Scoring.parse("3.5 px", MetricSettings()).tolerance == 3.5
    assert Scoring.parse("1", MetricSettings()).unit == "auto"
    with pytest.raises(SettingsError, match="--tolerance 2cm: expected a number and a unit"):
        Scoring.parse("2cm", MetricSettings())
    with pytest.raises(SettingsError, match="a tolerance is in one of auto, mm, pixel"):
        Scoring(unit="cm")
    with pytest.raises(SettingsError, match="a tolerance is 0 or more"):
        Scoring(tolerance=-1.0)


def test_a_protocol_asks_one_question_of_every_case(tmp_path: Path) -> None:
    for name in ("benign (1)", "malignant (1)", "normal (1)"):
        folder = tmp_path / name.split()[0]
        folder.mkdir(parents=True)
        Picture.fromarray((np.arange(48 * 40) % 200).reshape(48, 40).astype(np.uint8)).save(folder / f"{name}.png")
        write_disc(folder / f"{name}_mask.png", 0 if "normal" in name else 6, shape=(48, 40), centre=(20, 20))
    options: dict[str, Any] = {"concept": "us_breast_tumour", "keep_ids": True}
    plan = plan_of_protocol(load_protocol("busi"), tmp_path, columns=["class_name"], **options)
    works = list(plan.works(SALT, dict.fromkeys((1, 2, 3), (0, 0))))
    assert [work.concepts for work in works] == [("us_breast_tumour",)] * 3
    assert [work.columns["kept_class_name"] for work in works] == ["benign", "malignant", "normal"]
    with pytest.raises(SettingsError, match="--by scanner: the data set has no such column; it has class_name"):
        plan_of_protocol(load_protocol("busi"), tmp_path, columns=["scanner"], **options)
    with pytest.raises(SettingsError, match="'chexpert' compares no masks: its task is classification"):
        scoring_of_protocol(load_protocol("chexpert"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what to evaluate, one of: a RUN"),
        (("--manifest", "a.csv", "--protocol", "busi"), "say what to evaluate, one of"),
        (("--manifest", "a.csv"), "say where the run goes: -o RUN"),
        (("--reference", "a", "-o", "b"), "masks are scored from two folders"),
        (("--reference", "a", "--prediction", "b", "-o", "c", "-p", "x"), "masks that are there need no words"),
        (("--reference", "a", "--prediction", "b", "-o", "c", "--by", "sex"), "--by needs a manifest"),
        (("--protocol", "busi", "-o", "c"), "say where the data set lies: --data DIR"),
        (("--protocol", "chexpert", "--data", "x", "-o", "c", "--tolerance", "2px"), "--tolerance belongs to masks"),
        (
            ("--protocol", "chexpert", "--data", "x", "-o", "c", "-p", "a heart"),
            "does not say which class of 'chexpert'",
        ),
        (("--protocol", "chexpert", "--data", "x", "-o", "c", "--together", "--apart"), "give one of the two"),
        (("--protocol", "busi", "--data", "x", "-o", "c", "--classify"), "--classify goes with --manifest"),
        (("--manifest", "{tmp}/a.csv", "-c", "ct_nodule", "-o", "c", "--apart"), "--apart is for classes"),
        (("--manifest", "{tmp}/a.csv", "-c", "ct_nodule", "-o", "c", "--rule", "mean"), "--rule is for classes"),
        (("--manifest", "{tmp}/a.csv", "--classify", "-o", "c"), "case 1, column class_name: empty"),
        (
            ("--protocol", "busi", "--data", "x", "-o", "c", "-p", "a disc", "-p", "a ring"),
            "a protocol looks for one finding",
        ),
        (("--protocol", "nothing", "--data", "x", "-o", "c"), "no protocol 'nothing'; known: brats"),
        (("{tmp}",), "holds no run"),
        (("--manifest", "a.csv", "-o", "c", "--label", "1"), "--label goes with two folders of masks"),
        (("--manifest", "a.csv", "-o", "c", "--patient-pattern", "x"), "--patients goes with two folders of masks"),
        (("--manifest", "{tmp}/a.csv", "-c", "ct_nodule", "-o", "{tmp}/run"), "its cases have no reference"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str, tmp_path: Path, medkt: Command) -> None:
    (tmp_path / "a.csv").write_text("case_id,image\na,a.png\n", encoding="utf-8")
    (tmp_path / "a.png").touch()
    ran = medkt("evaluate", *(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_stopped_evaluation_of_masks_says_so_and_gives_no_statistics(
    folders: tuple[Path, Path], tmp_path: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, statistics of the cases that had ended, or "holds no row", with the code of bad input."""
    states = {"pending": 4, "running": 0, "done": 0, "failed": 0}
    stopped = RunStatus(total=4, states=states, failures={}, stopped="terminated")
    monkeypatch.setattr("medkt.requests.work.run_plan", lambda *words: stopped)
    words = ("evaluate", "--reference", folders[0], "--prediction", folders[1], "-o", tmp_path / "run", "-c", "lesion")
    ran = medkt(*words)
    assert (ran.code, ran.err, ran.out) == (143, "medkt: terminated; the same command goes on from here\n", "")
    assert not (tmp_path / "run" / "evaluation.csv").exists()


def test_too_few_draws_are_refused_before_the_work(folders: tuple[Path, Path], tmp_path: Path, medkt: Command) -> None:
    words = ("evaluate", "--reference", folders[0], "--prediction", folders[1], "-o", tmp_path / "run", "-c", "lesion")
    ran = medkt(*words, "--resamples", "99")
    assert (ran.code, ran.err) == (2, "medkt: a bootstrap needs at least 100 resamples, got 99\n")
    assert not (tmp_path / "run").exists()


def test_an_option_is_not_passed_through_many_hands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medkt: Command
) -> None:
    """The files on the stack from the command line to the first draw of the bootstrap."""
    run = write_run(tmp_path / "run", make_outcomes([scored(dsc=0.5), scored(dsc=0.25), scored(dsc=0.75)]))
    draw, seen = bootstrap._draw, list[list[str]]()

    def watched(*values: Any) -> Any:
        files = (Path(frame.filename) for frame in inspect.stack()[1:])
        inside = dict.fromkeys(file.relative_to(PACKAGE).as_posix() for file in files if file.is_relative_to(PACKAGE))
        seen.append([*inside][::-1])
        return draw(*values)

    monkeypatch.setattr(bootstrap, "_draw", watched)
    assert medkt("evaluate", run, "--resamples", "100").code == 0
    assert seen[0][0] == "cli/main.py"
    assert len(seen[0]) <= 8, seen[0]

"""`medkt learn --how local`: lesions inside normal studies, and studies of the user's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.asking.pictures import PictureCounts
from medkt.cli.main import main
from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.learning.own_studies import FEWEST_REHEARSED
from medkt.phantom.drawers import DRAWERS, draw_normal

SHORT = [
    "--set", "teaching.inversion.steps=2", "--set", "teaching.inversion.dtype=float32", "--set", "images=2", "--set", "teaching.drawn=1",
    "--set", "teaching.normals=2", "--set", "teaching.known=2", "--set", "teaching.rivals=1", "--set", "teaching.rival_captions=2",
    "--set", "teaching.blobs=2", "--set", "validation_images=2", "--set", "views=1", "--set", "finetune.steps=2", "--set", "finetune.dtype=float32",
    "--set", "finetune.batch=4", "--set", "finetune.rehearsal_batch=4",
]  # fmt: skip
KNOWN = [one.id for one in domain("ultrasound").others(load_concept("us_phyllodes"))]


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "inversions"))
    few = PictureCounts(finding=3, others=3, normal=2, known=1)
    monkeypatch.setattr("medkt.audit.exam.COUNTS", few)
    monkeypatch.setattr("medkt.asking.calibration.COUNTS", PictureCounts(finding=0, others=0, normal=20, known=1))
    monkeypatch.setattr("medkt.asking.choice.COUNTS", few)


def learn(tmp_path: Path, *more: str, target: str = "x.medkt") -> int:
    return main(["learn", "us_phyllodes", "-o", str(tmp_path / target), *SHORT, "--keep-anyway", "--json", *more])


def write(folder: Path, planes: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for number, plane in enumerate(planes):
        Picture.fromarray(np.rint(plane * 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    return folder


def normals(count: int, seed: int) -> list[np.ndarray]:
    return [draw_normal("ultrasound", np.random.default_rng((seed, n)), side=128) for n in range(count)]


def lesions(count: int, seed: int) -> list[np.ndarray]:
    draw = DRAWERS["ultrasound"].draw_plane
    return [draw(KNOWN[n % len(KNOWN)], np.random.default_rng((seed, n)), side=128).plane for n in range(count)]


@pytest.mark.slow
def test_lesions_teach_and_the_card_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn(tmp_path, "--how", "local", "--audit", "quick") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["recipe"]["settings"]["how"] == "local"
    assert record["recipe"]["studies of the user's"] == {}
    assert len(record["recipe"]["similarity of the images"]) == 2
    assert record["audit"]["forgetting"]["judged on"].startswith("studies that were not rehearsed")
    assert set(record["audit"]["forgetting"]["by finding"]) <= {*KNOWN, "normal"}
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "lesions made inside drawn normal studies from the first caption" in page
    assert "No image of a patient was learned from" in page
    assert page.count("<img ") == 2
    assert main(["concept", "verify", str(tmp_path / "x.medkt")]) == 0


@pytest.mark.slow
def test_studies_of_ones_own_leave_nothing_but_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = (
        "--normals", str(write(tmp_path / "normals", normals(6, 1))), "--rehearse",
        str(write(tmp_path / "mixture", [*normals(10, 2), *lesions(14, 3)])), "--how", "local", "--audit", "none",
    )  # fmt: skip
    assert learn(tmp_path, *given) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["recipe"]["studies of the user's"] == {"normals": 6, "rehearse": 24}
    assert any("24 studies; 100 to 200 are better" in note for note in record["notes"])
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "6 normal ones that lesions were made in" in page
    assert "<img " not in page  # what was made inside them shows them
    assert not list((tmp_path / "inversions").glob("*")) if (tmp_path / "inversions").exists() else True
    for part in ("00.png", str(tmp_path)):
        assert part.encode() not in (tmp_path / "x.medkt").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "said"), [((), "the finding"), (("--set", "augment.copies=2"), "the finding, in 2 changed copies of each")]
)
def test_images_of_the_finding_are_learned_from(
    more: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write(tmp_path / "images", lesions(3, 9))
    assert learn(tmp_path, "--images", str(images), "--audit", "none", *more) == 0  # which is --how local
    record = json.loads(capsys.readouterr().out)
    assert record["recipe"]["settings"]["how"] == "local"
    assert record["recipe"]["studies of the user's"] == {"images": 3}
    assert record["recipe"]["settings"].get("augment", {}).get("copies", 0) == (2 if more else 0)
    assert record["recipe"]["similarity of the images"] is None
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    text = " ".join(page.replace("&#39;", "'").split())
    assert f"3 studies of the user's that show {said}" in text
    assert ("changed copies" in text) == bool(more)


@pytest.mark.parametrize(
    ("make", "more", "said"),
    [
        (
            {"a": normals(FEWEST_REHEARSED, 1)},
            ("--how", "local", "--rehearse", "{}/a"),
            "look like normal studies only",
        ),
        ({"a": lesions(3, 1), "b": lesions(3, 1)}, ("--images", "{}/a", "--pool", "{}/b"), "give one of them"),
        ({"a": lesions(3, 1), "p/with": lesions(1, 1)}, ("--images", "{}/a", "--probe", "{}/p"), "is in the exam, too"),
        ({"a": lesions(3, 1)}, ("--how", "images", "--images", "{}/a"), "--images is for --how local"),
        ({"a": lesions(3, 1)}, ("--how", "text", "--pool", "{}/a"), "--how text trains nothing"),
        ({}, ("--how", "local", "--rehearse", "{}/none"), "none: is no folder of studies and no manifest"),
        (
            {},
            ("--how", "local", "--set", "augment.copies=3"),
            "are changed, and none are given; say --images or --pool",
        ),
        ({}, ("--how", "local", "--preset", "fast"), "do not go together"),
        ({}, ("--how", "local", "--as-published", "kt-paper"), "do not go together"),
    ],
)
def test_what_would_teach_the_wrong_thing_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: dict[str, list[np.ndarray]],
    more: tuple[str, ...],
    said: str,
) -> None:
    for name, planes in make.items():
        write(tmp_path / name, planes)
    options = SHORT if "text" not in more else []
    command = ["learn", "us_phyllodes", "-o", str(tmp_path / "x.medkt"), *options]
    assert main([*command, *(one.format(tmp_path) for one in more)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.medkt").exists()


def test_a_dry_run_says_what_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["learn", "us_phyllodes", "-o", str(tmp_path / "x.medkt"), "--how", "local", "--dry-run", "--json"]
    assert main(command) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in plan["stages"]][-1] == "controls"
    assert plan["stages"][0]["name"] == "images of the concept"
    assert plan["stages"][0]["images"] == 20

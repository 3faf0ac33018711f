"""`--prompts`: a sentence for each image beside the concept's own words, in rows of its own, stamped and never mixed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from whole_line import QUICK, Command

from .inline_engine import inline

__all__ = ["inline"]

OWN = ("-p", "something dark", "--modality", "ultrasound", *QUICK)
SENTENCE = "a bright PLANTED spot"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two pictures with a bright disc, each with its reference."""
    rows, columns = np.indices((64, 80))
    for number in (1, 2):
        disc = (rows - 30) ** 2 + (columns - 30 - 5 * number) ** 2 < 100
        Picture.fromarray((20 + 200 * disc).astype(np.uint8)).save(tmp_path / f"{number}.png")
        Picture.fromarray((255 * disc).astype(np.uint8)).save(tmp_path / f"mask{number}.png")
    path = tmp_path / "cases.csv"
    path.write_text("case_id,image,reference\na,1.png,mask1.png\nb,2.png,mask2.png\n")
    return path


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"1.png": SENTENCE, "2.png": SENTENCE}))
    return path


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_both_wordings_stand_side_by_side(
    medkt: Command, bright: None, inline: None, manifest: Path, sentences: Path, tmp_path: Path
) -> None:
    words = (
        "evaluate",
        "--manifest",
        manifest,
        *OWN,
        "--resamples",
        "200",
        "--prompts",
        sentences,
        "-o",
        tmp_path / "run",
    )
    ran = medkt(*words)
    assert ran.code == 0, ran.err
    assert f"{sentences}: not a known published file; rows of its sentences are stamped oracle_prompt" in ran.err
    rows = rows_of(tmp_path / "run")
    own, oracle = ([row for row in rows if row["oracle_prompt"] == said] for said in ("false", "true"))
    assert {row["prompt_source"] for row in own} == {"own wording"}
    assert {row["prompt_source"] for row in oracle} == {"prompts file"}
    assert {row["concept"] for row in oracle} == {f"{own[0]['concept']}_oracle_prompt"}
    assert min(float(row["dsc"]) for row in oracle) > 0.9
    assert max(float(row["score"]) for row in own) < min(
        float(row["score"]) for row in oracle
    )  # it is bright, not dark
    record = json.loads((tmp_path / "run" / "run.json").read_text())["identity"]["prompts"]
    assert (record["oracle_prompt"], record["published_as"]) == (True, "not a known published file")
    tables = [path for path in (tmp_path / "run").iterdir() if path.is_file()]
    assert not [path for path in tables if b"PLANTED" in path.read_bytes()]
    findings = json.loads(next((tmp_path / "run" / "cases").glob("*/result.json")).read_text())["findings"]
    assert [one["oracle_prompt"] for one in findings] == [False, True]
    assert findings[1]["prompts"] == [SENTENCE]
    assert "_oracle_prompt" in ran.out
    sentences.write_text(json.dumps({"1.png": "a bright ring", "2.png": SENTENCE}))
    other = medkt(*words)
    assert other.code == 2
    assert "prompts" in other.err


def test_our_own_rows_are_those_of_a_run_without(
    medkt: Command, bright: None, inline: None, manifest: Path, sentences: Path, tmp_path: Path
) -> None:
    words = ("batch", "--manifest", manifest, *OWN, "--keep-ids", "-q")
    sentences.write_text(json.dumps({"1.png": SENTENCE}))
    assert medkt(*words, "-o", tmp_path / "plain").code == 0
    refused = medkt(*words, "-o", tmp_path / "both", "--prompts", sentences)
    assert refused.code == 2
    assert "1 of 2 images have no sentence in the file (2.png); add them, or say --prompts-missing own" in refused.err
    ran = medkt(*words, "-o", tmp_path / "both", "--prompts", sentences, "--prompts-missing", "own")
    assert ran.code == 0, ran.err
    both, plain = rows_of(tmp_path / "both"), rows_of(tmp_path / "plain")
    assert [(row["case_id"], row["oracle_prompt"]) for row in both] == [("a", "false"), ("a", "true"), ("b", "false")]
    own = [row for row in both if row["oracle_prompt"] == "false"]
    same = ("case_id", "concept", "score", "dsc", "iou", "mask_voxels", "input_digest")
    assert [[row[name] for name in same] for row in own] == [[row[name] for name in same] for row in plain]
    assert "prompt_source" not in plain[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("batch", "--manifest", "{}/cases.csv", *OWN, "--site", "here"),
            "leave --prompts out, or .medkt files and --site",
        ),
        (("batch", "--manifest", "{}/cases.csv", "-p", "a ring"), "give one -c, -p or concept a case"),
        (("evaluate", "--reference", "a", "--prediction", "b"), "--prompts and --dry-run go with --manifest"),
        (("evaluate", "--manifest", "{}/cases.csv", "--classify"), "--prompts belongs to masks"),
    ],
)
def test_what_does_not_go_with_it_is_one_line(
    medkt: Command, manifest: Path, sentences: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    manifest.write_text("case_id,image\na,1.png\nb,2.png\n")
    more = ("-p", "a bright disc") if "a ring" in words else ()
    ran = medkt(*(word.format(tmp_path) for word in words), *more, "-q", "--prompts", sentences, "-o", tmp_path / "o")
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_dry_run_counts_both_wordings(medkt: Command, manifest: Path, sentences: Path, tmp_path: Path) -> None:
    ran = medkt(
        "batch", "--manifest", manifest, *OWN, "-q", "--prompts", sentences, "-o", tmp_path / "o", "--dry-run", "--json"
    )
    assert ran.code == 0, ran.err
    plan = json.loads(ran.out)
    assert plan["settings"]["saliency.method.steps"] == {"value": 2, "source": "given for this run"}
    assert plan["seconds"]["most"] > 0

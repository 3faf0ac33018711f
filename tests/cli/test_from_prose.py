"""`medkt concept new --from-text` and `medkt learn FILE.txt`: a description in prose on the command line."""

import json
from pathlib import Path

import pytest
from whole_line import Command

from medkt.concepts import read_concepts

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker

TEXT = """\
A zorn nodule is a benign growth of the breast.
On ultrasound, the zorn nodule is a round, bright mass with a sharp margin in the breast. Its wall is thin.
It must be told from a fibroadenoma. Treatment is by excision.
"""
SAID = ("--name", "zorn nodule", "--modality", "ultrasound")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("zorn.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_a_draft_is_shown_and_the_file_is_sound(medkt: Command) -> None:
    ran = medkt(
        "concept", "new", "--from-text", "zorn.txt", *SAID, "--licence", "CC0-1.0", "--author", "me", "-o", "zorn.yaml"
    )
    assert ran.code == 0
    assert "zorn nodule, ultrasound: 5 sentences, 2 say what is seen" in ran.out
    assert "set aside (treatment): Treatment is by excision." in ran.out
    assert "could be taken for: fibroadenoma (us_fibroadenoma)" in ran.out
    (concept,) = read_concepts(Path("zorn.yaml"))
    assert concept.texts("inversion") == ("a round, bright mass with a sharp margin in the breast",)
    ran = medkt("concept", "lint", "zorn.yaml")
    assert (ran.code, ran.out) == (0, "errors: 0, warnings: 0, files: 1\n")


def test_without_a_file_to_write_the_file_is_stdout(medkt: Command) -> None:
    ran = medkt("concept", "new", "--from-text", "zorn.txt", *SAID)
    Path("out.yaml").write_text(ran.out, encoding="utf-8")
    assert read_concepts(Path("out.yaml"))[0].name == "zorn nodule"
    assert "2 say what is seen" in ran.err


def test_a_draft_as_json(medkt: Command) -> None:
    ran = medkt("concept", "new", "--from-text", "zorn.txt", *SAID, "--json", "-o", "zorn.yaml")
    record = json.loads(ran.out)
    assert [one["role"] for one in record["sentences"]] == ["cause", "seen", "seen", "differential", "treatment"]
    assert (record["file"], len(record["text_sha256"])) == ("zorn.yaml", 64)
    assert Path("zorn.yaml").is_file()


def test_captions_are_cut_to_what_a_model_reads(medkt: Command) -> None:
    phrases = "beside the pectoral muscle, above the ribs, below the skin, behind the nipple, along the ducts, near the axilla"
    Path("long.txt").write_text(f"It is an oval hypoechoic mass with microlobulated circumscribed margins {phrases}.")
    ran = medkt("concept", "new", "--from-text", "long.txt", *SAID, "-o", "long.yaml", "--model", "small", "--json")
    caption = json.loads(ran.out)["inversion"][0]
    assert caption.startswith("an oval hypoechoic mass with microlobulated circumscribed margins")
    ran = medkt("concept", "lint", "long.yaml", "-m", "small", "--json")
    assert not [one for one in json.loads(ran.out)["problems"] if one["rule"] == "cut-off"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from-text", "zorn.txt", "--modality", "ct", "--name", "zorn nodule"], "it describes another way of imaging"),
        (["--from-text", "zorn.txt", "--modality", "ultrasound"], "--from-text needs --name"),
        (["--from-text", "absent.txt", *SAID], "absent.txt: cannot be read"),
        (["--from-text", ".", *SAID], "."),
        (["--from-text", "empty.txt", *SAID], "empty.txt: is empty"),
        (["--from-text", "zorn.txt", *SAID, "--caption", "x"], "--from-text brings the captions"),
        (["--from-text", "zorn.txt", *SAID, "--from-list", "x"], "leave out --name and --caption"),
        ([*SAID, "--json"], "--json and --model are for --from-text"),
        (["--from-text", "zorn.txt", *SAID, "-o", "there.yaml"], "there.yaml: exists already"),
        (["--from-text", "zorn.txt", *SAID, "-o", "no/folder.yaml"], "the folder to write into does not exist"),
        (["--from-text", "zorn.txt", *SAID, "--model", "biggest"], "biggest"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(medkt: Command, arguments: list[str], said: str) -> None:
    Path("empty.txt").write_text("\n")
    Path("there.yaml").write_text("mine")
    before = sorted(Path.cwd().rglob("*"))
    ran = medkt("concept", "new", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err
    assert sorted(Path.cwd().rglob("*")) == before
    assert Path("there.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zorn.txt", "--modality", "ultrasound"], "give --name"), (["zorn.txt", "--name", "zorn nodule"], "say which images it describes"),
        (["zorn.txt", "--name", "zorn nodule", "--modality", "cxr"], "has no sentence that says what is seen in cxr"),
        (["absent.txt", *SAID], "absent.txt: cannot be read"), (["us_cyst", "--name", "x"], "--name is for a description"),
    ],
)  # fmt: skip
def test_learn_refuses_a_text_that_it_cannot_teach(medkt: Command, arguments: list[str], said: str) -> None:
    ran = medkt("learn", *arguments, "-o", "x.medkt", "-q")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert said in ran.err
    assert not Path("x.medkt").exists()


def test_learn_takes_a_text_as_the_concept_that_it_describes(medkt: Command) -> None:
    ran = medkt("learn", "zorn.txt", *SAID, "-o", "x.medkt", "--dry-run")
    assert ran.code == 0, ran.err
    assert "concept us_zorn_nodule" in ran.out
    assert "set aside (treatment)" in ran.err
    ran = medkt("learn", "zorn.txt", *SAID, "-o", "x.medkt", "--dry-run", "-q")
    assert "set aside" not in ran.err

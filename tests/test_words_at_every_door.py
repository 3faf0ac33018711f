"""A text without meaning is refused at every door before a study is read; what is noted stands wherever a result does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import medkt
from medkt.calibration import Scorer
from medkt.cli.main import main
from medkt.concepts import Concept, concept_from_text
from medkt.domains import domain
from medkt.errors import InputError
from medkt.io import read_image
from medkt.learning import learn
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View
from medkt.segmentation.slicewise import SegmentationSettings

SCRIPT, ROW, BY_MODEL = (
    "肺结节",
    "asdfghjkl",
    "bjoqk",
)  # the last has the shape of a word, and small knows none of its pieces

CONCEPT = """version: 1
modality: cxr
licence: CC0-1.0
author: me
sources: {{own: own}}
concepts:
  - {{id: mine, name: "{name}", source: [own], captions: {{inversion: ["a round bright spot"], finetune: ["a spot"],
     prompt: ["{prompt}"], contrast: ["{contrast}"]}}}}
"""


def concept_file(folder: Path, *, name: str = "pale disc", prompt: str = "a pale disc", contrast: str = "a rib") -> str:
    path = folder / "mine.yaml"
    path.write_text(CONCEPT.format(name=name, prompt=prompt, contrast=contrast), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("s") / "p", domain="cxr", finding="cxr_nodule", seed=0, format="dicom")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    settings = SegmentationSettings()
    return Pipeline.load("small", settings=settings)


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading any study fails the test."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a study was read")

    for where in ("medkt.io", "medkt.pipeline.run", "medkt.pipeline.classification", "medkt.datasets.reference"):
        monkeypatch.setattr(f"{where}.read_image", refuse)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("text", [SCRIPT, ROW, BY_MODEL])
@pytest.mark.parametrize("command", ["segment", "explain", "classify", "invert", "batch", "evaluate"])
def test_every_command_refuses_before_a_study_is_read(
    command: str, text: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "cases.csv"
    table.write_text(f"case_id,image,patient_id,modality,mask\nc1,{study},p1,cxr,{study.parent / 'reference.png'}\n")
    inputs = {"batch": ["--manifest", str(table)], "evaluate": ["--manifest", str(table)], "invert": []}
    words = [command, *inputs.get(command, ["-i", str(study)]), "-p", text, "-p", "lung nodule"]
    out = tmp_path / "out"
    code = main([*words, *([] if command == "classify" else ["-o", str(out)])])
    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (2, 1), error
    assert re.search(rf"medkt: the text '{text}' cannot be asked: .*; say in English what is seen", error)
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("place", ["name", "prompt", "contrast"])
def test_a_file_is_refused_as_typed_text_is(
    place: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = concept_file(tmp_path, **{place: SCRIPT})
    for words in (
        ["segment", "-i", str(study), "-o", str(tmp_path / "o"), "-c", own],
        ["learn", own, "-o", str(tmp_path / "m.medkt"), "--audit", "none"],
    ):
        assert main(words) == 2
        assert f"mine: the text '{SCRIPT}' cannot be asked" in capsys.readouterr().err
    assert not (tmp_path / "m.medkt").exists()


@pytest.mark.usefixtures("nothing_is_read")
def test_python_refuses_as_the_commands_do(pipeline: Pipeline, study: Path) -> None:
    for text in (SCRIPT, BY_MODEL):
        with pytest.raises(InputError, match="cannot be asked"):
            medkt.segment(study, prompts=[text], model=pipeline)
        with pytest.raises(InputError, match="cannot be asked"):
            medkt.classify(study, prompts=[text], model=pipeline)
        with pytest.raises(InputError, match="cannot be asked"):
            pipeline.segment_file(study, [concept_from_text(text)])


def test_what_has_an_image_already_refuses_too(pipeline: Pipeline, study: Path) -> None:
    image, concept = read_image(study), concept_from_text(BY_MODEL)
    described = Concept(id="x", name="disc", captions=concept.captions, modality="cxr")
    with pytest.raises(InputError, match="small knows none of its words"):
        pipeline.segment(image, [concept])
    with pytest.raises(InputError, match="small knows none of its words"):
        medkt.explain(pipeline.encoder, image, concept)
    with pytest.raises(InputError, match="small knows none of its words"):
        Scorer.of(pipeline.encoder, concept, domain("cxr"))
    with pytest.raises(InputError, match=r"x: the text .* small knows none of its words"):
        learn(pipeline.encoder, described, domain("cxr"))


def test_a_denial_is_noted_in_result_page_and_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r"
    said = ["-p", "no lung nodule", "-p", "lung nodule", "-p", "is there an effusion?"]
    assert main(["segment", "-i", str(study), "-o", str(out), *said, "--set", "m2ib.steps=1"]) == 0
    record = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert [one["words_notes"] for one in record["findings"]] == [["negation"], [], ["question"]]
    denied = (
        "no lung nodule: it says 'no'; text encoders hardly read a denial, so what is denied is looked for all the same"
    )
    assert [one for one in record["warnings"] if one.startswith(f"{denied} (of drawn pairs small tells ")]
    assert f"note: {denied}" in capsys.readouterr().err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "its words, see below: negation" in page
    assert page.count("its words, see below") == 2


@pytest.mark.slow
def test_a_cohorts_table_has_a_column_of_notes(study: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = tmp_path / "cases.csv"
    table.write_text(f"case_id,image,patient_id,modality\nc1,{study},p1,cxr\n")
    run = tmp_path / "run"
    words = ["-p", "no nodule; no effusion", "-p", "lung nodule", "--set", "m2ib.steps=1"]
    assert main(["batch", "--manifest", str(table), "-o", str(run), *words, "-q"]) == 0
    rows = pq.read_table(run / "results.parquet").to_pylist()
    assert {row["words_notes"] for row in rows} == {"negation;several_findings", ""}


def test_classify_notes_them(pipeline: Pipeline, study: Path) -> None:
    found = medkt.classify(study, prompts=["no nodule", "lung nodule"], model=pipeline, view=View())
    assert [one.words_notes for one in found.scores] == [("negation",), (), ()]
    assert any("it says 'no'" in warning for warning in found.warnings)

"""A package that adds one of each: it segments, learns and is evaluated as medkt's own do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adding import added, fixture_package
from PIL import Image as Picture

import medkt
from medkt.audit.exam import PictureCounts
from medkt.cli.main import main
from medkt.config import resolve
from medkt.datasets import write_manifest
from medkt.datasets.builders import LAYOUTS, build_manifest
from medkt.domains import domain
from medkt.errors import ExtensionError, SettingsError, UnknownNameError, UnsupportedError
from medkt.models.records import ENCODERS, record_of, records
from medkt.models.registry import load_encoder
from medkt.pipeline import Pipeline
from medkt.requests.reading import ModalityOptions
from medkt.runs.folder import RunFolder
from medkt.saliency.methods import method_named
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.transfer.trainable import TrainableParts, frozen_layer, select

QUICK = [
    *("--set", "inversion.steps=2", "--set", "judged_with.steps=2", "--set", "rehearsed_with.steps=2"),
    *("--set", "images=2", "--set", "rehearsal_images=1", "--set", "validation_images=1", "--set", "views=1"),
    *("--set", "pictured=0.0", "--set", "finetune.steps=2", "--set", "finetune.learning_rate=0.001"),
    *("--set", "choose=false", "--set", "inversion.dtype=float32", "--set", "judged_with.dtype=float32"),
    *("--set", "rehearsed_with.dtype=float32"),
]


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with fixture_package(tmp_path_factory.mktemp("site") / "packages"):
        yield


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two pictures with a bright disc each, and its outline, in the layout that the package adds."""
    folder = tmp_path / "studies"
    folder.mkdir()
    rows, columns = np.mgrid[:96, :80]
    for case, row in (("one", 30), ("two", 60)):
        disc = (rows - row) ** 2 + (columns - 40) ** 2 < 100
        grey = (40 + 30 * np.sin(rows / 9) + 120 * disc).astype(np.uint8)
        Picture.fromarray(grey).save(folder / f"{case}.png")
        Picture.fromarray((255 * disc).astype(np.uint8)).save(folder / f"{case}.outline.png")
    return folder


def test_segment_with_an_encoder_a_segmenter_and_a_modality_of_a_package(studies: Path) -> None:
    pipeline = Pipeline.load("fixture-encoder", device="cpu", guarded=False)
    assert (pipeline.encoder.spec.family, pipeline.segmenter_facts.name) == ("fixture", "fixture-segmenter")
    result = medkt.segment(
        studies / "one.png", prompts=["a round bright mass"], model=pipeline, view=medkt.View(modality="mammography")
    )
    assert (result.domain, result.encoder.name) == (domain("mammography"), "fixture-encoder")


def test_segment_by_a_saliency_method_of_a_package(studies: Path) -> None:
    settings = resolve(SegmentationSettings, sets=["saliency.method.name=brightness"])
    pipeline = Pipeline.load("fixture-encoder", device="cpu", guarded=False, settings=settings)
    image = medkt.read_image(studies / "one.png")
    result = pipeline.segment(
        image, [medkt.concept_from_text("a round bright mass")], view=medkt.View(modality="mammography")
    )
    (finding,) = result.findings
    assert finding.found.method == "brightness"
    with pytest.raises(UnknownNameError, match=r"no saliency method 'none'; known: m2ib, .*, patches, brightness"):
        resolve(SegmentationSettings, sets=["saliency.method.name=none"])


def test_what_is_no_saliency_method_is_refused(tmp_path: Path) -> None:
    points = {"medkt.saliency": {"odd": "pathlib:PurePath"}}
    with (
        added(tmp_path / "site", "odd-giver", points),
        pytest.raises(ExtensionError, match="is PurePath, which has no settled or maps"),
    ):
        method_named("odd")


def test_commands_and_requests_take_an_added_modality(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["concepts", "--modality", "mammography"]) == 0
    assert not capsys.readouterr().out.strip()
    assert ModalityOptions(modality="mammography").modality == "mammography"
    with pytest.raises(SettingsError, match="modality: 'pet' is none of auto, cxr, ct, mri, ultrasound"):
        ModalityOptions(modality="pet")


def test_the_names_that_a_package_adds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "fixture-encoder" in records("encoder")
    assert record_of("fixture-segmenter").kind == "segmenter"
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("fixture-encoder", "fixture-segmenter"))
    assert list(ENCODERS)[-1] == "fixture"


def test_the_parts_of_an_added_encoder_may_train() -> None:
    encoder = load_encoder("fixture-encoder")
    chosen = select(encoder, TrainableParts(blocks=1))
    assert chosen
    assert all(name.startswith("seeing.image.") for name in chosen)
    assert frozen_layer(encoder, TrainableParts(blocks=1)) == encoder.spec.layers - 2


def test_an_encoder_may_bring_its_record_itself() -> None:
    encoder = load_encoder("fixture-encoder")
    encoder.spec = replace(encoder.spec, family="of a notebook")  # type: ignore[misc]
    encoder.family = ENCODERS["fixture"]  # type: ignore[attr-defined]
    assert select(encoder, TrainableParts(what="projection"))


def test_a_data_set_in_an_added_layout(studies: Path) -> None:
    manifest = build_manifest("sidecar", studies, concept="a round bright mass")
    assert [case.case_id for case in manifest.cases] == ["one", "two"]
    assert {case.modality for case in manifest.cases} == {"mammography"}
    assert list(LAYOUTS)[-1] == "sidecar"


def test_a_record_of_another_family_is_refused(tmp_path: Path) -> None:
    text = (
        "from dataclasses import replace\nfrom medkt_fixture.encoder import FAMILY as OTHER, RECORD\n"
        "FAMILY = replace(OTHER, models=(replace(RECORD, name='small'),))\n"
    )
    (tmp_path / "a_wrong_family.py").write_text(text)
    points = {"medkt.encoders": {"wrong": "a_wrong_family:FAMILY"}}
    with added(tmp_path / "site", "wrong-giver", points, tmp_path / "a_wrong_family.py"):
        with pytest.raises(
            ExtensionError,
            match=r"the encoder family 'wrong' .* has a record of the encoder 'small' of the family 'fixture'",
        ):
            list(records("encoder"))
        assert record_of("small").family == "small"  # a name of medkt's own asks no package


@pytest.mark.slow
def test_learn_with_an_added_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "inversions"))
    few = PictureCounts(finding=2, others=2, normal=2, known=1)
    for place in ("medkt.audit.exam", "medkt.asking.choice", "medkt.asking.calibration"):
        monkeypatch.setattr(f"{place}.COUNTS", few)
    package = tmp_path / "phyllodes.medkt"
    learn = [
        "learn",
        "us_phyllodes",
        "-o",
        str(package),
        "-m",
        "fixture-encoder",
        "--dreamt-rehearsal",
        "--keep-anyway",
    ]
    assert main([*learn, *QUICK, "--json"]) == 0
    capsys.readouterr()
    assert medkt.read_package(package).base.name == "fixture-encoder"


@pytest.mark.slow
def test_a_run_with_everything_that_a_package_adds_is_evaluated(
    studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The workers are processes of their own, which find the package as it is installed."""
    write_manifest(build_manifest("sidecar", studies).cases, tmp_path / "manifest.csv")
    run = tmp_path / "run"
    batch = ["batch", "--manifest", str(tmp_path / "manifest.csv"), "-o", str(run), "--model", "fixture-encoder"]
    words = ["-p", "a round bright mass", "--no-guard", "--set", "saliency.method.name=brightness"]
    assert main([*batch, *words, "--json"]) == 0
    models = RunFolder(run).read().models or {}
    assert [models[part]["name"] for part in ("encoder", "segmenter")] == ["fixture-encoder", "fixture-segmenter"]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json"]) == 0
    out = capsys.readouterr().out
    assert '"done": 2' in out, out


def test_an_encoder_of_a_family_that_nobody_tells_cannot_be_fine_tuned() -> None:
    encoder = load_encoder("fixture-encoder")
    encoder.spec = replace(encoder.spec, family="another")  # type: ignore[misc]
    with pytest.raises(UnsupportedError, match=r"of the family 'another'; known: small, .*, fixture"):
        select(encoder, TrainableParts())

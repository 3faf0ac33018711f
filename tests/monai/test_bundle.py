"""A taught concept as a bundle: MONAI's own runner takes a study through it, and gives the mask of `medkt segment`."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from learnt import GAIN, make_words, with_gain
from monai.bundle.properties import InferProperties
from segmentation.bright_spots import BrightSpots

import medkt
from medkt.concepts import Base, read_package, write_package
from medkt.errors import OutputError, SettingsError, UnreadableError
from medkt.monai import write_answers, write_bundle
from medkt.phantom.study import write_study
from medkt.transfer.delta import DeltaSettings, make_delta, to_bytes

trusting = pytest.mark.filterwarnings(
    "ignore:parsing config_file"
)  # MONAI's warning to whoever runs a bundle of others


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain encoder of the tests with another gain, as what it was taught of a spot."""
    base, path = BrightSpots(), tmp_path_factory.mktemp("taught") / "spot.medkt"
    delta = make_delta(base, with_gain(base, 2 * GAIN), DeltaSettings(kind="full", storage="float32"))
    write_package(
        path, concept=make_words("bright_spot", "bright spot"), delta=to_bytes(delta), recipe={},
        base=Base(name=base.spec.name, digest=delta.base_digest), card="# bright spot\n\nWhat was measured.\n",
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def bundle(package: Path) -> Path:
    return write_bundle(package, package.with_name("bundle"))


def require_the_mask_of_the_command(bundle: Path, package: Path, study: Path, folder: Path) -> None:
    """MONAI's runner, and `medkt segment`, of one study in a folder of its own; the finding is seen."""
    masks, concept = folder / "masks", read_package(package).concepts[0].id
    monai.bundle.run(
        config_file=str(bundle / "configs/inference.json"), bundle_root=str(bundle), dataset_dir=str(study.parent), output_dir=str(masks)
    )  # fmt: skip
    medkt.segment_studies(
        input=[study], concept=[str(package)], modality="ultrasound", output=folder / "result", format="nifti"
    )
    expected, found = nib.load(folder / "result" / f"{concept}.nii.gz"), nib.load(masks / "case_mask.nii.gz")
    assert np.asarray(expected.dataobj).any()
    np.testing.assert_array_equal(np.asarray(found.dataobj).reshape(expected.shape), np.asarray(expected.dataobj))
    np.testing.assert_array_equal(found.affine, expected.affine)
    (answer,) = json.loads((masks / "answers.json").read_text())
    (record,) = json.loads((folder / "result" / "result.json").read_text())["findings"]
    (said,) = answer["findings"]
    assert answer["study"] == study.name
    assert (said["finding"], said["presence"], said["words"]) == (concept, "seen", record["name"])
    assert said["score"] == pytest.approx(record["score"], abs=1e-6)


def drawn(folder: Path, finding: str, **size: Any) -> Path:
    """A study as the only file of a folder."""
    (folder / "studies").mkdir()
    study = write_study(folder / "drawn", domain="ultrasound", finding=finding, format="nifti", seed=3, **size)
    return study.rename(folder / "studies" / "case.nii.gz")


@trusting
def test_its_runner_gives_the_mask_of_the_command(bundle: Path, package: Path, tmp_path: Path, bright: None) -> None:
    require_the_mask_of_the_command(bundle, package, drawn(tmp_path, "us_lipoma", side=64), tmp_path)


@trusting
@pytest.mark.slow
def test_a_concept_of_the_embedded_model_is_run(tmp_path: Path) -> None:
    study = drawn(tmp_path, "us_phyllodes")
    package = tmp_path / "phyllodes.medkt"
    medkt.learn_concept(concept="us_phyllodes", how="text", audit="none", output=package)
    require_the_mask_of_the_command(write_bundle(package, tmp_path / "bundle"), package, study, tmp_path)


def test_what_lies_in_it(bundle: Path, package: Path) -> None:
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {"configs/inference.json", "configs/metadata.json", "docs/README.md", "models/spot.medkt"}
    assert (bundle / "models/spot.medkt").read_bytes() == package.read_bytes()
    readme = (bundle / "docs/README.md").read_text()
    assert "Not a medical device" in readme
    assert "What was measured." in readme
    texts = [path.read_text() for path in bundle.rglob("*.json")]
    assert not any(str(package.parent) in text for text in (readme, *texts))  # nothing of the machine


@trusting
def test_monai_finds_what_it_asks_of_a_bundle(bundle: Path) -> None:
    def opened(kind: str | None) -> monai.bundle.ConfigWorkflow:
        config = str(bundle / "configs/inference.json")
        workflow = monai.bundle.ConfigWorkflow(
            config_file=config, workflow_type=kind, logging_file=False, bundle_root=str(bundle)
        )
        workflow.initialize()
        return workflow

    assert opened(None).check_properties() == []
    asked = [one["id"] for one in InferProperties.values() if one["required"]]
    lacking = {name for name in asked if name not in opened("inference").parser}
    assert lacking == {"network_def", "inferer", "evaluator"}  # the whole line is a transform: see medkt.monai.bundle


def test_its_metadata_says_what_monai_asks(bundle: Path, package: Path) -> None:
    """MONAI's schema lies in the network; here stand the parts of it that are written down in its specification."""
    metadata = json.loads((bundle / "configs/metadata.json").read_text())
    jsonschema.validate(metadata, SPECIFIED)
    assert metadata["required_packages_version"]["medkt"] == medkt.__version__
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "bright_spot"}
    assert read_package(package).digest in metadata["changelog"][metadata["version"]]
    for wrong in ("monai_version", "network_data_format"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: value for key, value in metadata.items() if key != wrong}, SPECIFIED)


VERSIONED = {"type": "string", "pattern": r"^\d+\.\d+(\.\d+)?"}
FORMAT: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["type", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data", "channel_def"],
        "properties": {
            "type": {"type": "string"}, "format": {"type": "string"}, "num_channels": {"type": "integer", "minimum": 1},
            "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}}, "dtype": {"type": "string"},
            "value_range": {"type": "array", "items": {"type": "number"}}, "is_patch_data": {"type": "boolean"},
            "channel_def": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}  # fmt: skip
SPECIFIED: dict[str, Any] = {
    "type": "object",
    "required": [
        "schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task", "description",
        "authors", "copyright", "network_data_format",
    ],
    "properties": {
        **dict.fromkeys(("version", "monai_version", "pytorch_version", "numpy_version"), VERSIONED),
        "required_packages_version": {"type": "object", "additionalProperties": VERSIONED},
        "changelog": {"type": "object", "additionalProperties": {"type": "string"}},
        **{key: {"type": "string"} for key in ("schema", "task", "description", "authors", "copyright", "intended_use")},
        "network_data_format": {"type": "object", "required": ["inputs", "outputs"], "additionalProperties": FORMAT},
    },
}  # fmt: skip


def test_a_bundle_is_written_whole_or_not_at_all(package: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="there: is there already; choose another folder"):
        write_bundle(package, tmp_path / "there")
    with pytest.raises(OutputError, match="nowhere: no such folder; make it first"):
        write_bundle(package, tmp_path / "nowhere" / "bundle")
    (tmp_path / "broken.medkt").write_bytes(b"PK")
    with pytest.raises(UnreadableError, match=r"broken\.medkt"):
        write_bundle(tmp_path / "broken.medkt", tmp_path / "bundle")
    own = tmp_path / "own.medkt"
    concept = medkt.concept_from_text("a bright spot")
    packed = read_package(package)
    write_package(own, concept=concept, delta=packed.learnt[0].delta, base=packed.base, recipe={})
    with pytest.raises(SettingsError, match=r"own\.medkt: its concepts say no modality; give modality="):
        write_bundle(own, tmp_path / "bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.medkt", "own.medkt", "there"]
    assert (
        json.loads((write_bundle(own, tmp_path / "bundle", modality="mri") / "configs/inference.json").read_text())[
            "modality"
        ]
        == "mri"
    )


def test_answers_are_written_of_what_was_found(tmp_path: Path) -> None:
    meta = {
        "finding": ["a", "b"],
        "words": ["A", "B"],
        "presence": ["seen", "no claim"],
        "score": [0.5, 0.25],
        "warnings": "one\ntwo",
    }
    study = {
        "image_mask": monai.data.MetaTensor(
            torch.zeros(2, 4, 4), meta={**meta, "filename_or_obj": "/somewhere/case.nii"}
        )
    }
    answers = write_answers([study], tmp_path / "new" / "answers.json")
    assert answers == json.loads((tmp_path / "new" / "answers.json").read_text())
    assert answers[0]["study"] == "case.nii"
    assert answers[0]["findings"][1] == {"finding": "b", "words": "B", "presence": "no claim", "score": 0.25}
    assert answers[0]["warnings"] == ["one", "two"]

"""DICOM statements against each other: thickness, spacing, modality, and what the file says that it shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import CR, CT, MR, write_picture, write_series
from orientations import oblique

from medkt.concepts import concept_from_text, load_concept
from medkt.domains import domain
from medkt.io import read_image
from medkt.pipeline.words import contradicted
from medkt.spatial import ImageStatements

VALUES = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"SliceThickness": 2.5, "SpacingBetweenSlices": 2.5}, None),
        ({"SliceThickness": 2.5, "SpacingBetweenSlices": -2.5}, None),
        ({"SliceThickness": 2.1}, None),
        ({"SliceThickness": 3.0}, None),
        ({"SliceThickness": 0}, None),
        ({"SliceThickness": 1.25}, "slices 1.25 mm thick stand every 2.5 mm: what lies between them was not imaged"),
        ({"SliceThickness": 5}, "slices 5 mm thick stand every 2.5 mm: they overlap"),
        ({"SpacingBetweenSlices": 3}, "SpacingBetweenSlices says 3 mm, the positions 2.5 mm: the positions were taken"),
        (
            {"SpacingBetweenSlices": -3},
            "SpacingBetweenSlices says 3 mm, the positions 2.5 mm: the positions were taken",
        ),
    ],
)
def test_slices(attributes: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, **attributes)
    notes = read_image(tmp_path).provenance.warnings
    assert [note for note in notes if "mm" in note] == ([] if said is None else [notes[0]])
    assert said is None or notes[0].startswith(said)


def test_slices_of_an_oblique_stack(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(oblique())[:3, :3][:, ::-1]
    step = float(np.linalg.norm(affine[:3, 0]))
    affine[:3, 0] = np.cross(affine[:3, 2], affine[:3, 1])
    affine[:3, 0] *= step / np.linalg.norm(affine[:3, 0])
    write_series(tmp_path, VALUES, affine, SliceThickness=step, SpacingBetweenSlices=step)
    assert not any("mm" in note for note in read_image(tmp_path).provenance.warnings)


@pytest.mark.parametrize(
    ("modality", "of_class", "noted"), [("MR", CT, True), ("CT", MR, True), ("CT", CT, False), ("DX", CR, False)]
)
def test_modality_against_the_class(modality: str, of_class: str, noted: bool, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint16), Modality=modality, SOPClassUID=of_class)
    image = read_image(path)
    assert image.modality == modality
    assert any(f"says modality {modality} in an object for" in note for note in image.provenance.warnings) == noted


@pytest.mark.parametrize(
    ("attributes", "stated"),
    [
        ({"BodyPartExamined": "CHEST", "ViewPosition": "PA"}, ImageStatements(body="chest")),
        ({"BodyPartExamined": "BRAIN"}, ImageStatements(body="head")),
        ({"BodyPartExamined": "CHESTABDPELVIS"}, ImageStatements()),
        ({"BodyPartExamined": "MR SMITH"}, ImageStatements()),
        ({"ViewPosition": "LL", "ImageLaterality": "R"}, ImageStatements(side="right", view="lateral")),
        ({"Laterality": "L", "ViewPosition": "LLD"}, ImageStatements(side="left")),
        ({"Laterality": "B"}, ImageStatements()),
    ],
)
def test_what_a_file_says_that_it_shows(attributes: dict[str, Any], stated: ImageStatements, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint16), "DX", **attributes)
    assert read_image(path).stated == stated


@pytest.mark.parametrize(
    ("text", "attributes", "said"),
    [
        (
            "nodule in the left lung",
            {"ImageLaterality": "R"},
            "asks for the left side, the file says that it shows the right",
        ),
        ("nodule in the left lung", {"ImageLaterality": "L"}, None),
        ("left or right nodule", {"ImageLaterality": "L"}, None),
        ("a nodule", {"ImageLaterality": "L"}, None),
        ("a nodule", {"ViewPosition": "LATERAL"}, "lateral view (ViewPosition): words and model are for frontal films"),
        ("a nodule", {"BodyPartExamined": "KNEE"}, "captions of the chest, the file says that it shows the limb"),
        ("a nodule", {"BodyPartExamined": "CHEST", "ViewPosition": "AP"}, None),
    ],
)
def test_words_against_the_file(text: str, attributes: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    image = read_image(write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint16), "DX", **attributes))
    notes = contradicted([concept_from_text(text)], image, domain("cxr"))
    assert (said is None and notes == []) or said in notes[0]  # type: ignore[operator]


def test_a_concept_of_the_head_in_a_ct_of_the_chest(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, BodyPartExamined="CHEST")
    image = read_image(tmp_path)
    (note,) = contradicted([load_concept("ct_nodule"), load_concept("ct_subdural")], image, domain("ct"))
    assert "captions of the head, the file says that it shows the chest" in note

"""What each builder makes of its published layout: how many cases, of whom, with which reference."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import TREES, spot

from medkt.datasets.builders import build_manifest, check_files
from medkt.datasets.case import Case
from medkt.datasets.manifest import Manifest, read_manifest, write_manifest
from medkt.datasets.reference import read_case_image, reference_mask

REAL = Path(os.environ.get("MEDKT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def _built(layout: str, folder: Path, **options: Any) -> Manifest:
    root = folder / layout
    root.mkdir()
    TREES[layout](root)
    manifest = build_manifest(layout, root, checked=0, **options)
    written = write_manifest(manifest, folder / f"{layout}.csv")
    assert read_manifest(written).cases == manifest.cases
    return manifest


def _inside(case: Case) -> int:
    return int(reference_mask(case).values.sum())


def test_paired_and_medclipsam(tmp_path: Path) -> None:
    assert [_inside(case) for case in _built("paired", tmp_path, modality="ct", concept="ct_nodule")] == [12, 12, 12]
    manifest = _built("medclipsam", tmp_path)
    assert Counter(case.split for case in manifest) == {"train": 2, "test": 2}
    assert len(manifest.of_split("test")) == 2


def test_nnunet_takes_a_channel_and_a_label(tmp_path: Path) -> None:
    manifest = _built("nnunet", tmp_path, channel=1, label="tumour")
    assert manifest.cases[0].image.name == "lung_r00_0001.nii.gz"
    assert Counter(case.split for case in manifest) == {"train": 3, "test": 1}
    assert {_inside(case) for case in manifest} == {3}
    root = tmp_path / "nnunet"
    for label, inside in (("both", 9), ("", 9), ("organ", 6)):
        assert _inside(build_manifest("nnunet", root, label=label).cases[0]) == inside
    together = reference_mask(build_manifest("nnunet", root, label="").cases[0])
    assert together.provenance.steps[-1] == "all labels together"


def test_decathlon_takes_a_volume(tmp_path: Path) -> None:
    manifest = _built("decathlon", tmp_path, channel=2, label="tumour")
    assert [case.volume for case in manifest] == [3, 3]
    assert manifest.cases[0].reference_key == "2"
    assert _inside(manifest.cases[0]) == 3


def test_bids_brings_the_participants(tmp_path: Path) -> None:
    first, second = _built("bids", tmp_path)
    assert (first.patient_id, first.columns) == ("sub-01", {"sex": "F", "age": "61"})
    assert second.columns == {"sex": "M"}
    assert _inside(first) == 9


def test_busi_unites_several_masks(tmp_path: Path) -> None:
    manifest = _built("busi", tmp_path)
    assert Counter(case.class_name for case in manifest) == {"benign": 2, "malignant": 2, "normal": 2}
    by_id = {case.case_id: case for case in manifest}
    assert np.array_equal(reference_mask(by_id["benign-1"]).values[0], (spot() | spot(top=7, left=6)) > 0)
    assert _inside(by_id["normal-1"]) == 0
    assert len(build_manifest("busi", tmp_path / "busi", with_normals=False)) == 4


@pytest.mark.skipif(not (REAL / "us" / "busi").is_dir(), reason="needs us/busi of MEDKT_DATA")
def test_busi_for_real() -> None:
    manifest = build_manifest("busi", REAL / "us" / "busi", checked=6)
    assert Counter(case.class_name for case in manifest) == {"benign": 130, "malignant": 75, "normal": 15}
    assert sum(len(case.references) for case in manifest) == 214


def test_udiat_with_and_without_its_table(tmp_path: Path) -> None:
    assert Counter(case.class_name for case in _built("udiat", tmp_path)) == {"benign": 2, "malignant": 1}
    (tmp_path / "udiat" / "DatasetB.csv").unlink()
    assert build_manifest("udiat", tmp_path / "udiat").notes == (
        "no DatasetB.csv: benign and malignant are not told apart",
    )


def test_unitochest_keeps_slices_with_a_nodule(tmp_path: Path) -> None:
    manifest = _built("unitochest", tmp_path)
    assert [(case.split, case.patient_id) for case in manifest] == [
        (s, f"unitochest-{n}") for n, s in enumerate(("train", "val", "test"), 1)
    ]
    assert manifest.notes == ("6 slices without a nodule left out",)
    assert read_case_image(manifest.cases[0]).geometry.unit == "mm"
    assert _inside(manifest.cases[0]) == 12
    every = build_manifest("unitochest", tmp_path / "unitochest", nodules_only=False)
    assert Counter(case.present for case in every) == {True: 3, False: 6}


def test_siim_has_negatives_and_several_rows(tmp_path: Path) -> None:
    manifest = _built("siim", tmp_path)
    assert [case.present for case in manifest] == [True, False, True]
    assert [_inside(case) for case in manifest] == [24, 0, 12]
    assert manifest.cases[0].columns == {"sex": "F", "projection": "PA"}
    assert len(build_manifest("siim", tmp_path / "siim", positives_only=True, checked=0)) == 2


def test_brats_by_volume_and_by_slice(tmp_path: Path) -> None:
    manifest = _built("brats", tmp_path, slices=True)
    assert [case.case_id for case in manifest][:2] == ["BraTS-GLI-00000-000-s064", "BraTS-GLI-00000-000-s065"]
    assert {case.patient_id for case in manifest} == {"BraTS-GLI-00000", "BraTS-GLI-00002"}
    assert read_case_image(manifest.cases[0]).values.shape == (1, 240, 240)
    assert _inside(manifest.cases[0]) == 200
    enhancing = build_manifest("brats", tmp_path / "brats", region="enhancing", checked=0)
    assert _inside(enhancing.cases[0]) == 15


def test_jsrt_reads_the_table_as_published(tmp_path: Path) -> None:
    manifest = _built("jsrt", tmp_path)
    assert [(case.class_name, case.concept) for case in manifest] == [
        ("malignant", "cxr_lung_cancer"),
        ("benign", "cxr_benign_nodule"),
    ]
    assert manifest.cases[0].columns == {
        "sex": "Female",
        "age": "53",
        "subtlety": "5",
        "size_mm": "15",
        "nodule_x": "1634",
        "nodule_y": "692",
    }
    assert manifest.notes == ("1 records have no image here",)
    assert read_case_image(manifest.cases[0]).display.inverted


def test_chexpert_has_one_finding_an_image(tmp_path: Path) -> None:
    manifest = _built("chexpert", tmp_path)
    assert [case.class_name for case in manifest] == [
        "Atelectasis",
        "Cardiomegaly",
        "Consolidation",
        "Edema",
        "Pleural Effusion",
    ]
    assert manifest.cases[0].patient_id == "patient00001"
    assert not any(case.has_mask for case in manifest)
    check_files(manifest.cases)

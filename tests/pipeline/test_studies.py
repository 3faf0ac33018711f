"""The user's studies to teach or to ask by: a folder or a manifest, read one at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.asking.studies import ShownStudies, digest_of_studies, doubts_said
from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.errors import InputError
from medkt.io import read_image
from medkt.phantom.drawers import draw_normal
from medkt.phantom.study import write_study
from medkt.pipeline.studies import StudyFolder, shown_study

KIND, CONCEPT = domain("ultrasound"), load_concept("us_phyllodes")


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    plane = draw_normal("ultrasound", np.random.default_rng(seed), side=64)
    Picture.fromarray(np.rint(plane * 255).astype(np.uint8)).save(path)
    return path


def of(source: Path) -> StudyFolder:
    return StudyFolder.of(source, KIND, CONCEPT)


def test_a_folder_and_a_manifest_give_the_same_studies(tmp_path: Path) -> None:
    for seed in range(3):
        picture(tmp_path / "normals" / f"{seed}.png", seed)
    rows = "".join(f"c{seed},normals/{seed}.png,p{seed % 2}\n" for seed in range(3))
    (tmp_path / "normals.csv").write_text(f"case_id,image,patient_id\n{rows}")
    folder, manifest = of(tmp_path / "normals"), of(tmp_path / "normals.csv")
    assert isinstance(folder, ShownStudies)
    assert len(folder) == len(manifest) == 3
    for one, other in zip(folder, manifest, strict=True):
        assert one.digest == other.digest
        np.testing.assert_array_equal(one.planes, other.planes)
    assert [one.patient for one in manifest] == ["p0", "p1", "p0"]
    assert [one.patient for one in folder] == ["", "", ""]
    assert len({one.digest for one in folder}) == 3
    assert [one.digest for one in folder] == [one.digest for one in folder]  # each time anew


def test_a_volume_is_shown_plane_by_plane_as_the_pipeline_looks_at_it(tmp_path: Path) -> None:
    import nibabel

    values = np.random.default_rng(0).normal(100, 20, (24, 20, 6)).astype(np.float32)
    (tmp_path / "d").mkdir()
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 5.0, 1.0])), tmp_path / "d" / "a.nii.gz")
    kind = domain("mri")
    (study,) = StudyFolder.of(tmp_path / "d", kind, load_concept("mri_epidermoid"))
    assert len(study.planes) == len(
        kind.slices(read_image(tmp_path / "d" / "a.nii.gz"), _planes(tmp_path / "d" / "a.nii.gz"))
    )
    assert all(0 <= plane.min() <= plane.max() <= 1 for plane in study.planes)


def _planes(path: Path):
    from medkt.spatial import planes_of

    return planes_of(read_image(path).geometry)


def test_the_digest_of_studies_does_not_depend_on_their_order() -> None:
    assert digest_of_studies(["a", "b"]) == digest_of_studies(["b", "a"]) != digest_of_studies(["a", "c"])


def test_what_is_not_there_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: is no folder of studies and no manifest \(.csv"):
        of(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").touch()
    with pytest.raises(InputError, match="empty: is empty; put a file or a folder"):
        of(tmp_path / "empty")


def test_a_study_that_cannot_be_read_or_stands_there_twice_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "d" / "a.png", 0)
    (tmp_path / "d" / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b.png: the study cannot be used: "):
        list(of(tmp_path / "d"))
    picture(tmp_path / "d" / "b.png", 0)
    with pytest.raises(InputError, match=r"b.png: is the same study as .*a.png"):
        list(of(tmp_path / "d"))


def test_a_study_that_says_another_modality_is_refused_and_one_that_says_none_is_doubted(tmp_path: Path) -> None:
    """A head of MRI among studies of CT, as DICOM and as NIfTI, which says no modality."""
    kind, concept = domain("ct"), load_concept("ct_nodule")
    shape, spacing = (3, 32, 32), (20.0, 7.2, 7.2)
    for name in ("dicom", "nifti"):
        path = write_study(
            tmp_path / name / "drawn", domain="mri", finding="", seed=1, format=name, shape=shape, spacing_mm=spacing
        )
        path.rename(tmp_path / name / path.name)
    series, volume = tmp_path / "dicom" / "series", tmp_path / "nifti" / "image.nii.gz"
    with pytest.raises(
        InputError,
        match=r"series: the study cannot be used: the file says modality MR, and the studies are to be of CT",
    ):
        shown_study(series, kind, concept)
    assert shown_study(series, domain("mri"), load_concept("mri_glioma")).doubts == ()
    elsewhere = replace(load_concept("mri_glioma"), body="knee")
    assert shown_study(series, domain("mri"), elsewhere).doubts == (
        "glioma: is compared with captions of the knee, the file says that it shows the head",
    )
    (doubt,) = shown_study(volume, kind, concept).doubts
    assert doubt.startswith("no value below -500 HU")
    assert doubts_said("normals", {doubt: 3}, 20) == [f"--normals: 3 of 20 studies: {doubt}"]

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.asking import Directions
from medkt.audit.exam import Marks, marks_of
from medkt.audit.probe import FEWEST, Probe, read_probe
from medkt.cli.main import main
from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.errors import InputError
from medkt.models.small import load_small
from medkt.phantom.study import write_study
from medkt.transfer.rehearsal import text_vectors, vectors_of

US, CYST = domain("ultrasound"), load_concept("us_cyst")


def write_picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 255, (40, 48), dtype=np.uint8)
    Picture.fromarray(grey).save(path)
    return path


def test_a_probe_is_read_by_its_two_folders(tmp_path: Path) -> None:
    for seed in range(3):
        write_picture(tmp_path / "with" / f"{seed}.png", seed)
    write_picture(tmp_path / "without" / "a.png", 9)
    (tmp_path / "without" / ".hidden").write_bytes(b"x")
    probe = read_probe(tmp_path, US, CYST)
    assert probe.kinds == ("finding",) * 3 + ("without",)
    assert not probe.decides
    assert Probe(planes=((),) * 20, kinds=("finding",) * FEWEST + ("without",) * FEWEST).decides
    assert "3 with, 1 without" in probe.exam(load_small(), None).what


def test_a_manifest_says_what_shows_the_finding(tmp_path: Path) -> None:
    names = [write_picture(tmp_path / f"{seed}.png", seed).name for seed in range(4)]
    rows = zip(names, ("yes", "no", "yes", ""), strict=True)
    lines = [f"c{n},{name},P{n},{present}" for n, (name, present) in enumerate(rows)]
    (tmp_path / "exam.csv").write_text("\n".join(["case_id,image,patient_id,present", *lines]), encoding="utf-8")
    probe = read_probe(tmp_path / "exam.csv", US, CYST)
    assert probe.kinds == ("finding", "without", "finding")
    assert len(probe.fingerprints.studies) == 3
    assert len(probe.fingerprints.patients) == 3
    assert not any("P0" in one for one in probe.fingerprints.patients)


def test_the_patient_of_a_dicom_study_is_known_again(tmp_path: Path) -> None:
    for part, seed in (("with", 1), ("without", 2)):
        study = write_study(
            tmp_path / "made" / part, domain="ultrasound", finding="us_cyst", seed=seed, format="dicom", side=64
        )
        (tmp_path / part).mkdir()
        shutil.move(study, tmp_path / part / "x.dcm")
    probe = read_probe(tmp_path, US, CYST)
    assert len(probe.fingerprints.studies) == 2
    assert len(probe.fingerprints.patients) == 1  # the phantoms' planted one
    assert "MEDKT-PLANTED-ID" not in repr(probe)


def test_a_volume_speaks_by_the_plane_that_leads_most(tmp_path: Path) -> None:
    for part, finding in (("with", "ct_nodule"), ("without", "")):
        study = write_study(
            tmp_path / part / "x", domain="ct", finding=finding, seed=1, format="nifti", shape=(6, 32, 32)
        )
        (study.parent / "reference.nii.gz").unlink(missing_ok=True)
        shutil.move(study, tmp_path / part / "image.nii.gz")
        (tmp_path / part / "x").rmdir()
    probe = read_probe(tmp_path, domain("ct"), load_concept("ct_nodule"))
    encoder = load_small()
    exam = probe.exam(encoder, None)
    assert len(exam.seen.hidden) == sum(exam.rows) > len(exam.rows) == 2
    vectors = text_vectors(encoder, ("a nodule", "normal lungs"))
    asked = Directions(wanted=vectors[0], rivals=vectors[1:])
    found = marks_of(vectors_of(encoder, exam.seen), exam, asked)
    exams = [Probe(planes=(study,), kinds=("finding",)).exam(encoder, None) for study in probe.planes]
    alone = [marks_of(vectors_of(encoder, one.seen), one, asked).leads for one in exams]
    assert isinstance(found, Marks)
    np.testing.assert_allclose(found.leads, np.concatenate(alone), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "a probe holds the folders with and without"),
        (lambda folder: (folder / "with").mkdir(), "a probe holds the folders with and without"),
        (lambda folder: write_picture(folder / "positive" / "a.png", 1), "a probe holds the folders with and without"),
        (lambda folder: [write_picture(folder / part / "a.png", 1) for part in ("with", "without")], "is the same study as"),
        (lambda folder: (write_picture(folder / "with" / "a.png", 1), (folder / "with" / "b.png").write_bytes(b"no")),
         r"b\.png: a study of the probe cannot be used"),
    ],
)  # fmt: skip
def test_a_bad_probe_is_refused_and_the_study_is_named(tmp_path: Path, make, said: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path)
    with pytest.raises(InputError, match=said):
        read_probe(tmp_path, US, CYST)


def test_the_command_refuses_it_before_anything_is_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.medkt"
    assert main(["learn", "us_phyllodes", "-o", str(target), "--probe", str(tmp_path / "none")]) == 2
    assert "a probe holds the folders" in capsys.readouterr().err
    assert main(["learn", "us_phyllodes", "-o", str(target), "--probe", str(tmp_path), "--audit", "none"]) == 2
    assert "--probe is for the audit" in capsys.readouterr().err
    assert not target.exists()


def test_what_another_modality_looks_like_is_told_and_what_says_it_is_refused(tmp_path: Path) -> None:
    """Heads of MRI as an exam on nodules of CT."""
    for name in ("dicom", "nifti"):
        made = write_study(
            tmp_path / "made" / name, domain="mri", finding="", seed=1, format=name, shape=(3, 32, 32), spacing_mm=(20.0, 7.2, 7.2)
        )  # fmt: skip
        (tmp_path / name / "with").mkdir(parents=True)
        shutil.move(made, tmp_path / name / "with" / made.name)
    kind, nodule = domain("ct"), load_concept("ct_nodule")
    (note,) = read_probe(tmp_path / "nifti", kind, nodule).notes
    assert note.startswith("--probe: 1 of 1 studies: no value below -500 HU")
    assert read_probe(tmp_path / "nifti", domain("mri"), load_concept("mri_glioma")).notes == ()
    with pytest.raises(InputError, match=r"a study of the probe cannot be used.*the file says modality MR"):
        read_probe(tmp_path / "dicom", kind, nodule)

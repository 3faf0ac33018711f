"""`medkt phantom`: studies as files, the same for the same seed, and options that do not belong together."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from whole_line import Command, files_below

from medkt.io import read_image, read_mask
from medkt.phantom.finding import findings


@pytest.mark.parametrize(
    ("finding", "form", "domain"),
    [("us_cyst", "dicom", "ultrasound"), ("cxr_nodule", "png", "cxr"), ("mri_glioma", "nifti", "mri")],
)
def test_a_study_and_its_answer(finding: str, form: str, domain: str, medkt: Command, tmp_path: Path) -> None:
    ran = medkt("phantom", "-o", tmp_path, "--finding", finding, "--format", form, "--json")
    assert ran.code == 0
    said = json.loads(ran.out)
    assert said["domain"] == domain
    image = read_image(said["study"])
    mask = read_mask(said["reference"], like=image)
    assert mask.values.any()


def test_the_printed_path_is_the_one_to_give(medkt: Command, tmp_path: Path) -> None:
    ran = medkt("phantom", "-o", tmp_path, "--finding", "us_cyst")
    study, reference = (line.split(": ", 1) for line in ran.out.splitlines())
    assert (study[0], reference[0]) == ("study", "reference")
    assert Path(study[1]).is_file()
    assert Path(reference[1]).is_file()


def test_a_normal_study_has_an_empty_answer(medkt: Command, tmp_path: Path) -> None:
    ran = medkt("phantom", "-o", tmp_path, "--finding", "none", "--domain", "cxr", "--json")
    assert not np.asarray(nib.load(json.loads(ran.out)["reference"]).dataobj).any()


def test_the_seed_decides(medkt: Command, tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert medkt("phantom", "-o", tmp_path / name, "--finding", "us_cyst", "--seed", seed).code == 0
    a, b, c = ([path.read_bytes() for path in files_below(tmp_path / name)] for name in "abc")
    assert a == b
    assert a != c


def test_frames_of_a_clip(medkt: Command, tmp_path: Path) -> None:
    assert medkt("phantom", "-o", tmp_path, "--finding", "us_cyst", "--frames", "4").code == 0
    assert pydicom.dcmread(tmp_path / "image.dcm").NumberOfFrames == 4


def test_the_list(medkt: Command) -> None:
    ran = medkt("phantom", "--list")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == list(findings())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "-o FOLDER"),
        (("-o", "{}", "--finding", "none"), "needs --domain"),
        (("-o", "{}", "--finding", "ct_nodle"), "known: "),
        (("-o", "{}", "--finding", "ct_nodule", "--domain", "mri"), "is a finding of ct"),
        (("-o", "{}", "--finding", "ct_nodule", "--frames", "3"), "only ultrasound"),
        (("-o", "{}", "--finding", "us_cyst", "--frames", "0"), "frames"),
        (("-o", "{}", "--finding", "us_cyst", "--format", "jpeg"), "choose from"),
        (("-o", "{}", "--finding", "us_cyst", "--seed", "-1"), "--seed"),
    ],
)
def test_options_that_cannot_be(options: tuple[str, ...], says: str, medkt: Command, tmp_path: Path) -> None:
    ran = medkt("phantom", *(option.replace("{}", str(tmp_path / "out")) for option in options))
    assert ran.code == 2
    assert ran.err.startswith("medkt: ")
    assert ran.err.count("\n") == 1
    assert says in ran.err
    assert not files_below(tmp_path)


def test_a_place_that_cannot_be_written(medkt: Command, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    ran = medkt("phantom", "-o", tmp_path / "taken", "--finding", "us_cyst")
    assert ran.code == 2
    assert ran.err.startswith(f"medkt: {tmp_path / 'taken'}: cannot be written")

"""`medkt segment` from the command line to the files: grids, lists of files, identifiers, repeats, several at once."""

import gzip
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml
from PIL import Image as Picture
from pydicom.sequence import Sequence as DicomSequence
from whole_line import BRIGHT, DICOM, QUICK, STUDIES, Command, Studies, files_below, load_bright, options_of

from medkt.cli.main import main
from medkt.config import build, presets, resolve
from medkt.phantom.study import PLANTED, reference_path
from medkt.pipeline import Pipeline
from medkt.records import as_plain
from medkt.segmentation.slicewise import SegmentationSettings

OWN_FILES = {"overlay.png", "report.html", "result.json", "settings.yaml"}
# what the patient and study modules of a DICOM object must repeat
IN_A_SEG = {
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyTime",
}


@dataclass
class Done:
    """One study that went through the command once, for several tests to look at."""

    name: str
    study: Path
    folder: Path
    out: str
    err: str
    record: dict[str, Any]

    @property
    def files(self) -> dict[str, str]:
        (finding,) = self.record["findings"]
        files: dict[str, str] = finding["files"]
        return files

    def mask(self) -> Any:
        return nib.load(self.folder / self.files["mask"])


@pytest.fixture(scope="module", params=STUDIES)
def done(request: pytest.FixtureRequest, studies: Studies, tmp_path_factory: pytest.TempPathFactory) -> Done:
    name = request.param
    folder = tmp_path_factory.mktemp(name) / "result"
    formats = "nifti,dicom-seg,png" if name in DICOM else "nifti,png"
    words = ("segment", "-i", str(studies[name]), "-o", str(folder), "-f", formats, "-v")
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(Pipeline, "load", load_bright)
        assert main([*words, *BRIGHT, *QUICK, *options_of(name)]) == 0
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return Done(name=name, study=studies[name], folder=folder, out=out.getvalue(), err=err.getvalue(), record=record)


def test_every_file_is_listed_and_every_listed_file_is_there(done: Done) -> None:
    wanted = {"mask", "saliency"}
    wanted |= {"dicom_seg"} if done.name in DICOM else set()
    wanted |= {"png"} if done.record["input"]["shape"][0] == 1 else set()
    assert set(done.files) == wanted
    assert {path.name for path in files_below(done.folder)} == OWN_FILES | set(done.files.values())
    for name in done.files.values():
        assert name in done.out


def test_the_mask_has_the_grid_of_the_input(done: Done) -> None:
    mask = done.mask()
    values = np.asarray(mask.dataobj)
    assert values.dtype == np.uint8
    assert set(np.unique(values)) == {0, 1}
    assert mask.shape == tuple(done.record["input"]["shape"][::-1])
    if "nifti" in done.name:
        given = nib.load(done.study)
        assert mask.shape == given.shape
        np.testing.assert_array_equal(mask.affine, given.affine)
        np.testing.assert_array_equal(mask.header["pixdim"], given.header["pixdim"])
        assert (mask.header["sform_code"], mask.header["qform_code"]) == (
            given.header["sform_code"],
            given.header["qform_code"],
        )
    elif "series" in done.name:
        read = hd.get_volume_from_series([pydicom.dcmread(path) for path in sorted(done.study.iterdir())])
        read = read.flip_spatial(0)  # highdicom begins at the other end of the stack
        np.testing.assert_allclose(mask.affine, _as_nifti(read.affine), atol=1e-4)
        assert mask.shape == read.spatial_shape[::-1]


def test_the_saliency_lies_where_the_mask_lies(done: Done) -> None:
    mask, saliency = done.mask(), nib.load(done.folder / done.files["saliency"])
    np.testing.assert_array_equal(mask.affine, saliency.affine)
    values = saliency.get_fdata()
    assert values.shape == mask.shape
    assert 0 <= values.min() < values.max() <= 1


@pytest.mark.parametrize("done", DICOM, indirect=True)
def test_the_seg_reads_back_as_the_mask_in_the_same_space(done: Done) -> None:
    seg = hd.seg.segread(done.folder / "segmentation.dcm")
    mask = done.mask()
    values = np.asarray(mask.dataobj).T.astype(bool)  # (slices, rows, columns)
    (described,) = seg.SegmentSequence
    assert described.SegmentLabel == "a bright spot"
    assert seg.StudyInstanceUID == _first(done.study).StudyInstanceUID
    if "series" not in done.name:
        np.testing.assert_array_equal(_by_frame(seg, len(values)), values)
        return
    volume = seg.get_volume(combine_segments=True)
    assert seg.FrameOfReferenceUID == _first(done.study).FrameOfReferenceUID
    here = np.argwhere(volume.array > 0)
    world = here @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    back = np.linalg.inv(_as_nifti(np.eye(4)) @ mask.affine)  # LPS+ to (i, j, k)
    ijk = world @ back[:3, :3].T + back[:3, 3]
    np.testing.assert_allclose(ijk, np.rint(ijk), atol=1e-2)
    assert {tuple(one) for one in np.rint(ijk).astype(int)[:, ::-1]} == {tuple(one) for one in np.argwhere(values)}


@pytest.mark.parametrize("done", ["dx", "us-colour", "cxr-png", "us-png"], indirect=True)
def test_the_png_mask_is_the_mask(done: Done) -> None:
    with Picture.open(done.folder / done.files["png"]) as picture:
        shown = np.asarray(picture)
    assert set(np.unique(shown)) == {0, 255}
    np.testing.assert_array_equal(shown > 0, np.asarray(done.mask().dataobj)[..., 0].T.astype(bool))


def test_nothing_that_identifies_the_patient_leaves_the_study(done: Done) -> None:
    said = [done.out, done.err, *(str(path.relative_to(done.folder)) for path in files_below(done.folder))]
    for text in said:
        assert not _planted_in(text.encode()), text
    for path in files_below(done.folder):
        content = path.read_bytes()
        content += gzip.decompress(content) if path.suffix == ".gz" else b""
        if path.suffix != ".dcm":
            assert not _planted_in(content), path.name
    # nor is the place of the input, whose name may be a patient's
    assert str(done.study) not in (done.folder / "result.json").read_text() + (done.folder / "report.html").read_text()


@pytest.mark.parametrize("done", DICOM, indirect=True)
def test_the_seg_repeats_the_patient_module_and_no_more(done: Done) -> None:
    found = {
        keyword
        for keyword, value in _elements(pydicom.dcmread(done.folder / "segmentation.dcm"))
        if _planted_in(value.encode())
    }
    assert found <= IN_A_SEG
    assert {"PatientID", "PatientName"} <= found


def test_what_a_result_says_of_itself(done: Done) -> None:
    record = done.record
    assert record["notice"].startswith("For research use only. Not a medical device")
    assert record["case"] == f"case-{record['input']['digest'][:12]}"
    assert record["domain"] == {"ct": "ct", "mr": "mri", "dx": "cxr", "cx": "cxr", "us": "ultrasound"}[done.name[:2]]
    assert set(record["seconds"]) == {"read", "prepare", "models", "measure"}
    (finding,) = record["findings"]
    assert finding["measures"]["mask_voxels"] == int(np.asarray(done.mask().dataobj).sum())
    assert done.out.startswith(f"{done.study}: a bright spot seen (score {finding['score']:.2f}; ")


# ---- the same again


def test_a_second_run_gives_the_same_files(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    for run in ("first", "second"):
        words = ("segment", "-i", studies["us-clip"], "-o", tmp_path / run, *BRIGHT, "-p", "something dark")
        assert medkt(*words, *QUICK).code == 0
    names = [path.name for path in files_below(tmp_path / "first")]
    assert names == [path.name for path in files_below(tmp_path / "second")]
    for name in names:
        first, second = ((tmp_path / run / name).read_bytes() for run in ("first", "second"))
        if name == "result.json":
            assert _without_seconds(first) == _without_seconds(second)
        elif name == "report.html":
            assert _without_clock(first) == _without_clock(second)
        else:
            assert first == second, name


def test_the_order_of_inputs_changes_no_result(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    one, other = studies["dx"], studies["us"]
    assert medkt("segment", "-i", one, other, "-o", tmp_path / "ab", *BRIGHT, *QUICK).code == 0
    assert medkt("segment", "-i", other, one, "-o", tmp_path / "ba", *BRIGHT, *QUICK).code == 0
    names = [path.relative_to(tmp_path / "ab") for path in files_below(tmp_path / "ab")]
    assert names == [path.relative_to(tmp_path / "ba") for path in files_below(tmp_path / "ba")]
    assert len({name.parent for name in names}) == 2
    for name in names:
        first, second = ((tmp_path / run / name).read_bytes() for run in ("ab", "ba"))
        if name.name == "result.json":
            assert _without_seconds(first) == _without_seconds(second)
        elif name.name != "report.html":
            assert first == second, name


def test_a_study_alone_and_among_others_is_the_same(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    assert medkt("segment", "-i", studies["dx"], "-o", tmp_path / "alone", *BRIGHT, *QUICK).code == 0
    assert medkt("segment", "-i", studies["us"], studies["dx"], "-o", tmp_path / "both", *BRIGHT, *QUICK).code == 0
    alone = json.loads((tmp_path / "alone" / "result.json").read_text())
    both = json.loads((tmp_path / "both" / alone["case"] / "result.json").read_text())
    assert _timeless(alone) == _timeless(both)


# ---- several at once


def test_one_failure_among_several_is_code_4_and_the_others_are_done(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(studies["dx"].read_bytes()[:5000])
    words = ("-p", "a bright spot", "-p", "something dark")
    ran = medkt("segment", "-i", studies["dx"], broken, studies["us"], "-o", tmp_path / "out", *words, *QUICK)
    assert ran.code == 4
    errors = [line for line in ran.err.splitlines() if line.startswith("medkt: ")]
    assert len(errors) == 2
    assert errors[0].startswith(f"medkt: {broken}: ")
    assert errors[1] == "medkt: 1 of 3 studies failed"
    folders = sorted(path for path in (tmp_path / "out").iterdir())
    assert len(folders) == 2
    for folder in folders:
        record = json.loads((folder / "result.json").read_text())
        assert [finding["name"] for finding in record["findings"]] == ["a bright spot", "something dark"]
        assert folder.name == record["case"]


def test_where_all_fail_the_code_is_that_of_the_first(medkt: Command, bright: None, tmp_path: Path) -> None:
    ran = medkt("segment", "-i", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", *BRIGHT)
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == "medkt: 2 of 2 studies failed"


def test_json_lines(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    gone = tmp_path / "gone.dcm"
    ran = medkt("segment", "-i", studies["dx"], gone, "-o", tmp_path / "out", *BRIGHT, *QUICK, "--json")
    assert ran.code == 4
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert first["status"] == "done"
    assert first["input_path"] == str(studies["dx"])
    record = json.loads((Path(first["folder"]) / "result.json").read_text())
    assert {key: first[key] for key in record} == record
    assert second == {
        "status": "failed",
        "input_path": str(gone),
        "error": "InputError",
        "code": "no-such-file",
        "message": "there is no such file or folder",
    }


def test_names_of_inputs_are_kept_only_when_asked(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = (studies["ct-nifti"], studies["cxr-png"])
    options = (*BRIGHT, *QUICK, "--modality", "ct", "--keep-names")
    assert medkt("segment", "-i", *inputs, "-o", tmp_path / "out", *options).code == 0  # two files called image
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["image.nii.gz", "image.png"]
    one = tmp_path / "one"
    one.mkdir()
    (one / "scan.v2.nii.gz").write_bytes(studies["ct-nifti"].read_bytes())
    (one / "plain.png").write_bytes(studies["cxr-png"].read_bytes())
    ran = medkt("segment", "-i", one / "scan.v2.nii.gz", one / "plain.png", "-o", tmp_path / "named", *options)
    assert ran.code == 0
    assert sorted(path.name for path in (tmp_path / "named").iterdir()) == ["plain", "scan.v2"]
    # a folder given as "." or ".." has a name too
    monkeypatch.chdir(studies["mr-series"])
    ran = medkt("segment", "-i", ".", studies["dx"], "-o", tmp_path / "dot", *BRIGHT, *QUICK, "--keep-names")
    assert ran.code == 0
    assert sorted(path.name for path in (tmp_path / "dot").iterdir()) == ["image", "series"]


def test_two_studies_of_one_name_have_a_folder_each(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    """The second replaced the first with `--overwrite`, and said so nowhere."""
    first, second = tmp_path / "a" / "scan.png", tmp_path / "b" / "scan.png"
    for path, study in ((first, studies["cxr-png"]), (second, studies["us-png"])):
        path.parent.mkdir()
        path.write_bytes(study.read_bytes())
    words = (
        "segment",
        "-i",
        first,
        second,
        "-o",
        tmp_path / "out",
        *BRIGHT,
        *QUICK,
        "--modality",
        "cxr",
        "--keep-names",
    )
    for more in ((), ("--overwrite",)):
        assert medkt(*words, *more).code == 0
        records = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/result.json")}
        assert sorted(records) == ["a_scan", "b_scan"]
        assert len({record["input"]["digest"] for record in records.values()}) == 2
        assert [records[name]["case"] for name in sorted(records)] == ["a_scan", "b_scan"]


def test_a_result_that_is_there_is_refused_before_its_study_is_computed(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("segment", "-i", studies["cxr-png"], studies["us-png"], "-o", tmp_path, *BRIGHT, *QUICK)
    words = (*words, "--modality", "cxr", "--keep-names")
    assert medkt(*words).code == 0
    monkeypatch.setattr(Pipeline, "segment", lambda *args, **kwargs: pytest.fail("computed"))
    ran = medkt(*words)
    assert ran.code == 2
    assert ran.err.count("holds a result already") == 2


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_the_same_study_under_two_names_is_said(
    overwrite: tuple[str, ...], medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(studies["cxr-png"].read_bytes())
    words = ("segment", "-i", studies["cxr-png"], copy, "-o", tmp_path / "out", *BRIGHT, *QUICK, "--modality", "cxr")
    ran = medkt(*words, "--json", *overwrite)
    assert ran.code == 0
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert Path(second["folder"]).name == f"{Path(first['folder']).name}-2"
    assert second["case"] == f"{first['case']}-2"
    assert f"medkt: {copy}: the same study as {studies['cxr-png']}: equal voxels at the same place" in ran.err
    assert [any("equal voxels at the same place" in one for one in line["warnings"]) for line in (first, second)] == [
        False,
        True,
    ]
    assert second["findings"][0]["score"] == first["findings"][0]["score"]


def test_a_study_that_is_given_twice_is_refused(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "load", lambda *args, **kwargs: pytest.fail("loaded"))
    link = tmp_path / "link.png"
    link.symlink_to(studies["cxr-png"])
    ran = medkt("segment", "-i", studies["cxr-png"], link, "-o", tmp_path / "out", *BRIGHT, "--modality", "cxr")
    assert ran.code == 2
    assert ran.err == f"medkt: {link}: is given twice, also as {studies['cxr-png']}; give each study once\n"
    assert not (tmp_path / "out").exists()


# ---- choosing


def test_several_series_are_code_3_and_can_be_chosen(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    both = tmp_path / "both"
    both.mkdir()
    (both / "a.dcm").write_bytes(studies["dx"].read_bytes())
    (both / "b.dcm").write_bytes(studies["us"].read_bytes())
    ran = medkt("segment", "-i", both, "-o", tmp_path / "out", *BRIGHT, *QUICK)
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    uid = pydicom.dcmread(studies["us"]).SeriesInstanceUID
    assert uid in ran.err
    assert "--series" in ran.err
    assert medkt("segment", "-i", both, "-o", tmp_path / "out", *BRIGHT, *QUICK, "--series", uid).code == 0
    assert json.loads((tmp_path / "out" / "result.json").read_text())["domain"] == "ultrasound"


@pytest.mark.parametrize("name", ["ct-nifti", "cxr-png"])
def test_without_a_modality_is_code_3(
    name: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    ran = medkt("segment", "-i", studies[name], "-o", tmp_path / "out", *BRIGHT)
    assert ran.code == 3
    assert ran.err.startswith(f"medkt: {studies[name]}: ")
    assert "--modality" in ran.err
    assert not files_below(tmp_path / "out")


def test_a_name_of_two_modalities_is_settled_by_the_study_or_by_the_user(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    name = ("-c", "pleural effusion", "--json", *QUICK)
    both = medkt("segment", "-i", studies["ct-series"], studies["dx"], "-o", tmp_path / "both", *name)
    asked = [json.loads(line)["findings"][0]["concept"] for line in both.out.splitlines()]
    assert asked == ["ct_effusion", "cxr_effusion"]
    said = medkt("segment", "-i", studies["ct-nifti"], "-o", tmp_path / "said", "--modality", "ct", *name)
    assert json.loads(said.out)["findings"][0]["concept"] == "ct_effusion"
    unsaid = medkt("segment", "-i", studies["ct-nifti"], "-o", tmp_path / "unsaid", *name)
    assert unsaid.code == 3
    assert "(cxr_effusion, ct_effusion); name one by its id, or say --modality" in unsaid.err


def test_a_reference_is_scored(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    study = studies["ct-series"]
    words = ("segment", "-i", study, "-o", tmp_path / "out", *BRIGHT, *QUICK)
    ran = medkt(*words, "--reference", reference_path(study))
    assert ran.code == 0
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    scored = record["findings"][0]["reference_scores"]
    scores = scored["numbers"]
    mask = np.asarray(nib.load(tmp_path / "out" / record["findings"][0]["files"]["mask"]).dataobj) > 0
    reference = np.asarray(nib.load(reference_path(study)).dataobj) > 0
    dice = 2 * (mask & reference).sum() / (mask.sum() + reference.sum())
    assert scores["dsc"] == pytest.approx(dice, abs=1e-6)
    assert f"dsc {dice:.3f}" in ran.out
    assert scored["reference_rule"] == "its only label, 1"
    assert "; inside the reference: its only label, 1" in ran.out


@pytest.mark.parametrize(
    ("words", "rule"),
    [(("--label", "2"), "label 2"), (("--label", "2+1"), "labels 1+2"), (("--threshold", "2"), "2 and above")],
)
def test_what_was_taken_as_inside_a_reference_is_said_everywhere(
    words: tuple[str, ...], rule: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    study = studies["dx"]
    own = nib.load(reference_path(study))
    labels = np.asarray(own.dataobj).astype(np.uint8)
    labels[:2] = 1 + (labels[:2] > 0)
    labels[2:] *= 2
    nib.save(nib.Nifti1Image(labels, own.affine), tmp_path / "labels.nii.gz")
    scored = ("--reference", tmp_path / "labels.nii.gz", *words)
    ran = medkt("segment", "-i", study, "-o", tmp_path / "out", *BRIGHT, *QUICK, *scored)
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert record["findings"][0]["reference_scores"]["reference_rule"] == rule
    assert f"; inside the reference: {rule}" in ran.out
    assert f"inside the reference: {rule}<" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


# ---- writing again


def test_a_result_is_not_replaced_unless_asked(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    words = ("segment", "-i", studies["dx"], "-o", tmp_path / "out", *QUICK)
    assert medkt(*words, *BRIGHT).code == 0
    (tmp_path / "out" / "note.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in files_below(tmp_path / "out")}
    ran = medkt(*words, "-p", "something dark")
    assert ran.code == 2
    assert ran.err == f"medkt: {tmp_path / 'out'}: holds a result already; choose another folder or say --overwrite\n"
    assert {path.name: path.read_bytes() for path in files_below(tmp_path / "out")} == before
    assert medkt(*words, "-p", "something dark", "--overwrite").code == 0
    names = {path.name for path in files_below(tmp_path / "out")}
    assert "note.txt" in names
    assert not any("bright" in name for name in names)  # the masks of the old result went with it
    assert any("dark" in name for name in names)


def test_a_file_of_the_users_is_not_replaced(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    """A reference mask may well lie there under the name that the mask would get."""
    mine = tmp_path / "settings.yaml"
    mine.write_text("m2ib: {beta: 0.2}\n")
    ran = medkt("segment", "-i", studies["dx"], "-o", tmp_path, *BRIGHT, *QUICK, "--settings", mine)
    assert ran.code == 2
    assert "settings.yaml" in ran.err
    assert [path.name for path in files_below(tmp_path)] == ["settings.yaml"]
    assert mine.read_text() == "m2ib: {beta: 0.2}\n"


def test_the_input_is_never_replaced(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    image = tmp_path / "overlay.png"
    image.write_bytes(studies["cxr-png"].read_bytes())
    ran = medkt("segment", "-i", image, "-o", tmp_path, *BRIGHT, *QUICK, "--modality", "cxr", "--overwrite")
    assert ran.code == 2
    assert ran.err.startswith("medkt: ")  # known before the work, so nothing is said of how long that takes
    assert "overlay.png: stands there and is not of an earlier result" in ran.err
    assert image.read_bytes() == studies["cxr-png"].read_bytes()


# ---- settings


def test_written_settings_give_the_same_result(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    words = ("segment", "-i", studies["dx"], *BRIGHT)
    odd = ("--set", "m2ib.beta=0.3", "--set", "threshold.method=fixed", "--set", "keep_largest=1")
    assert medkt(*words, "-o", tmp_path / "first", *QUICK, *odd).code == 0
    written = tmp_path / "first" / "settings.yaml"
    settings = yaml.safe_load(written.read_text())
    assert (*(settings["saliency"]["method"][key] for key in ("beta", "steps")), settings["keep_largest"]) == (
        0.3,
        2,
        1,
    )
    assert medkt(*words, "-o", tmp_path / "second", "--settings", written).code == 0
    first, second = (json.loads((tmp_path / run / "result.json").read_text()) for run in ("first", "second"))
    assert _timeless(first) == _timeless(second)
    name = first["findings"][0]["files"]["mask"]
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize("preset", presets())
def test_every_preset_resolves_and_its_written_form_is_itself(preset: str) -> None:
    settings = resolve(SegmentationSettings, preset=preset)
    written = yaml.safe_dump(as_plain(settings))
    assert build(SegmentationSettings, yaml.safe_load(written)) == settings


def test_a_preset_is_used_and_named(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    options = ("--preset", "medclip-samv2", "--set", "m2ib.layer=null")
    assert medkt("segment", "-i", studies["dx"], "-o", tmp_path, *BRIGHT, *QUICK, *options).code == 0
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["preset"] == "medclip-samv2"
    assert record["settings"]["prompts"]["boxes"] == "one"
    assert record["settings"]["presence"]["gate"] is False
    assert record["findings"][0]["decision"] == "not decided"


def test_a_finding_that_is_not_there_gives_an_empty_mask(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    ran = medkt(
        "segment", "-i", studies["dx"], "-o", tmp_path, "-p", "something dark", "-f", "nifti,dicom-seg,png",
        "--seg-empty-segments", "--set", "presence.threshold=0.999999",
    )  # fmt: skip
    assert ran.code == 0
    assert "something dark not seen (score " in ran.out
    record = json.loads((tmp_path / "result.json").read_text())
    (finding,) = record["findings"]
    assert finding["present"] is False
    assert finding["decision"] == "not seen"
    assert finding["size_text"] == "–"
    assert not np.asarray(nib.load(tmp_path / finding["files"]["mask"]).dataobj).any()
    assert not hd.seg.segread(tmp_path / "segmentation.dcm").pixel_array.any()


def test_quiet_says_nothing_but_results(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    ran = medkt("segment", "-i", studies["cxr-png"], "-o", tmp_path, *BRIGHT, *QUICK, "--modality", "cxr", "-q")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.count("\n") == 2


# ---- the models that ship


def test_the_shipped_models_do_it_the_same_each_time(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    masks = []
    for run in ("first", "second"):
        words = ("segment", "-i", studies["dx"], "-o", tmp_path / run, "-c", "cxr_nodule", "cxr_mass")
        assert medkt(*words, *QUICK, "--set", "presence.gate=false").code == 0
        record = json.loads((tmp_path / run / "result.json").read_text())
        assert record["models"]["encoder"]["name"] == "small"
        assert len(record["models"]["encoder"]["digest"]) == len(record["models"]["segmenter"]["digest"]) == 64
        assert [finding["concept"] for finding in record["findings"]] == ["cxr_nodule", "cxr_mass"]
        masks.append([(tmp_path / run / finding["files"]["mask"]).read_bytes() for finding in record["findings"]])
        record.pop("seconds")
        masks[-1].append(json.dumps(record).encode())
    assert masks[0] == masks[1]


# ---- what the tests need


def _first(study: Path) -> pydicom.Dataset:
    return pydicom.dcmread(sorted(study.iterdir())[0] if study.is_dir() else study)


def _as_nifti(affine: np.ndarray) -> np.ndarray:
    """(slice, row, column) to LPS+ as (i, j, k) to RAS+, written apart from the code under test."""
    if affine.shape == (4, 4) and (affine == np.eye(4)).all():
        return np.diag([-1.0, -1.0, 1.0, 1.0])
    swapped = affine[:, [2, 1, 0, 3]].copy()
    swapped[:2] *= -1
    return swapped


def _by_frame(seg: Any, frames: int) -> np.ndarray:
    """(frames, rows, columns) of a SEG without coordinates, by the source frame that each frame refers to."""
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    out = np.zeros((frames, seg.Rows, seg.Columns), dtype=bool)
    for plane, groups in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        (derived,) = groups.DerivationImageSequence
        (source,) = derived.SourceImageSequence
        out[int(source.get("ReferencedFrameNumber", 1)) - 1] |= plane > 0
    return out


def _planted_in(content: bytes) -> list[str]:
    texts = {part for value in PLANTED.values() for part in (value, value.replace("^", " "))}
    return [text for text in texts if text.encode() in content or text.encode("utf-16-le") in content]


def _elements(dataset: pydicom.Dataset) -> Iterator[tuple[str, str]]:
    for element in dataset:
        if isinstance(element.value, DicomSequence):
            for item in element.value:
                yield from _elements(item)
        elif element.keyword != "PixelData":
            yield element.keyword or str(element.tag), str(element.value)


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "seconds"}


def _without_seconds(content: bytes) -> dict[str, Any]:
    return _timeless(json.loads(content))


def _without_clock(page: bytes) -> list[str]:
    return [line for line in page.decode().splitlines() if ">Seconds</th>" not in line]

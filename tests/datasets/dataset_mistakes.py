"""The most likely mistakes in each layout: how to spoil a sound tree, and what the error then says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dataset_trees import (
    ct_slice,
    nifti,
    photograph,
    png,
    rtstruct,
    spot,
    square_on,
    write_json,
)

Spoil = Callable[[Path], Any]
Mistake = tuple[Spoil, str]  # and options of the builder, where the spoiler returns a dictionary


def swap(first: str, second: str) -> Spoil:
    def spoil(root: Path) -> None:
        (root / first).rename(root / "between")
        (root / second).rename(root / first)
        (root / "between").rename(root / second)

    return spoil


def remove(name: str) -> Spoil:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def clear(name: str) -> Spoil:
    return lambda root: [path.unlink() for path in (root / name).iterdir()][:0]


def cut(name: str) -> Spoil:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:60]) * 0


def replace(name: str, old: str, new: str) -> Spoil:
    def spoil(root: Path) -> None:
        text = (root / name).read_text(encoding="latin-1")
        if old not in text:
            raise ValueError(f"{name} does not hold {old!r}")
        (root / name).write_text(text.replace(old, new), encoding="latin-1")

    return spoil


def document(name: str, change: Callable[[Any], Any]) -> Spoil:
    def spoil(root: Path) -> None:
        held = json.loads((root / name).read_text())
        change(held)
        write_json(root / name, held)

    return spoil


def options(**given: Any) -> Spoil:
    return lambda root: given


def volume(
    name: str,
    *,
    shape: tuple[int, ...] = (6, 7, 3),
    spacing: tuple[float, float, float] = (0.7, 0.8, 2.5),
    value: int = 1,
) -> Spoil:
    def spoil(root: Path) -> None:
        values = np.zeros(shape, np.uint8)
        values[1:3, 2:4, 1] = value
        nifti(root / name, values, spacing)

    return spoil


def picture(name: str, plane: Any) -> Spoil:
    return lambda root: png(root / name, plane) and None


def file_as_root(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("a file")


COMMON: dict[str, Mistake] = {
    "no such folder": (lambda root: shutil.rmtree(root), "there is no such folder"),
    "a file for a folder": (file_as_root, "is a file; give the folder"),
}

_DCM = "dicom-images-train/study0/series0/1.2.276.0.7230010.3.1.4.8323329.1.1517875160.1.dcm"
_SUB = "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_space-orig_label-lesion_mask.nii.gz"
_GLI = "BraTS-GLI-00000-000/BraTS-GLI-00000-000"
_CLN = "Clinical_Information/CLNDAT_EN.txt"

MISTAKES: dict[str, dict[str, Mistake]] = {
    "paired": {
        "missing mask": (remove("masks/b.png"), r"masks: no mask for b \(1 of 3\)"),
        "extra mask": (picture("masks/z.png", spot()), r"images: no image for z \(1 of 4\)"),
        "swapped folders": (swap("images", "masks"), "different values, a mask has few; are images and masks swapped"),
        "empty folder": (clear("masks"), r"masks: no mask .*holds no file. Is it the right folder"),
        "another size": (picture("masks/a.png", spot(10, 12)), r"a\.png: the mask is 10x12 .* the image 12x10"),
        "doubled name": (picture("images/a.bmp", photograph()), r"a\.png: a\.bmp has the same name"),
        "unreadable image": (cut("images/c.png"), r"c\.png: decoding the picture failed"),
        "wrong label": (options(key="7"), "none of 3 masks that were read has anything inside"),
        "all of it inside": (picture("masks/b.png", np.full((12, 10), 255, np.uint8)), r"b\.png: every voxel is inside"),
        "no folder of masks": (remove("masks"), r"0 folders of masks .*; name it. It holds images"),
    },
    "medclipsam": {
        "no split": (lambda root: [shutil.rmtree(p) for p in root.iterdir()][:0], "no test_images and test_masks"),
        "half a split": (remove("test_masks"), r"test_masks: there is no such folder for masks; beside it: test_images"),
        "missing mask": (remove("test_masks/test1.png"), r"test_masks: no mask for test1"),
        "extra mask": (picture("test_masks/x.png", spot()), r"test_images: no image for x"),
        "0/1 masks": (picture("test_masks/test0.png", spot(value=1)), r"highest value is 1, so nothing is above 200; a 0/1 mask needs reference_key >0"),
        "swapped folders": (swap("test_images", "test_masks"), "of its pixels are neither black nor white; are images and masks swapped"),
        "in two splits": (lambda root: (shutil.copy(root / "train_images/train0.png", root / "test_images"), shutil.copy(root / "train_masks/train0.png", root / "test_masks"))[:0], r"train0\.png is in train and in test"),
        "another size": (picture("train_masks/train0.png", spot(9, 9)), r"the mask is 9x9"),
        "unreadable mask": (cut("train_masks/train1.png"), r"train1\.png: decoding the picture failed"),
        "empty folder": (clear("train_images"), r"train_images: no image"),
    },
    "nnunet": {
        "no dataset.json": (remove("dataset.json"), r"dataset\.json: there is no such file"),
        "broken dataset.json": (cut("dataset.json"), r"dataset\.json: is no JSON"),
        "no labels in it": (document("dataset.json", lambda d: d.pop("labels")), r"no key 'labels'; there are channel_names"),
        "unknown label": (options(label="cyst"), "labels: no 'cyst'; there are background, organ, tumour, both"),
        "unknown channel": (options(channel=5), "no channel 5; there are"),
        "missing label file": (remove("labelsTr/lung_r01.nii.gz"), r"labelsTr: no label for lung_r01"),
        "incomplete copy": (lambda root: [(root / d / f).unlink() for d, f in (("labelsTr", "lung_r01.nii.gz"), ("imagesTr", "lung_r01_0000.nii.gz"))][:0], "numTraining is 3, imagesTr has 2 cases"),
        "other spacing": (volume("labelsTr/lung_r00.nii.gz", spacing=(1.0, 0.8, 2.5)), r"lung_r00\.nii\.gz: the mask lies on another grid"),
        "other shape": (volume("labelsTr/lung_r00.nii.gz", shape=(6, 8, 3)), r"another grid: shape \(3, 8, 6\)"),
        "images without channel": (lambda root: [p.rename(p.with_name(p.name[:-12] + ".nii.gz")) for p in (root / "imagesTr").glob("*_0000.nii.gz")][:0], r"imagesTr: no file ends in _0000\.nii\.gz"),
    },
    "decathlon": {
        "no dataset.json": (remove("dataset.json"), r"dataset\.json: there is no such file"),
        "missing image": (remove("imagesTr/BRATS_001.nii.gz"), r"1 files named there are missing, BRATS_001\.nii\.gz"),
        "missing label": (remove("labelsTr/BRATS_002.nii.gz"), r"1 files named there are missing, BRATS_002\.nii\.gz"),
        "unknown label": (options(label="cyst"), "labels: no 'cyst'; there are background, edema, tumour"),
        "unknown channel": (options(channel=4), "no channel 4 in modality"),
        "crossed pair": (document("dataset.json", lambda d: d["training"][0].update(label="./labelsTr/BRATS_002.nii.gz")), r"training\[0\]: BRATS_001\.nii\.gz goes with BRATS_002"),
        "image twice": (document("dataset.json", lambda d: d["training"].append(d["training"][0])), "case_id: 'BRATS_001' stands already at case 1"),
        "no training": (document("dataset.json", lambda d: d.update(training=[])), "there is no case in it"),
        "bad entry": (document("dataset.json", lambda d: d["training"].append("x")), r"training\[2\]: expected image and label"),
        "other spacing": (volume("labelsTr/BRATS_001.nii.gz", spacing=(1.0, 1.0, 1.0)), "the mask lies on another grid"),
    },
    "bids": {
        "no mask": (remove(_SUB), r"manual: no mask .* for sub-01_ses-1_T1w\.nii\.gz"),
        "no derivatives": (remove("derivatives"), "derivatives: there is no such folder for the masks"),
        "another suffix": (options(suffix="FLAIR"), r"no image sub-\*_FLAIR\.nii\.gz; its suffixes are T1w"),
        "several derivatives": (lambda root: (root / "derivatives/other").mkdir(), r"2 derivatives \(manual, other\); name one"),
        "unknown derivative": (options(derivative="x"), "x: there is no such folder for the masks; beside it: manual"),
        "two masks": (lambda root: shutil.copy(root / _SUB, str(root / _SUB).replace("lesion", "organ")) and None, "2 masks for sub-01"),
        "other spacing": (volume(_SUB, spacing=(1.0, 1.0, 1.0)), "the mask lies on another grid"),
        "unknown label": (options(label="cyst"), "no mask .* for sub-01"),
        "commas in participants.tsv": (replace("participants.tsv", "\t", ","), r"participants\.tsv, row 1: no column participant_id"),
        "unreadable image": (cut("sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"), r"sub-02_ses-1_T1w\.nii\.gz: "),
    },
    "coco": {
        "no annotations": (remove("annotations.json"), r"no annotation file \(\.json\)"),
        "two files": (lambda root: shutil.copy(root / "annotations.json", root / "b.json") and None, r"2 JSON files"),
        "missing picture": (remove("images/scan2.png"), r"1 pictures are not in .*, scan2\.png"),
        "no such category": (options(category="tumour"), "no category 'tumour'; there are cyst"),
        "several categories": (document("annotations.json", lambda d: d["categories"].append({"id": 8, "name": "scar"})), r"2 categories \(cyst, scar\); name one"),
        "resized picture": (picture("images/scan1.png", photograph(24, 20)), "image 1: 12x10 rows and columns there, the image has 24x20; was it resized"),
        "annotation of no image": (document("annotations.json", lambda d: d["annotations"][0].update(image_id=99)), "annotation 1: image_id 99 stands in no entry"),
        "id twice": (document("annotations.json", lambda d: d["images"].append(d["images"][0])), r"images\[3\]: id 1 stands twice"),
        "runs of another size": (document("annotations.json", lambda d: d["annotations"][1]["segmentation"].update(counts=[1, 2])), "annotation 2: run lengths add up to 3"),
        "half a polygon": (document("annotations.json", lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3]])), "annotation 1: a polygon is at least three x, y pairs"),
    },
    "dicom": {
        "no outline": (remove("case/rs.dcm"), "no SEG and no RTSTRUCT below it"),
        "series not there": (remove("case/ct"), "none of the series that it names is below the folder"),
        "outline of another series": (lambda root: rtstruct(root / "case/rs.dcm", {"GTV": [square_on(1)]}, series="9.9") and None, "none of the series that it names is below"),
        "two outlines": (lambda root: shutil.copy(root / "case/rs.dcm", root / "case/rs2.dcm") and None, "outlines the same series as"),
        "several structures": (lambda root: rtstruct(root / "case/rs.dcm", {"GTV": [square_on(1)], "Lung": []}) and None, r"2 structures \(GTV, Lung\); name one"),
        "unknown structure": (options(structure="PTV"), "no structure 'PTV'; there are GTV"),
        "contour between slices": (lambda root: rtstruct(root / "case/rs.dcm", {"GTV": [square_on(0.5)]}) and None, "a contour lies on no slice of the image"),
        "contour beyond the slices": (lambda root: rtstruct(root / "case/rs.dcm", {"GTV": [square_on(9)]}) and None, r"lies on no slice of the image \(index 9.00 of 3\)"),
        "points, not outlines": (lambda root: rtstruct(root / "case/rs.dcm", {"GTV": [square_on(1)]}, kind="POINT") and None, "a contour of type POINT; only closed outlines"),
        "missing slice": (lambda root: (ct_slice(root / "case/ct/9.dcm", 9), None)[1], "Repair the series|missing"),
    },
    "busi": {
        "missing mask": (remove("benign/benign (2)_mask.png"), r"no mask for benign \(2\) \(1 images\)"),
        "mask without image": (remove("malignant/malignant (1).png"), r"masks of malignant \(1\), but no such image"),
        "class folder missing": (remove("normal"), "normal: there is no such folder for BUSI; beside it: benign, malignant"),
        "empty class": (clear("malignant"), r"malignant: no picture"),
        "masks under the images' names": (lambda root: [p.unlink() for p in root.rglob("*_mask*.png")][:0], r"no file ends in _mask\.png"),
        "another data set": (picture("benign/scan 7.png", photograph()), "scan 7: names begin with benign, malignant, normal"),
        "another size": (picture("benign/benign (1)_mask_1.png", spot(8, 8)), r"benign \(1\)_mask_1\.png: the mask is 8x8"),
        "empty mask of a lesion": (picture("malignant/malignant (2)_mask.png", spot(value=0)), "case 'malignant-2': the finding is said to be there, but its mask is empty"),
        "image saved as mask": (picture("benign/benign (2)_mask.png", photograph(seed=5)), "different values, a mask has few"),
        "unreadable image": (cut("normal/normal (1).png"), r"normal \(1\)\.png: decoding the picture failed"),
    },
    "udiat": {
        "missing mask": (remove("GT/000002.png"), r"GT: no mask for 000002 \(1 of 3\)"),
        "missing image": (remove("original/000003.png"), r"original: no image for 000003"),
        "folder of masks missing": (remove("GT"), r"GT: there is no such folder for masks; beside it: DatasetB.csv, original"),
        "swapped folders": (swap("original", "GT"), "different values, a mask has few; are images and masks swapped"),
        "empty folder": (clear("GT"), "GT: no mask"),
        "wrong table": (replace("DatasetB.csv", "Image,Type", "Name,Class"), r"DatasetB\.csv, row 1: no column 'Image'; there are \['Name', 'Class'\]"),
        "unknown class": (replace("DatasetB.csv", "Malignant", "Cyst"), "row 3, column Type: expected Benign or Malignant, got 'Cyst'"),
        "image twice in the table": (replace("DatasetB.csv", "000003", "000001"), "row 4, column Image: 000001 stands twice"),
        "image not in the table": (replace("DatasetB.csv", "000003,Benign\n", ""), "no row for image 000003"),
        "another size": (picture("GT/000001.png", spot(5, 9)), r"000001\.png: the mask is 5x9"),
    },
    "unitochest": {
        "no split": (lambda root: [shutil.rmtree(p) for p in root.iterdir()][:0], "no slice with a nodule in train, val, test"),
        "no table": (remove("val/val_dataset.csv"), r"val_dataset\.csv: there is no such table"),
        "wrong header": (replace("test/test_dataset.csv", "patientID", "patient"), r"test_dataset\.csv, row 1: no column 'patientID'"),
        "missing slice": (remove("test/images/p3_e1_s1.dcm"), r"test_dataset\.csv, row 3, column image: 'p3_e1_s1\.dcm' is not in"),
        "missing mask": (remove("test/masks/p3_e1_s1.png"), r"test_dataset\.csv, row 3, column mask: 'p3_e1_s1\.png' is not in"),
        "mask of no row": (picture("val/masks/other.png", spot()), r"no row names the masks other\.png"),
        "patient in two splits": (replace("val/val_dataset.csv", ",2,1,", ",1,1,"), "patient unitochest-1 is in train and in val"),
        "slice twice": (replace("test/test_dataset.csv", "p3_e1_s0.dcm,,3,1,0", "p3_e1_s1.dcm,p3_e1_s1.png,3,1,1"), "case_id: 'test-p3_e1_s1' stands already at case"),
        "another size": (picture("train/masks/p1_e1_s1.png", spot(8, 8)), r"p1_e1_s1\.png: the mask is 8x8"),
        "empty mask": (picture("train/masks/p1_e1_s1.png", spot(value=0)), "the finding is said to be there, but its mask is empty"),
    },
    "siim": {
        "no table": (remove("train-rle.csv"), r"no CSV of run lengths"),
        "two tables": (lambda root: shutil.copy(root / "train-rle.csv", root / "b.csv") and None, r"2 CSV files \(b\.csv, train-rle\.csv\)"),
        "wrong header": (replace("train-rle.csv", "EncodedPixels", "Mask"), r"row 1: no column 'EncodedPixels'; there are \['ImageId', 'Mask'\]"),
        "missing image": (remove(_DCM), r"1 of 3 images have no \.dcm file"),
        "no images": (remove("dicom-images-train"), r"no \.dcm file below it"),
        "-1 and runs": (replace("train-rle.csv", "2.1517875160.1, -1", "2.1517875160.1, -1\n1.2.276.0.7230010.3.1.4.8323329.2.1517875160.1, 5 5"), r"row 5, column EncodedPixels: .* has -1 and runs as well"),
        "row twice": (replace("train-rle.csv", "2.1517875160.1, -1", "2.1517875160.1, -1\n1.2.276.0.7230010.3.1.4.8323329.2.1517875160.1, -1"), "the same outline of .* stands twice"),
        "empty cell": (replace("train-rle.csv", ", -1", ","), "row 4, column EncodedPixels: empty; -1 says that nothing is there"),
        "half a pair": (replace("train-rle.csv", "-1", "10 5 3"), "run lengths come in pairs"),
        "absolute run lengths": (replace("train-rle.csv", "-1", "600000 5 700000 5"), r"the runs end at pixel 1300010 of 1048576; is the image of another size, or the RLE absolute"),
    },
    "brats": {
        "no case": (lambda root: [p.rename(p.with_name("x" + p.name)) for p in root.iterdir()][:0], "no folder such as BraTS-GLI-00000-000; it holds xBraTS"),
        "no labels": (remove(f"{_GLI}-seg.nii.gz"), r"000-seg\.nii\.gz: is missing; a case of BraTS 2023 has"),
        "no such image": (options(sequence="t1c"), r"000-t1c\.nii\.gz: is missing"),
        "old name of a sequence": (options(sequence="flair"), "no sequence 'flair'; there are t1n, t1c, t2w, t2f"),
        "unknown region": (options(region="oedema"), "no region 'oedema'; there are whole, core, enhancing"),
        "labels of 2021": (volume(f"{_GLI}-seg.nii.gz", shape=(240, 240, 155), spacing=(1.0, 1.0, 1.0), value=4), r"labels \[4\] beside 0 to 3; BraTS before 2023 wrote 4 for 3"),
        "cropped": (volume(f"{_GLI}-seg.nii.gz", shape=(192, 192, 155), spacing=(1.0, 1.0, 1.0)), r"\(155, 192, 192\) slices, rows and columns; BraTS has"),
        "labels of another spacing": (volume(f"{_GLI}-seg.nii.gz", shape=(240, 240, 155), spacing=(1.0, 1.0, 1.2)), "the mask lies on another grid"),
        "no tumour anywhere": (lambda root: [volume(str(p.relative_to(root)), shape=(240, 240, 155), value=0)(root) for p in root.rglob("*seg.nii.gz")][:0], "no slice of 2 cases has the region 'whole'"),
        "unreadable image": (cut(f"{_GLI}-t2f.nii.gz"), r"000-t2f\.nii\.gz: is not NIfTI, or its gzip is damaged"),
    },
    "jsrt": {
        "no table": (remove(_CLN), r"0 files named CLNDAT_EN\.txt"),
        "two tables": (lambda root: shutil.copy(root / _CLN, root / "CLNDAT_EN.txt") and None, r"2 files named CLNDAT_EN\.txt"),
        "no images": (remove("Nodule154images"), r"no file such as JPCLN001\.IMG"),
        "another table": (lambda root: (root / _CLN).write_text("nothing") * 0, "no record such as"),
        "image without record": (replace(_CLN, "JPCLN001", "JPCLN009"), "no record of JPCLN001"),
        "record twice": (replace(_CLN, "JPCLN003", "JPCLN001"), "JPCLN001: stands twice"),
        "no class": (replace(_CLN, "benign", "unknown"), "JPCLN002: expected subtlety, size in mm"),
        "place beyond the film": (replace(_CLN, "1634", "5634"), "JPCLN001: subtlety 1 to 5, a size above 0 and a place within 2048"),
        "cut off": (cut("Nodule154images/JPCLN001.IMG"), r"JPCLN001\.IMG: 60 bytes, a JSRT file has 8388608"),
        "bytes swapped": (lambda root: (root / "Nodule154images/JPCLN002.IMG").write_bytes(np.full(2048 * 2048, 1000, "<u2").tobytes()) * 0, r"JPCLN002\.IMG: values up to 59395, a JSRT file has 12 bits"),
    },
    "chexpert": {
        "no table": (remove("chexpert_5x200.csv"), r"no table of the images"),
        "two tables": (lambda root: shutil.copy(root / "chexpert_5x200.csv", root / "my_5x200.csv") and None, r"2 tables"),
        "missing class": (replace("chexpert_5x200.csv", "Edema", "Oedema"), "row 1: no column 'Edema'"),
        "no path": (replace("chexpert_5x200.csv", "Path", "File"), "row 1: no column Path or imgpath"),
        "missing image": (remove("train/patient00003/study1/view1_frontal.jpg"), "row 4, column Path: no image 'CheXpert-v1.0/train/patient00003"),
        "two findings": (replace("chexpert_5x200.csv", "1.0,0.0,0.0,0.0,0.0", "1.0,1.0,0.0,0.0,0.0"), r"row 2: 2 findings \(Atelectasis, Cardiomegaly\), expected exactly one"),
        "no finding": (replace("chexpert_5x200.csv", "1.0,0.0,0.0,0.0,0.0", "0.0,0.0,0.0,0.0,0.0"), r"row 2: 0 findings \(none\)"),
        "uncertain": (replace("chexpert_5x200.csv", "1.0,0.0,0.0,0.0,0.0", "1.0,-1.0,0.0,0.0,0.0"), "row 2, column Cardiomegaly: expected 0 or 1, got '-1.0'"),
        "image twice": (replace("chexpert_5x200.csv", "patient00002", "patient00001"), "row 3, column Path: the image stands already at row 2"),
        "a class without images": (replace("chexpert_5x200.csv", "1.0,0.0,0.0,0.0,0.0", "0.0,1.0,0.0,0.0,0.0"), "no image of Atelectasis; the task has five classes"),
    },
}  # fmt: skip

OPTIONS: dict[str, dict[str, Any]] = {"brats": {"slices": True}}

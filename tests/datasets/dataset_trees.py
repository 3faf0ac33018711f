"""Small copies of every layout as it is published, drawn by the tests: the same names, headers, sizes and labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medkt.datasets.rle import mask_to_relative_runs

Array = NDArray[Any]
CT, CR, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.481.3"
ROWS, COLUMNS = 12, 10


def photograph(rows: int = ROWS, columns: int = COLUMNS, *, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns)).astype(np.uint8)


def spot(rows: int = ROWS, columns: int = COLUMNS, *, top: int = 2, left: int = 3, value: int = 255) -> Array:
    """A mask with a block of 4 rows and 3 columns."""
    mask = np.zeros((rows, columns), np.uint8)
    mask[top : top + 4, left : left + 3] = value
    return mask


def png(path: Path, plane: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(plane).save(path)
    return path


def nifti(path: Path, values: Array, spacing: tuple[float, float, float] = (0.7, 0.8, 2.5)) -> Path:
    """Values as (i, j, k) or (i, j, k, volume)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([*spacing, 1.0])), path)
    return path


def dicom(path: Path, plane: Array | None, sop_class: str, modality: str, **attributes: Any) -> Path:
    """A file with the header of a hospital's, names included."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = sop_class, generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    header.Modality, header.PatientName, header.PatientID = modality, "Secret^Person", "SECRET-ID"
    header.PatientSex, header.ManufacturerModelName = "F", "Scanner X"
    if plane is not None:
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.Rows, header.Columns = plane.shape
        header.BitsAllocated = header.BitsStored = 8 * plane.dtype.itemsize
        header.HighBit, header.PixelRepresentation = header.BitsStored - 1, int(plane.dtype.kind == "i")
        header.PixelData = plane.tobytes()
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID, header.file_meta.MediaStorageSOPInstanceUID = (
        sop_class,
        header.SOPInstanceUID,
    )
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def ct_slice(path: Path, index: int, *, rows: int = ROWS, columns: int = COLUMNS, series: str = "1.2.3.4") -> Path:
    plane = photograph(rows, columns, seed=index).astype(np.int16)
    return dicom(
        path, plane, CT, "CT", SeriesInstanceUID=series, FrameOfReferenceUID="1.2.9", PixelSpacing=["0.8", "0.7"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], ImagePositionPatient=["-10", "20", f"{2.5 * index}"],
        RescaleSlope="1", RescaleIntercept="0", SliceThickness="2.5",
    )  # fmt: skip


def square_on(
    index: float, *, left: float = -7.9, top: float = 21.6, width: float = 2.1, height: float = 3.2
) -> list[str]:
    """A closed contour in LPS+ mm on slice `index` of `ct_slice`: rows 2 to 5, columns 3 to 5 with the defaults."""
    left, top = left - 0.35, top - 0.4  # from pixel centres to the edge before them
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    return [f"{value:.3f}" for x, y in corners for value in (x, y, 2.5 * index)]


def rtstruct(
    path: Path, contours: dict[str, list[list[str]]], *, series: str = "1.2.3.4", kind: str = "CLOSED_PLANAR"
) -> Path:
    names = list(contours)
    rois = [_item(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID="1.2.9") for n, name in enumerate(names, 1)]
    drawn = [
        _item(
            ReferencedROINumber=n,
            ContourSequence=Sequence(
                [
                    _item(ContourGeometricType=kind, NumberOfContourPoints=len(one) // 3, ContourData=one)
                    for one in contours[name]
                ]
            ),
        )
        for n, name in enumerate(names, 1)
    ]
    study = _item(RTReferencedSeriesSequence=Sequence([_item(SeriesInstanceUID=series)]))
    frame = _item(FrameOfReferenceUID="1.2.9", RTReferencedStudySequence=Sequence([study]))
    return dicom(
        path, None, RTSTRUCT, "RTSTRUCT", SeriesInstanceUID="1.2.3.99", StructureSetROISequence=Sequence(rois),
        ROIContourSequence=Sequence(drawn), ReferencedFrameOfReferenceSequence=Sequence([frame]),
    )  # fmt: skip


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


# ---- layouts


def paired(root: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        png(root / "images" / f"{name}.png", photograph(seed=number))
        png(root / "masks" / f"{name}.png", spot(value=1))


def medclipsam(root: Path) -> None:
    for split in ("train", "test"):
        for number in range(2):
            png(root / f"{split}_images" / f"{split}{number}.png", photograph(seed=number))
            png(root / f"{split}_masks" / f"{split}{number}.png", spot())


def nnunet(root: Path) -> None:
    for images, labels, count in (("imagesTr", "labelsTr", 3), ("imagesTs", "labelsTs", 1)):
        for number in range(count):
            name = f"lung_{images[-1]}{number:02d}"
            for channel in (0, 1):
                nifti(
                    root / images / f"{name}_{channel:04d}.nii.gz",
                    photograph(6, 7, seed=channel)[..., None].repeat(3, 2),
                )
            nifti(root / labels / f"{name}.nii.gz", _two_labels())
    described = {
        "channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0, "organ": 1, "tumour": 2, "both": [1, 2]},
        "numTraining": 3, "file_ending": ".nii.gz", "name": "Lung",
    }  # fmt: skip
    write_json(root / "dataset.json", described)


def _two_labels() -> Array:
    values = np.zeros((6, 7, 3), np.uint8)
    values[1:3, 2:5, 1], values[3:4, 2:5, 1] = 1, 2
    return values


def decathlon(root: Path) -> None:
    pairs = []
    for number in (1, 2):
        name = f"BRATS_{number:03d}.nii.gz"
        four = np.stack([photograph(6, 7, seed=c)[..., None].repeat(3, 2) for c in range(4)], axis=-1)
        nifti(root / "imagesTr" / name, four)
        nifti(root / "labelsTr" / name, _two_labels())
        (root / "imagesTr" / f"._{name}").write_bytes(b"left by a Mac")
        pairs.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    described = {
        "name": "BRATS", "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "tumour"}, "numTraining": 2, "training": pairs, "test": [],
    }  # fmt: skip
    write_json(root / "dataset.json", described)


def bids(root: Path) -> None:
    for subject in ("sub-01", "sub-02"):
        nifti(
            root / subject / "ses-1" / "anat" / f"{subject}_ses-1_T1w.nii.gz", photograph(6, 7)[..., None].repeat(3, 2)
        )
        mask = (
            root
            / "derivatives"
            / "manual"
            / subject
            / "ses-1"
            / "anat"
            / f"{subject}_ses-1_space-orig_label-lesion_mask.nii.gz"
        )
        nifti(mask, (_two_labels() > 0).astype(np.uint8))
    (root / "participants.tsv").write_text("participant_id\tsex\tage\nsub-01\tF\t61\nsub-02\tM\tn/a\n")


def coco(root: Path) -> None:
    for number in (1, 2, 3):
        png(root / "images" / f"scan{number}.png", photograph(seed=number))
    images = [{"id": n, "file_name": f"scan{n}.png", "width": COLUMNS, "height": ROWS} for n in (1, 2, 3)]
    box = [3, 2, 6, 2, 6, 6, 3, 6]  # the spot, counted from corners
    counts = [38, 4, 8, 4, 8, 4, 54]
    drawn = [
        {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [box], "iscrowd": 0},
        {
            "id": 2,
            "image_id": 2,
            "category_id": 7,
            "segmentation": {"size": [ROWS, COLUMNS], "counts": counts},
            "iscrowd": 1,
        },
    ]
    write_json(
        root / "annotations.json", {"images": images, "annotations": drawn, "categories": [{"id": 7, "name": "cyst"}]}
    )


def dicom_outlines(root: Path) -> None:
    for index in range(3):
        ct_slice(root / "case" / "ct" / f"{index}.dcm", index)
    rtstruct(root / "case" / "rs.dcm", {"GTV": [square_on(1)]})


def busi(root: Path) -> None:
    for kind in ("benign", "malignant", "normal"):
        for number in (1, 2):
            png(root / kind / f"{kind} ({number}).png", photograph(seed=number))
            png(root / kind / f"{kind} ({number})_mask.png", spot() if kind != "normal" else spot(value=0))
    png(root / "benign" / "benign (1)_mask_1.png", spot(top=7, left=6))


def udiat(root: Path) -> None:
    for number in (1, 2, 3):
        png(root / "original" / f"{number:06d}.png", photograph(seed=number))
        png(root / "GT" / f"{number:06d}.png", spot())
    (root / "DatasetB.csv").write_text("Image,Type\n000001,Benign\n000002,Malignant\n000003,Benign\n")


def unitochest(root: Path) -> None:
    for split, patient in (("train", 1), ("val", 2), ("test", 3)):
        lines = ["image,mask,patientID,exam,slice"]
        for index in range(3):
            name = f"p{patient}_e1_s{index}"
            ct_slice(root / split / "images" / f"{name}.dcm", index)
            if index == 1:
                png(root / split / "masks" / f"{name}.png", spot())
            lines.append(f"{name}.dcm,{name + '.png' if index == 1 else ''},{patient},1,{index}")
        (root / split / f"{split}_dataset.csv").write_text("\n".join(lines) + "\n")


def siim(root: Path) -> None:
    names = [f"1.2.276.0.7230010.3.1.4.8323329.{n}.1517875160.1" for n in (1, 2, 3)]
    for number, name in enumerate(names):
        path = root / "dicom-images-train" / f"study{number}" / f"series{number}" / f"{name}.dcm"
        dicom(
            path,
            photograph(1024, 1024, seed=number),
            CR,
            "CR",
            SOPInstanceUID=name,
            ViewPosition="PA",
            PixelSpacing=["0.168", "0.168"],
        )
    first, second = spot(1024, 1024, top=100, left=200), spot(1024, 1024, top=500, left=700)
    rows = [
        (names[0], mask_to_relative_runs(first > 0)),
        (names[0], mask_to_relative_runs(second > 0)),
        (names[1], "-1"),
        (names[2], mask_to_relative_runs(second > 0)),
    ]
    (root / "train-rle.csv").write_text(
        "ImageId, EncodedPixels\n" + "".join(f"{name}, {runs}\n" for name, runs in rows)
    )


def brats(root: Path) -> None:
    for case in ("BraTS-GLI-00000-000", "BraTS-GLI-00002-001"):
        image = np.zeros((240, 240, 155), np.int16)
        image[80:160, 90:150, 60:70] = 500
        labels = np.zeros((240, 240, 155), np.uint8)
        labels[100:110, 100:120, 64:66], labels[103:105, 105:110, 64], labels[105:108, 110:115, 65] = 2, 1, 3
        for name, values in (("t2f", image), ("seg", labels)):
            nifti(root / case / f"{case}-{name}.nii.gz", values, (1.0, 1.0, 1.0))


def jsrt(root: Path) -> None:
    for name in ("JPCLN001", "JPCLN002"):
        raw_jsrt(root / "Nodule154images" / f"{name}.IMG")
    text = (
        "JPCLN001.IMG\t5\t15\t53\tFemale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\r\n"
        "JPCLN002.IMG\t4\t20\t60\tMale\t500\t900\tbenign\tr.lower lobe\tha\rmatoma"  # a line end is missing, as published
        "JPCLN003.IMG\t3\t20\t69\tMale\t610\t720\tmalignant\tr.upper lobe\tlung cancer\r\n"
    )
    (root / "Clinical_Information").mkdir()
    (root / "Clinical_Information" / "CLNDAT_EN.txt").write_text(text, encoding="latin-1")


def raw_jsrt(path: Path) -> Path:
    """2048 x 2048 pixels of 12 bits, the high byte first: a ramp along the columns with one pixel of 4095."""
    plane = np.tile(np.arange(2048, dtype=np.uint16), (2048, 1))
    plane[3, 7] = 4095
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plane.astype(">u2").tobytes())
    return path


def chexpert(root: Path) -> None:
    names = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
    lines = ["Path,Sex,Age,No Finding," + ",".join(names)]
    for number, name in enumerate(names, 1):
        inner = f"train/patient{number:05d}/study1/view1_frontal.jpg"
        png(root / inner, photograph(seed=number))
        flags = ",".join("1.0" if one == name else "0.0" for one in names)
        lines.append(f"CheXpert-v1.0/{inner},Female,6{number},,{flags}")
    (root / "chexpert_5x200.csv").write_text("\n".join(lines) + "\n")


def write_json(path: Path, held: Any) -> None:
    path.write_text(json.dumps(held))


TREES: dict[str, Callable[[Path], None]] = {
    "paired": paired, "nnunet": nnunet, "decathlon": decathlon, "bids": bids, "medclipsam": medclipsam, "coco": coco,
    "dicom": dicom_outlines, "busi": busi, "udiat": udiat, "unitochest": unitochest, "siim": siim, "brats": brats,
    "jsrt": jsrt, "chexpert": chexpert,
}  # fmt: skip

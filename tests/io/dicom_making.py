"""Small DICOM files written for the tests: series, enhanced multi-frame, clips, single pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CT, MR, CR, US = ("1.2.840.10008.5.1.4.1.1." + end for end in ("2", "4", "1", "6.1"))
ENHANCED_CT, US_CLIP = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.3.1"
CLASSES = {
    "CT": CT,
    "MR": MR,
    "CR": CR,
    "US": US,
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
}
AXIAL = np.array(
    [[0, 0, 0.7, -10.0], [0, 0.8, 0, 20.0], [2.5, 0, 0, -30.0], [0, 0, 0, 1]]
)  # (slice, row, column) to LPS

Array = np.ndarray[Any, Any]


def header(modality: str, stored: Array, **attributes: Any) -> Dataset:
    """A header with pixel data of (rows, columns) or (frames, rows, columns) whole numbers; keywords override."""
    dataset = Dataset()
    dataset.SOPClassUID = CLASSES[modality]
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = "1.2.3.4.5"
    dataset.Modality = modality
    dataset.PatientName, dataset.PatientID = "Secret^Person", "SECRET-ID"
    dataset.PatientBirthDate, dataset.PatientSex = "19500102", "F"
    dataset.StudyID = dataset.AccessionNumber = "SECRET"
    dataset.StudyDate, dataset.StudyTime = "20200304", "101112"
    dataset.StudyDescription = dataset.SeriesDescription = "Secret description"
    dataset.ReferringPhysicianName = "Secret^Doctor"
    dataset.InstitutionName = "Secret hospital"
    dataset.SeriesNumber = 3
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write with preamble and file meta information."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def geometry_attributes(affine: Array, index: float) -> dict[str, Any]:
    """Position, orientation and spacing of slice `index` of an (slice, row, column) to LPS affine."""
    down, right = affine[:3, 1], affine[:3, 2]
    rows, columns = float(np.linalg.norm(down)), float(np.linalg.norm(right))
    return {
        "ImagePositionPatient": [f"{x:.10g}"[:16] for x in affine[:3, 3] + affine[:3, 0] * index],
        "ImageOrientationPatient": [f"{x:.10f}"[:14] for x in [*(right / columns), *(down / rows)]],
        "PixelSpacing": [f"{rows:.10g}", f"{columns:.10g}"],
    }


def write_series(
    folder: Path,
    values: Array,
    affine: Array = AXIAL,
    modality: str = "CT",
    *,
    at: list[float] | None = None,
    **attributes: Any,
) -> list[Path]:
    """One file a slice, their names and InstanceNumbers in no order of space; `at` are slice indices, which may have gaps."""
    paths = []
    indices = list(range(len(values))) if at is None else at
    for k, index in enumerate(indices):
        dataset = header(modality, values[k], FrameOfReferenceUID="1.2.3.4.9", PositionReferenceIndicator="")
        for keyword, value in {**geometry_attributes(affine, index), **attributes}.items():
            setattr(dataset, keyword, value)
        dataset.InstanceNumber = (k * 7) % len(indices) + 1
        paths.append(save(dataset, folder / f"{(k * 5) % 11:02d}_{k}.dcm"))
    return paths


def write_enhanced(
    path: Path,
    values: Array,
    affine: Array = AXIAL,
    *,
    order: list[int] | None = None,
    measures_per_frame: bool = False,
    **shared: Any,
) -> Path:
    """An enhanced CT; frame n of the file is slice `order[n]`. Scanners differ in where the pixel measures stand."""
    order = list(range(len(values))) if order is None else order
    dataset = header(
        "CT", values[order], SOPClassUID=ENHANCED_CT, FrameOfReferenceUID="1.2.3.4.9", NumberOfFrames=len(order)
    )
    dataset.PositionReferenceIndicator = ""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    common = Dataset()
    place = geometry_attributes(affine, 0)
    common.PlaneOrientationSequence = [_item(ImageOrientationPatient=place["ImageOrientationPatient"])]
    measures = [_item(PixelSpacing=place["PixelSpacing"], SliceThickness="1")]
    if not measures_per_frame:
        common.PixelMeasuresSequence = measures
    transformation = {"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "HU", **shared}
    common.PixelValueTransformationSequence = [_item(**transformation)]
    dataset.SharedFunctionalGroupsSequence = [common]
    groups = []
    for n, k in enumerate(order):
        group = Dataset()
        group.PlanePositionSequence = [
            _item(ImagePositionPatient=geometry_attributes(affine, k)["ImagePositionPatient"])
        ]
        if measures_per_frame:
            group.PixelMeasuresSequence = measures
        group.FrameContentSequence = [_item(StackID="1", InStackPositionNumber=n + 1, DimensionIndexValues=[1, n + 1])]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    return save(dataset, path)


def write_clip(path: Path, values: Array, **attributes: Any) -> Path:
    """A multi-frame ultrasound of (frames, rows, columns) whole numbers."""
    return save(
        header("US", values, SOPClassUID=US_CLIP, NumberOfFrames=len(values), FrameTime="40", **attributes), path
    )


def write_picture(path: Path, plane: Array, modality: str = "CR", **attributes: Any) -> Path:
    """A single picture without a place."""
    return save(header(modality, plane, **attributes), path)


def region(across_cm: float, down_cm: float, *, kind: int = 1, units: int = 3) -> Dataset:
    """An ultrasound region of that scale; kind 1 is tissue, units 3 are centimetres."""
    return _item(
        RegionSpatialFormat=1, RegionDataType=kind, PhysicalUnitsXDirection=units, PhysicalUnitsYDirection=units,
        PhysicalDeltaX=across_cm, PhysicalDeltaY=down_cm,
    )  # fmt: skip


def numbered(shape: tuple[int, int, int], dtype: Any = np.int16, *, seed: int = 0) -> Array:
    """Different small whole numbers."""
    return np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape).astype(dtype)


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item

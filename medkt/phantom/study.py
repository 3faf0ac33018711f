"""Phantom studies as real files: DICOM series, radiographs and clips, NIfTI, PNG, each with its answer beside it.

A study is drawn once, as integers on an affine, and then written; so the same seed gives the same voxels in every
format. World coordinates are LPS+ millimetres in DICOM and RAS+ in NIfTI. Every DICOM file carries planted
identifiers (`PLANTED`), so that a test can look for them in whatever is made from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from jaxtyping import Float64, Integer
from PIL import Image as Picture
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from medkt.errors import InputError
from medkt.phantom import ct, cxr, mri, ultrasound
from medkt.phantom.finding import Attributes, DomainName, PhantomPlane
from medkt.shapes import Affine, MaskVoxels

FormatName = Literal["dicom", "nifti", "png"]
PhotometricName = Literal["MONOCHROME1", "MONOCHROME2", "RGB"]

PLANTED: Mapping[str, str] = {
    "PatientName": "PHANTOM^PLANTED",
    "PatientID": "MEDKT-PLANTED-ID",
    "PatientBirthDate": "19620304",
    "AccessionNumber": "MEDKT-PLANTED-AC",
    "InstitutionName": "PLANTED HOSPITAL",
    "ReferringPhysicianName": "PHYSICIAN^PLANTED",
    "OperatorsName": "OPERATOR^PLANTED",
    "StationName": "PLANTEDSTATION",
    "StudyDate": "20190817",
    "SeriesDate": "20190817",
    "AcquisitionDate": "20190817",
    "ContentDate": "20190817",
    "StudyTime": "101112",
    "ContentTime": "101112",
}
"""What every DICOM file says about its patient; none of it may appear in an output."""

_SOP_CLASSES: Mapping[str, str] = {
    "ct": "1.2.840.10008.5.1.4.1.1.2",
    "mri": "1.2.840.10008.5.1.4.1.1.4",
    "cxr": "1.2.840.10008.5.1.4.1.1.1.1",
    "ultrasound": "1.2.840.10008.5.1.4.1.1.6.1",
    "clip": "1.2.840.10008.5.1.4.1.1.3.1",
}
_MODALITIES: Mapping[str, str] = {"ct": "CT", "mri": "MR", "cxr": "DX", "ultrasound": "US"}
_WIDTH_MM: Mapping[str, float] = {"cxr": 360.0, "ultrasound": ultrasound.SIDE_MM}
_SHAPES: Mapping[str, tuple[int, int, int]] = {"ct": (24, 128, 128), "mri": (20, 128, 128)}
_SPACINGS_MM: Mapping[str, tuple[float, float, float]] = {"ct": (8.0, 2.7, 2.7), "mri": (6.0, 1.8, 1.8)}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A study before it is a file: integers (slices or frames, rows, columns), the answer, and where they lie."""

    domain: DomainName
    finding: str
    seed: int
    voxels: Integer[np.ndarray, "slices rows columns"]
    mask: MaskVoxels
    affine: Affine
    sequence: str = ""

    def uid(self, *what: object) -> UID:
        """An identifier that the study and `what` decide alone."""
        return generate_uid(entropy_srcs=["medkt phantom", self.domain, self.finding, str(self.seed), *map(str, what)])

    @property
    def spacing_mm(self) -> Float64[np.ndarray, "3"]:
        """Steps between slices, rows and columns."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)


def write_study(
    folder: Path,
    *,
    domain: DomainName,
    finding: str,
    seed: int,
    format: FormatName,  # noqa: A002 - the word that users of files know
    shape: tuple[int, int, int] | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    side: int = 256,
    oblique: bool = False,
    photometric: PhotometricName = "MONOCHROME2",
    frames: int = 1,
    attributes: Attributes | None = None,
) -> Path:
    """Draw a study of this finding ("" for a normal one), write it below `folder`, and give the path to read.

    "unnamed" is a lesion that looks as `attributes` say.

    CT and MRI are volumes of `shape` (slices, rows, columns) and `spacing_mm` in that order; as DICOM they become
    the folder `series`, one file a slice, under names that are not in the order of the slices. Radiographs and
    ultrasound are planes of `side` pixels, ultrasound with several `frames` if asked. A PNG is one plane of any
    domain. `oblique` turns the slices away from the patient's axes. The answer lies beside the input:
    `reference_path(path)`, NIfTI in the same world, or a PNG of 0 and 255.

    Raises:
        InputError: the options do not belong together (colour outside ultrasound, an inverted CT, a PNG of frames).
    """
    _check(domain, format, photometric, frames)
    folder.mkdir(parents=True, exist_ok=True)
    if format == "png":
        return _write_png(folder, _plane(domain, finding, seed, side, attributes))
    if domain in ("ct", "mri"):
        drawn = _draw_volume(
            domain, finding, seed, shape or _SHAPES[domain], spacing_mm or _SPACINGS_MM[domain], oblique, attributes
        )
    else:
        drawn = _draw_planes(domain, finding, seed, side, frames, attributes)
    _save_nifti(folder / "reference.nii.gz", drawn.mask.astype(np.uint8), drawn.affine)
    if format == "nifti":
        return _save_nifti(folder / "image.nii.gz", drawn.voxels.astype(np.int16), drawn.affine)
    if domain in ("ct", "mri"):
        return _write_series(folder / "series", drawn)
    path = folder / "image.dcm"
    dataset = _radiograph(drawn, photometric) if domain == "cxr" else _sonogram(drawn, photometric)
    _save_dicom(dataset, path)
    return path


def reference_path(study_path: Path) -> Path:
    """Where `write_study` put the answer to the study that it gave this path for."""
    name = "reference.png" if study_path.suffix == ".png" else "reference.nii.gz"
    return study_path.parent / name


def _check(domain: DomainName, format: FormatName, photometric: PhotometricName, frames: int) -> None:  # noqa: A002
    if photometric == "RGB" and domain != "ultrasound":
        raise InputError(f"only ultrasound is written in colour, not {domain}: use MONOCHROME2")
    if photometric == "MONOCHROME1" and domain != "cxr":
        raise InputError(f"only radiographs are written inverted, not {domain}: use MONOCHROME2")
    if frames < 1 or (frames > 1 and (domain != "ultrasound" or format == "png")):
        raise InputError(f"only ultrasound as DICOM or NIfTI has frames; got {frames} for {domain} as {format}")


# ---- drawing


def _plane(
    domain: DomainName, finding: str, seed: int, side: int, attributes: Attributes | None = None
) -> PhantomPlane:
    draw: Callable[..., PhantomPlane] = {
        "cxr": cxr.draw_plane,
        "ct": ct.draw_plane,
        "mri": mri.draw_plane,
        "ultrasound": ultrasound.draw_plane,
    }[domain]
    return draw(finding, np.random.default_rng(seed), side=side, attributes=attributes)


def _draw_volume(
    domain: DomainName,
    finding: str,
    seed: int,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    oblique: bool,
    attributes: Attributes | None = None,
) -> _Drawn:
    rng = np.random.default_rng(seed)
    if domain == "ct":
        hounsfield, mask = ct.volume(finding, rng, shape=shape, spacing_mm=spacing_mm, attributes=attributes)
        voxels, sequence = np.clip(hounsfield, -1024, 3071), ""
    else:
        signal, mask = mri.volume(finding, rng, shape=shape, spacing_mm=spacing_mm, attributes=attributes)
        voxels = np.clip(np.rint(signal), 0, 4095)
        sequence = mri.make_study(finding, np.random.default_rng(seed), attributes).context["sequence"]
    return _Drawn(
        domain=domain, finding=finding, seed=seed, voxels=voxels.astype(np.int16), mask=mask,
        affine=_affine(shape, spacing_mm, oblique), sequence=sequence,
    )  # fmt: skip


def _affine(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], oblique: bool) -> Affine:
    """LPS+ affine of (slice, row, column): slices go up, rows to the back, columns to the left, before any turn."""
    steps = np.zeros((3, 3))
    steps[2, 0], steps[1, 1], steps[0, 2] = spacing_mm
    if oblique:
        steps = _turn(degrees=(14.0, -9.0, 6.0)) @ steps
    affine = np.eye(4)
    affine[:3, :3] = steps
    # Nowhere near the middle of a slice, so that a mirrored or shifted world cannot pass for the right one.
    affine[:3, 3] = np.array([11.0, -23.0, 57.0]) - steps @ ((np.array(shape) - 1) / 2)
    return affine


def _turn(degrees: tuple[float, float, float]) -> Float64[np.ndarray, "3 3"]:
    total = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[first, first] = one[second, second] = np.cos(angle)
        one[second, first], one[first, second] = np.sin(angle), -np.sin(angle)
        total = one @ total
    return total


def _draw_planes(
    domain: DomainName, finding: str, seed: int, side: int, frames: int, attributes: Attributes | None = None
) -> _Drawn:
    drawn = _plane(domain, finding, seed, side, attributes)
    levels = 4095 if domain == "cxr" else 255
    rng = np.random.default_rng([seed, frames])
    voxels = np.empty((frames, side, side), np.int16)
    for number in range(frames):
        # The first frame is the plane itself; in the others the speckle and the gain move, the anatomy does not.
        noise = 0.02 * rng.standard_normal((side, side)) * (drawn.plane > 0) if number else 0.0
        gain = rng.uniform(0.94, 1.06) if number else 1.0
        voxels[number] = np.rint(np.clip(drawn.plane * gain + noise, 0, 1) * levels)
    step = _WIDTH_MM[domain] / side
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] = [[0, 0, step], [0, step, 0], [1, 0, 0]]
    return _Drawn(
        domain=domain, finding=finding, seed=seed, voxels=voxels, mask=np.repeat(drawn.mask[None], frames, axis=0),
        affine=affine,
    )  # fmt: skip


# ---- PNG and NIfTI


def _write_png(folder: Path, drawn: PhantomPlane) -> Path:
    path = folder / "image.png"
    Picture.fromarray(np.rint(drawn.plane * 255).astype(np.uint8)).save(path)
    Picture.fromarray(drawn.mask.astype(np.uint8) * np.uint8(255)).save(folder / "reference.png")
    return path


def _save_nifti(path: Path, voxels: Integer[np.ndarray, "slices rows columns"], affine: Affine) -> Path:
    # NIfTI counts (column, row, slice) and points to the right and front where DICOM points to the left and back.
    image: Any = nib.Nifti1Image(  # type: ignore[no-untyped-call]
        np.ascontiguousarray(voxels.transpose(2, 1, 0)), _LPS_TO_RAS @ affine[:, [2, 1, 0, 3]]
    )
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


# ---- DICOM


def _save_dicom(dataset: FileDataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)


def _begin(drawn: _Drawn, instance: int, sop_class: str) -> FileDataset:
    """The modules that every kind of image has: patient, study, series, equipment, instance."""
    uid = drawn.uid("instance", instance)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_SOP_CLASSES[sop_class])
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = drawn.uid("study"), drawn.uid("series")
    for keyword, value in PLANTED.items():
        setattr(ds, keyword, value)
    ds.PatientSex, ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "O", "1", 1, instance
    ds.Modality, ds.Manufacturer = _MODALITIES[drawn.domain], "medkt"
    ds.ManufacturerModelName, ds.SoftwareVersions, ds.DeviceSerialNumber = "phantom", "1", "0"
    ds.StudyDescription = f"phantom {drawn.domain}"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.BurnedInAnnotation = "NO"
    return ds


def _set_pixels(
    ds: Dataset, pixels: np.ndarray[Any, np.dtype[np.unsignedinteger[Any]]], stored: int, photometric: str
) -> None:
    ds.SamplesPerPixel = 3 if photometric == "RGB" else 1
    if photometric == "RGB":
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if photometric == "RGB" else pixels.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = pixels.dtype.itemsize * 8, stored, stored - 1
    ds.PixelRepresentation = 0
    data = np.ascontiguousarray(pixels).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def _numbers(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    """Decimal strings: at most 16 characters each."""
    return [f"{v:.10f}"[:16] for v in values + 0.0]


def _write_series(folder: Path, drawn: _Drawn) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    count = drawn.voxels.shape[0]
    names = np.random.default_rng([drawn.seed, count]).permutation(count)
    for index in range(count):
        ds = _begin(drawn, index + 1, drawn.domain)
        _place_slice(ds, drawn, index)
        if drawn.domain == "ct":
            _describe_ct(ds)
            # Scanners store unsigned numbers; the intercept makes them Hounsfield units again.
            _set_pixels(ds, (drawn.voxels[index].astype(np.int32) + 1024).astype(np.uint16), 12, "MONOCHROME2")
        else:
            _describe_mr(ds, drawn.sequence)
            _set_pixels(ds, drawn.voxels[index].astype(np.uint16), 12, "MONOCHROME2")
        _save_dicom(ds, folder / f"IM{int(names[index]):05d}.dcm")
    return folder


def _place_slice(ds: Dataset, drawn: _Drawn, index: int) -> None:
    slice_mm, row_mm, column_mm = drawn.spacing_mm
    along_row, along_column = drawn.affine[:3, 2] / column_mm, drawn.affine[:3, 1] / row_mm
    corner = drawn.affine[:3, 3] + index * drawn.affine[:3, 0]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = drawn.uid("frame of reference"), ""
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = _numbers(corner)
    ds.ImageOrientationPatient = _numbers(np.concatenate([along_row, along_column]))
    ds.PixelSpacing = [f"{row_mm:.6f}", f"{column_mm:.6f}"]
    ds.SliceThickness = f"{slice_mm:.6f}"
    ds.SpacingBetweenSlices = f"{slice_mm:.6f}"
    ds.SliceLocation = f"{float(corner @ drawn.affine[:3, 0]) / slice_mm:.6f}"
    ds.AcquisitionNumber = 1


def _describe_ct(ds: Dataset) -> None:
    del ds.SpacingBetweenSlices  # not an attribute of the CT image
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesDescription, ds.BodyPartExamined, ds.KVP = "chest, lung kernel", "CHEST", "120"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "-600", "1500"


def _describe_mr(ds: Dataset, sequence: str) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    ds.SeriesDescription, ds.BodyPartExamined = sequence, "HEAD"
    ds.ScanningSequence, ds.SequenceVariant = ["SE", "IR"] if sequence == "FLAIR" else "SE", "SK"
    ds.ScanOptions, ds.MRAcquisitionType, ds.MagneticFieldStrength = "", "2D", "1.5"
    repetition, echo, inversion = {"FLAIR": ("9000", "110", "2500"), "T2": ("4500", "100", "")}.get(
        sequence, ("550", "10", "")
    )
    ds.RepetitionTime, ds.EchoTime, ds.InversionTime, ds.EchoTrainLength = repetition, echo, inversion or None, "1"
    if sequence == "T1 after contrast":
        ds.ContrastBolusAgent = "phantom contrast"


def _radiograph(drawn: _Drawn, photometric: PhotometricName) -> FileDataset:
    inverted = photometric == "MONOCHROME1"
    ds = _begin(drawn, 1, "cxr")
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType, ds.SeriesDescription, ds.BodyPartExamined = "FOR PRESENTATION", "chest PA", "CHEST"
    ds.PatientOrientation, ds.ViewPosition, ds.ImageLaterality = ["L", "F"], "PA", "U"
    spacing = [f"{drawn.spacing_mm[1]:.6f}", f"{drawn.spacing_mm[2]:.6f}"]
    ds.ImagerPixelSpacing, ds.PixelSpacing = spacing, spacing
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1 if inverted else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    ds.LossyImageCompression, ds.DetectorType, ds.PositionerType = "00", "DIRECT", "NONE"
    ds.AcquisitionContextSequence = Sequence([])
    ds.AnatomicRegionSequence = Sequence([_code("51185008", "SCT", "Chest")])
    ds.WindowCenter, ds.WindowWidth = "2047.5", "4095"
    ds.KVP = "120"
    shown = drawn.voxels[0].astype(np.uint16)
    _set_pixels(ds, np.uint16(4095) - shown if inverted else shown, 12, photometric)
    return ds


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _sonogram(drawn: _Drawn, photometric: PhotometricName) -> FileDataset:
    frames, rows, columns = drawn.voxels.shape
    ds = _begin(drawn, 1, "clip" if frames > 1 else "ultrasound")
    ds.SeriesDescription, ds.BodyPartExamined, ds.PatientOrientation = "breast B-mode", "BREAST", []
    ds.LossyImageCompression = "00"
    ds.SequenceOfUltrasoundRegions = Sequence([_ultrasound_region(drawn, rows, columns)])
    pixels = drawn.voxels.astype(np.uint8)
    if frames > 1:
        ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = frames, "40", 0x00181063
        ds.StartTrim, ds.StopTrim, ds.CineRate = 1, frames, 25
    if photometric == "RGB":
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
        ds.UltrasoundColorDataPresent = 0
    _set_pixels(ds, pixels if frames > 1 else pixels[0], 8, photometric)
    return ds


def _ultrasound_region(drawn: _Drawn, rows: int, columns: int) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0  # two-dimensional, tissue
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.PhysicalDeltaX, region.PhysicalDeltaY = float(drawn.spacing_mm[2]) / 10, float(drawn.spacing_mm[1]) / 10
    return region

"""Sources of every kind that a SEG can be written of: small ones made here, public ones, and real ones where they lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dicom_making import numbered, write_clip, write_enhanced, write_picture, write_series
from orientations import oblique

from medkt.concepts.concept import Caption, Code, Concept
from medkt.io import read_image
from medkt.spatial import Image, Mask

VALUES = numbered((4, 5, 6))
SMALL = VALUES.astype(np.uint8)
FINDINGS = tuple(
    Concept(
        id=f"finding_{n}", name=f"Finding {n}", captions=(Caption(text="a shadow"),),
        type=Code(value="4147007", scheme="SCT", meaning="Mass"), region=Code(value="39607008", scheme="SCT", meaning="Lung"),
    )
    for n in (1, 2, 3)
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A source: how it is called, where it lies below `failing` or the real images, and which volume of it is read."""

    name: str
    path: str = ""
    volume: int | None = None


MADE = (
    "CT", "MR, oblique", "enhanced, shared measures", "enhanced, measures per frame", "enhanced, frames in disorder",
    "CR", "DX", "MG", "US", "US, clip", "US, clip with frame of reference",
)  # fmt: skip
FAILING = (
    Kind("enhanced MR, slice k is frame 8-k", "seg_wrong_frame_cine-test.dcm"),
    Kind("enhanced MR, Siemens XA", "seg_refused_siemens_xa10.dcm"),
    Kind("enhanced MR, Philips", "seg_refused_philips_fmap.dcm", 1),
    Kind("enhanced MR, Philips, second volume", "seg_refused_philips_fmap.dcm", 2),
    Kind("US, clip of ten frames, palette", "us_clip.dcm"),
)
REAL = (
    Kind("CT, real", "dicom/dcmqi/segmentations/ct-3slice"),
    Kind("MR, real", "volumes/sts/dicom/STS_001/MR_T1/image"),
    Kind("DX, real", "dicom/highdicom/dx_image.dcm"),
    Kind("CR, real", "dicom/pydicom_data/RG1_J2KI.dcm"),
    Kind("US, real", "dicom/pydicom_data/US1_UNCR.dcm"),
    Kind("US, real clip", "dicom/dicomparser/encapsulated/multi-frame/IM00001.implicit_little_endian.dcm"),
)


def make(name: str, folder: Path) -> Path:
    """Write the source of that name of `MADE` into a folder."""
    file = folder / "source.dcm"
    turned = [2, 0, 3, 1]
    writers: dict[str, Any] = {
        "CT": lambda: write_series(folder / "series", VALUES),
        "MR, oblique": lambda: write_series(folder / "series", VALUES, oblique(), "MR"),
        "enhanced, shared measures": lambda: write_enhanced(file, VALUES, oblique()),
        "enhanced, measures per frame": lambda: write_enhanced(file, VALUES, order=turned, measures_per_frame=True),
        "enhanced, frames in disorder": lambda: write_enhanced(file, VALUES, order=turned),
        "CR": lambda: write_picture(file, SMALL[0], "CR"),
        "DX": lambda: write_picture(file, SMALL[0], "DX", PixelSpacing=[0.2, 0.1], PatientOrientation=["L", "F"]),
        "MG": lambda: write_picture(file, SMALL[0], "MG", ImagerPixelSpacing=[0.1, 0.07]),
        "US": lambda: write_picture(file, SMALL[0], "US"),
        "US, clip": lambda: write_clip(file, SMALL),
        "US, clip with frame of reference": lambda: write_clip(file, SMALL, FrameOfReferenceUID="1.2.3"),
    }
    writers[name]()
    return file if file.exists() else folder / "series"


def read(path: Path, volume: int | None = None) -> Image:
    """The image of a source."""
    return read_image(path, volume=volume)


def masks_for(image: Image, segments: int) -> list[Mask]:
    """Overlapping masks without any symmetry, with a gap in every stack; each has a voxel at least."""
    random = np.random.default_rng(segments)
    masks = []
    for number in range(segments):
        values = random.random(image.geometry.shape) < 0.2
        if len(values) > 2:
            values[(number + 1) % len(values)] = False
        values[0, 0, number] = values[-1, 1, 2 + number] = True
        masks.append(Mask(values=values, geometry=image.geometry))
    return masks

"""Numbers of a source that are none (DS, IS): reading it is refused in a line, or its SEG is written and right. Nothing falls later."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_making import numbered, write_enhanced, write_picture, write_series
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.tag import Tag
from whole_line import Command

from medkt.concepts import load_concept
from medkt.errors import MedktError
from medkt.io import read_image, read_mask, seg_refusal, write_dicom_seg
from medkt.spatial import Image, Mask

# what pydicom says of such values is heard and passed over by every command, see tests/faults/test_taint.py
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
VALUES = numbered((3, 5, 6))
JUNK = (b"twelve", b"1,5", b"NaN", b"1e999", b"\\\\", b"\xff\xfe12", b"7\\x\\9", b"12345678901234567890123")
KINDS = {
    keyword_for_tag(tag): entry[0]
    for tag, entry in DicomDictionary.items()
    if entry[0] in ("DS", "IS") and tag > 0x2FFFF
}
NUMBERS = {name: kind for name, kind in KINDS.items() if name}


GRID = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "NumberOfFrames", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip
ONE_BY_ONE = [
    *GRID, "SpacingBetweenSlices", "SliceThickness", "WindowCenter", "InstanceNumber", "SeriesNumber",
    "LossyImageCompressionRatio", "TemporalPositionIdentifier", "TriggerTime",
]  # fmt: skip


def planted(path: Path, values: dict[str, bytes]) -> None:
    """Set elements of a file to bytes that their type does not allow, wherever they stand in it and at its top."""
    dataset = pydicom.dcmread(path)

    def change(item: pydicom.Dataset) -> None:
        for element in list(item):
            if element.keyword in values:
                item.add(stand_in(element.keyword))
            for inner in element.value if element.VR == "SQ" else ():
                change(inner)

    def stand_in(keyword: str) -> pydicom.DataElement:  # words may be anything, numbers may not
        length = len(values[keyword])
        return pydicom.DataElement(keyword, "LO", "Q" * (length + length % 2))

    change(dataset)
    for keyword in values:
        dataset.add(stand_in(keyword))
    dataset.save_as(path)
    content = path.read_bytes()
    for keyword, junk in values.items():
        tag, even = Tag(keyword), junk + b" " * (len(junk) % 2)
        head, length = (
            tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little"),
            len(even).to_bytes(2, "little"),
        )
        content = content.replace(
            head + b"LO" + length + b"Q" * len(even), head + NUMBERS[keyword].encode() + length + even
        )
    path.write_bytes(content)


def source(kind: str, folder: Path) -> tuple[Path, list[Path]]:
    if kind == "CT":
        return folder / "series", write_series(folder / "series", VALUES, RescaleSlope=1, RescaleIntercept=0)
    file = folder / "source.dcm"
    if kind == "enhanced":
        write_enhanced(file, VALUES)
    else:
        write_picture(file, VALUES[0].astype(np.uint8), "CR", LossyImageCompression="01")
    return file, [file]


def end_to_end(path: Path, out: Path) -> str:
    """The word "refused" where reading it, or what is asked before the work, says so in a line; else its SEG is right."""
    try:
        image = read_image(path)
    except MedktError:
        return "refused"
    if seg_refusal(image):
        return "refused"
    mask = marked(image)
    written = write_dicom_seg([mask], [load_concept("ct_nodule")], image, out)
    np.testing.assert_array_equal(read_mask(written, like=image).values, mask.values)
    return "written"


def marked(image: Image) -> Mask:
    values = np.zeros(image.geometry.shape, dtype=bool)
    values[-1, 1:3, 2] = True
    return Mask(values=values, geometry=image.geometry)


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [
        ("CT", ONE_BY_ONE),
        ("CR", ["LossyImageCompressionRatio", "ImagerPixelSpacing", "SeriesNumber"]),
        ("enhanced", ["ImagePositionPatient", "SliceThickness", "LossyImageCompressionRatio"]),
    ],
)
def test_each_number_that_is_read(kind: str, keywords: list[str], tmp_path: Path) -> None:
    """In one file of the series, so that the others say otherwise; the junk takes turns."""
    ends = {}
    for place, keyword in enumerate(keywords):
        path, files = source(kind, tmp_path / keyword)
        planted(files[-1], {keyword: JUNK[place % len(JUNK)]})
        ends[keyword] = end_to_end(path, tmp_path / f"{keyword}.dcm")
    assert len(ends) > (10 if kind == "CT" else 2)
    assert ends["LossyImageCompressionRatio"] == "written", ends
    assert ends.get("SeriesNumber", "written") == "written"
    assert kind != "CT" or ends["ImagePositionPatient"] == "refused", ends


def test_all_numbers_at_once_that_say_nothing_of_the_grid(tmp_path: Path) -> None:
    path, files = source("CT", tmp_path)
    for file in files:
        planted(file, {keyword: b"twelve" for keyword in NUMBERS if keyword not in GRID})
    assert end_to_end(path, tmp_path / "seg.dcm") == "written"


def test_numbers_of_a_reference_that_are_none(tmp_path: Path) -> None:
    """A SEG that is read: the mask that it holds, or a line."""
    path, _ = source("CT", tmp_path)
    image = read_image(path)
    mask = marked(image)
    written = write_dicom_seg([mask], [load_concept("ct_nodule")], image, tmp_path / "seg.dcm").read_bytes()
    ends = {}
    for place, keyword in enumerate(
        ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
         "NumberOfFrames", "InstanceNumber", "SeriesNumber", "ReferencedFrameNumber")
    ):  # fmt: skip
        (tmp_path / "seg.dcm").write_bytes(written)
        planted(tmp_path / "seg.dcm", {keyword: JUNK[place % len(JUNK)]})
        try:
            ends[keyword] = np.array_equal(read_mask(tmp_path / "seg.dcm", like=image).values, mask.values)
        except MedktError:
            ends[keyword] = None
    assert False not in ends.values(), ends
    assert ends["SeriesNumber"], ends
    assert None in ends.values(), ends


def test_what_stops_the_writer_is_known_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = source("CT", tmp_path)
    image = read_image(path)
    assert seg_refusal(image) is None
    monkeypatch.setattr("medkt.io.write_seg.lay_frames", lambda *words, **named: int("twelve"))
    assert "no SEG can be made of this series" in str(seg_refusal(image))


@pytest.mark.usefixtures("bright")
def test_segment_writes_it(tmp_path: Path, medkt: Command) -> None:
    path = tmp_path / "series"
    for file in write_series(path, numbered((3, 40, 48)), RescaleSlope=1, RescaleIntercept=0):
        planted(file, {"LossyImageCompressionRatio": b"twelve", "SeriesNumber": b"1,5", "PatientWeight": b"heavy"})
    few = (
        "--set",
        "m2ib.steps=1",
        "--set",
        "m2ib.samples=1",
        "--set",
        "presence.gate=false",
        "--set",
        "map.max_slices=1",
    )
    words = ("-i", path, "-o", tmp_path / "out", "-f", "dicom-seg", "-p", "a bright spot", "--modality", "ct", *few)
    ran = medkt("segment", *words)
    assert (ran.code, ran.err.count("Traceback")) == (0, 0), ran.err
    assert len(list((tmp_path / "out").rglob("segmentation.dcm"))) == 1

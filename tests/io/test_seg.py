"""DICOM SEG: written for every kind of source, read back by highdicom and by medkt, every voxel in its place."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_making import AXIAL, ENHANCED_CT, US_CLIP, numbered, write_clip, write_enhanced, write_picture, write_series
from numpy.typing import NDArray
from orientations import axis_aligned, oblique, sheared
from pydicom import dcmread

from medkt.concepts import concept_from_text
from medkt.concepts.concept import Caption, Code, Concept
from medkt.errors import GeometryError, GeometryMismatchError, InputError, SettingsError, UnsupportedError
from medkt.io import read_image, read_mask, seg_refusal, write_dicom_seg, write_nifti_mask
from medkt.spatial import Geometry, Image, Mask

itk: Any = SimpleITK  # without hints
VALUES = numbered((4, 5, 6))
NODULE = Concept(
    id="lung_nodule",
    name="Lung nodule",
    captions=(Caption(text="a small round shadow"),),
    type=Code(value="27925004", scheme="SCT", meaning="Nodule"),
    region=Code(value="39607008", scheme="SCT", meaning="Lung"),
    colour=(255, 0, 0),
)
OTHER = Concept(id="effusion", name="Effusion", captions=(Caption(text="fluid"),))


def marked(image: Image) -> Mask:
    """An asymmetric landmark in the first and the last slice."""
    values = np.zeros(image.values.shape, dtype=bool)
    values[0, 0, 0] = values[0, 0, 1] = values[0, 2, 0] = values[-1, 1, 3] = True
    return Mask(values=values, geometry=image.geometry)


@pytest.mark.parametrize("number", range(49))
def test_every_voxel_is_in_its_place_for_highdicom_and_simpleitk(number: int, tmp_path: Path) -> None:
    affine = [*axis_aligned(), oblique()][number]
    write_series(tmp_path / "in", VALUES, affine)
    image = read_image(tmp_path / "in")
    mask = marked(image)
    path = write_dicom_seg([mask], [NODULE], image, tmp_path / "seg.dcm")
    volume = hd.seg.segread(path).get_volume(combine_segments=True, allow_missing_positions=True)
    theirs = world_of(np.argwhere(volume.array), volume.affine)
    ours = world_of(np.argwhere(mask.values), image.geometry.affine)
    assert np.allclose(sorted(theirs.tolist()), sorted(ours.tolist()), atol=1e-4)
    source = itk.ReadImage(itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "in")))
    there = {source[source.TransformPhysicalPointToIndex(point)] for point in theirs.tolist()}
    assert there == set(image.values[mask.values].tolist())  # every value is unique: the same voxels of the patient
    assert np.array_equal(read_mask(path, like=image).values, mask.values)
    again = read_mask(path)
    assert np.allclose(
        sorted(world_of(np.argwhere(again.values), again.geometry.affine).tolist()), sorted(ours.tolist()), atol=1e-4
    )


def world_of(indices: NDArray[Any], affine: NDArray[Any]) -> NDArray[Any]:
    world: NDArray[Any] = indices @ affine[:3, :3].T + affine[:3, 3]
    return world


def sources(folder: Path) -> dict[str, Image]:
    """An image of every kind that has DICOM behind it."""
    small = VALUES.astype(np.uint8)
    write_series(folder / "series", VALUES)
    write_series(folder / "mr", VALUES, oblique(), "MR")
    paths = {
        "series": folder / "series",
        "mr": folder / "mr",
        "enhanced": write_enhanced(folder / "e.dcm", VALUES, oblique()),
        "enhanced in disorder": write_enhanced(folder / "d.dcm", VALUES, order=[2, 0, 3, 1]),
        "cr": write_picture(folder / "cr.dcm", small[0], "CR"),
        "dx": write_picture(folder / "dx.dcm", small[0], "DX", PixelSpacing=[0.2, 0.1], PatientOrientation=["L", "F"]),
        "us": write_picture(folder / "us.dcm", small[0], "US"),
        "clip": write_clip(folder / "clip.dcm", small),
        "clip with frame": write_clip(folder / "clipf.dcm", small, FrameOfReferenceUID="1.2.3"),
    }
    return {name: read_image(path) for name, path in paths.items()}


def test_all_kinds_of_sources_with_two_overlapping_segments(tmp_path: Path) -> None:
    for name, image in sources(tmp_path).items():
        first, second = marked(image), Mask(values=np.roll(marked(image).values, 1, axis=2), geometry=image.geometry)
        path = write_dicom_seg([first, second], [NODULE, OTHER], image, tmp_path / "seg.dcm")
        assert np.array_equal(read_mask(path, like=image, label=1).values, first.values), name
        assert np.array_equal(read_mask(path, like=image, label=2).values, second.values), name
        for label in ("1+2", "all"):
            both = read_mask(path, like=image, label=label)
            assert np.array_equal(both.values, first.values | second.values), name
            assert both.provenance.steps == ("segments 1+2",)
        with pytest.raises(InputError, match=r"holds 2 segments, 1 '.*', 2 '.*'; say which is meant: --label 1"):
            read_mask(path, like=image)
        assert hd.seg.segread(path).number_of_segments == 2


@pytest.mark.parametrize("shift", [0, 2])
def test_whether_any_two_of_three_segments_overlap(shift: int, tmp_path: Path) -> None:
    """The first and the third may, with one between them that meets neither."""
    image = sources(tmp_path)["series"]
    masks = []
    for column in (0, 4, shift):
        values = np.zeros(image.values.shape, dtype=bool)
        values[1, 2:4, column : column + 2] = True
        masks.append(Mask(values=values, geometry=image.geometry))
    path = write_dicom_seg(masks, [NODULE, OTHER, replace(OTHER, id="third")], image, tmp_path / "seg.dcm")
    assert dcmread(path).SegmentsOverlap == ("NO" if shift else "YES")


def test_the_thickness_of_a_slice_is_the_sources_and_the_step_that_of_the_positions(tmp_path: Path) -> None:
    write_series(tmp_path / "series", VALUES, SliceThickness="4")
    image = read_image(tmp_path / "series")
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 4
    assert measures.SpacingBetweenSlices == pytest.approx(image.geometry.spacing[0]) != 4


def test_all_kinds_of_sources_with_nothing_found(tmp_path: Path) -> None:
    for image in sources(tmp_path).values():
        empty = Mask(values=np.zeros(image.values.shape, dtype=bool), geometry=image.geometry)
        path = write_dicom_seg([empty], [NODULE], image, tmp_path / "seg.dcm")
        assert dcmread(path).NumberOfFrames >= 1
        assert not read_mask(path, like=image).values.any()
        assert not read_mask(path).values.any()


def test_a_clip_refers_to_its_frames(tmp_path: Path) -> None:
    image = sources(tmp_path)["clip"]
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    named = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in seg.PerFrameFunctionalGroupsSequence]
    assert [item.ReferencedFrameNumber for item in named] == [1, 4]
    assert {item.ReferencedSOPClassUID for item in named} == {US_CLIP}
    assert seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPClassUID == US_CLIP
    again = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "again.dcm"))
    assert seg.FrameOfReferenceUID == again.FrameOfReferenceUID  # of its own, and one for all masks of the clip
    assert "frames along +z, 1 mm stands for one pixel" in seg.ImageComments


def test_what_the_segment_says(tmp_path: Path) -> None:
    image = sources(tmp_path)["series"]
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    segment = seg.SegmentSequence[0]
    assert segment.SegmentLabel == "Lung nodule"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "27925004"
    assert segment.AnatomicRegionSequence[0].CodeMeaning == "Lung"
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.TrackingUID
    assert hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb() == pytest.approx(
        (255, 0, 0), abs=2
    )
    assert seg.SegmentationType == "BINARY"
    assert seg.ContentDescription == "Not a medical device: research use only"
    assert seg.NumberOfFrames == 2  # empty ones are left out
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 4
    assert (seg.FrameOfReferenceUID, seg.StudyInstanceUID) == ("1.2.3.4.9", "1.2.3.4")


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("a bright nodule in the lung", "A_BRIGHT_NODULE"),  # cut where a space stands
        ("a bright spot", "A_BRIGHT_SPOT_"),
        ("3 mm nodule", "MEDKT"),
        ("\u00f6dem der Lunge", ""),
        ("_ dense _", ""),
    ],
)
def test_free_words_make_a_code_string(words: str, label: str, tmp_path: Path) -> None:
    image = sources(tmp_path)["series"]
    seg = dcmread(write_dicom_seg([marked(image)], [concept_from_text(words)], image, tmp_path / "seg.dcm"))
    assert re.fullmatch("[A-Z][A-Z0-9_]{0,15}", seg.ContentLabel)
    assert not seg.ContentLabel.endswith("_")
    assert seg.ContentLabel.startswith(label.rstrip("_"))
    assert seg.SegmentSequence[0].SegmentLabel == concept_from_text(words).name


def test_only_patient_and_study_are_taken_over(tmp_path: Path) -> None:
    image = sources(tmp_path)["series"]
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    assert seg.PatientName == "Secret^Person"
    assert seg.StudyDate == "20200304"
    for keyword in ("StudyDescription", "InstitutionName", "PatientComments"):
        assert not seg.get(keyword)
    assert "ecret" not in seg.SeriesDescription


def test_a_strange_name_neither_stops_the_mask_nor_is_quoted(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_series(tmp_path / "in", VALUES, PatientName="Anonymous", StudyTime="", PatientSex="")
    image = read_image(tmp_path / "in")
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    assert seg.PatientName == "Anonymous"
    assert not recwarn.list


def test_a_volume_of_several_keeps_its_own_frames(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "a.dcm", VALUES, order=[0, 1, 2, 3, 0, 1, 2, 3])
    image = read_image(path, volume=2)
    seg = write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm")
    assert np.array_equal(read_mask(seg, like=image).values, marked(image).values)
    named = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in dcmread(seg).PerFrameFunctionalGroupsSequence
    ]
    assert sorted(named) == [5, 8]
    assert dcmread(path).SOPClassUID == ENHANCED_CT


# ---- what is refused


def test_a_regridded_image_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "in", VALUES, sheared())
    image = read_image(tmp_path / "in", regrid=True)
    mask = Mask(values=np.ones(image.values.shape, dtype=bool), geometry=image.geometry)
    with pytest.raises(GeometryError, match=r"the image was regridded.*write NIfTI"):
        write_dicom_seg([mask], [NODULE], image, tmp_path / "seg.dcm")
    again = read_mask(write_nifti_mask(mask, image, tmp_path / "m.nii.gz"), like=image, label=1)
    assert again.values.all()
    assert again.geometry is image.geometry


def test_what_is_not_dicom_is_refused(tmp_path: Path) -> None:
    image = Image(values=VALUES, geometry=Geometry(affine=AXIAL, shape=VALUES.shape))
    with pytest.raises(UnsupportedError, match="refers to DICOM images"):
        write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm")


def test_missing_identifiers_are_named(tmp_path: Path) -> None:
    image = read_image(write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint8), StudyInstanceUID=None))
    with pytest.raises(UnsupportedError, match="lack a valid StudyInstanceUID"):
        write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm")


def test_a_stack_without_a_frame_of_reference_gets_one(tmp_path: Path) -> None:
    write_series(tmp_path / "in", VALUES, FrameOfReferenceUID="")
    image = read_image(tmp_path / "in")
    path = write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm")
    assert np.array_equal(read_mask(path, like=image).values, marked(image).values)
    assert "names no frame of reference" in dcmread(path).ImageComments


def test_a_mask_of_another_picture_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    first, second = (read_image(write_picture(tmp_path / f"{n}.dcm", VALUES[n].astype(np.uint8))) for n in (0, 1))
    path = write_dicom_seg([marked(first)], [NODULE], first, tmp_path / "seg.dcm")
    with pytest.raises(GeometryMismatchError, match="names other images as its sources"):
        read_mask(path, like=second)


def test_counts_and_grids_must_agree(tmp_path: Path) -> None:
    image = sources(tmp_path)["series"]
    with pytest.raises(SettingsError, match="got 1 masks and 2 concepts"):
        write_dicom_seg([marked(image)], [NODULE, OTHER], image, tmp_path / "seg.dcm")
    other = Geometry(affine=oblique(), shape=VALUES.shape)
    with pytest.raises(GeometryMismatchError, match="mask lies on another grid"):
        write_dicom_seg([Mask(values=VALUES > 3, geometry=other)], [NODULE], image, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_seg_of_another_image_is_refused(tmp_path: Path) -> None:
    images = sources(tmp_path)
    path = write_dicom_seg([marked(images["series"])], [NODULE], images["series"], tmp_path / "seg.dcm")
    with pytest.raises(GeometryMismatchError, match="lies on no slice of the image"):
        read_mask(path, like=images["mr"])
    with pytest.raises(InputError, match=r"no segment 7; there are \[1\]"):
        read_mask(path, label=7)
    with pytest.raises(UnsupportedError, match=r"is DICOM but no segmentation"):
        read_mask(tmp_path / "cr.dcm")


def test_segmentations_by_other_programs(shared_data: Path) -> None:
    folder = shared_data / "dicom/dcmqi/segmentations"
    image = read_image(folder / "ct-3slice")
    mask = read_mask(folder / "liver.dcm", like=image)
    reference = itk.GetArrayFromImage(itk.ReadImage(str(folder / "liver_seg.nrrd")))
    assert np.array_equal(mask.values, reference > 0)


def test_a_seg_of_a_leaning_stack_is_not_set_upright_silently(tmp_path: Path) -> None:
    write_series(tmp_path / "in", VALUES)
    image = read_image(tmp_path / "in")
    seg = dcmread(write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm"))
    for number, group in enumerate(seg.PerFrameFunctionalGroupsSequence):
        group.PlanePositionSequence[0].ImagePositionPatient[1] += 2 * number
    seg.save_as(tmp_path / "leaning.dcm")
    with pytest.raises(GeometryMismatchError, match=r"frames lean.*give the image that it belongs to"):
        read_mask(tmp_path / "leaning.dcm")


@pytest.mark.parametrize("keyword", ["InstanceNumber", "SeriesNumber", "SliceThickness", "PixelAspectRatio"])
def test_numbers_in_the_header_that_are_none_stop_no_seg(keyword: str, tmp_path: Path) -> None:
    file = write_picture(tmp_path / "a.dcm", VALUES[0].astype(np.uint8))
    mended = dcmread(file)
    vr = {"SliceThickness": "DS"}.get(keyword, "IS")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "_writing_validation_mode", pydicom.config.IGNORE)
        mended.add(pydicom.DataElement(keyword, "LO", "twelve"))
        mended.save_as(file, enforce_file_format=True)
    raw = file.read_bytes()
    tag = pydicom.tag.Tag(keyword)
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
    file.write_bytes(raw.replace(head + b"LO", head + vr.encode()))
    image = read_image(file)
    path = write_dicom_seg([marked(image)], [NODULE], image, tmp_path / "seg.dcm")
    assert np.array_equal(read_mask(path, like=image).values, marked(image).values)


def test_what_a_seg_cannot_be_written_of_is_known_beforehand(tmp_path: Path, failing: Path) -> None:
    write_series(tmp_path / "in", VALUES, sheared())
    assert "regridded" in str(seg_refusal(read_image(tmp_path / "in", regrid=True)))
    assert "mosaic" in str(seg_refusal(read_image(failing / "mosaic_siemens_nih.dcm")))
    assert "refers to DICOM images" in str(
        seg_refusal(Image(values=VALUES, geometry=Geometry(affine=AXIAL, shape=VALUES.shape)))
    )
    write_series(tmp_path / "sound", VALUES)
    assert seg_refusal(read_image(tmp_path / "sound")) is None

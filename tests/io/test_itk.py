"""NRRD and MetaImage in and out: every orientation, headers typed by hand, what is damaged, and masks back into their place."""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from orientations import axis_aligned, oblique, sheared
from PIL import Image as Picture
from whole_line import BRIGHT, Command

from medkt.datasets import Case
from medkt.datasets.folder import stem_of
from medkt.errors import (
    AmbiguousInputError,
    GeometryError,
    IncompleteError,
    InputError,
    OutputError,
    UnreadableError,
    UnsupportedError,
)
from medkt.io import read_image, read_mask, write_itk_mask, write_itk_saliency, write_nifti_mask
from medkt.io.itk_header import header_of
from medkt.spatial import Mask, SaliencyMap
from medkt.tasks.cases import fingerprint

itk: Any = SimpleITK  # without hints
nib: Any = nibabel
Array = np.ndarray[Any, Any]
AFFINES = [*axis_aligned(), oblique(), sheared()]
SHAPE = (4, 5, 6)  # slices, rows, columns
ENDINGS = (".nrrd", ".mha", ".nhdr", ".mhd")


def voxels(kind: Any = np.int16) -> Array:
    return np.random.default_rng(3).permutation(120).reshape(SHAPE).astype(kind)


def save(
    path: Path, values: Array, affine: Array | None = None, *, compress: bool = False, vector: bool = False
) -> Path:
    """A file of (slices, rows, columns[, numbers]) values; the affine is (i, j, k) to RAS+, as in the tests of NIfTI."""
    made = itk.GetImageFromArray(values, isVector=vector)
    lps = np.diag([-1.0, -1, 1, 1]) @ (oblique() if affine is None else affine)
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    if made.GetDimension() == 3:
        made.SetSpacing(steps.tolist())
        made.SetOrigin(lps[:3, 3].tolist())
        made.SetDirection((lps[:3, :3] / steps).ravel().tolist())
    itk.WriteImage(made, str(path), useCompression=compress)
    return path


def typed(path: Path, header: str, values: Array) -> Path:
    path.write_bytes(header.encode() + np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())
    return path


RAS = """NRRD0005
type: short
dimension: 3
space: right-anterior-superior
sizes: 6 5 4
space directions: (0,0.5,0) (2,0,0) (0,0,-3)
space origin: (10,20,30)
endian: little
encoding: raw

"""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("number", range(len(AFFINES)))
def test_the_same_study_is_the_same_as_nifti(number: int, ending: str, tmp_path: Path) -> None:
    """Two routes to one study: nibabel's NIfTI, and ITK's own formats."""
    other = nib.Nifti1Image(voxels().transpose(2, 1, 0), AFFINES[number])
    nib.save(other, tmp_path / "a.nii")
    of_nifti = read_image(tmp_path / "a.nii")
    image = read_image(save(tmp_path / f"b{ending}", voxels(), AFFINES[number]))
    assert np.array_equal(image.values, of_nifti.values)
    assert image.values.dtype == of_nifti.values.dtype
    assert np.allclose(image.geometry.affine, of_nifti.geometry.affine, atol=1e-5)
    assert image.geometry.unit == "mm"
    assert image.provenance.source == ("nrrd" if "n" in ending else "metaimage")
    assert (
        image.geometry.is_sheared
        == (number == len(AFFINES) - 1)
        == any("sheared" in one for one in image.provenance.warnings)
    )


def test_a_header_typed_by_hand_says_where_a_voxel_lies(tmp_path: Path) -> None:
    image = read_image(typed(tmp_path / "a.nrrd", RAS, voxels()))
    assert np.array_equal(image.values, voxels())
    # one step along columns is 0.5 to anterior, along rows 2 to the right, along slices 3 down; LPS+ turns x and y
    assert np.allclose(image.geometry.to_world(np.array([[0.0, 0, 0], [1, 2, 4]])), [[-10, -20, 30], [-14, -22, 27]])
    assert image.provenance.warnings == ()


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_every_kind_of_voxel_deflated_or_not(kind: Any, ending: str, tmp_path: Path) -> None:
    for compress in (False, True):
        image = read_image(save(tmp_path / f"{compress}{ending}", voxels(kind), compress=compress))
        assert image.values.dtype == kind
        assert np.array_equal(image.values, voxels(kind))


def test_the_kind_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    source = save(tmp_path / "a.mha", voxels())
    renamed = source.rename(tmp_path / "a.nii.gz")
    assert read_image(renamed).provenance.source == "metaimage"


def test_a_picture_lies_flat(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.mha", voxels()[0]))
    assert image.geometry.shape == (1, 5, 6)
    assert "a single slice without depth: taken as 1" in image.provenance.warnings


def test_without_a_spacing_every_length_is_in_pixels(tmp_path: Path) -> None:
    lines = [line for line in RAS.split("\n") if line and not line.startswith("space")]
    image = read_image(typed(tmp_path / "a.nrrd", "\n".join(lines) + "\n\n", voxels()))
    assert image.geometry.unit == "pixel"
    assert image.geometry.spacing == (1, 1, 1)
    assert "states no spacing" in image.provenance.warnings[0]


def test_without_a_world_left_and_right_are_a_guess(tmp_path: Path) -> None:
    lines = [line for line in RAS.split("\n") if line and not line.startswith("space")]
    image = read_image(typed(tmp_path / "a.nrrd", "\n".join([*lines, "spacings: 0.5 2 3"]) + "\n\n", voxels()))
    assert image.geometry.spacing == (3, 2, 0.5)
    assert "left and right are a guess" in image.provenance.warnings[0]


def test_other_units_are_refused(tmp_path: Path) -> None:
    header = RAS.replace("endian", 'space units: "um" "um" "um"\nendian')
    with pytest.raises(UnsupportedError, match="not in millimetres"):
        read_image(typed(tmp_path / "a.nrrd", header, voxels()))
    good = RAS.replace("endian", 'space units: "mm" "mm" "mm"\nendian')
    assert read_image(typed(tmp_path / "b.nrrd", good, voxels())).geometry.unit == "mm"


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_several_numbers_a_voxel_are_volumes(ending: str, tmp_path: Path) -> None:
    source = save(tmp_path / f"a{ending}", np.stack([voxels(), voxels() + 1], axis=-1), vector=True)
    with pytest.raises(AmbiguousInputError, match=r"2 volumes of shape \(6, 5, 4\)"):
        read_image(source)
    assert np.array_equal(read_image(source, volume=2).values, voxels() + 1)
    with pytest.raises(InputError, match="no volume 3"):
        read_image(source, volume=3)


def test_a_fourth_axis_is_time(tmp_path: Path) -> None:
    made = itk.JoinSeries([itk.GetImageFromArray(voxels()), itk.GetImageFromArray(voxels() + 1)])
    itk.WriteImage(made, str(tmp_path / "a.mha"))
    assert np.array_equal(read_image(tmp_path / "a.mha", volume=2).values, voxels() + 1)
    with pytest.raises(AmbiguousInputError, match="2 volumes"):
        read_image(tmp_path / "a.mha")


def test_colour_is_reduced_to_luma_as_in_a_picture(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    save(tmp_path / "a.mha", colours[None], vector=True)
    Picture.fromarray(colours).save(tmp_path / "a.png")
    image, picture = read_image(tmp_path / "a.mha"), read_image(tmp_path / "a.png")
    assert np.array_equal(image.values, picture.values)
    assert image.colour == picture.colour > 0
    with pytest.raises(UnsupportedError, match="colour with alpha"):
        read_image(save(tmp_path / "b.mha", np.repeat(colours[None], 2, axis=-1)[..., :4], vector=True))


def test_complex_voxels_are_refused(tmp_path: Path) -> None:
    itk.WriteImage(itk.GetImageFromArray(voxels().astype(np.complex64)), str(tmp_path / "a.nrrd"))
    with pytest.raises(UnsupportedError, match="no real numbers"):
        read_image(tmp_path / "a.nrrd")


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_cut_off_files_are_refused(ending: str, compress: bool, tmp_path: Path) -> None:
    source = save(tmp_path / f"a{ending}", voxels(), compress=compress)
    source.write_bytes(source.read_bytes()[:-40])
    with pytest.raises(UnreadableError, match=r"cut off"):
        read_image(source)
    source.write_bytes(source.read_bytes()[:60])
    with pytest.raises(UnreadableError, match="header does not end"):
        read_image(source)


def test_more_slices_than_the_header_counts_are_not_lost_in_silence(tmp_path: Path) -> None:
    source = typed(tmp_path / "a.nrrd", RAS, np.concatenate([voxels(), voxels()]))
    with pytest.raises(IncompleteError, match="4 slices more than its header counts"):
        read_image(source)
    image = read_image(source, allow_incomplete=True)
    assert np.array_equal(image.values, voxels())
    assert "4 slices more" in " ".join(image.provenance.warnings)


def test_a_size_that_no_memory_holds_is_refused_before_it_is_taken(tmp_path: Path) -> None:
    header = RAS.replace("6 5 4", "60000 50000 400").replace("raw", "gzip")
    with pytest.raises(InputError, match="GiB once decoded"):
        read_image(typed(tmp_path / "a.nrrd", header, voxels()))


def test_voxels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    values = voxels(np.float32)
    values[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="1 of 120 voxels are NaN"):
        read_image(save(tmp_path / "a.nrrd", values))


def test_axes_that_are_parallel_are_refused(tmp_path: Path) -> None:
    with pytest.raises((GeometryError, UnreadableError)):
        read_image(typed(tmp_path / "a.nrrd", RAS.replace("(2,0,0)", "(0,2,0)"), voxels()))


@pytest.mark.parametrize(
    ("named", "message"),
    [("../secret.raw", "another folder"), ("/etc/passwd", "another folder"), ("LIST", "several files"),
     ("slice%03d.raw 1 4 1", "several files"), ("gone.raw", "not beside it")],
)  # fmt: skip
def test_a_header_cannot_choose_what_is_read(named: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.raw").write_bytes(voxels().tobytes())
    (tmp_path / "in/a.nhdr").write_text(f"{RAS.strip()}\ndata file: {named}\n")
    with pytest.raises((UnsupportedError, InputError), match=message):
        read_image(tmp_path / "in/a.nhdr")


def test_headers_in_logs_name_nobody(tmp_path: Path) -> None:
    header = RAS.replace("endian", "content: Doe^Jane\nendian")
    source = typed(tmp_path / "a.nrrd", header, voxels())
    assert "Jane" not in repr(header_of(source, "nrrd", "a"))
    assert "Jane" not in repr(read_image(source).native)


@pytest.mark.parametrize("ending", [".nrrd", ".seg.nrrd", ".mha"])
@pytest.mark.parametrize("number", range(len(AFFINES)))
def test_a_mask_lies_where_its_image_lies_number_for_number(number: int, ending: str, tmp_path: Path) -> None:
    source = save(tmp_path / f"a{ending}", voxels(), AFFINES[number])
    image = read_image(source)
    inside = voxels() > 100
    path = write_itk_mask(
        Mask(values=inside, geometry=image.geometry), image, tmp_path / f"m{ending}", name="lung nodule"
    )
    written, original = itk.ReadImage(str(path)), itk.ReadImage(str(source))
    for place in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(written, place)() == getattr(original, place)()
    assert np.array_equal(itk.GetArrayFromImage(written), inside)
    assert written.GetPixelID() == itk.sitkUInt8
    assert np.array_equal(read_mask(path, like=image).values, inside)
    if ending == ".seg.nrrd":
        assert written.GetMetaData("Segment0_Name") == "lung nodule"
        assert written.GetMetaData("Segment0_Extent") == "0 5 0 4 0 3"
    again = write_itk_mask(
        Mask(values=inside, geometry=image.geometry), image, tmp_path / f"n{ending}", name="lung nodule"
    )
    assert path.read_bytes() == again.read_bytes()


def test_a_mask_repeats_the_lines_that_say_where(tmp_path: Path) -> None:
    header = RAS.replace("(10,20,30)", "(10.10000000000000001,20,30)")
    image = read_image(typed(tmp_path / "a.nrrd", header, voxels()))
    path = write_itk_mask(Mask(values=voxels() > 3, geometry=image.geometry), image, tmp_path / "m.nrrd")
    lines = path.read_bytes().split(b"\n\n")[0].decode().splitlines()
    assert {"space: right-anterior-superior", "space origin: (10.10000000000000001,20,30)"} <= set(lines)
    assert read_image(path).geometry.same_grid(image.geometry)


@pytest.mark.parametrize("number", range(len(AFFINES)))
def test_masks_of_nifti_lie_alike_in_every_format(number: int, tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(voxels().transpose(2, 1, 0), AFFINES[number]), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    mask = Mask(values=voxels() > 100, geometry=image.geometry)
    paths = [write_nifti_mask(mask, image, tmp_path / "m.nii.gz")]
    paths += [write_itk_mask(mask, image, tmp_path / f"m{ending}") for ending in (".nrrd", ".mha")]
    assert all(np.array_equal(read_mask(path, like=image).values, mask.values) for path in paths)


def test_a_map_keeps_its_numbers(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.mha", voxels()))
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    path = write_itk_saliency(SaliencyMap(values=values, geometry=image.geometry), image, tmp_path / "s.mha")
    assert np.array_equal(read_image(path).values, values)


def test_other_endings_and_folders_that_are_not_there(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.mha", voxels()))
    mask = Mask(values=voxels() > 3, geometry=image.geometry)
    with pytest.raises(OutputError, match="ends in"):
        write_itk_mask(mask, image, tmp_path / "m.nii")
    with pytest.raises(OutputError, match="does not exist"):
        write_itk_mask(mask, image, tmp_path / "no" / "m.mha")


def test_layers_of_a_segmentation(tmp_path: Path) -> None:
    """3D Slicer keeps segments that overlap as numbers of one voxel."""
    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[0], second[:, 0] = 1, 2
    source = save(tmp_path / "a.seg.nrrd", np.stack([first, second], axis=-1), vector=True)
    assert np.array_equal(read_mask(source, label=2).values, second > 0)
    assert np.array_equal(read_mask(source, label="1+2").values, (first > 0) | (second > 0))
    with pytest.raises(InputError, match="2 labels, 1, 2"):
        read_mask(source)
    clash = save(tmp_path / "b.seg.nrrd", np.stack([first, (second > 0).astype(np.uint8)], axis=-1), vector=True)
    for label in (None, 1):
        with pytest.raises(InputError, match="several segments that overlap"):
            read_mask(clash, label=label)
    assert np.array_equal(read_mask(clash, label="all").values, (first > 0) | (second > 0))


def test_a_run_sees_that_voxels_beside_a_header_changed(tmp_path: Path) -> None:
    source = save(tmp_path / "a.mhd", voxels())
    case = Case(case_id="a", image=source)
    before = fingerprint(case, None, b"salt", strict=True)
    held = tmp_path / "a.raw"
    held.write_bytes(held.read_bytes()[::-1])
    assert fingerprint(case, None, b"salt", strict=True) != before


def test_stems() -> None:
    assert [stem_of(Path(name)) for name in ("a.b.seg.nrrd", "a.NII.GZ", "a.mha")] == ["a.b", "a", "a"]


def test_gzip_of_slicer_has_no_time(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.mha", voxels()))
    path = write_itk_mask(Mask(values=voxels() > 3, geometry=image.geometry), image, tmp_path / "m.nrrd")
    packed = path.read_bytes().split(b"\n\n", 1)[1]
    assert packed[4:8] == b"\0\0\0\0"
    assert len(gzip.decompress(packed)) == 120


@pytest.mark.usefixtures("bright")
def test_a_study_of_slicer_is_segmented_into_segmentations_of_slicer(tmp_path: Path, medkt: Command) -> None:
    values = np.zeros((4, 64, 60), np.int16)
    values[1:3, 20:40, 25:45] = 1000
    source = save(tmp_path / "study.nrrd", values, np.diag([-0.7, -0.8, 2.5, 1]))
    ran = medkt(
        "segment",
        "-i",
        source,
        "-o",
        tmp_path / "out",
        "-f",
        "nrrd,mha,nifti",
        *BRIGHT,
        "--modality",
        "mri",
        "--no-guard",
    )
    assert ran.code == 0, ran.err
    files = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))["findings"][0]["files"]
    image = read_image(source)
    masks = [read_mask(tmp_path / "out" / files[kind], like=image).values for kind in ("mask", "mask_nrrd", "mask_mha")]
    assert masks[0].any()
    assert all(np.array_equal(masks[0], mask) for mask in masks)
    maps = [read_image(tmp_path / "out" / files[kind]).values for kind in ("saliency", "saliency_nrrd", "saliency_mha")]
    assert all(np.array_equal(maps[0], other) for other in maps)
    assert files["mask_nrrd"].endswith(".seg.nrrd")

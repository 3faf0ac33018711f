"""Volumes of a series: each is listed with what tells it apart, and taken by number or by words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_making import header, numbered, save, write_enhanced, write_picture, write_series
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement

from medkt.datasets.manifest import iterate_manifest, write_manifest
from medkt.datasets.reference import read_case_image
from medkt.errors import AmbiguousInputError, InputError, MedktError
from medkt.io import read_image
from medkt.io.dicom_volume_names import choose
from medkt.io.native import DicomNative

VALUES = numbered((4, 5, 6))


def private(dataset: Dataset, group: int, creator: str, **elements: tuple[str, Any]) -> None:
    block = dataset.private_block(group, creator, create=True)
    for offset, (vr, value) in elements.items():
        block.add_new(int(offset[1:], 16), vr, value)


def edited(paths: list[Path], edit: Any) -> None:
    for path in paths:
        dataset = dcmread(path)
        edit(dataset)
        dataset.save_as(path)


MANY: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "echoes by number": ([{"EchoNumbers": 1}, {"EchoNumbers": 2}], ["echo 1", "echo 2"]),
    "echoes by time": ([{"EchoTime": "4.92"}, {"EchoTime": "7.38"}], ["TE 4.92 ms", "TE 7.38 ms"]),
    "b-values": ([{"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}], ["b0", "b1000"]),
    "phases of the heart": (
        [{"NominalPercentageOfCardiacPhase": 35.0}, {"NominalPercentageOfCardiacPhase": 75.0}],
        ["phase 35 %", "phase 75 %"],
    ),
    "times": ([{"TemporalPositionIdentifier": k} for k in (1, 2, 3)], [f"temporal position {k}" for k in (1, 2, 3)]),
    "magnitude and phase": (
        [{"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}],
        ["magnitude", "phase"],
    ),
    "Dixon": (
        [{"ImageType": ["DERIVED", "PRIMARY", "DIXON", kind]} for kind in ("F", "IN_PHASE", "OUT_PHASE", "W")],
        ["fat", "in phase", "out phase", "water"],
    ),
    "inversion times": ([{"InversionTime": "150"}, {"InversionTime": "2500"}], ["TI 150 ms", "TI 2500 ms"]),
    "flip angles": ([{"FlipAngle": "5"}, {"FlipAngle": "26"}], ["flip angle 5", "flip angle 26"]),
    "acquisitions": ([{"AcquisitionNumber": 3}, {"AcquisitionNumber": 4}], ["acquisition 3", "acquisition 4"]),
    "two energies": ([{"KVP": "80"}, {"KVP": "140"}], ["80 kV", "140 kV"]),
    "kernels": ([{"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}], ["kernel B30f", "kernel B70f"]),
    "when it was taken": (
        [{"AcquisitionTime": "101500.5"}, {"AcquisitionTime": "101507.0"}],
        ["0 s after the first", "6.5 s after the first"],
    ),
}


@pytest.mark.parametrize("what", MANY)
def test_each_volume_is_listed_and_taken_by_number_and_by_words(tmp_path: Path, what: str) -> None:
    attributes, words = MANY[what]
    for k in reversed(range(len(attributes))):  # stored in no order
        write_series(tmp_path / f"{9 - k}", VALUES + 200 * k, modality="MR", **attributes[k])
    with pytest.raises(AmbiguousInputError) as caught:
        read_image(tmp_path)
    for k, word in enumerate(words):
        assert f"[{k + 1}] 4 images, 6x5, axial, {word}" in str(caught.value)
        for volume in (k + 1, str(k + 1), word, word.upper(), word.replace(" ", "")):
            image = read_image(tmp_path, volume=volume)
            np.testing.assert_array_equal(image.values, VALUES + 200 * k)
            written = "" if what == "kernels" else f": {word}"  # a kernel's name is a text of the header
            assert f"volume {k + 1} of {len(words)}{written}" in image.provenance.steps
            assert not any("guess" in warning for warning in image.provenance.warnings)
    assert "10:15" not in str(caught.value)
    assert "1015" not in str(caught.value)  # no time of day


VENDORS: dict[str, Any] = {
    "Siemens": lambda b: lambda d: private(d, 0x19, "SIEMENS MR HEADER", x0C=("IS", b)),
    "Philips": lambda b: lambda d: private(d, 0x2001, "Philips Imaging DD 001", x03=("FL", float(b))),
    "GE": lambda b: lambda d: private(d, 0x43, "GEMS_PARM_01", x39=("IS", [1_000_000_000 + b, 8, 0, 0])),
    "United Imaging": lambda b: lambda d: private(d, 0x65, "Image Private Header", x09=("FD", float(b))),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_b_values_of_private_headers(tmp_path: Path, vendor: str) -> None:
    for k, b in enumerate((0, 800)):
        edited(write_series(tmp_path / str(k), VALUES + 200 * k, modality="MR"), VENDORS[vendor](b))
    np.testing.assert_array_equal(read_image(tmp_path, volume="b800").values, VALUES + 200)


def test_directions_of_diffusion_and_a_name_of_two_parts(tmp_path: Path) -> None:
    directions = [None, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    for k, (b, direction) in enumerate(zip((0, 1000, 1000, 2000, 2000), directions, strict=True)):
        more: dict[str, Any] = {} if direction is None else {"DiffusionGradientOrientation": direction}
        write_series(tmp_path / str(k), VALUES + 200 * k, modality="MR", DiffusionBValue=float(b), **more)
    found = {name: read_image(tmp_path, volume=name).values[0, 0, 0] - VALUES[0, 0, 0] for name in (
        "b0", "b1000, direction 1", "direction 2,b1000", "b2000, direction 1", "b2, direction 2")}  # fmt: skip
    assert sorted(found.values()) == [0, 200, 400, 600, 800]
    assert found["b0"] == 0
    with pytest.raises(AmbiguousInputError, match="2 volumes fit --volume 'b1000'; say more, or give the number"):
        read_image(tmp_path, volume="b1000")
    with pytest.raises(AmbiguousInputError, match="4 volumes fit --volume 'direction'"):
        read_image(tmp_path, volume="direction")


def test_two_marks_together(tmp_path: Path) -> None:
    """Two echoes of magnitude and phase: neither alone tells four volumes apart."""
    k = 0
    for echo in (1, 2):
        for kind in ("M", "P"):
            write_series(
                tmp_path / str(k),
                VALUES + 200 * k,
                modality="MR",
                EchoNumbers=echo,
                ImageType=["ORIGINAL", "PRIMARY", kind],
            )
            k += 1
    np.testing.assert_array_equal(read_image(tmp_path, volume="echo 2, phase").values, VALUES + 600)
    np.testing.assert_array_equal(read_image(tmp_path, volume="magnitude, echo 2").values, VALUES + 400)
    with pytest.raises(AmbiguousInputError, match=r"2 volumes fit.*\[3\].*phase, echo 1.*\[4\].*phase, echo 2"):
        read_image(tmp_path, volume="phase")


def test_names_that_no_volume_has_and_numbers_beyond(tmp_path: Path) -> None:
    for k in (0, 1):
        write_series(tmp_path / str(k), VALUES + 200 * k, modality="MR", EchoNumbers=k + 1)
    for volume in ("echo 3", "b0", "", ",", "1.5", "-1", "secho 1"):
        with pytest.raises(InputError, match=r"no volume is called .*\[1\].*echo 1.*\[2\].*echo 2"):
            read_image(tmp_path, volume=volume)
    for number in (0, 3, "3"):
        with pytest.raises(InputError, match=r"no volume \d; --volume counts from 1 to 2"):
            read_image(tmp_path, volume=number)


def test_an_exact_word_comes_before_beginnings(tmp_path: Path) -> None:
    for k, echo in enumerate((1, 10, 11)):
        write_series(tmp_path / str(k), VALUES + 200 * k, modality="MR", EchoNumbers=echo)
    np.testing.assert_array_equal(read_image(tmp_path, volume="echo 1").values, VALUES)
    np.testing.assert_array_equal(read_image(tmp_path, volume="echo 10").values, VALUES + 200)


def test_slices_that_are_each_taken_at_their_own_time(tmp_path: Path) -> None:
    """Interleaved slices: the first at each place is the first volume; no time is that of a volume."""
    for t in (0, 1, 2):
        paths = write_series(tmp_path / str(t), VALUES + 200 * t, modality="MR")
        for k, path in enumerate(paths):
            dataset = dcmread(path)
            dataset.AcquisitionTime = f"1200{10 * t + (k * 3) % 4:02d}.0"
            dataset.InstanceNumber = 99 - t  # numbered against time
            dataset.save_as(path)
    for t in (0, 1, 2):
        image = read_image(tmp_path, volume=f"time {t + 1}")
        np.testing.assert_array_equal(image.values, VALUES + 200 * t)
        assert not any("guess" in warning for warning in image.provenance.warnings)


def test_phases_by_trigger_time(tmp_path: Path) -> None:
    for t in (0, 1):
        for k, path in enumerate(write_series(tmp_path / str(t), VALUES + 200 * t, modality="MR")):
            dataset = dcmread(path)
            dataset.TriggerTime = str(30.0 + 40 * t + k)
            dataset.save_as(path)
    np.testing.assert_array_equal(read_image(tmp_path, volume="time 2").values, VALUES + 200)


def test_an_order_of_numbers_alone_is_called_a_guess(tmp_path: Path) -> None:
    for t in (0, 1):
        for k, path in enumerate(write_series(tmp_path / str(t), VALUES + 200 * t, modality="MR")):
            dataset = dcmread(path)
            dataset.InstanceNumber = 1 + k + 4 * t
            dataset.save_as(path)
    with pytest.raises(AmbiguousInputError, match=r"\[1\] 4 images, 6x5, axial, order 1; \[2\].*order 2"):
        read_image(tmp_path)
    image = read_image(tmp_path, volume="order 2")
    np.testing.assert_array_equal(image.values, VALUES + 200)
    assert any(
        "a guess: nothing but the order in which the files were numbered" in one for one in image.provenance.warnings
    )


def test_one_number_for_all_is_refused(tmp_path: Path) -> None:
    for t in (0, 1):
        edited(
            write_series(tmp_path / str(t), VALUES + 200 * t, modality="MR"), lambda d: setattr(d, "InstanceNumber", 1)
        )
    for volume in (None, 1, "order 1"):
        with pytest.raises(MedktError, match="2 different pictures lie at each place and nothing in their headers"):
            read_image(tmp_path, volume=volume)


def test_volumes_of_different_extent(tmp_path: Path) -> None:
    write_series(tmp_path / "a", VALUES, modality="MR", EchoNumbers=1)
    write_series(tmp_path / "b", VALUES[:2] + 200, modality="MR", EchoNumbers=2, at=[1, 2])
    assert read_image(tmp_path, volume="echo 1").values.shape == (4, 5, 6)
    np.testing.assert_array_equal(read_image(tmp_path, volume="echo 2").values, VALUES[:2] + 200)


def test_echoes_mixed_into_one_stack_are_said(tmp_path: Path) -> None:
    write_series(tmp_path / "a", VALUES[:2], modality="MR", EchoTime="10", at=[0, 2])
    write_series(tmp_path / "b", VALUES[2:], modality="MR", EchoTime="80", at=[1, 3])
    image = read_image(tmp_path)
    assert "slices of this volume differ in echo time: 10, 80" in image.provenance.warnings


def test_views_of_one_series_by_what_they_show(tmp_path: Path) -> None:
    plane = numbered((1, 40, 50))[0]
    for k, view in enumerate(("PA", "LL")):
        write_picture(tmp_path / f"{k}.dcm", plane + k, ViewPosition=view)
    with pytest.raises(AmbiguousInputError, match=r"\[1\] 1 image, 50x40, view PA; \[2\] 1 image, 50x40, view LL"):
        read_image(tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path, volume="view LL").values[0], plane + 1)


def test_parts_of_an_enhanced_file_by_frame_type(failing: Path) -> None:
    path = failing / "seg_refused_philips_fmap.dcm"
    with pytest.raises(AmbiguousInputError, match=r"\[1\].*magnitude, TE 1\.52 ms; \[2\].*field map") as caught:
        read_image(path)
    assert "dimension" not in str(caught.value)  # the file's own counters say no more than that
    stored = dcmread(path)
    types = [group.MRImageFrameTypeSequence[0].FrameType[3] for group in stored.PerFrameFunctionalGroupsSequence]
    for words, kind in (("magnitude", "M"), ("field map", "FIELD_MAP")):
        image = read_image(path, volume=words)
        assert isinstance(image.native, DicomNative)
        assert {types[number - 1] for _, number in image.native.frames} == {kind}


def test_a_dimension_that_only_the_file_knows(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "a.dcm", np.concatenate([VALUES, VALUES + 200]))
    dataset = dcmread(path)
    names = []
    for pointer in (0x00209057, 0x20051011):
        name = Dataset()
        name.DimensionIndexPointer = pointer
        names.append(name)
    dataset.DimensionIndexSequence = names
    groups = dataset.PerFrameFunctionalGroupsSequence
    for n, group in enumerate(groups):
        group.PlanePositionSequence = groups[n % 4].PlanePositionSequence
        group.FrameContentSequence[0].DimensionIndexValues = [n % 4 + 1, 5 + n // 4]
    dataset.save_as(path)
    with pytest.raises(AmbiguousInputError, match=r"\[1\] 4 images, 6x5, axial, dimension 2 5; \[2\]"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, volume="dimension 2 6").values, VALUES + 200)


@given(st.lists(st.text(alphabet="ab1 ,%", min_size=1, max_size=5), min_size=1, max_size=6, unique=True), st.data())
def test_a_name_gives_its_volume_or_an_error_and_never_another(names: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(names) - 1))
    try:
        found = choose([""] * len(names), [[name] for name in names], names[index], "x")
    except MedktError:
        return
    if not names[index].strip().isdecimal():
        wanted = [part.replace(" ", "") for part in names[index].split(",") if part.replace(" ", "")]
        have = names[found].replace(" ", "")
        assert all(any(word.startswith(part) for word in (have, *have.split(","))) for part in wanted)


def test_headers_that_hold_anything(tmp_path: Path) -> None:
    """Marks are read from whatever stands there; none of it stops the reading of a single volume."""
    dataset = header("MR", VALUES[0])
    dataset.add(DataElement(0x00080032, "LO", "nonsense"))
    dataset.add(DataElement(0x00180086, "LO", "two"))
    private(dataset, 0x19, "SIEMENS MR HEADER", x0C=("LO", "none"), x0E=("LO", "a"))
    private(dataset, 0x43, "GEMS_PARM_01", x39=("LO", ["x", "y"]))
    assert read_image(save(dataset, tmp_path / "a.dcm")).values.shape == (1, 5, 6)


def test_a_manifest_names_a_volume_by_its_words(tmp_path: Path) -> None:
    for k in (0, 1):
        write_series(tmp_path / "study" / str(k), VALUES + 200 * k, modality="MR", EchoNumbers=k + 1)
    (tmp_path / "m.csv").write_text("case_id,image,volume\na,study,echo 2\nb,study,1\n")
    cases = list(iterate_manifest(tmp_path / "m.csv"))
    assert [case.volume for case in cases] == ["echo 2", 1]
    np.testing.assert_array_equal(read_case_image(cases[0]).values, VALUES + 200)
    np.testing.assert_array_equal(read_case_image(cases[1]).values, VALUES)
    write_manifest(cases, tmp_path / "again.csv")
    assert [case.volume for case in iterate_manifest(tmp_path / "again.csv")] == ["echo 2", 1]

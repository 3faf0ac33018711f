"""What the bench found once, each as the smallest input that shows it."""

import json
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import nibabel
import numpy as np
import pyarrow as pa
import pydicom
import pytest
import tifffile
import torch
import yaml
from pyarrow.parquet import read_table, write_table
from run_tables import IDENTITY
from study_records import earlier_result

from medkt.bounds import parse_yaml
from medkt.cli.main import _OneLine
from medkt.concepts import read_package
from medkt.concepts.tensors import read_header
from medkt.datasets.builders import build_manifest
from medkt.datasets.coco import coco_mask
from medkt.datasets.protocol import read_protocol
from medkt.errors import (
    LONGEST,
    GeometryMismatchError,
    InputError,
    MedktError,
    SettingsError,
    UnreadableError,
    WeightsError,
)
from medkt.io import read_image, read_mask
from medkt.io.archive import unpacked
from medkt.io.moves import LIST, finish_moves
from medkt.io.sha256 import sha256_of
from medkt.io.within import FileWithin
from medkt.models.download import _Part
from medkt.models.store import read_manifest
from medkt.models.weights import read_state
from medkt.report.run.case_record import record_of
from medkt.report.study_folder import _files_of_result
from medkt.resources import data_file
from medkt.runs.folder import RunFolder
from medkt.runs.outcomes import Outcome
from medkt.runs.query import query
from medkt.runs.record import RunRecord
from medkt.tasks.manifest import plan_of
from medkt.tasks.masks.pictures import cases_to_look_at
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.record_form import require_form

from .bench import seeds
from .bench.child import Limits, end_of
from .bench.doors import cached_images, image, outlines


def _coco(path: Path, **changes: Any) -> Path:
    drawn = {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[3, 2, 6, 2, 6, 6]], **changes}
    entries = [{"id": 1, "file_name": "a.png", "width": 10, "height": 12}]
    held = {"images": entries, "annotations": [drawn], "categories": [{"id": 7, "name": "cyst"}]}
    path.write_text(json.dumps(held))
    return path


@pytest.mark.parametrize("key", ["id", "image_id", "category_id"])
@pytest.mark.parametrize("value", [[1], {"a": 1}, "1", 1.0, True, None])
def test_numbers_of_coco_that_are_none(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{key} is no whole number"):
        coco_mask(_coco(tmp_path / "a.json", **{key: value}), "1", rows=12, columns=10)


@pytest.mark.parametrize("corner", ["6", None, [6], float("nan"), float("inf"), 1e9, True])
def test_corners_of_an_outline_that_are_none(corner: object, tmp_path: Path) -> None:
    path = _coco(tmp_path / "a.json", segmentation=[[3, 2, 6, 2, 6, corner]])
    with pytest.raises(InputError, match="a corner that is no number"):
        coco_mask(path, "1", rows=12, columns=10)


@pytest.mark.parametrize(
    "text", ["2001-13-45", "!!int ''", "!!bool maybe", "!!timestamp 1", "!!float x", "!!int 0x", "!!binary ü"]
)
def test_values_that_yaml_cannot_make(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(f"x: {text}", "a.yaml")


def test_a_message_is_one_line_with_an_end() -> None:
    said = str(InputError("a.csv: got 'one\n two\r\n\x85three\u2028four' instead; say another"))
    assert said == "a.csv: got 'one two three four' instead; say another"
    long = str(MedktError("a.csv: got " + "x" * 10**7 + "; say another"))
    assert len(long) <= LONGEST
    assert (long[:7], long[-13:]) == ("a.csv: ", "; say another")


def test_a_length_of_four_gigabytes_is_not_reserved(tmp_path: Path) -> None:
    """A value in a header says that it has 4 GiB; Python would reserve them before it reads what there is."""
    source = seeds.series(tmp_path)[0]
    content = bytearray(next(source.iterdir()).read_bytes())
    at = content.index(struct.pack("<HH", 0x0008, 0x0060))  # Modality
    content[at + 4 : at + 8] = b"UT\0\0"
    content[at + 8 : at + 12] = struct.pack("<I", 0xFFFFFFF0)
    path = tmp_path / "long.dcm"
    path.write_bytes(content)
    with FileWithin(path) as file:
        assert len(file.read(0xFFFFFFF0)) == len(content)
    with pytest.raises(MedktError):
        read_image(path)
    end = end_of(image, path, Limits(memory_mib=1024))
    assert end.verdict == "refused", end


def _seg(tmp_path: Path) -> tuple[Path, pydicom.Dataset]:
    path = seeds.segmentations(tmp_path)[0]
    return path, pydicom.dcmread(path)


def test_a_frame_of_a_segmentation_without_a_place(tmp_path: Path) -> None:
    path, dataset = _seg(tmp_path)
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    dataset.save_as(path)
    with pytest.raises(GeometryMismatchError, match="a frame without a place"):
        read_mask(path)


def test_a_segmentation_in_colour_or_of_another_count(tmp_path: Path) -> None:
    path, dataset = _seg(tmp_path)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = bytes(int(dataset.NumberOfFrames) * dataset.Rows * dataset.Columns * 3)
    dataset.save_as(path)
    with pytest.raises(MedktError):
        read_mask(path)


def test_a_segmentation_with_frames_a_kilometre_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grid between them would be larger than any memory."""
    monkeypatch.setenv("MEDKT_MAX_BYTES", "1MiB")
    path, dataset = _seg(tmp_path)
    groups = dataset.PerFrameFunctionalGroupsSequence
    place = groups[-1].PlanePositionSequence[0]
    place.ImagePositionPatient = [*place.ImagePositionPatient[:2], 1e7]
    dataset.save_as(path)
    with pytest.raises(InputError, match="MEDKT_MAX_BYTES"):
        read_mask(path)


def test_the_same_seed_gives_the_same_input(tmp_path: Path) -> None:
    from .bench.damage import disturb, torn

    content = bytes(range(256)) * 20
    assert torn(content, Random("1 a 2")) == torn(content, Random("1 a 2"))
    assert repr(disturb({"a": [1, {"b": 2}]}, Random("3"))) == repr(disturb({"a": [1, {"b": 2}]}, Random("3")))


@pytest.mark.parametrize("size", [(0, 7), (7, 0)])
def test_a_tiff_without_columns_or_rows(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((3, 5), np.uint8))
    content = bytearray(path.read_bytes())
    for tag, value in zip((257, 256), size, strict=True):
        at = content.index(struct.pack("<H", tag), 8)
        content[at + 8 : at + 12] = struct.pack("<I", value)
    path.write_bytes(content)
    for reader in (read_image, read_mask):
        with pytest.raises(UnreadableError):
            reader(path)


def test_a_directory_that_is_cut_loses_no_slices_silently(tmp_path: Path) -> None:
    """Before, the files that the rest of a DICOMDIR still named were read as the whole series."""
    disc = seeds.directories(tmp_path)[0]
    path = disc / "DICOMDIR"
    content = path.read_bytes()
    assert read_image(path).values.shape[0] == seeds.SMALL["shape"][0]
    for share in (0.5, 0.7, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(UnreadableError, match=r"cut off within its header|failed"):
            read_image(path)


@pytest.mark.parametrize("changes", [{"weights": 3}, {"name": None}, {"weights": ["a"]}, {"sha256": 5}])
def test_a_store_whose_names_are_none(changes: dict[str, Any], tmp_path: Path) -> None:
    path = seeds.stores(tmp_path)[0]
    written = json.loads((path / "medkt.json").read_text())
    for key, value in changes.items():
        (written if key in written else written["files"]["model.pth"])[key] = value
    (path / "medkt.json").write_text(json.dumps(written))
    with pytest.raises(WeightsError, match="is missing or damaged"):
        read_manifest(path)


@pytest.mark.parametrize("stated", ["many", "-5", "9" * 30, "1e3", "\u0661"])
def test_a_server_whose_length_is_none(stated: str) -> None:
    from medkt.models.download import _BrokenOffError, _length

    with pytest.raises(_BrokenOffError, match="no length that is a number"):
        _length(stated)


def _scored(tmp_path: Path) -> Path:
    return seeds.tables(tmp_path)[0] / "results.parquet"


def test_a_report_reads_no_table_that_was_changed(tmp_path: Path) -> None:
    """Before, `report` and `compare` showed the changed numbers; `query` looked at the digest."""
    table = _scored(tmp_path)
    held = read_table(table)
    write_table(held.set_column(held.schema.get_field_index("dsc"), "dsc", pa.array([0.97] * held.num_rows)), table)
    with pytest.raises(UnreadableError, match="is not as the run wrote it"):
        read_scores(table)


def test_a_page_of_a_table_with_another_bit_is_refused(tmp_path: Path) -> None:
    """Also where the record states no digest: each page has its checksum."""
    table = _scored(tmp_path)
    (table.parent / "run.json").unlink()
    content = bytearray(table.read_bytes())
    content[content.index(b"case-000") + 7] ^= 1
    table.write_bytes(content)
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_scores(table)
    with pytest.raises(MedktError):
        query([table.parent], "SELECT * FROM results")


@pytest.mark.parametrize("name", ["dsc", "score", "infinite", "patient", "outcome", "concept"])
@pytest.mark.parametrize(
    "made",
    [pa.array([" "] * 20), pa.array([1.5] * 20), pa.array([[1]] * 20), pa.array([b"\xff\x00"] * 20), pa.array([{"a": 1}] * 20)],
)  # fmt: skip
def test_columns_of_other_kinds(name: str, made: pa.Array, tmp_path: Path) -> None:
    table = _scored(tmp_path)
    (table.parent / "run.json").unlink()
    held = read_table(table)
    at = held.schema.get_field_index(name)
    write_table(held.append_column(name, made) if at < 0 else held.set_column(at, name, made), table)
    words, numbers = pa.types.is_string(made.type), pa.types.is_floating(made.type)
    if numbers or (words and name not in ("dsc", "score")):
        assert read_scores(table).rows == held.num_rows
    else:
        with pytest.raises(UnreadableError, match="column"):
            read_scores(table)


def test_a_sequence_in_the_place_of_a_word(tmp_path: Path) -> None:
    """A thousand levels deep; as text they took hours and all memory."""
    from .bench.dicom_tree import Node, _nested, tree_of, written

    path = next(seeds.series(tmp_path)[0].iterdir())
    start, nodes = tree_of(path)
    for keyword in (0x00080060, 0x00080008, 0x00280004):  # Modality, ImageType, PhotometricInterpretation
        changed = [Node(one.tag, "SQ", _nested(1200)) if one.tag == keyword else one for one in nodes]
        deep = tmp_path / "deep.dcm"
        deep.write_bytes(written(start, changed))
        end = end_of(image, deep, Limits(memory_mib=1024, seconds=10))
        assert end.verdict in ("done", "refused"), end


def test_a_bundle_packed_in_no_known_way(tmp_path: Path) -> None:
    from medkt.models.bundle import import_bundle

    path = seeds.bundles(tmp_path)[0]
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))
    content[at + 10] = 77  # method
    content[8] = 77
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="no bundle of models, or damaged"):
        import_bundle(path)


def test_a_structure_set_that_is_cut_before_its_outlines(tmp_path: Path) -> None:
    (path,) = seeds.structures(tmp_path)
    whole = pydicom.dcmread(path)
    assert "ROIContourSequence" in whole
    del whole.ROIContourSequence
    whole.save_as(path)
    with pytest.raises(UnreadableError, match="ends before their outlines"):
        outlines(path)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("packed", [False, True])
def test_extensions_of_a_nifti_header_are_read_where_they_lie_within_it(
    tmp_path: Path, kind: type[Any], packed: bool
) -> None:
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    stored = kind(values, np.eye(4))
    for words in (b"first", b"second, longer than the first one by some", b""):
        stored.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", words))
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    stored.to_filename(path)
    assert np.array_equal(read_image(path).values, values.T)


@pytest.mark.parametrize(("kind", "order"), [(nibabel.Nifti1Image, "<"), (nibabel.Nifti2Image, ">")])
@pytest.mark.parametrize("length", [2**31 - 16, 4096])
def test_a_nifti_extension_of_gigabytes_is_not_reserved(
    tmp_path: Path, kind: type[Any], order: str, length: int
) -> None:
    swapped = kind(np.zeros((3, 4, 5), np.int16), np.eye(4), kind.header_class().as_byteswapped(order))
    swapped.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"words"))
    swapped.to_filename(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    place = 352 if kind is nibabel.Nifti1Image else 544
    content[place : place + 4] = struct.pack(f"{order}i", length)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(UnreadableError, match="an extension of its header ends at byte"):
        read_image(tmp_path / "a.nii")


def test_layouts_whose_tables_name_no_files(tmp_path: Path) -> None:
    folders = {path.name: path for path in seeds.layouts(tmp_path)}
    (folders["bids"] / "participants.tsv").write_bytes(b"participant_id\tsex\n\xffsub-01\tF\n")
    with pytest.raises(UnreadableError, match="a table of the layout bids is not UTF-8"):
        build_manifest("bids", folders["bids"])
    table = folders["unitochest"] / "train" / "train_dataset.csv"
    table.write_text(table.read_text().replace("p1_e1_s1", "x" * 300))
    with pytest.raises(InputError, match="cannot be read"):
        build_manifest("unitochest", folders["unitochest"])
    notes = folders["coco"] / "annotations.json"
    held = json.loads(notes.read_text())
    held["images"][0]["file_name"] = {"a": 1}
    notes.write_text(json.dumps(held))
    with pytest.raises(InputError, match="file_name of image 1 is no text"):
        build_manifest("coco", folders["coco"])


def test_a_package_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    (path,) = seeds.packages(tmp_path)
    content = path.read_bytes()
    name = zipfile.ZipFile(path).namelist()[0].encode()
    changed = content.replace(name, b"\xff" + name[1:])
    flagged = bytearray(changed)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := flagged.find(mark, at + 1)) >= 0:
            flagged[at + flags + 1] |= 0x08  # the bit that says UTF-8
    path.write_bytes(flagged)
    with pytest.raises(UnreadableError, match="no package, or damaged"):
        read_package(path)


def test_a_member_of_an_archive_with_a_name_that_is_no_text_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.png", "\u00e9.png"):
            archive.writestr(name, b"some bytes of a picture")
    content = path.read_bytes().replace("\u00e9".encode(), b"\xc3\x28", 1)  # in the member's own header alone
    path.write_bytes(content)
    with unpacked(path) as (_, listing):
        assert [entry.name for entry in listing.files] == ["a.png"]
        assert len(listing.lost) == 1


@pytest.mark.parametrize("metadata", [1, "words", ["words"], None, {"a": 1}])
def test_metadata_of_safetensors_that_are_no_texts(metadata: object) -> None:
    header = json.dumps({"__metadata__": metadata}).encode()
    with pytest.raises(UnreadableError, match="metadata must be texts"):
        read_header(len(header).to_bytes(8, "little") + header, "it")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")  # of torch, and then it refuses the file
@pytest.mark.parametrize("number", range(40))
def test_a_checkpoint_of_the_old_format_with_a_changed_byte_is_read_or_refused(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.arange(6.0), "bias": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)
    content = bytearray(path.read_bytes())
    content[(number * 37) % len(content)] ^= 1 << number % 8
    path.write_bytes(content)
    with suppress(WeightsError):  # no other error
        assert read_state(path)


@pytest.mark.parametrize("error", [AssertionError("storage key"), struct.error("a buffer of 4 bytes"), MemoryError()])
def test_what_torch_raises_of_a_damaged_checkpoint_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.zeros(2)}, path)

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(WeightsError, match="damaged"):
        read_state(path)


def test_a_checkpoint_that_ends_as_a_zip_of_several_volumes(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 2)
    path.write_bytes(content[:end] + locator + content[end:])
    with pytest.raises(WeightsError, match="multiple disks"):
        read_state(path)


@pytest.mark.parametrize("line", ["1", "2.5", "null", '"words"', "[]"])
def test_an_outcome_that_is_no_mapping(line: str) -> None:
    with pytest.raises(ValueError, match="no mapping"):
        Outcome.from_line(line)


def test_a_table_with_a_column_without_a_name(tmp_path: Path) -> None:
    table = _scored(tmp_path)
    held, before = read_table(table), sha256_of(table)
    write_table(held.append_column("", pa.array([1.0] * held.num_rows)), table)
    run = RunFolder(table.parent)
    assert (run.read().tables or {})[table.name] == before
    run.note_tables([table])
    with pytest.raises(InputError, match="a column has no name"):
        query([table.parent], "SELECT * FROM results")


def test_an_answer_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the rows of `range(100000000000)` were gathered until the memory was gone."""
    table = _scored(tmp_path)
    monkeypatch.setattr("medkt.runs.query.MOST_ROWS", 5000)
    assert len(query([table.parent], "SELECT * FROM range(5000)").rows) == 5000
    with pytest.raises(SettingsError, match="more than 5000 rows"):
        query([table.parent], "SELECT * FROM range(100000000000)")


def test_a_query_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a kind of statement that DuckDB's own Python has no name for is a line."""
    table = _scored(tmp_path)
    monkeypatch.setenv("MEDKT_QUERY_SECONDS", "1")
    endless = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT count(*) FROM t"
    with pytest.raises(SettingsError, match="took longer than 1 s; ask for less, or set MEDKT_QUERY_SECONDS"):
        query([table.parent], endless)
    with pytest.raises(SettingsError, match="is no SQL that DuckDB reads"):
        query([table.parent], "UPDATE EXTENSIONS")
    monkeypatch.setenv("MEDKT_QUERY_SECONDS", "soon")
    with pytest.raises(SettingsError, match="MEDKT_QUERY_SECONDS=soon: expected a whole number of seconds"):
        query([table.parent], "SELECT 1")


@pytest.mark.parametrize("key", ["modality", "title", "layout"])
def test_a_key_of_a_protocol_without_a_value(key: str, tmp_path: Path) -> None:
    held = yaml.safe_load(data_file("configs/protocols/busi.yaml").read_text())
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**held, key: None}))
    with pytest.raises(SettingsError, match=f"no key '{key}'"):
        read_protocol(tmp_path / "own.yaml")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("length", [4, 110, 200, 347, 351, 400])
def test_a_nifti_that_is_cut_in_its_header(tmp_path: Path, kind: type[Any], length: int) -> None:
    path = tmp_path / "a.nii"
    kind(np.zeros((3, 4, 5), np.int16), np.eye(4)).to_filename(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(MedktError):
        read_image(path)


def test_dimension_indices_that_are_no_numbers(tmp_path: Path) -> None:
    path, dataset = _seg(tmp_path)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        content = frame.FrameContentSequence[0]
        del content.DimensionIndexValues
        content.add_new(0x00209157, "LO", "one\\two")
    dataset.save_as(path)
    with suppress(MedktError):
        assert read_image(path) is not None
    assert read_mask(path).values.any()


(SLICE,) = earlier_result()["findings"][0]["slices"]


def _case_record(tmp_path: Path, **changes: Any) -> Path:
    """A `result.json` of a volume, with changes to it or to its finding."""
    held = earlier_result()
    (finding,) = held["findings"]
    held |= {"input": {**held["input"], "shape": changes.get("shape", [3, 4, 5])}, "domain": "ct"}
    finding.update({name: value for name, value in changes.items() if name in finding})
    held.update({name: value for name, value in changes.items() if name in held})
    (tmp_path / "result.json").write_text(json.dumps(held))
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [
        {"input": None}, {"shape": [3, 4]}, {"shape": [3, 4, -5]}, {"domain": "dermatology"},
        {"domain": ["ct"]}, {"slice_axis": 3}, {"slice_axis": True}, {"findings": {"a": 1}}, {"findings": [1]}, {"concept": None}, {"window": 1},
        {"files": {"mask": "../secret.nii.gz"}}, {"files": ["a"]}, {"segment": "1"}, {"segment": -1}, {"slices": [{**SLICE, "index": 3}]},
        {"slices": [{**SLICE, "score": "high"}]}, {"slices": 7},
    ],
    ids=str,
)  # fmt: skip
def test_a_result_whose_record_is_damaged(changes: dict[str, Any], tmp_path: Path) -> None:
    assert record_of(_case_record(tmp_path)).domain == "ct"
    with pytest.raises(UnreadableError, match=r"result\.json: is damaged \(.*\); run the case again"):
        record_of(_case_record(tmp_path, **changes))


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "3", "null", "[" * 100_000, '{"digest": []}', '{"url": {}, "validator": 1}', '{"a": NaN}']
)
def test_a_damaged_note_is_as_none(text: str, tmp_path: Path) -> None:
    """Of what a manifest holds, of a download, of a move of files, of an earlier result; they can be found again without."""
    (run,) = seeds.planned(tmp_path)
    note = run / "manifest.json"

    def planned() -> object:
        made = plan_of(run / "cases.csv", concepts=str, asked=[], columns=["sex"], cache=note)
        return dict(made.concepts), made.notes, made.patients_stated

    before, written = planned(), note.read_text()
    for damaged in (text, written.replace("mass", "cyst"), written.replace('"cases": ', '"cases": "')):
        note.write_text(damaged)
        assert planned() == before
        assert note.read_text() == written
    (tmp_path / "note").write_text(text)
    assert _Part(content=tmp_path / "none", note=tmp_path / "note").validator("https://example.org") is None
    (tmp_path / "result.json").write_text(text)
    assert _files_of_result(tmp_path) == ()
    (tmp_path / LIST).write_text(text)
    finish_moves(tmp_path)


def test_a_case_that_is_called_after_a_place_elsewhere(tmp_path: Path) -> None:
    table = _scored(tmp_path)
    held = read_table(table)
    write_table(
        held.set_column(held.schema.get_field_index("case_id"), "case_id", pa.array(["../../a"] * held.num_rows)), table
    )
    RunFolder(table.parent).note_tables([table])
    with pytest.raises(UnreadableError, match="a case has a name that names no folder"):
        cases_to_look_at(table.parent, read_scores(table))


@pytest.mark.parametrize(
    "changes",
    [
        {"scoring": ["dsc"]}, {"scoring": {"metrics": {"empty": "standard"}, "tolerance": 2.0, "unit": "auto"}}, {"concepts": ["a"]},
        {"scoring": {"metrics": {"metrics": [["dsc"]], "empty": "standard"}, "tolerance": 2.0, "unit": "auto"}}, {"protocol": ["busi"]},
        {"prompts": {"sha256": "a"}}, {"as_published": "kt-paper"}, {"classes": ["cyst"]}, {"preset": 3},
        {"scoring": {"metrics": {"metrics": ["dsc"], "empty": "standard"}, "tolerance": [2.0], "unit": "auto"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_of_an_earlier_version_with_values_of_another_kind(changes: dict[str, Any]) -> None:
    """It has no sum; before, a page of it ended in a trace."""
    sound = RunRecord(
        identity={"medkt": "0", **IDENTITY}, models={"encoder": {"name": "small", "packages": ["a"]}}
    )  # fmt: skip
    require_form(sound, Path("run"))
    require_form(RunRecord(identity={}), Path("run"))
    wrong: tuple[dict[str, Any], ...] = ({"encoder": []}, {"encoder": {"packages": [1]}}, {"calibrations": {"a": 1}})
    for models in wrong:
        with pytest.raises(UnreadableError, match=r"run\.json: is damaged or no file of medkt \(models\."):
            require_form(replace(sound, models=models), Path("run"))
    with pytest.raises(
        UnreadableError, match=rf"is damaged or no file of medkt \((key )?identity\.{next(iter(changes))}"
    ):
        require_form(replace(sound, identity={**sound.identity, **changes}), Path("run"))


def test_a_warning_is_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a library says of a damaged entry of the cache holds what stands there, line ends too."""
    (path,) = seeds.cached_images(tmp_path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["pixels"]["dtype"] = "F3\n2"
    changed = json.dumps(header).encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + length :])
    with pytest.raises(InputError, match="made again"):
        cached_images(path)
    (record,) = caplog.records
    assert "\n" in record.getMessage()
    said = _OneLine("medkt: %(message)s").format(record)
    assert said.startswith("medkt: ")
    assert len(said.splitlines()) == 1

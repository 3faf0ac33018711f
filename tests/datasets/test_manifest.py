"""A manifest comes back as it was written; every mistake in one names its file, row and column."""

import pickle
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from medkt.datasets.case import Case
from medkt.datasets.manifest import Manifest, MissingFiles, iterate_manifest, read_manifest, write_manifest
from medkt.errors import InputError, MedktError, OutputError, UnreadableError
from medkt.tasks.base import EACH_CASE, patients_word
from medkt.tasks.manifest import plan_of


def _study(folder: Path) -> list[Case]:
    for name in ("a.png", "b.png", "m.png", "n.png"):
        (folder / name).touch()
    first = Case(
        case_id="a", image=folder / "a.png", references=(folder / "m.png", folder / "n.png"), reference_kind="mask",
        reference_key="1+3", concept="breast, tumour", modality="ultrasound", split="test", class_name="benign",
        present=True, columns={"sex": "F", "site": "north"},
    )  # fmt: skip
    second = Case(
        case_id="b", image=folder / "b.png", patient_id="p", series="2", volume=1, slice_index=0, image_kind="jsrt",
        reference_kind="empty", present=False, columns={"sex": "M", "site": ""},
    )  # fmt: skip
    return [first, second]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_written_comes_back(suffix: str, tmp_path: Path) -> None:
    cases = _study(tmp_path)
    path = write_manifest(cases, tmp_path / f"cases.{suffix}")
    assert list(read_manifest(path)) == cases
    assert read_manifest(path).name == "cases"
    assert pickle.loads(pickle.dumps(cases)) == cases
    assert str(tmp_path) not in path.read_bytes().decode("latin-1")
    assert not list(tmp_path.glob(".*"))


@settings(max_examples=40)
@given(
    ids=some.lists(some.text(string.ascii_letters + "09_-", min_size=1, max_size=12), min_size=1, unique=True),
    words=some.text(some.characters(exclude_categories=("Cs", "Cc", "Z")), max_size=20),
    suffix=some.sampled_from(["csv", "parquet"]),
)
def test_any_text_comes_back(ids: list[str], words: str, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    cases = [Case(case_id=one, image=folder / "x.png", concept=words, columns={"site": words}) for one in ids]
    path = write_manifest(cases, folder / f"m.{suffix}")
    assert list(iterate_manifest(path, check_files=False)) == cases


def test_a_patient_without_an_id_is_the_case(tmp_path: Path) -> None:
    assert Case(case_id="a", image=tmp_path).patient_id == "a"
    assert "secret" not in repr(Case(case_id="a", image=Path("secret/a.png"), patient_id="secret"))


def test_excel_and_pandas_dialects(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "m.csv").write_text("\ufeffcase_id , image,present\r\n1, a.png ,TRUE\r\n\r\n", encoding="utf-8")
    (case,) = read_manifest(tmp_path / "m.csv")
    assert (case.case_id, case.image, case.present) == ("1", tmp_path / "a.png", True)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"case_id": [7, 8], "image": ["a.png"] * 2, "volume": [1.0, None], "present": [True, False]})
    pq.write_table(table, tmp_path / "m.parquet")
    cases = read_manifest(tmp_path / "m.parquet")
    assert [(c.case_id, c.volume, c.present) for c in cases] == [("7", 1, True), ("8", None, False)]


ROWS = {
    "no such file": ("", "there is no such table"),
    "empty file": (" ", "row 1: no column 'case_id'"),
    "no case": ("case_id,image\n", "there is no case in it"),
    "semicolons": ("case_id;image\na;a.png\n", "row 1: one column only; the file is separated by ;"),
    "missing column": ("case_id,picture\na,a.png\n", "row 1: no column 'image'"),
    "doubled column": ("case_id,image,sex,sex\na,a.png,F,F\n", "column 'sex' stands there twice"),
    "misspelt column": ("case_id,image,references\na,a.png,m.png\n", "column 'references' .* did you mean reference"),
    "another tool's column": ("case_id,image,label\na,a.png,m.png\n", r"did you mean reference \(a mask\) or class_name"),
    "nameless column": ("case_id,image,\na,a.png,1\n", "row 1: column 3 has no name"),
    "short row": ("case_id,image,sex\na,a.png,F\nb,b.png\n", "row 3: 2 cells, the header has 3"),
    "no image": ("case_id,image\na,\n", "row 2, column image: empty"),
    "missing image": ("case_id,image\na,a.png\nb,gone.png\n", "row 3, column image: 'gone.png' does not exist"),
    "missing mask": ("case_id,image,reference\na,a.png,m.png|gone.png\n", "row 2, column reference: .* does not exist"),
    "backslash": ("case_id,image\na,x\\a.png\n", r"backslash separates nothing here: write /"),
    "doubled id": ("case_id,image\na,a.png\nb,b.png\na,b.png\n", "row 4, column case_id: 'a' stands already at row 2"),
    "id with a slash": ("case_id,image\nx/a,a.png\n", "row 2, column case_id: expected 1 to 128 letters"),
    "id with a dot first": ("case_id,image\n.a,a.png\n", "column case_id: begins with a dot"),
    "modality": ("case_id,image,modality\na,a.png,xray\n", "column modality: expected one of cxr, ct"),
    "volume": ("case_id,image,volume\na,a.png,1.5\n", "row 2, column volume: expected a whole number"),
    "volume 0": ("case_id,image,volume\na,a.png,0\n", "column volume: counted from 1, got 0"),
    "slice": ("case_id,image,slice\na,a.png,-1\n", "column slice: expected a whole number or nothing, got '-1'"),
    "present": ("case_id,image,present\na,a.png,maybe\n", "column present: expected 1, 0 or nothing, got 'maybe'"),
    "image kind": ("case_id,image,image_kind\na,a.png,raw\n", "column image_kind: expected one of jsrt or nothing"),
    "kind": ("case_id,image,reference_kind\na,a.png,outline\n", "column reference_kind: expected one of mask"),
    "kind without file": ("case_id,image,reference_kind\na,a.png,mask\n", "column reference: no file"),
    "empty with file": ("case_id,image,reference,reference_kind\na,a.png,m.png,empty\n", "remove one of the two"),
    "empty and present": ("case_id,image,reference_kind,present\na,a.png,empty,1\n", "column present: 1, though"),
    "key without kind": ("case_id,image,reference_key\na,a.png,1\n", "say mask, rle, coco or rtstruct"),
    "rle without key": ("case_id,image,reference,reference_kind\na,a.png,m.png,rle\n", "column reference_key: rle needs"),
    "two files of rle": (
        "case_id,image,reference,reference_kind,reference_key\na,a.png,m.png|n.png,rle,x\n",
        "column reference: rle takes one file, got 2",
    ),
    "masks for some": (
        "case_id,image,reference\na,a.png,m.png\nb,b.png,\n",
        "row 3, column reference: nothing, though row 2 has a reference",
    ),
    "masks for some, first without": (
        "case_id,image,reference\na,a.png,\nb,b.png,m.png\n",
        "row 2, column reference: nothing, though row 3 has a reference",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_mistakes(name: str, tmp_path: Path) -> None:
    _study(tmp_path)
    content, says = ROWS[name]
    if content:
        (tmp_path / "study.csv").write_text(content.strip(" "), encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        read_manifest(tmp_path / "study.csv")
    assert "study.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1 and then nothing")
    (tmp_path / "latin.csv").write_bytes("case_id,image\nä,a\n".encode("latin-1"))
    (tmp_path / "quote.csv").write_text('case_id,image\na,"a.png\n')
    (tmp_path / "m.xlsx").touch()
    for name, error, says in (
        ("m.parquet", UnreadableError, "no Parquet file"),
        ("latin.csv", UnreadableError, "not UTF-8"),
        ("quote.csv", UnreadableError, "row 2: no valid CSV"),
        ("m.xlsx", InputError, r"ends in \.csv or \.parquet"),
    ):
        with pytest.raises(error, match=says):
            read_manifest(tmp_path / name)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    cases = _study(tmp_path)
    with pytest.raises(OutputError, match=r"ends in \.csv or \.parquet"):
        write_manifest(cases, tmp_path / "m.txt")
    with pytest.raises(InputError, match="there is no case to write"):
        write_manifest([], tmp_path / "m.csv")
    clash = Case(case_id="a", image=tmp_path, columns={"split": "x"})
    with pytest.raises(InputError, match="column 'split' is, or looks like, one of medkt's own"):
        write_manifest([clash], tmp_path / "m.csv")
    late = [Case(case_id=f"c{n}", image=tmp_path) for n in range(10_000)]
    late.append(Case(case_id="late", image=tmp_path, columns={"sex": "F"}))
    with pytest.raises(InputError, match="case 'late': column 'sex' is new"):
        write_manifest(late, tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


def test_splits_and_gathered_cases(tmp_path: Path) -> None:
    manifest = Manifest(cases=tuple(_study(tmp_path)), name="study")
    assert [case.case_id for case in manifest.of_split("test")] == ["a"]
    with pytest.raises(InputError, match=r"study: no case of split 'train'; there are \['', 'test'\]"):
        manifest.of_split("train")
    with pytest.raises(InputError, match="study, case 2, column case_id: 'a' stands already at case 1"):
        Manifest(cases=manifest.cases[:1] * 2, name="study")
    with pytest.raises(MedktError, match="there is no case in it"):
        Manifest(cases=())
    with pytest.raises(InputError, match="case 'a/b': case_id"):
        Case(case_id="a/b", image=tmp_path)


# ---- tables that Excel and pandas write


@pytest.mark.parametrize("start", ["sep=,\n", "sep=;\r\n", "\ufeffsep=,\n", ""])
def test_the_line_that_excel_hides(start: str, tmp_path: Path) -> None:
    mark = ";" if ";" in start else ","
    (tmp_path / "a.png").touch()
    (tmp_path / "m.csv").write_text(
        start + f"case_id{mark}image{mark}present\na{mark}a.png{mark}1.0\n", encoding="utf-8"
    )
    (case,) = read_manifest(tmp_path / "m.csv")
    assert (case.case_id, case.present) == ("a", True)


def test_missing_files_are_counted_and_where_all_are_the_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    rows = "".join(f"c{n},{'a.png' if n == 0 else f'im{n}.png'}\n" for n in range(6))
    (tmp_path / "m.csv").write_text("case_id,image\n" + rows)
    watch = MissingFiles(tmp_path / "m.csv")
    assert [case.case_id for case in watch.watched()] == [f"c{n}" for n in range(6)]
    (note,) = watch.notes()
    assert note == (
        "5 of 6 cases of the manifest lack a file: row 3, column image; row 4, column image; row 5, column image, and 2 more"
    )  # no path: it is kept with the run
    (tmp_path / "w.csv").write_text("case_id,image\nc,images\\im0.dcm\n")
    with pytest.raises(
        InputError, match=r"w\.csv, row 2, column image: 'images\\\\im0\.dcm' does not exist \(a backslash"
    ):
        list(MissingFiles(tmp_path / "w.csv").watched())


def test_a_key_that_says_nothing_is_told_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("case_id,image,reference,reference_key\na,a.png,m.png,first\n")
    with pytest.raises(InputError, match="row 2, column reference_key: 'first' is no label value such as 1"):
        read_manifest(tmp_path / "m.csv", check_files=False)


@pytest.mark.parametrize(
    ("rows", "without"),
    [
        ([("a", "p"), ("b", "q"), ("c", "p")], 0),
        ([("a", "p"), ("b", ""), ("c", "p")], 1),
        ([("a", "p"), ("b", "b"), ("c", "")], 2),  # as a manifest says it that was written from cases without patients
        ([("a", ""), ("b", ""), ("c", "")], 3),
    ],
)
def test_cases_that_name_no_patient_are_counted(rows: list[tuple[str, str]], without: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    table = tmp_path / "m.csv"
    table.write_text("case_id,image,patient_id\n" + "".join(f"{case},a.png,{whose}\n" for case, whose in rows))
    watch = MissingFiles(table)
    list(watch.watched())
    told = f"{without} of 3 cases of the manifest name no patient but their own id in the column patient_id; each of them counts as a patient of its own"
    assert watch.without_patient == without
    assert watch.notes() == ([told] if 0 < without < 3 else [])
    plan = plan_of(table, concepts=str, asked=["cyst"])
    assert patients_word(plan) == {
        0: "stated", 1: "stated, but for 1 case that named none but the own id",
        2: "stated, but for 2 cases that named none but the own id", 3: EACH_CASE,
    }[without]  # fmt: skip

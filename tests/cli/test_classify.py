"""`medkt classify`, and `.medkt` files on the command line of every command that takes them."""

import json
from pathlib import Path

import pytest
from learnt import make_words, write_learnt
from segmentation.bright_spots import BrightSpots
from whole_line import QUICK, Command, Studies

import medkt.models.registry
from medkt.concepts import read_package
from medkt.errors import SettingsError
from medkt.pipeline import concept_in


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medkt.models.registry, "load_encoder", lambda name, device: BrightSpots())


@pytest.fixture
def pale(tmp_path: Path) -> Path:
    return write_learnt(tmp_path / "pale.medkt", make_words("pale_disc", "bright disc"), 8.0)


@pytest.fixture
def black(tmp_path: Path) -> Path:
    return write_learnt(tmp_path / "black.medkt", make_words("black_disc", "dark disc"), 0.5)


def test_a_table(medkt: Command, studies: Studies) -> None:
    ran = medkt("classify", "-i", studies["us"], "-p", "a bright spot", "-p", "something dark", "--no-guard")
    assert ran.code == 0, ran.err
    head, titles, *rows = ran.out.splitlines()
    assert head == f"{studies['us']}: ultrasound, bright-spots"
    assert titles.split() == ["finding", "share", "cosine"]
    assert [row.split()[0] for row in rows] == ["a", "something", "normal"]
    assert sum(float(row.split()[-2]) for row in rows) == pytest.approx(1, abs=0.002)


def test_a_rule_by_name(medkt: Command, studies: Studies) -> None:
    words = ("classify", "-i", studies["us"], "-p", "a bright spot", "-p", "something dark", "--no-normal", "--json")
    usual, named, mean = (
        json.loads(medkt(*words, *more).out) for more in ((), ("--rule", "default"), ("--rule", "mean"))
    )
    assert usual == named
    assert usual["settings"] == {"rule": "direction", "text_pooling": "own", "window": None, "pixels": "float"}
    assert mean["settings"]["rule"] == "mean"
    assert mean["scores"] == usual["scores"]  # one prompt each: every rule is the same
    ran = medkt(*words, "--rule", "medclip")
    assert ran.code == 2
    assert "'bright-spots' has no padded pooling of texts: that is MedCLIP's" in ran.err
    ran = medkt(*words, "--rule", "best")
    assert ran.code == 2
    assert "no classification preset 'best'; known: default, largest, mean, medclip, medclip-ensemble" in ran.err


def test_a_volume_names_the_plane(medkt: Command, studies: Studies) -> None:
    ran = medkt("classify", "-i", studies["ct-series"], "-p", "a bright spot")
    titles, row = ran.out.splitlines()[1:3]
    assert titles.split() == ["finding", "share", "cosine", "plane"]
    assert int(row.split()[-1]) in range(5)


def test_json_lines_and_one_failure_among_several(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    gone = tmp_path / "gone.dcm"
    ran = medkt("classify", "-i", studies["us"], gone, "-p", "a bright spot", "--json")
    assert ran.code == 4
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert (first["status"], first["domain"], first["encoder"]["name"]) == ("done", "ultrasound", "bright-spots")
    bright, normal = first["scores"]
    assert (bright["name"], normal["name"], normal["concept"]) == ("a bright spot", "normal", None)
    assert bright["probability"] + normal["probability"] == pytest.approx(1, abs=1e-5)
    assert bright["planes"] == [{"index": 0, "probability": bright["probability"], "cosine": bright["cosine"]}]
    assert second["status"] == "failed"
    assert (second["code"], second["message"]) == ("no-such-file", "there is no such file or folder")
    assert ran.err.splitlines()[-1] == "medkt: 1 of 2 studies failed"


def test_a_learnt_concept_has_its_own_encoder(medkt: Command, studies: Studies, pale: Path, black: Path) -> None:
    ran = medkt("classify", "-i", studies["us"], "-c", pale, black, "-p", "a bright spot", "--json")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert [one["learnt"] for one in record["scores"]] == [True, True, False, False]
    assert [entry["packages"] for entry in record["encoder"]["taught"]] == [
        [read_package(file).digest] for file in (pale, black)
    ]
    table = medkt("classify", "-i", studies["us"], "-c", pale, black).out.splitlines()
    assert [row.endswith("  learnt") for row in table[2:]] == [True, True, False]
    together = json.loads(medkt("classify", "-i", studies["us"], "-c", pale, black, "--together", "--json").out)
    assert together["encoder"]["taught"][0]["concepts"] == ["pale_disc", "black_disc"]
    assert any("are in one encoder" in warning for warning in together["warnings"])


@pytest.mark.parametrize("command", ["segment", "explain"])
def test_masks_and_maps_of_a_learnt_concept(
    command: str, medkt: Command, bright: None, studies: Studies, pale: Path, tmp_path: Path
) -> None:
    words = (command, "-i", studies["us"], "-p", "a bright spot", *QUICK, "--json")
    ran = medkt(*words, "-c", pale, "-o", tmp_path / "taught")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert record["findings"][0]["concept"] == "pale_disc"
    (entry,) = record["models"]["encoder"]["taught"]
    assert (entry["concepts"], entry["packages"]) == (["pale_disc"], [read_package(pale).digest])
    plain = json.loads(medkt(*words, "-o", tmp_path / "plain").out)  # what was not learnt is as it is without the file
    assert plain["findings"][0]["score"] == record["findings"][1]["score"]
    assert plain["models"]["encoder"]["taught"] == []


@pytest.mark.parametrize("command", ["segment", "explain", "classify"])
def test_a_package_of_another_base_is_one_line_and_code_2(
    command: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    from learnt import with_gain

    other = write_learnt(
        tmp_path / "o.medkt", make_words("pale_disc", "bright disc"), 8.0, with_gain(BrightSpots(), 2.0)
    )
    output = () if command == "classify" else ("-o", tmp_path / "out")
    ran = medkt(command, "-i", studies["us"], "-c", other, *output)
    assert ran.code == 2
    assert ran.err.startswith(f"medkt: {other}: the weights of pale_disc belong to bright-spots with the digest ")
    assert ran.err.endswith("load that model, or learn the concept for this one\n")
    assert ran.err.count("\n") == 1


def test_a_package_that_is_not_there(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    ran = medkt("classify", "-i", studies["us"], "-c", tmp_path / "none.medkt")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith(f"medkt: {tmp_path / 'none.medkt'}: cannot be read (No such file or directory)")


def test_a_name_that_is_a_package_is_refused_where_no_weights_are_laid_over_an_encoder(pale: Path) -> None:
    with pytest.raises(SettingsError, match=r"pale\.medkt: a learnt concept goes with its model"):
        concept_in(str(pale))
    assert concept_in("ct_nodule").id == "ct_nodule"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), 'say what to look for: -p "a description" or -c CONCEPT'),
        (("-p", "bright", "--no-normal"), "one text alone has nothing to be compared with"),
        (("-c", "no_such_thing"), "no concept"),
        (("-p", "bright", "-d", "abacus"), "no device 'abacus'"),
    ],
)
def test_bad_options(options: tuple[str, ...], message: str, medkt: Command, studies: Studies) -> None:
    ran = medkt("classify", "-i", studies["us"], *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_without_a_modality_is_code_3(medkt: Command, studies: Studies) -> None:
    ran = medkt("classify", "-i", studies["cxr-png"], "-p", "bright")
    assert ran.code == 3
    assert ran.err.startswith(f"medkt: {studies['cxr-png']}: ")

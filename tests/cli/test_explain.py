"""`medkt explain`: the map of every plane, whether or not the finding is there, and what is said about it."""

import html
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from whole_line import BRIGHT, QUICK, Command, Studies, files_below, options_of


@pytest.mark.parametrize("name", ["mr-series", "ct-nifti-oblique", "us-clip", "cxr-png"])
def test_a_map_of_every_plane(name: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    ran = medkt("explain", "-i", studies[name], "-o", tmp_path, *BRIGHT, *QUICK, *options_of(name))
    assert ran.code == 0
    assert ran.out.startswith("a bright spot: score ")
    assert "depends on the words: " in ran.out
    record = json.loads((tmp_path / "result.json").read_text())
    (finding,) = record["findings"]
    assert finding["decision"] == "not decided"
    saliency = nib.load(tmp_path / finding["files"]["saliency"])
    values = saliency.get_fdata()
    assert values.shape == tuple(record["input"]["shape"][::-1])
    assert values.reshape(-1, values.shape[2]).max(axis=0).all()  # each plane has one
    if "nifti" in name:
        np.testing.assert_array_equal(saliency.affine, nib.load(studies[name]).affine)


def test_an_absent_finding_has_a_map_too(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    words = ("-i", studies["dx"], "-p", "something dark", *QUICK, "--set", "presence.threshold=0.999999")
    assert medkt("segment", *words, "-o", tmp_path / "segment").code == 0
    assert medkt("explain", *words, "-o", tmp_path / "explain").code == 0
    for command, there in (("segment", False), ("explain", True)):
        record = json.loads((tmp_path / command / "result.json").read_text())
        saliency = nib.load(tmp_path / command / record["findings"][0]["files"]["saliency"])
        assert bool(saliency.get_fdata().any()) is there


def test_the_user_may_ask_for_the_decision_after_all(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    ran = medkt("explain", "-i", studies["dx"], "-o", tmp_path, *BRIGHT, *QUICK, "--set", "presence.gate=true")
    assert ran.code == 0
    assert json.loads((tmp_path / "result.json").read_text())["findings"][0]["decision"] == "seen"


def test_json(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    ran = medkt("explain", "-i", studies["dx"], "-o", tmp_path, *BRIGHT, *QUICK, "--json")
    said = json.loads(ran.out)
    assert said["folder"] == str(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert {key: said[key] for key in record} == record


def test_the_words_that_a_score_rests_on(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    prompts = ("a bright round spot, ill-defined", "spot <b>\u0643\u062a\u0644\u0629</b> \u80ba")
    words = [option for prompt in prompts for option in ("-p", prompt)]
    few = ("--set", "text_map.noise_seeds=2")
    ran = medkt("explain", "-i", studies["us"], "-o", tmp_path, "-c", "us_cyst", *words, *QUICK, *few)
    assert ran.code == 0
    record = json.loads((tmp_path / "result.json").read_text())
    page = (tmp_path / "report.html").read_text()
    assert (tmp_path / "words.png").read_bytes().startswith(b"\x89PNG")
    assert len(record["findings"]) == 3
    for finding in record["findings"]:
        maps = finding["text_maps"]
        assert (maps["plane"], maps["layer"], maps["mask_rule"]) == (0, 0, "otsu")
        assert [one["text"] for one in maps["texts"]] == finding["prompts"]
        for text in maps["texts"]:
            own = [one for one in text["tokens"] if not one["special"]]
            for number, word in enumerate(text["words"]):
                tokens = [one["nats"] for one in own if one["word"] == number]
                assert sum(tokens) == pytest.approx(word["nats"], abs=1e-3)
                assert len(tokens) == word["pieces"]
                assert f"{word['word'][:24]} " in ran.out or text is not maps["texts"][0]
                assert f">{html.escape(word['word'])}</span>" in page
            assert [one["special"] for one in text["tokens"]] == [True, *[False] * len(own), True]
    first = record["findings"][1]["text_maps"]["texts"][0]
    assert [one["word"] for one in first["words"]] == ["a", "bright", "round", "spot", ",", "ill-defined"]
    assert f"depends on the image: {first['depends_on_image']:.2f}" in ran.out
    assert "1 more text in result.json" in ran.out  # of the concept's four


def test_segment_makes_no_text_maps_unless_asked(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    for number, asked in enumerate(((), ("--set", "text_map.use=best"))):
        ran = medkt("segment", "-i", studies["us"], "-o", tmp_path / str(number), *BRIGHT, *QUICK, *asked)
        assert json.loads((tmp_path / str(number) / "result.json").read_text())["findings"][0]["text_maps"] is None
        assert ("no text maps: the text tower of 'bright-spots' cannot be cut" in ran.err) is bool(asked)
        assert not (tmp_path / str(number) / "words.png").exists()


def test_a_result_is_not_replaced_unless_asked(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    words = ("explain", "-i", studies["dx"], "-o", tmp_path, *BRIGHT, *QUICK)
    assert medkt(*words, "-q").err == ""
    before = {path.name: path.read_bytes() for path in files_below(tmp_path)}
    ran = medkt(*words)
    assert ran.code == 2
    assert ran.err == f"medkt: {tmp_path}: holds a result already; choose another folder or say --overwrite\n"
    assert {path.name: path.read_bytes() for path in files_below(tmp_path)} == before
    assert medkt(*words, "--overwrite").code == 0


@pytest.mark.parametrize("name", ["gradcam", "patches"])
def test_a_method_by_name_makes_the_maps_and_stands_in_the_record(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path, name: str
) -> None:
    words = ("-i", studies["dx"], *BRIGHT)
    for folder, asked in (("m2ib", ()), (name, ("--method", name)), ("set", ("--set", f"saliency.method.name={name}"))):
        ran = medkt("explain", *words, "-o", tmp_path / folder, *asked)
        assert ran.code == 0, ran.err
        record = json.loads((tmp_path / folder / "result.json").read_text())
        assert record["settings"]["saliency"]["method"]["name"] == ("m2ib" if folder == "m2ib" else name)
    map_ = record["findings"][0]["files"]["saliency"]
    first, second, other = ((tmp_path / folder / map_).read_bytes() for folder in (name, "set", "m2ib"))
    assert first == second != other
    ran = medkt("segment", *words, "-o", tmp_path / "segmented", "--set", f"saliency.method.name={name}")
    assert ran.code == 0, ran.err
    assert (tmp_path / "segmented" / map_).read_bytes() == first


def test_a_method_that_is_none_or_that_the_encoder_cannot_feed(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    for name, says in (
        ("lime", "no saliency method 'lime'; known: m2ib, gradcam"),
        ("chefer", "gives none; choose another"),
    ):
        ran = medkt("explain", "-i", studies["dx"], "-o", tmp_path / "out", *BRIGHT, "--method", name)
        assert ran.code == 2
        assert says in ran.err
        assert not list(tmp_path.glob("out/*"))


def test_as_published_but_by_another_method(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = ("explain", "-i", studies["dx"], *BRIGHT, "--as-published", "m2ib", "--method", "gradcam", "--dry-run")
    ran = medkt(*words)
    assert ran.code == 0, ran.err
    assert "but for saliency.method.name" in ran.out

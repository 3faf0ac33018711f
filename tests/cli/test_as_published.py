"""`--as-published`: one switch for every command; its record, what is refused, and every setting with its source."""

import json
from pathlib import Path
from typing import Any

import pytest
from inversion.toy_encoder import Toy
from whole_line import BRIGHT, Command, Studies

from medkt.concepts import read_package
from medkt.models import registry

LAYER = ("--set", "m2ib.layer=0", "--set", "text_map.layer=0")  # the small models have fewer layers than the published


def settings_of(medkt: Command, *words: str | Path) -> dict[str, Any]:
    ran = medkt(*words, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    plan: dict[str, Any] = json.loads(ran.out)
    assert all(one["source"] for one in plan["settings"].values())
    return plan


def test_segment_does_what_was_published_and_says_where_not(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    words = (
        "segment",
        "-i",
        studies["us-png"],
        "-c",
        "us_cyst",
        "--modality",
        "ultrasound",
        *LAYER,
        "-o",
        tmp_path / "a",
    )
    ran = medkt(*words, "--as-published", "medclip-samv2-breast", "--json")
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "a" / "result.json").read_text())
    assert record["preset"] == record["as_published"]["name"] == "medclip-samv2-breast"
    assert record["label_tuned"] is True
    assert list(record["as_published"]["departs"]) == [
        "saliency.method.layer",
        "text_map.layer",
        "encoder",
        "framing",
        "segmenter",
    ]
    assert record["as_published"]["departs"]["saliency.method.layer"] == {"published": 9, "here": 0}
    assert record["as_published"]["left"]["presence.gate"] == {"own": True, "here": False}
    assert len(record["findings"][0]["prompts"]) == 1
    assert record["settings"]["map"]["resize"] == "published"
    page = (tmp_path / "a" / "report.html").read_text()
    assert "as published (medclip-samv2-breast), but for saliency.method.layer" in page
    by_preset = medkt(*words[:-1], tmp_path / "b", "--preset", "medclip-samv2-breast", "--json")
    other = json.loads(by_preset.out)
    assert other["settings"] == record["settings"]
    assert other["as_published"] is None


def test_a_dry_run_has_every_setting_with_its_source(medkt: Command, studies: Studies, tmp_path: Path) -> None:
    words = ("segment", "-i", studies["us-png"], *BRIGHT, "--modality", "ultrasound", "-o", tmp_path / "a")
    plan = settings_of(medkt, *words, "--as-published", "m2ib", "--set", "m2ib.layer=1", "--set", "m2ib.beta=0.3")
    assert plan["settings"]["saliency.method.steps"]["source"].endswith("scripts/iba.py and methods.py")
    assert plan["settings"]["saliency.method.beta"] == {"value": 0.3, "source": "given for this run"}
    assert plan["settings"]["presence.rule"]["source"] == "medkt's own"
    assert plan["as_published"]["departs"]["saliency.method.beta"] == {"published": 0.1, "here": 0.3}
    plain = settings_of(medkt, *words)
    assert plain["as_published"] is None
    assert plain["settings"]["presence.gate"] == {"value": True, "source": "medkt's own"}
    ran = medkt(*words, "--dry-run", "--as-published", "m2ib", "--set", "m2ib.layer=1")
    assert (
        "settings: as published (m2ib), but for saliency.method.layer, encoder, framing; left of medkt's own: "
        in ran.out
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "way", "path", "value"),
    [
        (("explain", "-i", "x", *BRIGHT, "-o", "o"), "medclip-samv2", "map.resize", "published"),
        (("invert", *BRIGHT, "-o", "o"), "kazemi", "--images", 1),
        (("classify", "-i", "x", *BRIGHT), "kt-medclip", "--no-normal", True),
        (("evaluate", "--manifest", "m.csv"), "kt-code", "texts", "first"),
        (("evaluate", "--manifest", "m.csv", "--classify"), "medclip-ensemble", "rule", "mean"),
        (("learn", "us_phyllodes", "-o", "o.medkt", "--set", "inversion.upsize_at=[]"), "kt-paper", "--delta", "full"),
    ],
)
def test_other_commands_say_their_settings_too(
    medkt: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    way: str,
    path: str,
    value: object,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_of(medkt, *words, "--as-published", way)["settings"][path]["value"] == value
    assert settings_of(medkt, *words)["settings"][path]["value"] != value
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("segment", "-i", "x", *BRIGHT, "-o", "o", "--preset", "default"),
            "--preset one group of settings alone: give one",
        ),
        (("classify", "-i", "x", *BRIGHT, "--rule", "default"), "--rule one group of settings alone: give one"),
        (("learn", "us_phyllodes", "-o", "o.medkt", "--preset", "fast"), "give one of the two"),
        (
            ("learn", "us_phyllodes", "-o", "o.medkt"),
            "m2ib is of segment, explain, batch, evaluate and says nothing of learn",
        ),
        (
            ("invert", *BRIGHT, "-o", "o"),
            "says nothing of invert; of that there are: kazemi, kt-code, kt-medclip, kt-paper",
        ),
        (("evaluate", "--reference", "a", "--prediction", "b", "-o", "o"), "here no model is asked"),
        (
            ("evaluate", "--manifest", "m.csv", "--classify", "-o", "o"),
            "nothing of evaluate where classes are told apart",
        ),
        (("batch", "--manifest", "m.csv", *BRIGHT, "-o", "o", "--site", "here"), "--site decides presence"),
    ],
)
def test_what_does_not_fit_is_one_line(
    medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("case_id,image\na,a.png\n")
    (tmp_path / "a.png").touch()
    ran = medkt(*words, "--as-published", "m2ib")
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").rglob("result.json"))


def test_a_calibration_is_of_all_prompts(medkt: Command, tmp_path: Path) -> None:
    ran = medkt(
        "segment", "-i", "x", *BRIGHT, "-o", tmp_path / "o", "--site", "here", "--as-published", "m2ib", "--set",
        "presence.gate=true",
    )  # fmt: skip
    assert ran.code == 2
    assert "with texts=first (a preset may say so) one is asked; add --set texts=all" in ran.err


def test_the_records_of_invert_and_learn_name_the_way(
    medkt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "cache"))
    short = ["--set", "inversion.steps=2", "--set", "inversion.upsize_at=[]", "--set", "images=2"]
    short += ["--set", "validation_images=0", "--set", "finetune.steps=2", "--audit", "none"]
    ran = medkt("learn", "us_phyllodes", "-o", tmp_path / "a.medkt", "--as-published", "kt-paper", *short, "--json")
    assert ran.code == 0, ran.err
    (learnt,) = read_package(tmp_path / "a.medkt").learnt
    stands = learnt.recipe["as_published"]
    assert stands["name"] == "kt-paper"
    assert {"inversion.steps", "images", "finetune.steps"} <= set(stands["departs"])
    assert stands["left"]["--delta"] == {"own": "low-rank", "here": "full"}
    assert "as published (kt-paper), but for" in (tmp_path / "a.html").read_text()
    monkeypatch.setattr(registry, "load_encoder", lambda name, device: Toy())
    words = ("invert", *BRIGHT, "--as-published", "kazemi", "--set", "steps=2", "--set", "upsize_at=[]")
    ran = medkt(*words, "-o", tmp_path / "b", "--json")
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "b" / "inversion.json").read_text())
    assert list(record["as_published"]["departs"]) == ["steps", "upsize_at", "encoder", "framing"]
    assert len(record["texts"][0]["files"]) == 1

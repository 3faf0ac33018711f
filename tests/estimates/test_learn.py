"""A learning's plan asks for the images that the learning makes, and what is in the cache costs nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from medkt.cli.main import main
from medkt.concepts import load_concept
from medkt.config import resolve_learning
from medkt.domains import domain
from medkt.estimates import machine
from medkt.estimates.learn import Learning, stages_of
from medkt.estimates.machine import Rates
from medkt.estimates.passes import encoder_passes
from medkt.inversion import InvertedImages
from medkt.inversion import cache as inversion_cache
from medkt.models.small import load_small
from medkt.transfer import lesions, material
from medkt.transfer.image_batches import wanted_images
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.vocabulary import Vocabulary, vocabulary_of


def words() -> Vocabulary:
    return vocabulary_of(load_concept("us_phyllodes"), domain("ultrasound"))


def settings_of(*sets: str) -> LearnSettings:
    return resolve_learning(LearnSettings, preset="quick", sets=["pictured=0.0", *sets])


def rates(state: tuple[int, int], half: bool = False) -> Rates:
    return Rates(forward=1e10, back=1e10, half=1e9)


@pytest.mark.parametrize(
    "sets", [(), ("images=3", "warm=0.0"), ("rehearsal_images=0", "validation_images=3"), ("warm=1.0", "images=5")]
)
def test_the_images_that_are_counted_are_those_that_are_made(
    sets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def made(
        _: Any, texts: tuple[str, ...], how: Any, *, images: int, seed: int, start: Any, **__: Any
    ) -> InvertedImages:
        asked.append((tuple(texts), images, seed, how, start is not None))
        shape = (len(texts), images)
        return InvertedImages(
            texts=tuple(texts), pixels=torch.zeros(*shape, 3, 8, 8), similarity=torch.ones(shape),
            curves=torch.ones(len(texts), 2), seconds=0.0, settings=how, seed=seed,
        )  # fmt: skip

    monkeypatch.setattr(material, "invert_cached", made)
    monkeypatch.setattr(material, "drawn_starts", lambda *_, **__: torch.zeros(1))
    settings = settings_of(*sets)
    material.gather(load_small(), words(), settings, seed=4)
    wanted = wanted_images(words(), settings, seed=4)
    assert [(one.texts, one.images, one.seed, one.how, one.warm) for one in wanted] == asked


@pytest.mark.parametrize("sets", [(), ("images=3", "teaching.rivals=0"), ("teaching.known=0", "validation_images=0")])
def test_the_lesions_that_are_counted_are_those_that_are_made(
    sets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def made(
        _: Any, texts: tuple[str, ...], how: Any, *, images: int, seed: int, start: Any, **__: Any
    ) -> InvertedImages:
        asked.append((tuple(texts), images, seed, how, start is not None))
        shape = (len(texts), images)
        return InvertedImages(
            texts=tuple(texts), pixels=torch.zeros(*shape, 3, 128, 128), similarity=torch.ones(shape),
            curves=torch.ones(len(texts), 2), seconds=0.0, settings=how, seed=seed,
        )  # fmt: skip

    monkeypatch.setattr(lesions, "invert_cached", made)
    settings = resolve_learning(LearnSettings, preset="local", sets=["teaching.drawn=1", "teaching.normals=1", *sets])
    lesions.gather_lesions(load_small(), words(), settings, seed=4)
    wanted = wanted_images(words(), settings, seed=4)
    assert [(one.texts, one.images, one.seed, one.how, one.warm) for one in wanted] == asked


def test_known_findings_are_made_once_for_all_seeds_and_cached_images_cost_nothing() -> None:
    passes, settings = encoder_passes("small"), settings_of()
    options: dict[str, Any] = {"vocabulary": words(), "settings": settings, "level": "quick", "layer": 3}
    one = {s.name: s for s in stages_of(Learning(seeds=[0], **options), passes, rates)}
    two = {s.name: s for s in stages_of(Learning(seeds=[0, 1], **options), passes, rates)}
    assert two["images of known findings"] == one["images of known findings"]
    assert two["images of the concept"].images == 2 * one["images of the concept"].images
    known = words().rehearsed
    kept = Learning(seeds=[0], **options, found=lambda wanted: len(wanted.texts) if wanted.texts == known else 0)
    cached = {s.name: s for s in stages_of(kept, passes, rates)}
    name = "images of known findings"
    assert cached[name].found == cached[name].images == one[name].images
    assert cached[name].seconds is not None
    assert cached[name].seconds.most == 0 < one[name].seconds.most  # type: ignore[union-attr]
    assert cached["images of the concept"] == one["images of the concept"]


def test_seconds_are_passes_over_speed() -> None:
    passes = encoder_passes("small")
    assert passes is not None
    half = settings_of("inversion.dtype=bfloat16")
    learning = Learning(vocabulary=words(), settings=half, seeds=[0], level="none", layer=3)
    stage = stages_of(learning, passes, rates)[1]
    assert (stage.name, stage.images, stage.steps) == ("images of the concept", 10, 4 * 12)
    work = 10 * 12 * passes.image_and_back.flops / 1e9 + 10 * passes.image.flops / 1e10
    assert stage.seconds is not None
    assert work < stage.seconds.most < 1.5 * work


def test_a_dry_run_of_learning_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_measured", lambda *_: Rates(forward=1e10, back=1e10, half=1e9))
    monkeypatch.setattr(inversion_cache, "invert", None)
    command = ["learn", "us_phyllodes", "-o", str(tmp_path / "x.medkt"), "--cache", str(tmp_path / "kept"), "--dry-run"]
    command += ["--set", "finetune.dtype=bfloat16"]  # whatever this processor has
    assert main([*command, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    names = ["images of known findings", "images of the concept", "images to judge by", "fine-tuning", "controls"]
    assert [stage["name"] for stage in plan["stages"]] == names
    assert plan["seconds"]["most"] == pytest.approx(
        plan["seconds_start"] + sum(stage["seconds"]["most"] for stage in plan["stages"]), abs=0.1
    )
    assert "bfloat16 takes 10.0 times as long" in plan["notes"][-1]
    assert main(command) == 0
    assert "fine-tuning " in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert main(["learn", "us_phyllodes", "-o", str(tmp_path / "no" / "x.medkt"), "--dry-run"]) == 2
    assert main(["learn", "us_phylodes", "-o", str(tmp_path / "x.medkt"), "--dry-run"]) == 2

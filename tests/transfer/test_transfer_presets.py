"""The shipped presets are settings, say where they come from, and hold the published numbers."""

import pytest
import torch

from medkt.config import presets, read_yaml, resolve
from medkt.errors import SettingsError
from medkt.models.small import load_small
from medkt.resources import data_file
from medkt.transfer.finetune import Captions, FinetuneSettings, finetune

PRESETS = presets("transfer")


def read(name: str) -> FinetuneSettings:
    values = read_yaml(data_file(f"configs/transfer/{name}.yaml"))
    assert values["about"]
    assert values["source"]
    return resolve(FinetuneSettings, preset=name, folder="transfer")


def test_the_published_ones_are_there() -> None:
    published = {"kt-code", "kt-paper", "kt-medclip", "kt-chexpert-b32", "kt-chexpert-l14", "kt-coca", "kt-vilt"}
    assert published <= set(PRESETS)


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("kt-")])
def test_published_settings(name: str) -> None:
    settings = read(name)
    assert (settings.optimiser, settings.betas, settings.eps) == ("adam", (0.9, 0.98), 1e-6)
    assert settings.weight_decay == (0.01 if name == "kt-vilt" else 0.2)
    assert settings.text_dropout == (name == "kt-code")
    assert settings.trains.what == "visual"
    assert not settings.drop_last


@pytest.mark.parametrize(
    ("name", "rate", "batch", "epochs"),
    [("kt-code", 1e-5, 4, 1), ("kt-chexpert-b32", 5e-5, 8, 5), ("kt-chexpert-l14", 1e-5, 4, 2)],
)
def test_published_numbers(name: str, rate: float, batch: int, epochs: int) -> None:
    settings = read(name)
    assert (settings.learning_rate, settings.batch, settings.epochs) == (rate, batch, epochs)


def test_the_default_preset_is_the_default_in_half_precision() -> None:
    assert read("default") == FinetuneSettings(dtype="auto")


@pytest.mark.parametrize(("name", "encoder"), [("kt-vilt", "ViLT"), ("kt-coca", "CoCa")])
def test_presets_without_their_encoder_are_refused_by_name(name: str, encoder: str) -> None:
    with pytest.raises(SettingsError, match=f"{encoder}, an encoder that medkt does not have"):
        finetune(load_small(), torch.zeros(1, 3, 128, 128), Captions(own=(("a",),)), read(name))

"""What is written of an inversion: exact floats, PNG files without a stretch, the sheet and the record."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file

from inversion.toy_encoder import Toy
from medkt.errors import OutputError
from medkt.inversion import InversionSettings, InvertedImages, invert
from medkt.inversion.files import as_png, write_inversion
from medkt.inversion.sheet import contact_sheet

TEXTS = ("a round bright spot", "$several dark lines")
FEW = InversionSettings(steps=3, jitter=1, channels=3)


def made(**changes: object) -> InvertedImages:
    return invert(Toy(), TEXTS, replace(FEW, **changes), images=2)  # type: ignore[arg-type]


def test_everything_is_written(tmp_path: Path) -> None:
    found = made()
    record = write_inversion(found, tmp_path / "new", encoder={"name": "toy"})
    folder = tmp_path / "new"
    assert json.loads((folder / "inversion.json").read_text()) == record
    stored = load_file(folder / "images.safetensors")
    assert torch.equal(stored["pixels"], found.pixels)
    assert torch.equal(stored["similarity"], found.similarity)
    names = [name for text in record["texts"] for name in text["files"]]
    assert names == ["001_001.png", "001_002.png", "002_001.png", "002_002.png"]
    assert {path.name for path in folder.iterdir()} == {*names, "images.safetensors", "inversion.json", "sheet.png"}
    shown = np.asarray(Pillow.open(folder / "002_001.png"))
    assert shown.shape == (16, 16, 3)
    assert np.abs(shown / 255 - found.pixels[1, 0].permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
    assert record["settings"]["steps"] == 3
    assert record["encoder"] == {"name": "toy"}
    assert len(record["texts"][1]["curve"]) == 3


def test_grey_is_16_bit(tmp_path: Path) -> None:
    grey = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 6, 8).repeat(3, axis=0)
    with Pillow.open(BytesIO(as_png(grey))) as stored:
        assert stored.mode.startswith("I")
        assert np.abs(np.asarray(stored) / 65535 - grey[0]).max() <= 0.5 / 65535 + 1e-6


def test_an_inversion_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    write_inversion(made(), tmp_path, encoder={})
    with pytest.raises(OutputError, match="holds an inversion already; choose another folder or say --overwrite"):
        write_inversion(made(), tmp_path, encoder={})
    write_inversion(made(channels=1), tmp_path, encoder={}, overwrite=True)
    assert json.loads((tmp_path / "inversion.json").read_text())["settings"]["channels"] == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_inversion(made(), tmp_path / "file", encoder={})


def test_the_sheet_is_a_picture_and_the_same_again() -> None:
    found = made()
    sheet = contact_sheet(found)
    assert contact_sheet(found) == sheet
    with Pillow.open(BytesIO(sheet)) as picture:
        assert np.asarray(picture).std() > 10
    one = contact_sheet(replace(found, curves=torch.where(torch.arange(3) < 1, found.curves, torch.nan)))
    assert one != sheet

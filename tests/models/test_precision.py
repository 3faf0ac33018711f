"""Which precision "auto" is: by what a processor says of itself, and never by a timing."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from inversion.toy_encoder import Toy

from medkt.inversion import InversionSettings, invert
from medkt.inversion.cache import cached, invert_cached
from medkt.models import precision
from medkt.transfer.finetune import FinetuneSettings
from medkt.transfer.learn_settings import LearnSettings

CPU = torch.device("cpu")
FEW = InversionSettings(steps=2, rows_at_once=4, dtype="auto")


def _processor(monkeypatch: pytest.MonkeyPatch, folder: Path, line: str) -> None:
    file = folder / f"cpuinfo-{len(list(folder.iterdir()))}"
    file.write_text(f"processor\t: 0\nmodel name\t: bf16 of name alone\n{line}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(precision, "CPUINFO", file)
    monkeypatch.setattr(precision.sys, "platform", "linux")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu sse2 avx2 fma", "float32"),
        ("flags\t\t: fpu avx512f avx512vl avx512_vnni", "float32"),
        ("flags\t\t: fpu avx512f avx512_bf16", "bfloat16"),
        ("flags\t\t: fpu amx_tile amx_bf16 amx_int8", "bfloat16"),
        ("Features\t: fp asimd i8mm bf16", "bfloat16"),
        ("Features\t: fp asimd", "float32"),
        ("", "float32"),
    ],
)
def test_auto_goes_by_the_instructions_of_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: str
) -> None:
    _processor(monkeypatch, tmp_path, line)
    assert precision.settled("auto", CPU) == expected
    assert precision.arithmetic(CPU, "auto")._enabled == (expected == "bfloat16")
    for given in ("float32", "bfloat16"):
        assert precision.settled(given, CPU) == given


def test_auto_is_float32_where_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "absent")
    assert precision.settled("auto", CPU) == "float32"
    assert precision.settled("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_auto_of_a_graphics_card(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.settled("auto", torch.device("cuda", 0)) == expected


def test_every_part_of_a_learning_has_its_precision_on_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = LearnSettings(judged_with=InversionSettings(dtype="bfloat16"), finetune=FinetuneSettings(dtype="auto"))
    _processor(monkeypatch, tmp_path, "flags : avx2")
    found = asdict(given.on(CPU))
    parts = ("inversion", "judged_with", "rehearsed_with", "finetune")
    assert [found[part]["dtype"] for part in parts] == ["float32", "bfloat16", "float32", "float32"]
    _processor(monkeypatch, tmp_path, "flags : amx_bf16")
    assert [asdict(given.on(CPU))[part]["dtype"] for part in parts] == ["bfloat16"] * 4


def test_an_inversion_and_its_place_in_the_cache_name_what_auto_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _processor(monkeypatch, tmp_path, "flags : avx2")
    folder = tmp_path / "cache"
    found = invert_cached(Toy(), ["a spot"], FEW, images=1, folder=folder)
    assert found.settings == replace(FEW, dtype="float32")
    assert torch.equal(found.pixels, invert(Toy(), ["a spot"], replace(FEW, dtype="float32"), images=1).pixels)
    assert cached(Toy(), ["a spot"], replace(FEW, dtype="float32"), images=1, folder=folder) == (True,)
    assert cached(Toy(), ["a spot"], FEW, images=1, folder=folder) == (True,)
    _processor(monkeypatch, tmp_path, "flags : amx_bf16")
    assert cached(Toy(), ["a spot"], FEW, images=1, folder=folder) == (False,)

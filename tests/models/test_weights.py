"""Checkpoint files of every kind, sound and not."""

import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from medkt.errors import WeightsError
from medkt.models.weights import load_state, read_state

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.tensor([1.0, 2.0])}


def assert_same(found: dict[str, Tensor]) -> None:
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE},
        {"state_dict": {f"module.{name}": value for name, value in STATE.items()}},
        {f"module.model.{name}": value for name, value in STATE.items()},
    ],
)
def test_wrappings_come_off(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert_same(read_state(tmp_path / "x.pt"))


def test_safetensors_and_the_old_format(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    assert_same(read_state(tmp_path / "x.safetensors"))
    torch.save(STATE, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert_same(read_state(tmp_path / "old.bin"))


def test_a_pickle_that_needs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "options": Fraction(1, 3)}, tmp_path / "x.pt")
    with pytest.raises(
        WeightsError, match=r"pickle that needs code to be run.*weights_only=False.*save the state dict"
    ):
        read_state(tmp_path / "x.pt")


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (mark,))

    torch.save({"a": Attack()}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="needs code"):
        read_state(tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/constants.pkl", b"")
    with pytest.raises(WeightsError, match="needs code"):
        read_state(tmp_path / "script.pt")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.bin"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", b"<!DOCTYPE html>"])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged or no"):
        read_state(tmp_path / name)


def test_a_file_cut_short(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="is damaged or no"):
        read_state(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "is not a state dict: it is empty"),
        ({"epoch": 3, "a": torch.zeros(1)}, "holds entries that are no tensors: epoch"),
        ([1, 2], "must hold a state dict, got list"),
    ],
)
def test_files_without_a_state_dict(tmp_path: Path, content: Any, says: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match=says):
        read_state(tmp_path / "x.pt")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not a file"):
        read_state(tmp_path / "none.pt")


def test_all_that_is_wrong_is_said_at_once() -> None:
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(8)))
    state = {"7.weight": torch.zeros(3, 2), "7.bias": torch.zeros(2), "stranger": torch.zeros(1)}
    says = (
        r"here does not fit Sequential: 14 missing: 0.weight, .*4.bias and 4 more; 1 unexpected: stranger; "
        r"1 of another shape: 7.weight \(3, 2\) for \(2, 2\)"
    )
    with pytest.raises(WeightsError, match=says):
        load_state(module, state, {}, "here")


def test_half_precision_becomes_the_modules_own() -> None:
    module = nn.Linear(2, 2)
    loaded = load_state(module, {"weight": torch.ones(2, 2).half(), "bias": torch.ones(2).half()}, {}, "here")
    assert module.weight.dtype == torch.float32
    assert (loaded.keys, loaded.parameters, loaded.dropped) == (2, 6, ())

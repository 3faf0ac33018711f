"""The cache: what is there is read, what is missing or damaged is made, and the result is the same either way."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inversion.toy_encoder import SIDE, Toy
from medkt.errors import OutputError
from medkt.inversion import InversionSettings, cache_folder, invert, invert_cached
from medkt.models.weights import weights_digest

TEXTS = ("a round bright spot", "several dark lines", "a ring")
FEW = InversionSettings(steps=3, jitter=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDKT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def passes(encoder: Toy) -> int:
    """The forward passes since the last call."""
    count = len(encoder.rows)
    encoder.rows.clear()
    return count


def test_it_is_invert(cache: Path) -> None:
    encoder = Toy()
    plain = invert(encoder, TEXTS, FEW, images=2)
    found = invert_cached(encoder, TEXTS, FEW, images=2)
    assert found.texts == TEXTS
    torch.testing.assert_close(found.pixels, plain.pixels, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.curves, plain.curves, rtol=0, atol=1e-4)
    assert len(list(cache.glob("*.safetensors"))) == 3


def test_only_what_is_missing_is_made(cache: Path) -> None:
    encoder = Toy()
    first = invert_cached(encoder, TEXTS[:2], FEW, images=2)
    assert passes(encoder) == 2 * (3 + 1)
    told: list[int] = []
    again = invert_cached(encoder, TEXTS, FEW, images=2, progress=lambda stage, done, total: told.append(done))
    assert passes(encoder) == 3 + 1
    assert told[:2] == [3, 6]
    assert told[-1] == 9
    assert torch.equal(again.pixels[:2], first.pixels)
    assert torch.equal(again.similarity[:2], first.similarity)


def test_a_broken_off_run_goes_on(cache: Path) -> None:
    whole = invert_cached(Toy(), TEXTS, FEW, images=2, folder=cache / "whole")
    encoder = Toy()
    encoder.fails_after = 6  # in the second text
    with pytest.raises(RuntimeError, match="the device is gone"):
        invert_cached(encoder, TEXTS, FEW, images=2)
    assert len(list(cache.glob("*"))) == 2  # the first text's file, and the folder of the whole
    passes(encoder)
    encoder.fails_after = None
    found = invert_cached(encoder, TEXTS, FEW, images=2)
    assert passes(encoder) == 2 * (3 + 1)
    assert torch.equal(found.pixels, whole.pixels)
    assert torch.equal(found.curves, whole.curves)


def test_anything_else_is_another_entry() -> None:
    encoder = Toy()
    start = torch.full((1, 1, 3, SIDE, SIDE), 0.5)
    invert_cached(encoder, TEXTS[:1], FEW, images=2)
    passes(encoder)
    invert_cached(encoder, TEXTS[:1], FEW, images=2, seed=1)
    invert_cached(encoder, TEXTS[:1], FEW, images=3)
    invert_cached(encoder, TEXTS[:1], replace(FEW, tv=0.01), images=2)
    invert_cached(encoder, TEXTS[:1], FEW, images=2, start=start)
    assert passes(encoder) == 4 * (3 + 1)
    with torch.no_grad():
        encoder.second.bias += 1e-6
    invert_cached(encoder, TEXTS[:1], FEW, images=2)
    assert passes(encoder) == 3 + 1


def test_one_start_for_each_text_is_its_own() -> None:
    encoder = Toy()
    starts = torch.stack([torch.full((1, 3, SIDE, SIDE), value) for value in (0.2, 0.8)])
    found = invert_cached(encoder, TEXTS[:2], FEW, images=1, start=starts)
    alone = invert(encoder, TEXTS[1:2], FEW, images=1, start=starts[1:])
    torch.testing.assert_close(found.pixels[1], alone.pixels[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_entry_is_made_again(damage: str, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = invert_cached(Toy(), TEXTS[:1], FEW, images=2)
    (path,) = cache.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-10] ^= 1
    path.write_bytes({"cut": content[:1000], "flipped": content, "text": b"not tensors"}[damage])
    again = invert_cached(Toy(), TEXTS[:1], FEW, images=2)
    assert "the cached images are damaged" in caplog.text
    assert torch.equal(again.pixels, first.pixels)
    caplog.clear()
    invert_cached(Toy(), TEXTS[:1], FEW, images=2)
    assert not caplog.text


def test_an_entry_that_cannot_be_read_is_said(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    invert_cached(Toy(), TEXTS[:1], FEW, images=1)
    (path,) = cache.glob("*.safetensors")
    path.unlink()
    path.mkdir()
    with pytest.raises(OutputError, match="a folder stands where the file should go"):
        invert_cached(Toy(), TEXTS[:1], FEW, images=1)
    assert "cannot be read" in caplog.text


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="set MEDKT_CACHE elsewhere"):
        invert_cached(Toy(), TEXTS[:1], FEW, images=1, folder=tmp_path / "file" / "below")


def test_where_it_lies(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("MEDKT_CACHE")
    assert cache_folder() == tmp_path / "medkt-home" / "inversions"


def test_the_text_is_not_in_the_file(cache: Path) -> None:
    invert_cached(Toy(), TEXTS[:1], FEW, images=1)
    (path,) = cache.glob("*.safetensors")
    assert b"bright" not in path.read_bytes()


def test_weights_digest_sees_every_value() -> None:
    encoder = Toy()
    before = weights_digest(encoder)
    assert before == weights_digest(Toy())
    with torch.no_grad():
        encoder.words.weight[3, 2] += 1e-6
    assert weights_digest(encoder) != before

"""The embedded encoder: the protocol, its package files, and what happens when they are not as shipped."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medkt.errors import UnknownNameError, WeightsError
from medkt.models.encoder import DualEncoder
from medkt.models.small import SmallEncoder, load_small
from medkt.models.small.dual_encoder import WEIGHTS

SHIPPED = ("encoder.safetensors", "encoder.json", "tokenizer.json", "segmenter.safetensors", "segmenter.json")


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module")
def pixels(encoder: SmallEncoder) -> torch.Tensor:
    side = encoder.spec.input_size
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in SHIPPED:
        shutil.copy(WEIGHTS / name, tmp_path / name)
    return tmp_path


def test_it_is_a_dual_encoder(encoder: SmallEncoder) -> None:
    assert isinstance(encoder, DualEncoder)
    assert encoder.spec.digest
    assert len(encoder.spec.domains) == 4
    assert not encoder.module.training
    assert all(p.dtype == torch.float32 for p in encoder.module.parameters())


def test_prefix_then_suffix_is_the_whole_at_every_layer(encoder: SmallEncoder, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        whole = encoder.encode_image(pixels)
        for layer in range(encoder.spec.layers):
            grid = encoder.grid(layer)
            hidden = encoder.image_prefix(pixels, layer)
            assert hidden.shape[:2] == (3, grid.tokens)
            torch.testing.assert_close(encoder.image_suffix(hidden, layer), whole)


@pytest.mark.parametrize("layer", [-1, 99])
def test_a_layer_that_does_not_exist_is_named(encoder: SmallEncoder, layer: int) -> None:
    with pytest.raises(UnknownNameError, match="image layers 0 to"):
        encoder.grid(layer)


def test_one_image_alone_gets_what_it_gets_in_a_batch(encoder: SmallEncoder, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        together = encoder.encode_image(pixels)
        alone = torch.cat([encoder.encode_image(one[None]) for one in pixels])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_a_text_does_not_depend_on_its_padding(encoder: SmallEncoder) -> None:
    short, long = "a round nodule", "a large irregular spiculated mass in the upper part of the lung on the left side"
    with torch.inference_mode():
        alone = encoder.encode_text(encoder.tokenize([short]))
        padded = encoder.encode_text(encoder.tokenize([short, long]))[:1]
    torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-5)


def test_scores_are_cosines(encoder: SmallEncoder, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        score = encoder.score(pixels, encoder.tokenize(["a nodule", "normal chest x-ray"]))
    assert score.shape == (3, 2)
    assert float(score.abs().max()) <= 1 + 1e-5
    assert encoder.logit_scale > 1


def test_gradients_reach_the_pixels(encoder: SmallEncoder, pixels: torch.Tensor) -> None:
    moving = pixels.clone().requires_grad_()
    encoder.score(moving, encoder.tokenize(["a nodule"])).sum().backward()
    assert moving.grad is not None
    assert float(moving.grad.abs().sum()) > 0
    encoder.module.zero_grad(set_to_none=True)


def test_the_dense_map_lies_on_the_grid(encoder: SmallEncoder, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        dense = encoder.dense(pixels)
    assert dense.shape == (3, 16, 16, encoder.encode_text(encoder.tokenize(["a"])).shape[1])


def test_long_texts_are_cut_and_say_so(encoder: SmallEncoder) -> None:
    tokens = encoder.tokenize(["a nodule", "lobulated " * 60])
    assert tokens.truncated == (False, True)
    assert tokens.ids.shape == (2, encoder.spec.text_length)
    assert tokens.mask[0].sum() < tokens.mask[1].sum() == encoder.spec.text_length


@pytest.mark.parametrize("text", ["phyllodes tumour", "granulomatosis", "Échinococcose", "β2 ≥ 3 mm", "肺", ""])
def test_no_text_is_unknown(encoder: SmallEncoder, text: str) -> None:
    tokens = encoder.tokenize([text])
    assert tokens.ids.shape[1] >= 2
    assert int(tokens.ids.max()) < encoder.module.text.word.num_embeddings  # type: ignore[union-attr, operator]
    assert bool(torch.isfinite(encoder.encode_text(tokens)).all())


def test_different_unseen_words_have_different_pieces(encoder: SmallEncoder) -> None:
    one, other = (encoder.tokenize([t]).ids.tolist() for t in ("hamartoma", "epidermoid"))
    assert one != other


def test_everything_shipped_is_small() -> None:
    assert sum((WEIGHTS / name).stat().st_size for name in SHIPPED) <= 20_000_000


def test_changed_weights_are_refused(copied: Path) -> None:
    path = copied / "encoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="SHA-256"):
        load_small(folder=copied)


def test_a_changed_tokenizer_is_refused(copied: Path) -> None:
    path = copied / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(WeightsError, match="SHA-256"):
        load_small(folder=copied)


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_every_key_is_checked(copied: Path, change: str) -> None:
    state = load_file(copied / "encoder.safetensors")
    if change == "missing":
        del state["text.norm.weight"]
    elif change == "unexpected":
        state["text.other"] = torch.zeros(1)
    else:
        state["text.norm.weight"] = torch.zeros(3, dtype=torch.float16)
    _save(copied, state)
    with pytest.raises(WeightsError, match=r"text\.(norm|other)"):
        load_small(folder=copied)


def test_missing_files_are_named(copied: Path) -> None:
    (copied / "encoder.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"encoder\.safetensors"):
        load_small(folder=copied)


def test_a_broken_specification_is_named(copied: Path) -> None:
    (copied / "encoder.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"encoder\.json"):
        load_small(folder=copied)


def _save(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """Write other weights with a specification that names their digest, so that only the keys are wrong."""
    path = folder / "encoder.safetensors"
    save_file(state, path)
    record = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "encoder.json").write_text(json.dumps(record), encoding="utf-8")

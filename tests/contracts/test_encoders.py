"""What every encoder must do, over the registry: the small one always, the others where their weights are.

`MEDKT_TEST_HOME` names a store with real weights (`medkt models pull`); without it only the shipped model is there.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from medkt.models import store
from medkt.models.encoder import DualEncoder
from medkt.models.records import records
from medkt.models.registry import load_encoder

HOME = os.environ.get("MEDKT_TEST_HOME")
TEXTS = ("a chest radiograph with a nodule", "a normal brain", "an ultrasound image of a cyst with a bright wall")


def _is_here(name: str) -> bool:
    record = records("encoder")[name]
    return not record.files or (HOME is not None and (Path(HOME) / "models" / name / store.MANIFEST).is_file())


@pytest.fixture(scope="module", params=[name for name in records("encoder") if _is_here(name)])
def encoder(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if HOME:
            patch.setenv("MEDKT_HOME", HOME)
        return load_encoder(request.param)


@pytest.fixture(scope="module")
def pixels(encoder: Any) -> torch.Tensor:
    side = encoder.spec.input_size
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_protocol(encoder: Any) -> None:
    assert isinstance(encoder, DualEncoder)
    assert not encoder.module.training
    assert encoder.logit_scale > 1
    spec = encoder.spec
    assert len(spec.digest) == 64
    assert spec.licence
    assert 0 <= spec.default_layer < spec.layers
    assert spec.framing in ("letterbox", "crop", "squash")


def test_an_image_is_read_the_same_in_parts_and_at_every_split(encoder: Any, pixels: torch.Tensor) -> None:
    with torch.no_grad():
        whole = encoder.encode_image(pixels)
        for layer in range(encoder.spec.layers):
            hidden = encoder.image_prefix(pixels, layer)
            assert hidden.shape[:2] == (3, encoder.grid(layer).tokens)
            torch.testing.assert_close(encoder.image_suffix(hidden, layer), whole, rtol=1e-4, atol=1e-5)


def test_images_do_not_know_each_other(encoder: Any, pixels: torch.Tensor) -> None:
    with torch.no_grad():
        together = encoder.encode_image(pixels)
        alone = torch.cat([encoder.encode_image(one[None]) for one in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(together).all()
    assert not torch.allclose(together[0], together[1])


def test_texts_do_not_know_each_other(encoder: Any) -> None:
    with torch.no_grad():
        together = encoder.encode_text(encoder.tokenize(TEXTS))
        alone = torch.cat([encoder.encode_text(encoder.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.shape == (len(TEXTS), together.shape[1])


def test_images_and_texts_meet(encoder: Any, pixels: torch.Tensor) -> None:
    tokens = encoder.tokenize(TEXTS)
    with torch.no_grad():
        image = functional.normalize(encoder.encode_image(pixels), dim=-1)
        text = functional.normalize(encoder.encode_text(tokens), dim=-1)
        score = encoder.score(pixels, tokens)
    torch.testing.assert_close(score, image @ text.T, rtol=1e-4, atol=1e-5)
    assert score.abs().max() <= 1 + 1e-5


def test_tokens(encoder: Any) -> None:
    short, long = encoder.tokenize(["a nodule"]), encoder.tokenize(["a nodule", "a nodule in a lung " * 100])
    assert short.truncated == (False,)
    assert long.truncated == (False, True)
    assert long.ids.shape == long.mask.shape
    assert long.ids.shape[1] <= encoder.spec.text_length
    assert long.mask[1].all()
    again = encoder.tokenize(["a nodule"])
    assert torch.equal(short.ids, again.ids)


def test_a_gradient_reaches_the_hidden_state(encoder: Any, pixels: torch.Tensor) -> None:
    layer = encoder.spec.default_layer
    with torch.no_grad():
        hidden = encoder.image_prefix(pixels[:1], layer)
    hidden = hidden.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(encoder.image_suffix(hidden, layer).sum(), hidden)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_loading_twice_is_the_same(encoder: Any, pixels: torch.Tensor) -> None:
    if encoder.spec.family != "small":
        pytest.skip("large weights are loaded once")
    with torch.no_grad():
        assert torch.equal(load_encoder("small").encode_image(pixels), encoder.encode_image(pixels))

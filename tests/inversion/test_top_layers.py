"""Partial inversion: a hidden state that fits a text, held to the Gram matrices of references."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from inversion.toy_encoder import SIDE, Toy
from medkt.config import resolve
from medkt.errors import InputError, SettingsError
from medkt.inversion import InversionSettings, invert, invert_hidden
from medkt.inversion.regularizers import gram
from medkt.models.framing import normalise

TEXTS = ("a round bright spot", "a ring")
FREE = replace(resolve(InversionSettings, preset="partial", folder="inversion"), gram=0.0, steps=30)


def test_the_state_comes_to_fit_the_text() -> None:
    encoder = Toy().eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = invert_hidden(encoder, TEXTS, FREE, images=2)
    assert found.layer == encoder.spec.default_layer
    assert found.hidden.shape == (2, 2, 16, 5)
    assert float(found.similarity.mean()) > float(found.curves[:, 0].mean()) + 0.2
    features = encoder.image_suffix(found.hidden[1], 0)
    wanted = encoder.encode_text(encoder.tokenize(TEXTS[1:])).detach()
    torch.testing.assert_close(found.similarity[1], torch.nn.functional.cosine_similarity(features, wanted).detach())
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    alone = invert_hidden(encoder, TEXTS[1:], FREE, images=2)
    torch.testing.assert_close(alone.hidden[0], found.hidden[1], rtol=0, atol=1e-4)


def test_gram_pulls_towards_the_references() -> None:
    encoder = Toy().eval()
    references = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 0.3
    style = gram(encoder.image_prefix(normalise(references, encoder.spec), 0)).mean(dim=0).detach()
    apart = []
    for weight in (0.0, 100.0):
        found = invert_hidden(encoder, TEXTS[:1], replace(FREE, gram=weight), references=references, images=2)
        apart.append(float((gram(found.hidden[0]) - style).square().mean()))
    assert apart[1] < 0.2 * apart[0]


def test_a_start_is_where_it_starts() -> None:
    encoder = Toy().eval()
    start = torch.rand(2, 3, SIDE, SIDE)
    still = replace(FREE, steps=1, lr=1e-9)
    found = invert_hidden(encoder, TEXTS[:1], still, images=2, start=start)
    torch.testing.assert_close(found.hidden[0], encoder.image_prefix(normalise(start, encoder.spec), 0).detach())


@pytest.mark.parametrize(
    ("settings", "options", "error", "message"),
    [
        (InversionSettings(), {}, SettingsError, 'needs parametrisation "hidden", got "multi_resolution"'),
        (replace(FREE, layer=2), {}, SettingsError, "layer 2 does not exist: 'toy' has layers 0 to 1"),
        (replace(FREE, gram=1.0), {}, InputError, "gram needs reference images"),
        (FREE, {"start": torch.zeros(3, 3, 4, 4)}, InputError, r"start images have the shape \(3, 3, 4, 4\), expected \(1 or 2"),
        (FREE, {"references": torch.full((1, 3, 4, 4), 2.0)}, InputError, r"reference images must lie in \[0, 1\]"),
    ],
)  # fmt: skip
def test_bad_arguments(settings: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        invert_hidden(Toy(), TEXTS, settings, images=2, **options)


def test_invert_points_to_it() -> None:
    with pytest.raises(SettingsError, match=r"use medkt\.inversion\.invert_hidden"):
        invert(Toy(), TEXTS, FREE)

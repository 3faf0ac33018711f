"""Words as directions."""

import pytest
import torch
from tiny_encoder import TinyViT

from medkt.errors import NumericalError, SettingsError
from medkt.saliency.targets import ConceptTexts, embed_targets, embed_texts


def test_a_concept_is_the_mean_direction_of_its_prompts() -> None:
    encoder = TinyViT().train()  # the tower's dropout must not reach the texts
    concept = ConceptTexts(id="mass", prompts=("a mass", "a lump"), normal=("clear lungs",), confusable=("a rib",))
    (target,) = embed_targets(encoder, [concept])
    mass, lump = embed_texts(encoder, ["a mass", "a lump"])
    assert torch.allclose(target.wanted, torch.nn.functional.normalize(mass + lump, dim=0))
    assert target.contrasts.shape == (2, 12)
    assert torch.allclose(target.contrasts.norm(dim=1), torch.ones(2))
    assert encoder.training


def test_a_text_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, asked = TinyViT(), []
    tokenize = encoder.tokenize
    monkeypatch.setattr(encoder, "tokenize", lambda texts: (asked.extend(texts), tokenize(texts))[1])
    concepts = [ConceptTexts(id=name, prompts=(name,), normal=("clear lungs",)) for name in ("mass", "cyst", "mass")]
    embed_targets(encoder, concepts)
    assert asked == ["mass", "clear lungs", "cyst"]


def test_a_concept_without_contrasts_has_none() -> None:
    (target,) = embed_targets(TinyViT(), [ConceptTexts(id="mass", prompts=("mass",))])
    assert target.normal is None
    assert target.contrasts.shape == (0, 12)


def test_unusable_texts_are_refused() -> None:
    with pytest.raises(SettingsError, match="'mass' needs at least one prompt"):
        ConceptTexts(id="mass", prompts=())
    with pytest.raises(SettingsError, match="no caption may be empty"):
        ConceptTexts(id="mass", prompts=("  ",))
    encoder = TinyViT()
    encoder.texts.words.weight.data.zero_()
    with pytest.raises(NumericalError, match="no usable feature for the text 'a mass'"):
        embed_texts(encoder, ["a mass"])

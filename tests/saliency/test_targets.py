"""Words as directions."""

from dataclasses import replace

import pytest
import torch
from tiny_encoder import TinyViT

from medkt.errors import NumericalError, SettingsError
from medkt.saliency.targets import ConceptTexts, embed_targets, embed_texts, texts_kept


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


def test_texts_are_kept_from_study_to_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each encoder and digest of its own; the features are those without it, bit for bit, whatever stood beside them."""
    encoder, other, asked = TinyViT(), TinyViT(), []
    plain = embed_texts(encoder, ["mass", "cyst", "clear lungs"])
    tokenize = encoder.tokenize
    monkeypatch.setattr(encoder, "tokenize", lambda texts: (asked.extend(texts), tokenize(texts))[1])
    with texts_kept() as kept:
        embed_texts(encoder, ["clear lungs", "mass"])
        embed_texts(other, ["mass"])
    with texts_kept(kept):
        again = embed_texts(encoder, ["mass", "cyst", "clear lungs"])
        assert torch.equal(again, plain)
        monkeypatch.setattr(encoder, "spec", replace(encoder.spec, digest="adapted:1"))
        embed_texts(encoder, ["mass"])
    assert asked == ["clear lungs", "mass", "cyst", "mass"]
    embed_texts(encoder, ["mass"])  # outside nothing is kept
    assert len(asked) == 5
    assert len(kept.rows) == 5


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

"""Maps under every setting of M2IB together, against one run written from the paper with torch's own Adam.

One image, one text, one noise seed at a time, the whole network each time; several seeds are averaged at the end.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from saliency.tiny_encoder import SIDE, TinyStages, TinyViT
from torch import Tensor, nn

from medkt.saliency import explain
from medkt.saliency.explain import prepare_plane
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps, noise_steps
from medkt.saliency.targets import NONSENSE_TEXT, ConceptTexts, Target, embed_targets

STEPS = 4
ENCODERS = {"vit": TinyViT, "stages": TinyStages}
WAYS = (("cosine", "mean"), ("margin", "mean"), ("margin", "logsumexp"))
COMBINATIONS = [
    (encoder, *rest, 1 if k % 5 == 0 else 2)
    for k, (encoder, *rest) in enumerate(
        itertools.product(ENCODERS, WAYS, ("unit", "feature"), (True, False), ("last_forward", "final"))
    )
    if encoder == "vit" or rest[2]  # only the first has a leading token
]


def unit(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def fit(feature: Tensor, target: Target, settings: M2IBSettings, scale: float) -> Tensor:
    """How well one feature matches: its cosine with the words, less that of what it is told apart from."""
    others = [*([] if target.normal is None else [target.normal]), *target.confusable]
    cosine = unit(feature) @ target.wanted
    if settings.target == "cosine" or not others:
        return cosine
    against = torch.stack([unit(feature) @ other for other in others])
    if settings.contrast == "mean":
        return cosine - against.mean()
    return cosine - torch.log(torch.exp(scale * against).mean()) / scale


def plain_map(encoder: TinyViT | TinyStages, image: Tensor, target: Target, s: M2IBSettings, image_seed: int) -> Tensor:
    """(rows, columns): the mean over the seeds of what each place's gates let through, in float32 as it is run."""
    layer = encoder.spec.default_layer if s.layer is None else s.layer
    grid, maps = encoder.grid(layer), []
    with torch.no_grad():
        hidden = encoder.image_prefix(image[None], layer)[0]  # (tokens, channels)
    places = hidden[grid.leading :]
    mean, std = torch.zeros(hidden.shape[1]), torch.ones(hidden.shape[1])
    if s.noise == "feature":
        mean, std = places.mean(dim=0), places.std(dim=0, correction=0)
    for seed in range(s.noise_seeds):
        alpha = nn.Parameter(torch.full(hidden.shape, s.alpha0))
        optimiser, stream = (
            torch.optim.Adam([alpha], lr=s.lr),
            noise_steps(s.seed, image_seed, seed, (s.samples, *hidden.shape)),
        )
        for _ in range(s.steps if s.map_from == "final" else s.steps - 1):
            gate, total = torch.sigmoid(alpha), torch.zeros(())
            for noise in next(stream):
                mixed = gate * hidden + (1 - gate) * (mean + std * noise)
                if not s.compress_leading:
                    mixed = torch.cat([hidden[: grid.leading], mixed[grid.leading :]])
                total = total + fit(encoder.image_suffix(mixed[None], layer)[0], target, s, encoder.logit_scale)
            first = 0 if s.compress_leading else grid.leading
            assert s.beta is not None
            loss = s.beta * plain_capacity(alpha, hidden, mean, std)[first:].mean() - total / s.samples
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        kept = plain_capacity(alpha.detach(), hidden, mean, std).sum(dim=1)
        if s.reading == "openness":
            kept = (1 / (1 + torch.exp(-alpha.detach()))).sum(dim=1) / hidden.shape[1]
        maps.append(kept[grid.leading :].reshape(grid.rows, grid.columns))
    return torch.stack(maps).mean(dim=0)


def plain_capacity(alpha: Tensor, hidden: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """KL of what passes from pure noise, as torch knows it."""
    gate = torch.sigmoid(alpha)
    passed = torch.distributions.Normal(gate * (hidden - mean) / std, 1 - gate)
    return torch.distributions.kl_divergence(passed, torch.distributions.Normal(0.0, 1.0))


def image() -> Tensor:
    return torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def concepts(encoder: TinyViT | TinyStages) -> tuple[Target, ...]:
    """Told apart from nothing, from a normal study, from others, and from both."""
    normal, others = ("clear lungs", "no finding"), ("a rib", "a clip", "a vessel")
    return embed_targets(
        encoder,
        [
            ConceptTexts(id="alone", prompts=("a mass",)),
            ConceptTexts(id="normal", prompts=("a mass", "a lump"), normal=normal),
            ConceptTexts(id="others", prompts=("a mass",), confusable=others),
            ConceptTexts(id="both", prompts=("a cyst",), normal=normal[:1], confusable=others[:2]),
        ],
    )


@pytest.mark.parametrize(("name", "way", "noise", "leading", "map_from", "seeds"), COMBINATIONS)
def test_a_map_is_that_of_the_plain_account(
    name: str, way: tuple[str, str], noise: str, leading: bool, map_from: str, seeds: int
) -> None:
    encoder = ENCODERS[name]().eval()
    settings = M2IBSettings(
        beta=0.07, steps=STEPS, lr=0.8, samples=2, alpha0=2.0, noise=noise, compress_leading=leading, target=way[0],  # type: ignore[arg-type]
        contrast=way[1], map_from=map_from, seed=5, noise_seeds=seeds, rows_at_once=7,  # type: ignore[arg-type]
    )  # fmt: skip
    targets = concepts(encoder)
    found = m2ib_maps(encoder, image(), targets, settings, seeds=[11])
    for target, got in zip(targets, found.maps[0], strict=True):
        wanted = plain_map(encoder, image()[0], target, settings, 11)
        np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=2e-3, atol=2e-3, err_msg=target.id)
    opened = replace(settings, reading="openness")
    got = m2ib_maps(encoder, image(), targets[-1:], opened, seeds=[11]).maps[0, 0]
    wanted = plain_map(encoder, image()[0], targets[-1], opened, 11)
    np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("way", WAYS)
def test_what_each_text_is_told_apart_from(way: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the words: nonsense has the concept's contrasts; the normal caption has the concept in place of itself."""
    encoder, compared = TinyViT().eval(), []
    settings = M2IBSettings(beta=0.07, steps=STEPS, samples=2, target=way[0], contrast=way[1])  # type: ignore[arg-type]
    plane = prepare_plane(encoder, np.random.default_rng(2).random((20, 33), dtype=np.float32))
    targets = concepts(encoder)
    (nonsense,) = embed_targets(encoder, [ConceptTexts(id="x", prompts=(NONSENSE_TEXT,))])
    monkeypatch.setattr(explain, "specificity", lambda own, others: compared.append((own, others)))
    explain.explain_planes(encoder, [plane], targets, settings, seeds=[11])
    for target, (own, others) in zip(targets, compared, strict=True):
        wanted = {NONSENSE_TEXT: replace(target, wanted=nonsense.wanted)}
        if target.normal is not None:
            told_from = torch.stack([target.wanted, *target.confusable])
            wanted[explain.NORMAL_CAPTION] = Target(id="n", wanted=target.normal, normal=None, confusable=told_from)
        assert others.keys() == wanted.keys()
        for found, text in ((own, target), *((others[name], one) for name, one in wanted.items())):
            plain = plain_map(encoder, plane.pixels, text, settings, 11).detach().numpy()
            np.testing.assert_allclose(found, plain, rtol=2e-3, atol=2e-3)

"""Training batches of the encoder: planes from the corpus, changed a little, each with two fresh texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from medkt.models.small.dual_encoder import PAD, encode_texts
from medkt.phantom.finding import DOMAINS
from small_model.claims import image_bits, text_bits
from small_model.corpus import Corpus, Row
from small_model.real_images import REAL, real_claims
from small_model.reports import Report, altered, framed_name, normal_report, training_report

MEAN, STD = 0.4, 0.28
"""Of the grey values, the same for all three channels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One batch. The first half of the texts belongs to the images, the second holds one near miss for each.

    `coverage` is how much of each patch the mask covers; `outlined` is False for images whose mask is not known.
    """

    pixels: Float[Tensor, "images 3 side side"]
    coverage: Float[Tensor, "images patches"]
    outlined: Bool[Tensor, " images"]
    ids: Int64[Tensor, "texts length"]
    mask: Bool[Tensor, "texts length"]
    image_bits: Int64[Tensor, "images attributes"]
    text_bits: Int64[Tensor, "texts attributes"]


def batches(
    corpus: Corpus, tokenizer: Tokenizer, *, size: int, grid: int, text_length: int, seed: int, one_domain: float = 0.7
) -> Iterator[Batch]:
    """Endless batches; a share of `one_domain` of them holds images of one domain only, where telling apart is hard."""
    rng = np.random.default_rng((seed, 2))
    everything = np.arange(len(corpus.rows))
    domains = np.array([DOMAINS.index(row.domain) for row in corpus.rows])
    pools = [_endless(everything, rng)] + [_endless(everything[domains == i], rng) for i in range(len(DOMAINS))]
    bits = image_bits(corpus.rows)
    while True:
        pool = pools[1 + int(rng.integers(len(DOMAINS))) if rng.random() < one_domain else 0]
        chosen = np.array([next(pool) for _ in range(size)])
        rows = [corpus.rows[i] for i in chosen]
        reports = [report_of(row, rng) for row in rows] + [_near_miss(row, rows, rng) for row in rows]
        ids, _ = encode_texts(tokenizer, [report.text for report in reports], text_length, multiple=8)
        pixels, coverage = _augment(corpus, chosen, rng, grid)
        outlined = torch.tensor([not row.real or bool(c.any()) for row, c in zip(rows, coverage, strict=True)])
        yield Batch(
            pixels=pixels, coverage=coverage, outlined=outlined, ids=ids, mask=ids != PAD,
            image_bits=torch.from_numpy(bits[chosen]),
            text_bits=torch.from_numpy(text_bits([report.claims for report in reports])),
        )  # fmt: skip


def report_of(row: Row, rng: np.random.Generator) -> Report:
    """A fresh report of this plane."""
    if not row.real:
        return training_report(row.finding, row.attributes, rng, row.domain, known=row.known)
    kind = REAL[row.real]
    if not kind.names:
        return normal_report(rng, row.domain)
    text = framed_name(str(rng.choice(kind.names)), kind.modalities, rng)
    return Report(text=text, claims=real_claims(row.real))


def normalise(grey: Float[Tensor, "images side side"]) -> Float[Tensor, "images 3 side side"]:
    """Grey values in [0, 1] as the encoder takes them."""
    return ((grey - MEAN) / STD)[:, None].expand(-1, 3, -1, -1)


def _near_miss(row: Row, others: Sequence[Row], rng: np.random.Generator) -> Report:
    """The row's description with something wrong in it; for images without attributes a report of another row."""
    if row.attributes is not None:
        made = altered(row.attributes, rng, row.domain, known=row.known)
        if made is not None:
            return made
    return report_of(others[int(rng.integers(len(others)))], rng)


def _endless(indices: Int64[np.ndarray, " planes"], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(indices).tolist()


def _augment(
    corpus: Corpus, chosen: Int64[np.ndarray, " images"], rng: np.random.Generator, grid: int
) -> tuple[Float[Tensor, "images 3 side side"], Float[Tensor, "images patches"]]:
    """Shifted by up to 5 %, scaled by up to 8 %, other gamma, contrast and noise; never mirrored, as sides have names."""
    count = len(chosen)
    grey = torch.from_numpy(corpus.images[chosen].astype(np.float32)) / 255
    masks = torch.from_numpy(corpus.masks(chosen.tolist()).astype(np.float32))
    matrix = np.zeros((count, 2, 3), np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = rng.uniform(0.93, 1.08, count)
    matrix[:, :, 2] = rng.uniform(-0.1, 0.1, (count, 2))
    flow = F.affine_grid(torch.from_numpy(matrix), [count, 2, *grey.shape[1:]], align_corners=False)
    moved = F.grid_sample(torch.stack([grey, masks], 1), flow, align_corners=False)
    grey, masks = moved[:, 0], moved[:, 1]

    def each(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1)).astype(np.float32))

    grey = grey.clamp(0, 1) ** each(0.75, 1.35) * each(0.85, 1.15) + each(-0.05, 0.05)
    noise = torch.from_numpy(rng.standard_normal(grey.shape, dtype=np.float32))
    grey = (grey + noise * each(0.0, 0.03)).clamp(0, 1)
    patch = grey.shape[-1] // grid
    return normalise(grey), F.avg_pool2d(masks[:, None], patch).flatten(1)

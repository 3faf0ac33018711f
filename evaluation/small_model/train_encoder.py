"""The encoder's training loop, and the export of its weights as the package's files."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from medkt.models.encoder import EncoderSpec
from medkt.models.small.dual_encoder import PAD, SmallEncoder, encode_texts
from medkt.models.small.towers import Towers, TowerSettings
from medkt.phantom.finding import DOMAINS
from small_model.batches import MEAN, STD, Batch, batches, report_of
from small_model.claims import text_bits
from small_model.corpus import Corpus
from small_model.encoder_losses import Auxiliary, attributes_loss, losses, run_towers, seen_in, total
from small_model.replace_files import write_together

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTraining:
    """How the encoder is trained."""

    steps: int = 2290
    minutes: float = math.inf
    """The learning rate falls with whichever of steps and minutes is farther on; training ends with the first."""
    text_steps: int = 150
    """Steps before, in which the text tower alone learns to tell attributes: a blind image tower would teach it to
    call all texts alike."""
    batch: int = 128
    learning_rate: float = 1.2e-3
    warm_up: int = 60
    weight_decay: float = 0.05
    kept_patches: int = 144
    """Patches an image keeps in training ..."""
    whole_share: float = 0.2
    """... except in this last share of it, when it keeps all."""
    seed: int = 0
    half: bool = True
    """Matrix products in bfloat16."""
    report_every: int = 25


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where training stands; given to the callback."""

    step: int
    done: float
    seconds: float
    towers: Towers
    parts: dict[str, float]


def train_encoder(
    corpus: Corpus, tokenizer: Tokenizer, settings: EncoderTraining, *,
    towers: TowerSettings | None = None, on_report: Callable[[Progress], None] | None = None,
) -> tuple[Towers, list[dict[str, float]]]:  # fmt: skip
    """Towers trained from nothing, and the loss parts over time. The same seed and steps give the same towers."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    made = Towers(towers or TowerSettings(vocabulary=tokenizer.get_vocab_size()))
    auxiliary = Auxiliary(made.settings.embedding)
    optimiser = torch.optim.AdamW(_groups(made, auxiliary, settings.weight_decay), lr=0.0, betas=(0.9, 0.98))
    size = made.settings
    stream = batches(
        corpus, tokenizer, size=settings.batch, grid=size.grid, text_length=size.text_length, seed=settings.seed
    )
    _learn_words(made, auxiliary, corpus, tokenizer, settings)
    workers, prefetch = (
        _Halves(half=settings.half),
        ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)),
    )
    coming = prefetch.submit(next, stream)
    started, history, sums = time.monotonic(), list[dict[str, float]](), dict[str, float]()
    for step in range(settings.steps):
        seconds = time.monotonic() - started
        done = max(step / settings.steps, seconds / 60 / settings.minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, done)
        batch, coming = coming.result(), prefetch.submit(next, stream)
        keep = size.grid**2 if done > 1 - settings.whole_share else settings.kept_patches
        optimiser.zero_grad(set_to_none=True)
        parts = workers.backward(made, auxiliary, batch, keep, generator)
        torch.nn.utils.clip_grad_norm_([*made.parameters(), *auxiliary.parameters()], 1.0)
        optimiser.step()
        made.log_scale.data.clamp_(max=math.log(50.0))
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach()) / settings.report_every
        if (step + 1) % settings.report_every == 0:
            history.append({"step": float(step + 1), "seconds": time.monotonic() - started, **sums})
            log.info("%s", json.dumps({k: round(v, 4) for k, v in history[-1].items()}, allow_nan=False))
            if on_report is not None:
                on_report(
                    Progress(step=step + 1, done=done, seconds=history[-1]["seconds"], towers=made, parts=dict(sums))
                )
            sums = {}
    prefetch.shutdown()
    return made.eval(), history


def _learn_words(
    towers: Towers, auxiliary: Auxiliary, corpus: Corpus, tokenizer: Tokenizer, settings: EncoderTraining
) -> None:
    """The text tower alone, on the attributes that reports claim."""
    rng = np.random.default_rng((settings.seed, 4))
    optimiser = torch.optim.AdamW([*towers.text.parameters(), *auxiliary.parameters()], lr=1e-3, betas=(0.9, 0.98))
    for _ in range(settings.text_steps):
        reports = [report_of(corpus.rows[i], rng) for i in rng.integers(0, len(corpus.rows), 2 * settings.batch)]
        ids, _ = encode_texts(tokenizer, [r.text for r in reports], towers.settings.text_length, multiple=8)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.half):
            text = towers.text(ids, ids != PAD).float()
        bits = torch.from_numpy(text_bits([r.claims for r in reports]))
        loss = attributes_loss(auxiliary, F.normalize(text, dim=-1), bits)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
    log.info("words: %.4f", float(loss.detach()) if settings.text_steps else float("nan"))


class _Halves:
    """Runs the two halves of a batch on a thread each, one core a thread.

    A core that other work takes away for a moment then delays one half once, not each of a thousand operations. The
    loss is that of the whole batch: it is taken on the halves' answers together, and its gradient handed back to
    them. Two addends commute, so the sum of the two gradients does not depend on which half is first.
    """

    def __init__(self, *, half: bool) -> None:
        self._pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,))
        self._half = half

    def backward(
        self, towers: Towers, auxiliary: Auxiliary, batch: Batch, keep: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Gradients into the parameters; returns the parts of the loss."""
        order = None
        if keep < batch.coverage.shape[1]:
            order = torch.rand(batch.coverage.shape, generator=generator).argsort(1)[:, :keep]
        inputs = (batch.pixels, batch.coverage, batch.ids, batch.mask, order)
        halves = list(zip(*((None, None) if x is None else x.tensor_split(2) for x in inputs), strict=True))
        raw = list(self._pool.map(lambda part: self._forward(towers, part), halves))
        leaves = [torch.cat([r.detach() for r in answers]).requires_grad_() for answers in zip(*raw, strict=True)]
        parts = losses(towers, auxiliary, batch, seen_in(*leaves))
        torch.autograd.backward(total(parts))
        gradients = [
            (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad).tensor_split(2) for leaf in leaves[:3]
        ]
        jobs = [(answers[:3], [gradient[i] for gradient in gradients]) for i, answers in enumerate(raw)]
        list(self._pool.map(lambda job: torch.autograd.backward(*job), jobs))
        return parts

    def _forward(self, towers: Towers, part: tuple[Any, ...]) -> tuple[Tensor, ...]:
        # Casts are not cached, as the cache is shared between threads.
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half, cache_enabled=False):
            return run_towers(towers, *part)


def learning_rate(settings: EncoderTraining, step: int, done: float) -> float:
    """A linear warm-up, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / settings.warm_up)
    return settings.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def encoder_spec(towers: TowerSettings) -> EncoderSpec:
    """What the package says of the small model."""
    return EncoderSpec(
        name="small", family="small", input_size=towers.input_size, mean=(MEAN,) * 3, std=(STD,) * 3,
        framing="letterbox", text_length=towers.text_length, layers=towers.layers, default_layer=towers.layers - 2,
        licence="Apache-2.0", domains=DOMAINS,
    )  # fmt: skip


def as_encoder(towers: Towers, tokenizer: Tokenizer) -> SmallEncoder:
    """The towers behind the protocol, for evaluation during training."""
    return SmallEncoder(towers, tokenizer, encoder_spec(towers.settings))


def export_encoder(towers: Towers, tokenizer: Tokenizer, folder: Path) -> None:
    """Write encoder.safetensors (float16), tokenizer.json and encoder.json, which names their digests."""
    state: dict[str, Tensor] = {k: v.detach().half().contiguous() for k, v in towers.state_dict().items()}
    weights, words = save(state), tokenizer.to_str(pretty=False).encode()
    spec = asdict(encoder_spec(towers.settings))
    del spec["digest"]
    record = {
        "sha256": hashlib.sha256(weights).hexdigest(), "tokenizer_sha256": hashlib.sha256(words).hexdigest(),
        "towers": asdict(towers.settings), "spec": spec,
    }  # fmt: skip
    described = (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()
    write_together(folder, {"encoder.safetensors": weights, "tokenizer.json": words, "encoder.json": described})


def _groups(towers: Towers, auxiliary: Auxiliary, decay: float) -> list[dict[str, object]]:
    """Only matrices decay, and no embedding table."""
    named = list(towers.named_parameters())
    heavy = [p for n, p in named if p.ndim > 1 and "position" not in n and "word" not in n]
    light = [p for n, p in named if not (p.ndim > 1 and "position" not in n and "word" not in n)]
    return [
        {"params": heavy, "weight_decay": decay},
        {"params": [*light, *auxiliary.parameters()], "weight_decay": 0.0},
    ]

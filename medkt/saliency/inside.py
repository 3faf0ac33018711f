"""What goes on inside an encoder while it runs, seen by standing in for a function of torch: nothing of the encoder is touched.

Only calls of the thread that looks are seen, and the function is put back on leaving, also after a failure.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError


@contextmanager
def normed_kept(like: Tensor) -> Iterator[list[Tensor]]:
    """Within this block what layer norms give is kept, in order, where it has the shape of `like`."""
    kept: list[Tensor] = []
    plain = functional.layer_norm

    def seen(*given: Any, **named: Any) -> Tensor:
        normed = plain(*given, **named)
        if normed.shape == like.shape:
            kept.append(normed)
        return normed

    with _in_place_of("layer_norm", seen):
        yield kept


@contextmanager
def attention_kept() -> Iterator[list[Tensor]]:
    """Within this block torch's attention is written out, in this thread, and its weights are kept in the order of the calls.

    They are part of the graph, so that a gradient can be taken at them. Everything that calls
    `torch.nn.functional.scaled_dot_product_attention` is seen: torch's own multi-head attention, timm's, and ours.
    """
    kept: list[Tensor] = []

    def written_out(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *others: Any, **named: Any
    ) -> Tensor:
        odd = [*others, *(value for name, value in named.items() if name != "scale")]
        if any(odd):  # dropout, a causal mask, grouped queries: none of them occurs in an image tower at rest
            raise SettingsError(f"attention with {odd} cannot be written out; choose another saliency.method.name")
        scale = named.get("scale") or query.shape[-1] ** -0.5
        logits = query @ key.transpose(-1, -2) * scale
        if attn_mask is not None:
            logits = logits.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else logits + attn_mask
        kept.append(torch.softmax(logits, dim=-1))
        return kept[-1] @ value

    with _in_place_of("scaled_dot_product_attention", written_out):
        yield kept


@contextmanager
def _in_place_of(name: str, other: Callable[..., Tensor]) -> Iterator[None]:
    plain, thread = getattr(functional, name), get_ident()

    def asked(*given: Any, **named: Any) -> Tensor:
        chosen: Callable[..., Tensor] = other if get_ident() == thread else plain
        return chosen(*given, **named)

    setattr(functional, name, asked)
    try:
        yield
    finally:
        setattr(functional, name, plain)

"""Counts what a pass through a network costs, whatever its kind, by looking at each operation that torch carries out.

On torch's device "meta" nothing is computed and no weights are needed: each operation is carried out on shapes alone.
The same counts come from a network with its weights.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from medkt.estimates.passes import EncoderPasses, Pass, SegmenterPasses
from medkt.models.encoder import DualEncoder, Tokens
from medkt.models.sam_parts import Sam
from medkt.saliency.relevance import PatchEncoder


def count_encoder(encoder: DualEncoder, *, texts_on: torch.device | None = None) -> EncoderPasses:
    """The passes through an encoder that asks for no gradient; its text tower may be on a device of its own."""
    own = [*encoder.module.parameters(), *encoder.module.buffers()]
    side, layers = encoder.spec.input_size, range(encoder.spec.layers)
    pixels = torch.zeros(1, 3, side, side, device=own[0].device)
    with torch.no_grad():
        hidden = [encoder.image_prefix(pixels, layer) for layer in layers]
    texts = _texts(encoder, texts_on or own[0].device)
    return EncoderPasses(
        image=counted(lambda: encoder.encode_image(pixels), own),
        image_and_back=counted_back(encoder.encode_image, pixels, own),
        patches=counted(lambda: encoder.dense(pixels), own) if isinstance(encoder, PatchEncoder) else None,
        token=counted(lambda: encoder.encode_text(texts), own).times(1 / texts.ids.shape[1]),
        before=tuple(counted(partial(encoder.image_prefix, pixels, k), own) for k in layers),
        after=tuple(counted(partial(encoder.image_suffix, hidden[k], k), own) for k in layers),
        after_and_back=tuple(
            counted_back(partial(encoder.image_suffix, layer=k), hidden[k], own) for k in layers
        ),
        states=tuple((one.shape[1], one.shape[2]) for one in hidden), weights=_bytes(own),
    )  # fmt: skip


def count_segmenter(sam: Sam) -> SegmenterPasses:
    """The passes through a SAM that asks for no gradient."""
    own = [*sam.parameters(), *sam.buffers()]
    side, device = sam.image_encoder.img_size, own[0].device
    plane, box = torch.zeros(1, 3, side, side, device=device), torch.zeros(1, 4, device=device)
    with torch.no_grad():
        features = sam.image_encoder(plane)

    def decode() -> None:
        sparse, dense = sam.prompt_encoder(points=None, boxes=box, masks=None)
        sam.mask_decoder(
            image_embeddings=features, image_pe=sam.prompt_encoder.get_dense_pe(), sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense, multimask_output=False,
        )  # fmt: skip

    block = sam.image_encoder.blocks[0]
    return SegmenterPasses(
        embed=counted(lambda: sam.image_encoder(plane), own), decode=counted(decode, own), weights=_bytes(own),
        state=(block.window_size**2, block.attn.qkv.in_features),
    )  # fmt: skip


def counted(call: Callable[[], object], own: Iterable[Tensor] = ()) -> Pass:
    """What a call costs without gradients; `own` are tensors that are there anyway."""
    with torch.no_grad(), _Counter(own) as counter:
        call()
    return Pass(flops=counter.flops, bytes=counter.most)


def counted_back(call: Callable[[Tensor], Tensor], start: Tensor, own: Iterable[Tensor] = ()) -> Pass:
    """What a call and the gradient of its sum at `start` cost."""
    start = start.detach().requires_grad_(True)
    with torch.enable_grad(), _Counter(own) as counter:
        torch.autograd.grad(call(start).sum(), start)
    return Pass(flops=counter.flops, bytes=counter.most)


def _texts(encoder: DualEncoder, device: torch.device) -> Tokens:
    """One text of ordinary length, all of whose tokens count."""
    length = encoder.tokenize(["a chest x-ray showing a small round opacity in the left lung"]).ids.shape[1]
    ids = torch.ones((1, length), dtype=torch.int64, device=device)
    return Tokens(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool), truncated=(False,))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def _of_fused_attention(operation: Any, args: Sequence[Any]) -> float:
    """Of the processor's own attention, which the registry lacks: as many as the matrix products that it stands for."""
    forward = operation is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    if not forward and operation is not torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward:
        return 0.0
    query, key = (args[0], args[1]) if forward else (args[1], args[2])
    batch, heads, rows, channels = query.shape
    return float((4 if forward else 8) * batch * heads * rows * key.shape[-2] * channels)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, and the bytes that are held at a time."""

    def __init__(self, own: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops, self.held, self.most = 0.0, 0, 0
        self._own = {one.untyped_storage()._cdata for one in own}
        self._seen: dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **kwargs, out_val=out)
        self.flops += _of_fused_attention(func._overloadpacket, args)
        for one in tree_leaves(out):
            if isinstance(one, Tensor):
                self._hold(one.untyped_storage())
        return out

    def _hold(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._own or key in self._seen:
            return
        self._seen[key] = weakref.ref(storage, lambda _: self._let_go(key, size))
        self.held += size
        self.most = max(self.most, self.held)

    def _let_go(self, key: int, size: int) -> None:
        self._seen.pop(key, None)
        self.held -= size

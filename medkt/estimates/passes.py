"""What one pass through each known network costs, from the table `configs/passes.json`.

A pass is what the protocols of encoders and segmenters call one: an image to its feature, a state after a layer to the
feature and the gradient back, a plane to its embedding. `evaluation/passes_table.py` counted them on the architectures
(`evaluation/passes_count.py`), so that here neither weights nor torch are needed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from medkt.resources import data_file

TABLE = "configs/passes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One row (an image, a state, a text's token) through a network or a part of it.

    Attributes:
        flops: floating-point operations of matrix products and convolutions; a multiplication with its addition are two.
        bytes: that intermediate results hold at most, in float32, the network's own weights aside.
    """

    flops: float | int = 0
    bytes: float | int = 0

    def times(self, rows: float | int) -> "Pass":
        """Of so many rows at once."""
        return Pass(flops=self.flops * rows, bytes=self.bytes * rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPasses:
    """The passes that medkt takes through an encoder.

    Attributes:
        image: an image to its feature.
        image_and_back: the same, and the gradient at its pixels.
        patches: an image to the features of its patches; None where the encoder has none.
        token: one token of a text.
        before: by layer, an image to the state after the layer.
        after: by layer, from that state to the feature.
        after_and_back: by layer, the same, and the gradient at the state.
        states: by layer, (tokens, channels) of the state.
        weights: bytes of all parameters.
    """

    image: Pass
    image_and_back: Pass
    patches: Pass | None
    token: Pass
    before: tuple[Pass, ...]
    after: tuple[Pass, ...]
    after_and_back: tuple[Pass, ...]
    states: tuple[tuple[int, int], ...]
    weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterPasses:
    """The passes through a promptable segmenter.

    Attributes:
        embed: a plane, looked at once.
        decode: one region's box, from there to a mask on the network's own grid.
        state: (tokens, channels) of a window of its image tower.
        weights: bytes of all parameters.
    """

    embed: Pass
    decode: Pass
    state: tuple[int, int]
    weights: int


def encoder_passes(name: str) -> EncoderPasses | None:
    """Those of the encoder of this name; None for one that medkt does not know."""
    entry = _table()["encoders"].get(name)
    if entry is None:
        return None
    of_layers = {key: tuple(map(_pass, entry[key])) for key in ("before", "after", "after_and_back")}
    return EncoderPasses(
        image=_pass(entry["image"]), image_and_back=_pass(entry["image_and_back"]), token=_pass(entry["token"]),
        patches=None if entry["patches"] is None else _pass(entry["patches"]),
        states=tuple((tokens, width) for tokens, width in entry["states"]), weights=entry["weights"], **of_layers,
    )  # fmt: skip


def segmenter_passes(name: str) -> SegmenterPasses | None:
    """Those of the segmenter of this name; None for one that medkt does not know."""
    entry = _table()["segmenters"].get(name)
    if entry is None:
        return None
    tokens, width = entry["state"]
    return SegmenterPasses(
        embed=_pass(entry["embed"]), decode=_pass(entry["decode"]), state=(tokens, width), weights=entry["weights"]
    )


def _pass(pair: list[int]) -> Pass:
    flops, held = pair
    return Pass(flops=flops, bytes=held)


@cache
def _table() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(data_file(TABLE).read_text(encoding="utf-8"))
    return content

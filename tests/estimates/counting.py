"""An encoder and a segmenter that write down every row that goes through them: what the estimates are held against."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from medkt.models.encoder import DualEncoder, Tokens


class CountedEncoder:
    """Any encoder; `rows` counts what went through it by the name of the pass."""

    def __init__(self, inner: DualEncoder) -> None:
        self._inner: Any = inner
        self.rows: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_inner"], name)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        tokens: Tokens = self._inner.tokenize(texts)
        return tokens

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.rows["image"] += len(pixels)
        made: Tensor = self._inner.encode_image(pixels)
        return made

    def encode_text(self, tokens: Tokens) -> Tensor:
        self.rows["texts"] += len(tokens.ids)
        self.rows["tokens"] += tokens.ids.numel()
        made: Tensor = self._inner.encode_text(tokens)
        return made

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        self.rows["before"] += len(pixels)
        made: Tensor = self._inner.image_prefix(pixels, layer)
        return made

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        self.rows["after"] += len(hidden)
        self.rows["at_once"] = max(self.rows["at_once"], len(hidden))
        made: Tensor = self._inner.image_suffix(hidden, layer)
        return made


class CountedPatches(CountedEncoder):
    """An encoder that has features of patches."""

    def dense(self, pixels: Tensor) -> Tensor:
        self.rows["patches"] += len(pixels)
        made: Tensor = self._inner.dense(pixels)
        return made

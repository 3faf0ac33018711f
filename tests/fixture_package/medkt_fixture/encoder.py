"""An encoder of one's own: two towers behind `DualEncoder`, the record of its model and that of its family.

Its towers are those of the small model that ships with medkt, under names of its own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens
from medkt.models.family import EncoderFamily, Parts
from medkt.models.records import Licence, ModelRecord
from medkt.models.small import SmallEncoder, load_small

RECORD = ModelRecord(
    name="fixture-encoder",
    kind="encoder",
    family="fixture",
    title="an encoder that a package adds",
    licence=Licence(title="Apache-2.0", summary="Use, change and pass on.", text="https://www.apache.org/licenses/LICENSE-2.0"),
    citation="medkt-fixture",
    segmenter="fixture-segmenter",
)  # fmt: skip


class FixtureEncoder:
    """A `DualEncoder` that inherits nothing."""

    def __init__(self, towers: SmallEncoder) -> None:
        own = towers.spec
        self._towers = towers
        self.module: nn.Module = nn.ModuleDict({"seeing": towers.module})
        self.spec = EncoderSpec(
            name=RECORD.name, family=RECORD.family, input_size=own.input_size, mean=own.mean, std=own.std,
            framing=own.framing, text_length=own.text_length, layers=own.layers, default_layer=own.default_layer,
            licence=RECORD.licence.title, digest=own.digest, segmenter=RECORD.segmenter,
        )  # fmt: skip

    @property
    def logit_scale(self) -> float:
        return self._towers.logit_scale

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        return self._towers.tokenize(texts)

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        return self._towers.score(pixels, tokens)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self._towers.encode_image(pixels)

    def encode_text(self, tokens: Tokens) -> Tensor:
        return self._towers.encode_text(tokens)

    def grid(self, layer: int) -> TokenGrid:
        return self._towers.grid(layer)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        return self._towers.image_prefix(pixels, layer)

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        return self._towers.image_suffix(hidden, layer)


def load(device: str | torch.device = "cpu") -> FixtureEncoder:
    """Weights that ship with the package need no file: the device is all that is given."""
    return FixtureEncoder(load_small(device))


FAMILY = EncoderFamily(
    load=load,
    parts=Parts(
        visual=r"seeing\.image\..*",
        tower=r"seeing\.image\..*",
        block=r"seeing\.image\.blocks\.(\d+)\..*",
        after=r"seeing\.image\.head\..*",
        projection=r"seeing\.image\.head\.project\..*",
        lora=r"seeing\.image\.blocks\.\d+\.(attention\.(qkv|out)|mlp\.[02])",
    ),
    models=(RECORD,),
)

"""The embedded small model as a `DualEncoder`, and how its package files are read.

Example:
    >>> encoder = load_small()
    >>> encoder.grid(encoder.spec.default_layer).rows
    16
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from medkt.bounds import parse_json
from medkt.errors import UnknownNameError, WeightsError
from medkt.models.encoder import EncoderSpec, TokenGrid, Tokens
from medkt.models.family import EncoderFamily, Parts
from medkt.models.records import record_of
from medkt.models.small.towers import Towers, TowerSettings
from medkt.models.text_layers import TextPieces, TextState, pieces_of, require_text_layer

WEIGHTS = Path(__file__).resolve().parent / "weights"
"""The folder of the shipped files."""
PHRASE_LEVEL = 0.438
"""Cosine of `encode_image_for` above which a phrase fits: where drawn lesions that are there and that are not part best
(`python evaluation/small_model/words.py level`)."""
PAD, BEGIN, END = 0, 1, 2
"""Ids of the special tokens."""


class SmallEncoder:
    """Two small towers behind the `DualEncoder` protocol."""

    def __init__(self, towers: Towers, tokenizer: Tokenizer, spec: EncoderSpec) -> None:
        self._towers = towers
        self._tokenizer = tokenizer
        self._spec = spec

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    @property
    def module(self) -> nn.Module:
        return self._towers

    @property
    def logit_scale(self) -> float:
        return float(self._towers.log_scale.detach().exp())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Ids on the model's device, padded to the longest of these texts."""
        device = self._towers.log_scale.device
        ids, truncated = encode_texts(self._tokenizer, texts, self._spec.text_length)
        return Tokens(ids=ids.to(device), mask=(ids != PAD).to(device), truncated=truncated)

    def score(self, pixels: Tensor, tokens: Tokens) -> Tensor:
        """(images, texts) cosine similarity."""
        image, text = self.encode_image(pixels), self.encode_text(tokens)
        return F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T

    def encode_image(self, pixels: Tensor) -> Tensor:
        last = self._spec.layers - 1
        return self.image_suffix(self.image_prefix(pixels, last), last)

    def encode_text(self, tokens: Tokens) -> Tensor:
        made: Tensor = self._towers.text(tokens.ids, tokens.mask)
        return made

    @property
    def text_layers(self) -> int:
        return len(self._towers.text.blocks)

    @property
    def default_text_layer(self) -> int:
        """The first of two: behind the last, a text is a mean of tokens that no longer look at each other."""
        return 0

    def pieces(self, text: str) -> TextPieces:
        """The byte pairs of one text between the begin and the end token."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(self._spec.text_length - 2)
        return pieces_of(encoding, text, special=[str(self._tokenizer.id_to_token(one)) for one in (BEGIN, END)])

    def text_prefix(self, ids: Tensor, layer: int) -> TextState:
        """(1, tokens) ids without padding to what stands after block `layer` of the text tower."""
        require_text_layer(layer, self.text_layers, self._spec.name)
        hidden = self._towers.text.embed(ids)
        for block in list(self._towers.text.blocks)[: layer + 1]:
            hidden = block(hidden)
        return TextState(hidden=hidden)

    def text_suffix(self, hidden: Tensor, state: TextState, layer: int) -> Tensor:
        """From that hidden state to (rows, width) projected features."""
        for block in list(self._towers.text.blocks)[layer + 1 :]:
            hidden = block(hidden)
        made: Tensor = self._towers.text.pooled(
            hidden, torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
        )
        return made

    def grid(self, layer: int) -> TokenGrid:
        self._require_layer(layer)
        side = self._towers.settings.grid
        return TokenGrid(rows=side, columns=side)

    def image_prefix(self, pixels: Tensor, layer: int) -> Tensor:
        self._require_layer(layer)
        x = self._towers.image.tokens(pixels)
        for block in list(self._towers.image.blocks)[: layer + 1]:
            x = block(x)
        return x

    def image_suffix(self, hidden: Tensor, layer: int) -> Tensor:
        self._require_layer(layer)
        for block in list(self._towers.image.blocks)[layer + 1 :]:
            hidden = block(hidden)
        head = self._towers.image.head
        return head.embed(head.parts(hidden)[0])

    def dense(self, pixels: Float[Tensor, "images 3 side side"]) -> Float[Tensor, "images rows columns embedding"]:
        """Each patch in the joint space, not normalised: its cosine with a text says whether the text fits there."""
        hidden = self.image_prefix(pixels, self._spec.layers - 1)
        head = self._towers.image.head
        side = self._towers.settings.grid
        made = head.embed(head.parts(hidden)[1])
        return made.reshape(len(made), side, side, -1)

    @property
    def phrase_level(self) -> float:
        return PHRASE_LEVEL

    def encode_image_for(
        self, pixels: Float[Tensor, "images 3 side side"], texts: Float[Tensor, "texts embedding"], sharpness: float
    ) -> Float[Tensor, "images texts embedding"]:
        """The image feature as `encode_image` pools it, where each patch weighs exp(sharpness * cosine with the text) more."""
        head = self._towers.image.head
        tokens = self.image_prefix(pixels, self._spec.layers - 1)
        fit = F.normalize(head.embed(head.parts(tokens)[1]), dim=-1) @ F.normalize(texts, dim=-1).T
        return head.embed(head.pooled_anew(tokens, sharpness * fit.transpose(1, 2)))

    def _require_layer(self, layer: int) -> None:
        if not 0 <= layer < self._spec.layers:
            raise UnknownNameError(f"the small model has image layers 0 to {self._spec.layers - 1}, got {layer}")


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], length: int, *, multiple: int = 1
) -> tuple[Tensor, tuple[bool, ...]]:
    """Texts as (texts, longest) ids with a begin and an end token, and which of them lost their end.

    The longest is rounded up to a `multiple`: few different widths keep compiled kernels in use.
    """
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    room = length - 2
    longest = max((min(len(row), room) for row in rows), default=0) + 2
    longest = min(length, -(-longest // multiple) * multiple)
    ids = torch.full((len(rows), longest), PAD, dtype=torch.int64)
    for row, words in zip(ids, rows, strict=True):
        kept = [BEGIN, *words[:room], END]
        row[: len(kept)] = torch.tensor(kept)
    return ids, tuple(len(row) > room for row in rows)


def load_small(device: str | torch.device = "cpu", *, folder: Path = WEIGHTS) -> SmallEncoder:
    """The shipped small model, in float32 and in evaluation mode.

    Raises:
        WeightsError: a file is missing or damaged, or the weights are not those that the specification names.
    """
    record = read_record(folder / "encoder.json")
    settings, spec = TowerSettings(**record["towers"]), dict(record["spec"])
    for key in ("mean", "std", "domains"):
        spec[key] = tuple(spec[key])
    towers = Towers(settings)
    state = read_weights(folder / "encoder.safetensors", sha256=record["sha256"])
    load_exactly(towers, state, folder / "encoder.safetensors")
    tokenizer = read_tokenizer(folder / "tokenizer.json", sha256=record["tokenizer_sha256"])
    known = record_of("small", "encoder")
    spec |= {"digest": record["sha256"], "segmenter": known.segmenter, "drawn": known.drawn}
    return SmallEncoder(towers.eval().to(device), tokenizer, EncoderSpec(**spec))


def read_record(path: Path) -> dict[str, Any]:
    """The specification beside the weights.

    Raises:
        WeightsError: it is missing or no JSON.
    """
    try:
        record: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path}: {error}; reinstall medkt") from error
    return record


def read_weights(path: Path, *, sha256: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file, as float32.

    Raises:
        WeightsError: the file is missing, or its SHA-256 is another.
    """
    return {key: value.float() for key, value in load(_read_bytes(path, sha256)).items()}


def read_tokenizer(path: Path, *, sha256: str) -> Tokenizer:
    """The tokenizer of that file.

    Raises:
        WeightsError: the file is missing, or its SHA-256 is another.
    """
    return Tokenizer.from_str(_read_bytes(path, sha256).decode("utf-8"))


def load_exactly(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Put every tensor into the module.

    Raises:
        WeightsError: a key is missing, unexpected or of another shape.
    """
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        raise WeightsError(f"{path.name} does not fit the small model: missing {missing}, unexpected {extra}")
    wrong = [key for key in own if own[key].shape != state[key].shape]
    if wrong:
        raise WeightsError(f"{path.name} holds tensors of another shape: {wrong}")
    module.load_state_dict(state)


def _read_bytes(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error}; reinstall medkt") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(f"{path} has SHA-256 {found}, expected {sha256}: it was changed; reinstall medkt")
    return content


FAMILY = EncoderFamily(
    load=load_small,
    parts=Parts(
        visual=r"image\..*",
        tower=r"image\..*",
        block=r"image\.blocks\.(\d+)\..*",
        after=r"image\.head\..*",
        projection=r"image\.head\.project\..*",
        lora=r"image\.blocks\.\d+\.(attention\.(qkv|out)|mlp\.[02])",
    ),
    beside=WEIGHTS,
)
"""What is known of the small model, which ships with medkt: no file of it is recognised."""

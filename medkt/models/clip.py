"""CLIP with a ViT: OpenAI's weights and those trained with OpenCLIP, on OpenCLIP's own towers.

Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medkt.errors import AmbiguousInputError, WeightsError
from medkt.models.dual import TwoTowers, spec_of
from medkt.models.encoder import EncoderSpec, Tokens
from medkt.models.family import EncoderFamily, Naming, Parts, Shapes, names
from medkt.models.hugging_face import (
    LAYOUT,
    NAMES,
    clip_layout,
    constants,
    is_hugging_face,
    require_activation,
    stated_activation,
)
from medkt.models.records import ModelRecord
from medkt.models.text_layers import TextPieces, TextState, require_text_layer
from medkt.models.weights import checked_digest, load_state, read_state

if TYPE_CHECKING:  # an extra, imported where it is used: the record below is read without it
    import open_clip.model
    import open_clip.tokenizer

# A file that was saved with the text tower as a module of its own (open_clip's CustomTextCLIP).
_TEXT_PARTS = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSize:
    """The numbers that tell one ViT CLIP from another.

    Attributes:
        embedding: width of the common space.
        patch: side of an image patch, in pixels.
        width: of the image tower; its heads are 64 wide.
        layers: of the image tower.
        text_width: of the text tower.
        text_heads: of the text tower.
        text_layers: of the text tower.
        quick_gelu: OpenAI's x * sigmoid(1.702 x) in place of GELU. The file does not tell.
        vocabulary: token ids.
        head_width: of the image tower.
    """

    embedding: int = 512
    patch: int = 32
    width: int = 768
    layers: int = 12
    text_width: int = 512
    text_heads: int = 8
    text_layers: int = 12
    quick_gelu: bool = False
    vocabulary: int = 49408
    head_width: int = 64


SIZES: dict[str, ClipSize] = {
    "ViT-B-32-quickgelu": ClipSize(quick_gelu=True),
    "ViT-B-16-quickgelu": ClipSize(patch=16, quick_gelu=True),
    "ViT-L-14-quickgelu": ClipSize(
        embedding=768, patch=14, width=1024, layers=24, text_width=768, text_heads=12, quick_gelu=True
    ),
    "ViT-B-32": ClipSize(),
    "ViT-B-16": ClipSize(patch=16),
    "ViT-L-14": ClipSize(embedding=768, patch=14, width=1024, layers=24, text_width=768, text_heads=12),
}


class ClipEncoder(TwoTowers):
    """A ViT CLIP as a `DualEncoder`; an image bottleneck may stand after any block of the ViT."""

    def __init__(self, module: "open_clip.model.CLIP", spec: EncoderSpec, grid_sides: tuple[int, ...]) -> None:
        super().__init__(module, spec, grid_sides)
        self._clip = module

    @property
    def _leading(self) -> int:
        return 1

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts to ids at the model's full length; what follows the end token is padding."""
        tokenizer, length = _tokenizer(), self.spec.text_length
        rows = [[tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id] for text in texts]
        ids = torch.zeros((len(rows), length), dtype=torch.int64)
        mask = torch.zeros((len(rows), length), dtype=torch.bool)
        for index, row in enumerate(rows):
            kept = row if len(row) <= length else [*row[: length - 1], tokenizer.eot_token_id]
            ids[index, : len(kept)] = torch.tensor(kept)
            mask[index, : len(kept)] = True
        cut = tuple(len(row) > length for row in rows)
        return Tokens(ids=ids.to(self.device), mask=mask.to(self.device), truncated=cut)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, width) projected features, not normalised."""
        self._check_pixels(pixels)
        features: Tensor = self._clip.encode_image(pixels)
        return features

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Tokens to (texts, width) projected features, not normalised."""
        features: Tensor = self._clip.encode_text(tokens.ids)
        return features

    @property
    def text_layers(self) -> int:
        return len(self._clip.transformer.resblocks)

    @property
    def default_text_layer(self) -> int:
        """M2IB's own, 9 of 0 to 11."""
        return min(9, self.text_layers - 1)

    def pieces(self, text: str) -> TextPieces:
        """The byte pairs of one text between the start and the end token, in the text as the tokenizer cleans it."""
        tokenizer = _tokenizer()
        cleaned = tokenizer.clean_fn(text)
        found: list[tuple[str, tuple[int, int] | None]] = [("<start_of_text>", None)]
        for match in tokenizer.pat.finditer(cleaned):
            found += _pairs_in(tokenizer, match.group(), match.start())
        found = [*found[: self.spec.text_length - 1], ("<end_of_text>", None)]
        return TextPieces(text=cleaned, names=tuple(n for n, _ in found), spans=tuple(s for _, s in found))

    def text_prefix(self, ids: Tensor, layer: int) -> TextState:
        """(1, tokens) ids, the end token last, to what stands after block `layer` of the text tower."""
        require_text_layer(layer, self.text_layers, self.spec.name)
        clip = self._clip
        hidden = clip.token_embedding(ids) + clip.positional_embedding[: ids.shape[1]]
        return TextState(hidden=self._text_blocks(hidden, 0, layer + 1))

    def text_suffix(self, hidden: Tensor, state: TextState, layer: int) -> Tensor:
        """From that hidden state to (rows, width) projected features; the last token is the end token."""
        hidden = self._text_blocks(hidden, layer + 1, self.text_layers)
        features: Tensor = self._clip.ln_final(hidden)[:, -1] @ self._clip.text_projection
        return features

    def _text_blocks(self, hidden: Tensor, first: int, end: int) -> Tensor:
        tokens = hidden.shape[1]
        causal = self._clip.attn_mask[:tokens, :tokens].to(hidden)  # no token looks at those after it
        for block in self._clip.transformer.resblocks[first:end]:
            hidden = block(hidden, attn_mask=causal)
        return hidden

    def _prefix(self, pixels: Tensor, layer: int) -> Tensor:
        visual = self._clip.visual
        patches = visual.conv1(pixels).flatten(2).transpose(1, 2)  # (images, patches, width)
        leading = visual.class_embedding.expand(len(pixels), 1, -1)
        hidden: Tensor = visual.ln_pre(torch.cat([leading, patches], dim=1) + visual.positional_embedding)
        for block in visual.transformer.resblocks[: layer + 1]:
            hidden = block(hidden)
        return hidden

    def _suffix(self, hidden: Tensor, layer: int) -> Tensor:
        visual = self._clip.visual
        for block in visual.transformer.resblocks[layer + 1 :]:
            hidden = block(hidden)
        features: Tensor = visual.ln_post(hidden)[:, 0] @ visual.proj
        return features


def build_clip(size: ClipSize, input_size: int = 224, text_length: int = 77) -> "open_clip.model.CLIP":
    """The towers without weights."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(
        image_size=input_size, layers=size.layers, width=size.width, patch_size=size.patch, head_width=size.head_width
    )
    text = CLIPTextCfg(
        context_length=text_length,
        vocab_size=size.vocabulary,
        width=size.text_width,
        heads=size.text_heads,
        layers=size.text_layers,
    )
    return CLIP(size.embedding, vision, text, quick_gelu=size.quick_gelu)


def load_clip(
    weights: Path, record: ModelRecord, device: "str | torch.device" = "cpu", *, size: ClipSize | None = None
) -> ClipEncoder:
    """A CLIP from OpenAI's file (a TorchScript archive, of which only the tensors are read), OpenCLIP's or Hugging Face's.

    Args:
        weights: the checkpoint.
        record: which CLIP it is.
        device: where it shall live.
        size: another size than the record's architecture.

    Raises:
        WeightsError: the file does not hold this CLIP.
    """
    digest = checked_digest(weights, record.files[0].sha256 if weights.name == record.files[0].name else None)
    size = size or SIZES[record.architecture]
    module = build_clip(size, record.input_size, record.text_length)
    state = read_state(weights)
    if is_hugging_face(state):
        require_activation(weights, quick_gelu=size.quick_gelu)
        places = constants(len(module.visual.positional_embedding), record.text_length, token_types=False)
        load_state(module, state, places, str(weights), clip_layout)
    else:
        load_state(module, plain_names(state), harmless(record, size), str(weights))
    module.eval().to(device)
    return ClipEncoder(module, spec_of(record, digest), record.grid)


def harmless(record: ModelRecord, size: ClipSize) -> dict[str, Tensor]:
    """The three numbers that OpenAI keeps among the weights."""
    return {
        "input_resolution": torch.tensor(record.input_size),
        "context_length": torch.tensor(record.text_length),
        "vocab_size": torch.tensor(size.vocabulary),
    }


def plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same entries with the text tower at the top, as OpenAI has it."""
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        inner = name.removeprefix("text.")
        plain[inner if inner != name and inner.startswith(_TEXT_PARTS) else name] = value
    if len(plain) != len(state):
        raise WeightsError("the file holds the text tower twice, with and without the prefix 'text.'")
    return plain


def _pairs_in(
    tokenizer: "open_clip.tokenizer.SimpleTokenizer", word: str, start: int
) -> list[tuple[str, tuple[int, int] | None]]:
    """The byte pairs of one match of the tokenizer's pattern, each with the characters that it touches.

    Pairs are made of bytes: where a character of several bytes is cut, both pieces touch it.
    """
    character_of = [index for index, letter in enumerate(word) for _ in letter.encode("utf-8")]
    pieces = tokenizer.bpe("".join(tokenizer.byte_encoder[byte] for byte in word.encode("utf-8"))).split(" ")
    found: list[tuple[str, tuple[int, int] | None]] = []
    done = 0
    for piece in pieces:
        length = len(piece.removesuffix("</w>"))
        touched = character_of[done : done + length]
        found.append((piece, (start + touched[0], start + touched[-1] + 1)))
        done += length
    return found


@cache
def _tokenizer() -> "open_clip.tokenizer.SimpleTokenizer":
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


# --- What is known of the family --------------------------------------------------------------------------------------


def _variant(shapes: Shapes, patch: str) -> str | None:
    """The size as records are called ("vit-b-32"), by the patch projection of the image tower: (width, 3, side, side)."""
    shape = shapes.get(patch, ())
    sizes = {(768, 32): "vit-b-32", (768, 16): "vit-b-16", (1024, 14): "vit-l-14"}
    return sizes.get((shape[0], shape[-1])) if shape else None


def _own_variant(shapes: Shapes) -> str | None:
    return _variant(shapes, "visual.conv1.weight")


def _hugging_face_variant(shapes: Shapes) -> str | None:
    return _variant(shapes, "vision_model.embeddings.patch_embedding.weight")


def _candidates(shapes: Shapes, weights: Path) -> Sequence[str]:
    """OpenAI's and OpenCLIP's models have the same entries and compute another GELU."""
    variant = (_hugging_face_variant if is_hugging_face(shapes) else _own_variant)(shapes)
    if variant is None:
        return ()
    quick = f"clip-{variant}"
    if "input_resolution" in shapes:  # only OpenAI keeps it among the weights
        return (quick,)
    if is_hugging_face(shapes) and stated_activation(weights) == "quick_gelu":
        return (quick,)
    return (quick, f"openclip-{variant}-laion2b")


def _choose(candidates: Sequence[str], weights: Path) -> str:
    """Neither: the user has to say which it is."""
    quick, other = candidates
    raise AmbiguousInputError(
        f"{weights} holds a CLIP {quick.removeprefix('clip-')}, but not whether it computes OpenAI's quick GELU: say so by "
        f"`medkt models import {quick} {weights}` or `medkt models import {other} {weights}`"
    )


_TEXT_NAMES = (
    r"(text\.)?(positional_embedding|text_projection|token_embedding\.weight|ln_final\.WB|attn_mask)",
    r"(text\.)?transformer\.resblocks\.\d+\.(ln_[12]|attn\.out_proj|mlp\.c_fc|mlp\.c_proj)\.WB",
    r"(text\.)?transformer\.resblocks\.\d+\.attn\.in_proj_WB",
    r"logit_scale|input_resolution|context_length|vocab_size",
)
FAMILY = EncoderFamily(
    load=load_clip,
    parts=Parts(
        visual=r"visual\..*",
        tower=r"visual\..*",
        block=r"visual\.transformer\.resblocks\.(\d+)\..*",
        after=r"visual\.(ln_post\..*|proj)",
        projection=r"visual\.proj",
        lora=r"visual\.transformer\.resblocks\.\d+\.(attn|mlp\.c_(fc|proj))",
    ),
    namings=(
        Naming(
            title="CLIP", layout="the layout of OpenAI and OpenCLIP", variant=_own_variant,
            names=names(
                *_TEXT_NAMES, r"visual\.(class_embedding|positional_embedding|proj|conv1\.weight|ln_(pre|post)\.WB)",
                r"visual\.transformer\.resblocks\.\d+\.(ln_[12]\.WB|attn\.(in_proj_|out_proj\.)WB|mlp\.c_(fc|proj)\.WB)",
            ),
        ),
        Naming(
            title="CLIP", layout=LAYOUT, variant=_hugging_face_variant,
            names=names(
                *NAMES, r"text_projection\.weight|vision_model\.pre_layrnorm\.WB|text_model\.final_layer_norm\.WB"
            ),
        ),
        Naming(title="CLIP with a ResNet", names=names(
            *_TEXT_NAMES, r"visual\.(conv[123]|bn[123]|layer[1-4]|attnpool)\..*"
        )),
        Naming(title="SigLIP in Hugging Face layout", names=names(
            *NAMES, r"vision_model\.(head\..*|embeddings\.patch_embedding\.bias)|logit_bias",
            r"text_model\.(head|final_layer_norm)\.WB",
        )),
    ),
    candidates=_candidates,
    choose=_choose,
    needs=("open_clip",),
)  # fmt: skip
"""CLIP; its ResNets and SigLIP are known by sight and not loaded."""

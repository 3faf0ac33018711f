"""BiomedCLIP in either published form: OpenCLIP's (Microsoft) and the Hugging Face conversion (MedCLIP-SAMv2).

Zhang et al., BiomedCLIP: a multimodal biomedical foundation model pretrained from fifteen million scientific image-text
pairs, 2023. The image tower is timm's ViT-B/16, the text tower BERT with its first token projected by two layers.
Everything comes from one folder: the weights and tokenizer.json (or vocab.txt). No hub, no remote code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medkt.models.dual import TwoTowers, spec_of
from medkt.models.encoder import EncoderSpec, Tokens
from medkt.models.family import EncoderFamily, Naming, Parts, names
from medkt.models.hugging_face import LAYOUT, NAMES, biomedclip_layout, constants, is_hugging_face
from medkt.models.records import ModelRecord
from medkt.models.text_layers import TextPieces, TextState, bert_states, require_text_layer, run_layers
from medkt.models.weights import checked_digest, load_state, read_state
from medkt.models.wordpiece import WordPieces, read_word_pieces

# The ViT was trained with timm's 1e-6. The Hugging Face conversion runs it with 1e-12 and says itself that this moves
# the features by about 1e-5; the weights are the same, so both forms get what they were trained with.
_VISION_EPS = 1e-6
_TEXT_EPS = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class BiomedClipSize:
    """The published numbers; smaller ones make a quick model of the same structure.

    Attributes:
        width: of both towers.
        heads: of both towers.
        layers: of both towers.
        embedding: width of the common space.
        vocabulary: token ids.
        positions: rows of the text position table, more than the 256 tokens in use.
        patch: side of an image patch, in pixels.
    """

    width: int = 768
    heads: int = 12
    layers: int = 12
    embedding: int = 512
    vocabulary: int = 30522
    positions: int = 512
    patch: int = 16


class _Head(nn.Module):
    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, embedding, bias=False)


class _Visual(nn.Module):
    def __init__(self, size: BiomedClipSize, input_size: int) -> None:
        from timm.models.vision_transformer import VisionTransformer  # an extra: the record below is read without it

        super().__init__()
        self.trunk: Any = VisionTransformer(
            img_size=input_size,
            patch_size=size.patch,
            embed_dim=size.width,
            depth=size.layers,
            num_heads=size.heads,
            num_classes=0,
            norm_layer=partial(nn.LayerNorm, eps=_VISION_EPS),
        )
        self.head = _Head(size.width, size.embedding)


class _Text(nn.Module):
    def __init__(self, size: BiomedClipSize) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        config = BertConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.width,
            max_position_embeddings=size.positions,
            layer_norm_eps=_TEXT_EPS,
        )
        self.transformer = BertModel(config, add_pooling_layer=False)
        hidden = (size.width + size.embedding) // 2
        self.proj = nn.Sequential(
            nn.Linear(size.width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, size.embedding, bias=False)
        )


class BiomedClip(nn.Module):
    """Both towers under the names of the OpenCLIP file."""

    def __init__(self, size: BiomedClipSize, input_size: int = 224) -> None:
        super().__init__()
        self.visual = _Visual(size, input_size)
        self.text = _Text(size)
        self.logit_scale = nn.Parameter(torch.tensor(4.4454))


class BiomedClipEncoder(TwoTowers):
    """BiomedCLIP as a `DualEncoder`; an image bottleneck may stand after any block of the ViT."""

    def __init__(
        self, module: BiomedClip, spec: EncoderSpec, grid_sides: tuple[int, ...], word_pieces: WordPieces
    ) -> None:
        super().__init__(module, spec, grid_sides)
        self._model = module
        self._word_pieces = word_pieces

    @property
    def _leading(self) -> int:
        return 1

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts to ids, padded to the longest of them."""
        return self._word_pieces(texts, self.device)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, width) projected features, not normalised."""
        self._check_pixels(pixels)
        features: Tensor = self._model.visual.head.proj(self._model.visual.trunk(pixels))
        return features

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Tokens to (texts, width) projected features, not normalised. Padding is masked and has no effect."""
        hidden = self._model.text.transformer(input_ids=tokens.ids, attention_mask=tokens.mask.long())
        features: Tensor = self._model.text.proj(hidden.last_hidden_state[:, 0])
        return features

    @property
    def text_layers(self) -> int:
        return len(self._model.text.transformer.encoder.layer)

    @property
    def default_text_layer(self) -> int:
        """MedCLIP-SAMv2's, 9 of 0 to 11."""
        return min(9, self.text_layers - 1)

    def pieces(self, text: str) -> TextPieces:
        """The word pieces of one text, [CLS] before and [SEP] after."""
        return self._word_pieces.pieces(text)

    def text_prefix(self, ids: Tensor, layer: int) -> TextState:
        """(1, tokens) ids without padding to what stands after BERT's layer `layer`."""
        require_text_layer(layer, self.text_layers, self.spec.name)
        return TextState(hidden=bert_states(self._model.text.transformer, ids, layer)[-1])

    def text_suffix(self, hidden: Tensor, state: TextState, layer: int) -> Tensor:
        """From that hidden state to (rows, width) projected features."""
        later = run_layers(self._model.text.transformer, hidden, layer + 1, self.text_layers)
        features: Tensor = self._model.text.proj([hidden, *later][-1][:, 0])
        return features

    def _prefix(self, pixels: Tensor, layer: int) -> Tensor:
        trunk = self._model.visual.trunk
        patches = trunk.patch_embed(pixels)  # (images, patches, width)
        hidden: Tensor = torch.cat([trunk.cls_token.expand(len(pixels), -1, -1), patches], dim=1) + trunk.pos_embed
        for block in trunk.blocks[: layer + 1]:
            hidden = block(hidden)
        return hidden

    def _suffix(self, hidden: Tensor, layer: int) -> Tensor:
        trunk = self._model.visual.trunk
        for block in trunk.blocks[layer + 1 :]:
            hidden = block(hidden)
        features: Tensor = self._model.visual.head.proj(trunk.norm(hidden)[:, 0])
        return features


def load_biomedclip(
    weights: Path, record: ModelRecord, device: "str | torch.device" = "cpu", *, size: BiomedClipSize | None = None
) -> BiomedClipEncoder:
    """BiomedCLIP from a checkpoint in either layout, with the tokenizer files beside it.

    Args:
        weights: the checkpoint.
        record: of BiomedCLIP.
        device: where it shall live.
        size: another size than the published one.

    Raises:
        WeightsError: the file does not hold BiomedCLIP, or the tokenizer is missing.
    """
    digest = checked_digest(weights)
    size = size or BiomedClipSize()
    module = BiomedClip(size, record.input_size)
    state = read_state(weights)
    if is_hugging_face(state):
        places = constants(module.visual.trunk.pos_embed.shape[1], size.positions, token_types=True)
        load_state(module, state, places, str(weights), biomedclip_layout)
    else:
        load_state(module, state, harmless(size), str(weights))
    module.eval().to(device)
    word_pieces = read_word_pieces(weights.parent, record.text_length, size.vocabulary)
    return BiomedClipEncoder(module, spec_of(record, digest), record.grid, word_pieces)


def harmless(size: BiomedClipSize) -> dict[str, Tensor]:
    """The running numbers that older transformers saved with BERT."""
    return {"text.transformer.embeddings.position_ids": torch.arange(size.positions)[None]}


FAMILY = EncoderFamily(
    load=load_biomedclip,
    needs=("timm",),
    parts=Parts(
        visual=r"visual\.trunk\..*",
        tower=r"visual\..*",
        block=r"visual\.trunk\.blocks\.(\d+)\..*",
        after=r"visual\.(trunk\.norm|head)\..*",
        projection=r"visual\.head\.proj\..*",
        lora=r"visual\.trunk\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])",
        text_dropout="text.transformer.embeddings.dropout",
    ),
    namings=(
        Naming(
            title="BiomedCLIP", layout="OpenCLIP layout",
            names=names(
                r"visual\.(trunk\.(cls_token|pos_embed|(patch_embed|blocks|norm)\..*)|head\.proj\.weight)|logit_scale",
                r"text\.(transformer\.(embeddings|encoder)\..*|proj\.[02]\.weight)",
            ),
        ),
        Naming(
            title="BiomedCLIP", layout=LAYOUT,
            names=names(
                *NAMES, r"text_projection\.fc[12]\.weight|vision_model\.embeddings\.patch_embedding\.bias",
                r"text_model\.embeddings\.(token_type_ids|(token_type_embedding|layer_norm)\.\w+)",
            ),
        ),
    ),
)  # fmt: skip
"""What is known of BiomedCLIP."""

"""MedCLIP from the authors' pytorch_model.bin, with a Swin-T or a ResNet-50 for images and Bio_ClinicalBERT for texts.

Wang et al., MedCLIP: Contrastive Learning from Unpaired Medical Images and Text, EMNLP 2022.

The authors average a text's features over three layers and over all positions of its batch, padding included, so that
what a text means to the model depends on its neighbours. Here each text stands alone unless asked otherwise.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from medkt.errors import SettingsError
from medkt.models.dual import TwoTowers, spec_of
from medkt.models.encoder import EncoderSpec, Tokens
from medkt.models.family import EncoderFamily, Naming, Parts, names
from medkt.models.records import ModelRecord
from medkt.models.swin import Swin, SwinSize, relative_positions
from medkt.models.text_layers import TextPieces, TextState, bert_states, require_text_layer, run_layers
from medkt.models.weights import checked_digest, load_state, read_state
from medkt.models.wordpiece import WordPieces, read_word_pieces

TextPooling = Literal["single", "masked", "padded"]

_MAX_LOGIT_SCALE = 4.6052  # the authors clamp the exponent; ln 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MedClipSize:
    """The published numbers; smaller ones make a quick model of the same structure. ResNet-50 stays as it is.

    Attributes:
        embedding: width of the common space.
        swin: the image tower of the Swin variant.
        text_width: of BERT.
        text_heads: of BERT.
        text_layers: of BERT.
        vocabulary: token ids.
        positions: rows of the text position table.
    """

    embedding: int = 512
    swin: SwinSize = field(default_factory=SwinSize)
    text_width: int = 768
    text_heads: int = 12
    text_layers: int = 12
    vocabulary: int = 28996
    positions: int = 512


class _SwinTower(nn.Module):
    def __init__(self, size: MedClipSize) -> None:
        super().__init__()
        self.model = Swin(size.swin)
        self.projection_head = nn.Linear(8 * size.swin.width, size.embedding, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.suffix(self.prefix(pixels, 3), 3)

    def prefix(self, pixels: Tensor, layer: int) -> Tensor:
        hidden = self.model.embed(pixels)
        for stage in range(layer + 1):
            hidden = self.model.stage(hidden, stage)
        return hidden

    def suffix(self, hidden: Tensor, layer: int) -> Tensor:
        for stage in range(layer + 1, 4):
            hidden = self.model.stage(hidden, stage)
        features: Tensor = self.projection_head(self.model.pool(hidden))
        return features


class _ResNetTower(nn.Module):
    def __init__(self, size: MedClipSize) -> None:
        from torchvision.models import resnet50  # seconds, as transformers below: the records are read without them

        super().__init__()
        self.model = resnet50(weights=None)
        self.model.fc = nn.Linear(self.model.fc.in_features, size.embedding, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.model(pixels)
        return features

    def prefix(self, pixels: Tensor, layer: int) -> Tensor:
        net = self.model
        planes = net.maxpool(net.relu(net.bn1(net.conv1(pixels))))
        for stage in self._stages()[: layer + 1]:
            planes = stage(planes)
        tokens: Tensor = planes.flatten(2).transpose(1, 2)
        return tokens

    def suffix(self, hidden: Tensor, layer: int) -> Tensor:
        side = round(hidden.shape[1] ** 0.5)
        planes = hidden.transpose(1, 2).reshape(len(hidden), -1, side, side)
        for stage in self._stages()[layer + 1 :]:
            planes = stage(planes)
        features: Tensor = self.model.fc(self.model.avgpool(planes).flatten(1))
        return features

    def _stages(self) -> list[nn.Module]:
        return [self.model.layer1, self.model.layer2, self.model.layer3, self.model.layer4]


class _TextTower(nn.Module):
    def __init__(self, size: MedClipSize) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        config = BertConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.text_width,
            num_hidden_layers=size.text_layers,
            num_attention_heads=size.text_heads,
            intermediate_size=4 * size.text_width,
            max_position_embeddings=size.positions,
            layer_norm_eps=1e-12,
        )
        self.model = BertModel(config)  # with the pooler, which the file holds and nothing uses
        self.projection_head = nn.Linear(size.text_width, size.embedding, bias=False)

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Ids and attention mask (texts, length) to features, averaged over layers 1, 2, last and over `positions`."""
        states = self.model(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        return self.pooled(states[1], states[2], states[-1], positions)  # states[0] is what goes into layer 1

    def pooled(self, first: Tensor, second: Tensor, last: Tensor, positions: Tensor) -> Tensor:
        """The three layers' mean over `positions`, projected."""
        layers = (first + second + last) / 3
        counted = positions.to(layers.dtype)[:, :, None]
        features: Tensor = self.projection_head((layers * counted).sum(1) / counted.sum(1))
        return features


class MedClip(nn.Module):
    """Both towers under the names of the published file."""

    def __init__(self, vision: "_SwinTower | _ResNetTower", size: MedClipSize) -> None:
        super().__init__()
        self.vision_model = vision
        self.text_model = _TextTower(size)
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))  # ln(1 / 0.07)


class MedClipEncoder(TwoTowers):
    """MedCLIP as a `DualEncoder`; an image bottleneck may stand after any of the four stages.

    Attributes:
        text_pooling: "single": each text encoded by itself, the mean over all of its tokens; "masked": the texts
            together, padding left out of the mean, the same numbers in one pass; "padded": the authors' own, padding
            in the mean, so that a text's features depend on the longest text beside it.
    """

    def __init__(
        self,
        module: MedClip,
        spec: EncoderSpec,
        grid_sides: tuple[int, ...],
        word_pieces: WordPieces,
        text_pooling: TextPooling = "single",
    ) -> None:
        super().__init__(module, spec, grid_sides)
        self._model = module
        self._word_pieces = word_pieces
        self.text_pooling: TextPooling = text_pooling

    def pooled(self, text_pooling: TextPooling) -> "MedClipEncoder":
        """The same model, of the same weights, with another pooling of texts; this one stays as it is."""
        other = copy(self)
        other.text_pooling = text_pooling
        return other

    @property
    def logit_scale(self) -> float:
        """The factor that turns a cosine into a logit, at most 100."""
        return float(self._model.logit_scale.detach().clamp(0, _MAX_LOGIT_SCALE).exp())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts to ids, padded to the longest of them."""
        return self._word_pieces(texts, self.device)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(images, 3, side, side) normalised pixels to (images, width) projected features, not normalised."""
        self._check_pixels(pixels)
        features: Tensor = self._model.vision_model(pixels)
        return features

    def encode_text(self, tokens: Tokens) -> Tensor:
        """Tokens to (texts, width) projected features, not normalised."""
        text = self._model.text_model
        if self.text_pooling == "single":
            rows = [tokens.ids[row, kept][None] for row, kept in enumerate(tokens.mask)]
            return torch.cat([cast(Tensor, text(ids, torch.ones_like(ids), torch.ones_like(ids))) for ids in rows])
        positions = tokens.mask if self.text_pooling == "masked" else torch.ones_like(tokens.mask)
        features: Tensor = text(tokens.ids, tokens.mask, positions)
        return features

    @property
    def text_layers(self) -> int:
        return len(self._model.text_model.model.encoder.layer)

    @property
    def default_text_layer(self) -> int:
        """The first: the feature is made of layers 1, 2 and last, and past a later gate the first ones go untouched."""
        return 0

    def pieces(self, text: str) -> TextPieces:
        """The word pieces of one text, [CLS] before and [SEP] after."""
        return self._word_pieces.pieces(text)

    def text_prefix(self, ids: Tensor, layer: int) -> TextState:
        """(1, tokens) ids without padding to what stands after BERT's layer `layer`, and the pooled layers before it."""
        require_text_layer(layer, self.text_layers, self.spec.name)
        states = bert_states(self._model.text_model.model, ids, layer)
        return TextState(hidden=states[-1], beside=tuple(states[1:-1][:2]))

    def text_suffix(self, hidden: Tensor, state: TextState, layer: int) -> Tensor:
        """From that hidden state to (rows, width) projected features."""
        text = self._model.text_model
        later = run_layers(text.model, hidden, layer + 1, self.text_layers)
        first, second = [*state.beside, hidden, *later][:2]
        return text.pooled(first, second, [hidden, *later][-1], torch.ones(hidden.shape[:2], device=hidden.device))

    def _prefix(self, pixels: Tensor, layer: int) -> Tensor:
        return self._model.vision_model.prefix(pixels, layer)

    def _suffix(self, hidden: Tensor, layer: int) -> Tensor:
        return self._model.vision_model.suffix(hidden, layer)


def build_medclip(variant: str, size: MedClipSize) -> MedClip:
    """The towers without weights; the variant is the record's family, "medclip-swin" or "medclip-resnet"."""
    return MedClip(_SwinTower(size) if variant == "medclip-swin" else _ResNetTower(size), size)


def load_medclip(
    weights: Path,
    record: ModelRecord,
    device: "str | torch.device" = "cpu",
    *,
    size: MedClipSize | None = None,
    text_pooling: str = "single",
) -> MedClipEncoder:
    """MedCLIP from the authors' file, with Bio_ClinicalBERT's vocab.txt or tokenizer.json beside it.

    Args:
        weights: pytorch_model.bin.
        record: of the variant.
        device: where it shall live.
        size: another size than the published one.
        text_pooling: how a text's tokens become one vector; see `MedClipEncoder`.

    Raises:
        WeightsError: the file does not hold this variant, or the tokenizer is missing.
        SettingsError: an unknown text pooling.
    """
    if text_pooling not in get_args(TextPooling):
        raise SettingsError(f"unknown text pooling {text_pooling!r}; known: {', '.join(get_args(TextPooling))}")
    digest = checked_digest(weights)
    size = size or MedClipSize()
    module = build_medclip(record.family, size)
    load_state(module, read_state(weights), harmless(record.family, size), str(weights))
    module.eval().to(device)
    word_pieces = read_word_pieces(weights.parent, record.text_length, size.vocabulary)
    return MedClipEncoder(module, spec_of(record, digest), record.grid, word_pieces, cast(TextPooling, text_pooling))


def harmless(variant: str, size: MedClipSize) -> Mapping[str, Tensor]:
    """The constants that transformers 4.24 saved: BERT's running numbers and the window pairs of each Swin block."""
    constants = {"text_model.model.embeddings.position_ids": torch.arange(size.positions)[None]}
    if variant != "medclip-swin":
        return constants
    for stage, depth in enumerate(size.swin.depths):
        for block in range(depth):
            prefix = f"vision_model.model.encoder.layers.{stage}.blocks.{block}.attention.self"
            constants[f"{prefix}.relative_position_index"] = relative_positions(size.swin.window)
    return constants


_LAYOUT = "the authors' layout"
_DROPOUT = "text_model.model.embeddings.dropout"
_TEXT_NAMES = (r"text_model\.(projection_head\.weight|model\.(embeddings|encoder\.layer\.\d+|pooler)\..*)|logit_scale",)
_SWIN_BLOCK = r"vision_model\.model\.encoder\.layers\.\d\.blocks\.\d+"
_SWIN_REST = r"vision_model\.(projection_head|model\.(embeddings|layernorm|encoder\.layers\.\d\.downsample))\..*"
SWIN = EncoderFamily(
    load=load_medclip,
    parts=Parts(
        visual=r"vision_model\..*",
        tower=r"vision_model\..*",
        block=r"vision_model\.model\.encoder\.layers\.(\d+)\.blocks\.(\d+)\..*",
        between=r"vision_model\.model\.encoder\.layers\.(\d+)\.downsample\..*",
        after=r"vision_model\.(model\.layernorm|projection_head)\..*",
        projection=r"vision_model\.projection_head\..*",
        lora=(
            r"vision_model\.model\.encoder\.layers\.\d+\.blocks\.\d+\."
            r"(attention\.self\.(query|key|value)|attention\.output\.dense|intermediate\.dense|output\.dense)"
        ),
        text_dropout=_DROPOUT,
    ),
    namings=(
        Naming(
            title="MedCLIP with a Swin-T", layout=_LAYOUT,
            names=names(
                *_TEXT_NAMES, _SWIN_REST,
                rf"{_SWIN_BLOCK}\.(layernorm_(before|after)|intermediate\.dense|output\.dense|attention\.output\.dense)\.WB",
                rf"{_SWIN_BLOCK}\.attention\.self\.(relative_position_(bias_table|index)|(query|key|value)\.WB)",
            ),
        ),
        Naming(
            title="MedCLIP's Swin-T as transformers 5 names it",
            names=names(*_TEXT_NAMES, _SWIN_REST, rf"{_SWIN_BLOCK}\.(layernorm_\w+|attention|mlp)\..*"),
        ),
    ),
)  # fmt: skip
"""What is known of MedCLIP with a Swin-T; its weights as transformers 5 names them are known by sight and not loaded."""
RESNET = EncoderFamily(
    load=load_medclip,
    needs=("torchvision",),
    parts=Parts(
        visual=r"vision_model\..*",
        tower=r"vision_model\..*",
        block=r"vision_model\.model\.layer(\d+)\.(\d+)\..*",
        after=r"vision_model\.model\.fc\..*",
        projection=r"vision_model\.model\.fc\..*",
        lora=r"vision_model\.model\.layer\d+\.\d+\.conv[123]",
        first=1,
        text_dropout=_DROPOUT,
    ),
    namings=(
        Naming(
            title="MedCLIP with a ResNet-50", layout=_LAYOUT,
            names=names(*_TEXT_NAMES, r"vision_model\.model\.(conv1|bn1|layer[1-4]|fc)\..*"),
        ),
    ),
)  # fmt: skip
"""What is known of MedCLIP with a ResNet-50."""

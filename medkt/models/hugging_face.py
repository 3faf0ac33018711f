"""The layouts of Hugging Face: the entries of a file that each of our own entries is made of.

A layout is written as views: given one of our entries it names the file's entries with the part of ours that each fills.
What a file must hold, in which shape, and where it goes is then one table, and what is missing is said in the file's names.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from medkt.bounds import parse_json
from medkt.errors import WeightsError

_Parts = Callable[[Tensor], Sequence[Tensor]]


def _whole(value: Tensor) -> Sequence[Tensor]:
    return (value,)


def _thirds(value: Tensor) -> Sequence[Tensor]:
    """Query, key and value, which we keep in one from the top."""
    return value.chunk(3)


def _turned(value: Tensor) -> Sequence[Tensor]:
    return (value.T,)


def _first(value: Tensor) -> Sequence[Tensor]:
    return (value[0],)


def _first_of_first(value: Tensor) -> Sequence[Tensor]:
    return (value[0, 0],)


_TOWERS = ("vision", "text")
_BLOCK = r"encoder\.layers\.\d+\.(self_attn\.([qkv]|out)_proj|layer_norm[12]|mlp\.fc[12])\.WB"
NAMES = (
    rf"(vision|text)_model\.{_BLOCK}",
    r"vision_model\.embeddings\.(class_embedding|position_ids|position_embedding\.weight|patch_embedding\.weight)",
    r"vision_model\.post_layernorm\.WB",
    r"text_model\.embeddings\.(position_ids|position_embedding\.weight|token_embedding\.weight)",
    r"visual_projection\.weight|logit_scale",
)
"""What entries are called that every dual encoder in this layout has, for `medkt.models.family.names`."""
LAYOUT = "Hugging Face layout"
_QKV = r"self_attn.q_proj.\2", r"self_attn.k_proj.\2", r"self_attn.v_proj.\2"
_CLIP_BLOCK: tuple[tuple[str, tuple[str, ...], _Parts], ...] = (
    (r"(\d+)\.attn\.in_proj_(\w+)", _QKV, _thirds),
    (r"(\d+)\.attn\.out_proj\.(\w+)", (r"self_attn.out_proj.\2",), _whole),
    (r"(\d+)\.ln_1\.(\w+)", (r"layer_norm1.\2",), _whole),
    (r"(\d+)\.ln_2\.(\w+)", (r"layer_norm2.\2",), _whole),
    (r"(\d+)\.mlp\.c_fc\.(\w+)", (r"mlp.fc1.\2",), _whole),
    (r"(\d+)\.mlp\.c_proj\.(\w+)", (r"mlp.fc2.\2",), _whole),
)
_VIT_BLOCK: tuple[tuple[str, tuple[str, ...], _Parts], ...] = (
    (r"(\d+)\.attn\.qkv\.(\w+)", _QKV, _thirds),
    (r"(\d+)\.attn\.proj\.(\w+)", (r"self_attn.out_proj.\2",), _whole),
    (r"(\d+)\.norm1\.(\w+)", (r"layer_norm1.\2",), _whole),
    (r"(\d+)\.norm2\.(\w+)", (r"layer_norm2.\2",), _whole),
    (r"(\d+)\.mlp\.(fc[12]\.\w+)", (r"mlp.\2",), _whole),
)
_BERT_LAYER: tuple[tuple[str, tuple[str, ...], _Parts], ...] = (
    (r"(\d+)\.attention\.self\.query\.(\w+)", (r"self_attn.q_proj.\2",), _whole),
    (r"(\d+)\.attention\.self\.key\.(\w+)", (r"self_attn.k_proj.\2",), _whole),
    (r"(\d+)\.attention\.self\.value\.(\w+)", (r"self_attn.v_proj.\2",), _whole),
    (r"(\d+)\.attention\.output\.dense\.(\w+)", (r"self_attn.out_proj.\2",), _whole),
    (r"(\d+)\.attention\.output\.LayerNorm\.(\w+)", (r"layer_norm1.\2",), _whole),
    (r"(\d+)\.intermediate\.dense\.(\w+)", (r"mlp.fc1.\2",), _whole),
    (r"(\d+)\.output\.dense\.(\w+)", (r"mlp.fc2.\2",), _whole),
    (r"(\d+)\.output\.LayerNorm\.(\w+)", (r"layer_norm2.\2",), _whole),
)


def _within(
    ours: str, theirs: str, block: Iterable[tuple[str, tuple[str, ...], _Parts]]
) -> tuple[tuple[str, tuple[str, ...], _Parts], ...]:
    return tuple(
        (re.escape(ours) + pattern, tuple(rf"{theirs}.\1.{name}" for name in names), parts)
        for pattern, names, parts in block
    )


# (our name, the file's names, how our entry falls into theirs)
_CLIP = (
    (r"visual\.proj", (r"visual_projection.weight",), _turned),
    (r"text_projection", (r"text_projection.weight",), _turned),
    (r"visual\.class_embedding", (r"vision_model.embeddings.class_embedding",), _whole),
    (r"visual\.positional_embedding", (r"vision_model.embeddings.position_embedding.weight",), _whole),
    (r"visual\.conv1\.weight", (r"vision_model.embeddings.patch_embedding.weight",), _whole),
    (r"visual\.ln_pre\.(\w+)", (r"vision_model.pre_layrnorm.\1",), _whole),  # their spelling
    (r"visual\.ln_post\.(\w+)", (r"vision_model.post_layernorm.\1",), _whole),
    (r"token_embedding\.weight", (r"text_model.embeddings.token_embedding.weight",), _whole),
    (r"positional_embedding", (r"text_model.embeddings.position_embedding.weight",), _whole),
    (r"ln_final\.(\w+)", (r"text_model.final_layer_norm.\1",), _whole),
    *_within("visual.transformer.resblocks.", "vision_model.encoder.layers", _CLIP_BLOCK),
    *_within("transformer.resblocks.", "text_model.encoder.layers", _CLIP_BLOCK),
)
_BIOMEDCLIP = (
    (r"visual\.trunk\.cls_token", (r"vision_model.embeddings.class_embedding",), _first_of_first),
    (r"visual\.trunk\.pos_embed", (r"vision_model.embeddings.position_embedding.weight",), _first),
    (r"visual\.trunk\.patch_embed\.proj\.(\w+)", (r"vision_model.embeddings.patch_embedding.\1",), _whole),
    (r"visual\.trunk\.norm\.(\w+)", (r"vision_model.post_layernorm.\1",), _whole),
    (r"visual\.head\.proj\.weight", (r"visual_projection.weight",), _whole),
    (
        r"text\.transformer\.embeddings\.word_embeddings\.(\w+)",
        (r"text_model.embeddings.token_embedding.\1",),
        _whole,
    ),
    (
        r"text\.transformer\.embeddings\.(position|token_type)_embeddings\.(\w+)",
        (r"text_model.embeddings.\1_embedding.\2",),
        _whole,
    ),
    (r"text\.transformer\.embeddings\.LayerNorm\.(\w+)", (r"text_model.embeddings.layer_norm.\1",), _whole),
    (r"text\.proj\.0\.weight", (r"text_projection.fc1.weight",), _whole),
    (r"text\.proj\.2\.weight", (r"text_projection.fc2.weight",), _whole),
    *_within("visual.trunk.blocks.", "vision_model.encoder.layers", _VIT_BLOCK),
    *_within("text.transformer.encoder.layer.", "text_model.encoder.layers", _BERT_LAYER),
)


def is_hugging_face(names: Iterable[str]) -> bool:
    """Whether the entries of a CLIP or BiomedCLIP have the names of Hugging Face."""
    return any(name.startswith(("vision_model.embeddings.", "text_model.embeddings.")) for name in names)


def clip_layout(name: str, value: Tensor) -> Mapping[str, Tensor]:
    """The entries of `transformers.CLIPModel` that one of OpenCLIP's is made of, as views of it."""
    return _views(_CLIP, name, value)


def biomedclip_layout(name: str, value: Tensor) -> Mapping[str, Tensor]:
    """The entries of the Hugging Face conversion of BiomedCLIP that one of OpenCLIP's is made of, as views of it."""
    return _views(_BIOMEDCLIP, name, value)


def constants(tokens: int, positions: int, *, token_types: bool) -> dict[str, Tensor]:
    """What older versions of transformers saved beside the weights: running numbers, and zeros for the token types.

    Args:
        tokens: of an image, the leading one included.
        positions: rows of the text position table.
        token_types: whether the text tower is a BERT, which has them.
    """
    numbers = {
        "vision_model.embeddings.position_ids": torch.arange(tokens)[None],
        "text_model.embeddings.position_ids": torch.arange(positions)[None],
    }
    zeros = {"text_model.embeddings.token_type_ids": torch.zeros((1, positions), dtype=torch.int64)}
    return {**numbers, **(zeros if token_types else {})}


def _views(rules: Iterable[tuple[str, tuple[str, ...], _Parts]], name: str, value: Tensor) -> Mapping[str, Tensor]:
    for pattern, names, parts in rules:
        if match := re.fullmatch(pattern, name):
            return {match.expand(theirs): part for theirs, part in zip(names, parts(value), strict=True)}
    return {name: value}


def stated_activation(weights: Path) -> str | None:
    """What `config.json` beside a CLIP in this layout says that its blocks compute: "quick_gelu" or "gelu"; None without.

    Raises:
        WeightsError: the towers differ, or the file is damaged.
    """
    path = weights.parent / "config.json"
    if not path.is_file():
        return None
    try:
        towers = [
            parse_json(path.read_text(encoding="utf-8"), str(path)).get(f"{tower}_config", {}) for tower in _TOWERS
        ]
        said = {str(tower["hidden_act"]) for tower in towers if "hidden_act" in tower}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} beside the weights is damaged ({error}): bring it again, or move it away"
        ) from error
    if len(said) > 1:
        raise WeightsError(
            f"{path}: the towers compute {' and '.join(sorted(said))}; medkt knows CLIPs with one of them"
        )
    return next(iter(said), None)


def require_activation(weights: Path, *, quick_gelu: bool) -> None:
    """That `config.json` beside the weights, if there is one, says the activation that this CLIP computes.

    Raises:
        WeightsError: it says another: the features would come out wrong, and nothing else would tell.
    """
    said, ours = stated_activation(weights), "quick_gelu" if quick_gelu else "gelu"
    if said not in (None, ours):
        raise WeightsError(
            f"{weights} computes {said} by config.json beside it, and the CLIP asked for computes {ours}"
        )

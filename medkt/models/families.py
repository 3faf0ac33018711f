"""Which published family a checkpoint is of, by what its entries are called; those that medkt does not load too.

A file is said to be of the family whose way of naming fits most of its entries, so that a file of which some are missing,
or to which some were added, is still told by its name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from medkt.models.containers import Shape

_FEWEST = 0.5  # of the entries; below it a file is of no family


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way of naming the entries of one architecture.

    Attributes:
        title: what people call it.
        names: what every one of its entries is called.
        family: the family of the records that load it; "" for one that medkt does not load.
        layout: whose names these are.
        width: an entry and the axis of its shape that tell one size from another.
    """

    title: str
    names: re.Pattern[str]
    family: str = ""
    layout: str = ""
    width: tuple[str, int] = ("", 0)


def _names(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(pattern.replace("WB", "(weight|bias)") for pattern in patterns))


_CLIP_TEXT = (
    r"(text\.)?(positional_embedding|text_projection|token_embedding\.weight|ln_final\.WB|attn_mask)",
    r"(text\.)?transformer\.resblocks\.\d+\.(ln_[12]|attn\.out_proj|mlp\.c_fc|mlp\.c_proj)\.WB",
    r"(text\.)?transformer\.resblocks\.\d+\.attn\.in_proj_WB",
    r"logit_scale|input_resolution|context_length|vocab_size",
)
_HF_BLOCK = r"encoder\.layers\.\d+\.(self_attn\.([qkv]|out)_proj|layer_norm[12]|mlp\.fc[12])\.WB"
_HF = (
    rf"(vision|text)_model\.{_HF_BLOCK}",
    r"vision_model\.embeddings\.(class_embedding|position_ids|position_embedding\.weight|patch_embedding\.weight)",
    r"vision_model\.post_layernorm\.WB",
    r"text_model\.embeddings\.(position_ids|position_embedding\.weight|token_embedding\.weight)",
    r"visual_projection\.weight|logit_scale",
)
_MEDCLIP_TEXT = (
    r"text_model\.(projection_head\.weight|model\.(embeddings|encoder\.layer\.\d+|pooler)\..*)|logit_scale",
)
_SWIN_BLOCK = r"vision_model\.model\.encoder\.layers\.\d\.blocks\.\d+"
_SWIN_REST = r"vision_model\.(projection_head|model\.(embeddings|layernorm|encoder\.layers\.\d\.downsample))\..*"
_PROMPTS = (
    r"prompt_encoder\.(pe_layer|point_embeddings|not_a_point_embed|no_mask_embed|mask_downscaling)\..*",
    r"mask_decoder\.(transformer|iou_token|mask_tokens|output_upscaling|output_hypernetworks_mlps|iou_prediction_head)\..*",
)
_SAM_ENCODER = r"image_encoder\.(pos_embed|patch_embed\.proj\.WB|neck\.\d\.WB|blocks\.\d+\..*)"
_AUTHORS = "the authors' layout"
_HUGGING_FACE = "Hugging Face layout"

FAMILIES: tuple[Family, ...] = (
    Family(
        title="CLIP", family="clip", layout="the layout of OpenAI and OpenCLIP", width=("visual.conv1.weight", 0),
        names=_names(
            *_CLIP_TEXT, r"visual\.(class_embedding|positional_embedding|proj|conv1\.weight|ln_(pre|post)\.WB)",
            r"visual\.transformer\.resblocks\.\d+\.(ln_[12]\.WB|attn\.(in_proj_|out_proj\.)WB|mlp\.c_(fc|proj)\.WB)",
        ),
    ),
    Family(
        title="CLIP", family="clip", layout=_HUGGING_FACE, width=("vision_model.embeddings.patch_embedding.weight", 0),
        names=_names(
            *_HF, r"text_projection\.weight|vision_model\.pre_layrnorm\.WB|text_model\.final_layer_norm\.WB"
        ),
    ),
    Family(
        title="BiomedCLIP", family="biomedclip", layout="OpenCLIP layout",
        names=_names(
            r"visual\.(trunk\.(cls_token|pos_embed|(patch_embed|blocks|norm)\..*)|head\.proj\.weight)|logit_scale",
            r"text\.(transformer\.(embeddings|encoder)\..*|proj\.[02]\.weight)",
        ),
    ),
    Family(
        title="BiomedCLIP", family="biomedclip", layout=_HUGGING_FACE,
        names=_names(
            *_HF, r"text_projection\.fc[12]\.weight|vision_model\.embeddings\.patch_embedding\.bias",
            r"text_model\.embeddings\.(token_type_ids|(token_type_embedding|layer_norm)\.\w+)",
        ),
    ),
    Family(
        title="MedCLIP with a Swin-T", family="medclip-swin", layout=_AUTHORS,
        names=_names(
            *_MEDCLIP_TEXT, _SWIN_REST,
            rf"{_SWIN_BLOCK}\.(layernorm_(before|after)|intermediate\.dense|output\.dense|attention\.output\.dense)\.WB",
            rf"{_SWIN_BLOCK}\.attention\.self\.(relative_position_(bias_table|index)|(query|key|value)\.WB)",
        ),
    ),
    Family(
        title="MedCLIP with a ResNet-50", family="medclip-resnet", layout=_AUTHORS,
        names=_names(*_MEDCLIP_TEXT, r"vision_model\.model\.(conv1|bn1|layer[1-4]|fc)\..*"),
    ),
    Family(
        title="Segment Anything", family="sam", layout=_AUTHORS, width=("image_encoder.pos_embed", -1),
        names=_names(_SAM_ENCODER, *_PROMPTS),
    ),
    Family(
        title="MedCLIP's Swin-T as transformers 5 names it",
        names=_names(*_MEDCLIP_TEXT, _SWIN_REST, rf"{_SWIN_BLOCK}\.(layernorm_\w+|attention|mlp)\..*"),
    ),
    Family(title="MobileSAM or LiteMedSAM, whose image encoder is a TinyViT", names=_names(
        r"image_encoder\.(layers\.\d+|patch_embed\.seq|neck|norm_head|head)\..*", *_PROMPTS,
    )),
    Family(title="SAM-HQ", names=_names(
        _SAM_ENCODER, *_PROMPTS,
        r"mask_decoder\.(hf_token|hf_mlp|compress_vit_feat|embedding_encoder|embedding_maskfeature)\..*",
    )),
    Family(title="SAM 2", names=_names(
        r"image_encoder\.(trunk|neck\.convs)\..*|(memory_attention|memory_encoder)\..*|mask_downsample\.WB",
        r"sam_(prompt_encoder|mask_decoder)\..*|obj_ptr_.*|maskmem_.*|no_(mem|obj)_.*",
    )),
    Family(title="Segment Anything or MedSAM in Hugging Face layout", names=_names(
        r"(shared_image_embedding|vision_encoder)\..*|mask_decoder\..*",
        r"prompt_encoder\.(shared_embedding|mask_embed|no_mask_embed|point_embed|not_a_point_embed)\..*",
    )),
    Family(title="CLIP with a ResNet", names=_names(*_CLIP_TEXT, r"visual\.(conv[123]|bn[123]|layer[1-4]|attnpool)\..*")),
    Family(title="SigLIP in Hugging Face layout", names=_names(
        *_HF, r"vision_model\.(head\..*|embeddings\.patch_embedding\.bias)|logit_bias",
        r"text_model\.(head|final_layer_norm)\.WB",
    )),
    Family(title="a BERT alone", names=_names(r"(bert\.)?(embeddings|encoder\.layer\.\d+|pooler)\..*|cls\..*")),
    Family(title="a ResNet alone", names=_names(r"(conv1|bn1|layer[1-4]|fc)\..*")),
    Family(title="a Vision Transformer alone", names=_names(
        r"cls_token|pos_embed|mask_token|register_tokens|(patch_embed|blocks|norm|fc_norm|head)\..*"
    )),
)  # fmt: skip


def nearest(shapes: Mapping[str, Shape]) -> Family | None:
    """The family whose way of naming fits most of these entries; the first of several; None where none fits half of them."""
    fits = [sum(bool(family.names.fullmatch(name)) for name in shapes) for family in FAMILIES]
    most = max(fits)
    return FAMILIES[fits.index(most)] if shapes and most >= _FEWEST * len(shapes) else None


def variant_of(family: Family, shapes: Mapping[str, Shape]) -> str | None:
    """The size, as records are called: "vit-b-32"; None for a size that medkt does not know, or where the file lacks what tells."""
    name, axis = family.width
    shape = shapes.get(name, ())
    if not shape:
        return None
    if family.family == "sam":
        return {768: "vit-b", 1024: "vit-l", 1280: "vit-h"}.get(shape[axis])
    return {(768, 32): "vit-b-32", (768, 16): "vit-b-16", (1024, 14): "vit-l-14"}.get((shape[axis], shape[-1]))


def described(shapes: Mapping[str, Shape]) -> str:
    """What a file looks like, in words: "CLIP ViT-B/16 in Hugging Face layout"; "" where it looks like nothing known."""
    family = nearest(shapes)
    if family is None:
        return ""
    if not family.family:
        return f"{family.title}, which medkt does not load"
    parts = (variant_of(family, shapes) or "").split("-")
    size = f" ViT-{parts[1].upper()}" + "".join(f"/{patch}" for patch in parts[2:]) if len(parts) > 1 else ""
    return f"{family.title}{size} in {family.layout}"

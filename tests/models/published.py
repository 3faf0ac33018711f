"""Checkpoints with the names and shapes that the authors published, filled with random numbers.

The names are written out here from the published files' descriptions, independently of the modules under test. At the
default sizes they are the published ones; smaller numbers keep the structure.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def fill(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random numbers of a size that keeps activations near one, so that a wrong place shows."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _values(name, shape, generator) for name, shape in shapes.items()}


def _values(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    values = torch.randn(shape, generator=generator)
    if name.endswith("running_var"):
        return 1 + 0.1 * values.abs()
    if name == "logit_scale":
        return torch.tensor(4.0)
    if len(shape) < 2:
        return 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
    if any(part in name for part in ("embed", "table", "token", "rel_pos")):
        return 0.3 * values
    fan_in = values[0].numel()
    return values * (0.8 * fan_in**-0.5)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


# --- OpenAI CLIP ------------------------------------------------------------------------------------------------------


def clip_shapes(
    *,
    embedding: int = 512,
    patch: int = 32,
    width: int = 768,
    layers: int = 12,
    text_width: int = 512,
    text_layers: int = 12,
    vocabulary: int = 49408,
    image: int = 224,
) -> Shapes:
    shapes: Shapes = {"positional_embedding": (77, text_width), "text_projection": (text_width, embedding)}
    shapes["logit_scale"] = ()
    shapes["visual.class_embedding"] = (width,)
    shapes["visual.positional_embedding"] = ((image // patch) ** 2 + 1, width)
    shapes["visual.proj"] = (width, embedding)
    shapes["visual.conv1.weight"] = (width, 3, patch, patch)
    shapes.update(_norm("visual.ln_pre", width))
    shapes.update(_clip_blocks("visual.transformer", width, layers))
    shapes.update(_norm("visual.ln_post", width))
    shapes.update(_clip_blocks("transformer", text_width, text_layers))
    shapes["token_embedding.weight"] = (vocabulary, text_width)
    shapes.update(_norm("ln_final", text_width))
    return shapes


def _clip_blocks(prefix: str, width: int, layers: int) -> Shapes:
    shapes: Shapes = {}
    for layer in range(layers):
        block = f"{prefix}.resblocks.{layer}"
        shapes[f"{block}.attn.in_proj_weight"] = (3 * width, width)
        shapes[f"{block}.attn.in_proj_bias"] = (3 * width,)
        shapes.update(_linear(f"{block}.attn.out_proj", width, width))
        shapes.update(_norm(f"{block}.ln_1", width))
        shapes.update(_linear(f"{block}.mlp.c_fc", 4 * width, width))
        shapes.update(_linear(f"{block}.mlp.c_proj", width, 4 * width))
        shapes.update(_norm(f"{block}.ln_2", width))
    return shapes


# --- BERT, with the names of transformers -----------------------------------------------------------------------------


def bert_shapes(prefix: str, *, width: int, layers: int, vocabulary: int, positions: int = 512) -> Shapes:
    shapes: Shapes = {
        f"{prefix}.embeddings.word_embeddings.weight": (vocabulary, width),
        f"{prefix}.embeddings.position_embeddings.weight": (positions, width),
        f"{prefix}.embeddings.token_type_embeddings.weight": (2, width),
        **dict(_norm(f"{prefix}.embeddings.LayerNorm", width)),
    }
    for layer in range(layers):
        block = f"{prefix}.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes.update(_linear(f"{block}.attention.self.{part}", width, width))
        shapes.update(_linear(f"{block}.attention.output.dense", width, width))
        shapes.update(_norm(f"{block}.attention.output.LayerNorm", width))
        shapes.update(_linear(f"{block}.intermediate.dense", 4 * width, width))
        shapes.update(_linear(f"{block}.output.dense", width, 4 * width))
        shapes.update(_norm(f"{block}.output.LayerNorm", width))
    return shapes


# --- BiomedCLIP -------------------------------------------------------------------------------------------------------


def biomedclip_shapes(
    *, width: int = 768, layers: int = 12, embedding: int = 512, vocabulary: int = 30522, patch: int = 16
) -> Shapes:
    shapes: Shapes = {
        "logit_scale": (),
        "visual.trunk.cls_token": (1, 1, width),
        "visual.trunk.pos_embed": (1, (224 // patch) ** 2 + 1, width),
        "visual.trunk.patch_embed.proj.weight": (width, 3, patch, patch),
        "visual.trunk.patch_embed.proj.bias": (width,),
    }
    for layer in range(layers):
        block = f"visual.trunk.blocks.{layer}"
        shapes.update(_norm(f"{block}.norm1", width))
        shapes.update(_linear(f"{block}.attn.qkv", 3 * width, width))
        shapes.update(_linear(f"{block}.attn.proj", width, width))
        shapes.update(_norm(f"{block}.norm2", width))
        shapes.update(_linear(f"{block}.mlp.fc1", 4 * width, width))
        shapes.update(_linear(f"{block}.mlp.fc2", width, 4 * width))
    shapes.update(_norm("visual.trunk.norm", width))
    shapes["visual.head.proj.weight"] = (embedding, width)
    shapes.update(bert_shapes("text.transformer", width=width, layers=layers, vocabulary=vocabulary))
    shapes["text.proj.0.weight"] = ((width + embedding) // 2, width)
    shapes["text.proj.2.weight"] = (embedding, (width + embedding) // 2)
    return shapes


def biomedclip_checkpoint(**size: int) -> dict[str, Tensor]:
    """As Microsoft's file: with BERT's running numbers."""
    state = fill(biomedclip_shapes(**size))
    return {**state, "text.transformer.embeddings.position_ids": torch.arange(512)[None]}


def hugging_face_biomedclip(state: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The same weights as the Hugging Face conversion names them."""
    new = {
        "logit_scale": state["logit_scale"],
        "visual_projection.weight": state["visual.head.proj.weight"],
        "text_projection.fc1.weight": state["text.proj.0.weight"],
        "text_projection.fc2.weight": state["text.proj.2.weight"],
        "vision_model.embeddings.class_embedding": state["visual.trunk.cls_token"][0, 0],
        "vision_model.embeddings.position_embedding.weight": state["visual.trunk.pos_embed"][0],
        "text_model.embeddings.token_embedding.weight": state["text.transformer.embeddings.word_embeddings.weight"],
        "text_model.embeddings.position_embedding.weight": state[
            "text.transformer.embeddings.position_embeddings.weight"
        ],
        "text_model.embeddings.token_type_embedding.weight": state[
            "text.transformer.embeddings.token_type_embeddings.weight"
        ],
    }
    for end in ("weight", "bias"):
        new[f"vision_model.embeddings.patch_embedding.{end}"] = state[f"visual.trunk.patch_embed.proj.{end}"]
        new[f"vision_model.post_layernorm.{end}"] = state[f"visual.trunk.norm.{end}"]
        new[f"text_model.embeddings.layer_norm.{end}"] = state[f"text.transformer.embeddings.LayerNorm.{end}"]
        for layer in range(layers):
            old, to = f"visual.trunk.blocks.{layer}", f"vision_model.encoder.layers.{layer}"
            query, key, value = state[f"{old}.attn.qkv.{end}"].chunk(3)
            new[f"{to}.self_attn.q_proj.{end}"] = query.clone()
            new[f"{to}.self_attn.k_proj.{end}"] = key.clone()
            new[f"{to}.self_attn.v_proj.{end}"] = value.clone()
            new[f"{to}.self_attn.out_proj.{end}"] = state[f"{old}.attn.proj.{end}"]
            new[f"{to}.layer_norm1.{end}"] = state[f"{old}.norm1.{end}"]
            new[f"{to}.layer_norm2.{end}"] = state[f"{old}.norm2.{end}"]
            new[f"{to}.mlp.fc1.{end}"] = state[f"{old}.mlp.fc1.{end}"]
            new[f"{to}.mlp.fc2.{end}"] = state[f"{old}.mlp.fc2.{end}"]
            old, to = f"text.transformer.encoder.layer.{layer}", f"text_model.encoder.layers.{layer}"
            new[f"{to}.self_attn.q_proj.{end}"] = state[f"{old}.attention.self.query.{end}"]
            new[f"{to}.self_attn.k_proj.{end}"] = state[f"{old}.attention.self.key.{end}"]
            new[f"{to}.self_attn.v_proj.{end}"] = state[f"{old}.attention.self.value.{end}"]
            new[f"{to}.self_attn.out_proj.{end}"] = state[f"{old}.attention.output.dense.{end}"]
            new[f"{to}.layer_norm1.{end}"] = state[f"{old}.attention.output.LayerNorm.{end}"]
            new[f"{to}.mlp.fc1.{end}"] = state[f"{old}.intermediate.dense.{end}"]
            new[f"{to}.mlp.fc2.{end}"] = state[f"{old}.output.dense.{end}"]
            new[f"{to}.layer_norm2.{end}"] = state[f"{old}.output.LayerNorm.{end}"]
    return new


# --- MedCLIP, with the names of transformers 4.24 ---------------------------------------------------------------------


def medclip_swin_shapes(
    *,
    swin_width: int = 96,
    heads: tuple[int, ...] = (3, 6, 12, 24),
    depths: tuple[int, ...] = (2, 2, 6, 2),
    embedding: int = 512,
    text_width: int = 768,
    text_layers: int = 12,
    vocabulary: int = 28996,
) -> Shapes:
    vision = "vision_model.model"
    shapes: Shapes = {
        "logit_scale": (),
        "vision_model.projection_head.weight": (embedding, 8 * swin_width),
        f"{vision}.embeddings.patch_embeddings.projection.weight": (swin_width, 3, 4, 4),
        f"{vision}.embeddings.patch_embeddings.projection.bias": (swin_width,),
        **dict(_norm(f"{vision}.embeddings.norm", swin_width)),
    }
    for stage, depth in enumerate(depths):
        width = swin_width * 2**stage
        for index in range(depth):
            block = f"{vision}.encoder.layers.{stage}.blocks.{index}"
            shapes.update(_norm(f"{block}.layernorm_before", width))
            shapes[f"{block}.attention.self.relative_position_bias_table"] = (169, heads[stage])
            shapes[f"{block}.attention.self.relative_position_index"] = (49, 49)
            for part in ("query", "key", "value"):
                shapes.update(_linear(f"{block}.attention.self.{part}", width, width))
            shapes.update(_linear(f"{block}.attention.output.dense", width, width))
            shapes.update(_norm(f"{block}.layernorm_after", width))
            shapes.update(_linear(f"{block}.intermediate.dense", 4 * width, width))
            shapes.update(_linear(f"{block}.output.dense", width, 4 * width))
        if stage < 3:
            shapes[f"{vision}.encoder.layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
            shapes.update(_norm(f"{vision}.encoder.layers.{stage}.downsample.norm", 4 * width))
    shapes.update(_norm(f"{vision}.layernorm", 8 * swin_width))
    return {**shapes, **_medclip_text(embedding, text_width, text_layers, vocabulary)}


def medclip_resnet_shapes(
    *,
    resnet_width: int = 64,
    embedding: int = 512,
    text_width: int = 768,
    text_layers: int = 12,
    vocabulary: int = 28996,
) -> Shapes:
    vision = "vision_model.model"
    shapes: Shapes = {"logit_scale": (), f"{vision}.conv1.weight": (resnet_width, 3, 7, 7)}
    shapes.update(_batch_norm(f"{vision}.bn1", resnet_width))
    inputs = resnet_width
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        inner = resnet_width * 2 ** (stage - 1)
        for index in range(blocks):
            block = f"{vision}.layer{stage}.{index}"
            shapes[f"{block}.conv1.weight"] = (inner, inputs, 1, 1)
            shapes.update(_batch_norm(f"{block}.bn1", inner))
            shapes[f"{block}.conv2.weight"] = (inner, inner, 3, 3)
            shapes.update(_batch_norm(f"{block}.bn2", inner))
            shapes[f"{block}.conv3.weight"] = (4 * inner, inner, 1, 1)
            shapes.update(_batch_norm(f"{block}.bn3", 4 * inner))
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * inner, inputs, 1, 1)
                shapes.update(_batch_norm(f"{block}.downsample.1", 4 * inner))
            inputs = 4 * inner
    shapes[f"{vision}.fc.weight"] = (embedding, inputs)
    return {**shapes, **_medclip_text(embedding, text_width, text_layers, vocabulary)}


def medclip_checkpoint(shapes: Shapes) -> dict[str, Tensor]:
    """Random numbers, and the constants as transformers 4.24 computed them."""
    state = fill(shapes)
    for name in shapes:
        if name.endswith("relative_position_index"):
            state[name] = window_pairs(7)
        if name.endswith("position_ids"):
            state[name] = torch.arange(512)[None]
    return state


def window_pairs(window: int) -> Tensor:
    """Which row of the bias table belongs to each pair of tokens of a window, counted out one by one."""
    tokens = [(row, column) for row in range(window) for column in range(window)]
    rows = [[(a[0] - b[0] + window - 1) * (2 * window - 1) + a[1] - b[1] + window - 1 for b in tokens] for a in tokens]
    return torch.tensor(rows)


def _medclip_text(embedding: int, width: int, layers: int, vocabulary: int) -> Shapes:
    return {
        "text_model.projection_head.weight": (embedding, width),
        "text_model.model.embeddings.position_ids": (1, 512),
        **bert_shapes("text_model.model", width=width, layers=layers, vocabulary=vocabulary),
        **dict(_linear("text_model.model.pooler.dense", width, width)),
    }


def _batch_norm(name: str, width: int) -> Shapes:
    shapes: Shapes = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**shapes, f"{name}.num_batches_tracked": ()}


# --- SAM --------------------------------------------------------------------------------------------------------------


def sam_shapes(
    *, width: int = 768, layers: int = 12, heads: int = 12, whole: tuple[int, ...] = (2, 5, 8, 11)
) -> Shapes:
    image = "image_encoder"
    shapes: Shapes = {
        f"{image}.pos_embed": (1, 64, 64, width),
        f"{image}.patch_embed.proj.weight": (width, 3, 16, 16),
        f"{image}.patch_embed.proj.bias": (width,),
    }
    for layer in range(layers):
        block = f"{image}.blocks.{layer}"
        shapes.update(_norm(f"{block}.norm1", width))
        for axis in "hw":
            shapes[f"{block}.attn.rel_pos_{axis}"] = (127 if layer in whole else 27, width // heads)
        shapes.update(_linear(f"{block}.attn.qkv", 3 * width, width))
        shapes.update(_linear(f"{block}.attn.proj", width, width))
        shapes.update(_norm(f"{block}.norm2", width))
        shapes.update(_linear(f"{block}.mlp.lin1", 4 * width, width))
        shapes.update(_linear(f"{block}.mlp.lin2", width, 4 * width))
    shapes[f"{image}.neck.0.weight"] = (256, width, 1, 1)
    shapes[f"{image}.neck.2.weight"] = (256, 256, 3, 3)
    shapes.update(_norm(f"{image}.neck.1", 256))
    shapes.update(_norm(f"{image}.neck.3", 256))
    return {**shapes, **_sam_prompts(), **_sam_decoder()}


def _sam_prompts() -> Shapes:
    shapes: Shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for name in (*(f"point_embeddings.{index}" for index in range(4)), "not_a_point_embed", "no_mask_embed"):
        shapes[f"prompt_encoder.{name}.weight"] = (1, 256)
    for index, shape in ((0, (4, 1, 2, 2)), (3, (16, 4, 2, 2)), (6, (256, 16, 1, 1))):
        shapes[f"prompt_encoder.mask_downscaling.{index}.weight"] = shape
        shapes[f"prompt_encoder.mask_downscaling.{index}.bias"] = shape[:1]
    shapes.update(_norm("prompt_encoder.mask_downscaling.1", 4))
    shapes.update(_norm("prompt_encoder.mask_downscaling.4", 16))
    return shapes


def _sam_decoder() -> Shapes:
    decoder = "mask_decoder"
    shapes: Shapes = {f"{decoder}.iou_token.weight": (1, 256), f"{decoder}.mask_tokens.weight": (4, 256)}
    for layer in range(2):
        block = f"{decoder}.transformer.layers.{layer}"
        shapes.update(_sam_attention(f"{block}.self_attn", 256))
        shapes.update(_sam_attention(f"{block}.cross_attn_token_to_image", 128))
        shapes.update(_sam_attention(f"{block}.cross_attn_image_to_token", 128))
        shapes.update(_linear(f"{block}.mlp.lin1", 2048, 256))
        shapes.update(_linear(f"{block}.mlp.lin2", 256, 2048))
        for index in range(1, 5):
            shapes.update(_norm(f"{block}.norm{index}", 256))
    shapes.update(_sam_attention(f"{decoder}.transformer.final_attn_token_to_image", 128))
    shapes.update(_norm(f"{decoder}.transformer.norm_final_attn", 256))
    for index, shape in ((0, (256, 64, 2, 2)), (3, (64, 32, 2, 2))):
        shapes[f"{decoder}.output_upscaling.{index}.weight"] = shape
        shapes[f"{decoder}.output_upscaling.{index}.bias"] = shape[1:2]
    shapes.update(_norm(f"{decoder}.output_upscaling.1", 64))
    for head in (*(f"output_hypernetworks_mlps.{index}" for index in range(4)), "iou_prediction_head"):
        for layer in range(3):
            last = 4 if head == "iou_prediction_head" else 32
            shapes.update(_linear(f"{decoder}.{head}.layers.{layer}", last if layer == 2 else 256, 256))
    return shapes


def _sam_attention(name: str, inner: int) -> Shapes:
    shapes: Shapes = {}
    for part in ("q_proj", "k_proj", "v_proj"):
        shapes.update(_linear(f"{name}.{part}", inner, 256))
    shapes.update(_linear(f"{name}.out_proj", 256, inner))
    return shapes


# --- Tokenizer --------------------------------------------------------------------------------------------------------

WORDS = ("chest", "x", "##ray", "of", "a", "small", "effusion", "left", "tumour", "no", "finding", "opacity")


def write_vocabulary(folder: Path) -> Path:
    """A vocabulary of a few words; [PAD] is 0, [CLS] 2, [SEP] 3, the words follow from 5."""
    path = folder / "vocab.txt"
    path.write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)) + "\n", encoding="utf-8")
    return path

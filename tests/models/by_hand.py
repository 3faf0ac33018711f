"""The same architectures put together another way: plain functions over a state dict, or another library's modules."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models import resnet50
from transformers import CLIPConfig, CLIPModel, SamConfig, SamModel, SwinConfig, SwinModel

State = Mapping[str, Tensor]


def _linear(state: State, name: str, values: Tensor) -> Tensor:
    return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _norm(state: State, name: str, values: Tensor, eps: float) -> Tensor:
    centred = values - values.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps) * state[f"{name}.weight"] + state[f"{name}.bias"]


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """(batch, tokens, width) each; mask (batch, tokens) True where a key may be looked at."""
    batch, tokens, width = query.shape
    query, key, value = (x.reshape(batch, tokens, heads, -1).permute(0, 2, 1, 3) for x in (query, key, value))
    logits = query @ key.transpose(-1, -2) / (width // heads) ** 0.5
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, None, :], float("-inf"))
    return (logits.softmax(-1) @ value).permute(0, 2, 1, 3).reshape(batch, tokens, width)


def bert_states(state: State, prefix: str, ids: Tensor, heads: int, mask: Tensor | None = None) -> list[Tensor]:
    """The embeddings and what each layer of a BERT gives."""
    embeddings = f"{prefix}.embeddings"
    hidden = state[f"{embeddings}.word_embeddings.weight"][ids] + state[f"{embeddings}.token_type_embeddings.weight"][0]
    hidden = hidden + state[f"{embeddings}.position_embeddings.weight"][: ids.shape[1]]
    states = [_norm(state, f"{embeddings}.LayerNorm", hidden, 1e-12)]
    layers = {name.split(".layer.")[1].split(".")[0] for name in state if name.startswith(f"{prefix}.encoder.layer.")}
    for layer in range(len(layers)):
        block, hidden = f"{prefix}.encoder.layer.{layer}", states[-1]
        parts = [_linear(state, f"{block}.attention.self.{part}", hidden) for part in ("query", "key", "value")]
        attended = _linear(state, f"{block}.attention.output.dense", _attend(*parts, heads, mask))
        hidden = _norm(state, f"{block}.attention.output.LayerNorm", hidden + attended, 1e-12)
        wide = functional.gelu(_linear(state, f"{block}.intermediate.dense", hidden))
        narrow = _linear(state, f"{block}.output.dense", wide)
        states.append(_norm(state, f"{block}.output.LayerNorm", hidden + narrow, 1e-12))
    return states


def biomedclip_image(state: State, pixels: Tensor, layers: int, heads: int) -> Tensor:
    weight = state["visual.trunk.patch_embed.proj.weight"]
    patches = functional.conv2d(pixels, weight, state["visual.trunk.patch_embed.proj.bias"], stride=weight.shape[-1])
    hidden = patches.flatten(2).permute(0, 2, 1)
    hidden = torch.cat([state["visual.trunk.cls_token"].expand(len(pixels), -1, -1), hidden], 1)
    hidden = hidden + state["visual.trunk.pos_embed"]
    for layer in range(layers):
        block = f"visual.trunk.blocks.{layer}"
        parts = _linear(state, f"{block}.attn.qkv", _norm(state, f"{block}.norm1", hidden, 1e-6)).chunk(3, -1)
        hidden = hidden + _linear(state, f"{block}.attn.proj", _attend(*parts, heads))
        wide = functional.gelu(_linear(state, f"{block}.mlp.fc1", _norm(state, f"{block}.norm2", hidden, 1e-6)))
        hidden = hidden + _linear(state, f"{block}.mlp.fc2", wide)
    return _norm(state, "visual.trunk.norm", hidden[:, 0], 1e-6) @ state["visual.head.proj.weight"].T


def biomedclip_text(state: State, ids: Tensor, heads: int, mask: Tensor) -> Tensor:
    first = bert_states(state, "text.transformer", ids, heads, mask)[-1][:, 0]
    return functional.gelu(first @ state["text.proj.0.weight"].T) @ state["text.proj.2.weight"].T


def medclip_text(state: State, ids: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """As the authors: layers 1, 2 and last, over all positions that are given."""
    states = bert_states(state, "text_model.model", ids, heads, mask)
    mean = torch.stack([states[1], states[2], states[-1]]).permute(1, 0, 2, 3).mean(2).mean(1)
    return mean @ state["text_model.projection_head.weight"].T


def medclip_swin_image(state: State, pixels: Tensor, width: int, heads: tuple[int, ...]) -> Tensor:
    """Through the Swin of the installed transformers, whose modules have other names."""
    model = SwinModel(SwinConfig(embed_dim=width, num_heads=list(heads), depths=[2, 2, 6, 2])).eval()
    renamed = {}
    for name, value in state.items():
        if name.startswith("vision_model.model.") and not name.endswith("relative_position_index"):
            renamed[_new_swin_name(name.removeprefix("vision_model.model."))] = value
    model.load_state_dict(renamed)
    with torch.no_grad():
        return model(pixels).pooler_output @ state["vision_model.projection_head.weight"].T


def _new_swin_name(name: str) -> str:
    if "downsample" in name or ".blocks." not in name:
        return name
    for old, new in (
        (
            "attention.self.relative_position_bias_table",
            "attention.relative_position_bias.relative_position_bias_table",
        ),
        ("attention.self.query", "attention.q_proj"),
        ("attention.self.key", "attention.k_proj"),
        ("attention.self.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
    ):
        if old in name:
            return name.replace(old, new)
    return name


def medclip_resnet_image(state: State, pixels: Tensor) -> Tensor:
    """Through torchvision's ResNet-50 at its published width."""
    model = resnet50(weights=None)
    model.fc = torch.nn.Linear(2048, state["vision_model.model.fc.weight"].shape[0], bias=False)
    prefix = "vision_model.model."
    model.load_state_dict({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
    with torch.no_grad():
        return model.eval()(pixels)


def clip_features(
    state: State, pixels: Tensor, ids: Tensor, *, heads: int, text_heads: int, quick_gelu: bool
) -> tuple[Tensor, Tensor]:
    """Image and text features through the CLIP of transformers."""
    act = "quick_gelu" if quick_gelu else "gelu"
    width, _, patch, _ = state["visual.conv1.weight"].shape
    text_width = state["ln_final.weight"].shape[0]
    config = CLIPConfig(
        vision_config={
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": _blocks(state, "visual.transformer"),
            "num_attention_heads": heads,
            "patch_size": patch,
            "image_size": pixels.shape[-1],
            "hidden_act": act,
        },
        text_config={
            "hidden_size": text_width,
            "intermediate_size": 4 * text_width,
            "num_hidden_layers": _blocks(state, "transformer"),
            "num_attention_heads": text_heads,
            "vocab_size": state["token_embedding.weight"].shape[0],
            "hidden_act": act,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        },
        projection_dim=state["visual.proj"].shape[1],
    )
    model = CLIPModel(config).eval()
    model.load_state_dict(_transformers_clip(state))
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(pixels).pooler_output)
        return image, model.text_projection(model.text_model(ids).pooler_output)


def _blocks(state: State, prefix: str) -> int:
    return len({name for name in state if name.startswith(f"{prefix}.resblocks.") and name.endswith("ln_1.weight")})


def _transformers_clip(state: State) -> dict[str, Tensor]:
    new = {
        "logit_scale": state["logit_scale"],
        "visual_projection.weight": state["visual.proj"].T,
        "text_projection.weight": state["text_projection"].T,
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
    }
    for end in ("weight", "bias"):
        new[f"vision_model.pre_layrnorm.{end}"] = state[f"visual.ln_pre.{end}"]
        new[f"vision_model.post_layernorm.{end}"] = state[f"visual.ln_post.{end}"]
        new[f"text_model.final_layer_norm.{end}"] = state[f"ln_final.{end}"]
        for ours, theirs in (("visual.transformer", "vision_model"), ("transformer", "text_model")):
            for layer in range(_blocks(state, ours)):
                old, to = f"{ours}.resblocks.{layer}", f"{theirs}.encoder.layers.{layer}"
                for part, value in zip("qkv", state[f"{old}.attn.in_proj_{end}"].chunk(3), strict=True):
                    new[f"{to}.self_attn.{part}_proj.{end}"] = value
                new[f"{to}.self_attn.out_proj.{end}"] = state[f"{old}.attn.out_proj.{end}"]
                new[f"{to}.layer_norm1.{end}"] = state[f"{old}.ln_1.{end}"]
                new[f"{to}.layer_norm2.{end}"] = state[f"{old}.ln_2.{end}"]
                new[f"{to}.mlp.fc1.{end}"] = state[f"{old}.mlp.c_fc.{end}"]
                new[f"{to}.mlp.fc2.{end}"] = state[f"{old}.mlp.c_proj.{end}"]
    return new


def sam_embedding(state: State, pixels: Tensor, heads: int, whole: tuple[int, ...]) -> Tensor:
    """The image embedding (1, 256, 64, 64) through the SAM of transformers."""
    model = _transformers_sam(state, heads, whole)
    with torch.no_grad():
        return model.get_image_embeddings(pixels)


def sam_masks(
    state: State, embedding: Tensor, points_xy: Tensor, labels: Tensor, heads: int, whole: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Low-resolution mask logits (3, 256, 256) and their predicted IoU for points on the square, by transformers.

    The decoder in double precision: with random weights its attention saturates, which blows up the last digits.
    """
    model = _transformers_sam(state, heads, whole)
    with torch.no_grad():
        sparse, dense = model.prompt_encoder(
            input_points=points_xy[None, None], input_labels=labels[None, None], input_boxes=None, input_masks=None
        )
        masks, quality = model.mask_decoder.double()(
            image_embeddings=embedding.double(),
            image_positional_embeddings=model.get_image_wide_positional_embeddings().double(),
            sparse_prompt_embeddings=sparse.double(),
            dense_prompt_embeddings=dense.double(),
            multimask_output=True,
        )
    return masks[0, 0], quality[0, 0]


def _transformers_sam(state: State, heads: int, whole: tuple[int, ...]) -> SamModel:
    width = state["image_encoder.pos_embed"].shape[-1]
    layers = len({name for name in state if name.endswith("attn.rel_pos_h")})
    config = SamConfig(
        vision_config={
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "global_attn_indexes": list(whole),
            "mlp_dim": 4 * width,
        }
    )
    model = SamModel(config).eval()
    for module in model.mask_decoder.transformer.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-5  # Meta's; transformers has 1e-6 here
    matrix = state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    new = {"shared_image_embedding.positional_embedding": matrix}
    new.update({_transformers_sam_name(name): value for name, value in state.items()})
    model.load_state_dict(new)
    return model


_SAM_NAMES = (
    ("image_encoder.patch_embed.proj", "vision_encoder.patch_embed.projection"),
    ("image_encoder.neck.0", "vision_encoder.neck.conv1"),
    ("image_encoder.neck.1", "vision_encoder.neck.layer_norm1"),
    ("image_encoder.neck.2", "vision_encoder.neck.conv2"),
    ("image_encoder.neck.3", "vision_encoder.neck.layer_norm2"),
    ("image_encoder.blocks", "vision_encoder.layers"),
    ("image_encoder", "vision_encoder"),
    ("pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    ("point_embeddings", "point_embed"),
    ("mask_downscaling.0", "mask_embed.conv1"),
    ("mask_downscaling.1", "mask_embed.layer_norm1"),
    ("mask_downscaling.3", "mask_embed.conv2"),
    ("mask_downscaling.4", "mask_embed.layer_norm2"),
    ("mask_downscaling.6", "mask_embed.conv3"),
    ("norm_final_attn", "layer_norm_final_attn"),
    ("output_upscaling.0", "upscale_conv1"),
    ("output_upscaling.1", "upscale_layer_norm"),
    ("output_upscaling.3", "upscale_conv2"),
    (".norm", ".layer_norm"),
)


def _transformers_sam_name(name: str) -> str:
    if "hypernetworks" in name or "iou_prediction_head" in name:
        head, layer, end = name.rsplit(".", 2)
        head = head.removesuffix(".layers")
        return f"{head}.{({'0': 'proj_in', '1': 'layers.0', '2': 'proj_out'})[layer]}.{end}"
    for old, new in _SAM_NAMES:
        name = name.replace(old, new)
    return name

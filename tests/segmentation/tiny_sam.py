"""Segment Anything with a few thousand random weights and an input of 64 pixels."""

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

SIDE = 64


def make_sam(seed: int = 0) -> Sam:
    torch.manual_seed(seed)
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=SIDE,
            patch_size=16,
            embed_dim=16,
            depth=1,
            num_heads=2,
            out_chans=16,
            window_size=2,
            use_rel_pos=True,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=16, image_embedding_size=(4, 4), input_image_size=(SIDE, SIDE), mask_in_chans=4
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=1, embedding_dim=16, mlp_dim=32, num_heads=2),
            transformer_dim=16,
            iou_head_depth=2,
            iou_head_hidden_dim=16,
        ),
    ).eval()

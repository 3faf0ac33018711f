"""What keeps an inverted image plausible: total variation, L1, and the Gram matrices of hidden states.

Kazemi et al., "What do we learn from inverting CLIP models?" (2024), for total variation and L1; Gatys et al., "Image
Style Transfer Using Convolutional Neural Networks" (2016), for Gram matrices.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def total_variation(images: Float[Tensor, "images channels rows columns"]) -> Float[Tensor, "images"]:
    """The norms of four difference maps, of each image: neighbours along rows, along columns and both diagonals.

    For each channel the Euclidean norm of the whole map, neither squared nor divided by the number of pixels, so that it
    grows with the side; then the mean over the channels; then the sum of the four. 0 for a constant image, whose
    gradient is 0 too.
    """
    x = images
    maps = (
        x[..., :, 1:] - x[..., :, :-1],
        x[..., 1:, :] - x[..., :-1, :],
        x[..., 1:, 1:] - x[..., :-1, :-1],
        x[..., 1:, :-1] - x[..., :-1, 1:],
    )
    norms = [torch.linalg.vector_norm(one, dim=(-2, -1)).mean(dim=1) for one in maps]
    return torch.stack(norms).sum(dim=0)


def absolute_sum(values: Float[Tensor, "images *rest"]) -> Float[Tensor, "images"]:
    """The plain sum of the absolute values of each."""
    return values.abs().flatten(1).sum(dim=1)


def gram(hidden: Float[Tensor, "images tokens channels"]) -> Float[Tensor, "images channels channels"]:
    """Which channels stand together, wherever that is: H^T H over the places, divided by tokens * channels."""
    return hidden.transpose(1, 2) @ hidden / (hidden.shape[1] * hidden.shape[2])


def gram_distance(
    hidden: Float[Tensor, "images tokens channels"], style: Float[Tensor, "channels channels"]
) -> Float[Tensor, "images"]:
    """Mean squared difference of each Gram matrix to `style`, the mean Gram matrix of reference images."""
    return (gram(hidden) - style).square().mean(dim=(1, 2))

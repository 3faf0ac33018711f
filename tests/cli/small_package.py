"""A `.medkt` file over the shipped small encoder, made without a learning: one matrix of its image tower is changed."""

from pathlib import Path

import torch

from medkt.concepts import Base, load_concept, write_package
from medkt.models.registry import load_encoder
from medkt.transfer.copies import copy_encoder
from medkt.transfer.delta import DeltaSettings, make_delta, to_bytes

CHANGED = "image.head.project.weight"


def write_small_package(path: Path, concept: str = "us_cyst", *, seed: int = 0) -> Path:
    """What a learning of this concept might leave behind; another seed, other weights."""
    base = load_encoder("small", device=torch.device("cpu"))
    adapted = copy_encoder(base)
    weight = adapted.module.get_parameter(CHANGED)
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        weight.add_(0.5 * weight.std() * noise)
    delta = make_delta(base, adapted, DeltaSettings(kind="full", storage="float32"))
    write_package(
        path, concept=load_concept(concept), delta=to_bytes(delta), recipe={},
        base=Base(name=base.spec.name, digest=delta.base_digest),
    )  # fmt: skip
    return path

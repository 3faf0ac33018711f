"""Encoders beside an encoder: copies, what names their weights, and weights between two."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from medkt.errors import InputError, WeightsError
from medkt.models.encoder import DualEncoder, EncoderSpec
from medkt.models.weights import weights_digest

ADAPTED = "adapted:"
"""What the digest of an adapted encoder begins with; the digest of its weights follows."""


def copy_encoder(encoder: DualEncoder) -> DualEncoder:
    """Another encoder with the same weights, no tensor shared, in evaluation mode, asking for no gradient."""
    copied = deepcopy(encoder)
    copied.module.eval().requires_grad_(False)
    copied.module.zero_grad(set_to_none=True)
    return copied


def mark_adapted(encoder: DualEncoder) -> DualEncoder:
    """The encoder with a `spec` whose digest says that its weights are not a published file's. Give a copy."""
    return respecified(encoder, replace(encoder.spec, digest=f"{ADAPTED}{weights_digest(encoder.module)}"))


def respecified(encoder: DualEncoder, spec: EncoderSpec) -> DualEncoder:
    """The encoder, changed in place to carry another `spec`."""
    # The protocol's `spec` is read only; our encoders keep it in `_spec`, others in a plain attribute.
    setattr(encoder, "_spec" if hasattr(encoder, "_spec") else "spec", spec)
    return encoder


def interpolate(base: DualEncoder, adapted: DualEncoder, t: float) -> DualEncoder:
    """Weights on the line from base (t = 0) to adapted (t = 1), both ends bit for bit.

    Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.

    Raises:
        InputError: t is not within [0, 1].
        WeightsError: the two are not of one architecture.
    """
    if not 0 <= t <= 1:
        raise InputError(f"interpolation is between 0 (the base) and 1 (the adapted encoder), got {t}")
    between = copy_encoder(base)
    mix_into(between.module, base.module.state_dict(), adapted.module.state_dict(), t)
    return mark_adapted(between) if t > 0 else between


def mix_into(module: nn.Module, base: dict[str, Tensor], adapted: dict[str, Tensor], t: float) -> None:
    """Put the weights between two states into a module; entries of `base` that `adapted` lacks stay as they are.

    Raises:
        WeightsError: names or shapes differ.
    """
    odd = [name for name in adapted if name not in base or base[name].shape != adapted[name].shape]
    if odd:
        raise WeightsError(f"no interpolation between two architectures: these entries differ: {', '.join(odd[:10])}")
    own = module.state_dict()
    with torch.no_grad():
        for name, end in adapted.items():
            start = base[name]
            # lerp gives both its ends exactly; whole numbers (counters) do not lie on a line
            own[name].copy_(torch.lerp(start, end, t) if start.is_floating_point() else (end if t == 1 else start))

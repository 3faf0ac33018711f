"""An encoder's torch module in use: where it lives, and frozen while something is computed with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import nn


@runtime_checkable
class ModuleHolder(Protocol):
    """Anything over one torch module."""

    @property
    def module(self) -> nn.Module: ...


def device_of(encoder: ModuleHolder) -> torch.device:
    """Where the encoder's parameters are; the processor, for one without any."""
    return next((parameter.device for parameter in encoder.module.parameters()), torch.device("cpu"))


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient and every part is in evaluation mode; both are as before on leaving.

    Without it autograd keeps what it needs for the weights' gradients, which nobody reads.
    """
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    training = [part for part in module.modules() if part.training]
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        for part in training:
            part.training = False
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        for part in training:
            part.training = True

"""The precision of an encoder's arithmetic; its weights stay float32."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def arithmetic(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which matrix products on this device have that precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

"""The precision of an encoder's arithmetic; its weights stay float32."""

import sys
from functools import cache
from pathlib import Path
from typing import Literal

import torch

ResolvedPrecision = Literal["float32", "bfloat16"]
Precision = Literal["auto", "float32", "bfloat16"]
"""With "auto", bfloat16 where the device multiplies it, and float32 elsewhere. It goes by what the device is and not by a
timing, so that one machine always gives one answer."""

MULTIPLIES = {"avx512_bf16", "amx_bf16", "bf16"}
"""What Linux calls these instructions: of x86 the first two, of ARM the last. Other processors can compute in bfloat16, too,
but by way of float32: the gradient of a matrix product took 30 times as long there."""
AMPERE = (8, 0)
"""The first NVIDIA architecture with such instructions."""
CPUINFO = Path("/proc/cpuinfo")


def settled(precision: Precision, device: torch.device) -> ResolvedPrecision:
    """What a precision is on a device."""
    if precision != "auto":
        return precision
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it; a processor of which nobody says so has none."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= AMPERE
    return device.type == "cpu" and not MULTIPLIES.isdisjoint(_flags(CPUINFO))


@cache
def _flags(cpuinfo: Path) -> frozenset[str]:
    """The first processor's flags, where the system lists them."""
    if sys.platform != "linux" or not cpuinfo.is_file():
        return frozenset()
    for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, words = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return frozenset(words.split())
    return frozenset()


def arithmetic(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which matrix products on this device have that precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settled(precision, device) == "bfloat16")

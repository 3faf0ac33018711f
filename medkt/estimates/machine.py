"""What this machine has, and how fast it computes: measured in some tenths of a second on one block of a transformer."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

AT_ONCE = 3  # images in the block that is timed
LEAST_S = 0.03  # of the clock that a rate rests on
WITHOUT_A_STUDY = 800 << 20  # bytes of a process that has loaded torch; where the system does not say
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Floating-point operations a second, in matrix products and what lies between them.

    Attributes:
        forward: without gradients, in float32.
        back: forward and gradient together, in float32.
        half: the same in bfloat16, or `back` where it was not asked.
    """

    forward: float
    back: float
    half: float


Timer = Callable[[tuple[int, int], bool], Rates]
"""Gives the rates of a network whose states have (tokens, channels); with True also in bfloat16."""


def measured_rates(
    state: tuple[int, int],
    half: bool = False,
    *,
    device: str = "cpu",
    threads: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Rates:
    """How fast this machine goes through a network of that width; each width is measured once in a process."""
    return _measured(min(state[0], 256), state[1], half, device, threads, clock)


@cache
def _measured(tokens: int, width: int, half: bool, device: str, threads: int, clock: Callable[[], float]) -> Rates:
    import torch

    from medkt.models.precision import arithmetic
    from medkt.models.small.transformer import Block

    where = torch.device(device)
    heads = next(heads for heads in (12, 8, 4, 2, 1) if width % heads == 0)
    with torch.random.fork_rng(devices=[]):  # what is computed afterwards draws the numbers that it would draw anyway
        block = Block(width, heads, 4).to(where).requires_grad_(False)
    rows = torch.zeros(AT_ONCE, tokens, width, device=where)
    work = AT_ONCE * tokens * width * (24.0 * width + 4.0 * tokens)

    def forward() -> None:
        with torch.no_grad():
            block(rows)

    def back() -> None:
        with torch.enable_grad():
            leaf = rows.detach().requires_grad_(True)
            torch.autograd.grad(block(leaf).float().sum(), leaf)

    def back_in_half() -> None:
        with arithmetic(where, "bfloat16"):
            back()

    # the gradient of attention is twice its forward pass and a half, that of a matrix product with fixed weights once
    both = AT_ONCE * tokens * width * (48.0 * width + 14.0 * tokens)
    wait = torch.cuda.synchronize if where.type == "cuda" else None
    slow = both / seconds_of(back, wait, clock)
    return Rates(
        forward=work / seconds_of(forward, wait, clock), back=slow,
        half=both / seconds_of(back_in_half, wait, clock) if half else slow,
    )  # fmt: skip


def seconds_of(
    call: Callable[[], None], wait: Callable[[], None] | None = None, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Of the clock for one call, after one that is not counted; of several the shortest."""
    call()
    spent: list[float] = []
    while not spent or (sum(spent) < LEAST_S and len(spent) < 20):
        if wait is not None:
            wait()
        began = clock()
        call()
        if wait is not None:
            wait()
        spent.append(clock() - began)
    return max(min(spent), 1e-9)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that can be had without pushing others out; None where the system does not say."""
    found = [_available(), *map(_limit, _CGROUPS)]
    known = [one for one in found if one is not None]
    return min(known) if known else None


def used_memory() -> int:
    """The most bytes that this process has held."""
    try:
        import resource
    except ImportError:  # Windows
        return WITHOUT_A_STUDY
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limit(path: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None

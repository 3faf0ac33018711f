"""Models of which names, shapes and types are known and no number is read: enough to say what they would cost.

Within `only_headers` the loaders build the architecture on torch's device "meta", which computes shapes alone, and a
checkpoint is read as far as the names and shapes of its entries: what does not fit is refused as ever, in a second and
without the memory. The digest of a file, and NaN in it, are for the loading that follows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WANTED: ContextVar[bool] = ContextVar("_WANTED", default=False)


@contextmanager
def only_headers() -> Iterator[None]:
    """Within this block the loaders of `medkt.models` read no number of a checkpoint; build with the device "meta"."""
    import torch

    token = _WANTED.set(True)
    try:
        with torch.device("meta"):
            yield
    finally:
        _WANTED.reset(token)


def are_only_headers_wanted() -> bool:
    """Whether a block of `only_headers` is open."""
    return _WANTED.get()

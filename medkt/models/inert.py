"""Checkpoints that hold more than tensors: what describes the training is passed over, and nothing of it runs.

The pickles of public training scripts carry their options (an `argparse.Namespace`, paths, numbers of numpy) beside the
state dict. torch's restricted unpickler stops at each of these names. Here each is given a class of our own in its place,
which takes whatever it is made of and keeps none of it. Every other name is refused, as before.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_NAMES = (
    "argparse.Namespace",
    *(f"{module}.{name}" for module in ("pathlib", "pathlib._local")  # of Python 3.13
      for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "datetime.datetime",
    "numpy.dtype",
    "numpy.ndarray",
)  # fmt: skip
_ONE_AT_A_TIME = threading.Lock()  # torch keeps its list of names once for all threads


class InertOption:
    """What stands in the place of an option: without attributes, whatever a file says of it."""

    __slots__ = ()

    def __new__(cls, *made_of: Any) -> "InertOption":
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Keep nothing: a file must not put attributes, nor methods, on an object of ours."""


def _stand_in(name: str) -> type[InertOption]:
    module, _, short = name.rpartition(".")
    return type(short, (InertOption,), {"__slots__": (), "__module__": module, "__qualname__": short})


_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [_stand_in(name) for name in _NAMES]


def load_inert(path: Path, *, mmap: bool) -> Any:
    """What `torch.save` wrote, on the CPU, with nothing run: tensors and plain containers as they are, options as `InertOption`.

    Raises:
        pickle.UnpicklingError: the file asks for another name; and as torch raises for what is damaged.
    """
    with _ONE_AT_A_TIME, torch.serialization.safe_globals(_STAND_INS):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)

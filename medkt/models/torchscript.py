"""The tensors of a TorchScript archive, without running what else it holds.

OpenAI publishes CLIP as TorchScript. `torch.jit.load` would compile and trust the code in the archive; the tensors are
reached without it: the archive's `data.pkl` describes a tree of modules, and of that description only tensors and plain
values are rebuilt here, every class of the archive standing for a bare container. Any other global is refused. Which
attributes belong to the state dict is said in the first lines of each class, which are read as text.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TYPES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Container:
    """Stands for any module class of the archive: keeps its attributes, runs nothing."""

    state_names: frozenset[str] = frozenset()

    def __init__(self, *_: object) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a module of the archive has a state that is no dict")
        self.attributes = state


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))
        self._archive = archive
        self._root = root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return type("_Container", (_Container,), {"state_names": self._state_names(module, name)})
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if module == "torch.jit._pickle" and name in ("build_intlist", "build_doublelist", "build_boollist"):
            return list
        raise pickle.UnpicklingError(f"the archive asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, _ = pid  # ("storage", type, key, device, elements): the device is that of the author
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            empty = torch.empty(0, dtype=dtype)
            self._storages[key] = torch.frombuffer(content, dtype=dtype) if content else empty
        return self._storages[key]

    def _state_names(self, module: str, name: str) -> frozenset[str]:
        code = self._archive.read(f"{self._root}/code/{module.replace('.', '/')}.py").decode()
        head = re.search(rf"class {re.escape(name)}\(Module\):\s+((?:__\w+__ = .*\s+)*)", code)
        listed = re.findall(r"__(?:parameters|buffers)__ = \[(.*)\]", head[1]) if head else []
        return frozenset(re.findall(r'"([^"]+)"', " ".join(listed)))


def is_torchscript(path: Path) -> bool:
    """Whether a zip file is a TorchScript archive: it holds code and constants beside its data."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of the archived module: its parameters and buffers by their place in the tree of modules."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a TorchScript archive must hold one data.pkl")
        tree = _Reader(archive, pickles[0].removesuffix("/data.pkl")).load()
    state: dict[str, Tensor] = {}
    _collect(tree, "", state)
    return state


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _collect(node: Any, prefix: str, state: dict[str, Tensor]) -> None:
    if not isinstance(node, _Container):
        return
    for name, value in node.attributes.items():
        if isinstance(value, Tensor) and name in node.state_names:
            state[prefix + name] = value
        else:
            _collect(value, f"{prefix}{name}.", state)

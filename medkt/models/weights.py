"""State dicts: read without running code, loaded without a key left over.

Published checkpoints are pickles, and a pickle can run code. Files are read with torch's restricted unpickler
(`medkt.models.inert`), as safetensors, or, for TorchScript archives, by `medkt.models.torchscript`.
"""

import hashlib
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from medkt.errors import WeightsError
from medkt.io.sha256 import sha256_of
from medkt.models import store, torchscript
from medkt.models.containers import Shape, is_zip, require_sound, safetensors_shapes
from medkt.models.families import described
from medkt.models.headers import are_only_headers_wanted
from medkt.models.inert import load_inert

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")  # DataParallel, a training harness, torch.compile
_SHOWN = 10
_CONSTANT = (
    4096  # entries of at most so many numbers are read also where only headers are wanted: constants are among them
)
_ASKS_FOR_CODE = re.compile(r"GLOBAL|asks for|unrecognized function|Unsupported class|Can only build")

StateDict = dict[str, Tensor]
WeightsLayout = Callable[[str, Tensor], Mapping[str, Tensor]]
"""The file's entries that one of a module's is made of, each as the view of it that it fills."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What a checkpoint holds, by name, and what was taken off to get there: a wrapper's name, a prefix of every name."""

    shapes: dict[str, Shape]
    taken_off: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What `load_state` did: entries put into the module, its parameters, and entries checked and left out."""

    keys: int
    parameters: int
    dropped: tuple[str, ...]


def as_named(name: str, value: Tensor) -> Mapping[str, Tensor]:
    """The layout of a file that has the module's own names."""
    return {name: value}


def read_state(path: Path) -> StateDict:
    """The entries of a checkpoint by name, on the CPU.

    A state dict inside "state_dict", "model_state_dict" or "model" is unwrapped, and a "module.", "model." or "_orig_mod."
    before every name (multi-GPU training, a training harness, a compiled model) is taken off. What else a training script
    saved beside the state dict, its options for one, is passed over.

    Raises:
        WeightsError: no such file, damaged, not a state dict or several, or a pickle that would need to run code.
    """
    return _read_state(path)[0]


def entries_in(path: Path) -> Entries:
    """The shape of every entry by its name as `read_state` gives it; of a safetensors file no value is read.

    Raises:
        WeightsError: as `read_state`.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        state, taken_off = _read_state(path)
        return Entries(shapes={name: tuple(value.shape) for name, value in state.items()}, taken_off=taken_off)
    shapes, prefixes = _without_prefixes(dict(safetensors_shapes(path)))
    return Entries(shapes=shapes, taken_off=prefixes)


def shapes_in(path: Path) -> dict[str, Shape]:
    """The shapes of `entries_in` alone."""
    return entries_in(path).shapes


def _read_state(path: Path) -> tuple[StateDict, tuple[str, ...]]:
    if not path.is_file():
        raise WeightsError(f"{path} is not a file")
    require_sound(path)
    with torch.device("cpu"):  # also where a model is being built without numbers
        content, wrappers = _unwrap(_read(path), path)
    odd = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if odd or not content:
        found = f"holds entries that are no tensors: {_listed(odd)}; save the weights alone" if odd else "is empty"
        raise WeightsError(f"{path} is not a state dict: it {found}")
    state = {str(name): value for name, value in content.items()}
    wide = [
        name for name, value in state.items() if value.numel() * value.element_size() > value.untyped_storage().nbytes()
    ]
    if wide:
        raise WeightsError(f"{path}: entries say more values than they hold: {_listed(wide)}; it is not to be trusted")
    state, prefixes = _without_prefixes(state)
    return _without_numbers(state) if are_only_headers_wanted() else state, wrappers + prefixes


def _without_prefixes(state: dict[str, _Value]) -> tuple[dict[str, _Value], tuple[str, ...]]:
    """The entries without what stands before every one of their names, in whatever order it was put there."""
    taken_off: tuple[str, ...] = ()
    while state and (before := next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), None)):
        state = {name.removeprefix(before): value for name, value in state.items()}
        taken_off += (before,)
    return state, taken_off


def load_state(
    module: nn.Module,
    state: Mapping[str, Tensor],
    harmless: Mapping[str, Tensor],
    source: str,
    layout: WeightsLayout = as_named,
) -> LoadReport:
    """Put a state dict into a module; every name must match, and every shape.

    Args:
        module: the architecture.
        state: the entries of the file; of any floating type, cast to the module's.
        harmless: constants that some versions of the file carry and this architecture computes itself. Each must have
            the value given here if it is in the file, and is then left out.
        source: what the message calls the file.
        layout: how the file's entries fill the module's; with their own names by default.

    Raises:
        WeightsError: missing or unexpected entries, other shapes or kinds of number, a constant with another value, NaN or infinity.
    """
    kept, dropped = _without_harmless(state, harmless, source)
    own = {part: view for name, value in module.state_dict().items() for part, view in layout(name, value).items()}
    problems = [
        *_problem("missing", [name for name in own if name not in kept]),
        *_problem("unexpected", [name for name in kept if name not in own]),
        *_problem("of another shape", _other_shapes(own, kept)),
        *_problem("of another kind of number", _other_numbers(own, kept)),
    ]
    if problems:
        problems += _resembling(state)
        raise WeightsError(f"{source} does not fit {type(module).__name__}: " + "; ".join(problems))
    if not are_only_headers_wanted():
        if broken := [name for name, value in kept.items() if not bool(torch.isfinite(value).all())]:
            raise WeightsError(f"{source} holds NaN or infinity in {_listed(broken)}")
        with torch.no_grad():
            for name, view in own.items():
                view.copy_(kept[name])
    return LoadReport(keys=len(kept), parameters=sum(p.numel() for p in module.parameters()), dropped=dropped)


def _resembling(state: Mapping[str, Tensor]) -> list[str]:
    likeness = described({name: tuple(value.shape) for name, value in state.items()})
    return [f"the file looks like {likeness}"] if likeness else []


def checked_digest(weights: Path, published: str | None = None) -> str:
    """The file's SHA-256, compared with what its publisher, or the manifest beside it, says; "" where only headers are wanted.

    Raises:
        WeightsError: it is another.
    """
    if are_only_headers_wanted():
        return ""
    digest = sha256_of(weights)
    expected = store.stated_digest(weights) or published
    if expected is not None and digest != expected:
        raise WeightsError(f"{weights} has the SHA-256 {digest}, expected {expected}: the file is damaged or another")
    return digest


def _read(path: Path) -> Any:
    readers: dict[bool, Callable[[Path], Any]] = {True: load_file, False: _read_pickle}
    try:
        return readers[path.suffix == ".safetensors"](path)
    except pickle.UnpicklingError as error:
        raise WeightsError(_refused(path, error)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise WeightsError(f"{path} is damaged or no checkpoint ({_reason(error)})") from error
    except (
        zipfile.BadZipFile,
        safetensors.SafetensorError,
        struct.error,
        AssertionError,
    ) as error:  # of torch's own reader
        raise WeightsError(f"{path} is damaged or no checkpoint ({_reason(error)})") from error
    except MemoryError as error:  # a damaged length asks for what no file holds; a sound one is mapped and not copied
        raise WeightsError(
            f"{path} asks for more memory than there is; it is damaged, or larger than this machine"
        ) from error


def _refused(path: Path, error: pickle.UnpicklingError) -> str:
    if not _ASKS_FOR_CODE.search(str(error)):
        other = "; or it was saved with a pickle_protocol other than torch's own, 2" * (
            "Unsupported operand" in str(error)
        )
        return f"{path} is damaged or no checkpoint ({_reason(error)}){other}"
    return (
        f"{path} is a pickle that needs code to be run, which medkt does not do ({_reason(error)}). Where you trust the "
        "file, load it with torch.load(..., weights_only=False) and save the state dict inside it alone, with "
        "torch.save or safetensors.torch.save_file"
    )


def _reason(error: BaseException) -> str:
    """What torch's unpickler objects to, out of its long advice to run the file after all; otherwise the first line of a message."""
    if asked := re.search(r"GLOBAL ([\w.]+\w)", str(error)):
        return f"it asks for {asked[1]}"
    said = re.search(r"WeightsUnpickler error: ([^\n]*)", str(error))
    return said[1] if said else (str(error).strip().splitlines() or [type(error).__name__])[0]


def _read_pickle(path: Path) -> Any:
    zipped = is_zip(path)
    if zipped and torchscript.is_torchscript(path):
        return torchscript.read_state(path)
    return load_inert(path, mmap=zipped)


def _unwrap(content: Any, path: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The innermost state dict, and the names that it stood under."""
    wrappers: tuple[str, ...] = ()
    while isinstance(content, Mapping):
        inside = [name for name in _WRAPPERS if isinstance(content.get(name), Mapping)]
        inside = [name for name in inside if _holds_tensors(content[name])] or inside[:1]
        if not inside:
            return content, wrappers
        if len(inside) > 1:
            raise WeightsError(
                f"{path} holds several state dicts: {', '.join(inside)}; save the one that is meant in a file of its own"
            )
        content, wrappers = content[inside[0]], (*wrappers, inside[0])
    raise WeightsError(f"{path}: a checkpoint must hold a state dict, got {type(content).__name__}")


def _holds_tensors(content: Mapping[str, Any]) -> bool:
    return any(
        isinstance(value, Tensor) or (name in _WRAPPERS and isinstance(value, Mapping) and _holds_tensors(value))
        for name, value in content.items()
    )


def _without_harmless(
    state: Mapping[str, Tensor], harmless: Mapping[str, Tensor], source: str
) -> tuple[StateDict, tuple[str, ...]]:
    for name, expected in harmless.items():
        found = state.get(name)
        if found is None:
            continue
        if found.shape != expected.shape or not (expected.is_meta or _equal(found, expected)):
            raise WeightsError(
                f"{source}: {name} is a constant of this architecture and has another shape or value in the file"
            )
    kept = {name: value for name, value in state.items() if name not in harmless}
    return kept, tuple(name for name in state if name in harmless)


def _equal(found: Tensor, expected: Tensor) -> bool:
    return torch.equal(
        found.to(torch.float64), expected.to(found.dtype).to(torch.float64)
    )  # a halved file rounds them too


def _without_numbers(state: StateDict) -> StateDict:
    return {name: value if value.numel() <= _CONSTANT else value.to("meta") for name, value in state.items()}


def _other_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} {tuple(state[name].shape)} for {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]


def _other_numbers(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Whole or complex numbers where fractions belong, as in a quantised file, whose scale stands elsewhere."""
    return [
        f"{name} {str(state[name].dtype).removeprefix('torch.')}"
        for name, value in own.items()
        if name in state and value.is_floating_point() and not state[name].is_floating_point()
    ]


def _problem(what: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {what}: {_listed(names)}"] if names else []


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def weights_digest(module: nn.Module) -> str:
    """`tensors_digest` of every parameter and buffer as they are now: the same for the same weights, whatever their file."""
    return tensors_digest(module.state_dict())


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, 64 hexadecimal digits, of every entry's name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        flat: NDArray[np.uint8] = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(flat.data)
    return digest.hexdigest()

"""What was learned, as a difference to the base model: made, written, applied, and taken off again bit for bit.

Three kinds. `full`: the difference itself, such that base + difference, rounded to the weights' type, is the adapted
model bit for bit. Differences rather than new values are kept because they add up and can be compared without the
base. `low-rank`: each matrix's difference as a product of two factors, from its singular values; what is too small to
gain by that is kept in full. `lora`: the same at the one rank that LoRA trained, refused where the difference is not
of that rank.

In the file a weight's difference stands under the weight's name, its factors under NAME.left (rows, rank) and
NAME.right (rank, columns); a kernel counts as the matrix (outputs, all else), leading axes of length 1 left out.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from medkt.bounds import parse_json
from medkt.errors import SettingsError, UnreadableError, WeightsError
from medkt.models.encoder import DualEncoder
from medkt.models.weights import weights_digest
from medkt.transfer.copies import copy_encoder, mark_adapted, respecified

DeltaKind = Literal["full", "low-rank", "lora"]
Storage = Literal["float32", "float16", "bfloat16"]

FORMAT = 1
LEFT, RIGHT = ".left", ".right"
_FEW = 4096  # numbers that may be kept apart in the header before a wider type is the shorter way
_LORA_ERROR = 0.01  # of the difference's norm: what rounding leaves of a product when it was added to the weights
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaSettings:
    """How a difference is kept."""

    kind: DeltaKind = "low-rank"
    storage: Storage = "float16"
    """Of what is kept. "full" is exact in "float32" only."""

    energy: float = 0.98
    """"low-rank": each matrix keeps so much of its difference's squared norm, with as few ranks as that takes."""

    max_bytes: int | None = 5_000_000
    """"low-rank": the most bytes of numbers; where `energy` would take more, the ranks that hold most a byte are kept."""

    rank: int = 8
    """"lora": that of the training."""

    def __post_init__(self) -> None:
        checks = {
            "kind": self.kind in get_args(DeltaKind),
            "storage": self.storage in get_args(Storage),
            "energy": 0 < self.energy <= 1,
            "max_bytes": self.max_bytes is None or self.max_bytes > 0,
            "rank": self.rank >= 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"delta setting {name} cannot be {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delta:
    """A difference to one base model.

    Attributes:
        kind: how it is kept.
        base_name: the name of the base model.
        base_digest: `weights_digest` of the base, 64 hexadecimal digits.
        adapted_digest: `weights_digest` of base and difference together, for an exact one; else "".
        tensors: by weight name, or NAME.left and NAME.right.
        exact: for an exact one, single numbers that base + difference would miss: name to (position, value).
        error: norm of what is lost over the norm of the difference, as measured when it was made; 0 for exact.
    """

    kind: DeltaKind
    base_name: str
    base_digest: str
    adapted_digest: str
    tensors: Mapping[str, Tensor]
    exact: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    error: float

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the weights that it changes."""
        names = (name.removesuffix(LEFT) for name in self.tensors if not name.endswith(RIGHT))
        return tuple(dict.fromkeys(names))

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return sum(value.numel() * value.element_size() for value in self.tensors.values())

    def difference(self, name: str, shape: torch.Size) -> Tensor:
        """One weight's difference in float64, in the weight's shape; zeros where it is not changed."""
        if name in self.tensors:
            return self.tensors[name].double().reshape(shape)
        if name + LEFT not in self.tensors:
            return torch.zeros(shape, dtype=torch.float64)
        return (self.tensors[name + LEFT].double() @ self.tensors[name + RIGHT].double()).reshape(shape)


def make_delta(base: DualEncoder, adapted: DualEncoder, settings: DeltaSettings | None = None) -> Delta:
    """The difference between two encoders of one architecture.

    Raises:
        WeightsError: the two differ in their entries or shapes, nothing differs, something other than numbers with a
            fraction differs, or, for "lora", the difference is of a higher rank.
    """
    settings = settings or DeltaSettings()
    before, after = _state(base), _state(adapted)
    _require_same_entries(before, after)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    odd = [name for name in changed if not before[name].is_floating_point()]
    if odd or not changed:
        found = f"these counters differ: {_listed(odd)}" if odd else "the two encoders have the same weights"
        raise WeightsError(f"no difference can be kept: {found}")
    differences = {name: after[name].double() - before[name].double() for name in changed}
    exact: dict[str, tuple[tuple[int, float], ...]] = {}
    if settings.kind == "full" and settings.storage == "float32":
        tensors = {}
        for name in changed:
            tensors[name], apart = _exactly(before[name], after[name])
            exact |= {name: apart} if apart else {}
    else:
        tensors = _stored(differences, settings)
    delta = Delta(
        kind=settings.kind,
        base_name=base.spec.name,
        base_digest=weights_digest(base.module),
        adapted_digest=weights_digest(adapted.module) if _is_exact(settings) else "",
        tensors=tensors,
        exact=exact,
        error=0.0,
    )
    return delta if _is_exact(settings) else _with_error(delta, differences, settings)


def apply(encoder: DualEncoder, delta: Delta) -> DualEncoder:
    """A copy of the base with the difference added.

    Raises:
        WeightsError: the encoder is not the base, or the difference does not fit it; lists what does not.
    """
    _require_base(encoder, [delta])
    adapted = copy_encoder(encoder)
    _add(adapted, [delta])
    if delta.adapted_digest and weights_digest(adapted.module) != delta.adapted_digest:
        raise WeightsError("base and difference do not give the weights that were learned: the difference is damaged")
    return mark_adapted(adapted)


@contextmanager
def applied(encoder: DualEncoder, deltas: Sequence[Delta]) -> Iterator[DualEncoder]:
    """The encoder itself with the sum of the differences in it; on leaving, the base again, bit for bit.

    Nothing is copied but the weights that change.

    Raises:
        WeightsError: as `apply`.
    """
    _require_base(encoder, deltas)
    own = encoder.module.state_dict()
    kept = {name: own[name].clone() for delta in deltas for name in delta.weights}
    spec = encoder.spec
    try:
        _add(encoder, deltas)
        yield mark_adapted(encoder)
    finally:
        respecified(encoder, spec)
        with torch.no_grad():
            for name, value in kept.items():
                own[name].copy_(value)


def to_bytes(delta: Delta) -> bytes:
    """As safetensors; its metadata say what it is and what it belongs to."""
    metadata = {
        "format": str(FORMAT),
        "kind": delta.kind,
        "base_name": delta.base_name,
        "base_digest": delta.base_digest,
        "adapted_digest": delta.adapted_digest,
        "error": repr(delta.error),
        "exact": json.dumps(
            {name: [[at, value.hex()] for at, value in rows] for name, rows in delta.exact.items()}, allow_nan=False
        ),
    }
    return _in_order(bytes(save({name: value.contiguous() for name, value in delta.tensors.items()}, metadata)))


def _in_order(content: bytes) -> bytes:
    """The same safetensors with its metadata sorted by key: the library writes them in an order drawn anew each time."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # as the library: spaces up to a multiple of eight
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def from_bytes(content: bytes) -> Delta:
    """The way back from `to_bytes`.

    Raises:
        UnreadableError: no safetensors, or without the metadata of a difference.
        WeightsError: of another format version, a factor without its other half, or NaN or infinity.
    """
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = parse_json(content[8 : 8 + length]).get("__metadata__", {})
        delta = _read(tensors, metadata)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise UnreadableError(
            f"the bytes are no difference that medkt wrote ({error}); learn the concept again"
        ) from error
    return delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Interference:
    """How two differences meet in one weight.

    Attributes:
        first, second: positions of the two differences in the sequence that was given.
        weight: its name; "" for all weights together.
        cosine: between the two differences, -1 to 1: 1 is the same change, 0 none that meets, below 0 they undo each other.
        overlap: sum of |a||b| over the product of the norms, 0 to 1: whether they change the same numbers, either way.
        norms: of the two differences.
    """

    first: int
    second: int
    weight: str
    cosine: float
    overlap: float
    norms: tuple[float, float]


def interference(encoder: DualEncoder, deltas: Sequence[Delta]) -> tuple[Interference, ...]:
    """A row for each pair and each weight that either changes, and first one for all weights together.

    Raises:
        WeightsError: the encoder is not the base of them all.
    """
    _require_base(encoder, deltas)
    shapes = {name: value.shape for name, value in encoder.module.state_dict().items()}
    rows: list[Interference] = []
    for second in range(len(deltas)):
        for first in range(second):
            names = list(dict.fromkeys((*deltas[first].weights, *deltas[second].weights)))
            sums = {name: _meet(deltas[first], deltas[second], name, shapes[name]) for name in names}
            total = tuple(map(sum, zip(*sums.values(), strict=True)))
            rows += [_row(first, second, name, sum_) for name, sum_ in (("", total), *sums.items())]
    return tuple(rows)


def _meet(one: Delta, other: Delta, name: str, shape: torch.Size) -> tuple[float, ...]:
    a, b = one.difference(name, shape), other.difference(name, shape)
    products = a * b
    return float(products.sum()), float(products.abs().sum()), float(a.square().sum()), float(b.square().sum())


def _row(first: int, second: int, weight: str, sums: tuple[float, ...]) -> Interference:
    dot, absolute, *squares = sums
    norms = (math.sqrt(squares[0]), math.sqrt(squares[1]))
    scale = norms[0] * norms[1] or 1.0  # a weight that one does not change: 0 of both
    return Interference(
        first=first, second=second, weight=weight, cosine=dot / scale, overlap=absolute / scale, norms=norms
    )


def _is_exact(settings: DeltaSettings) -> bool:
    return settings.kind == "full" and settings.storage == "float32"


def _state(encoder: DualEncoder) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in encoder.module.state_dict().items()}


def _exactly(before: Tensor, after: Tensor) -> tuple[Tensor, tuple[tuple[int, float], ...]]:
    """A difference that leads from before to after bit for bit, and the numbers for which there is none.

    A number that changes its sign is far smaller than its change, and float32 cannot hold the difference well enough;
    float64 nearly always can.
    """
    wide = after.double() - before.double()
    for kind in (torch.float32, torch.float64):
        difference = wide.to(kind)
        reached = (before.double() + difference.double()).to(before.dtype)
        missed = torch.nonzero((reached != after).reshape(-1))[:, 0].tolist()
        if len(missed) <= _FEW:
            break
    values = after.double().reshape(-1)
    return difference, tuple((at, float(values[at])) for at in missed)


def _stored(differences: Mapping[str, Tensor], settings: DeltaSettings) -> dict[str, Tensor]:
    kind = getattr(torch, settings.storage)
    if settings.kind == "full":
        return {name: value.to(kind) for name, value in differences.items()}
    factored = {name: value for name, value in differences.items() if _gains(value, settings)}
    tensors = {name: value.to(kind) for name, value in differences.items() if name not in factored}
    parts = {name: _singular(value) for name, value in factored.items()}
    spent = sum(value.numel() for value in tensors.values()) * kind.itemsize
    ranks = _ranks({name: s for name, (_, s, _) in parts.items()}, factored, settings, spent, kind.itemsize)
    for name, (u, s, v) in parts.items():
        root = s[: ranks[name]].sqrt()
        tensors[name + LEFT] = (u[:, : ranks[name]] * root).to(kind)
        tensors[name + RIGHT] = (root[:, None] * v[: ranks[name]]).to(kind)
    return tensors


def _gains(value: Tensor, settings: DeltaSettings) -> bool:
    """Whether two factors can be smaller than the difference itself."""
    rows, columns = _as_matrix(value).shape
    if settings.kind == "lora":
        return min(rows, columns) > 1
    return (rows + columns) * 2 <= rows * columns


def _as_matrix(value: Tensor) -> Tensor:
    while value.ndim > 2 and len(value) == 1:
        value = value[0]
    return value.reshape(1, -1) if value.ndim < 2 else value.reshape(len(value), -1)


def _singular(value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # float32 finds the factors well enough; what they miss is measured and recorded
    made = torch.linalg.svd(_as_matrix(value).float(), full_matrices=False)
    return made[0], made[1], made[2]


def _ranks(
    singular: Mapping[str, Tensor],
    differences: Mapping[str, Tensor],
    settings: DeltaSettings,
    spent: int,
    itemsize: int,
) -> dict[str, int]:
    if settings.kind == "lora":
        return {name: min(settings.rank, len(values)) for name, values in singular.items()}
    ranks = {}
    for name, values in singular.items():
        held = values.double().square().cumsum(0)
        ranks[name] = int((held < settings.energy * held[-1]).sum()) + 1
    costs = {name: sum(_as_matrix(differences[name]).shape) * itemsize for name in singular}
    wanted = spent + sum(ranks[name] * costs[name] for name in ranks)
    if settings.max_bytes is None or wanted <= settings.max_bytes:
        return ranks
    offers = [
        (float(value) ** 2 / costs[name], name) for name, values in singular.items() for value in values[: ranks[name]]
    ]
    taken, left = dict.fromkeys(ranks, 0), settings.max_bytes - spent
    for _, name in sorted(offers, reverse=True):
        if costs[name] <= left:
            taken[name] += 1
            left -= costs[name]
    if left < 0 or not any(taken.values()):
        raise SettingsError(
            f"max_bytes {settings.max_bytes} is too small: what is kept in full alone takes {spent}; allow more"
        )
    return taken


def _with_error(delta: Delta, differences: Mapping[str, Tensor], settings: DeltaSettings) -> Delta:
    lost = sum(float((delta.difference(name, d.shape) - d).square().sum()) for name, d in differences.items())
    whole = sum(float(difference.square().sum()) for difference in differences.values())
    error = math.sqrt(lost / whole)
    if not math.isfinite(error):
        raise WeightsError(f"the difference holds NaN or infinity, or numbers that {settings.storage} cannot hold")
    if settings.kind == "lora" and error > _LORA_ERROR:
        raise WeightsError(
            f"the difference is not of rank {settings.rank}: {error:.1%} of it would be lost; was it trained with LoRA, "
            "and with this rank? Keep it as low-rank or full instead"
        )
    return Delta(
        kind=delta.kind,
        base_name=delta.base_name,
        base_digest=delta.base_digest,
        adapted_digest="",
        tensors=delta.tensors,
        error=error,
    )


def _require_same_entries(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    missing, extra = [n for n in before if n not in after], [n for n in after if n not in before]
    shapes = [name for name in before if name in after and before[name].shape != after[name].shape]
    if missing or extra or shapes:
        raise WeightsError(
            f"the two encoders are not of one architecture: missing {_listed(missing)}, unexpected {_listed(extra)}, "
            f"of another shape {_listed(shapes)}"
        )


def _require_base(encoder: DualEncoder, deltas: Sequence[Delta]) -> None:
    if not deltas:
        raise WeightsError("no difference was given to apply")
    digest, own = weights_digest(encoder.module), encoder.module.state_dict()
    for delta in deltas:
        if delta.base_digest != digest:
            raise WeightsError(
                f"the difference belongs to {delta.base_name} with the weights {delta.base_digest[:12]}..., not to this "
                f"{encoder.spec.name} with {digest[:12]}...; load that base, or learn the concept again"
            )
        unexpected = [name for name in delta.weights if name not in own]
        wrong = [name for name in delta.weights if name in own and not _fits(delta, name, own[name])]
        if unexpected or wrong:
            raise WeightsError(
                f"the difference does not fit {encoder.spec.name}: unexpected {_listed(unexpected)}, of another shape "
                f"{_listed(wrong)}"
            )


def _fits(delta: Delta, name: str, weight: Tensor) -> bool:
    if name in delta.tensors:
        return delta.tensors[name].shape == weight.shape
    rows, columns = _as_matrix(weight).shape
    return delta.tensors[name + LEFT].shape[0] == rows and delta.tensors[name + RIGHT].shape[1] == columns


def _add(encoder: DualEncoder, deltas: Sequence[Delta]) -> None:
    """In place: the sum of all differences in float64, rounded once."""
    own = encoder.module.state_dict()
    with torch.no_grad():
        for name in dict.fromkeys(name for delta in deltas for name in delta.weights):
            weight = own[name].cpu()
            summed = sum((delta.difference(name, weight.shape) for delta in deltas), torch.zeros(()).double())
            new = (weight.double() + summed).to(weight.dtype)
            if len(deltas) == 1:
                for at, value in deltas[0].exact.get(name, ()):
                    new.reshape(-1)[at] = value
            own[name].copy_(new)


def _read(tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> Delta:
    if metadata["format"] != str(FORMAT):
        raise WeightsError(f"a difference of format {metadata['format']}, this medkt reads {FORMAT}; update medkt")
    if metadata["kind"] not in get_args(DeltaKind):
        raise WeightsError(
            f"a difference of the unknown kind {metadata['kind']!r}; known: {', '.join(get_args(DeltaKind))}"
        )
    alone = [n for n in tensors if n.endswith(LEFT) and n.removesuffix(LEFT) + RIGHT not in tensors]
    alone += [n for n in tensors if n.endswith(RIGHT) and n.removesuffix(RIGHT) + LEFT not in tensors]
    alone += [
        n
        for n in tensors
        if n.endswith(LEFT) and n not in alone and tensors[n].shape[-1] != len(tensors[n.removesuffix(LEFT) + RIGHT])
    ]
    if alone:
        raise WeightsError(f"factors without a fitting other half: {_listed(alone)}; learn the concept again")
    broken = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise WeightsError(f"the difference holds NaN or infinity in {_listed(broken)}; learn the concept again")
    exact = parse_json(metadata["exact"])
    return Delta(
        kind=metadata["kind"],  # type: ignore[arg-type]
        base_name=metadata["base_name"],
        base_digest=metadata["base_digest"],
        adapted_digest=metadata["adapted_digest"],
        tensors=tensors,
        exact={name: tuple((int(at), float.fromhex(value)) for at, value in rows) for name, rows in exact.items()},
        error=float(metadata["error"]),
    )


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

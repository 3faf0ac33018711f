"""Which model a file or folder of the user's holds, by the names and shapes of its entries."""

from collections.abc import Mapping
from pathlib import Path

from medkt.errors import AmbiguousInputError, WeightsError
from medkt.models import store
from medkt.models.containers import Shape
from medkt.models.families import described, nearest
from medkt.models.records import DOORS, ModelKind, ModelRecord, record_of, records
from medkt.models.weights import entries_in, shapes_in

_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


def recognise(path: Path, kind: ModelKind) -> tuple[ModelRecord, Path]:
    """The record and the weights file of a path.

    Raises:
        WeightsError: no weights there, or of no known model of this kind.
        AmbiguousInputError: several weights files, or a CLIP of which the file cannot tell which it is.
    """
    folder = path if path.is_dir() else path.parent
    if (folder / store.MANIFEST).is_file():
        known = store.read_manifest(folder)
        if path.is_dir() or path.name == known.weights:
            return record_of(known.model, kind), folder / known.weights
    weights = weights_in(path)
    candidates = _candidates(shapes_in(weights), weights, kind)
    name = (
        candidates[0]
        if len(candidates) == 1
        else DOORS[kind][record_of(candidates[0], kind).family].choose(candidates, weights)
    )
    return record_of(name, kind), weights


def require_model(record: ModelRecord, weights: Path) -> str:
    """What the names and shapes in a file say that it is, in words; they must be those of this model, before one is built for it.

    Raises:
        WeightsError: they are of another, or of none.
    """
    entries = entries_in(weights)
    shapes = entries.shapes
    found = _candidates(shapes, weights, record.kind)
    if record.name not in found:
        likeness = described(shapes)
        raise WeightsError(
            f"{weights} holds {' or '.join(sorted(found))}, not {record.name}{f': it looks like {likeness}' if likeness else ''}; "
            "name what it is"
        )
    taken_off = f", taken out of {' and '.join(repr(one) for one in entries.taken_off)}" if entries.taken_off else ""
    return f"{described(shapes)}, {len(shapes)} entries{taken_off}"


def weights_in(path: Path) -> Path:
    """The one weights file of a folder, or the file itself.

    Raises:
        WeightsError: there is none.
        AmbiguousInputError: there are several.
    """
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not found:
        raise WeightsError(f"{path} holds no weights ({', '.join(_SUFFIXES)})")
    if len(found) > 1:
        raise AmbiguousInputError(f"{path} holds several weights: {', '.join(file.name for file in found)}; name one")
    return found[0]


def _candidates(shapes: Mapping[str, Shape], weights: Path, kind: ModelKind) -> tuple[str, ...]:
    """The models that a file with these entries may hold; more than one where it does not tell.

    Raises:
        WeightsError: none.
    """
    like = nearest(shapes)
    found: tuple[str, ...] = ()
    if like is not None and like.naming.layout and like.kind == kind:
        candidates = DOORS[kind][like.family].candidates
        known = records(kind)
        named = (
            tuple(candidates(shapes, weights))
            if candidates
            else tuple(r.name for r in known.values() if r.family == like.family)
        )
        found = tuple(name for name in named if name in known)
    if not found:
        likeness = described(shapes)
        some = f"it looks like {likeness}" if likeness else f"its entries begin with {', '.join(list(shapes)[:3])}"
        raise WeightsError(f"{weights} holds no {kind} that medkt knows; {some}")
    return found

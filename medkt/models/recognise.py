"""Which model a file or folder of the user's holds, by the names and shapes of its entries."""

from collections.abc import Mapping
from pathlib import Path

from medkt.errors import AmbiguousInputError, WeightsError
from medkt.models import store
from medkt.models.containers import Shape
from medkt.models.families import Family, described, nearest, variant_of
from medkt.models.hugging_face import is_hugging_face, stated_activation
from medkt.models.records import Kind, ModelRecord, record_of, records
from medkt.models.weights import entries_in, shapes_in

_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


def recognise(path: Path, kind: Kind) -> tuple[ModelRecord, Path]:
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
    return record_of(_name(shapes_in(weights), weights, kind), kind), weights


def require_model(record: ModelRecord, weights: Path) -> str:
    """What the names and shapes in a file say that it is, in words; they must be those of this model, before one is built for it.

    Raises:
        WeightsError: they are of another, or of none.
    """
    entries = entries_in(weights)
    shapes = entries.shapes
    try:
        found = {_name(shapes, weights, record.kind)}
    except AmbiguousInputError:  # a CLIP that does not say whose: the user has just said it
        variant = _variant(shapes)
        found = {f"clip-{variant}", f"openclip-{variant}-laion2b"}
    if found & {"sam-vit-b", "medsam"}:
        found = {"sam-vit-b", "medsam"}  # of one architecture
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


def _name(shapes: Mapping[str, Shape], weights: Path, kind: Kind) -> str:
    family = nearest(shapes)
    loads = {record.family for record in records(kind).values()}
    name = _record_name(family, shapes, weights) if family is not None and family.family in loads else None
    if name is None or name not in records(kind):
        likeness = described(shapes)
        some = f"it looks like {likeness}" if likeness else f"its entries begin with {', '.join(list(shapes)[:3])}"
        raise WeightsError(f"{weights} holds no {kind} that medkt knows; {some}")
    return name


def _record_name(family: Family, shapes: Mapping[str, Shape], weights: Path) -> str | None:
    variant = variant_of(family, shapes)
    if family.family == "clip":
        return _clip(variant, shapes, weights) if variant else None
    if family.family == "sam":
        return "medsam" if variant == "vit-b" and "medsam" in weights.name.lower() else f"sam-{variant}"
    return family.family or None


def _clip(variant: str, shapes: Mapping[str, Shape], weights: Path) -> str:
    if "input_resolution" in shapes:  # only OpenAI keeps it among the weights
        return f"clip-{variant}"
    if is_hugging_face(shapes) and stated_activation(weights) == "quick_gelu":
        return f"clip-{variant}"
    raise AmbiguousInputError(
        f"{weights} holds a CLIP {variant}, but not whether it computes OpenAI's quick GELU: say so by "
        f"`medkt models import clip-{variant} {weights}` or `medkt models import openclip-{variant}-laion2b {weights}`"
    )


def _variant(shapes: Mapping[str, Shape]) -> str | None:
    family = nearest(shapes)
    return variant_of(family, shapes) if family is not None else None

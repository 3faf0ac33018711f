"""Which model a file or folder of the user's holds, by the names and shapes of its entries."""

from collections.abc import Mapping
from pathlib import Path

from medkt.errors import AmbiguousInputError, WeightsError
from medkt.models import store
from medkt.models.containers import Shape
from medkt.models.records import Kind, ModelRecord, record_of
from medkt.models.weights import shapes_in

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
            return record_of(known.name, kind), folder / known.weights
    weights = weights_in(path)
    return record_of(_name(shapes_in(weights), weights, kind), kind), weights


def require_model(record: ModelRecord, weights: Path) -> None:
    """That the names and shapes in a file are those of this model, before one is built for it.

    Raises:
        WeightsError: they are of another, or of none.
    """
    shapes = shapes_in(weights)
    try:
        found = {_name(shapes, weights, record.kind)}
    except AmbiguousInputError:  # a CLIP that does not say whose: the user has just said it
        variant = _variant(shapes)
        found = {f"clip-{variant}", f"openclip-{variant}-laion2b"}
    if found & {"sam-vit-b", "medsam"}:
        found = {"sam-vit-b", "medsam"}  # of one architecture
    if record.name not in found:
        raise WeightsError(f"{weights} holds {' or '.join(sorted(found))}, not {record.name}; name what it is")


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


def _name(state: Mapping[str, Shape], weights: Path, kind: Kind) -> str:
    name = _encoder(state, weights) if kind == "encoder" else _segmenter(state, weights)
    if name is None:
        some = ", ".join(list(state)[:3])
        raise WeightsError(f"{weights} holds no {kind} that medkt knows; its entries begin with {some}")
    return name


def _encoder(state: Mapping[str, Shape], weights: Path) -> str | None:
    if "visual.trunk.cls_token" in state or "vision_model.embeddings.class_embedding" in state:
        return "biomedclip" if _is_biomedclip(state) else None
    if "vision_model.model.embeddings.patch_embeddings.projection.weight" in state:
        return "medclip-swin"
    if "vision_model.model.conv1.weight" in state:
        return "medclip-resnet"
    return _clip(state, weights) if "visual.conv1.weight" in state and "visual.proj" in state else None


def _is_biomedclip(state: Mapping[str, Shape]) -> bool:
    return "text.proj.0.weight" in state or "text_projection.fc1.weight" in state


def _clip(state: Mapping[str, Shape], weights: Path) -> str | None:
    variant = _variant(state)
    if variant is None:
        return None
    if "input_resolution" in state:  # only OpenAI keeps it among the weights
        return f"clip-{variant}"
    raise AmbiguousInputError(
        f"{weights} holds a CLIP {variant}, but not whether it computes OpenAI's quick GELU: say so by "
        f"`medkt models import clip-{variant} {weights}` or `medkt models import openclip-{variant}-laion2b {weights}`"
    )


def _variant(state: Mapping[str, Shape]) -> str | None:
    width, _, patch, _ = (*state["visual.conv1.weight"], 0, 0, 0, 0)[:4]
    return {(768, 32): "vit-b-32", (768, 16): "vit-b-16", (1024, 14): "vit-l-14"}.get((width, patch))


def _segmenter(state: Mapping[str, Shape], weights: Path) -> str | None:
    places = state.get("image_encoder.pos_embed")
    if places is None:
        return None
    width = places[-1] if places else 0
    if width == 768 and "medsam" in weights.name.lower():
        return "medsam"
    return {768: "sam-vit-b", 1024: "sam-vit-l", 1280: "sam-vit-h"}.get(width)

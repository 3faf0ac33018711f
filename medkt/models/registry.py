"""From a name, a file or a folder to a model that is ready for use.

Nothing is registered by importing: the families are in `medkt.models.records.ENCODERS` and `SEGMENTERS`, and what is known of
each model is one record in `configs/models.yaml`, or in the family that an installed package adds. Nothing is downloaded:
weights come from the store (`medkt models pull`) or from the user.
"""

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.errors import AmbiguousInputError, UnknownNameError
from medkt.extras import require
from medkt.models import store
from medkt.models.records import DOORS, ModelKind, ModelRecord, record_of, records

if TYPE_CHECKING:
    import torch

    import medkt.models.encoder

log = logging.getLogger(__name__)


def encoder_names() -> tuple[str, ...]:
    """The names that `load_encoder` knows."""
    return tuple(records("encoder"))


def segmenter_names() -> tuple[str, ...]:
    """The names that `load_segmenter` of `medkt.pipeline` knows."""
    return tuple(records("segmenter"))


def load_encoder(
    name_or_path: str | Path, *, device: "str | torch.device" = "cpu"
) -> "medkt.models.encoder.DualEncoder":
    """An encoder by its name, or from a checkpoint of the user's.

    Args:
        name_or_path: a name of `encoder_names()`, or a weights file or folder. Which architecture a file holds is
            read from the names of its entries.
        device: where it shall live.

    Raises:
        UnknownNameError: neither a known name nor a path that exists.
        WeightsError: the weights are not here, or are not what they should be.
        MissingDependencyError: the model's extra is not installed.
    """
    loaded: medkt.models.encoder.DualEncoder = load(name_or_path, "encoder", device)[0]
    return loaded


def load(name_or_path: str | Path, kind: ModelKind, device: "str | torch.device" = "cpu") -> tuple[Any, ModelRecord]:
    """What the family of a model gives (see `medkt.models.family`), by name or from a weights file, and the model's record.

    Raises:
        UnknownNameError, WeightsError, MissingDependencyError: as `load_encoder`.
    """
    record, weights = find(name_or_path, kind)
    made = build(record, weights, device)
    say_what_it_is(name_or_path, record)
    return made, record


def build(record: ModelRecord, weights: Path | None, device: "str | torch.device" = "cpu") -> Any:
    """The model of a record with these weights; weights are None for a model that ships with its package.

    Raises:
        MissingDependencyError: the extra that it needs is not installed.
    """
    family = DOORS[record.kind][record.family]
    if family.needs:
        require(record.extra or "all", record.name, family.needs)
    return family.load(device) if weights is None else family.load(weights, record, device)


def find(name_or_path: str | Path, kind: ModelKind) -> tuple[ModelRecord, Path | None]:
    """The record and the weights file that a name or a path means; no file for a model that ships with medkt.

    A name is that of a model, or one that the user gave to a model in the store.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in records(kind):
        record = record_of(name, kind)
        return record, store.weights_path(record) if record.files else None
    if store.is_own_name(name):
        if path.exists():
            raise AmbiguousInputError(
                f"{name!r} is a model in the store and a path here: write {path.resolve()} for that"
            )
        return _own(name, kind)
    if not path.exists():
        known = ", ".join((*records(kind), *store.own_names()))
        raise UnknownNameError(f"{name!r} is neither a known {kind} nor a path that exists; known: {known}")
    from medkt.models.recognition import recognise  # imports torch

    recognised: tuple[ModelRecord, Path] = recognise(path, kind)
    return recognised


def _own(name: str, kind: ModelKind) -> tuple[ModelRecord, Path]:
    found = store.read_manifest(store.folder_of(name))
    if found.model not in records(kind):
        raise UnknownNameError(f"{name!r} in the store is {found.model}, which is no {kind}")
    return record_of(found.model, kind), found.folder / found.weights


def say_what_it_is(name_or_path: str | Path, record: ModelRecord) -> None:
    """Say what a weights file was taken for, once it could be loaded; of a name that is known."""
    name = str(name_or_path)
    if name not in records(record.kind) and not store.is_own_name(name):
        _say_once(name, record.title)


@cache
def _say_once(path: str, title: str) -> None:
    log.warning("%s is taken for %s", path, title)

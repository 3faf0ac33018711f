"""`models list`, `models show` and `models path`: which models there are, what is known of one, and where it lies."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, Request, requested

if TYPE_CHECKING:
    from medkt.examine import Examination
    from medkt.models.records import ModelRecord


@dataclass(frozen=True, kw_only=True)
class ModelsShowRequest(Request):
    """Which model."""

    name: Annotated[str, Option("a name of `medkt models list`, or an encoder's weights file", positional=True)]


@dataclass(frozen=True, kw_only=True)
class ModelsPathRequest(Request):
    """Which model."""

    name: Annotated[str, Option(positional=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model that medkt knows, and whether it is here.

    Attributes:
        name: that it is asked for by.
        model: the published model that it is; another name than `name` where the user gave it one.
        kind: "encoder" or "segmenter".
        title: the name its authors gave it.
        licence: of the weights.
        licence_summary: what that means, in a sentence.
        extra: of the medkt distribution that it needs; None for none.
        citation: the paper.
        state: "ships with medkt", "yes" or "no".
        recognised: what its weights were recognised as when they were brought; None where they were pulled or are not here.
        folder: where it lies; None where it is not here, or ships with medkt.
        bytes: of its files there; else None.
    """

    name: str
    model: str
    kind: str
    title: str
    licence: str
    licence_summary: str
    extra: str | None
    citation: str
    state: str
    recognised: str | None
    folder: Path | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsShowResult:
    """A model's card.

    Attributes:
        entry: what the list says of it.
        digest: SHA-256 of its weights; None where they are not here.
        examination: what it was found to understand; None where nobody asked, and of a segmenter.
    """

    entry: ModelEntry
    digest: str | None
    examination: "Examination | None"


def models_list() -> tuple[ModelEntry, ...]:
    """Every model that medkt knows, encoders first, then those in the store under names of the user's own.

    Raises:
        WeightsError: the manifest of a model in the store is damaged.
    """
    from medkt.models import store
    from medkt.models.records import records

    known = [_entry(record, record.name) for kind in ("encoder", "segmenter") for record in records(kind).values()]
    return (*known, *(_own_entry(name) for name in store.own_names()))


def models_show(request: ModelsShowRequest | None = None, /, **options: Any) -> ModelsShowResult:
    """A model's card: licence, weights, and what it understands.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        UnknownNameError: there is no such model. WeightsError: a file of no known encoder. InputError: a damaged examination.
    """
    from medkt.examine.store import find_examination

    entry, digest = _found(requested(ModelsShowRequest, request, options).name)
    asked = digest if entry.kind == "encoder" else None
    return ModelsShowResult(entry=entry, digest=digest, examination=find_examination(asked) if asked else None)


def models_path(request: ModelsPathRequest | None = None, /, **options: Any) -> Path:
    """The folder of a model in the store; of one that ships with medkt, where its own would be.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        UnknownNameError: there is no such model. WeightsError: it is not here; says how to bring it.
    """
    from medkt.models import store
    from medkt.models.records import record_of

    name = requested(ModelsPathRequest, request, options).name
    if store.is_own_name(name):
        return store.folder_of(name)
    record = record_of(name)
    if record.files:
        store.weights_path(record)  # says how to bring the model if it is not here
    return store.folder_of(record.name)


def _found(name: str) -> tuple[ModelEntry, str | None]:
    """A model's entry, and the SHA-256 of its weights."""
    from medkt.io.sha256 import sha256_of
    from medkt.models import store
    from medkt.models.records import record_of
    from medkt.models.registry import find

    if store.is_own_name(name):
        return _own_entry(name), _stored_digest(name)
    if Path(name).exists():
        record, weights = find(name, "encoder")
        return _entry(record, name), sha256_of(weights) if weights else None
    record = record_of(name)
    return _entry(record, record.name), _stored_digest(record.name) or _own_digest(record)


def _own_entry(name: str) -> ModelEntry:
    from medkt.models import store
    from medkt.models.records import record_of

    return _entry(record_of(store.read_manifest(store.folder_of(name)).model), name)


def _entry(record: "ModelRecord", name: str) -> ModelEntry:
    from medkt.models import store

    found = store.installed(name) if record.files else None
    state = "ships with medkt" if not record.files else "yes" if found else "no"
    return ModelEntry(
        name=name, model=record.name, kind=record.kind, title=record.title, licence=record.licence.title,
        licence_summary=record.licence.summary, extra=record.extra, citation=record.citation, state=state,
        recognised=found.recognised or None if found else None, folder=found.folder if found else None,
        bytes=sum(file.size for file in found.files.values()) if found else None,
    )  # fmt: skip


def _stored_digest(name: str) -> str | None:
    """The SHA-256 of the weights of a model in the store; None where it is not there."""
    from medkt.models import store

    found = store.installed(name)
    return found.files[found.weights].sha256 if found and found.weights in found.files else None


def _own_digest(record: "ModelRecord") -> str | None:
    """Of a model that ships with medkt."""
    from medkt.bounds import parse_json
    from medkt.resources import data_file

    if record.files:
        return None
    stated = data_file(f"medkt/models/small/weights/{record.kind}.json")
    return str(parse_json(stated.read_text(encoding="utf-8"))["sha256"])

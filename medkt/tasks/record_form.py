"""What a page reads of a run's record, of the kind that it must be: records of earlier versions have no sum that would say so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medkt.errors import UnreadableError
from medkt.records import fill
from medkt.runs.record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompts:
    published_as: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metrics:
    metrics: tuple[str, ...]
    empty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scoring:
    metrics: _Metrics
    tolerance: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    name: str
    concept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    concepts: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    protocol: str | None = None
    preset: str | None = None
    patients: str | None = None
    site: str | None = None
    manifest: str | None = None
    masks: str | None = None
    as_published: _Published | None = None
    prompts: _Prompts | None = None
    scoring: _Scoring | None = None
    classes: tuple[_Class, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoder:
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Models:
    encoder: _Encoder | None = None
    segmenter: Mapping[str, Any] = field(default_factory=dict)
    calibrations: Mapping[str, str] = field(default_factory=dict)


def require_form(record: RunRecord, where: Path) -> None:
    """That what a page says of a run is there in the form that a run writes it.

    Args:
        record: of the run, with its identity.
        where: its folder.

    Raises:
        UnreadableError: something is not; names it.
    """
    try:
        fill(_Identity, record.identity, where="identity", more=True)
        fill(_Models, record.models or {}, where="models", more=True)
    except UnreadableError as error:
        raise UnreadableError(f"{where / 'run.json'}: is damaged or no file of medkt ({error})") from error

"""`run.json` of a run's folder: what it is a run of, and what its rows were made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medkt.bounds.texts import LARGEST_RECORD
from medkt.io.sha256 import sha256_of_json
from medkt.records import RecordForm, left_out
from medkt.runs.columns import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProvenance:
    """What rows were made with: versions and models."""

    software: Mapping[str, str]
    models: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run is, and what it was made with.

    Attributes:
        schema: the number of this record and of the tables.
        identity: what its task asked, of which models and with which settings; a run goes on with the same only.
        software: the versions that it began with; None of runs from before that was noted.
        models: digests of what the workers loaded first; None before one was ready.
        made_with: by the digits that stand in a row's `made_with`.
        merged: whether it was put together from shards.
        tables: digests of the tables, by file name.
    """

    schema: int = SCHEMA
    identity: Mapping[str, Any]
    software: Mapping[str, str] | None = left_out()
    models: Mapping[str, Any] | None = None
    merged: bool = left_out(False)
    made_with: Mapping[str, RowProvenance] = field(default_factory=dict)
    tables: Mapping[str, str] | None = left_out()


FORM = RecordForm(
    kind=RunRecord, name="run", number=SCHEMA, unnamed=1, sum_of=sha256_of_json, summed_from=SCHEMA + 1, more=True,
    writer="medkt batch", again="take it from a copy, or begin in another folder", largest=LARGEST_RECORD,
)  # fmt: skip
"""The tables of number 1, which named none, had other columns. Runs of earlier versions may have no sum."""

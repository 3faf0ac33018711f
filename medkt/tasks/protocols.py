"""The cases of a published data set as a plan; its manifest, which holds paths, stays out of the run's folder."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.protocol import Protocol
from medkt.errors import SettingsError
from medkt.metrics import MetricSettings
from medkt.runs.work import Shard
from medkt.tasks.cases import KNOWN_COLUMNS, CasePlan
from medkt.tasks.masks.scoring import Scoring


def plan_of_protocol(
    protocol: Protocol,
    data: Path,
    *,
    concept: str,
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
) -> CasePlan:
    """The plan of a data set on disk.

    Args:
        protocol: which data set, which split.
        data: its folder.
        concept: id of what is asked of every case.
        shard: which part of the cases.
        keep_ids: the data set's ids are pseudonyms already.
        columns: what goes into the result table beside the numbers.

    Raises:
        InputError: the data set's files are not as they should be.
        SettingsError: a column that shall be kept is not there.
    """
    manifest = protocol.manifest(data)
    cases = tuple(replace(case, concept="") for case in manifest.cases)  # the same question to every one
    require_columns(cases, columns)
    return CasePlan(
        cases=lambda: cases, digest=digest_of_cases(cases, data), concepts={}, asked=(concept,),
        shard=shard or Shard(), keep_ids=keep_ids, columns=tuple(columns),
        patients_stated=any(case.patient_id != case.case_id for case in cases),
    )  # fmt: skip


def require_columns(cases: Sequence[Case], columns: Sequence[str]) -> None:
    """Pass silently where every column that shall be kept is one of the cases'.

    Raises:
        SettingsError: one is not there; lists those that are.
    """
    known = {*KNOWN_COLUMNS, *(name for case in cases for name in case.columns)}
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise SettingsError(f"--by {unknown[0]}: the data set has no such column; it has {', '.join(sorted(known))}")


def scoring_of_protocol(protocol: Protocol) -> Scoring:
    """The metrics that a protocol names.

    Raises:
        SettingsError: none of them compares masks.
    """
    names = tuple(metric.name for metric in protocol.metrics if metric.name not in ("accuracy", "top1"))
    if not names:
        raise SettingsError(f"protocol {protocol.name!r} compares no masks: its task is {protocol.task}")
    boundary = next((metric for metric in protocol.metrics if metric.name == "nsd"), None)
    metrics = MetricSettings(metrics=names)
    if boundary is None or boundary.tolerance is None:
        return Scoring(metrics=metrics)
    return Scoring(metrics=metrics, tolerance=boundary.tolerance, unit=boundary.unit)


def digest_of_cases(cases: Sequence[Case], data: Path) -> str:
    """SHA-256 of what the cases say, with paths as they stand below the data set's folder."""
    base = os.path.abspath(data)
    whole = hashlib.sha256()
    for case in cases:
        paths = [os.path.relpath(os.path.abspath(path), base) for path in (case.image, *case.references)]
        words: list[object] = [
            case.case_id,
            case.patient_id,
            case.series,
            case.volume,
            case.slice_index,
            case.reference_kind,
        ]
        words += [case.reference_key, case.concept, case.modality, case.present, sorted(case.columns.items())]
        whole.update(json.dumps([*paths, *words], allow_nan=False).encode())
    return whole.hexdigest()

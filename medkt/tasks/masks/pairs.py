"""Masks that are there already: two folders, paired by name, scored case by case."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medkt.datasets.case import Case
from medkt.datasets.folder import PICTURES, VOLUMES, files_in, ids_from, require_folder
from medkt.datasets.patients import FileOwners
from medkt.io.mask_choice import MaskChoice
from medkt.io.masks import read_chosen
from medkt.io.sha256 import sha256_of
from medkt.metrics import CaseResult, pair_by_case
from medkt.runs.work import Row, Value
from medkt.spatial import Mask
from medkt.tasks.cases import CasePlan, CaseWork
from medkt.tasks.masks.scoring import Scoring, columns_of, facts_of_mask

SUFFIXES = (*VOLUMES, *PICTURES, ".dcm")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRunnerFactory:
    """Makes a `MaskRunner` in a worker; no model is loaded.

    Attributes:
        scoring: which numbers.
        reference, prediction: which values of the files of either side are inside.
    """

    scoring: Scoring = field(default_factory=Scoring)
    reference: MaskChoice = field(default_factory=MaskChoice)
    prediction: MaskChoice = field(default_factory=MaskChoice)

    def __call__(self) -> "MaskRunner":
        return MaskRunner(self)


@dataclass(frozen=True, slots=True)
class MaskRunner:
    """Reads a prediction and its reference, and compares them; a `Runner` that writes no files."""

    asked: MaskRunnerFactory

    def facts(self) -> Mapping[str, Any]:
        return {}

    def read(self, work: CaseWork) -> tuple[Mask, Mask]:
        reference = read_chosen(work.case.references[0], self.asked.reference)
        return reference, read_chosen(work.case.image, self.asked.prediction)

    def compute(self, work: CaseWork, masks: tuple[Mask, Mask]) -> tuple[CaseResult, Row]:
        reference, prediction = masks
        scores = self.asked.scoring.score(reference=reference, prediction=prediction)
        facts: dict[str, Value] = {"present": bool(prediction.values.any())}
        for side, mask, scored in (
            ("reference", reference, scores.reference),
            ("prediction", prediction, scores.prediction),
        ):
            facts |= {**facts_of_mask(mask, side), f"{side}_rule": "; ".join(scored.steps)}
        return scores, facts

    def write(self, work: CaseWork, result: tuple[CaseResult, Row]) -> Sequence[Row]:
        scores, facts = result
        return [{"concept": concept, **facts, **columns_of(scores)} for concept in work.concepts]


def plan_of_masks(
    *,
    references: Path,
    predictions: Path,
    concept: str,
    keep_ids: bool = False,
    whose: FileOwners | None = None,
) -> CasePlan:
    """The cases of two folders of masks; a case is a name that both have.

    Args:
        references: NIfTI, pictures or DICOM SEGs; the name without its ending is the case.
        predictions: the same names.
        concept: what the masks outline.
        keep_ids: the names are pseudonyms already.
        whose: which files are of one patient; each is its own where nothing says it.

    Raises:
        InputError: a folder is not there or holds no mask, or a name stands in one of them only; lists those.
    """
    held = {
        what: files_in(require_folder(folder, what=what), SUFFIXES, what="mask")
        for what, folder in (("references", references), ("predictions", predictions))
    }
    pairs = pair_by_case(references=held["references"], predictions=held["predictions"])
    names = [pair.case_id for pair in pairs]
    whose = whose or FileOwners()
    ids, patients = ids_from(names), whose.of(names)
    cases = tuple(
        Case(
            case_id=ids[pair.case_id], image=pair.prediction, references=(pair.reference,), reference_kind="mask",
            concept=concept, patient_id=patients.get(pair.case_id, ""),
        )
        for pair in pairs
    )  # fmt: skip
    return CasePlan(
        cases=lambda: cases, digest=_digest(cases), concepts={concept: concept}, asked=(concept,), keep_ids=keep_ids,
        patients_stated=whose.said, of_masks=True,
    )  # fmt: skip


def _digest(cases: Sequence[Case]) -> str:
    """SHA-256 over names, patients and the contents of all masks: what a run that goes on must find again."""
    whole = hashlib.sha256()
    for case in cases:
        parts = (case.case_id, case.patient_id, sha256_of(case.references[0]), sha256_of(case.image))
        whole.update("\0".join((*parts, "")).encode())
    return whole.hexdigest()

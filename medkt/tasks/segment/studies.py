"""The runner of real studies: `medkt segment` for each case of a cohort, with the models loaded once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medkt.calibration import Calibration, ScoringKey, segment_calibrated
from medkt.concepts import Concept
from medkt.datasets.prompts import oracle_concept
from medkt.datasets.reference import read_case_image, reference_mask
from medkt.io.parts import part_beside
from medkt.metrics import CaseResult
from medkt.models.module import device_of
from medkt.pipeline import FindingResult, Pipeline, Study, StudyResult, View, take_threads_of_worker
from medkt.pipeline.words import require_words
from medkt.report.study_folder import Formats, SiteDecisions, write_result
from medkt.runs.folder import RunFolder
from medkt.runs.work import Row, Value
from medkt.saliency import TextFeatureCache, texts_kept
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.shapes import Voxels
from medkt.spatial import Image, Mask
from medkt.tasks.cases import CaseWork
from medkt.tasks.masks.scoring import Scoring, columns_of, facts_of_mask
from medkt.tasks.segment.site import SiteRules

CaseSegmentation = tuple[StudyResult, SiteDecisions | None]  # with what the site's calibrations decided, where they do
Foretell = Callable[[Study, Pipeline], tuple[float, float] | None]

# what of a finding's record goes into the table under its own name
_OF_FINDING = (
    "decision",
    "score",
    "specificity",
    "slice_disagreement",
    "pieces_dropped",
    "slices_with_mask",
)
# and of its measures: sums over all lesions, and the largest lesion's own sizes under names that say so
_OF_MEASURES = ("unit", "mask_voxels", "lesion_count", "border_count", "sum_volume_ml", "sum_area", "frame")
_OF_LARGEST = ("volume_ml", "area", "long_axis", "short_axis", "max_diameter", "touches_border")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRunnerFactory:
    """Makes a `StudyRunner` in a worker; small and picklable.

    Attributes:
        run: whose folder `cases` the results go into.
        concepts: all that any case asks for, by id.
        model, segmenter, device, settings, preset, as_published: as for `Pipeline.load`.
        view, regrid, allow_incomplete: as for `Pipeline.segment_file`; a case's own modality comes before the view's.
        formats: what is written of each case.
        packages: `.medkt` files of learnt concepts; their concepts are among `concepts` too.
        together: as for `Pipeline.with_packages`.
        site: whose calibrations decide presence; "" for the threshold of the settings.
        guarded: as for `Pipeline.load`.
        scoring: of the cases that have a reference.
        foretell: seconds that a study adds to the run, at least and at most, from what is asked of it; None says nothing. It is
            picklable, and is asked in the first study of each worker.
    """

    run: RunFolder = field(default_factory=lambda: RunFolder(Path()))
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    model: str = "small"
    segmenter: str | None = None
    device: str = "auto"
    settings: SegmentationSettings
    preset: str = "default"
    as_published: Mapping[str, Any] = field(default_factory=dict)
    view: View = field(default_factory=View)
    regrid: bool = False
    allow_incomplete: bool = False
    formats: Formats = field(default_factory=Formats)
    packages: tuple[Path, ...] = ()
    together: bool = False
    site: str = ""
    guarded: bool = True
    scoring: Scoring = field(default_factory=Scoring)
    foretell: Foretell | None = None

    def __call__(self) -> "StudyRunner":
        """Load the models; the worker's threads are those that its environment allows."""
        take_threads_of_worker()
        pipeline = Pipeline.load(
            self.model, segmenter=self.segmenter, device=self.device, settings=self.settings, preset=self.preset,
            as_published=self.as_published, packages=self.packages, together=self.together,
            guarded=self.guarded,
        )  # fmt: skip
        require_words(self.concepts.values(), pipeline.encoder)
        rules = SiteRules.read(self.site, pipeline, self.concepts.values(), self.view) if self.site else None
        return StudyRunner(self, pipeline, rules)


@dataclass(frozen=True, slots=True)
class StudyRunner:
    """Reads, segments, scores and writes studies; a `Runner`.

    Attributes:
        asked: what of.
        pipeline: the models.
        rules: the site's calibrations, where they decide.
        texts: what the encoders made of the words so far.
        told: who is told how long a study takes, until that was told.
    """

    asked: StudyRunnerFactory
    pipeline: Pipeline
    rules: SiteRules | None = None
    texts: TextFeatureCache = field(default_factory=TextFeatureCache)
    told: list[Callable[[float, float], None]] = field(default_factory=list)

    def foresee(self, tell: Callable[[float, float], None]) -> None:
        """As `medkt.runs.engine.ForecastingRunner`."""
        if self.asked.foretell is not None:
            self.told.append(tell)

    def _foretell(self, study: Study) -> None:
        """Once: what the first study shows of the others. That a cost is not known is no case's failure."""
        if self.told and self.asked.foretell is not None:
            tell, expected = self.told.pop(), self.asked.foretell(study, self.pipeline)
            if expected is not None:
                tell(*expected)

    def facts(self) -> Mapping[str, Any]:
        spec, segmenter = self.pipeline.encoder.spec, self.pipeline.segmenter_facts
        taught = self.pipeline.taught
        learnt = {"packages": [one.digest for one in taught.packages]} if taught else {}
        return {
            "encoder": {"name": spec.name, "digest": spec.digest, **learnt},
            "segmenter": {"name": segmenter.name, "digest": segmenter.digest},
            "device": device_of(self.pipeline.encoder).type,
            "guard": self.pipeline.guard.facts if self.pipeline.guard else None,
            **({"calibrations": self.rules.digests} if self.rules else {}),
        }

    def read(self, work: CaseWork) -> tuple[Image, Mask | None]:
        image = read_case_image(work.case, regrid=self.asked.regrid, allow_incomplete=self.asked.allow_incomplete)
        self.asked.formats.require_some(image)
        return image, reference_mask(work.case, image=image) if work.case.has_mask else None

    def compute(self, work: CaseWork, study: tuple[Image, Mask | None]) -> CaseSegmentation:
        image, reference = study
        with texts_kept(self.texts):
            result, decided = self._segmented(work, image)
        if reference is None:
            return result, decided
        return replace(result, findings=tuple(self._scored(result, one, reference) for one in result.findings)), decided

    def _scored(self, result: StudyResult, finding: FindingResult, reference: Mask) -> FindingResult:
        sure = plane_scores(result, finding)
        case = self.asked.scoring.score(reference=reference, prediction=result.mask(finding), sure=sure)
        return replace(finding, case=case, reference=reference)

    def _segmented(self, work: CaseWork, image: Image) -> CaseSegmentation:
        asked, rules = self.asked, self.rules
        view = replace(asked.view, modality=work.case.modality or asked.view.modality)
        concepts = concepts_of(work, asked.concepts)
        if rules is None:
            return self.pipeline.segment(image, concepts, view=view, before=self._foretell), None
        used: dict[str, Calibration] = {}

        def find(key: ScoringKey) -> Calibration:
            used[key.concept] = rules.find(key)
            return used[key.concept]

        done = segment_calibrated(
            self.pipeline, image, concepts, view=view, site=rules.site, find=find, before=self._foretell
        )
        return done.result, SiteDecisions(site=rules.site, decisions=done.decisions, calibrations=used)

    def write(self, work: CaseWork, segmented: CaseSegmentation) -> Sequence[Row]:
        result, decided = segmented
        part = part_beside(self.asked.run.cases)
        written = write_result(result, part, formats=self.asked.formats, name=work.key, decided=decided)
        rows = [
            {**row_of(written.record, record, finding.case, finding.reference), **work.said_of(finding.concept.id)}
            for record, finding in zip(written.record["findings"], result.findings, strict=True)
        ]
        self.asked.run.put_case(work.key, part)
        return rows


def concepts_of(work: CaseWork, concepts: Mapping[str, Concept]) -> list[Concept]:
    """What is asked of a case; those that are worded for its image alone are made here."""
    worded = work.worded or {}
    return [
        oracle_concept(concepts[worded[name][0]], worded[name][1]) if name in worded else concepts[name]
        for name in work.concepts
    ]


def row_of(
    record: Mapping[str, Any], finding: Mapping[str, Any], case: CaseResult | None, reference: Mask | None = None
) -> Row:
    """One row of the result table from a study's `result.json`, one of its findings, its scores and their reference.

    `present` is empty where nothing was decided, for the gate is off; no claim counts as not seen, and `no_claim` says why.
    """
    row: dict[str, Value] = {"concept": finding["concept"]}
    row["present"] = None if finding["decision"] == "not decided" else finding["decision"] == "seen"
    row["no_claim"] = ";".join(one["code"] for one in finding["no_claim"]) or None
    row |= {name: finding[name] for name in _OF_FINDING}
    measures = finding["measures"]
    row |= {name: measures[name] for name in _OF_MEASURES}
    row |= {f"largest_{name}": (measures["largest"] or {}).get(name) for name in _OF_LARGEST}
    row |= {
        "domain": record["domain"], "planes": record["planes"], "planes_scored": record["planes_scored"],
        "input_digest": record["input"]["digest"], "incomplete": incomplete_of(record), "warnings": len(record["warnings"]),
        "words_notes": ";".join(finding["words_notes"]),
    }  # fmt: skip
    if finding["calibration"] is not None:
        row |= {name: finding["calibration"][name] for name in ("p_value", "probability")}
    row |= {} if reference is None else facts_of_mask(reference, "reference")
    return row if case is None else row | columns_of(case, sure=True)


def incomplete_of(record: Mapping[str, Any]) -> int:
    """How many files of a study's input are lost and not explained; 0 where it was read whole."""
    completeness = record["input"]["completeness"]
    return 0 if completeness is None else sum(completeness["unexplained"].values())


def plane_scores(result: StudyResult, finding: FindingResult) -> Voxels:
    """(slices, rows, columns): for each voxel the presence score of the nearest plane that was looked at.

    Maps are not compared between planes, presence scores are; so this is how sure the prediction is of a lesion.
    """
    looked, geometry = finding.looked, result.image.geometry
    seen = np.array([looked.number(position) for position in looked.positions])
    numbers = np.array([looked.planes.number(index, looked.count) for index in range(looked.count)])
    nearest = np.abs(numbers[:, None] - seen[None]).argmin(axis=1)  # half way between two: the one looked at first
    along = [1, 1, 1]
    along[looked.planes.axis] = looked.count
    return np.broadcast_to(finding.found.presence.scores[nearest].reshape(along), geometry.shape)

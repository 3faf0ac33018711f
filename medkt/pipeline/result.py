"""What was found in one study, and which models found it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medkt.concepts import Concept
from medkt.concepts.meaning import RefusalCode
from medkt.domains import Domain
from medkt.facts import EncoderFacts, ModelFacts, TaughtFacts
from medkt.metrics import CaseResult, Measures, evaluate_case, measure
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import PlaneSelection, shown_plane
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.interpolation import filled_between
from medkt.segmentation.slicewise import ConceptResult, SegmentationSettings
from medkt.shapes import Plane
from medkt.spatial import Image, Mask, SaliencyMap

TOLERANCE_MM = 2.0  # of the boundary NSD when a result is scored
TOLERANCE_PX = 2.0  # where the image has no spacing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindingResult:
    """One concept in one study.

    Attributes:
        concept, texts: what was asked, and the words that the encoder was given.
        looked: which planes, shown how (a CT concept may ask for a window of its own).
        found: scores, maps, prompts and pieces of mask, slice by slice, numbered by position among those looked at.
        specificity: how much the map depends on the words, 1 entirely and 0 not at all, median over the slices checked;
            None where nothing was looked at.
        measures: size and place of the mask's lesions.
        case, reference: scores against a reference and the reference itself, where one was given.
        words_notes: codes of what is to be known of its words, such as "negation" (`medkt.concepts.meaning`).
    """

    concept: Concept
    texts: ConceptTexts
    looked: "PlaneSelection"
    found: ConceptResult
    specificity: float | None
    measures: Measures
    case: CaseResult | None = None
    reference: Mask | None = None
    words_notes: tuple[RefusalCode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyResult:
    """Everything that was found in one study, and how.

    Attributes:
        image: the study.
        domain: what it was taken for.
        findings: one a concept, in the order asked.
        encoder, segmenter: the models.
        settings, preset: of the steps between encoder and mask; what was left to the domain or encoder is filled in.
        warnings: what a reader should know.
        seconds: by step.
        as_published: how the settings stand to a published way; empty where none was asked for.
        guard: which guard looked at the study; None for none.
    """

    image: Image
    domain: Domain
    findings: tuple[FindingResult, ...]
    encoder: EncoderFacts
    segmenter: ModelFacts
    settings: SegmentationSettings
    preset: str
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    as_published: Mapping[str, Any] = field(default_factory=dict)
    guard: str | None = None

    def plane(self, finding: FindingResult, position: int) -> Plane:
        """The plane at a position as the models saw it, (rows, columns) in [0, 1]; only the region where there is one."""
        return shown_plane(self.image, finding.looked, position)

    def mask(self, finding: FindingResult) -> Mask:
        """The mask of one finding on the image's grid; made anew at each call, so that a study holds none of them."""
        return mask_of(self.image, finding.looked, finding.found, finding.concept.id)

    def saliency(self, finding: FindingResult) -> SaliencyMap:
        """The saliency map of one finding on the image's grid, 0 where nothing was looked at; made anew at each call."""
        return saliency_of(self.image, finding.looked, finding.found)


def score_finding(result: StudyResult, finding: FindingResult, reference: Mask) -> CaseResult:
    """DSC, IoU and the boundary NSD at 2 mm (2 pixels without spacing) of one finding."""
    mask = result.mask(finding)
    if mask.geometry.unit == "mm":
        return evaluate_case(reference=reference, prediction=mask, tolerance_mm=TOLERANCE_MM)
    return evaluate_case(reference=reference, prediction=mask, tolerance_px=TOLERANCE_PX)


def encoder_facts(encoder: DualEncoder, taught: Sequence[TaughtFacts] = ()) -> EncoderFacts:
    spec = encoder.spec
    return EncoderFacts(name=spec.name, digest=spec.digest, licence=spec.licence, taught=tuple(taught))


def finding_of(
    image: Image,
    looked: PlaneSelection,
    concept: Concept,
    texts: ConceptTexts,
    found: ConceptResult,
    words_notes: tuple[RefusalCode, ...] = (),
) -> FindingResult:
    indices = [s.map.specificity.index for s in found.slices if s.map.specificity is not None]
    return FindingResult(
        concept=concept, texts=texts, looked=looked, found=found,
        specificity=float(np.median(indices)) if indices else None,
        measures=measure(mask_of(image, looked, found, concept.id), seen=looked.seen(image.geometry)),
        words_notes=words_notes,
    )  # fmt: skip


def mask_of(image: Image, looked: PlaneSelection, found: ConceptResult, label: str) -> Mask:
    values = np.zeros(image.geometry.shape, dtype=bool)
    seen = [(looked.number(position), mask) for position, mask in found.masks()]
    stride = looked.stride if image.geometry.stack == "space" else 1
    for number, mask in filled_between(seen, stride, looked.count):
        looked.put(values, looked.planes.number(number, looked.count), mask)
    steps = image.provenance.then(f"segmented: {label}")
    return Mask(values=values, geometry=image.geometry, label=label, provenance=steps)


def saliency_of(image: Image, looked: PlaneSelection, found: ConceptResult) -> SaliencyMap:
    values = np.zeros(image.geometry.shape, dtype=np.float32)
    indices = []
    for position, plane in found.maps():
        indices.append(looked.index(position))
        looked.put(values, indices[-1], plane)
    return SaliencyMap(
        values=values, geometry=image.geometry, axis=looked.planes.axis, looked_at=tuple(indices),
        provenance=image.provenance.then(f"saliency of {found.concept} by {found.method}"),
    )  # fmt: skip


def too_small(finding: FindingResult) -> list[str]:
    """What to know of lesions that are smaller than the finding shows."""
    smallest, measures = finding.concept.smallest_visible_mm, finding.measures
    if smallest is None or measures.unit != "mm":
        return []
    below = [lesion.long_axis for lesion in measures.lesions if lesion.long_axis < smallest]
    if not below:
        return []
    which = (
        "the mask's only lesion"
        if measures.lesion_count == 1
        else f"{len(below)} of the mask's {measures.lesion_count} lesions"
    )
    longest = "its long axis" if len(below) == 1 else "the longest axis among them"
    is_below = "is below" if len(below) == 1 else "are below"
    return [f"{which} {is_below} the {smallest:g} mm from which this finding shows; {longest} is {max(below):.1f} mm"]

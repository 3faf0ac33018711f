"""`result.json` of a study as dataclasses; what each field means stands in docs/reference/result_json.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medkt.facts import EncoderFacts, ModelFacts, RegionResult
from medkt.metrics import LesionMeasures
from medkt.presence import NoNormals, Reason
from medkt.presence.state import NO_CLAIM, State
from medkt.records import RecordForm
from medkt.spatial.completeness import Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """What was read."""

    source: str
    digest: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    unit: str
    affine_lps: tuple[tuple[float, float, float, float], ...]
    steps: tuple[str, ...]
    completeness: Completeness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalsRecord:
    """Drawn studies without a finding that were asked the same, and the share of them that scores as much."""

    studies: int
    reached_by: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """The calibration of a site that decided, and what it promises."""

    site: str
    key: str
    outcome: str
    p_value: float
    probability: float | None
    unlike: tuple[str, ...]
    false_positive_rate: float
    miss_rate: float | None
    present_above: float
    absent_up_to: float
    calibration_normals: int
    calibration_findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRecord:
    """One word of a prompt, and how much the score rests on it."""

    word: str
    pieces: int
    nats: float | None
    unit: float | None
    inside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """One token of a prompt."""

    token: str
    word: int | None
    special: bool
    nats: float | None
    unit: float | None
    nats_of_control: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRecord:
    """One prompt, word by word."""

    text: str
    cut_off: bool
    cosine: float | None
    cosine_of_control: float | None
    depends_on_image: float | None
    agrees_with_itself: float | None
    words: tuple[WordRecord, ...]
    tokens: tuple[TokenRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMapsRecord:
    """Which words the score rests on."""

    plane: int
    layer: int | None
    mask_rule: str
    control: str
    texts: tuple[TextRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuresRecord:
    """The lesions of a mask; `lesions` are the largest of them."""

    unit: str
    slice_axis: int
    mask_voxels: int
    lesion_count: int
    border_count: int
    sum_volume_ml: float | None
    sum_area: float | None
    frame: int | None
    most_in_a_frame: int | None
    largest: LesionMeasures | None
    lesions: tuple[LesionMeasures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRecord:
    """One plane with a map."""

    index: int
    score: float
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    regions: tuple[RegionResult, ...]
    specificity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """Scores against a reference; why a number is null stands under its name in `missing`."""

    numbers: Mapping[str, float | None]
    missing: Mapping[str, str]
    outcome: str
    reference_rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """One finding: what was asked, what is said of it, and where its lesions lie."""

    concept: str
    name: str
    concept_digest: str
    prompts: tuple[str, ...]
    oracle_prompt: bool
    words_notes: tuple[str, ...]
    normal_captions: tuple[str, ...]
    contrast_captions: tuple[str, ...]
    window: str
    present: bool
    decision: State
    no_claim: tuple[Reason, ...] = ()
    score: float
    threshold: float | None = None
    normals: NormalsRecord | None = None
    no_normals: NoNormals | None = None
    reason: str
    calibration: CalibrationRecord | None
    specificity: float | None
    text_maps: TextMapsRecord | None
    slice_disagreement: float | None
    pieces_dropped: int
    measures: MeasuresRecord
    size_text: str
    diameter_text: str
    slices_with_mask: int
    slices: tuple[SliceRecord, ...]
    reference_scores: ReferenceScores | None
    files: Mapping[str, str]
    segment: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsRecord:
    """Which models answered."""

    encoder: EncoderFacts
    segmenter: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One study's result: numbers, words, settings and digests; no path, no date, nothing of a person."""

    medkt: str
    notice: str
    demonstration: str | None = None
    case: str
    domain: str
    domain_title: str
    input: InputRecord
    orientation: str
    slice_axis: int
    planes: int
    planes_scored: int
    region: tuple[int, int, int, int] | None
    intensity: str
    findings: tuple[FindingRecord, ...]
    models: ModelsRecord
    preset: str
    as_published: Mapping[str, Any] | None = None
    guard: str | None = None
    label_tuned: bool
    settings: Mapping[str, Any]
    threads: int
    reference: bool
    warnings: tuple[str, ...]
    formats_refused: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)


def _with_no_claim(plain: dict[str, Any]) -> dict[str, Any]:
    """Form 1 named no number, and said "not decided" where a calibration makes no claim."""
    findings = plain.get("findings", ())
    return {**plain, "findings": [_said_so(one) for one in findings] if isinstance(findings, list) else findings}


def _said_so(finding: Any) -> Any:
    rule = finding.get("calibration") if isinstance(finding, dict) else None
    silent = isinstance(rule, dict) and rule.get("outcome") == "abstain" and finding.get("decision") == "not decided"
    return {**finding, "decision": NO_CLAIM} if silent else finding


FORM = RecordForm(
    kind=StudyRecord, name="study", number=2, unnamed=1, earlier={1: _with_no_claim}, more=True,
    again="run the case again with `medkt batch retry`",
)  # fmt: skip

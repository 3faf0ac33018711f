"""The whole line: a study and words in, masks out. Each step is one call and can be made by itself.

    image    = medkt.read_image("case_007/")
    concept  = medkt.load_concept("cxr_nodule")
    encoder  = medkt.load_encoder("small")
    saliency = medkt.explain(encoder, image, concept)
    prompts  = medkt.prompts_from(saliency)
    mask     = medkt.mask_from(medkt.load_segmenter("small"), image, prompts)

or all of it, with the presence decision and several concepts at once: `medkt.segment("case_007/", concepts=["cxr_nodule"])`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medkt.concepts import Concept, Package, concept_from_text, load_concept, read_package
from medkt.domains import Domain, check_plausible, detect_domain, domain, domains
from medkt.domains.intensity import Intensity
from medkt.errors import AmbiguousInputError, InputError, NumericalError, SettingsError, UnknownNameError
from medkt.io import read_image, read_mask
from medkt.metrics import CaseResult, Measures, evaluate_case, measure
from medkt.models.encoder import DualEncoder
from medkt.models.records import record_of
from medkt.models.registry import load_encoder
from medkt.models.sam import load_sam
from medkt.models.small import load_small_segmenter, small_segmenter_digest
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.between import filled_between
from medkt.segmentation.prompts import Prompts, prompts_of
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.segmenter import Segmenter, choose
from medkt.segmentation.slicewise import ConceptResult, SegmentationSettings, segment_planes
from medkt.segmentation.threshold import coarse_mask, components
from medkt.segmentation.zero_shot import score_planes
from medkt.shapes import MaskPlane, Plane
from medkt.spatial import Image, Mask, Planes, SaliencyMap, planes_of
from medkt.transfer.packages import Taught, TaughtFacts, is_package

Progress = Callable[[str, int, int], None]
TOLERANCE_MM = 2.0  # of the boundary NSD when a result is scored
TOLERANCE_PX = 2.0  # where the image has no spacing


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a study is read and cut, where the user does not leave it to the domain.

    Attributes:
        modality: "cxr", "ct", "mri" or "ultrasound"; None takes what the file says.
        window: see `Domain.intensity`.
        axis: the array axis to cut across (0 slices, 1 rows, 2 columns); None takes the axis of acquisition.
        step_mm: least distance between planes looked at; None takes the domain's, 0 looks at all.
    """

    modality: str | None = None
    window: str | None = None
    axis: int | None = None
    step_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFacts:
    """Which model: its registry name, the SHA-256 of its weights ("" for generated ones), the weights' licence."""

    name: str
    digest: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderFacts(ModelFacts):
    """An encoder as it was loaded, and the learnt weights that were laid over it: one entry for each adapted encoder.

    What stands in no entry's `concepts` was asked of the encoder as loaded.
    """

    taught: tuple[TaughtFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindingResult:
    """One concept in one study.

    Attributes:
        concept, texts: what was asked, and the words that the encoder was given.
        looked: which planes, shown how (a CT concept may ask for a window of its own).
        found: scores, maps, prompts and pieces of mask, slice by slice, numbered by position among those looked at.
        specificity: how much the map depends on the words, 1 entirely and 0 not at all, median over the slices checked;
            None where nothing was looked at.
        measures: size and place of the mask.
        case, reference: scores against a reference and the reference itself, where one was given.
    """

    concept: Concept
    texts: ConceptTexts
    looked: "Looked"
    found: ConceptResult
    specificity: float | None
    measures: Measures
    case: CaseResult | None = None
    reference: Mask | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """Which planes of a study were looked at, and how: plane `first + position * stride` for each position.

    `region` is the part of each plane that the models saw, (first row, first column, end row, end column), or None for
    all of it.
    """

    planes: Planes
    intensity: Intensity
    first: int
    stride: int
    positions: tuple[int, ...]
    region: tuple[int, int, int, int] | None = None

    def index(self, position: int) -> int:
        return self.first + position * self.stride

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The part of a whole plane that the models saw; a view."""
        if self.region is None:
            return plane
        top, left, bottom, right = self.region
        return plane[top:bottom, left:right]

    def put(self, values: NDArray[Any], index: int, part: NDArray[Any]) -> None:
        """Write what belongs to that part of a plane into (slices, rows, columns) values, in place."""
        if self.region is None:
            self.planes.put(values, index, part)
            return
        whole = np.zeros(self.planes.show(values, index).shape, dtype=part.dtype)
        self.cut(whole)[:] = part
        self.planes.put(values, index, whole)

    def on_whole(self, boxes_xyxy: NDArray[Any]) -> NDArray[Any]:
        """(boxes, 4) of the part that the models saw, as boxes of the whole plane."""
        top, left = self.region[:2] if self.region else (0, 0)
        moved: NDArray[Any] = boxes_xyxy + np.array([left, top, left, top], boxes_xyxy.dtype)
        return moved


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

    def plane(self, finding: FindingResult, position: int) -> Plane:
        """The plane at a position as the models saw it, (rows, columns) in [0, 1]; only the region where there is one."""
        return _shown(self.image, finding.looked, position)

    def mask(self, finding: FindingResult) -> Mask:
        """The mask of one finding on the image's grid; made anew at each call, so that a study holds none of them."""
        return _mask(self.image, finding.looked, finding.found, finding.concept.id)

    def saliency(self, finding: FindingResult) -> SaliencyMap:
        """The saliency map of one finding on the image's grid, 0 where nothing was looked at; made anew at each call."""
        return _saliency(self.image, finding.looked, finding.found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pipeline:
    """The models, loaded once, and the settings; any number of studies goes through.

    Attributes:
        encoder: as it was loaded.
        segmenter, segmenter_facts: the segmenter, and which it is.
        settings, preset: of the steps, and the name under which they are recorded.
        taught: the learnt concepts over that encoder; None for none.
    """

    encoder: DualEncoder
    segmenter: Segmenter
    segmenter_facts: ModelFacts
    settings: SegmentationSettings = field(default_factory=SegmentationSettings)
    preset: str = "default"
    taught: Taught | None = None

    @classmethod
    def load(
        cls,
        model: str = "small",
        *,
        segmenter: str | None = None,
        device: str = "auto",
        settings: SegmentationSettings | None = None,
        preset: str = "default",
        packages: Sequence[str | Path | Package] = (),
        together: bool = False,
    ) -> "Pipeline":
        """Load an encoder and a segmenter by name or from files of the user's.

        Args:
            model: the encoder.
            segmenter: None takes "small" beside the small encoder, "sam-vit-b" beside the others.
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            settings: None takes the defaults.
            preset: the name under which the settings are recorded.
            packages: `.medkt` files of learnt concepts, as for `with_packages`.
            together: see there.

        Raises:
            UnknownNameError, WeightsError, MissingDependencyError: from loading.
            SettingsError: the device does not exist here.
        """
        where = resolve_device(device)
        encoder = load_encoder(model, device=where)
        name = segmenter or ("small" if encoder.spec.family == "small" else "sam-vit-b")
        loaded, facts = _segmenter(name, where)
        return cls(
            encoder=encoder, segmenter=loaded, segmenter_facts=facts,
            settings=settings or SegmentationSettings(), preset=preset,
        ).with_packages(packages, together=together)  # fmt: skip

    def with_packages(self, packages: Sequence[str | Path | Package], *, together: bool = False) -> "Pipeline":
        """The same models with learnt concepts, in place of those that it had.

        A concept of a package is asked of the encoder that was taught it, by its id or name too; every other concept and
        every free text of the encoder as it was loaded, which stays as it is.

        Args:
            packages: `.medkt` files, or packages.
            together: sum what was learnt for several concepts into one encoder; a warning says how they meet.

        Raises:
            WeightsError: a package belongs to another model.
            MedktError: as `medkt.concepts.read_package`.
        """
        return replace(self, taught=Taught.of(self.encoder, packages, together=together) if packages else None)

    def segment_file(
        self,
        path: Path,
        concepts: Sequence[Concept | str | Path],
        *,
        view: View | None = None,
        series: str | None = None,
        volume: int | None = None,
        regrid: bool = False,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Read a study and segment it; `series`, `volume` and `regrid` as for `medkt.read_image`."""
        began = time.perf_counter()
        image = read_image(path, series=series, volume=volume, regrid=regrid)
        seconds = time.perf_counter() - began
        try:
            result = self.segment(image, concepts, view=view, progress=progress)
        except (InputError, NumericalError) as error:
            raise type(error)(f"{path}: {error}") from error
        return replace(result, seconds={"read": seconds, **result.seconds})

    def segment(
        self,
        image: Image,
        concepts: Sequence[Concept | str | Path],
        *,
        view: View | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Look for several concepts in one study; a name that several modalities share means that of the study's.

        Raises:
            AmbiguousInputError: the image does not say its modality and neither does `view`.
            UnknownNameError: a concept is given by a name that nothing has.
            InputError: nothing to look at, a concept of another modality, or an unusable image.
            NumericalError: a step gave NaN.
        """
        began = time.perf_counter()
        view = view or View()
        taught = self.taught or Taught.of(self.encoder)
        kind = _domain_of(image, view, [one for one in concepts if not _is_learnt(taught, one)])
        asked = asked_of(taught, concepts, kind)
        settings = settled(self.settings, kind, self.encoder)
        warnings = [*image.provenance.warnings, *check_plausible(image, kind), *_misplaced(asked, kind)]
        warnings += [*_too_long(self.encoder, asked, kind), *_meeting(taught, asked)]
        looks = {window: look_at(image, kind, view, window=window) for window in _windows(kind, asked)}
        prepared = time.perf_counter()
        found: dict[str, ConceptResult] = {}
        facts: list[TaughtFacts] = []
        for route, of_route in _routes(taught, asked).items():
            with taught.encoder(route) as encoder:
                facts += [taught.facts(route, [concept.id for concept in of_route], encoder)] if route else []
                for window in _windows(kind, of_route):
                    group = [concept for concept in of_route if kind.window_for(concept) == window]
                    looked = looks[window]
                    results = segment_planes(
                        encoder, self.segmenter, looked.positions, partial(_shown, image, looked),
                        [_texts(kind, concept) for concept in group], settings,
                        spacing_mm=_spacing_mm(image, looked.planes), progress=progress,
                    )  # fmt: skip
                    found.update({result.concept: result for result in results})
        done = time.perf_counter()
        findings = tuple(_finding(image, looks[kind.window_for(c)], c, _texts(kind, c), found[c.id]) for c in asked)
        warnings += [warning for looked in looks.values() for warning in looked.intensity.warnings]
        warnings += [f"{f.concept.name}: {w}" for f in findings for w in (*f.found.warnings, *_too_small(f))]
        return StudyResult(
            image=image, domain=kind, findings=findings, settings=settings, preset=self.preset,
            encoder=_encoder_facts(self.encoder, facts), segmenter=self.segmenter_facts,
            warnings=tuple(dict.fromkeys(warnings)),
            seconds={"prepare": prepared - began, "models": done - prepared, "measure": time.perf_counter() - done},
        )  # fmt: skip

    def score(self, result: StudyResult, reference: Path) -> StudyResult:
        """The same result with DSC, NSD and IoU of its only finding against a reference mask.

        Raises:
            SettingsError: the result has several findings.
            GeometryMismatchError: the reference lies on another grid.
        """
        if len(result.findings) != 1:
            raise SettingsError(f"a reference goes with one finding, the result has {len(result.findings)}")
        (finding,) = result.findings
        mask = read_mask(reference, like=result.image)
        case = score_finding(result, finding, mask)
        return replace(result, findings=(replace(finding, case=case, reference=mask),))


def score_finding(result: StudyResult, finding: FindingResult, reference: Mask) -> CaseResult:
    """DSC, IoU and the boundary NSD at 2 mm (2 pixels without spacing) of one finding."""
    mask = result.mask(finding)
    if mask.geometry.unit == "mm":
        return evaluate_case(reference=reference, prediction=mask, tolerance_mm=TOLERANCE_MM)
    return evaluate_case(reference=reference, prediction=mask, tolerance_px=TOLERANCE_PX)


def segment(
    source: str | Path | Image,
    *,
    prompts: Sequence[str] = (),
    concepts: Sequence[str | Path | Concept] = (),
    model: str | Pipeline = "small",
    view: View | None = None,
    settings: SegmentationSettings | None = None,
    device: str = "auto",
) -> StudyResult:
    """Segment findings, named in words, on one study; the same as the command `medkt segment`.

    Args:
        source: a path (see `medkt.read_image`) or an image.
        prompts: free texts.
        concepts: names of concepts, YAML files, concepts, or `.medkt` files of learnt ones; a name that several modalities
            share means that of the study's.
        model: an encoder's name or weights file; a `Pipeline` where several studies follow each other.
        view: modality, window, axis and step, where the domain's choice is not wanted.
        settings: of the steps; None takes the defaults.
        device: see `Pipeline.load`.

    Raises:
        SettingsError: neither a prompt nor a concept.
        MedktError: from the steps.
    """
    if not concepts and not prompts:
        raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
    pipeline = model if isinstance(model, Pipeline) else Pipeline.load(model, device=device, settings=settings)
    if packages := [one for one in concepts if is_package(one)]:
        pipeline = pipeline.with_packages([*(pipeline.taught.packages if pipeline.taught else ()), *packages])
    wanted = wanted_in(concepts, prompts, taught=pipeline.taught, modality=view.modality if view else None)
    if isinstance(source, Image):
        return pipeline.segment(source, wanted, view=view)
    return pipeline.segment_file(Path(source), wanted, view=view)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConceptScore:
    """How well one concept, or what is normal, fits a study's planes.

    Attributes:
        concept: None for what is normal.
        name: the concept's, "normal", or "normal (PART)" where the concepts belong to several parts of the body.
        learnt: whether the score is that of an encoder which was taught the concept.
        texts: its prompts, whose mean direction was compared.
        planes: indices of those looked at.
        cosines: (planes,) float32, -1 to 1.
        probabilities: (planes,) float32, its share in the softmax over all concepts asked and what is normal.
    """

    concept: Concept | None
    name: str
    learnt: bool
    texts: tuple[str, ...]
    planes: tuple[int, ...]
    cosines: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def best(self) -> int:
        """Where in `planes` the share is highest; of equal ones the first."""
        return int(np.argmax(self.probabilities))

    @property
    def probability(self) -> float:
        """The study's: the highest of any plane."""
        return float(self.probabilities[self.best])

    @property
    def cosine(self) -> float:
        """That of the same plane."""
        return float(self.cosines[self.best])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classification:
    """Zero-shot scores of one study: the concepts in the order asked, then what is normal."""

    image: Image
    domain: Domain
    scores: tuple[ConceptScore, ...]
    encoder: EncoderFacts
    warnings: tuple[str, ...]


def classify(
    source: str | Path | Image,
    *,
    prompts: Sequence[str] = (),
    concepts: Sequence[str | Path | Concept] = (),
    model: str | Pipeline | Taught = "small",
    view: View | None = None,
    normal: bool = True,
    together: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> Classification:
    """Say which of several findings fits a study best, without any map; the same as the command `medkt classify`.

    A finding stands for the mean direction of its prompts, each a unit vector; shares are the softmax of its cosines at
    the encoder's logit scale. They compare the texts that were asked with each other and are no probability of disease. A
    learnt concept has its share from the encoder that was taught it, so that shares need not sum to 1.

    Args:
        source: a path (see `medkt.read_image`) or an image.
        prompts: free texts.
        concepts: as for `medkt.segment`.
        model: an encoder's name or weights file, or a `Pipeline`.
        view: modality, window, axis and step, where the domain's choice is not wanted.
        normal: whether the domain's captions of a study without a finding are one of the choices.
        together: as for `Pipeline.with_packages`.
        device: see `Pipeline.load`.
        progress: told ("presence", planes done, planes in all).

    Raises:
        SettingsError: nothing to compare: no concept, or a single one without `normal`.
        MedktError: from the steps.
    """
    if not concepts and not prompts:
        raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
    packages = [one for one in concepts if is_package(one)]
    taught = _taught_of(model, packages, together=together, device=device)
    wanted = wanted_in(concepts, prompts, taught=taught, modality=view.modality if view else None)
    if isinstance(source, Image):
        return _classified(taught, source, wanted, view or View(), normal=normal, progress=progress)
    image = read_image(source)
    try:
        return _classified(taught, image, wanted, view or View(), normal=normal, progress=progress)
    except (InputError, NumericalError) as error:
        raise type(error)(f"{source}: {error}") from error


def _taught_of(
    model: str | Pipeline | Taught, packages: Sequence[str | Path], *, together: bool, device: str
) -> Taught:
    if isinstance(model, Pipeline):
        model = model.taught or Taught.of(model.encoder)
    elif isinstance(model, str):
        model = Taught.of(load_encoder(model, device=resolve_device(device)))
    if not packages:
        return model
    return Taught.of(model.base, [*model.packages, *packages], together=together)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Choice:
    """One row of a classification: what it says, whose encoder it is asked of, and what else it is compared with."""

    concept: Concept | None
    name: str
    texts: ConceptTexts
    normal: ConceptTexts | None
    route: str
    window: str | None


def _classified(
    taught: Taught,
    image: Image,
    concepts: Sequence[Concept | str | Path],
    view: View,
    *,
    normal: bool,
    progress: Progress | None,
) -> Classification:
    kind = _domain_of(image, view, [one for one in concepts if not _is_learnt(taught, one)])
    asked = asked_of(taught, concepts, kind)
    if len(asked) < 2 and not normal:
        raise SettingsError(
            "one text alone has nothing to be compared with; ask for another, or let normal be a choice"
        )
    warnings = [*image.provenance.warnings, *check_plausible(image, kind), *_misplaced(asked, kind)]
    warnings += [*_too_long(taught.base, asked, kind), *_meeting(taught, asked)]
    choices = _choices(taught, kind, asked, normal=normal)
    looks = {window: look_at(image, kind, view, window=window) for window in _windows(kind, asked)}
    scores: dict[str, ConceptScore] = {}
    facts: list[TaughtFacts] = []
    for route in dict.fromkeys(choice.route for choice in choices):
        with taught.encoder(route) as encoder:
            of_route = [choice for choice in choices if choice.route == route]
            facts += [taught.facts(route, [choice.texts.id for choice in of_route], encoder)] if route else []
            for choice in of_route:
                if choice.texts.id not in scores:
                    scores |= _scored(encoder, choices, choice, image, looks[choice.window], progress)
    warnings += [warning for looked in looks.values() for warning in looked.intensity.warnings]
    return Classification(
        image=image, domain=kind, scores=tuple(scores[choice.texts.id] for choice in choices),
        encoder=_encoder_facts(taught.base, facts), warnings=tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _choices(taught: Taught, kind: Domain, asked: Sequence[Concept], *, normal: bool) -> list[_Choice]:
    normals: dict[str, _Choice] = {}
    choices = []
    for concept in asked:
        body = concept.body if concept.body in kind.words else kind.default_body
        window = kind.window_for(concept)
        # no concept's id has a colon
        texts = ConceptTexts(id=f"normal:{body}", prompts=kind.words[body].normal) if normal else None
        choices.append(
            _Choice(
                concept=concept,
                name=concept.name,
                texts=ConceptTexts(id=concept.id, prompts=kind.prompts(concept)),
                normal=texts,
                route=taught.route(concept.id),
                window=window,
            )
        )
        if texts is not None:
            normals.setdefault(
                body, _Choice(concept=None, name="normal", texts=texts, normal=texts, route="", window=window)
            )
    if len(normals) > 1:
        normals = {body: replace(choice, name=f"normal ({body})") for body, choice in normals.items()}
    return [*choices, *normals.values()]


def _scored(
    encoder: DualEncoder,
    choices: Sequence[_Choice],
    like: _Choice,
    image: Image,
    looked: Looked,
    progress: Progress | None,
) -> dict[str, ConceptScore]:
    """The scores of all choices that share encoder, window and normal captions with one of them."""
    texts = [choice.texts for choice in choices if choice.concept is not None]
    texts += [like.normal] if like.normal is not None else []
    found = score_planes(encoder, looked.positions, partial(_shown, image, looked), texts, progress=progress)
    column = {one.id: place for place, one in enumerate(texts)}
    group = (like.route, like.window, like.normal and like.normal.id)
    return {
        choice.texts.id: ConceptScore(
            concept=choice.concept, name=choice.name, learnt=bool(choice.route), texts=choice.texts.prompts,
            planes=tuple(looked.index(position) for position in looked.positions),
            cosines=found.cosines[:, column[choice.texts.id]],
            probabilities=found.probabilities[:, column[choice.texts.id]],
        )
        for choice in choices
        if (choice.route, choice.window, choice.normal and choice.normal.id) == group
    }  # fmt: skip


def wanted_in(
    concepts: Iterable[str | Path | Concept],
    prompts: Iterable[str] = (),
    *,
    taught: Taught | None = None,
    modality: str | None = None,
) -> tuple[Concept | str | Path, ...]:
    """What a user asks for, each once: packages as their concepts, texts as concepts of their own.

    A name stays a name where its meaning depends on what the study is.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: a file with several concepts, or a name that one modality uses twice.
        UnreadableError, UnsupportedError, ...: a package is not sound.
    """
    found: list[Concept | str | Path] = []
    for one in concepts:
        learnt = taught.named(one) if taught is not None and isinstance(one, str) else None
        if is_package(one):
            found += read_package(one).concepts
        else:
            found.append(learnt or concept_or_name(one, modality))
    found += [concept_from_text(text) for text in prompts]
    return tuple({one.id if isinstance(one, Concept) else str(one): one for one in found}.values())


def explain(
    encoder: DualEncoder,
    image: Image,
    concept: Concept,
    *,
    view: View | None = None,
    settings: SegmentationSettings | None = None,
) -> SaliencyMap:
    """The saliency map of a concept on a study, of every plane looked at, whether or not the finding is there."""
    settings = settings or SegmentationSettings()
    kind = _domain_of(image, view or View(), [concept])
    settings = settled(replace(settings, presence=replace(settings.presence, gate=False)), kind, encoder)
    looked = look_at(image, kind, view or View(), window=kind.window_for(concept))
    (found,) = segment_planes(
        encoder, None, looked.positions, partial(_shown, image, looked), [_texts(kind, concept)], settings,
        spacing_mm=_spacing_mm(image, looked.planes),
    )  # fmt: skip
    return _saliency(image, looked, found)


def prompts_from(saliency: SaliencyMap, settings: SegmentationSettings | None = None) -> Mapping[int, Prompts]:
    """SAM's boxes and points for each plane of a saliency map that was looked at, by plane index."""
    settings = settings or SegmentationSettings()
    planes = planes_of(saliency.geometry, saliency.axis)
    spacing = _spacing_mm(saliency, planes)
    area = spacing[0] * spacing[1] if spacing else None
    made = {}
    for index in saliency.looked_at:
        plane = np.ascontiguousarray(planes.show(saliency.values, index))
        parts = components(coarse_mask(plane, settings.threshold), plane, settings.threshold, pixel_area_mm2=area)
        made[index] = prompts_of(parts, plane, settings.prompts, spacing_mm=spacing)
    return made


def mask_from(
    segmenter: Segmenter,
    image: Image,
    prompts: Mapping[int, Prompts],
    *,
    view: View | None = None,
    settings: SegmentationSettings | None = None,
) -> Mask:
    """What a segmenter outlines for prompts on planes, as one mask; no agreement between planes is asked for."""
    settings = settings or SegmentationSettings()
    view = view or View()
    kind = domain(view.modality) if view.modality else detect_domain(image)
    planes, intensity = planes_of(image.geometry, view.axis), kind.intensity(image, window=view.window)
    values = np.zeros(image.geometry.shape, dtype=bool)
    for index, asked in prompts.items():
        plane = intensity.apply(planes.show(image.values, index))
        if asked.regions:
            candidates = segmenter.masks(segmenter.embed(plane), asked, settings.choice.multimask)
            boxes = [_box_mask(plane.shape, box) for box in asked.boxes_xyxy] or [np.ones(plane.shape, bool)]
            chosen = [choose(candidates, box, k, settings.choice).mask for k, box in enumerate(boxes)]
            planes.put(values, index, np.logical_or.reduce(chosen))
    return Mask(values=values, geometry=image.geometry, provenance=image.provenance.then("segmented from prompts"))


def load_segmenter(name: str = "small", *, device: str = "auto") -> Segmenter:
    """A promptable segmenter by name or from a weights file."""
    return _segmenter(name, resolve_device(device))[0]


def resolve_device(device: str) -> torch.device:
    """A torch device from "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        SettingsError: unknown, or not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SettingsError(f"no device {device!r}; use auto, cpu, cuda, cuda:N or mps") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (found.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(found.type, False):
        raise SettingsError(f"device {device!r} is not available here; use cpu, or auto to take what there is")
    return found


def look_at(image: Image, kind: Domain, view: View, *, window: str | None = None) -> Looked:
    """Which planes to look at and how to show them; `window` is used where the view names none.

    Raises:
        InputError: no plane holds anything, a plane is too small to see anything in, or the spacing is no patient's.
    """
    _require_spacing_of_a_patient(image)
    planes = planes_of(image.geometry, view.axis)
    intensity = kind.intensity(image, window=view.window or window)
    indices = kind.slices(image, planes, step_mm=view.step_mm)
    if not indices:
        raise InputError("no plane holds anything: every one is constant or air; check the file and --modality")
    rows, columns = planes.show(image.values, indices[0]).shape
    if min(rows, columns) < SMALLEST_PLANE:
        raise InputError(
            f"its planes are {rows} x {columns} pixels, too small to see a finding in (at least {SMALLEST_PLANE}); "
            "choose another --axis or check the file"
        )
    stride = min((b - a for a, b in pairwise(indices)), default=1)
    positions = tuple(dict.fromkeys((index - indices[0]) // stride for index in indices))
    region = image.display.region if planes.axis == 0 and planes.orientation == "as stored" else None
    return Looked(
        planes=planes, intensity=intensity, first=indices[0], stride=stride, positions=positions, region=region
    )


def concept_or_name(one: Concept | str | Path, modality: str | None = None) -> Concept | str | Path:
    """The concept of that name; the name itself where it depends on the modality and that is not known yet.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: a file with several concepts, or a name that one modality uses twice.
    """
    try:
        return concept_in(one, modality or "")
    except AmbiguousInputError:
        if modality or _is_file(one):
            raise
        return one


def concept_in(one: Concept | str | Path, modality: str = "") -> Concept:
    """The concept of that name; where several modalities have one of this name or synonym, that of this modality.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: several have it and the modality decides for none; lists them.
        SettingsError: a `.medkt` file, whose concepts are more than words.
    """
    if isinstance(one, Concept):
        return one
    if is_package(one):
        raise SettingsError(
            f"{one}: a learnt concept goes with its model; `medkt segment`, `explain` and `classify` take it"
        )
    if _is_file(one):
        return load_concept(one)
    meanings = dict(_meanings(one))
    if modality in meanings:
        return meanings[modality]
    ids = tuple(dict.fromkeys(concept.id for concept in meanings.values()))
    if len(ids) > 1:
        raise AmbiguousInputError(
            f"{str(one)!r} means {len(ids)} concepts ({', '.join(ids)}); name one by its id, or say --modality"
        )
    return load_concept(ids[0] if ids else one)  # an unknown name is an error here, with the names nearest to it


def _meanings(name: str | Path) -> Iterator[tuple[str, Concept]]:
    for modality in domains():
        with suppress(UnknownNameError):
            yield modality, load_concept(name, modality=modality)


def _is_file(one: Concept | str | Path) -> bool:
    return not isinstance(one, Concept) and Path(one).suffix in (".yaml", ".yml")


def _domain_of(image: Image, view: View, concepts: Iterable[Concept | str | Path]) -> Domain:
    if view.modality:
        return domain(view.modality)
    if not image.modality:
        for one in concepts:
            concept_in(one, "")  # where this too is ambiguous, its list says more than that the modality is missing
    return detect_domain(image)


def settled(settings: SegmentationSettings, kind: Domain, encoder: DualEncoder) -> SegmentationSettings:
    """Settings with what they leave open filled in: from the domain, then from the encoder."""
    m2ib, own = settings.m2ib, kind.saliency
    layers = (m2ib.layer, own.layer, encoder.spec.default_layer)
    beta = own.beta if m2ib.beta is None else m2ib.beta
    return replace(settings, m2ib=replace(m2ib, beta=beta, layer=next(k for k in layers if k is not None)))


SMALLEST_PLANE = 8  # pixels; below this a plane has fewer pixels than the small model has tokens


LONGEST_SIDE_MM = 10_000.0  # of a study; beyond this, and below a micrometre a voxel, a header is wrong
FINEST_SPACING_MM = 1e-3


def _require_spacing_of_a_patient(image: Image) -> None:
    geometry = image.geometry
    sides = [step * count for step, count in zip(geometry.spacing, geometry.shape, strict=True)]
    if geometry.unit == "mm" and (max(sides) > LONGEST_SIDE_MM or min(geometry.spacing) < FINEST_SPACING_MM):
        spacing = " x ".join(f"{step:g}" for step in geometry.spacing)
        raise InputError(f"a spacing of {spacing} mm is not that of a patient; correct the header of the file")


def _windows(kind: Domain, concepts: Iterable[Concept]) -> tuple[str | None, ...]:
    """The windows that the concepts ask for, each once."""
    return tuple(dict.fromkeys(kind.window_for(concept) for concept in concepts))


def _spacing_mm(placed: Image | SaliencyMap, planes: Planes) -> tuple[float, float] | None:
    return planes.spacing(placed.geometry) if placed.geometry.unit == "mm" else None


def _shown(image: Image, looked: Looked, position: int) -> Plane:
    return looked.intensity.apply(looked.cut(looked.planes.show(image.values, looked.index(position))))


def _texts(kind: Domain, concept: Concept) -> ConceptTexts:
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    return ConceptTexts(id=concept.id, prompts=kind.prompts(concept), normal=normal, confusable=others)


def _is_learnt(taught: Taught, one: Concept | str | Path) -> bool:
    return isinstance(one, str) and taught.named(one) is not None


def asked_of(taught: Taught, concepts: Iterable[Concept | str | Path], kind: Domain) -> tuple[Concept, ...]:
    """What is asked for, each id once; a name that was learnt means the learnt concept.

    Raises:
        SettingsError: a concept with the id of a learnt one and other words.
        UnknownNameError, AmbiguousInputError: as `concept_in`.
    """
    found: dict[str, Concept] = {}
    for one in concepts:
        learnt = taught.named(one) if isinstance(one, str) else None
        concept = learnt or concept_in(one, kind.name)
        taught.require_same_words(concept)
        found[concept.id] = concept
    return tuple(found.values())


def _routes(taught: Taught, concepts: Iterable[Concept]) -> Mapping[str, list[Concept]]:
    """The concepts by the encoder that they are asked of."""
    routes: dict[str, list[Concept]] = {}
    for concept in concepts:
        routes.setdefault(taught.route(concept.id), []).append(concept)
    return routes


def _meeting(taught: Taught, asked: Iterable[Concept]) -> tuple[str, ...]:
    return taught.notes if any(taught.route(concept.id) for concept in asked) else ()


def _encoder_facts(encoder: DualEncoder, taught: Sequence[TaughtFacts] = ()) -> EncoderFacts:
    spec = encoder.spec
    return EncoderFacts(name=spec.name, digest=spec.digest, licence=spec.licence, taught=tuple(taught))


def _misplaced(concepts: Iterable[Concept], kind: Domain) -> list[str]:
    return [
        f"{concept.name} is described for {concept.modality}, the study is taken as {kind.name}"
        for concept in concepts
        if concept.modality not in ("", kind.name)
    ]


def _too_long(encoder: DualEncoder, concepts: Iterable[Concept], kind: Domain) -> list[str]:
    """Which concepts have prompts whose ends the encoder does not read."""
    cut = {concept.name: sum(encoder.tokenize(kind.prompts(concept)).truncated) for concept in concepts}
    length, model = encoder.spec.text_length, encoder.spec.name
    return [
        f"{name[:60]}: {number} of its prompts are longer than the {length} tokens that {model} reads, their ends are cut off"
        for name, number in cut.items()
        if number
    ]


def _too_small(finding: FindingResult) -> list[str]:
    smallest, largest = finding.concept.smallest_visible_mm, finding.measures.long_axis
    if smallest is None or largest is None or finding.measures.unit != "mm" or largest >= smallest:
        return []
    return [f"the mask's longest axis is {largest:.1f} mm, below the {smallest:g} mm from which this finding shows"]


def _finding(
    image: Image, looked: Looked, concept: Concept, texts: ConceptTexts, found: ConceptResult
) -> FindingResult:
    indices = [s.map.specificity.index for s in found.slices if s.map.specificity is not None]
    return FindingResult(
        concept=concept, texts=texts, looked=looked, found=found,
        specificity=float(np.median(indices)) if indices else None,
        measures=measure(_mask(image, looked, found, concept.id)),
    )  # fmt: skip


def _mask(image: Image, looked: Looked, found: ConceptResult, label: str) -> Mask:
    values = np.zeros(image.geometry.shape, dtype=bool)
    count = image.geometry.shape[looked.planes.axis]
    seen = [(looked.index(position), mask) for position, mask in found.masks()]
    stride = looked.stride if image.geometry.stack == "space" else 1
    for index, mask in filled_between(seen, stride, count):
        looked.put(values, index, mask)
    steps = image.provenance.then(f"segmented: {label}")
    return Mask(values=values, geometry=image.geometry, label=label, provenance=steps)


def _saliency(image: Image, looked: Looked, found: ConceptResult) -> SaliencyMap:
    values = np.zeros(image.geometry.shape, dtype=np.float32)
    indices = []
    for position, plane in found.maps():
        indices.append(looked.index(position))
        looked.put(values, indices[-1], plane)
    return SaliencyMap(
        values=values, geometry=image.geometry, axis=looked.planes.axis, looked_at=tuple(indices),
        provenance=image.provenance.then(f"saliency of {found.concept}"),
    )  # fmt: skip


def _segmenter(name: str, device: torch.device) -> tuple[Segmenter, ModelFacts]:
    """A segmenter, and which it is. The small one ships with medkt and is prepared for like any SAM."""
    if name == "small":
        facts = ModelFacts(
            name="small", digest=small_segmenter_digest(), licence=record_of("small", "segmenter").licence.title
        )
        return SamSegmenter(load_small_segmenter(device), name="small"), facts
    sam, preparation = load_sam(name, device)
    facts = ModelFacts(name=preparation.name, digest=preparation.digest, licence=preparation.licence)
    return SamSegmenter(sam, preparation), facts


def _box_mask(shape: tuple[int, ...], box: Any) -> MaskPlane:
    mask = np.zeros(shape, dtype=bool)
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return mask

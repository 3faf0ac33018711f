"""A study, plane by plane, with several concepts at once: presence, maps, prompts, masks, agreement along the axis.

How to call it::

    planes = planes_of(image.geometry)                                  # medkt.spatial
    results = segment_planes(
        encoder,                                                        # any DualEncoder
        segmenter,                                                      # a Segmenter, or None: coarse masks only
        range(image.geometry.shape[planes.axis]),                       # the slices to consider
        lambda index: domain.window(planes.show(image.values, index)),  # a plane float32 in [0, 1], read twice
        [ConceptTexts(id="mass", prompts=("a mass",), normal=("clear lungs",), confusable=("a nodule",))],
        settings,                                                       # SegmentationSettings
        spacing_mm=planes.spacing(image.geometry),                      # None where the unit is the pixel
    )
    for result in results:                                              # one a concept, in order
        for index, mask in result.masks():                              # slices that hold some; empty is legal
            planes.put(mask_voxels, index, mask)
        for index, plane in result.maps():                              # slices that were looked at
            planes.put(map_voxels, index, plane)

Every plane is encoded once for presence. Only slices that may hold a finding are looked at again; each of these has
its pixels prepared, its layers before the gate run, and its segmenter embedding made once for all concepts. Memory
holds a few planes at a time, and of each slice looked at a map on the token grid and the boxes around what was found.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medkt.errors import InputError, SettingsError
from medkt.facts import RegionResult
from medkt.models.encoder import DualEncoder
from medkt.models.module import frozen
from medkt.presence import Tap
from medkt.progress import Progress
from medkt.saliency.explain import (
    PlaneMap,
    Resize,
    explain_planes,
    nonsense_target,
    prepare_plane,
    published_shift_px,
)  # fmt: skip
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.relevance import RelevanceSettings
from medkt.saliency.targets import ConceptTexts, Target, embed_targets
from medkt.saliency.text_map import TextMapSettings
from medkt.segmentation.presence import Presence, PresenceSettings, decide_presence
from medkt.segmentation.prompts import Prompts, PromptSettings, prompts_of
from medkt.segmentation.segmenter import CandidateSettings, Embedding, RegionMask, Segmenter, choose
from medkt.segmentation.threshold import Component, ThresholdSettings, coarse_mask, components
from medkt.segmentation.volume import Piece, VolumeSettings, disagreement, linked, planes_of_pieces
from medkt.segmentation.words import FoundWords, no_words, words_of
from medkt.shapes import MaskPlane, Plane

CheckWords = Literal["every", "best", "off"]
Pixels = Literal["float", "8-bit"]
GreyWindow = Literal["8-bit"]
Texts = Literal["all", "first"]
ShowPlane = Callable[[int], Plane]
Decide = Callable[[Float[Tensor, "slices width"], Sequence[Target]], Sequence[Presence]]

_ENCODED_AT_ONCE = 8  # planes in one pass for presence
_SHIFTED = (
    "as published, the map of the picture's middle square is stretched over the whole picture (map.resize=published): it "
    "lies up to {shift:g} pixels beside what it is of; map.resize=bilinear puts it in its place"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSettings:
    """Which slices get a map, and how it comes onto the plane."""

    resize: Resize = "bilinear"
    """"bilinear": from the token grid to the plane in one step; "published": by MedCLIP-SAMv2's detours, which lay the map
    of the picture's middle square over the whole picture, beside its place where the picture is oblong."""

    pixels: Pixels = "float"
    """What the encoder is shown for a map: "float", resized exactly; "8-bit", resized by Pillow as a picture of 8 bits whose
    middle square begins half a pixel earlier where it cannot be cut out evenly (published)."""

    check_words: CheckWords = "every"
    """Compare the map with those of a nonsense text and of the normal caption in "every" slice looked at, in the "best"
    slice of each concept, or not at all."""

    max_slices: int | None = 96
    """The most slices looked at for one concept, those with the highest scores; None has no bound."""

    def __post_init__(self) -> None:
        if self.resize not in get_args(Resize) or self.check_words not in get_args(CheckWords):
            raise SettingsError(f"map: unknown resize {self.resize!r} or check_words {self.check_words!r}")
        if self.pixels not in get_args(Pixels):
            raise SettingsError(f"map: unknown pixels {self.pixels!r}; known: {', '.join(get_args(Pixels))}")
        if self.max_slices is not None and self.max_slices < 1:
            raise SettingsError(f"map: max_slices is at least 1, got {self.max_slices}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationSettings:
    """Everything between an encoder and a mask."""

    FORMERLY: ClassVar[Mapping[str, tuple[str, str, type]]] = {"m2ib": ("saliency", "method", M2IBSettings)}

    window: GreyWindow | None = None
    """How values are shown where `--window` does not say: "8-bit": pictures of 8 bits as they are (255 wide at 127.5), and
    others by their modality's rule with a note; None: by their modality's rule."""

    texts: Texts = "all"
    """Which of a concept's prompts a study is compared with: the mean direction of "all" of them, templates with its name
    among them; or the "first" alone, as published work has one sentence."""

    saliency: SaliencySettings = field(default_factory=SaliencySettings)
    """How maps are made."""

    relevance: RelevanceSettings = field(default_factory=RelevanceSettings)
    """How the patches' own fit to the words enters the maps of M2IB."""

    text_map: TextMapSettings = field(default_factory=TextMapSettings)
    """Which words a score rests on."""

    presence: PresenceSettings = field(default_factory=PresenceSettings)
    """When a finding counts as there."""

    map: MapSettings = field(default_factory=MapSettings)
    """Which slices are looked at, and how the map comes onto the plane."""

    threshold: ThresholdSettings = field(default_factory=ThresholdSettings)
    """How a map becomes regions."""

    prompts: PromptSettings = field(default_factory=PromptSettings)
    """What the segmenter is shown."""

    choice: CandidateSettings = field(default_factory=CandidateSettings)
    """Which of the segmenter's candidates is taken."""

    keep_largest: int | Literal["coarse"] | None = None
    """The most connected parts of a slice's final mask that are kept, the largest first; "coarse": as many as the coarse
    mask has (published); None keeps all."""

    volume: VolumeSettings = field(default_factory=VolumeSettings)
    """How slices are made to agree."""

    def __post_init__(self) -> None:
        if self.window not in (None, *get_args(GreyWindow)):
            raise SettingsError(
                f"unknown window {self.window!r} of the settings; known: {', '.join(get_args(GreyWindow))}"
            )
        if self.texts not in get_args(Texts):
            raise SettingsError(f"unknown texts {self.texts!r} of the settings; known: {', '.join(get_args(Texts))}")
        keep = self.keep_largest
        if keep not in (None, "coarse") and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 1):
            raise SettingsError(f"keep_largest is at least 1, or coarse, got {self.keep_largest!r}")

    @property
    def m2ib(self) -> M2IBSettings:
        """Those of M2IB: the method's where it makes the maps of images, else the defaults, by which words are mapped."""
        return self.saliency.method if isinstance(self.saliency.method, M2IBSettings) else M2IBSettings()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceResult:
    """One slice that was looked at.

    Attributes:
        index: of the slice.
        score: its presence score.
        map: the saliency map; `map.on_plane(resize)` lays it over the plane.
        prompts: what the segmenter was asked.
        regions: what came of each.
    """

    index: int
    score: float
    map: PlaneMap
    prompts: Prompts
    regions: tuple[RegionResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConceptResult:
    """One concept in one study.

    Attributes:
        concept: its id.
        method: that made the maps, by name.
        presence: the decision that came first.
        slices: those looked at, by index; none where the finding is absent.
        pieces: what was found and agrees along the axis, by slice.
        dropped: how many pieces the agreement dropped.
        disagreement: mean 1 - Dice of neighbouring slices (see `volume.disagreement`), or None.
        shape: (rows, columns) of a plane.
        resize: how `maps` come onto the plane.
        warnings: what a reader should know.
        words: which words the score rests on; None where that was not asked, or the encoder cannot say.
    """

    concept: str
    method: str
    presence: Presence
    slices: tuple[SliceResult, ...]
    pieces: tuple[Piece, ...]
    dropped: int
    disagreement: float | None
    shape: tuple[int, int]
    resize: Resize
    warnings: tuple[str, ...]
    words: FoundWords | None = None

    def masks(self) -> Iterator[tuple[int, MaskPlane]]:
        """(slice index, mask) of each slice that holds some of the finding, in order."""
        return planes_of_pieces(self.pieces, self.shape)

    def maps(self) -> Iterator[tuple[int, Plane]]:
        """(slice index, map in [0, 1]) of each slice looked at, in order."""
        return ((result.index, result.map.on_plane(self.resize)) for result in self.slices)


def segment_planes(
    encoder: DualEncoder,
    segmenter: Segmenter | None,
    indices: Sequence[int],
    show: ShowPlane,
    concepts: Sequence[ConceptTexts],
    settings: SegmentationSettings | None = None,
    *,
    spacing_mm: tuple[float, float] | None,
    decide: Decide | None = None,
    tap: Tap | None = None,
    progress: Progress | None = None,
) -> tuple[ConceptResult, ...]:
    """Segment several concepts in one study; see the head of this file for how to call it.

    Args:
        encoder: any dual encoder.
        segmenter: any segmenter; None takes the coarse masks as they are.
        indices: the slices to consider, ascending. Neighbours differ by 1.
        show: gives the plane (rows, columns) float32 in [0, 1] of an index; called at most twice for each.
        concepts: at least one, with different ids.
        settings: None takes the defaults.
        spacing_mm: (row, column) step of a plane, or None where the unit is the pixel.
        decide: makes one answer a concept of the slices' image features; None decides by the threshold of the settings.
        tap: is filled with what the encoder sees of every slice behind one of its layers, before `decide` is called.
        progress: called with ("presence", "words" or "maps", done, all).

    Raises:
        InputError: no slice, no concept, or planes of different sizes.
        SettingsError, NumericalError: from the steps.
    """
    if not len(indices) or not concepts:
        raise InputError(f"nothing to segment: {len(indices)} slices, {len(concepts)} concepts")
    settings = settings or SegmentationSettings()
    targets = embed_targets(encoder, concepts)
    features, shape = features_of_planes(encoder, indices, show, progress, tap=tap)
    decisions = (decide or _by_threshold(encoder, indices, settings.presence))(features, targets)
    words: list[FoundWords | None] = []
    for concept, decision in zip(concepts, decisions, strict=True):
        words.append(_words(encoder, concept, decision, indices, show, settings))
        _report(progress if words[-1] is not None else None, "words", len(words), len(concepts))
    looked_at = [_slices_to_look_at(decision, indices, settings) for decision in decisions]
    study = _Study(
        encoder=encoder,
        segmenter=segmenter,
        settings=settings,
        spacing_mm=spacing_mm,
        nonsense=nonsense_target(encoder),
    )
    slices: list[list[SliceResult]] = [[] for _ in targets]
    pieces: list[list[Piece]] = [[] for _ in targets]
    union = sorted({index for chosen in looked_at for index in chosen})
    for done, index in enumerate(union):
        here = [k for k, chosen in enumerate(looked_at) if index in chosen]
        scores = {k: looked_at[k][index] for k in here}
        best = {k for k in here if scores[k] == max(looked_at[k].values())}
        maps, masks = study.look(show(index), {k: targets[k] for k in here}, best)
        for k in here:
            prompts, chosen = masks[k]
            slices[k].append(_slice_result(index, scores[k], maps[k], prompts, chosen))
            strong = scores[k] >= decisions[k].strong or decisions[k].every
            pieces[k] += _pieces(chosen, index, strong, settings) if decisions[k].claims else []
        _report(progress, "maps", done + 1, len(union))
    return tuple(
        _with_words(
            _concept_result(target.id, decision, slices[k], pieces[k], looked_at[k], indices, shape, settings),
            words[k],
            no_words(encoder) if settings.text_map.use != "none" else None,
        )
        for k, (target, decision) in enumerate(zip(targets, decisions, strict=True))
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    components: list[Component]
    predicted_iou: tuple[float, ...]
    chosen: RegionMask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Study:
    """What stays the same from slice to slice."""

    encoder: DualEncoder
    segmenter: Segmenter | None
    settings: SegmentationSettings
    spacing_mm: tuple[float, float] | None
    nonsense: Target

    def look(
        self, plane: Plane, targets: dict[int, Target], best: set[int]
    ) -> tuple[dict[int, PlaneMap], dict[int, tuple[Prompts, list[_Found]]]]:
        """Maps and masks of several concepts on one plane, by the concept's number."""
        every = self.settings.map.check_words == "every"
        checked = [k for k in targets if every or (self.settings.map.check_words == "best" and k in best)]
        prepared = prepare_plane(self.encoder, plane, eight_bit=self.settings.map.pixels == "8-bit")
        maps: dict[int, PlaneMap] = {}
        for group, check in ((checked, True), ([k for k in targets if k not in checked], False)):
            if group:
                wanted = [targets[k] for k in group]
                (found,) = explain_planes(
                    self.encoder,
                    [prepared],
                    wanted,
                    self.settings.saliency.method,
                    patches=self.settings.relevance,
                    check_words=check,
                    nonsense=self.nonsense,
                )
                maps.update(zip(group, found, strict=True))
        embedding: Embedding | None = None
        masks: dict[int, tuple[Prompts, list[_Found]]] = {}
        for k in targets:
            map_ = maps[k].on_plane(self.settings.map.resize)
            parts = self._components(map_)
            prompts = prompts_of(parts, map_, self.settings.prompts, spacing_mm=self.spacing_mm)
            if self.segmenter is not None and parts and embedding is None:
                embedding = self.segmenter.embed(plane)
            masks[k] = (prompts, self._masks(parts, prompts, embedding))
        return maps, masks

    def _components(self, map_: Plane) -> list[Component]:
        area = self.spacing_mm[0] * self.spacing_mm[1] if self.spacing_mm else None
        mask = coarse_mask(map_, self.settings.threshold)
        return components(mask, map_, self.settings.threshold, pixel_area_mm2=area)

    def _masks(self, parts: list[Component], prompts: Prompts, embedding: Embedding | None) -> list[_Found]:
        if not parts:
            return []
        if self.segmenter is None or embedding is None:
            taken = [RegionMask(mask=part.mask, predicted_iou=None, how="coarse") for part in parts]
            return [_Found(components=[p], predicted_iou=(), chosen=c) for p, c in zip(parts, taken, strict=True)]
        candidates = self.segmenter.masks(embedding, prompts, self.settings.choice.multimask)
        groups = [parts] if self.settings.prompts.boxes == "one" else [[part] for part in parts]
        found = []
        for region, group in enumerate(groups):
            coarse = np.logical_or.reduce([part.mask for part in group])
            ious = tuple(float(iou) for iou in candidates.predicted_iou[candidates.region == region])
            chosen = choose(candidates, coarse, region, self.settings.choice)
            found.append(_Found(components=group, predicted_iou=ious, chosen=chosen))
        return found


def features_of_planes(
    encoder: DualEncoder,
    indices: Sequence[int],
    show: ShowPlane,
    progress: Progress | None,
    *,
    eight_bit: bool = False,
    tap: Tap | None = None,
) -> tuple[Float[Tensor, "slices width"], tuple[int, int]]:
    """Image features of every plane, in small batches, and the planes' common shape (rows, columns).

    For `eight_bit` see `frame_plane`. A `tap` is filled on the way, in the same pass.

    Raises:
        InputError: the planes differ in size.
    """
    features: list[Tensor] = []
    shapes: set[tuple[int, ...]] = set()
    for start in range(0, len(indices), _ENCODED_AT_ONCE):
        batch = []
        for index in indices[start : start + _ENCODED_AT_ONCE]:
            plane = show(index)
            shapes.add(plane.shape)
            batch.append(prepare_plane(encoder, plane, eight_bit=eight_bit).pixels)
        with torch.no_grad(), frozen(encoder.module):
            features.append(_encoded(encoder, torch.stack(batch), tap).float())
        _report(progress, "presence", min(start + _ENCODED_AT_ONCE, len(indices)), len(indices))
    if len(shapes) > 1:
        raise InputError(f"the planes of one study have one size, got {sorted(shapes)}")
    rows, columns = shapes.pop()
    return torch.cat(features), (rows, columns)


def _encoded(encoder: DualEncoder, pixels: Tensor, tap: Tap | None) -> Tensor:
    if tap is None:
        return encoder.encode_image(pixels)
    hidden = encoder.image_prefix(pixels, tap.layer)
    tap.take(encoder, hidden)
    return encoder.image_suffix(hidden, tap.layer)


def _by_threshold(encoder: DualEncoder, indices: Sequence[int], settings: PresenceSettings) -> Decide:
    def decide(features: Float[Tensor, "slices width"], targets: Sequence[Target]) -> list[Presence]:
        scale = encoder.logit_scale
        return [decide_presence(features, one, settings, logit_scale=scale, indices=indices) for one in targets]

    return decide


def _slices_to_look_at(presence: Presence, indices: Sequence[int], settings: SegmentationSettings) -> dict[int, float]:
    """The score of each slice that gets a map, by index; of equal scores the first slices."""
    if not presence.present:
        return {}
    enough = -np.inf if presence.every else presence.weak
    order = np.argsort(-presence.scores, kind="stable")
    passing = [int(k) for k in order if presence.scores[k] >= enough]
    return {int(indices[k]): float(presence.scores[k]) for k in passing[: settings.map.max_slices]}


def _words(
    encoder: DualEncoder,
    concept: ConceptTexts,
    presence: Presence,
    indices: Sequence[int],
    show: ShowPlane,
    settings: SegmentationSettings,
) -> FoundWords | None:
    """Of the slice that scores highest, the first of equal ones, whether or not the finding is judged to be there."""
    if settings.text_map.use == "none" or no_words(encoder):
        return None
    best = int(indices[int(np.argmax(presence.scores))])
    image = prepare_plane(encoder, show(best), eight_bit=settings.map.pixels == "8-bit").pixels
    return words_of(encoder, image, best, concept.prompts, settings.m2ib, settings.text_map, settings.threshold)


def _pieces(found: Sequence[_Found], index: int, strong: bool, settings: SegmentationSettings) -> list[Piece]:
    """A slice's masks as one union, cut into connected parts."""
    if not found:
        return []
    union = np.logical_or.reduce([one.chosen.mask for one in found])
    coarse = sum(len(one.components) for one in found)
    keep = coarse if settings.keep_largest == "coarse" else settings.keep_largest
    whole = ThresholdSettings(order="area", keep=keep, ties=settings.threshold.ties)
    parts = components(union, union.astype(np.float32), whole, pixel_area_mm2=None)
    return [Piece.of(part.mask, index, strong=strong) for part in parts]


def _slice_result(index: int, score: float, map_: PlaneMap, prompts: Prompts, found: list[_Found]) -> SliceResult:
    regions = tuple(
        RegionResult(
            confidence=f.components[0].confidence,
            predicted_iou=f.predicted_iou,
            chosen_iou=f.chosen.predicted_iou,
            how=f.chosen.how,
        )
        for f in found
    )
    return SliceResult(index=index, score=score, map=map_, prompts=prompts, regions=regions)


def _concept_result(
    concept: str,
    presence: Presence,
    slices: list[SliceResult],
    pieces: list[Piece],
    looked_at: dict[int, float],
    indices: Sequence[int],
    shape: tuple[int, int],
    settings: SegmentationSettings,
) -> ConceptResult:
    kept = linked(pieces, settings.volume, slices=len(indices))
    return ConceptResult(
        concept=concept,
        method=settings.saliency.method.name,
        presence=presence,
        slices=tuple(slices),
        pieces=tuple(kept),
        dropped=len(pieces) - sum(not piece.filled for piece in kept),
        disagreement=disagreement(planes_of_pieces(kept, shape)),
        shape=shape,
        resize=settings.map.resize,
        warnings=_warnings(presence, slices, looked_at, settings),
    )


def _with_words(result: ConceptResult, words: FoundWords | None, why_not: str | None) -> ConceptResult:
    return replace(result, words=words, warnings=result.warnings if why_not is None else (*result.warnings, why_not))


def _warnings(
    presence: Presence, slices: list[SliceResult], looked_at: dict[int, float], settings: SegmentationSettings
) -> tuple[str, ...]:
    warnings = []
    checked = [s.map.specificity for s in slices if s.map.specificity is not None]
    blind = [found.warning for found in checked if found.warning is not None]
    if blind and 2 * len(blind) >= len(checked):
        where = f" (in {len(blind)} of {len(checked)} slices checked)" if len(checked) > 1 else ""
        warnings.append(f"{blind[0]}{where}")
    passing = len(presence.scores) if presence.every else int((presence.scores >= presence.weak).sum())
    if presence.present and passing > len(looked_at):
        warnings.append(
            f"{passing} slices may hold the finding, the {len(looked_at)} best were looked at (map.max_slices)"
        )
    if settings.map.resize == "published" and slices:
        shift = published_shift_px(slices[0].map.framing)
        warnings += [_SHIFTED.format(shift=shift)] if shift else []
    if any(region.how == "coarse" for s in slices for region in s.regions if region.predicted_iou):
        warnings.append(
            "no candidate of the segmenter agreed with the map in some region; the coarse mask stands there"
        )
    return tuple(warnings)


def _report(progress: Progress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)

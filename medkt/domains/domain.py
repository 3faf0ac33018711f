"""What a modality is: how its values are shown, which of its planes hold something, and the words that fit it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from medkt.concepts import Concept, concepts, load_concept, mentions
from medkt.domains.augmentation import Augmentation
from medkt.domains.extent import Extent
from medkt.domains.intensity import EIGHT_BIT, Intensity, from_display, from_eight_bits
from medkt.domains.known import named_by
from medkt.errors import SettingsError, UnknownNameError
from medkt.spatial import Image, Planes

LOOKED_AT = 4  # every fourth row and column is enough to say that a plane is empty,
SMALL_PLANE = 64  # unless it has fewer than this many


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A named CT window, in Hounsfield units."""

    width: float
    level: float
    source: str

    def shows_as(self, shown: Intensity) -> bool:
        """Whether an intensity is this window; DICOM's LINEAR is, for it differs by less than a grey level."""
        linear = shown.function in ("LINEAR", "LINEAR_EXACT") and not shown.inverted
        return linear and (shown.width, shown.centre) == (self.width, self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Where values are clipped, in percent of the voxels."""

    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRule:
    """Which planes of a volume are looked at.

    Attributes:
        step_mm: planes nearer than this to the last one looked at are passed over; 0 looks at all.
        empty_level, empty_fraction: a plane is empty where less than this fraction of its pixels lies above the level.
        most_frames: of a clip, at most this many frames, at even distances.
        extent_mm: slices that lie closer must bear a score out in a row as long as this; 0 where there are none.
    """

    step_mm: float
    step_source: str
    empty_level: float
    empty_fraction: float
    empty_source: str
    most_frames: int
    frames_source: str
    extent_mm: float
    extent_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyDefaults:
    """Where M2IB starts for this modality; `layer` None is the encoder's own default."""

    beta: float
    layer: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyWords:
    """Captions for one part of the body.

    Attributes:
        templates: with the place {finding}.
        normal: of an image without a finding.
        confusable: of what is easily taken for a finding.
    """

    templates: tuple[str, ...]
    normal: tuple[str, ...]
    confusable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(ABC):
    """A modality. Each kind has a module; their numbers and words are in `configs/domains`.

    Attributes:
        name: of `medkt.modalities.MODALITIES`.
        title: as it is written in a report.
        codes: DICOM's modality codes that mean this domain.
        expects_mm: whether lengths in millimetres are to be expected of every image.
        spacing_rule: where the spacing comes from, in words.
        extent: the largest extents that an image of a patient can have.
        intensity_rule: how values are shown, in words.
        windows: named windows; `default_window` is one of them or "".
        words: captions by part of the body; `default_body` is one of them.
        findings: ids of the concepts of the default body that a concept is contrasted with.
        augmentation: how far an image may be changed.
    """

    name: str
    title: str
    codes: tuple[str, ...]
    expects_mm: bool
    spacing_rule: str
    extent: Extent
    intensity_rule: str
    percentiles: Percentiles
    windows: dict[str, Window]
    default_window: str
    slice_rule: SliceRule
    saliency: SaliencyDefaults
    default_body: str
    words: dict[str, BodyWords]
    findings: tuple[str, ...]
    augmentation: Augmentation = field(default_factory=Augmentation)

    def intensity(self, image: Image, *, window: str | None = None) -> Intensity:
        """How the values of this volume are shown; computed once, applied to each plane.

        Args:
            image: the whole volume; of large ones only a sparse sample is looked at.
            window: a named window of this domain, "width/level" in the image's own values ("1500/-600"), "file" for
                the file's own, "8-bit" for a picture of 8 bits as it is, or None for the domain's rule.

        Raises:
            UnknownNameError: the domain has no window of this name; the message lists those it has.
            InputError: the image holds NaN or infinity, or is no picture of 8 bits and was asked to be shown as one.
        """
        if window is None:
            return self._default_intensity(image)
        if window == EIGHT_BIT:
            return from_eight_bits(image)
        if window == "file":
            return from_display(image) or self._default_intensity(image)
        return _from_window(window, self._window(window), image)

    @abstractmethod
    def _default_intensity(self, image: Image) -> Intensity:
        """The domain's rule where no window was asked for."""

    @abstractmethod
    def implausible(self, image: Image) -> tuple[str, ...]:
        """What makes one doubt that this image belongs here; empty where nothing does."""

    def slices(self, image: Image, planes: Planes, *, step_mm: float | int | None = None) -> tuple[int, ...]:
        """The indices of the planes to look at, in the order of looking; empty where no plane holds anything.

        Args:
            image: the whole volume.
            planes: how it is cut.
            step_mm: the least distance between two planes; None takes the domain's, 0 looks at every plane.

        The first is that which holds something and comes first in the world, as `Planes` counts; the others lie multiples
        of one stride beyond it, without the empty ones. So the planes are the same however the volume is stored.

        Raises:
            SettingsError: the step is negative.
        """
        number, stride = image.geometry.shape[planes.axis], self.stride(image, planes, step_mm=step_mm)
        if image.geometry.stack == "time":
            return tuple(range(0, number, stride))
        level = self._empty_level(image)
        thinned = _thinned(planes.seen(image.values))
        held = [place for place in range(number) if self._holds_something(thinned[place], level)]
        # counted from the first plane that holds something, so that air around the patient does not shift the choice
        return tuple(planes.number(place, number) for place in held if (place - held[0]) % stride == 0)

    def stride(self, image: Image, planes: Planes, *, step_mm: float | int | None = None) -> int:
        """How many planes apart those lie that `slices` looks at, empty ones among them counted.

        Raises:
            SettingsError: the step is negative.
        """
        step_mm = self.slice_rule.step_mm if step_mm is None else step_mm
        if step_mm < 0:
            raise SettingsError(f"a step between slices is 0 mm or more, got {step_mm:g}")
        if image.geometry.stack == "time":
            return math.ceil(image.geometry.shape[planes.axis] / self.slice_rule.most_frames)
        return _stride(image.geometry.spacing[planes.axis], step_mm) if image.geometry.unit == "mm" else 1

    def body_pixels(self, image: Image, plane: NDArray[Any]) -> int:
        """How many pixels of a plane of this volume show the body: what is brighter than air, and what it encloses."""
        level = self._empty_level(image)
        if not np.isfinite(level):
            return int(plane.size)
        every = LOOKED_AT if min(plane.shape) >= SMALL_PLANE else 1
        inside = binary_fill_holes(plane[::every, ::every] > level)
        return int(np.count_nonzero(inside)) * every * every

    def _empty_level(self, image: Image) -> float:
        """The value above which a pixel counts as something."""
        return -np.inf

    def _holds_something(self, plane: NDArray[Any], level: float) -> bool:
        varies = bool(plane.max() > plane.min())
        return varies and float((plane > level).mean()) >= self.slice_rule.empty_fraction

    def window_for(self, concept: Concept) -> str | None:
        """The window that the concept asks for, where this domain has it; else None, the domain's rule."""
        return concept.window if concept.window in self.windows else None

    def window_shown(self, image: Image, shown: Intensity, *, asked: str | None) -> str | None:
        """The named window through which values are shown, whoever asked for it and by whatever name.

        Args:
            image: the whole volume.
            shown: how they are.
            asked: the window that was asked for, as for `intensity`.

        Returns:
            "" where it is none of them and the domain's own rule; None where it is neither.
        """
        if shown.name in self.windows:
            return shown.name
        for name, one in self.windows.items():
            if one.shows_as(shown):
                return name
        return "" if asked is None or shown.shows_as(self.intensity(image)) else None

    def words_for(self, concept: Concept) -> BodyWords:
        """The captions of the concept's part of the body."""
        return self.words.get(concept.body, self.words[self.default_body])

    def prompts(self, concept: Concept) -> tuple[str, ...]:
        """What an image is compared with: the concept's own prompts, then the templates with its name, each once."""
        own = concept.texts("prompt")
        if concept.is_free_text:  # a sentence of the user's is not put into another sentence
            return own
        filled = (template.format(finding=concept.name) for template in self.words_for(concept).templates)
        return tuple(dict.fromkeys([*own, *filled]))

    def contrast_texts(self, concept: Concept) -> tuple[str, ...]:
        """What the image could show instead: normal images, what is easily confused, other findings of that body part.

        Texts that name the concept, a synonym, what it is a kind of, or a related concept are left out; for a free text
        the known findings that it may mean (see `known.named_by`) count as related.
        """
        words, meant = self.words_for(concept), self._meant(concept)
        texts = [*words.normal, *concept.texts("contrast"), *words.confusable]
        texts += [words.templates[0].format(finding=other.name) for other in self._others(concept, meant)]
        return tuple(text for text in dict.fromkeys(texts) if not mentions(text, concept.names))

    def _meant(self, concept: Concept) -> frozenset[str]:
        """Ids of the catalogued findings of this modality that a free text may mean."""
        if not concept.is_free_text:
            return frozenset()
        of_here = [one for one in concepts().values() if one.modality == self.name]
        return frozenset(one.id for one in named_by(concept, of_here))

    def others(self, concept: Concept) -> tuple[Concept, ...]:
        """The known findings of the concept's part of the body that cannot be the same thing as it."""
        return tuple(self._others(concept, frozenset()))

    def _others(self, concept: Concept, meant: frozenset[str]) -> Iterator[Concept]:
        for other in self._neighbours(concept):
            of_one_kind = any(mentions(name, other.names) for name in concept.names)
            of_one_kind |= any(mentions(name, concept.names) for name in other.names)
            of_one_kind |= other.id in concept.related or concept.id in other.related
            if other.id != concept.id and not of_one_kind and other.id not in meant:
                yield other

    def _neighbours(self, concept: Concept) -> list[Concept]:
        if concept.body in ("", self.default_body):
            return [load_concept(finding) for finding in self.findings]
        return [one for one in concepts().values() if one.modality == self.name and one.body == concept.body]

    def _window(self, name: str) -> Window:
        if name in self.windows:
            return self.windows[name]
        try:
            width, level = (float(number) for number in name.split("/"))
        except ValueError:
            known = ", ".join(self.windows) or "none, it is shown by percentiles"
            text = f"no window {name!r} for {self.title}; known: {known}; or give width/level, such as 1500/-600"
            raise UnknownNameError(text) from None
        if not (width > 0 and np.isfinite([width, level]).all()):
            raise SettingsError(f"a window's width is more than 0, got {name!r} (it is written width/level)")
        return Window(width=width, level=level, source="given by the user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """Where a modality is told.

    Attributes:
        kind: its class; one of another modality's where its values are shown in the same way.
        file: its YAML, as `configs/domains/ct.yaml` is; of a package that adds a modality the whole path.
    """

    kind: type[Domain]
    file: str


def _from_window(name: str, window: Window, image: Image) -> Intensity:
    where = f"{name} window" if not name[0].isdigit() else "window"
    text = f"{where}: width {window.width:g}, level {window.level:g} ({window.source})"
    return Intensity(name=name, description=text, centre=window.level, width=window.width)


def _stride(spacing: float, step_mm: float | int) -> int:
    # a thousandth of a plane more, so that 0.5 mm in 2.5 mm is five in spite of rounding
    return max(1, int(step_mm / spacing + 1e-3))


def _thinned(planes: NDArray[Any]) -> NDArray[Any]:
    """Of (planes, rows, columns) as they are shown every fourth row and column; a view."""
    every = LOOKED_AT if min(planes.shape[1:]) >= SMALL_PLANE else 1
    thinned: NDArray[Any] = planes[:, ::every, ::every]
    return thinned

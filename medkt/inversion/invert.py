"""Images made from words: noise is changed until the encoder finds that it fits a text.

Kazemi et al., "What do we learn from inverting CLIP models?" (2024), and Knowledge Transfer's Eq. 1 (made with random
augmentation of the image and total variation). For each text X_T and each of its images

    minimise  distance(f_V(A(x)), f_T(X_T)) + tv * TV(x) + l1 * |x|_1        over x, A drawn anew in each step.

All texts and images are optimised in one batch, and each as if it were alone: it has random numbers of its own, an
optimiser that couples nothing, and (except where a preset clips over a text's images) a gradient norm of its own.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.inversion.descent import DescentResult, descend
from medkt.inversion.fit import FeatureFit, Fit, Matcher, MatchFit
from medkt.inversion.local_settings import LocalSettings
from medkt.inversion.noise import stream
from medkt.inversion.parameters import compose, first_noise, pyramid_sides, unsquashed
from medkt.inversion.regularizers import absolute_sum, total_variation
from medkt.inversion.schedule import InversionStage, stages
from medkt.inversion.settings import InversionSettings
from medkt.inversion.views import draw, resized, views_of
from medkt.models.encoder import DualEncoder, EncoderSpec
from medkt.models.framing import normalise
from medkt.models.module import device_of, frozen
from medkt.models.precision import arithmetic
from medkt.progress import Progress

ImageRun = tuple[int, int]  # (text, index of the image)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InvertedImages:
    """Images made from texts.

    Attributes:
        texts: as given.
        pixels: float32 in [0, 1], before the encoder's normalisation; grey is repeated to three channels.
        similarity: cosine of each image with its text, on the image as it is here and without augmentation; for
            "cross_entropy" the probability of a match.
        curves: of each text, the mean similarity of its images as they were augmented, before each step; NaN for a
            step that no image of it took.
        seconds: of the clock.
        settings, seed: that made them.
        first: index of the first image of each text.
    """

    texts: tuple[str, ...]
    pixels: Float[Tensor, "texts images channels side side"]
    similarity: Float[Tensor, "texts images"]
    curves: Float[Tensor, "texts steps"]
    seconds: float
    settings: InversionSettings | LocalSettings
    seed: int
    first: int = 0

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """(step counted from 1, mean similarity over texts), of the steps that were taken."""
        taken = ~self.curves.isnan().all(dim=0)
        means = self.curves[:, taken].nanmean(dim=0).tolist()
        return tuple((int(step) + 1, mean) for step, mean in zip(taken.nonzero().flatten(), means, strict=True))


def invert(
    encoder: DualEncoder | Matcher,
    texts: Sequence[str],
    settings: InversionSettings | None = None,
    *,
    images: int = 10,
    seed: int = 0,
    first: int = 0,
    start: Tensor | None = None,
    progress: Progress | None = None,
) -> InvertedImages:
    """Images that the encoder finds to fit each text. The encoder comes back as it was, bit for bit, also after a failure.

    Args:
        encoder: whose image tower is inverted; a `Matcher` for the similarity "cross_entropy".
        texts: one or more.
        settings: None is `InversionSettings()`, the preset `fast`.
        images: of each text.
        seed: with the text and the image's index it gives all random numbers of that image.
        first: index of the first image, so that more can be made later.
        start: (texts or 1, images or 1, 3 or 1, side, side) in [0, 1] to start from, with the initial noise added;
            None starts from the noise alone. `warm` makes some.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: no text, an empty one, no image, or a start of the wrong shape or range.
        SettingsError: the settings do not go with this encoder.
        NumericalError: features, a loss or an image are NaN or infinite.
    """
    device = device_of(encoder)
    settings = (settings or InversionSettings()).on(device)
    began = time.perf_counter()
    require_texts(texts, images, first)
    if settings.parametrisation == "hidden":
        raise SettingsError('inversion: parametrisation "hidden" makes no images; use medkt.inversion.invert_hidden')
    with torch.inference_mode(False), torch.enable_grad(), frozen(encoder.module):
        base = None if start is None else _checked_start(start, len(texts), images, settings).to(device)
        fit = fit_of(encoder, texts, settings)
        runs = [(text, first + image) for text in range(len(texts)) for image in range(images)]
        made, curves = [], []
        for batch, tick in batches(runs, settings, progress):
            task = _Pixels(
                encoder.spec, fit, settings, batch, texts=texts, seed=seed, first=first, base=base, device=device
            )
            outcome = descend(task, settings, stages(settings, encoder.spec.input_size), tick)
            made.append(as_output(task.images(outcome), encoder.spec, settings))
            curves.append(outcome.similarity)
        pixels = torch.cat(made)
        similarity = _similarity(encoder.spec, fit, pixels, runs, settings)
    shape = (len(texts), images)
    return InvertedImages(
        texts=tuple(texts),
        pixels=pixels.reshape(*shape, *pixels.shape[1:]),
        similarity=similarity.reshape(shape),
        curves=mean_curves(torch.cat(curves), len(texts)),
        seconds=time.perf_counter() - began,
        settings=settings,
        seed=seed,
        first=first,
    )


def as_output(
    images: Float[Tensor, "images channels rows columns"], spec: EncoderSpec, settings: InversionSettings
) -> Float[Tensor, "images 3 side side"]:
    """Optimised images as they are given out: at the encoder's size, three channels, within [0, 1]."""
    x = resized(images, spec.input_size).expand(-1, 3, -1, -1)
    if not torch.isfinite(x).all():
        raise NumericalError(
            "inversion gave an image with NaN or infinity; run the encoder in float32, or with a smaller lr"
        )
    if settings.output == "float":
        return x.clamp(0, 1).contiguous()
    flat = x.flatten(1)
    low, high = flat.amin(dim=1)[:, None, None, None], flat.amax(dim=1)[:, None, None, None]
    return ((x - low) / (high - low).clamp_min(1e-5) * 255).round() / 255


def require_texts(texts: Sequence[str], images: int, first: int) -> None:
    """Refuse what cannot be inverted."""
    if isinstance(texts, str) or not texts:
        raise InputError(f"inversion needs a list of one or more texts, got {texts!r}")
    for index, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"inversion: text {index + 1} of {len(texts)} is empty; write what the finding looks like")
    if images < 1 or first < 0:
        raise InputError(f"inversion makes 1 or more images of a text from index 0 on, got {images} from {first}")


def fit_of(
    encoder: DualEncoder | Matcher, texts: Sequence[str], settings: InversionSettings, layer: int | None = None
) -> Fit:
    """What the settings measure, against these texts.

    Args:
        encoder: frozen.
        texts: to fit.
        settings: the distance and the precision.
        layer: rows are hidden states after this layer; None for normalised pixels.

    Raises:
        SettingsError: the encoder has no such similarity.
        NumericalError: a text's features are NaN or infinite.
    """
    tokens = encoder.tokenize(list(texts))
    for text, cut in zip(texts, tokens.truncated, strict=True):
        if cut:
            log.warning("%s reads only the beginning of the text %r", encoder.spec.name, text[:60])
    if settings.similarity == "cross_entropy":
        if not isinstance(encoder, Matcher):
            raise SettingsError(f"inversion: {encoder.spec.name} has no matching head; use the similarity cosine")
        return MatchFit(head=_run(encoder.match_logits, settings), tokens=tokens)
    if not isinstance(encoder, DualEncoder):
        raise SettingsError(f"inversion: {encoder.spec.name} has no text features; use the similarity cross_entropy")
    with torch.no_grad():  # one text at a time, so that no text depends on how long the others are
        wanted = torch.cat([encoder.encode_text(encoder.tokenize([text])) for text in texts]).float()
    if not torch.isfinite(wanted).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for a text")
    if layer is None:
        return FeatureFit(encode=_run(encoder.encode_image, settings), wanted=wanted, kind=settings.similarity)
    return FeatureFit(
        encode=_run(lambda hidden: encoder.image_suffix(hidden, layer), settings),
        wanted=wanted,
        kind=settings.similarity,
    )


def batches(
    runs: list[ImageRun], settings: InversionSettings, progress: Progress | None
) -> Iterator[tuple[list[ImageRun], Callable[[int, float], None]]]:
    """Runs that are optimised together, in order, and what to call after their steps.

    A batch fits into one pass where it can. All images of a text stay together where they share a gradient norm, and
    alone where the optimiser couples what it is given.
    """
    groups: dict[ImageRun | int, list[ImageRun]] = {}
    for run in runs:
        groups.setdefault(run if settings.clip_over == "image" else run[0], []).append(run)
    parts: list[list[ImageRun]] = []
    for group in groups.values():
        together = parts and (len(parts[-1]) + len(group)) * settings.views <= settings.rows_at_once
        if together and settings.optimiser == "adam":
            parts[-1].extend(group)
        else:
            parts.append(list(group))
    for index, part in enumerate(parts):

        def tick(done: int, similarity: float, index: int = index) -> None:
            if progress is not None:
                progress(f"similarity {similarity:.3f}", index * settings.steps + done, len(parts) * settings.steps)

        yield part, tick


def group_numbers(runs: list[ImageRun], settings: InversionSettings) -> tuple[Tensor, Tensor]:
    """(runs,) the group of each run that shares a gradient norm, and (runs,) its share in the group's loss."""
    keys = [run if settings.clip_over == "image" else (run[0], 0) for run in runs]
    number = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    groups = torch.tensor([number[key] for key in keys])
    return groups, 1 / torch.bincount(groups)[groups]


def mean_curves(similarity: Float[Tensor, "runs steps"], texts: int) -> Float[Tensor, "texts steps"]:
    """The mean over the images of each text, of those that took the step."""
    return similarity.reshape(texts, -1, similarity.shape[1]).nanmean(dim=1)


class _Pixels:
    """A batch of images as the `Objective` of a descent."""

    def __init__(
        self,
        spec: EncoderSpec,
        fit: Fit,
        settings: InversionSettings,
        runs: list[ImageRun],
        *,
        texts: Sequence[str],
        seed: int,
        first: int,
        base: Tensor | None,
        device: torch.device,
    ) -> None:
        self._spec, self._fit, self._settings, self._device = spec, fit, settings, device
        self._texts = torch.tensor([text for text, _ in runs], device=device)
        self._base = None if base is None else torch.stack([base[text, index - first] for text, index in runs])
        self._streams = {
            purpose: [stream(seed, texts[text], index, purpose, where) for text, index in runs]
            for purpose, where in (("start", "cpu"), ("views", "cpu"), ("noise", device))
        }
        self.groups, share = group_numbers(runs, settings)
        self._share = share.to(device)
        self._sides = pyramid_sides(settings, spec.input_size)

    def start(self, stage: InversionStage) -> list[Tensor]:
        streams, s = self._streams["start"], self._settings
        if s.parametrisation == "multi_resolution":
            return [first_noise(streams, s, side).to(self._device) for side in self._sides]
        noise = first_noise(streams, s, stage.side).to(self._device)
        if self._base is None:
            return [noise]
        return [resized(self._base, stage.side) + (noise if s.init == "normal" else 0)]

    def enlarge(self, parameters: list[Tensor], stage: InversionStage) -> list[Tensor]:
        return [resized(parameters[0], stage.side)]

    def evaluate(self, parameters: list[Tensor], runs: list[int], stage: InversionStage) -> tuple[Tensor, Tensor]:
        s = self._settings
        images = self._composed(parameters, runs)
        draws = draw([self._streams["views"][run] for run in runs], s, stage.jitter).to(self._device)
        views = views_of(images, draws, s, self._spec.input_size, [self._streams["noise"][run] for run in runs])
        rows = normalise(views, self._spec)
        if s.channels_last:
            rows = rows.contiguous(memory_format=torch.channels_last)
        apart, similarity = self._fit(rows, self._texts[runs].repeat_interleave(s.views))
        loss = apart.reshape(-1, s.views).mean(dim=1)
        if s.tv:
            loss = loss + s.tv * total_variation(images)
        loss = loss * self._share[runs]
        if s.l1:
            loss = loss + s.l1 * absolute_sum(images)  # published as a plain sum, also over a batch
        return loss, similarity.reshape(-1, s.views).mean(dim=1)

    def images(self, outcome: DescentResult) -> Float[Tensor, "images channels rows columns"]:
        """The images that the parameters stand for."""
        with torch.no_grad():
            return self._composed(outcome.parameters, list(range(len(self.groups))))

    def _composed(self, parameters: list[Tensor], runs: list[int]) -> Tensor:
        if self._settings.parametrisation == "pixels":
            return parameters[0]
        squash, side = self._settings.squash, self._spec.input_size
        base = None if self._base is None else unsquashed(resized(self._base[runs], side), squash)
        return compose(parameters, base, squash, side)


def _run(encode: Callable[..., Tensor], settings: InversionSettings) -> Callable[..., Tensor]:
    """The encoder's own function, compiled and in bfloat16 where asked."""
    compiled: Callable[..., Tensor] = torch.compile(encode) if settings.compile else encode

    def run(rows: Tensor, *rest: object) -> Tensor:
        with arithmetic(rows.device, settings.dtype):
            return compiled(rows, *rest)

    return run


def _similarity(
    spec: EncoderSpec, fit: Fit, pixels: Tensor, runs: list[ImageRun], settings: InversionSettings
) -> Float[Tensor, "runs"]:
    """Of the finished images, as they are given out."""
    texts = torch.tensor([text for text, _ in runs], device=pixels.device)
    found = []
    with torch.no_grad():
        for first in range(0, len(runs), settings.rows_at_once):
            part = slice(first, first + settings.rows_at_once)
            found.append(fit(normalise(pixels[part], spec), texts[part])[1])
    similarity = torch.cat(found)
    if not torch.isfinite(similarity).all():
        raise NumericalError(
            f"the encoder {spec.name!r} gives NaN or infinity for an inverted image; run it in float32"
        )
    return similarity.cpu()


def _checked_start(start: Tensor, texts: int, images: int, settings: InversionSettings) -> Tensor:
    """The images to start from as (texts, images, channels, side, side)."""
    wanted = f"({texts} or 1, {images} or 1, 3 or 1, side, side)"
    shape = tuple(start.shape)
    square = start.ndim == 5 and shape[3] == shape[4]
    if not square or shape[0] not in (1, texts) or shape[1] not in (1, images) or shape[2] not in (1, 3):
        raise InputError(f"inversion: the start images have the shape {shape}, expected {wanted}")
    if not start.is_floating_point() or not bool(((start >= 0) & (start <= 1)).all()):
        raise InputError("inversion: the start images must be floats in [0, 1], before the encoder's normalisation")
    channels = start.mean(dim=2, keepdim=True) if settings.channels == 1 else start
    return channels.float().expand(texts, images, settings.channels, -1, -1)

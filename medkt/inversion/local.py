"""A lesion made from words inside a normal study: only a blob of it changes, until the encoder finds that it fits the text.

    x = (1 - m) x0 + m sigmoid(logit(blurred x0) + sum of images at many sides)
    minimise  1 - cos(f_V(A(x)), f_T(text))   over that sum, A (shift and noise) drawn anew in each step

x0 is a normal study and m a star-shaped blob with a soft edge. Its centre is drawn inside the body, the likelier the more a
change of the pixels there would raise the similarity: |d cos / d x0|, smoothed. What is around the lesion stays as it was,
so that an image differs from a normal study by the lesion alone; an inversion of the whole image (`invert`) differs in
everything. The sum at many sides is that of Fort and Whitaker, "Direct Ascent Synthesis" (2025).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from medkt.errors import InputError, NumericalError
from medkt.inversion.invert import InvertedImages, require_texts
from medkt.inversion.local_settings import LocalSettings
from medkt.inversion.noise import normal, stream, uniform
from medkt.inversion.parameters import compose
from medkt.inversion.views import rolled
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.models.module import device_of, frozen
from medkt.models.precision import arithmetic
from medkt.progress import Progress

_LOWEST = 4  # side of the coarsest image that is summed
_BLUR, _BODY = 9 / 128, 15 / 128  # sides of mean filters: of the tissue under a blob, and of what counts as body
_INSIDE = 0.6  # of the pixels around it that are not background
_SAFE = 0.05  # the tissue is kept this far from black and white, where the inverse of the squashing is steep
_REACH = 1.15  # a blob falls to a half at so many times its radius


def local_invert(
    encoder: DualEncoder,
    texts: Sequence[str],
    settings: LocalSettings | None = None,
    *,
    start: Float[Tensor, "texts images channels side side"],
    seed: int = 0,
    progress: Progress | None = None,
) -> InvertedImages:
    """Lesions of each text inside normal studies. The encoder comes back as it was, bit for bit, also after a failure.

    Args:
        encoder: whose image tower is inverted.
        texts: one or more, each a description of what is seen.
        settings: None is `LocalSettings()`.
        start: (texts or 1, images, 1 or 3, side, side) in [0, 1], normal studies at the encoder's input size; one image is
            made of each, grey.
        seed: with the text and the image's index it gives all random numbers of that image.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: no text or an empty one, or starts of the wrong shape or range.
        NumericalError: a similarity or an image is NaN or infinite.
    """
    began, device = time.perf_counter(), device_of(encoder)
    settings = (settings or LocalSettings()).on(device)
    require_texts(texts, start.shape[1] if start.ndim == 5 else 0, 0)
    studies = _checked(encoder, texts, start).to(device)
    each = studies.shape[1]
    with torch.inference_mode(False), torch.enable_grad(), frozen(encoder.module):
        vectors = _unit_texts(encoder, texts).repeat_interleave(each, dim=0)
        runs = [(text, image) for text in texts for image in range(each)]
        made, curves = [], []
        starts = range(0, len(runs), settings.rows_at_once)
        for number, first in enumerate(starts):
            rows = slice(first, first + settings.rows_at_once)
            batch = _Batch.of(encoder, studies.flatten(0, 1)[rows], vectors[rows], runs[rows], settings, seed)
            pixels, curve = batch.descend(_part_of(progress, number, len(starts)))
            made.append(pixels)
            curves.append(curve)
        images = torch.cat(made)
        with torch.no_grad():
            similarity = _cosines(encoder, images, vectors, settings)
    return InvertedImages(
        texts=tuple(texts), pixels=images.expand(-1, 3, -1, -1).reshape(len(texts), each, 3, *images.shape[-2:]),
        similarity=similarity.cpu().reshape(len(texts), each),
        curves=torch.cat(curves).reshape(len(texts), each, -1).mean(dim=1).cpu(),
        seconds=time.perf_counter() - began, settings=settings, seed=seed,
    )  # fmt: skip


def places(
    encoder: DualEncoder,
    studies: Float[Tensor, "images 1 side side"],
    vectors: Float[Tensor, "images width"],
    settings: LocalSettings,
) -> Float[Tensor, "images side side"]:
    """How likely a blob's centre is at each pixel, up to a factor: the smoothed gradient of the cosine, inside the body.

    Where nothing of a study counts as body, every pixel away from the border is as likely as another.
    """
    side = studies.shape[-1]
    pixels = studies.detach().clone().requires_grad_()
    similarity = _seen(encoder, pixels, vectors, settings)
    _require_finite(similarity, "before the first step")
    (gradient,) = torch.autograd.grad(similarity.sum(), [pixels])
    width = _odd(settings.smooth, side)
    pull = functional.avg_pool2d(gradient.abs(), width, 1, width // 2)[:, 0]
    inside = body_of(studies, settings)
    weight = torch.where(inside, pull.clamp_min(1e-20) ** settings.sharpen, 0.0).double()
    weight = weight / weight.flatten(1).sum(dim=1)[:, None, None].clamp_min(1e-300)
    empty = ~inside.flatten(1).any(dim=1)
    weight[empty] = _away_from_border(side, settings.border).double().to(weight.device)
    return weight


def body_of(studies: Float[Tensor, "images 1 side side"], settings: LocalSettings) -> Tensor:
    """(images, side, side), True where a picture shows tissue, away from its border: no anatomy, grey levels alone."""
    side = studies.shape[-1]
    width = _odd(_BODY, side)
    part = functional.avg_pool2d((studies > settings.black).float(), width, 1, width // 2)[:, 0]
    inside: Tensor = (part > _INSIDE) & _away_from_border(side, settings.border).to(part.device)
    return inside


def blob(
    centre: tuple[float, float], generator: np.random.Generator, settings: LocalSettings, side: int
) -> Float[Tensor, "side side"]:
    """A star-shaped blob with a soft edge: 1 inside, 0 outside.

    Args:
        centre: (row, column) in pixels.
        generator: of its radius and outline.
        settings: how large it is, and how soft.
        side: of the picture.
    """
    radius = math.exp(generator.uniform(*np.log(settings.radius))) * side
    rows, columns = np.mgrid[:side, :side] + 0.5
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    waves = [
        settings.wobble * generator.normal() * np.cos(k * angle + generator.uniform(0, 2 * np.pi)) for k in (2, 3, 4)
    ]
    outline = radius * np.maximum(1 + np.sum(waves, axis=0), 0.2)
    distance = np.hypot(rows - centre[0], columns - centre[1]) / outline
    return torch.sigmoid(torch.from_numpy((_REACH - distance) / settings.edge)).float()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """Images that are optimised side by side, each as if it were alone."""

    encoder: DualEncoder
    studies: Tensor
    vectors: Tensor
    masks: Tensor
    under: Tensor
    runs: Sequence[tuple[str, int]]
    settings: LocalSettings
    seed: int

    @classmethod
    def of(
        cls,
        encoder: DualEncoder,
        studies: Tensor,
        vectors: Tensor,
        runs: Sequence[tuple[str, int]],
        settings: LocalSettings,
        seed: int,
    ) -> "_Batch":
        side = studies.shape[-1]
        likely = places(encoder, studies, vectors, settings).cpu()
        masks = []
        for weight, (text, index) in zip(likely, runs, strict=True):
            generator = np.random.default_rng(stream(seed, text, index, "blob").initial_seed())
            chances = weight.flatten().numpy()
            row, column = divmod(int(generator.choice(len(chances), p=chances / chances.sum())), side)
            masks.append(blob((row + 0.5, column + 0.5), generator, settings, side))
        width = _odd(_BLUR, side)
        tissue = functional.avg_pool2d(studies, width, 1, width // 2, count_include_pad=False)
        return cls(
            encoder=encoder, studies=studies, vectors=vectors, masks=torch.stack(masks)[:, None].to(studies),
            under=torch.logit(tissue.clamp(_SAFE, 1 - _SAFE)), runs=runs, settings=settings, seed=seed,
        )  # fmt: skip

    def descend(self, tick: Callable[[int, int], None] | None) -> tuple[Tensor, Tensor]:
        """(images, 1, side, side) in [0, 1], and (images, steps) the similarity before each step."""
        settings = self.settings
        parts = [part.requires_grad_() for part in self._first()]
        optimiser = torch.optim.Adam(parts, lr=settings.lr)
        shifts, noises = self._streams("views"), self._streams("noise")
        curve = []
        for step in range(settings.steps):
            similarity = _seen(self.encoder, self._moved(self._image(parts), shifts, noises), self.vectors, settings)
            _require_finite(similarity, f"at step {step + 1}")
            for part, gradient in zip(parts, torch.autograd.grad((1 - similarity).sum(), parts), strict=True):
                part.grad = gradient
            optimiser.step()
            curve.append(similarity.detach())
            if tick is not None:
                tick(step + 1, settings.steps)
        return self._image(parts).detach().clamp(0, 1), torch.stack(curve, dim=1)

    def _first(self) -> list[Tensor]:
        side, starts = self.studies.shape[-1], self._streams("start")
        sides = [one for one in (_LOWEST * 2**k for k in range(side.bit_length())) if one < side]
        return [
            (self.settings.init_std * normal(starts, 1, one, one)).to(self.studies.device) for one in (*sides, side)
        ]

    def _image(self, parts: list[Tensor]) -> Tensor:
        lesion = compose(parts, self.under, "sigmoid", self.studies.shape[-1])
        return (1 - self.masks) * self.studies + self.masks * lesion

    def _moved(self, images: Tensor, shifts: list[torch.Generator], noises: list[torch.Generator]) -> Tensor:
        most, side = round(self.settings.jitter * images.shape[-1]), images.shape[-1]
        draws = uniform(shifts, 2)
        by = ((2 * most + 1) * draws).floor().long() - most
        moved = rolled(images, by.to(images.device))
        return moved + self.settings.noise * normal(noises, 1, side, side).to(images.device)

    def _streams(self, purpose: str) -> list[torch.Generator]:
        return [stream(self.seed, text, index, f"local {purpose}") for text, index in self.runs]


def _seen(encoder: DualEncoder, images: Tensor, vectors: Tensor, settings: LocalSettings) -> Tensor:
    """(images,) cosine of each image, grey in [0, 1], with its text."""
    with arithmetic(images.device, settings.dtype):
        features = encoder.encode_image(normalise(images.expand(-1, 3, -1, -1), encoder.spec)).float()
    return (functional.normalize(features, dim=-1) * vectors).sum(dim=-1)


def _require_finite(similarity: Tensor, when: str) -> None:
    if not bool(torch.isfinite(similarity).all()):
        raise NumericalError(
            f"local inversion: a similarity is NaN or infinite {when}; use float32 or a smaller lr, and check the weights"
        )


def _cosines(encoder: DualEncoder, images: Tensor, vectors: Tensor, settings: LocalSettings) -> Tensor:
    parts = zip(*(torch.split(one, settings.rows_at_once) for one in (images, vectors)), strict=True)
    return torch.cat([_seen(encoder, image, vector, settings) for image, vector in parts])


def _unit_texts(encoder: DualEncoder, texts: Sequence[str]) -> Tensor:
    with torch.no_grad():
        rows = [encoder.encode_text(encoder.tokenize([text])).float() for text in texts]
    return functional.normalize(torch.cat(rows), dim=-1)


def _checked(encoder: DualEncoder, texts: Sequence[str], start: Tensor) -> Tensor:
    """(texts, images, 1, side, side) float32 in [0, 1]."""
    side = encoder.spec.input_size
    if start.ndim != 5 or start.shape[0] not in (1, len(texts)) or start.shape[-2:] != (side, side):
        raise InputError(
            f"local inversion: the normal studies have the shape {tuple(start.shape)}; expected (texts or 1, images, 1 or 3, "
            f"{side}, {side}) for {encoder.spec.name!r}"
        )
    if not bool(((start >= 0) & (start <= 1)).all()):
        raise InputError("local inversion: the normal studies have values outside 0 to 1, or NaN")
    return start.float().mean(dim=2, keepdim=True).expand(len(texts), -1, -1, -1, -1)


def _away_from_border(side: int, border: float) -> Tensor:
    at = (torch.arange(side) + 0.5) / side
    inside = (at > border) & (at < 1 - border)
    return inside[:, None] & inside[None, :]


def _odd(part: float, side: int) -> int:
    """So many pixels of a side, an odd number, so that a filter has a middle."""
    return 2 * round((part * side - 1) / 2) + 1


def _part_of(progress: Progress | None, number: int, of: int) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, steps: progress("local inversion", number * steps + done, of * steps)

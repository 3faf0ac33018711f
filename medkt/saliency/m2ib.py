"""M2IB: which parts of an image must pass for it to keep matching a text.

Wang, Rudner, Wilson, "Visual Explanations of Image-Text Representations via Multi-Modal Information Bottleneck
Attribution" (NeurIPS 2023). A gate per hidden value (see `bottleneck`) is opened or closed by a few steps of Adam on

    beta * mean capacity - mean similarity(image features, text features)     (minimised, noise drawn anew each step)

and the map is the capacity left in each place, summed over channels.

What is computed once here and ten or a hundred times in the published code: the layers before the gate (once an image),
the texts (once), gradients of the weights (never). All concepts and all noise samples of an image go through the rest
of the network together. The last step of the published loop changes nothing that is read and is not run.

Noise depends on the image and the seed alone: a map does not change with the order of images, nor with what else is
asked in the same call, and two texts about one image see the same noise, so their maps differ by the words only.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.nn import functional

from medkt.domains.domain import SaliencyDefaults
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.encoder import DualEncoder, TokenGrid
from medkt.saliency.bottleneck import NoiseScale, capacity, pass_through
from medkt.saliency.likeness import Contrast, Likeness, Similarity
from medkt.saliency.method import Maps, MapWork, layer_in, mapping, require_asked, states_after
from medkt.saliency.targets import Target

Noise = Literal["unit", "feature"]
MapFrom = Literal["last_forward", "final"]
GateReading = Literal["capacity", "openness"]

_ADAM_BETA1, _ADAM_BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8  # torch.optim.Adam's defaults, which the published code keeps
BETA = 0.1  # of the published command lines, where nothing else is said
_SEED_PARTS, _SEED_LEVELS = 8, 64.0
_SEED_BESIDE = 0.2817  # black and white, whatever they are normalised to, are to lie beside the boundary of two steps


@dataclass(frozen=True, slots=True, kw_only=True)
class M2IBSettings:
    """How a map is made. The defaults are medkt's own (evaluation/results/saliency_default.md says why); the presets `m2ib`
    and `medclip-samv2` hold the published ones.
    """

    name: Literal["m2ib"] = "m2ib"
    """Which method this is."""

    beta: float | None = None
    """Weight of the mean capacity (nats per hidden value) against the similarity. Larger means smaller maps. None is that
    of the study's domain (`configs/domains`), and 0.1 where there is no domain."""

    layer: int | None = None
    """The gate stands after this layer (0 is the first); None is that of the study's domain, where it names one, else the
    encoder's `default_layer`."""

    steps: int = 8
    """Steps of the published loop. With `map_from` "last_forward" the last one changes nothing and is not run."""

    lr: float = 1.0
    """Adam's learning rate for alpha."""

    samples: int = 3
    """Noise samples averaged in each step."""

    alpha0: float = 5.0
    """Where every gate starts: sigmoid(5) = 0.9933, nearly open."""

    noise: Noise = "unit"
    """"unit": N(0, 1) as published; "feature": with each channel's mean and deviation over the image's places."""

    compress_leading: bool = True
    """Whether leading tokens (CLS) are gated too, as published. They never show in the map."""

    target: Similarity = "margin"
    """"cosine" with the concept's direction, as published; "margin": the cosine less that of the contrast texts,
    for a concept that has some."""

    contrast: Contrast = "mean"
    """How a margin joins several contrast texts: their "mean" cosine, or "logsumexp" at the encoder's logit scale."""

    map_from: MapFrom = "last_forward"
    """"last_forward": the gates before the last update, as published; "final": after it."""

    reading: GateReading = "capacity"
    """What of the gates is the map: the "capacity" left in each place, in nats and summed over channels, as published, which
    also grows with the square of the hidden state; or their mean "openness", from 0 to 1, which does not."""

    seed: int = 0
    """Of the noise, together with the image."""

    noise_seeds: int = 1
    """Independent runs averaged into one map."""

    tolerance: float = 0.0
    """A run stops early once its loss changes by less than this from one step to the next; 0 runs every step."""

    rows_at_once: int = 40
    """The most noisy images in one forward pass: the bound on memory. One run's samples always stay together."""

    def __post_init__(self) -> None:
        checks = {
            "beta": self.beta is None or self.beta >= 0,
            "steps": self.steps >= 1,
            "lr": self.lr > 0,
            "samples": self.samples >= 1,
            "noise": self.noise in get_args(Noise),
            "target": self.target in get_args(Similarity),
            "contrast": self.contrast in get_args(Contrast),
            "map_from": self.map_from in get_args(MapFrom),
            "reading": self.reading in get_args(GateReading),
            "noise_seeds": self.noise_seeds >= 1,
            "tolerance": self.tolerance >= 0,
            "rows_at_once": self.rows_at_once >= 1,
            "layer": self.layer is None or self.layer >= 0,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"M2IB setting {name} cannot be {getattr(self, name)!r}")

    @property
    def updates(self) -> int:
        """Steps that are computed: the last of the published loop changes nothing that is read."""
        return self.steps if self.map_from == "final" else self.steps - 1

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "M2IBSettings":
        """With the domain's beta and layer, then the encoder's layer, where none is given."""
        layer = start.layer if self.layer is None else self.layer
        beta = start.beta if self.beta is None else self.beta
        return replace(self, beta=beta, layer=layer_in(encoder, layer, "M2IB"))

    def maps(
        self,
        encoder: DualEncoder,
        pixels: Float[Tensor, "images 3 side side"],
        targets: Sequence[Target],
        *,
        seeds: Sequence[int] | None = None,
    ) -> Maps:
        """See `m2ib_maps`."""
        return m2ib_maps(encoder, pixels, targets, self, seeds=seeds).maps

    def work(self) -> MapWork:
        """Noisy states, in each step."""
        at_once = max(1, self.rows_at_once // self.samples) * self.samples
        rows = self.noise_seeds * self.samples
        return MapWork(layer=self.layer or 0, rows=rows, steps=self.updates, at_once=at_once, relevance=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapResult:
    """What M2IB found.

    Attributes:
        maps: (images, concepts, grid rows, grid columns) float32, 0 or more, not normalised: nats per place, or with the
            reading "openness" the mean openness of the place's gates, at most 1.
        grid: how the places lie on the input square.
        losses: (images, concepts, steps) float32, mean over the noise seeds; NaN for a step that was not run.
        steps_run: (images, concepts), the most steps that any noise seed took.
    """

    maps: Float32[np.ndarray, "images concepts rows columns"]
    grid: TokenGrid
    losses: Float32[np.ndarray, "images concepts steps"]
    steps_run: Int[np.ndarray, "images concepts"]


def m2ib_maps(
    encoder: DualEncoder,
    pixels: Float[Tensor, "images 3 side side"],
    targets: Sequence[Target],
    settings: M2IBSettings,
    *,
    seeds: Sequence[int] | None = None,
) -> MapResult:
    """One map for each image and concept.

    The encoder comes back as it was, bit for bit, also after a failure.

    Args:
        encoder: only `image_prefix` and `image_suffix` are run.
        pixels: normalised as the encoder's `spec` says.
        targets: from `embed_targets`.
        settings: of the method.
        seeds: one number an image that its noise is drawn from, together with `settings.seed`; None takes them from
            the pixels themselves, so that one image always gives one map.

    Raises:
        InputError: the number of seeds is not the number of images, or there is no image or no concept.
        SettingsError: the layer does not exist.
        NumericalError: the features, a loss or a map is NaN or infinite.
    """
    require_asked(pixels, targets, "M2IB")
    if seeds is not None and len(seeds) != len(pixels):
        raise InputError(f"M2IB needs one seed an image, got {len(seeds)} seeds for {len(pixels)} images")
    layer = layer_in(encoder, settings.layer, "M2IB")
    similarity = Likeness.to(targets, settings.target, settings.contrast, encoder.logit_scale)
    seeds = [content_seed(image) for image in pixels] if seeds is None else list(seeds)
    with mapping(encoder):
        hidden = states_after(encoder, pixels, layer)
        problem = GateProblem(
            suffix=partial(encoder.image_suffix, layer=layer),
            leading=encoder.grid(layer).leading,
            hidden=hidden,
            scale=_noise_scale(hidden, encoder.grid(layer), settings),
            similarity=similarity,
            seeds=seeds,
            settings=settings,
        )
        runs = itertools.product(range(len(pixels)), range(len(targets)), range(settings.noise_seeds))
        outcomes = [solve(problem, chunk) for chunk in chunks(runs, settings)]
    return _gather(outcomes, problem, encoder.grid(layer), concepts=len(targets))


def content_seed(image: Tensor) -> int:
    """A number that depends on what an image shows: the first 63 bits of the SHA-256 of its coarse grey levels.

    Not of its last digits, which the rounding of a file's slope or another processor moves: the mean of each of 8 x 8 parts
    is taken in steps so wide that they hardly ever change with those, and so narrow that two planes of a study differ.
    """
    means = functional.adaptive_avg_pool2d(image.detach().cpu().double(), _SEED_PARTS)
    levels = torch.floor(means * _SEED_LEVELS + _SEED_BESIDE).to(torch.int32).numpy()
    return int.from_bytes(hashlib.sha256(levels.tobytes()).digest()[:8], "big") >> 1


def noise_steps(
    seed: int, image_seed: int, run: int, shape: tuple[int, int, int]
) -> Iterator[Float[Tensor, "samples tokens channels"]]:
    """The standard normal noise of one run, step by step and without end, drawn on the CPU whatever the device.

    Args:
        seed: of the settings.
        image_seed: of the image.
        run: 0 to noise_seeds - 1.
        shape: (samples, tokens, channels).
    """
    digest = hashlib.sha256(f"{seed}:{image_seed}:{run}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    while True:
        yield torch.randn(shape, generator=generator)


GateRun = tuple[int, int, int]  # (image, concept, noise seed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateProblem:
    """Gates to be opened and closed: of images that are to go on matching concepts, or of a text for images.

    Attributes:
        suffix: from gated states (rows, tokens, channels) to features (rows, width).
        leading: how many tokens `compress_leading` is about.
        hidden: (images, tokens, channels), what is gated.
        scale, similarity, seeds, settings: of the noise, of the match, of each image, of the method.
        called: what the two sides are called in an error.
    """

    suffix: Callable[[Tensor], Tensor]
    leading: int
    hidden: Tensor
    scale: NoiseScale
    similarity: Likeness
    seeds: list[int]
    settings: M2IBSettings
    called: tuple[str, str] = ("image", "concept")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateResult:
    """What came of one run: nats and openness (0 to 1) of each gate, (tokens, channels), and the loss of each step."""

    run: GateRun
    capacity: Tensor
    openness: Tensor
    losses: list[float]


def solve(problem: GateProblem, runs: list[GateRun]) -> list[GateResult]:
    """Adam on the gates of several runs at once. Runs share a forward pass and nothing else.

    Raises:
        NumericalError: a loss is NaN or infinite.
    """
    settings, device = problem.settings, problem.hidden.device
    images = torch.tensor([image for image, _, _ in runs], device=device)
    concepts = torch.tensor([concept for _, concept, _ in runs], device=device)
    hidden = problem.hidden[images]  # (runs, tokens, channels)
    mean, std = problem.scale.mean[images], problem.scale.std[images]
    standardised = (hidden - mean) / std
    shape = (settings.samples, hidden.shape[1], hidden.shape[2])
    streams = [noise_steps(settings.seed, problem.seeds[image], seed, shape) for image, _, seed in runs]
    alpha = torch.full_like(hidden, settings.alpha0)
    first, second = torch.zeros_like(alpha), torch.zeros_like(alpha)  # Adam's moments
    losses: list[list[float]] = [[] for _ in runs]
    stopped: dict[int, Tensor] = {}
    for step in range(1, settings.updates + 1):
        noise = torch.stack([next(stream) for stream in streams]).to(device)  # (runs, samples, tokens, channels)
        loss, gradient = _loss_and_gradient(problem, concepts, hidden, standardised, alpha, mean, std, noise)
        _keep_losses(losses, loss, runs, problem.called)
        _keep_converged(stopped, losses, alpha, settings)
        if len(stopped) == len(runs):
            break
        first.mul_(_ADAM_BETA1).add_(gradient, alpha=1 - _ADAM_BETA1)
        second.mul_(_ADAM_BETA2).addcmul_(gradient, gradient, value=1 - _ADAM_BETA2)
        denominator = (second / (1 - _ADAM_BETA2**step)).sqrt_().add_(_ADAM_EPS)
        alpha = alpha - settings.lr / (1 - _ADAM_BETA1**step) * first / denominator
    gates = torch.stack([stopped.get(index, alpha[index]) for index in range(len(runs))])
    kept, opened = capacity(standardised, gates), torch.sigmoid(gates)
    return [
        GateResult(run=run, capacity=kept[index], openness=opened[index], losses=losses[index])
        for index, run in enumerate(runs)
    ]


def _loss_and_gradient(
    problem: GateProblem,
    concepts: Tensor,
    hidden: Tensor,
    standardised: Tensor,
    alpha: Tensor,
    mean: Tensor,
    std: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """(runs,) losses and the gradient for alpha, (runs, tokens, channels)."""
    settings, first = problem.settings, problem.leading
    gate = alpha.detach().requires_grad_(True)
    mixed = pass_through(hidden[:, None], gate[:, None], mean[:, None] + std[:, None] * noise)
    cost = capacity(standardised, gate)
    if not settings.compress_leading and first:
        leading = hidden[:, None, :first].expand(-1, settings.samples, -1, -1)
        mixed = torch.cat([leading, mixed[:, :, first:]], dim=2)
        cost = cost[:, first:]
    features = problem.suffix(mixed.flatten(0, 1)).float()
    similarity = problem.similarity.of(features.reshape(len(alpha), settings.samples, -1), concepts).mean(dim=1)
    beta = BETA if settings.beta is None else settings.beta
    loss = beta * cost.mean(dim=(1, 2)) - similarity
    (gradient,) = torch.autograd.grad(loss.sum(), gate)  # runs do not meet, so the sum's gradient is each one's own
    return loss.detach(), gradient


def _keep_losses(losses: list[list[float]], loss: Tensor, runs: list[GateRun], called: tuple[str, str]) -> None:
    for history, value, (image, concept, _) in zip(losses, loss.tolist(), runs, strict=True):
        if not np.isfinite(value):
            raise NumericalError(
                f"M2IB's loss is {value} at step {len(history) + 1} for {called[0]} {image} and {called[1]} {concept}: "
                "the encoder's features overflow; run it in float32, or with a smaller lr"
            )
        history.append(value)


def _keep_converged(stopped: dict[int, Tensor], losses: list[list[float]], alpha: Tensor, s: M2IBSettings) -> None:
    for index, history in enumerate(losses):
        if index not in stopped and len(history) > 1 and abs(history[-1] - history[-2]) < s.tolerance:
            stopped[index] = alpha[index].clone()


def _noise_scale(hidden: Tensor, grid: TokenGrid, settings: M2IBSettings) -> NoiseScale:
    return NoiseScale.unit(hidden) if settings.noise == "unit" else NoiseScale.of_features(hidden, grid.leading)


def chunks(runs: Iterator[GateRun], settings: M2IBSettings) -> Iterator[list[GateRun]]:
    """The runs in groups that go through the network together, within `rows_at_once`."""
    at_once = max(1, settings.rows_at_once // settings.samples)
    while chunk := list(itertools.islice(runs, at_once)):
        yield chunk


def _gather(outcomes: list[list[GateResult]], problem: GateProblem, grid: TokenGrid, *, concepts: int) -> MapResult:
    settings, images = problem.settings, len(problem.hidden)
    maps = np.zeros((images, concepts, grid.rows, grid.columns), dtype=np.float32)
    losses = np.full((images, concepts, settings.noise_seeds, settings.steps), np.nan, dtype=np.float32)
    steps = np.zeros((images, concepts), dtype=np.int64)
    for outcome in itertools.chain.from_iterable(outcomes):
        image, concept, seed = outcome.run
        places = _read(outcome, settings.reading)[grid.leading :].reshape(grid.rows, grid.columns)
        maps[image, concept] += places.cpu().numpy() / settings.noise_seeds
        losses[image, concept, seed, : len(outcome.losses)] = outcome.losses
        steps[image, concept] = max(steps[image, concept], len(outcome.losses))
    if not np.isfinite(maps).all():
        raise NumericalError("M2IB gave a map with NaN or infinity; run it in float32, or with a smaller lr")
    return MapResult(maps=maps, grid=grid, losses=losses.mean(axis=2), steps_run=steps)


def _read(outcome: GateResult, reading: GateReading) -> Float[Tensor, " tokens"]:
    return outcome.capacity.sum(dim=1) if reading == "capacity" else outcome.openness.mean(dim=1)

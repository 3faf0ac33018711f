"""Only the top layers inverted: a hidden state is changed until what follows finds that it fits a text.

The supplement of Knowledge Transfer (B.2.1) proposes this, with a regulariser "similar to style transfer" that keeps the
state like those of real images; it gives no numbers. With the layers above `layer` as Psi and the state Z after it

    minimise  distance(Psi(Z), f_T(X_T)) + gram * mean (G(Z) - G_ref)^2 + l1 * |Z|_1        over Z,

where G_ref is the mean Gram matrix of reference images at that layer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.inversion.descent import descend
from medkt.inversion.fit import Fit
from medkt.inversion.invert import ImageRun, batches, fit_of, group_numbers, mean_curves, require_texts
from medkt.inversion.noise import stream
from medkt.inversion.parameters import first_noise
from medkt.inversion.regularizers import absolute_sum, gram, gram_distance
from medkt.inversion.schedule import InversionStage, stages
from medkt.inversion.settings import InversionSettings
from medkt.inversion.views import resized
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.models.module import device_of, frozen
from medkt.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenStates:
    """Hidden states made from texts; `encoder.image_suffix(hidden[text], layer)` gives their features.

    Attributes:
        layer: after which they stand.
        similarity: cosine of each with its text.
        curves: of each text, the mean cosine before each step; NaN for a step that was not taken.
    """

    texts: tuple[str, ...]
    hidden: Float[Tensor, "texts images tokens channels"]
    layer: int
    similarity: Float[Tensor, "texts images"]
    curves: Float[Tensor, "texts steps"]
    seconds: float
    settings: InversionSettings
    seed: int


def invert_hidden(
    encoder: DualEncoder,
    texts: Sequence[str],
    settings: InversionSettings,
    *,
    references: Float[Tensor, "references 3 side side"] | None = None,
    images: int = 10,
    seed: int = 0,
    start: Float[Tensor, "starts 3 side side"] | None = None,
    progress: Progress | None = None,
) -> HiddenStates:
    """Hidden states that the top layers find to fit each text. The encoder comes back as it was.

    Args:
        encoder: only `image_prefix` (of the start and the references), `image_suffix` and the text tower are run.
        texts: one or more.
        settings: with the parametrisation "hidden".
        references: in [0, 1], whose Gram matrices the states are held to; needed where `gram` is not 0.
        images: states of each text.
        seed: of the noise.
        start: in [0, 1], one or `images` pictures whose states are the start; None starts from those of noise.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: bad texts, references or start.
        SettingsError: another parametrisation, or a layer that does not exist.
        NumericalError: a state is NaN or infinite.
    """
    if settings.parametrisation != "hidden":
        raise SettingsError(
            f'inversion: invert_hidden needs parametrisation "hidden", got "{settings.parametrisation}"'
        )
    began = time.perf_counter()
    require_texts(texts, images, 0)
    layer = _layer(encoder, settings)
    _check_pictures(start, "start", (1, images))
    _check_pictures(references, "reference", None)
    if settings.gram and references is None:
        raise InputError("inversion: gram needs reference images; give some, or set gram to 0")
    device = device_of(encoder)
    settings = settings.on(device)
    with torch.inference_mode(False), torch.enable_grad(), frozen(encoder.module):
        fit = fit_of(encoder, texts, settings, layer)
        style = (
            None if references is None else gram(_states(encoder, references.to(device), layer, settings)).mean(dim=0)
        )
        runs = [(text, image) for text in range(len(texts)) for image in range(images)]
        made, curves, similarity = [], [], []
        for batch, tick in batches(runs, settings, progress):
            pictures = _first_pictures(encoder.spec.input_size, texts, batch, settings, seed, start).to(device)
            task = _Hidden(fit, settings, batch, _states(encoder, pictures, layer, settings), style)
            outcome = descend(task, settings, stages(settings, encoder.spec.input_size), tick)
            made.append(outcome.parameters[0])
            curves.append(outcome.similarity)
            with torch.no_grad():
                similarity.append(fit(made[-1], task.texts)[1])
    hidden, shape = torch.cat(made), (len(texts), images)
    if not torch.isfinite(hidden).all():
        raise NumericalError("inversion gave a hidden state with NaN or infinity; take a smaller lr")
    return HiddenStates(
        texts=tuple(texts),
        hidden=hidden.reshape(*shape, *hidden.shape[1:]),
        layer=layer,
        similarity=torch.cat(similarity).reshape(shape).cpu(),
        curves=mean_curves(torch.cat(curves), len(texts)),
        seconds=time.perf_counter() - began,
        settings=settings,
        seed=seed,
    )


class _Hidden:
    """A batch of hidden states as the `Objective` of a descent."""

    def __init__(
        self, fit: Fit, settings: InversionSettings, runs: list[ImageRun], first: Tensor, style: Tensor | None
    ) -> None:
        self._fit, self._settings, self._first, self._style = fit, settings, first, style
        self.texts = torch.tensor([text for text, _ in runs], device=first.device)
        self.groups, share = group_numbers(runs, settings)
        self._share = share.to(first.device)

    def start(self, stage: InversionStage) -> list[Tensor]:
        return [self._first]

    def enlarge(self, parameters: list[Tensor], stage: InversionStage) -> list[Tensor]:
        return parameters

    def evaluate(self, parameters: list[Tensor], runs: list[int], stage: InversionStage) -> tuple[Tensor, Tensor]:
        hidden, s = parameters[0], self._settings
        loss, similarity = self._fit(hidden, self.texts[runs])
        if s.gram and self._style is not None:
            loss = loss + s.gram * gram_distance(hidden, self._style)
        loss = loss * self._share[runs]
        return loss + s.l1 * absolute_sum(hidden), similarity


def _layer(encoder: DualEncoder, settings: InversionSettings) -> int:
    layer = encoder.spec.default_layer if settings.layer is None else settings.layer
    if layer >= encoder.spec.layers:
        raise SettingsError(
            f"inversion: layer {layer} does not exist: {encoder.spec.name!r} has layers 0 to {encoder.spec.layers - 1}"
        )
    return layer


def _states(encoder: DualEncoder, pictures: Tensor, layer: int, settings: InversionSettings) -> Tensor:
    rows = normalise(resized(pictures.float(), encoder.spec.input_size), encoder.spec)
    with torch.no_grad():
        return torch.cat([encoder.image_prefix(part, layer) for part in rows.split(settings.rows_at_once)]).float()  # type: ignore[no-untyped-call]


def _first_pictures(
    side: int, texts: Sequence[str], runs: list[ImageRun], settings: InversionSettings, seed: int, start: Tensor | None
) -> Float[Tensor, "runs 3 side side"]:
    noise = first_noise([stream(seed, texts[text], index, "start") for text, index in runs], settings, side)
    if start is not None:
        base = torch.stack([resized(start.float(), side)[index % len(start)] for _, index in runs]).cpu()
        return base + (noise if settings.init == "normal" else 0)
    return (noise if settings.init == "uniform" else 0.5 + noise).clamp(0, 1).expand(-1, 3, -1, -1)


def _check_pictures(pictures: Tensor | None, what: str, counts: tuple[int, ...] | None) -> None:
    if pictures is None:
        return
    shape = tuple(pictures.shape)
    good = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] and shape[0] > 0
    if not good or (counts is not None and shape[0] not in counts):
        many = "some" if counts is None else " or ".join(map(str, counts))
        raise InputError(f"inversion: the {what} images have the shape {shape}, expected ({many}, 3, side, side)")
    if not bool(((pictures >= 0) & (pictures <= 1)).all()):
        raise InputError(f"inversion: the {what} images must lie in [0, 1], before the encoder's normalisation")

"""M2IB's other half: which words of a text must pass for it to keep matching an image.

The same gates as for an image, behind a layer of the text tower, on every position of the text as it stands alone, cut
after its end token. The image's feature stays as it is. What a study is told apart from stays as it is too, so that a
margin and the cosine have the same gradient: there is one map, that of the cosine, as published.

Beside each map stands that of the same text for a picture of noise, made with the same noise in the gates: what the two
have in common the words have by themselves, whatever is seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import NumericalError, SettingsError
from medkt.models.encoder import DualEncoder, EncoderSpec
from medkt.models.framing import normalise
from medkt.models.module import frozen
from medkt.models.text_layers import TextLayers, TextPieces, TextState, alone
from medkt.saliency.bottleneck import NoiseScale
from medkt.saliency.likeness import Likeness
from medkt.saliency.m2ib import GateProblem, GateResult, M2IBSettings, chunks, content_seed, solve
from medkt.saliency.relevance import stretched
from medkt.saliency.specificity import correlation
from medkt.saliency.targets import embed_texts

TextMapUse = Literal["best", "none"]
WordMask = Literal["threshold", "median"]

FEWEST_TOKENS = 3  # of two numbers the correlation is 1 or -1 whatever they are
_CONTROL_SEED = 20231001


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMapSettings:
    """Whether and how it is found which words a score rests on. Steps, samples, learning rate, start of the gates, seed
    and what the map is taken from are those of `m2ib`; the noise is N(0, 1), as published.
    """

    use: TextMapUse = "none"
    """"best": for the plane of each finding that scores highest; "none": not made. `medkt explain` asks for "best"."""

    layer: int | None = None
    """The gate stands after this layer of the text tower (0 is the first); None is the encoder's own: 9 for BiomedCLIP and
    CLIP, as published, 0 for MedCLIP and the small model."""

    beta: float = 0.1
    """Weight of the mean capacity (nats per hidden value) against the cosine. Larger means fewer words."""

    noise_seeds: int = 8
    """Independent runs averaged into one map. A text has few tokens: one run alone says more of its noise than of the
    image."""

    mask: WordMask = "threshold"
    """Which words count as the text's foreground: "threshold": by the rule of `threshold.method`, as places of the image
    do; "median": those with a token above the median of all tokens, as M2IB's authors bin them."""

    def __post_init__(self) -> None:
        if self.use not in get_args(TextMapUse) or self.mask not in get_args(WordMask):
            raise SettingsError(f"text_map: unknown use {self.use!r} or mask {self.mask!r}")
        if self.beta < 0 or (self.layer is not None and self.layer < 0):
            raise SettingsError(f"text_map: beta and layer are 0 or more, got {self.beta} and {self.layer}")
        if self.noise_seeds < 1:
            raise SettingsError(f"text_map: noise_seeds is at least 1, got {self.noise_seeds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Pieces that stand together, and what they let through.

    Attributes:
        text: as it stands in the text.
        first, end: its tokens, `end` one beyond the last.
        nats: the sum over its tokens.
        unit: its weight: nats a token, stretched to [0, 1] over the words of the text. By the sum alone a word would weigh
            more for being cut into more pieces, and one that the model does not know, cut into letters, most of all.
    """

    text: str
    first: int
    end: int
    nats: float
    unit: float

    @property
    def pieces(self) -> int:
        """How many tokens it is read as."""
        return self.end - self.first

    @property
    def nats_per_piece(self) -> float:
        return self.nats / self.pieces


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextMap:
    """One text before one image.

    Attributes:
        text: as it was asked.
        pieces: the tokens, special ones included.
        nats: (tokens,) float32, 0 or more.
        control: (tokens,) float32, the same for a picture of noise.
        halves: (2, tokens) float32, the map by every other noise seed, from the first and from the second; None for one seed.
        cosine, control_cosine: of the text, not gated, with the image and with that picture.
        layer: of the text tower that the gate stands after.
        losses: (steps,) float32, mean over the noise seeds; NaN for a step that was not run.
        cut_off: whether the text is longer than the model reads; what is cut off has no token.
    """

    text: str
    pieces: TextPieces
    nats: Float32[np.ndarray, " tokens"]
    control: Float32[np.ndarray, " tokens"]
    halves: Float32[np.ndarray, "2 tokens"] | None
    cosine: float
    control_cosine: float
    layer: int
    losses: Float32[np.ndarray, " steps"]
    cut_off: bool

    @property
    def units(self) -> Float32[np.ndarray, " tokens"]:
        """The tokens' nats stretched to [0, 1], special tokens included, as published."""
        units: np.ndarray = stretched(self.nats[None])[0]
        return units

    @property
    def words(self) -> tuple[Word, ...]:
        """Special tokens are no words."""
        places = list(words_in(self.pieces))
        if not places:
            return ()
        nats = np.array([self.nats[first:end].sum() for first, end in places], dtype=np.float32)
        units = stretched(nats[None] / np.array([end - first for first, end in places], dtype=np.float32))[0]
        return tuple(
            Word(text=self.pieces.text_of(first, end), first=first, end=end, nats=float(n), unit=float(u))
            for (first, end), n, u in zip(places, nats, units, strict=True)
        )

    @property
    def image_index(self) -> float | None:
        """1 - Pearson's correlation with the map for noise, over the tokens that are not special: 0 the same map, whatever
        is seen. None below three of them.
        """
        alike = self._alike(self.nats, self.control)
        return None if alike is None else 1 - alike

    @property
    def steadiness(self) -> float | None:
        """Pearson's correlation of the maps by the two halves of the noise seeds, over the same tokens: near 1 the noise
        has no part in the map. None for one seed, and below three tokens.
        """
        return None if self.halves is None else self._alike(*self.halves)

    def _alike(self, first: Float32[np.ndarray, " tokens"], second: Float32[np.ndarray, " tokens"]) -> float | None:
        own = [place for place, span in enumerate(self.pieces.spans) if span is not None]
        return correlation(first[own][None], second[own][None]) if len(own) >= FEWEST_TOKENS else None


def text_maps(
    encoder: DualEncoder,
    image: Float[Tensor, "3 side side"],
    texts: Sequence[str],
    m2ib: M2IBSettings,
    settings: TextMapSettings,
    *,
    seed: int | None = None,
) -> tuple[TextMap, ...]:
    """One map for each text, in order, each text by itself.

    The encoder comes back as it was, bit for bit, also after a failure.

    Args:
        encoder: one that is a `TextLayers` too.
        image: normalised as the encoder's `spec` says.
        texts: what is asked of it.
        m2ib: of the method; its beta, layer, noise, target, noise seeds and `compress_leading` are of images and not used.
        settings: of the text's gates.
        seed: what the noise is drawn from, together with `m2ib.seed`; None takes it from the image, as its own map does.

    Raises:
        SettingsError: the encoder's text tower cannot be cut, or has no such layer.
        NumericalError: a state, a loss or a map is NaN or infinite.
    """
    if not isinstance(encoder, TextLayers):
        raise SettingsError(f"no text map: the text tower of {encoder.spec.name!r} cannot be cut at a layer")
    method = replace(
        m2ib, beta=settings.beta, noise="unit", compress_leading=True, target="cosine", noise_seeds=settings.noise_seeds
    )
    seed = content_seed(image) if seed is None else seed
    with torch.inference_mode(False), torch.enable_grad(), frozen(encoder.module):
        images = _images(encoder, image)
        return tuple(_text_map(encoder, images, text, method, settings, seed) for text in texts)


def words_in(pieces: TextPieces) -> Iterator[tuple[int, int]]:
    """First token and one beyond the last of each word, in order.

    Tokens without a blank between them are one word ("ground-glass"); a mark at its edge is one of its own, and so is a
    character of a script that has no blanks between words. A token of blanks goes with what follows it.
    """
    chunk: list[_Part] = []
    for part in _parts(pieces):
        if chunk and _parted(pieces.text, chunk[-1], part):
            yield from _peeled(chunk)
            chunk = []
        chunk.append(part)
    yield from _peeled(chunk)


def control_picture(spec: EncoderSpec) -> Float[Tensor, "3 side side"]:
    """Grey noise, evenly between black and white and always the same, normalised for the encoder."""
    generator = torch.Generator().manual_seed(_CONTROL_SEED)
    grey = torch.rand((1, spec.input_size, spec.input_size), generator=generator)
    return normalise(grey, spec)


def _text_map(
    encoder: DualEncoder, images: Tensor, text: str, method: M2IBSettings, settings: TextMapSettings, seed: int
) -> TextMap:
    assert isinstance(encoder, TextLayers)
    layer = encoder.default_text_layer if settings.layer is None else settings.layer
    tokens = encoder.tokenize([text])
    state = _state(encoder, alone(tokens.ids, tokens.mask), layer)
    problem = GateProblem(
        suffix=partial(encoder.text_suffix, state=state, layer=layer),
        leading=0, hidden=state.hidden, scale=NoiseScale.unit(state.hidden), similarity=Likeness.cosine(images),
        seeds=[seed], settings=method, called=("text", "image"),
    )  # fmt: skip
    runs = [(0, which, run) for which in range(len(images)) for run in range(method.noise_seeds)]
    outcomes = [one for chunk in chunks(iter(runs), method) for one in solve(problem, chunk)]
    own, control = (_by_seed(outcomes, which, text) for which in (0, 1))
    halves = np.stack([own[start::2].mean(axis=0) for start in (0, 1)]) if len(own) > 1 else None
    losses = [one.losses for one in outcomes if one.run[1] == 0]
    fits = images @ embed_texts(encoder, [text])[0]
    return TextMap(
        text=text, pieces=encoder.pieces(text), nats=own.mean(axis=0), control=control.mean(axis=0), halves=halves,
        cosine=float(fits[0]), control_cosine=float(fits[1]), layer=layer, losses=_mean_losses(losses, method.steps),
        cut_off=tokens.truncated[0],
    )  # fmt: skip


def _images(encoder: DualEncoder, image: Tensor) -> Float[Tensor, "2 width"]:
    """Unit features of the image and of the picture of noise, each encoded by itself."""
    control = control_picture(encoder.spec).to(image)
    with torch.no_grad():
        features = torch.cat([encoder.encode_image(one[None]) for one in (image, control)]).float()
    if not torch.isfinite(features).all():
        raise NumericalError(f"the encoder {encoder.spec.name!r} gives NaN or infinity for the image")
    return functional.normalize(features, dim=-1)


def _state(encoder: TextLayers, ids: Tensor, layer: int) -> TextState:
    with torch.no_grad():
        state = encoder.text_prefix(ids, layer)
    if not torch.isfinite(state.hidden).all():
        raise NumericalError(f"the text tower gives NaN or infinity after layer {layer}")
    return TextState(hidden=state.hidden.float(), beside=state.beside)


def _by_seed(outcomes: Sequence[GateResult], which: int, text: str) -> Float32[np.ndarray, "seeds tokens"]:
    """What each token lets through, for each noise seed."""
    kept = torch.stack([one.capacity.sum(dim=1) for one in outcomes if one.run[1] == which])
    nats: np.ndarray = kept.cpu().numpy().astype(np.float32)
    if not np.isfinite(nats).all():
        raise NumericalError(f"M2IB gave a map with NaN or infinity for the text {text!r}; run it with a smaller lr")
    return nats


def _mean_losses(runs: Sequence[Sequence[float]], steps: int) -> Float32[np.ndarray, " steps"]:
    losses = np.full((len(runs), steps), np.nan, dtype=np.float32)
    for row, one in zip(losses, runs, strict=True):
        row[: len(one)] = one
    mean: np.ndarray = losses.mean(axis=0)
    return mean


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A token, with those of blanks before it: its tokens, its characters, and these as text."""

    first: int
    end: int
    start: int
    stop: int
    text: str


def _parts(pieces: TextPieces) -> Iterator[_Part]:
    pending: int | None = None
    for place, span in enumerate(pieces.spans):
        if span is None:
            continue
        first, (start, stop) = place if pending is None else pending, span
        pending = first if start == stop else None
        if start < stop:
            yield _Part(first=first, end=place + 1, start=start, stop=stop, text=pieces.text[start:stop])


def _parted(text: str, before: _Part, after: _Part) -> bool:
    """Whether a blank stands between two neighbours, or one of them is a word by itself."""
    if any(letter.isspace() for letter in text[before.stop : after.start]):
        return True
    return after.start >= before.stop and any(_without_blanks(letter) for letter in before.text + after.text)


def _without_blanks(letter: str) -> bool:
    """Han and kana: their words stand side by side."""
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff"


def _peeled(chunk: Sequence[_Part]) -> Iterator[tuple[int, int]]:
    """The word of a chunk, and each mark before and after it."""
    letters = [place for place, part in enumerate(chunk) if any(letter.isalnum() for letter in part.text)]
    first, last = (letters[0], letters[-1]) if letters else (len(chunk), -1)
    for place, part in enumerate(chunk):
        if place == first:
            yield part.first, chunk[last].end
        elif place < first or place > last:
            yield part.first, part.end

"""An encoder is examined: rows of sentence pairs, two lesions in a picture, how far the words matter, which are unknown.

The pictures and pairs are those of `swaps` and `two_lesions`, the maps those that `segment` makes with its defaults.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch
from jaxtyping import Float, Float64

from medkt.about import __version__
from medkt.concepts import concept_from_text
from medkt.concepts.catalogue import concepts
from medkt.concepts.encoder_lint import pieces_of
from medkt.concepts.meaning import FEWEST_LETTERS
from medkt.concepts.wordlike import words_in
from medkt.domains import domain as domain_of
from medkt.errors import InputError, SettingsError
from medkt.examine import swaps, two_lesions
from medkt.examine.examination import Dependence, Examination, Lesions, QuestionResult, Share, VocabularyShare
from medkt.examine.score import Features, features_of, won
from medkt.examine.swaps import ROWS, SentencePair, domains_of, draw_pairs
from medkt.examine.two_lesions import Landing, TwoLesionCase, draw_cases, landing
from medkt.models.encoder import DualEncoder
from medkt.phantom.finding import DOMAINS, DomainName
from medkt.progress import Progress
from medkt.saliency.explain import explain_planes, nonsense_target, prepare_plane
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.specificity import HARDLY, correlation
from medkt.saliency.targets import NONSENSE_TEXT, ConceptTexts, Target, embed_targets, embed_texts, texts_kept
from medkt.shapes import Plane
from medkt.statistics import wilson

Matches = Mapping[str, tuple[float, int]]

FEWEST_PAIRS = 60
"""Fewer pairs of a row give an interval that says little: a share of 0.75 of 60 is known to within 0.11."""
LESIONS_SIDE = 256
"""Of the pictures with two lesions, in pixels."""
_AGAINST_NONSENSE = (
    5  # every fifth picture's maps are held against nonsense and the normal caption, which costs thrice as much
)
_SHUFFLED = 60  # sentences
_STEP = 20  # pairs between two reports of progress
_AS_MANY_PAIRS = 20  # take about the time of the maps of one picture
_LETTERS = 4  # shorter words are few pieces whatever they are


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineSettings:
    """How much is asked."""

    pairs: int = FEWEST_PAIRS
    """Of each row."""

    pictures: int = 60
    """With two lesions; each is asked two questions."""

    seed: int = 0
    """Added to the seeds of the recipe's tables: 0 draws their pictures."""

    def __post_init__(self) -> None:
        if self.pairs < len(DOMAINS) or self.pictures < len(DOMAINS) or self.seed < 0:
            raise SettingsError(
                f"examine: pairs and pictures are {len(DOMAINS)} or more, seed 0 or more; got {self.pairs}, "
                f"{self.pictures} and {self.seed}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A pair and by how much its right sentence was nearer; below 0 the wrong one was."""

    pair: SentencePair
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LesionExample:
    """A picture with two lesions, the map of each sentence over it, in [0, 1], and where they lie."""

    case: TwoLesionCase
    maps: tuple[Plane, Plane]
    landings: tuple[Landing, Landing]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IllustratedExamination:
    """An examination and its pictures.

    Attributes:
        examination: the figures.
        examples: by row, the pair that was told best and that which was told worst.
        lesions: the first picture of each domain.
    """

    examination: Examination
    examples: Mapping[str, tuple[Example, ...]]
    lesions: tuple[LesionExample, ...]


def examine(
    encoder: DualEncoder, settings: ExamineSettings | None = None, *, progress: Progress | None = None
) -> IllustratedExamination:
    """Find out what an encoder understands; of one that was made for some modalities only these are drawn.

    Args:
        encoder: any dual encoder with weights from a file.
        settings: how much is asked.
        progress: called with the row or stage, done, all; of the whole work, in pairs or what takes as long.

    Raises:
        InputError: the weights have no digest to bind the examination to, or the encoder is of no modality that is drawn.
        NumericalError: the encoder gives NaN or infinity.
    """
    settings = settings or ExamineSettings()
    domains = _domains_of(encoder)
    if not encoder.spec.digest:
        raise InputError(
            f"{encoder.spec.name} has generated weights without a digest: an examination would be of nothing; load it from a file"
        )
    side = max(swaps.SIDE, encoder.spec.input_size)
    each = -(-settings.pictures // len(domains))
    course = _Course(progress, _rows_of(domains) * settings.pairs + each * len(domains) * _AS_MANY_PAIRS)
    with texts_kept():
        asked = _Asked()
        for row in ROWS:
            pairs = list(
                draw_pairs(row, each=settings.pairs, seed=swaps.SEED + settings.seed, side=side, domains=domains)
            )
            if pairs:
                asked.add(row, pairs, encoder, course)
        looked = _lesions(encoder, each, settings.seed, domains, course)
        examination = Examination(
            encoder=encoder.spec.name, digest=encoder.spec.digest, domains=domains, seed=settings.seed,
            pairs=settings.pairs, side=side, rows=asked.rows, lesions=looked.found(),
            dependence=_dependence(encoder, asked, looked, settings.seed), vocabulary=_vocabulary(encoder, asked, domains),
            made=f"{datetime.now(UTC):%Y-%m-%d}", medkt=__version__,
        )  # fmt: skip
    return IllustratedExamination(examination=examination, examples=asked.examples, lesions=tuple(looked.examples))


def _domains_of(encoder: DualEncoder) -> tuple[DomainName, ...]:
    own = encoder.spec.domains
    found = tuple(name for name in DOMAINS if not own or name in own)
    if not found:
        raise InputError(
            f"{encoder.spec.name} is of {', '.join(own)}; pictures are drawn of {', '.join(DOMAINS)} alone"
        )
    return found


def _rows_of(domains: Sequence[DomainName]) -> int:
    return sum(any(name in domains for name in domains_of(row)) for row in ROWS)


class _Course:
    """How far the work is, over rows and pictures."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def went(self, stage: str, units: int) -> None:
        """Report so many pairs, or a picture's worth of them."""
        self._done += units
        if self._progress is not None:
            self._progress(stage, self._done, self._total)


class _Asked:
    """The rows, one after another, and what is kept of them."""

    def __init__(self) -> None:
        self.rows: dict[str, QuestionResult] = {}
        self.examples: dict[str, tuple[Example, ...]] = {}
        self.pairs: list[SentencePair] = []
        self.features: list[Features] = []

    def add(self, row: str, pairs: list[SentencePair], encoder: DualEncoder, course: "_Course") -> None:
        """Ask one row."""
        parts = []
        for at in range(0, len(pairs), _STEP):
            parts.append(features_of(encoder, pairs[at : at + _STEP]))
            course.went(row, len(pairs[at : at + _STEP]))
        found = _joined(parts)
        self.pairs += pairs
        self.features.append(found)
        wins = won(found.margins)
        likeness = float((found.right * found.wrong).sum(dim=-1).mean())
        self.rows[row] = QuestionResult(
            right=_share(float(wins.sum()), len(wins)), domains=_by_domain(pairs, wins), likeness=_rounded(likeness)
        )
        self.examples[row] = _examples(pairs, found.margins)


def _joined(parts: Sequence[Features]) -> Features:
    return Features(
        images=torch.cat([one.images for one in parts]), right=torch.cat([one.right for one in parts]),
        wrong=torch.cat([one.wrong for one in parts]),
    )  # fmt: skip


def _share(held: float, number: int) -> Share:
    found = wilson(held, number)
    return Share(share=_rounded(found.estimate), low=_rounded(found.low), high=_rounded(found.high), number=number)


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _by_domain(asked: Sequence[SentencePair] | Sequence[TwoLesionCase], wins: Float64[np.ndarray, " asked"]) -> Matches:
    names = np.array([one.domain for one in asked])
    return {
        name: (_rounded(wins[names == name].mean()), int((names == name).sum())) for name in DOMAINS if name in names
    }


def _examples(pairs: Sequence[SentencePair], margins: Float64[np.ndarray, " pairs"]) -> tuple[Example, ...]:
    """The pair that was told best, then the one that was told worst, each only where it is on that side."""
    best, worst = int(margins.argmax()), int(margins.argmin())
    chosen = [best] * bool(margins[best] > 0) + [worst] * bool(margins[worst] <= 0)
    return tuple(Example(pair=pairs[index], margin=float(margins[index])) for index in chosen)


class _Looked:
    """Pictures with two lesions, and where the maps of their sentences lie."""

    def __init__(self) -> None:
        self.cases: list[TwoLesionCase] = []
        self.landings: list[tuple[Landing, Landing]] = []
        self.between: list[float] = []
        self.specificity: list[float] = []
        self.examples: list[LesionExample] = []

    def add(self, case: TwoLesionCase, maps: tuple[Plane, Plane], specific: Sequence[float]) -> None:
        """Judge the maps of one picture."""
        own, other = case.masks
        landings = landing(maps[0], own=own, other=other), landing(maps[1], own=other, other=own)
        if case.domain not in {one.domain for one in self.cases}:
            self.examples.append(LesionExample(case=case, maps=maps, landings=landings))
        self.cases.append(case)
        self.landings.append(landings)
        self.between.append(correlation(*maps))
        self.specificity += specific

    def found(self) -> Lesions:
        """Shares over pictures: the two questions of a picture are no two draws."""
        mean = np.array([np.mean([one.by_mean for one in both]) for both in self.landings])
        most = np.array([np.mean([one.by_maximum for one in both]) for both in self.landings])
        return Lesions(
            pictures=len(self.cases), by_mean=_share(float(mean.sum()), len(mean)),
            by_maximum=_share(float(most.sum()), len(most)), by_mean_of_domains=_by_domain(self.cases, mean),
        )  # fmt: skip


def _lesions(encoder: DualEncoder, each: int, seed: int, domains: Sequence[DomainName], course: "_Course") -> _Looked:
    """Both maps of each picture."""
    looked, nonsense = _Looked(), nonsense_target(encoder)
    side = max(LESIONS_SIDE, encoder.spec.input_size)
    cases = draw_cases("free", each=each, side=side, seed=two_lesions.SEED + seed, domains=domains)
    for number, case in enumerate(cases):
        looked.add(case, *_maps(encoder, case, nonsense if number % _AGAINST_NONSENSE == 0 else None))
        course.went("two lesions", _AS_MANY_PAIRS)
    return looked


def _maps(
    encoder: DualEncoder, case: TwoLesionCase, nonsense: Target | None
) -> tuple[tuple[Plane, Plane], tuple[float, ...]]:
    """The maps of the two sentences of a picture, and how far each depends on its words where that is asked."""
    kind = domain_of(case.domain)
    layer = encoder.spec.default_layer if kind.saliency.layer is None else kind.saliency.layer
    targets = embed_targets(
        encoder, [_texts(case.domain, text, str(place)) for place, text in enumerate(case.sentences)]
    )
    ((first, second),) = explain_planes(
        encoder, [prepare_plane(encoder, case.plane.astype(np.float32))], targets,
        M2IBSettings(beta=kind.saliency.beta, layer=layer), check_words=nonsense is not None, nonsense=nonsense,
    )  # fmt: skip
    specific = tuple(one.specificity.index for one in (first, second) if one.specificity is not None)
    return (first.on_plane(), second.on_plane()), specific


def _texts(name: DomainName, sentence: str, id_: str) -> ConceptTexts:
    """A sentence and what it is told apart from, as a study is asked."""
    kind = domain_of(name)
    concept = concept_from_text(sentence, modality=name)
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    return ConceptTexts(id=id_, prompts=kind.prompts(concept), normal=normal, confusable=others)


def _dependence(encoder: DualEncoder, asked: _Asked, looked: _Looked, seed: int) -> Dependence:
    features = _joined(asked.features)
    names = np.array([pair.domain for pair in asked.pairs])
    parts, likeness = [], []
    for name in dict.fromkeys(names):
        here = torch.from_numpy(names == name)
        images, texts = features.images.cpu()[here], features.right.cpu()[here]
        parts.append(_variance_shares((images @ texts.T).double().numpy()))
        likeness.append(float((texts @ texts.T)[~torch.eye(len(texts), dtype=torch.bool)].mean()))
    picture, words, both = np.mean(parts, axis=0)
    (nonsense,) = embed_texts(encoder, [NONSENSE_TEXT]).cpu()
    specific = np.array(looked.specificity)
    return Dependence(
        picture=_rounded(picture), words=_rounded(words), both=_rounded(both),
        shuffled=_rounded(_shuffled_likeness(encoder, asked.pairs, seed)), other=_rounded(float(np.mean(likeness))),
        nonsense=_rounded(float((features.right.cpu() @ nonsense).mean())),
        between_maps=_rounded(float(np.median(looked.between))), specificity=_rounded(float(np.median(specific))),
        hardly=_rounded(float((specific < HARDLY).mean())), maps=len(specific),
    )  # fmt: skip


def _variance_shares(cosines: Float[np.ndarray, "images texts"]) -> tuple[float, float, float]:
    """Of the variance of a table, the shares of its rows' means, its columns' means, and the rest."""
    mean = cosines.mean()
    rows, columns = cosines.mean(axis=1), cosines.mean(axis=0)
    rest = cosines - rows[:, None] - columns[None, :] + mean
    parts = np.array([rows.var(), columns.var(), (rest**2).mean()])
    whole = parts.sum()
    shares = parts / whole if whole > 0 else np.zeros(3)
    return float(shares[0]), float(shares[1]), float(shares[2])


def _shuffled_likeness(encoder: DualEncoder, pairs: Sequence[SentencePair], seed: int) -> float:
    """Mean cosine of sentences, spread over the rows, with their own words in a random order."""
    rng = np.random.default_rng(seed)
    chosen = [pair.right for pair in pairs[:: max(1, len(pairs) // _SHUFFLED)]]
    mixed = [" ".join(rng.permutation(text.split())) for text in chosen]
    own, other = (torch.cat([embed_texts(encoder, [text]) for text in texts]) for texts in (chosen, mixed))
    return float((own * other).sum(dim=-1).mean())


def _vocabulary(encoder: DualEncoder, asked: _Asked, domains: Sequence[DomainName]) -> VocabularyShare:
    said = _words(text for pair in asked.pairs for text in (pair.right, pair.wrong))
    own = (one for one in concepts().values() if one.modality in domains)
    written = _words(text for one in own for text in (*one.names, *(caption.text for caption in one.captions)))
    words = sorted({*said, *written})
    pieces = pieces_of(encoder, words)
    unknown = tuple(word for word in words if _is_unknown(word, pieces[word]))
    return VocabularyShare(asked=len(words), unknown=unknown, of_sentences=tuple(one for one in unknown if one in said))


def _words(texts: Iterator[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in words_in(text)[0] if len(word) > 1)


def _is_unknown(word: str, pieces: int) -> bool:
    return not pieces or (len(word) >= _LETTERS and len(word) < FEWEST_LETTERS * pieces)

"""What an examination found: shares with intervals, where maps lie, how far the words matter, which words are unknown.

Figures alone, no picture and no torch: it is kept, read and shown by commands that load no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LOWEST_TOLD = 0.6
"""An attribute is told apart where its interval's lower end reaches this; guessing gets 0.5."""
CHANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many.

    Attributes:
        share: from 0 to 1.
        low, high: of its 95 % interval.
        number: of questions; of pictures where each is asked two.
    """

    share: float
    low: float
    high: float
    number: int

    @property
    def is_told(self) -> bool:
        """Whether what was asked is told apart: the interval's lower end is `LOWEST_TOLD` or more."""
        return self.low >= LOWEST_TOLD

    def __str__(self) -> str:
        return f"{self.share:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionResult:
    """One kind of question.

    Attributes:
        right: the share of pairs whose right sentence is nearer to the picture.
        domains: the share and the number of pairs by domain.
        likeness: mean cosine of the right sentence with the wrong one: how far the text depends on what was exchanged.
    """

    right: Share
    domains: Mapping[str, tuple[float, int]]
    likeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesions:
    """Two lesions in one picture, of which one is described.

    Attributes:
        pictures: each is asked two questions, one a lesion.
        by_mean: the map is higher in the lesion that was described than in the other; guessing gets 0.5.
        by_maximum: its largest value lies on that lesion; guessing gets less.
        by_mean_of_domains: share and number of pictures by domain.
    """

    pictures: int
    by_mean: Share
    by_maximum: Share
    by_mean_of_domains: Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How far text, score and map depend on the words.

    Attributes:
        picture, words, both: of the variance of all cosines of all pictures with all sentences of a domain, the share that
            comes with the picture whatever is said, with the sentence whatever is shown, and with the two together; mean over
            domains, sum 1. Only the last can tell a right sentence from a wrong one.
        shuffled: mean cosine of a sentence with its own words in a random order.
        other: mean cosine of two sentences about two pictures of one domain.
        nonsense: mean cosine of a sentence with one about a bicycle.
        between_maps: median correlation of the maps of the two sentences of one picture.
        specificity: median of 1 - the largest correlation of a map with that of nonsense or of the normal caption.
        hardly: the share of these maps that hardly depend on the words.
        maps: how many were held against nonsense.
    """

    picture: float
    words: float
    both: float
    shuffled: float
    other: float
    nonsense: float
    between_maps: float
    specificity: float
    hardly: float
    maps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyShare:
    """Words of the sentences and of medkt's own captions.

    Attributes:
        asked: how many.
        unknown: those that the tokenizer does not know or takes apart into letters, sorted.
        of_sentences: those among them that stand in the sentences of the examination.
    """

    asked: int
    unknown: tuple[str, ...]
    of_sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One encoder, examined.

    Attributes:
        encoder: its registry name.
        digest: SHA-256 of its weights; the examination is of no other.
        domains: those that were drawn.
        seed: added to the recipe's seeds: 0 draws the pictures of its tables.
        pairs: of each row.
        side: of the pictures of pairs, in pixels.
        rows: by name, in the order of `swaps.ROWS`; a row that no domain has is not there.
        lesions, dependence, vocabulary: see there.
        made: the day, ISO.
        medkt: the version that made it.
    """

    encoder: str
    digest: str
    domains: tuple[str, ...]
    seed: int
    pairs: int
    side: int
    rows: Mapping[str, QuestionResult]
    lesions: Lesions
    dependence: Dependence
    vocabulary: VocabularyShare
    made: str
    medkt: str

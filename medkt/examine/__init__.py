"""What a model understands: sentences that differ in one thing, and two lesions of which one is described. Pictures are drawn; no study of a user's is looked at.

For any `DualEncoder`, on drawn pictures that decide the answer: `examine` asks all of it, as `medkt models examine` does. The
recipe's tables of the small model are made with the same pictures and pairs.
"""

from typing import TYPE_CHECKING

from medkt.lazy import names_of

if TYPE_CHECKING:
    from medkt.examine.exam import ExamineSettings, IllustratedExamination, examine
    from medkt.examine.examination import Examination
    from medkt.examine.score import difference, margins, phrase_margins, share, won
    from medkt.examine.store import find_examination, read_examination
    from medkt.examine.swaps import ROWS, SentencePair, draw_pairs
    from medkt.examine.two_lesions import KINDS, Landing, LesionKind, TwoLesionCase, draw_cases, landing

_WHERE = {
    "exam": ("IllustratedExamination", "ExamineSettings", "examine"),
    "examination": ("Examination",),
    "score": ("difference", "margins", "phrase_margins", "share", "won"),
    "store": ("find_examination", "read_examination"),
    "swaps": ("ROWS", "SentencePair", "draw_pairs"),
    "two_lesions": ("KINDS", "LesionKind", "Landing", "TwoLesionCase", "draw_cases", "landing"),
}

__all__ = [
    "KINDS",
    "ROWS",
    "Examination",
    "ExamineSettings",
    "IllustratedExamination",
    "Landing",
    "LesionKind",
    "SentencePair",
    "TwoLesionCase",
    "difference",
    "draw_cases",
    "draw_pairs",
    "examine",
    "find_examination",
    "landing",
    "margins",
    "phrase_margins",
    "read_examination",
    "share",
    "won",
]
__getattr__ = names_of(
    __name__, {name: f"{__name__}.{module}" for module, names in _WHERE.items() for name in names}, globals()
)

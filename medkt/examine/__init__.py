"""What a model understands: sentences that differ in one word, and two lesions of which one is described.

For any `DualEncoder`, on drawn pictures that decide the answer. The recipe's tables of the small model are made with it.
"""

from medkt.examine.score import difference, margins, share, won
from medkt.examine.swaps import ROWS, Pair, draw_pairs
from medkt.examine.two_lesions import KINDS, Kind, Landing, TwoLesionCase, draw_cases, landing

__all__ = [
    "KINDS",
    "ROWS",
    "Kind",
    "Landing",
    "Pair",
    "TwoLesionCase",
    "difference",
    "draw_cases",
    "draw_pairs",
    "landing",
    "margins",
    "share",
    "won",
]

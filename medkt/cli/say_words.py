"""The words that a score rests on, as lines for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.pipeline import FindingResult
    from medkt.saliency.text_map import TextMap
    from medkt.segmentation.words import FoundWords

MOST_TEXTS, MOST_WORDS = 3, 24  # shown of one finding, and of one text; all of them are in the result
_BAR, _WIDEST = 24, 24  # characters of the longest bar, and of a word's column


def say_words(finding: "FindingResult") -> None:
    """Each word of the first texts with its nats and a bar of its nats a piece; nothing where no text map was made."""
    words = finding.found.words
    if words is None:
        return
    many = len(finding.looked.positions) > 1
    where = f" on plane {finding.looked.index(words.index)}" if many else ""
    for number, map_ in enumerate(words.maps[:MOST_TEXTS]):
        print(f"  words of '{map_.text}'{where}, nats (*: foreground by {words.rule}); {controls_in_words(map_)}:")
        for line in _lines(map_, words, number):
            print(f"    {line}")
    if (more := len(words.maps) - MOST_TEXTS) > 0:
        print(f"  {more} more text{'s' if more > 1 else ''} in result.json")


def controls_in_words(map_: "TextMap") -> str:
    """How far the map is that of the image, and of its noise."""
    index, steady = map_.image_index, map_.steadiness
    depends = "not checked" if index is None else f"{index:.2f}"
    return f"depends on the image: {depends}" + ("" if steady is None else f", agrees with itself: {steady:.2f}")


def _lines(map_: "TextMap", words: "FoundWords", number: int) -> Iterator[str]:
    from rich.cells import cell_len, set_cell_size

    found = list(zip(map_.words, words.inside[number], strict=True))
    shown = found if len(found) <= MOST_WORDS else sorted(found, key=lambda one: -one[0].unit)[:MOST_WORDS]
    shown = [one for one in found if one in shown]  # in the order of reading
    wide = min(_WIDEST, max((cell_len(word.text) for word, _ in shown), default=0))
    most = max((word.nats_per_piece for word, _ in shown), default=0.0)
    for word, inside in shown:
        bar = "#" * round(_BAR * word.nats_per_piece / most) if most else ""
        pieces = f" in {word.pieces} pieces" if word.pieces > 1 else ""
        yield f"{set_cell_size(word.text, wide)} {word.nats:8.2f} {bar}{' *' if inside else ''}{pieces}".rstrip()
    if len(shown) < len(found):
        yield f"and {len(found) - len(shown)} weaker words"
    special = [
        (name, n) for name, span, n in zip(map_.pieces.names, map_.pieces.spans, map_.nats, strict=True) if not span
    ]
    yield "apart, special tokens: " + ", ".join(f"{name} {nats:.2f}" for name, nats in special)

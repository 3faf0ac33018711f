"""Text maps as the record of a result holds them, and as one picture: each text with its words shaded."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Bbox

from medkt.pipeline import FindingResult
from medkt.report.figures import BACKGROUND, DPI, TEXT, drawable
from medkt.report.study_record import TextMapsRecord, TextRecord, TokenRecord, WordRecord
from medkt.saliency.text_map import TextMap

WORDS_FILE = "words.png"
MOST_TEXTS = 12  # blocks of the picture; further texts are in the tables only
_WIDTH, _EDGE = 9.6, 0.15  # inches
_LINE, _HEAD, _TAIL = 0.46, 0.3, 0.34  # inches: a line of words with their nats, above and below them
_GAP = 0.08  # inches between two words
_SHADE = (0.98, 0.55, 0.15)


def words_record(finding: FindingResult) -> TextMapsRecord | None:
    """What `result.json` says of the words of one finding; None where no text map was made."""
    words = finding.found.words
    if words is None:
        return None
    return TextMapsRecord(
        plane=finding.looked.index(words.index), layer=words.maps[0].layer if words.maps else None,
        mask_rule=words.rule, control="a picture of noise",
        texts=tuple(_text_record(one, inside) for one, inside in zip(words.maps, words.inside, strict=True)),
    )  # fmt: skip


def _text_record(map_: TextMap, inside: Sequence[bool]) -> TextRecord:
    return TextRecord(
        text=map_.text, cut_off=map_.cut_off, cosine=_rounded(map_.cosine),
        cosine_of_control=_rounded(map_.control_cosine), depends_on_image=_rounded(map_.image_index),
        agrees_with_itself=_rounded(map_.steadiness), words=tuple(_words(map_, inside)), tokens=tuple(_tokens(map_)),
    )  # fmt: skip


def _words(map_: TextMap, inside: Sequence[bool]) -> Iterator[WordRecord]:
    for one, here in zip(map_.words, inside, strict=True):
        yield WordRecord(
            word=one.text, pieces=one.pieces, nats=_rounded(one.nats), unit=_rounded(one.unit), inside=here
        )


def _tokens(map_: TextMap) -> Iterator[TokenRecord]:
    word_of = {token: number for number, word in enumerate(map_.words) for token in range(word.first, word.end)}
    numbers = zip(map_.nats.tolist(), map_.units.tolist(), map_.control.tolist(), strict=True)
    for place, (name, (nats, unit, control)) in enumerate(zip(map_.pieces.names, numbers, strict=True)):
        yield TokenRecord(
            token=name, word=word_of.get(place), special=map_.pieces.spans[place] is None, nats=_rounded(nats),
            unit=_rounded(unit), nats_of_control=_rounded(control),
        )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def draw_words(records: Sequence[tuple[str, Mapping[str, Any]]], *, footer: str) -> bytes:
    """A PNG of the texts: each word shaded by its weight, its nats below, a frame around the foreground.

    Args:
        records: a name and a finding's record from `words_record` each.
        footer: the line at the bottom.
    """
    blocks = [(name, text) for name, record in records for text in record["texts"]][:MOST_TEXTS]
    measure = _Measure()
    laid = [(name, text, list(measure.lines(text["words"]))) for name, text in blocks]
    high = _TAIL + sum(_HEAD + _TAIL + _LINE * len(lines) for _, _, lines in laid)
    figure = Figure(figsize=(_WIDTH, high), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    top = high
    for name, text, lines in laid:
        _block(figure, name, text, lines, top, high)
        top -= _HEAD + _TAIL + _LINE * len(lines)
    figure.text(0.5, 0.05 / high, footer, color=TEXT, ha="center", va="bottom", fontsize=6.5)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor=BACKGROUND, metadata={"Software": None})
    return buffer.getvalue()


class _Measure:
    """How wide words are drawn, in inches."""

    def __init__(self) -> None:
        self.font = FontProperties(size=10)
        self._renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()  # type: ignore[no-untyped-call]

    def wide(self, text: str) -> float:
        return float(self._renderer.get_text_width_height_descent(text, self.font, ismath=False)[0]) / DPI

    def lines(self, words: Sequence[Mapping[str, Any]]) -> Iterator[list[tuple[float, float, Mapping[str, Any]]]]:
        """Lines of (left, width, word), filled from the left in the order of the text."""
        line: list[tuple[float, float, Mapping[str, Any]]] = []
        left = _EDGE
        for word in words:
            wide = max(self.wide(drawable(word["word"])), 0.3) + 0.1
            if line and left + wide > _WIDTH - _EDGE:
                yield line
                line, left = [], _EDGE
            line.append((left, wide, word))
            left += wide + _GAP
        if line:
            yield line


def _block(
    figure: Figure,
    name: str,
    text: Mapping[str, Any],
    lines: Sequence[Sequence[tuple[float, float, Mapping[str, Any]]]],
    top: float,
    high: float,
) -> None:
    """One text: a title, its words line by line, the special tokens apart."""

    def say(left: float, up: float, words: str, **look: Any) -> None:
        figure.text(left / _WIDTH, up / high, words, parse_math=False, va="center", **look)

    say(_EDGE, top - 0.17, f"{drawable(name)[:40]}: {_controls(text)}", color=TEXT, fontsize=7.5)
    for number, line in enumerate(lines):
        up = top - _HEAD - _LINE * number
        for left, wide, word in line:
            box = Bbox.from_bounds(left / _WIDTH, (up - 0.22) / high, wide / _WIDTH, 0.22 / high)
            _shade(figure, box, word)
            say(left + wide / 2, up - 0.11, drawable(word["word"])[:80], color=TEXT, fontsize=10, ha="center")
            nats = f"{word['nats']:.1f}" + (f" / {word['pieces']}" if word["pieces"] > 1 else "")
            say(left + wide / 2, up - 0.31, nats, color=TEXT, fontsize=6.5, ha="center")
    special = ", ".join(f"{one['token']} {one['nats']:.1f}" for one in text["tokens"] if one["special"])
    end = "; the end is cut off" if text["cut_off"] else ""
    say(_EDGE, top - _HEAD - _LINE * len(lines) - 0.08, f"apart: {special}{end}", color="#999999", fontsize=6.5)


def _shade(figure: Figure, box: Bbox, word: Mapping[str, Any]) -> None:
    from matplotlib.patches import Rectangle

    patch = Rectangle(
        (box.x0, box.y0), box.width, box.height, transform=figure.transFigure, facecolor=(*_SHADE, 0.75 * word["unit"]),
        edgecolor=TEXT if word["inside"] else "none", linewidth=0.7,
    )  # fmt: skip
    figure.add_artist(patch)


def _controls(text: Mapping[str, Any]) -> str:
    index, steady = text["depends_on_image"], text["agrees_with_itself"]
    said = [
        "nats of each word / its pieces",
        "depends on the image " + ("not checked" if index is None else f"{index:.2f}"),
    ]
    return "; ".join([*said, *([] if steady is None else [f"agrees with itself {steady:.2f}"])])

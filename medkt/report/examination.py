"""What a model understands, as one HTML file: intervals, a right and a wrong example of each row, maps of two lesions."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from matplotlib import colormaps
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from PIL import Image
from scipy import ndimage

from medkt.examine.exam import Example, IllustratedExamination, LesionExample
from medkt.examine.examination import CHANCE, LOWEST_TOLD, Dependence, Examination, QuestionResult, VocabularyShare
from medkt.examine.told import SAID, in_a_line, lesions_table, table_of
from medkt.report.plots import svg_of
from medkt.report.render import render_page
from medkt.report.sections import (
    Figure,
    FigureRow,
    Heading,
    HtmlPage,
    PagePart,
    Plot,
    Section,
    Table,
    Text,
    TextSpan,
    picture_address,
    with_code,
)
from medkt.shapes import MaskPlane, Plane

_TOLD, _NOT = "#2a7d4f", "#b3261e"
_LANDS = {
    1.0: TextSpan(text="on it:", look="good"), 0.5: TextSpan(text="nowhere:", look="bad"),
    0.0: TextSpan(text="on the other:", look="bad"),
}  # fmt: skip
_EXAMPLES = "Of each row the pair that was told best and that which was told worst. What differs is marked."
_OUTLINES = "White: the lesion that was described; grey: the other. Bright colours: where the map is high."
_UNSAID = (
    "The pictures are drawn. A row that is told apart here may not be in patients, and names of findings are not asked at all: for that, "
    "run `medkt evaluate` on labelled studies. A row that is not shown may be known with pictures of another kind."
)


def render_examination(examined: IllustratedExamination) -> str:
    """The page, with its pictures inside."""
    e = examined.examination
    settings = f" · {', '.join(e.domains)} · {e.pairs} pairs a row · seed {e.seed} · medkt {e.medkt}, {e.made}"
    return render_page(
        HtmlPage(
            title=f"What {e.encoder} understands", lead=tuple(_lead(e)), sections=list(_sections(examined)),
            byline=("Weights ", TextSpan(text=e.digest[:12], look="code"), settings),
        )
    )  # fmt: skip


def _lead(examination: Examination) -> Iterator[PagePart]:
    yield Text(
        text=(
            "Two sentences that differ in one thing, and a drawn picture that decides between them: how often is the right one nearer? "
            f"Guessing gets {CHANCE:.2f}. A row is ", TextSpan(text="told apart", look="good"),
            f" where its 95 % interval (Wilson) begins at {LOWEST_TOLD:.2f} or above; otherwise it is ",
            TextSpan(text="not shown", look="bad"), ".",
        )
    )  # fmt: skip
    yield Text(text=f"{in_a_line(examination).capitalize()}.", style="headline")


def _sections(examined: IllustratedExamination) -> Iterator[Section]:
    e = examined.examination
    rows = _table("Shares of each row", table_of(e))
    yield Section(key="rows", title="Rows", parts=(_drawn(e.rows), rows))
    yield Section(key="examples", title="Examples", parts=tuple(_examples(examined.examples)))
    yield Section(key="lesions", title="Two lesions, one of them described", parts=tuple(_lesions(examined)))
    words = Table(caption="How far the words matter", rows=_dependence(e.dependence), captioned=False)
    yield Section(key="words", title="How far the words matter", parts=(words,))
    yield Section(key="unknown", title="Words that are unknown", parts=tuple(_vocabulary(e.vocabulary)))
    yield Section(key="unsaid", title="What this does not say", parts=(Text(text=with_code(_UNSAID)),))


def _table(caption: str, rows: Sequence[Sequence[str]]) -> Table:
    return Table(caption=caption, head=rows[0], rows=rows[1:], captioned=False)


def _drawn(rows: Mapping[str, QuestionResult]) -> Plot:
    """Each row's share with its interval; guessing dotted, and a line from which on a row is told apart."""
    drawing = Drawing(figsize=(8.0, 0.7 + 0.3 * len(rows)), layout="constrained")
    FigureCanvasSVG(drawing)
    axis = drawing.subplots()
    axis.axvline(CHANCE, color="#777777", linewidth=0.8, linestyle=":")
    axis.axvline(LOWEST_TOLD, color="#cccccc", linewidth=1)
    for place, row in enumerate(rows.values()):
        right, colour = row.right, _TOLD if row.right.is_told else _NOT
        axis.hlines(place, right.low, right.high, color=colour, linewidth=2)
        axis.plot(right.share, place, "o", color=colour, markersize=6)
        axis.text(1.06, place, f"{right.share:.2f}", fontsize=9, va="center")
    axis.set_yticks(range(len(rows)), [SAID[name] for name in rows], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(-0.02, 1.05)
    axis.tick_params(axis="both", length=0, labelsize=9)
    axis.spines[:].set_visible(False)
    shares = "; ".join(f"{SAID[name]}: {row.right}" for name, row in rows.items())
    caption = f"The share of pairs whose right sentence is nearer. Dotted: guessing; grey: {LOWEST_TOLD:.2f}."
    return Plot(svg=svg_of(drawing), alt=f"Shares with intervals. {shares}", caption=caption)


def _examples(examples: Mapping[str, tuple[Example, ...]]) -> Iterator[PagePart]:
    yield Text(text=_EXAMPLES, style="quiet")
    for name, found in examples.items():
        yield Heading(text=SAID[name])
        yield FigureRow(figures=tuple(map(_card, found)), layout="cards")


def _card(one: Example) -> Figure:
    right, wrong = one.pair.right, one.pair.wrong
    told = one.margin > 0
    margin = TextSpan(text=f"{'right' if told else 'wrong'}, by {abs(one.margin):.3f}", look="good" if told else "bad")
    said = (
        Text(text=(margin,)), Text(text=("right:", *_marked(right, wrong))), Text(text=("wrong:", *_marked(wrong, right)), style="quiet"),
    )  # fmt: skip
    return Figure(image=_png(_grey(one.pair.plane)), alt=f"drawn {one.pair.domain}", lines=said)


def _marked(text: str, other: str) -> Iterator[str | TextSpan]:
    """A sentence, a space first; what the other has not at this place is marked."""
    own, words = text.split(), other.split()
    for what, start, end, _, _ in SequenceMatcher(None, own, words, autojunk=False).get_opcodes():
        if start < end:
            said = " ".join(own[start:end])
            yield " "
            yield said if what == "equal" else TextSpan(text=said, look="mark")


def _lesions(examined: IllustratedExamination) -> Iterator[PagePart]:
    found = examined.examination.lesions
    how = (
        f"Where the saliency map lies, made as `medkt segment` makes it by default, over {found.pictures} pictures with two questions each; "
        "intervals are for as many draws as pictures."
    )
    yield Text(text=with_code(how))
    yield _table("Where the maps lie", lesions_table(found, examined.examination.domains))
    for one in examined.lesions:
        yield Heading(text=one.case.domain)
        yield FigureRow(figures=tuple(_maps(one)), layout="across")
    yield Text(text=_OUTLINES, style="quiet")


def _maps(one: LesionExample) -> Iterator[Figure]:
    """The picture, then the map of each sentence over it."""
    case = one.case
    yield Figure(
        image=_png(_grey(case.plane)), alt=f"drawn {case.domain}", lines=(Text(text="the picture", style="quiet"),)
    )
    for place, (map_, lands) in enumerate(zip(one.maps, one.landings, strict=True)):
        over = _over(case.plane, map_, case.masks[place], case.masks[1 - place])
        yield Figure(
            image=_png(over), alt="map", lines=(Text(text=(_LANDS[lands.by_mean], f" {case.sentences[place]}")),)
        )


def _dependence(found: Dependence) -> Sequence[tuple[str, str]]:
    return [
        ("of the variance of the score: with the picture, whatever is said", f"{found.picture:.0%}"),
        ("with the sentence, whatever is shown", f"{found.words:.0%}"),
        ("with the two together, which alone can tell right from wrong", f"{found.both:.0%}"),
        ("cosine of a sentence with its own words in a random order", f"{found.shuffled:.2f}"),
        ("with a sentence about another picture of the modality", f"{found.other:.2f}"),
        ("with a sentence about a bicycle", f"{found.nonsense:.2f}"),
        ("correlation of the maps of both sentences of a picture, median", f"{found.between_maps:.2f}"),
        (f"specificity of a map, median of {found.maps} (1 entirely its words', 0 the same for any)", f"{found.specificity:.2f}"),
        ("maps that hardly depend on the words", f"{found.hardly:.0%}"),
    ]  # fmt: skip


def _vocabulary(found: VocabularyShare) -> Iterator[PagePart]:
    here = f"; in the sentences above: {', '.join(found.of_sentences)}" if found.of_sentences else ""
    yield Text(
        text=f"Of {found.asked} words of these sentences and of medkt's own captions, {len(found.unknown)} are unknown to the tokenizer "
        f"or fall apart into letters{here}."
    )
    if found.unknown:
        yield Text(text=", ".join(found.unknown), style="quiet")


def _grey(plane: Plane) -> UInt8[np.ndarray, "rows columns 3"]:
    levels = np.round(np.clip(plane, 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def _over(plane: Plane, map_: Plane, own: MaskPlane, other: MaskPlane) -> UInt8[np.ndarray, "rows columns 3"]:
    """The map in colours over the picture, with both outlines."""
    colours = colormaps["inferno"](np.clip(map_, 0, 1))[:, :, :3] * 255
    mixed = 0.45 * _grey(plane) + 0.55 * colours
    for mask, level in ((other, 130), (own, 255)):
        mixed[ndimage.binary_dilation(mask, iterations=2) & ~mask] = level
    drawn: UInt8[np.ndarray, "rows columns 3"] = np.round(mixed).astype(np.uint8)
    return drawn


def _png(pixels: UInt8[np.ndarray, "rows columns 3"]) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return picture_address(buffer.getvalue())

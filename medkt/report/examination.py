"""What a model understands, as one HTML file: intervals, a right and a wrong example of each row, maps of two lesions."""

import base64
from collections.abc import Sequence
from difflib import SequenceMatcher
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

from medkt.examine.exam import Example, IllustratedExamination, LesionExample
from medkt.examine.examination import CHANCE, LOWEST_TOLD, QuestionResult
from medkt.examine.told import SAID, in_a_line, lesions_table, table_of
from medkt.report.render import render
from medkt.shapes import MaskPlane, Plane

_TOLD, _NOT = "#2a7d4f", "#b3261e"
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEFT, _WIDTH = 300.0, 400.0  # of the chart, in its own units


def render_examination(examined: IllustratedExamination) -> str:
    """The page, with its pictures inside."""
    examination = examined.examination
    return render(
        "examination.html.j2",
        {
            "e": examination, "chance": CHANCE, "lowest": LOWEST_TOLD, "line": in_a_line(examination),
            "bars": [_bar(name, row) for name, row in examination.rows.items()], "ticks": _TICKS,
            "at": lambda share: round(_LEFT + _WIDTH * share, 1), "rows": table_of(examination),
            "examples": [(SAID[name], [_card(one) for one in found]) for name, found in examined.examples.items()],
            "landing": lesions_table(examination.lesions, examination.domains),
            "lesions": [_case(one) for one in examined.lesions], "dependence": _dependence(examined),
        },
    )  # fmt: skip


def _bar(name: str, row: QuestionResult) -> dict[str, Any]:
    right = row.right
    colour = _TOLD if right.is_told else _NOT
    return {"name": SAID[name], "share": right.share, "low": right.low, "high": right.high, "colour": colour}


def _card(one: Example) -> dict[str, Any]:
    right, wrong = _marked(one.pair.right, one.pair.wrong), _marked(one.pair.wrong, one.pair.right)
    return {
        "picture": _png(_grey(one.pair.plane)), "domain": one.pair.domain, "told": one.margin > 0, "margin": abs(one.margin),
        "right": right, "wrong": wrong,
    }  # fmt: skip


def _marked(text: str, other: str) -> list[tuple[str, bool]]:
    """A sentence in parts, each with whether the other has it not at this place."""
    own, words = text.split(), other.split()
    codes = SequenceMatcher(None, own, words, autojunk=False).get_opcodes()
    return [(" ".join(own[start:end]), what != "equal") for what, start, end, _, _ in codes if start < end]


def _case(one: LesionExample) -> dict[str, Any]:
    maps = []
    for place, (map_, lands) in enumerate(zip(one.maps, one.landings, strict=True)):
        own, other = one.case.masks[place], one.case.masks[1 - place]
        said = {1.0: "on it:", 0.5: "nowhere:", 0.0: "on the other:"}[lands.by_mean]
        picture = _png(_over(one.case.plane, map_, own, other))
        maps.append({
            "picture": picture, "told": lands.by_mean > CHANCE, "said": said, "sentence": one.case.sentences[place],
        })  # fmt: skip
    return {"domain": one.case.domain, "plane": _png(_grey(one.case.plane)), "maps": maps}


def _dependence(examined: IllustratedExamination) -> Sequence[tuple[str, str]]:
    found = examined.examination.dependence
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
    return base64.b64encode(buffer.getvalue()).decode()

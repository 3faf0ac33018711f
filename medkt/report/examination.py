"""What a model understands, as one HTML file: intervals, a right and a wrong example of each row, maps of two lesions."""

import base64
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, StrictUndefined, Template, select_autoescape
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

from medkt.about import NOT_A_MEDICAL_DEVICE
from medkt.examine.ask import Examined, Example, LesionExample
from medkt.examine.examination import CHANCE, LOWEST_TOLD, Row
from medkt.examine.told import SAID, in_a_line, lesions_table, table_of
from medkt.shapes import MaskPlane, Plane

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>medkt: what {{ e.encoder }} understands</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --told: #2a7d4f; --not: #b3261e; --quiet: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.notice { border: 1px solid var(--line); background: var(--soft); padding: .5rem .8rem; border-radius: .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.quiet { color: var(--quiet); } .told { color: var(--told); font-weight: 600; } .not { color: var(--not); font-weight: 600; }
.row { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; margin: .4rem 0 1.2rem; }
.card { display: flex; gap: .8rem; border: 1px solid var(--line); border-radius: .4rem; padding: .6rem; }
.card p { margin: .1rem 0; } .card img { width: 9rem; height: 9rem; border-radius: .3rem; flex: none; }
.maps { display: grid; grid-template-columns: repeat(3, 1fr); gap: .6rem; margin-bottom: 1.2rem; }
.maps img { width: 100%; border-radius: .3rem; } figure { margin: 0; } figcaption { font-size: .85rem; }
mark { background: #ffd54a88; color: inherit; border-radius: .2rem; padding: 0 .15rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; } svg text { fill: currentColor; font: 13px system-ui, sans-serif; }
@media (max-width: 48rem) { .row { grid-template-columns: 1fr; } }
</style>
</head>
<body>
<h1>What {{ e.encoder }} understands</h1>
<p class="quiet">Weights <code>{{ e.digest[:12] }}</code> · {{ e.domains | join(", ") }} · {{ e.pairs }} pairs a row · seed {{ e.seed }} ·
medkt {{ e.medkt }}, {{ e.made }}</p>
<p class="notice"><strong>{{ notice }}</strong></p>
<p>Two sentences that differ in one thing, and a drawn picture that decides between them: how often is the right one nearer?
Guessing gets {{ "%.2f" % chance }}. A row is <span class="told">told apart</span> where its 95 % interval (Wilson) begins at
{{ "%.2f" % lowest }} or above; otherwise it is <span class="not">not shown</span>.</p>
<p><strong>{{ line | capitalize }}.</strong></p>

<svg viewBox="0 0 760 {{ 26 * bars | length + 34 }}" width="100%" role="img" aria-label="Shares with intervals">
<line x1="{{ at(chance) }}" x2="{{ at(chance) }}" y1="4" y2="{{ 26 * bars | length + 8 }}" stroke="currentColor" stroke-dasharray="3 3"/>
<line x1="{{ at(lowest) }}" x2="{{ at(lowest) }}" y1="4" y2="{{ 26 * bars | length + 8 }}" stroke="currentColor" stroke-opacity=".3"/>
{% for bar in bars %}{% set y = 26 * loop.index0 + 18 %}
<text x="0" y="{{ y + 4 }}">{{ bar.name }}</text>
<line x1="{{ at(bar.low) }}" x2="{{ at(bar.high) }}" y1="{{ y }}" y2="{{ y }}" stroke="{{ bar.colour }}" stroke-width="3"/>
<circle cx="{{ at(bar.share) }}" cy="{{ y }}" r="5" fill="{{ bar.colour }}"/>
<text x="716" y="{{ y + 4 }}">{{ "%.2f" % bar.share }}</text>
{% endfor %}
{% for tick in ticks %}<text x="{{ at(tick) }}" y="{{ 26 * bars | length + 26 }}" text-anchor="middle">{{ "%g" % tick }}</text>{% endfor %}
</svg>

<h2>Rows</h2>
<div class="wide"><table><thead><tr>{% for cell in rows[0] %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows[1:] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>

<h2>Examples</h2>
<p class="quiet">Of each row the pair that was told best and that which was told worst. What differs is marked.</p>
{% for title, cards in examples %}
<h3>{{ title }}</h3>
<div class="row">
{% for card in cards %}
<div class="card"><img src="data:image/png;base64,{{ card.picture }}" alt="drawn {{ card.domain }}">
<div><p class="{{ "told" if card.told else "not" }}">{{ "right" if card.told else "wrong" }}, by {{ "%.3f" % card.margin }}</p>
<p>right: {{ card.right }}</p><p class="quiet">wrong: {{ card.wrong }}</p></div></div>
{% endfor %}
</div>
{% endfor %}

<h2>Two lesions, one of them described</h2>
<p>Where the saliency map lies, made as <code>medkt segment</code> makes it by default, over {{ e.lesions.pictures }} pictures with two
questions each; intervals are for as many draws as pictures.</p>
<div class="wide"><table><thead><tr>{% for cell in landing[0] %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in landing[1:] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>
{% for case in lesions %}
<h3>{{ case.domain }}</h3>
<div class="maps">
<figure><img src="data:image/png;base64,{{ case.plane }}" alt="drawn {{ case.domain }}"><figcaption class="quiet">the picture</figcaption></figure>
{% for one in case.maps %}
<figure><img src="data:image/png;base64,{{ one.picture }}" alt="map">
<figcaption><span class="{{ "told" if one.told else "not" }}">{{ one.said }}</span> {{ one.sentence }}</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
<p class="quiet">White: the lesion that was described; grey: the other. Bright colours: where the map is high.</p>

<h2>How far the words matter</h2>
<table><tbody>
{% for what, value in dependence %}<tr><td>{{ what }}</td><td>{{ value }}</td></tr>{% endfor %}
</tbody></table>

<h2>Words that are unknown</h2>
<p>Of {{ e.vocabulary.asked }} words of these sentences and of medkt's own captions, {{ e.vocabulary.unknown | length }} are unknown to
the tokenizer or fall apart into letters{% if e.vocabulary.of_sentences %}; in the sentences above:
{{ e.vocabulary.of_sentences | join(", ") }}{% endif %}.</p>
{% if e.vocabulary.unknown %}<p class="quiet">{{ e.vocabulary.unknown | join(", ") }}</p>{% endif %}

<h2>What this does not say</h2>
<p>The pictures are drawn. A row that is told apart here may not be in patients, and names of findings are not asked at all: for
that, run <code>medkt evaluate</code> on labelled studies. A row that is not shown may be known with pictures of another kind.</p>
</body>
</html>
"""
_TOLD, _NOT = "#2a7d4f", "#b3261e"
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEFT, _WIDTH = 300.0, 400.0  # of the chart, in its own units


def render_examination(examined: Examined) -> str:
    """The page, with its pictures inside."""
    examination = examined.examination
    return _template().render(
        e=examination, notice=NOT_A_MEDICAL_DEVICE, chance=CHANCE, lowest=LOWEST_TOLD, line=in_a_line(examination),
        bars=[_bar(name, row) for name, row in examination.rows.items()], ticks=_TICKS,
        at=lambda share: round(_LEFT + _WIDTH * share, 1), rows=table_of(examination),
        examples=[(SAID[name], [_card(one) for one in found]) for name, found in examined.examples.items()],
        landing=lesions_table(examination.lesions, examination.domains), lesions=[_case(one) for one in examined.lesions],
        dependence=_dependence(examined),
    )  # fmt: skip


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=select_autoescape(default=True))
    return environment.from_string(_PAGE)


def _bar(name: str, row: Row) -> dict[str, Any]:
    right = row.right
    colour = _TOLD if right.is_told else _NOT
    return {"name": SAID[name], "share": right.share, "low": right.low, "high": right.high, "colour": colour}


def _card(one: Example) -> dict[str, Any]:
    right, wrong = _marked(one.pair.right, one.pair.wrong), _marked(one.pair.wrong, one.pair.right)
    return {
        "picture": _png(_grey(one.pair.plane)), "domain": one.pair.domain, "told": one.margin > 0, "margin": abs(one.margin),
        "right": right, "wrong": wrong,
    }  # fmt: skip


def _marked(text: str, other: str) -> Any:
    """A sentence with the words marked that the other has not at this place."""
    from markupsafe import Markup, escape

    own, words = text.split(), other.split()
    parts = []
    for what, start, end, _, _ in SequenceMatcher(None, own, words, autojunk=False).get_opcodes():
        said = escape(" ".join(own[start:end]))
        if start < end:
            parts.append(said if what == "equal" else Markup("<mark>{}</mark>").format(said))
    return Markup(" ").join(parts)


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


def _dependence(examined: Examined) -> Sequence[tuple[str, str]]:
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

"""One study's result as one HTML file that opens from disk: no network, no script, pictures inside."""

import base64
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, select_autoescape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>medkt: {{ result.case }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --seen: #b3261e; --quiet: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.notice { border: 1px solid var(--line); background: var(--soft); padding: .5rem .8rem; border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
.seen { color: var(--seen); font-weight: 600; } .quiet { color: var(--quiet); }
img { max-width: 100%; border-radius: .4rem; } pre { overflow-x: auto; background: var(--soft); padding: .6rem; }
ul.warnings li { margin: .2rem 0; }
.words { font-size: 1.1rem; line-height: 2.1; margin-bottom: .2rem; }
.words span { padding: .15rem .35rem; border-radius: .25rem; } .words .inside { outline: 1.5px solid currentColor; }
</style>
</head>
<body>
<h1>{{ result.domain_title }}: {{ result.findings | map(attribute="name") | join(", ") }}</h1>
<p class="quiet">{{ result.case }} · medkt {{ result.medkt }} · model {{ result.models.encoder.name }}
{%- if result.models.encoder.taught %}, taught {{ result.models.encoder.taught | sum(attribute="concepts", start=[]) | join(", ") }}{% endif %}</p>
<p class="notice"><strong>{{ result.notice }}</strong>{% if result.demonstration %}<br>
<strong>{{ result.demonstration }}</strong>{% endif %}</p>

<h2>Findings</h2>
<table>
<thead><tr><th>Finding</th><th>Decision</th><th class="number">Score</th><th>Lesions, long x short axis</th>
<th class="number">Slices</th><th class="number">Depends on the words</th></tr></thead>
<tbody>
{% for f in result.findings %}
<tr>
<td>{{ f.name }}{% if f.words_notes %}<br>
<strong>its words, see below: {{ f.words_notes | join(", ") | replace("_", " ") }}</strong>{% endif %}</td>
<td>{% if f.decision == "seen" %}<span class="seen">seen</span>{% elif f.no_claim %}<strong>no claim</strong>{% else %}{{ f.decision }}{% endif %}<br>
<span class="quiet">{{ f.reason }}{% if f.calibration %}<br>
{{ "asked of" if f.no_claim else "decided by" }} the calibration of site {{ f.calibration.site }} ({{ f.calibration.calibration_normals }} normals,
{{ f.calibration.calibration_findings }} with the finding): at most {{ (100 * f.calibration.false_positive_rate) | round(2) }} % of
normals are called seen; p-value {{ f.calibration.p_value | figure(3) }}
{%- if f.calibration.probability is not none %}, probability {{ f.calibration.probability | figure(2) }} at the share of findings
in the calibration{% endif %}{% endif %}</span></td>
<td class="number">{{ f.score | figure(2) }}</td>
<td>{{ f.size_text }}</td>
<td class="number">{{ f.slices_with_mask }}</td>
<td class="number">{{ f.specificity | figure(2) }}</td>
</tr>
{% endfor %}
</tbody>
</table>
<p class="quiet">A lesion is a connected part of the mask: voxels that share a face, an edge or a corner; in a clip, those of one
frame. Long and short axis lie in the slice in which the long one is longest. "At least": the lesion reaches the edge of what was
looked at and may go on outside.</p>
{% for f in result.findings if f.measures.lesion_count > 1 %}
<details><summary>The lesions of {{ f.name }}{% if f.measures.lesions | length < f.measures.lesion_count %}, the
{{ f.measures.lesions | length }} largest of {{ f.measures.lesion_count }}{% endif %}</summary>
<table>
<thead><tr><th class="number">Lesion</th><th class="number">Long axis, {{ f.measures.unit }}</th><th class="number">Short axis</th>
<th class="number">Volume, mL</th><th class="number">Largest cross-section, {{ f.measures.unit }}²</th><th class="number">Plane</th>
<th>Cut by an edge</th></tr></thead>
<tbody>
{% for one in f.measures.lesions %}
<tr><td class="number">{{ loop.index }}</td><td class="number">{{ one.long_axis | figure(1) }}</td>
<td class="number">{{ one.short_axis | figure(1) }}</td><td class="number">{{ one.volume_ml | figure(2) }}</td>
<td class="number">{{ one.area | figure(0) }}</td><td class="number">{{ one.slice_index }}</td>
<td>{{ "yes" if one.touches_border else "no" }}</td></tr>
{% endfor %}
</tbody>
</table>
</details>
{% endfor %}

{% if result.reference %}
<h2>Scores against the reference</h2>
<ul>{% for f in result.findings if f.reference_scores %}<li>{{ f.name }}:
{% for name, value in f.reference_scores.numbers.items() %}{{ name }} {{ value | figure(3) }}{{ ", " if not loop.last }}{% endfor %}
{% if f.reference_scores.reference_rule %}<br><span class="quiet">inside the reference: {{ f.reference_scores.reference_rule }}</span>{% endif %}
{% for name, reason in f.reference_scores.missing.items() %}<br><span class="quiet">{{ name }}: {{ reason }}</span>{% endfor %}
</li>{% endfor %}</ul>
{% endif %}

{% if pictures %}
<h2>Pictures</h2>
<p class="quiet">For each finding its clearest slice: the image; where the words point (brighter is more); the outline in the
finding's colour with the boxes (blue) that the segmenter was given{% if result.reference %}; the reference dotted green{% endif %}.
{% if result.orientation not in ("as stored", "single plane") %}The patient's right is on the left of an axial or coronal picture.{% endif %}</p>
{% for picture in pictures %}
<p><img src="data:image/png;base64,{{ picture.data }}" alt="{{ picture.alt }}"></p>
{% endfor %}
{% endif %}

{% if result.findings | selectattr("text_maps") | list %}
<h2>Words that the score rests on</h2>
<p class="quiet">Each prompt by itself, held against the plane that scores highest: the darker the shade, the more of the word has
to pass for the text to go on matching the image; framed words are the text's foreground. Nats are summed over the pieces that a
word is read as; its weight is by nats a piece, lest a word weigh more for being cut small. Special tokens stand apart. "Depends on the image" compares
with the same text before a picture of noise: 0 is the same map, whatever is seen. "Agrees with itself" compares two halves of the
noise drawn: near 1 it has no part in the map.</p>
{% for f in result.findings if f.text_maps %}
<h3>{{ f.name }}{% if result.planes > 1 %}, plane {{ f.text_maps.plane }}{% endif %}</h3>
{% for text in f.text_maps.texts %}
<p class="words" dir="auto">{% for one in text.words %}<span{% if one.inside %} class="inside"{% endif %}
 style="background: rgba(235, 130, 35, {{ (0.75 * one.unit) | round(3) }})" title="{{ one.nats | figure(2) }} nats">{{ one.word }}</span> {% endfor %}
{% if text.cut_off %}<span class="quiet">(cut off here)</span>{% endif %}</p>
<details><summary>depends on the image {{ text.depends_on_image | figure(2) }}, agrees with itself
{{ text.agrees_with_itself | figure(2) }}; cosine {{ text.cosine | figure(3) }}, with noise {{ text.cosine_of_control | figure(3) }}; the numbers</summary>
<table>
<thead><tr><th>Word</th><th class="number">Pieces</th><th class="number">Nats</th><th class="number">Weight, 0 to 1</th><th>Foreground ({{ f.text_maps.mask_rule }})</th></tr></thead>
<tbody>
{% for one in text.words %}<tr><td dir="auto">{{ one.word }}</td><td class="number">{{ one.pieces }}</td><td class="number">{{ one.nats | figure(2) }}</td>
<td class="number">{{ one.unit | figure(2) }}</td><td>{{ "yes" if one.inside else "no" }}</td></tr>
{% endfor %}{% for one in text.tokens if one.special %}<tr class="quiet"><td>{{ one.token }}, special</td><td class="number"></td>
<td class="number">{{ one.nats | figure(2) }}</td><td class="number"></td><td></td></tr>
{% endfor %}</tbody>
</table>
</details>
{% endfor %}
{% endfor %}
{% endif %}

{% if result.warnings %}
<h2>What to keep in mind</h2>
<ul class="warnings">{% for warning in result.warnings %}<li>{{ warning }}</li>{% endfor %}</ul>
{% endif %}

<h2>How it was made</h2>
<table>
<tbody>
<tr><th>Input</th><td>{{ result.input.source }}, {{ result.input.shape | join(" × ") }} voxels (slices × rows × columns),
spacing {{ result.input.spacing | map("round", 4) | join(" × ") }} {{ result.input.unit }},
{{ result.planes_scored }} of {{ result.planes }} planes scored, {{ result.orientation }}</td></tr>
<tr><th>Shown as</th><td>{{ result.intensity }}</td></tr>
{% if result.input.completeness %}<tr><th>Files of the input</th><td>{{ result.input.completeness | files_said }}</td></tr>{% endif %}
<tr><th>Steps on reading</th><td>{{ result.input.steps | join("; ") or "none" }}</td></tr>
{% for f in result.findings %}
<tr><th>Words for {{ f.name }}</th><td>{{ f.prompts | join(" · ") }}</td></tr>
{% endfor %}
<tr><th>Encoder</th><td>{{ result.models.encoder.name }}, {{ result.models.encoder.licence }}<br>
<span class="quiet">SHA-256 {{ result.models.encoder.digest or "none: generated weights" }}</span></td></tr>
{% for taught in result.models.encoder.taught %}
<tr><th>Taught for {{ taught.concepts | join(", ") }}</th><td>{% if taught.adapted_digest != result.models.encoder.digest %}the encoder with what was learnt laid over it{% else %}the encoder as it is{% endif %}
{%- if taught.ways %}; asked by {% for concept, way in taught.ways.items() %}{{ way }} ({{ concept }}){% if not loop.last %}, {% endif %}{% endfor %}{% endif %}<br>
<span class="quiet">{% for package in taught.packages %}package: SHA-256 {{ package }}<br>{% endfor %}
encoder that was asked: SHA-256 {{ taught.adapted_digest }}</span></td></tr>
{% endfor %}
<tr><th>Segmenter</th><td>{{ result.models.segmenter.name }}<br>
<span class="quiet">SHA-256 {{ result.models.segmenter.digest or "none" }}</span></td></tr>
<tr><th>Digest of the input</th><td class="quiet">SHA-256 {{ result.input.digest }}</td></tr>
<tr><th>Settings</th><td>{{ result.preset }}{% if result.label_tuned %}, <strong>tuned on labels</strong>{% endif %}{% if result.as_published %}<br>
{{ result.as_published.words }}{% endif %}</td></tr>
<tr><th>Guard</th><td>{{ result.guard or "none: no answer was held back" }}</td></tr>
<tr><th>Seconds</th><td>{% for name, value in result.seconds.items() %}{{ name }} {{ value | figure(2) }}{{ ", " if not loop.last }}{% endfor %}</td></tr>
</tbody>
</table>
<details><summary>All settings</summary><pre>{{ settings }}</pre></details>
</body>
</html>
"""


def render_report(result: Mapping[str, Any], *, settings: str, pictures: Mapping[str, bytes]) -> str:
    """The page of one result (the content of `result.json`), with PNG pictures by their alternative text."""
    shown = [{"alt": alt, "data": base64.b64encode(png).decode("ascii")} for alt, png in pictures.items()]
    return _template().render(result=result, settings=settings, pictures=shown)


@cache
def _template() -> Template:
    """Compiled once for all studies of a run."""
    environment = Environment(autoescape=select_autoescape(default=True), undefined=StrictUndefined)
    environment.filters["figure"] = _figure
    environment.filters["files_said"] = _files_said
    return environment.from_string(_PAGE)


def _files_said(completeness: Mapping[str, Any]) -> str:
    """How many files were used, and why the others were not."""
    reasons = [f"{count} {reason}" for reason, count in completeness["passed_over"].items()]
    lost = [f"{count} {reason} (not explained)" for reason, count in completeness["unexplained"].items()]
    return "; ".join([f"{completeness['used']} of {completeness['entries']} used", *reasons, *lost])


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"

"""The audit for a reader: a plain card inside the package, and a page with pictures that lies beside it."""

import base64
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, select_autoescape

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.concepts.private import plain_text

if TYPE_CHECKING:
    from medkt.audit.learning import LearnedConcept

_CARD = """# {{ name }} ({{ domain }})

{{ notice }}

Taught to `{{ model }}` (weights {{ digest[:12] }}, {{ licence }}) with medkt {{ version }}, from words alone. No image of a
patient took part: all images were made by the model itself from the descriptions.

## The words
{% for text in captions %}
- {{ text }}
{%- endfor %}
{% if left_out %}

The model cannot picture these, and they were left out:
{% for text in left_out %}
- {{ text }}
{%- endfor %}
{% endif %}

## How it was learned

{{ recipe }}
{% for title, about, table in tables %}

## {{ title }}

{{ about }}

| {{ table[0] | join(" | ") }} |
|{% for _ in table[0] %}---|{% endfor %}
{% for row in table[1:] -%}
| {{ row | join(" | ") }} |
{% endfor %}
{%- endfor %}
{% if not tables %}

No audit was made.
{% endif %}

## What this does not say

The numbers above are measured on images that the model made from words. They say what changed in the model, not how
well it finds the lesion in patients: for that, run `medkt evaluate` on labelled studies, and `medkt calibrate` before
reading "not seen" as an answer.
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>medkt: {{ name }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.notice { border: 1px solid var(--line); background: var(--soft); padding: .5rem .8rem; border-radius: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
img { max-width: 100%; background: #fff; border-radius: .4rem; } .quiet { color: #777; }
</style>
</head>
<body>
<h1>{{ name }} <span class="quiet">({{ domain }})</span></h1>
<p class="notice"><strong>{{ notice }}</strong></p>
<p>Taught to <code>{{ model }}</code> (weights <code>{{ digest[:12] }}</code>, {{ licence }}) with medkt {{ version }}, from
words alone. No image of a patient took part: all images were made by the model itself from the descriptions.</p>
<h2>The words</h2>
<ul>{% for text in captions %}<li>{{ text }}</li>{% endfor %}</ul>
{% if left_out %}<p>The model cannot picture these, and they were left out:</p>
<ul>{% for text in left_out %}<li>{{ text }}</li>{% endfor %}</ul>{% endif %}
<h2>How it was learned</h2>
<p>{{ recipe }}</p>
{% for title, about, table in tables %}
<h2>{{ title }}</h2>
<p>{{ about }}</p>
<table><thead><tr>{% for cell in table[0] %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table[1:] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% endfor %}
{% if not tables %}<p>No audit was made.</p>{% endif %}
{% for title, about, data in pictures %}
<h2>{{ title }}</h2>
<p class="quiet">{{ about }}</p>
<p><img src="data:image/png;base64,{{ data }}" alt="{{ title }}"></p>
{% endfor %}
<h2>What this does not say</h2>
<p>The numbers above are measured on images that the model made from words. They say what changed in the model, not how
well it finds the lesion in patients: for that, run <code>medkt evaluate</code> on labelled studies, and <code>medkt
calibrate</code> before reading "not seen" as an answer.</p>
</body>
</html>
"""


def as_markdown(one: "LearnedConcept") -> str:
    """The card inside the package: words and numbers, no picture."""
    made = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=plain_text)
    return made.from_string(_CARD).render(**_facts(one))


def as_page(one: "LearnedConcept", pictures: list[tuple[str, str, bytes]]) -> str:
    """The page beside the package.

    Args:
        one: what was learned.
        pictures: (title, what it shows, PNG).
    """
    environment = Environment(undefined=StrictUndefined, autoescape=select_autoescape(default=True))
    coded = [(title, about, base64.b64encode(png).decode()) for title, about, png in pictures]
    return environment.from_string(_PAGE).render(**_facts(one), pictures=coded)


def _facts(one: "LearnedConcept") -> dict[str, Any]:
    kept = one.learned[one.kept]
    return {
        "name": one.concept.name, "domain": one.domain.title, "notice": NOT_A_MEDICAL_DEVICE, "version": __version__,
        "model": one.delta.base_name, "digest": one.delta.base_digest, "licence": one.base_licence,
        "captions": kept.material.vocabulary.described, "left_out": kept.material.left_out, "recipe": _recipe(one),
        "tables": _tables(one.audit.as_json()) if one.audit else [],
    }  # fmt: skip


def _recipe(one: "LearnedConcept") -> str:
    kept, settings = one.learned[one.kept], one.learned[one.kept].settings
    parts = [
        f"{len(kept.material.images)} images of the concept (mean similarity to their caption "
        f"{float(kept.material.inverted.similarity.mean()):.2f}) in {settings.inversion.steps} steps each",
        f"{settings.rehearsal_images} of each of {len(kept.material.vocabulary.known)} known findings held"
        if settings.rehearsal_images else "no rehearsal",
        "each image against the name with the caption that it was made from alone" if settings.words == "caption"
        else f"each image against {len(kept.material.vocabulary.own)} texts of the concept",
        f"loss {settings.finetune.loss}, {settings.finetune.trains.what} trained",
    ]  # fmt: skip
    if kept.chosen is not None:
        parts.append(
            f"learning rate {kept.chosen.learning_rate:g}, {kept.chosen.step} steps and interpolation "
            f"{kept.chosen.interpolation:g} chosen without labels among {len(kept.candidates)} candidates"
        )
    parts.append(f"seeds {', '.join(str(each.seed) for each in one.learned)}, the difference of seed {kept.seed} kept")
    parts += [str(one.as_published["words"])] if one.as_published else []
    parts.append(f"{one.delta.kind}, {one.delta.size / 1e6:.2f} MB")
    return "; ".join(parts) + "."


def _tables(audit: dict[str, Any]) -> list[tuple[str, str, list[list[str]]]]:
    gain = [["", "before", "after", "change"]]
    gain += [[name, *(_said(row[key]) for key in ("before", "after", "change"))] for name, row in audit["gain"].items()]
    controls = [["", "accuracy by bare name", "margin", "known images renamed"]]
    controls += [[name, *map(_said, row.values())] for name, row in audit["controls"].items()]
    kept = [["finding", "images that keep their name", "95 % interval"]]
    kept += [
        [name, f"{row['kept']} of {row['of']}", f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"]
        for name, row in audit["forgetting"]["by finding"].items()
    ]
    specific = [["the name against", "before", "after", "change"]]
    specific += [
        [name, *(_said(row[key]) for key in ("before", "after", "change"))]
        for name, row in audit["specificity"].items()
    ]
    renamed = _said(audit["forgetting"]["share of known images with another name"])
    return [
        ("What was gained", f"Judged on {audit['judged on']}. Intervals: {audit['intervals']}.", gain),
        ("Whether the words did it", "The same fine-tuning without what should matter.", controls),
        ("What was forgotten", f"Known images that get another name than before: {renamed}.", kept),
        ("How specific the name is", "Cosine with the name less that with what was put in its place.", specific),
    ]


def _said(row: dict[str, Any]) -> str:
    if row["mean"] is None:
        return "-"
    if row["low"] is None:
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"

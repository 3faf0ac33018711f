"""The card of a concept that is asked and was not learned: what is asked, on what its lead was set, and the exam."""

import math
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of
from medkt.asking import way_called
from medkt.asking.studies import doubts_said
from medkt.audit.exam import NORMAL, OTHERS, Marks
from medkt.audit.meaning import area
from medkt.concepts.privacy import plain_text
from medkt.statistics import Interval

if TYPE_CHECKING:
    from medkt.concepts import AskingRecord
    from medkt.learning.text_learning import AskingOutcome, AskSitting

NOT_IN_PATIENTS = (
    "How well the model finds the lesion in patients: for that, run `medkt evaluate` on labelled studies, and `medkt calibrate`\n"
    'before reading "not seen" as an answer.'
)
"""What no card says; commands stand between backticks."""
CARD_END = f"""
## What this does not say

{NOT_IN_PATIENTS}
"""
"""Of every card."""
_CARD = """{{ verdict.line }}
{% for line in meaning %}
{{ line }}
{% endfor %}{% if kept_anyway %}
Kept anyway, against this answer.
{% endif %}
# {{ name }} ({{ domain }})

{{ notice }}

Asked of `{{ model }}` (weights {{ digest[:12] }}, {{ licence }}) with medkt {{ version }}. Nothing was trained: the package holds
directions in the text space of that model, and the lead from which the finding is seen.

## How it is asked

{{ way }}: {{ about }}. {{ why }}.
{% for text in texts %}
- {{ text }}
{%- endfor %}

It is told apart from {{ known | length }} known findings{% if bank %} and from {{ bank | length }} texts of the bank{% endif %}{% if sharpness %}, which weigh together at a scale of {{ sharpness }}{% endif %}.
{%- if normal %}
From a study without any finding it is told apart by a lead of its own, less a handicap of {{ handicap }}; the lesser lead counts:
{% for text in normal %}
- {{ text }}
{%- endfor %}
{% endif %}

## From which lead it is seen

{{ bias }}, set on {% for line in set_on %}{{ line }}{% if not loop.last %}, {% endif %}{% endfor %}.
{% for title, about, rows in tables %}

## {{ title }}

{{ about }}

| asked by | AUC against others | AUC against normals | finding called | others called | normals called |
|---|---|---|---|---|---|
{% for row in rows -%}
| {{ row | join(" | ") }} |
{% endfor %}
{%- endfor %}
{% if not tables %}

No exam was set.
{% endif %}
"""


def as_markdown(one: "AskingOutcome") -> str:
    """The card inside the package: words and numbers."""
    asking = one.asking
    return filled_card(
        _CARD, verdict=one.verdict, meaning=one.meaning, kept_anyway="kept anyway" in one.record, name=one.concept.name,
        domain=one.domain.title, notice=" ".join(filter(None, (NOT_A_MEDICAL_DEVICE, demonstration_of(one.base.name)))),
        model=one.base.name, digest=one.base.digest, licence=one.licence, version=__version__, way=asking.way,
        about=way_called(asking.way).about, why=_sentence(str(asking.chosen["why"])), texts=asking.texts, known=asking.known,
        bank=asking.bank, normal=asking.normal, handicap=f"{asking.handicap:.3f}", sharpness=f"{asking.sharpness:.1f}" if asking.sharpness else "",
        bias=f"{asking.bias:.3f}", set_on=set_on_said(asking), tables=[_table(sat) for sat in one.sat],
    )  # fmt: skip


def filled_card(card: str, /, **facts: Any) -> str:
    """The text of a card, with its end."""
    made = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=plain_text)
    return made.from_string(card + CARD_END).render(facts)


def set_on_said(asking: "AskingRecord") -> list[str]:
    """What the lead was set on, in words, with how many of it are above."""
    names = {
        "known findings, drawn": "drawn pictures of known findings",
        "normals": "normal studies",
        "unlabelled": "studies without labels",
    }
    said = []
    for key, words in names.items():
        found = asking.set_on.get(key)
        if isinstance(found, dict):
            whose = (
                "of the user's"
                if "studies" in found
                else f"drawn with seed {found.get('seed', found.get('drawn with seed'))}"
            )
            count = found.get("named right", found.get("studies", found.get("pictures")))
            said.append(f"{count} {words} ({whose}; {found.get('called seen')} of them are called seen)")
    return said


def doubts_of(asking: "AskingRecord | None") -> list[str]:
    """The doubts about the user's studies that the lead was set on, as notes."""
    said = list[str]()
    for option, key in (("normals", "normals"), ("rehearse", "unlabelled")):
        found = {} if asking is None else asking.set_on.get(key) or {}
        said += doubts_said(option, found.get("doubts", {}), found.get("studies", 0))
    return said


def _table(sat: "AskSitting") -> tuple[str, str, list[list[str]]]:
    counts = ", ".join(f"{sat.after.kinds.count(kind)} {kind}" for kind in dict.fromkeys(sat.after.kinds))
    about = (
        f"Set on {sat.what} ({counts}). AUC: how often a picture of the finding leads by more than one of the others (lesions that are "
        "neither the finding nor known) or of the normals; 0.5 is a guess. Each way is called above a lead of its own, set as that of the "
        "way that is kept. Intervals: 95 %, over pictures."
    )
    rows = [["**as it is asked**", *_cells(sat.after)]]
    rows += [[name, *_cells(marks)] for name, marks in sat.ways.items()]
    rows += [[f"control: {name}", *_cells(marks)] for name, marks in sat.controls.items()]
    return f"The exam, on {sat.what}", about, rows


def _cells(marks: Marks) -> list[str]:
    without = NORMAL if NORMAL in marks.kinds else "without"
    shares = [marks.share("finding"), marks.share(OTHERS), marks.share(without)]
    return [_between(area(marks, OTHERS)), _between(area(marks, without)), *(_share(one) for one in shares)]


def _between(found: Interval) -> str:
    if not math.isfinite(found.estimate):
        return "-"
    ends = f" ({found.low:.2f} to {found.high:.2f})" if math.isfinite(found.low) else ""
    return f"{found.estimate:.2f}{ends}"


def _share(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.0%}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

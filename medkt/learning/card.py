"""The audit for a reader: a plain card inside the package."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of
from medkt.asking import way_called
from medkt.audit.meaning import AGAINST
from medkt.audit.verdict import Verdict
from medkt.learning.text_card import filled_card, set_on_said

if TYPE_CHECKING:
    from medkt.learning.learning import LearningOutcome
    from medkt.transfer.learning import TransferResult

_CARD = """{{ verdict.line }}
{% if verdict.asking %}
{{ verdict.asking }}
{% endif %}{% for line in meaning %}
{{ line }}
{% endfor %}{% if kept_anyway %}
Kept anyway, against this answer.
{% endif %}
# {{ name }} ({{ domain }})

{{ notice }}{% if demonstration %} {{ demonstration }}{% endif %}

Taught to `{{ model }}` (weights {{ digest[:12] }}, {{ licence }}) with medkt {{ version }}, {{ whence }}

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
{% if asking %}
## How it is asked

{{ asking }}
{% endif %}{% for title, about, table in tables %}

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
{% if opinion %}

## Another encoder

{{ opinion }}.
{% endif %}
{% if unexamined %}

## What was not examined
{% for text in unexamined %}
- {{ text }}
{%- endfor %}
{% endif %}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card and the page say of a learned concept, each in words.

    Attributes:
        name, domain: of the concept, and in which modality it was learned.
        model, digest, licence: of the encoder that was taught, and of its weights.
        demonstration: what is to be known of that encoder; "" where there is nothing.
        whence: whether images of patients took part.
        captions, left_out: what it was described by, and what of it the model cannot picture.
        recipe, asking: how it was learned and is asked.
        tables: title, what stands in it, rows with a head first.
        verdict: whether the words carried.
        meaning: what the name means after learning, a line each.
        opinion: of another encoder; "" where none was asked.
        unexamined: what the audit did not look at.
        kept_anyway: whether it was kept against the verdict.
    """

    name: str
    domain: str
    model: str
    digest: str
    licence: str
    demonstration: str
    whence: str
    captions: Sequence[str]
    left_out: Sequence[str]
    recipe: str
    asking: str
    tables: Sequence[tuple[str, str, list[list[str]]]]
    verdict: Verdict
    meaning: Sequence[str]
    opinion: str
    unexamined: Sequence[str]
    kept_anyway: bool


def as_markdown(one: "LearningOutcome") -> str:
    """The card inside the package: words and numbers, no picture."""
    facts = facts_of(one)
    said = {each.name: getattr(facts, each.name) for each in fields(facts)}
    return filled_card(_CARD, notice=NOT_A_MEDICAL_DEVICE, version=__version__, **said)


def facts_of(one: "LearningOutcome") -> CardFacts:
    """What is told of a learned concept."""
    kept, audit = one.learned[one.kept], one.audit
    return CardFacts(
        name=one.concept.name, domain=one.domain.title, model=one.delta.base_name, digest=one.delta.base_digest,
        licence=one.base_licence, demonstration=demonstration_of(one.delta.base_name), whence=_whence(kept),
        captions=kept.material.vocabulary.described, left_out=kept.material.left_out, recipe=_recipe(one), asking=_asking(one),
        tables=_tables(audit.as_json()) if audit else [], verdict=one.verdict, meaning=audit.meaning if audit else (),
        opinion=audit.opinion.sentence if audit and audit.opinion else "", unexamined=audit.unexamined if audit else (),
        kept_anyway="kept anyway" in one.record,
    )  # fmt: skip


def _asking(one: "LearningOutcome") -> str:
    """By which way, and from which lead it is seen."""
    if one.asking is None:
        return "By its name and captions; from which score it is seen was not set anew."
    return (
        f"By {one.asking.way} ({way_called(one.asking.way).about}): {one.asking.chosen['why']}. It is seen from a lead of {one.asking.bias:.3f}, set "
        f"on {', '.join(set_on_said(one.asking))}."
    )


def _recipe(one: "LearningOutcome") -> str:
    kept, settings = one.learned[one.kept], one.learned[one.kept].settings
    parts = [
        *(_of_lesions(kept) if settings.how == "local" else _of_images(kept)),
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


def _whence(kept: "TransferResult") -> str:
    """Whether images of patients took part."""
    given, made = kept.material.studies.record, "all images were made by the model itself from the descriptions"
    if not given:
        drawn = "" if kept.settings.how == "images" else ", or drawn"
        return f"from words alone. No image of a patient was learned from: {made}{drawn}."
    parts = {
        "images": "{} that show the finding",
        "normals": "{} normal ones that lesions were made in",
        "rehearse": "{} without labels that were rehearsed",
    }
    told = [said.format(given[name]) for name, said in parts.items() if name in given]
    source = "from images" if "images" in given else "from words"
    return f"{source}, with studies of the user's: {', '.join(told)}. None of them is in the package."


def _of_images(kept: "TransferResult") -> list[str]:
    """What was learned from, and what was held."""
    settings, made = kept.settings, kept.material.inverted
    near = "" if made is None else f" (mean similarity to their caption {float(made.similarity.mean()):.2f})"
    return [
        f"{len(kept.material.images)} images of the concept{near} in {settings.inversion.steps} steps each",
        f"{settings.rehearsal_images} of each of {len(kept.material.vocabulary.known)} known findings held"
        if settings.rehearsal_images else "no rehearsal",
    ]  # fmt: skip


def _of_lesions(kept: "TransferResult") -> list[str]:
    """The same where lesions were made inside normal studies."""
    material, teach = kept.material, kept.settings.teaching
    given = material.studies.record
    made = material.inverted
    inside = f"{given['normals']} normal studies of the user's" if "normals" in given else "drawn normal studies"
    if made is None:
        picked = f", which stood out of {given['pool']} without labels," if "pool" in given else ""
        changed = f", in {copies} changed copies of each" if (copies := kept.settings.augment.copies) else ""
        taught = f"{len(material.images)} studies of the user's that{picked or ''} show the finding{changed}"
    else:
        taught = (
            f"{len(material.images)} lesions made inside {inside} from the first caption (mean similarity to it "
            f"{float(made.similarity.mean()):.2f}) in {teach.inversion.steps} steps each"
        )
    held = f"{given['rehearse']} studies of the user's" if "rehearse" in given else "drawn studies of known findings"
    count = 0 if material.rehearsal is None else len(material.rehearsal)
    odd = [] if material.strangers is None else [f"{len(material.strangers)} images kept from the name"]
    return [
        taught,
        f"{count} images rehearsed without labels, of {held}, normal studies and lesions of known captions",
        *odd,
    ]


def _tables(audit: dict[str, Any]) -> list[tuple[str, str, list[list[str]]]]:
    tables = []
    for key, title in (("exam", "The exam, on drawn pictures"), ("probe", "The exam, on the user's own studies")):
        if audit[key]:
            about = (
                f"Set on {audit[key]['set on']} ({_counts(audit[key]['pictures'])}). AUC: how often a picture of "
                "the finding leads by more than one of the others (lesions that are neither the finding nor known), of the normals or of the "
                "known findings; 0.5 is a guess. Net share: of those of the finding that are called by the name, less the mean share of "
                f"the others. Intervals: {audit['intervals']}."
            )
            tables.append((title, about, _exam_table(audit[key])))
    if audit["picturing"]:
        rows = [[name, f"{value:.2f}"] for name, value in audit["picturing"].items() if name != "floors"]
        tables.append(
            ("Whether the model can picture the words", "Cosines of inverted images.", [["", "cosine"], *rows])
        )
    kept = [["finding", "images that keep their name", "95 % interval"]]
    kept += [
        [name, f"{row['kept']} of {row['of']}", f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"]
        for name, row in audit["forgetting"]["by finding"].items()
    ]
    inverted, forgetting = audit["inverted images"], audit["forgetting"]
    renamed = _said(forgetting["share of known images with another name"])
    accuracy = inverted["accuracy by bare name"]
    specific = [["", "before", "after", "change"], ["called by the bare name", *_three(accuracy)]]
    specific += [[f"cosine with the name less: {name}", *_three(row)] for name, row in inverted["specificity"].items()]
    return [
        *tables,
        ("What was forgotten", f"Judged on {forgetting['judged on']}. Another name than before: {renamed}.", kept),
        ("The choice's own images, no exam", f"Judged on {inverted['judged on']}.", specific),
    ]


def _exam_table(exam: dict[str, Any]) -> list[list[str]]:
    """Who sat the exam, line by line; what ranks comes first, what cuts after it."""
    others = _ordered(exam["after"]["AUC of the lead"])
    head = [
        "",
        *(f"AUC against {name}" for name in others),
        "net share",
        "finding called",
        *(f"{name} called" for name in others),
    ]
    rows = [("before", exam["before"]), ("learned", exam["after"])]
    rows += [(f"learned, asked by {name}", row) for name, row in _distinct(exam["learned, asked by each way"])[1:]]
    rows += [(f"asked by {name}, not learned", row) for name, row in _distinct(exam["asking without learning"])]
    rows += [(f"control: {name}", row) for name, row in exam["controls"].items()]
    return [head, *([name, *_marks_said(row, others)] for name, row in rows)]


def _distinct(asked: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Ways and their rows, without those whose bank of rivals was empty, so that they ask as the way without it does."""
    plain = {name: name.removesuffix(" with bank") for name in asked}
    return [(name, row) for name, row in asked.items() if plain[name] == name or row != asked.get(plain[name])]


def _ordered(kinds: Iterable[str]) -> list[str]:
    """Others and normals first, as `medkt.audit.meaning` has them."""
    return [*(kind for kind in AGAINST if kind in kinds), *(kind for kind in kinds if kind not in AGAINST)]


def _marks_said(row: dict[str, Any], others: list[str]) -> list[str]:
    called, areas = row["called by the name"], row["AUC of the lead, 95 %"]
    shares = [_share(called[name]) for name in ("finding", *others)]
    return [*(_between(areas[name]) for name in others), _between(row["net share"]), *shares]


def _counts(pictures: dict[str, int]) -> str:
    """How many pictures of each kind, known findings as one."""
    own = {name: count for name, count in pictures.items() if name in ("finding", "others", "normal", "without")}
    known = sum(pictures.values()) - sum(own.values())
    parts = [f"{count} {name}" for name, count in own.items()]
    return ", ".join([*parts, *([f"{known} known findings"] if known else [])])


def _three(row: dict[str, Any]) -> list[str]:
    return [_said(row[key]) for key in ("before", "after", "change")]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _between(found: dict[str, Any]) -> str:
    if found["estimate"] is None:
        return "-"
    if found["low"] is None:
        return f"{found['estimate']:.2f}"
    return f"{found['estimate']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _said(row: dict[str, Any]) -> str:
    if row["mean"] is None:
        return "-"
    if row["low"] is None:
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"

"""An examination in words: its table, and what is to be known where a text says what the encoder does not tell apart."""

from collections.abc import Iterable, Mapping

from medkt.concepts.lexicon import attributes_in
from medkt.examine.examination import CHANCE, Examination, Lesions

SAID: Mapping[str, str] = {
    "brightness": "brightness, light or dark",
    "shape": "shape",
    "margin": "margin",
    "texture": "texture",
    "size": "size",
    "number": "one, a few or many",
    "side": "left or right",
    "position": "place: upper or lower, deep or superficial",
    "negation": '"no ..." before what is there, or left out',
    "order": "two lesions, their places exchanged",
    "binding": "two lesions, their shapes exchanged",
    "chimera": "one of two lesions with the other's shape",
    "modality": "another modality",
}
"""What is exchanged in each row."""
_TOLD: Mapping[str, str] = {
    "brightness": "light from dark",
    "shape": "one shape from another",
    "margin": "one margin from another",
    "texture": "one texture from another",
    "size": "small from large",
    "number": "one from many",
    "side": "left from right",
    "position": "one place from another",
    "modality": "one modality from another",
}
_LISTED = 4  # the weakest, in one line


def table_of(examination: Examination) -> list[list[str]]:
    """The rows as text, a head first: what is exchanged, the share with its interval, the number, each domain."""
    head = ["what is exchanged", "right", "n", *examination.domains]
    rows = [
        [
            SAID.get(name, name), str(row.right), str(row.right.number),
            *(_in_domain(row.domains.get(domain)) for domain in examination.domains),
        ]
        for name, row in examination.rows.items()
    ]  # fmt: skip
    return [head, *rows]


def lesions_table(lesions: Lesions, domains: Iterable[str]) -> list[list[str]]:
    """The two ways of judging a map as text, a head first."""
    domains = tuple(domains)
    by_domain = [_in_domain(lesions.by_mean_of_domains.get(domain)) for domain in domains]
    number = str(lesions.by_mean.number)
    return [
        ["where the map lies", "right", "n", *domains],
        ["higher in the lesion that was described than in the other", str(lesions.by_mean), number, *by_domain],
        ["largest value on it", str(lesions.by_maximum), number, *["" for _ in domains]],
    ]


def in_a_line(examination: Examination) -> str:
    """Which rows are told apart and which are not, in words."""
    told = [name for name, row in examination.rows.items() if row.right.is_told]
    not_so = [name for name in examination.rows if name not in told]
    parts = [f"{word}: {', '.join(names)}" for word, names in (("told apart", told), ("not shown", not_so)) if names]
    return "; ".join(parts)


def as_markdown(table: list[list[str]]) -> str:
    """A table in Markdown."""
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def not_told(examination: Examination | None, texts: Iterable[str]) -> str:
    """One line of the attributes that the texts use and the encoder does not tell apart; "" where there are none.

    Negation is not among them: what denies is noted anyhow, see `negation_told`. A model that was never examined has nothing to say, and neither has one of a row that it was not asked.
    """
    if examination is None:
        return ""
    used = {name for text in texts for name in attributes_in(text)}
    weak = {
        name: row.right
        for name, row in examination.rows.items()
        if name in used and name in _TOLD and not row.right.is_told
    }
    if not weak:
        return ""
    listed = sorted(weak, key=lambda name: weak[name].low)[:_LISTED]
    shown = ", ".join(f"{_TOLD[name]}: {weak[name]}" for name in weak if name in listed)
    more = f" and {len(weak) - _LISTED} attributes more" if len(weak) > _LISTED else ""
    return f"{examination.encoder} does not surely tell {shown}{more}; of drawn pairs, guessing gets {CHANCE:.2f}"


def negation_told(examination: Examination | None) -> str:
    """How well the encoder tells what is there from what is denied, to stand behind a note; "" where that was not asked."""
    row = None if examination is None else examination.rows.get("negation")
    if examination is None or row is None:
        return ""
    return (
        f" (of drawn pairs {examination.encoder} tells {row.right} with and without 'no', guessing gets {CHANCE:.2f})"
    )


def _in_domain(found: tuple[float, int] | None) -> str:
    return "" if found is None else f"{found[0]:.2f} (n={found[1]})"

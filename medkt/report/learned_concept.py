"""The page beside a package: what its card says, with pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from medkt.about import __version__
from medkt.audit.verdict import CarriedAnswer
from medkt.learning.card import CardFacts, facts_of
from medkt.learning.learning import LearningOutcome
from medkt.learning.text_card import NOT_IN_PATIENTS
from medkt.report.render import render_page
from medkt.report.sections import (
    AnswerLine,
    Figure,
    HtmlPage,
    Notes,
    PagePart,
    Section,
    Table,
    Text,
    TextSpan,
    picture_address,
    with_code,
)

_OUTCOMES: Mapping[CarriedAnswer, Literal["yes", "no", "open"]] = {"yes": "yes", "no": "no", "not shown": "open"}


def render_learned_concept(one: LearningOutcome, pictures: Sequence[tuple[str, str, bytes]]) -> str:
    """The page.

    Args:
        one: what was learned.
        pictures: (title, what it shows, PNG).
    """
    said = facts_of(one)
    taught = (
        "Taught to ", TextSpan(text=said.model, look="code"), " (weights ", TextSpan(text=said.digest[:12], look="code"),
        f", {said.licence}) with medkt {__version__}, {said.whence}",
    )  # fmt: skip
    return render_page(
        HtmlPage(
            title=said.name, heading=(f"{said.name} ", TextSpan(text=f"({said.domain})", look="quiet")),
            first=tuple(_answer(said)), lead=(Text(text=taught),), demonstration=said.demonstration,
            sections=[*_learned(said), *_seen(pictures), *_left_open(said)],
        )
    )  # fmt: skip


def _answer(said: CardFacts) -> Iterator[PagePart]:
    """What is to be read before the name: whether the words carried."""
    yield AnswerLine(text=said.verdict.line, outcome=_OUTCOMES[said.verdict.answer])
    yield from (Text(text=line) for line in (said.verdict.asking, *said.meaning) if line)
    if said.kept_anyway:
        yield Text(text=(TextSpan(text="Kept anyway, against this answer.", look="strong"),))


def _learned(said: CardFacts) -> Iterator[Section]:
    left_out = (Text(text="The model cannot picture these, and they were left out:"), _listed(said.left_out))
    words = (_listed(said.captions), *(left_out if said.left_out else ()))
    yield Section(key="words", title="The words", parts=words)
    yield Section(key="recipe", title="How it was learned", parts=(Text(text=said.recipe),))
    yield Section(key="asked", title="How it is asked", parts=(Text(text=said.asking),))
    for place, (title, about, (head, *rows)) in enumerate(said.tables):
        table = Table(caption=title, head=head, rows=rows, captioned=False)
        yield Section(key=f"table-{place}", title=title, parts=(Text(text=about), table))
    if not said.tables:
        yield Section(key="audit", title="The audit", parts=(Text(text="No audit was made."),))


def _seen(pictures: Sequence[tuple[str, str, bytes]]) -> Iterator[Section]:
    for place, (title, about, png) in enumerate(pictures):
        shown = Figure(image=picture_address(png), alt=title)
        yield Section(key=f"picture-{place}", title=title, parts=(Text(text=about, style="quiet"), shown))


def _left_open(said: CardFacts) -> Iterator[Section]:
    """What another encoder says, and what nobody looked at."""
    if said.opinion:
        yield Section(key="opinion", title="Another encoder", parts=(Text(text=f"{said.opinion}."),))
    if said.unexamined:
        yield Section(key="unexamined", title="What was not examined", parts=(_listed(said.unexamined),))
    yield Section(key="unsaid", title="What this does not say", parts=(Text(text=with_code(NOT_IN_PATIENTS)),))


def _listed(lines: Sequence[str]) -> Notes:
    return Notes(lines=tuple(lines))

"""The page beside a package: what its card says, with pictures."""

import base64
from collections.abc import Sequence

from medkt.learning.card import facts_of
from medkt.learning.learning import LearningOutcome
from medkt.report.render import render


def render_learned_concept(one: LearningOutcome, pictures: Sequence[tuple[str, str, bytes]]) -> str:
    """The page.

    Args:
        one: what was learned.
        pictures: (title, what it shows, PNG).
    """
    coded = [(title, about, base64.b64encode(png).decode()) for title, about, png in pictures]
    return render("learned_concept.html.j2", {**facts_of(one), "pictures": coded})

"""What can be answered to "is it there": seen, not seen, no claim; who may answer, and who may hold an answer back. How an answer is found is not known here.

The states are plain words: a page reads them without loading what a guard or a rule computes with.
"""

from typing import TYPE_CHECKING

from medkt.lazy import names_of
from medkt.presence.state import NO_CLAIM, NoNormals, NormalsCode, Presence, Reason, State, withheld

_WHERE = {
    **dict.fromkeys(
        ("AnswerGuard", "Guard", "PlaneGuard", "Sight", "Tap", "TappingGuard", "token_numbers"), "medkt.presence.guard"
    ),
    **dict.fromkeys(("NullDistribution", "PlaneScores", "PresenceRule"), "medkt.presence.rule"),
}

__all__ = [
    "NO_CLAIM",
    "AnswerGuard",
    "Guard",
    "NoNormals",
    "NormalsCode",
    "NullDistribution",
    "PlaneGuard",
    "PlaneScores",
    "Presence",
    "PresenceRule",
    "Reason",
    "Sight",
    "State",
    "Tap",
    "TappingGuard",
    "token_numbers",
    "withheld",
]

if TYPE_CHECKING:
    from medkt.presence.guard import AnswerGuard as AnswerGuard
    from medkt.presence.guard import Guard as Guard
    from medkt.presence.guard import PlaneGuard as PlaneGuard
    from medkt.presence.guard import Sight as Sight
    from medkt.presence.guard import Tap as Tap
    from medkt.presence.guard import TappingGuard as TappingGuard
    from medkt.presence.guard import token_numbers as token_numbers
    from medkt.presence.rule import NullDistribution as NullDistribution
    from medkt.presence.rule import PlaneScores as PlaneScores
    from medkt.presence.rule import PresenceRule as PresenceRule


__getattr__ = names_of("medkt.presence", _WHERE, globals())

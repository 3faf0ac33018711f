"""What can be answered to "is it there": seen, not seen, no claim; who may answer, and who may hold an answer back."""

from medkt.presence.guard import AnswerGuard, Guard, PlaneGuard, Sight, Tap, TappingGuard, token_numbers
from medkt.presence.rule import Null, PlaneScores, PresenceRule
from medkt.presence.state import NO_CLAIM, Presence, Reason, State, withheld

__all__ = [
    "NO_CLAIM",
    "AnswerGuard",
    "Guard",
    "Null",
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

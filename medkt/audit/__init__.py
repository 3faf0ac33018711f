"""What a model gained, what it forgot, and whether the words did it: made with every learned concept."""

from medkt.audit.audit import Audit, audit
from medkt.audit.controls import CONTROLS, Control
from medkt.audit.learning import LearnedConcept, learn
from medkt.audit.questions import Answers, Questions

__all__ = ["CONTROLS", "Answers", "Audit", "Control", "LearnedConcept", "Questions", "audit", "learn"]

"""Whether a learning carried the words, what the model forgot, and what asking without learning gives. What is judged is made in `medkt.learning`."""

from medkt.asking import WAYS, AskingWords, Way
from medkt.audit.audit import Audit, audit
from medkt.audit.controls import CONTROLS, Control
from medkt.audit.probe import Probe, read_probe
from medkt.audit.questions import Answers, Questions
from medkt.audit.verdict import Verdict

__all__ = [
    "CONTROLS",
    "WAYS",
    "Answers",
    "AskingWords",
    "Audit",
    "Control",
    "Probe",
    "Questions",
    "Verdict",
    "Way",
    "audit",
    "read_probe",
]  # fmt: skip

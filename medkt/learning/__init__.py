"""A concept learned, or asked well without learning, from its words to its `.medkt` file; how weights change is `transfer`, how it is judged `audit`."""

from medkt.learning.ask import AskingOutcome, ask_well
from medkt.learning.learning import LearningOutcome, learn

__all__ = ["AskingOutcome", "LearningOutcome", "ask_well", "learn"]

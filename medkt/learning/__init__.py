"""A concept learned, or asked well without learning, from its words to its `.medkt` file; how weights change is `transfer`, how it is judged `audit`."""

from medkt.learning.learning import LearningOutcome, learn
from medkt.learning.text_learning import AskingOutcome, ask_well

__all__ = ["AskingOutcome", "LearningOutcome", "ask_well", "learn"]

"""A concept learned, or asked well without learning, from its words to its `.medkt` file; how weights change is `transfer`, how it is judged `audit`."""

from medkt.learning.ask import AskedConcept, ask_well
from medkt.learning.learning import LearnedConcept, learn

__all__ = ["AskedConcept", "LearnedConcept", "ask_well", "learn"]

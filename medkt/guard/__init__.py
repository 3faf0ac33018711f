"""Whether a study is of the modality that it is taken for, and whether the words that are asked are understood. What is answered then is `medkt.presence`'s to say.

What decides lives here, and nothing of what an answer is (`medkt.presence`) or where it is asked (`medkt.pipeline`).
"""

from medkt.guard.default import default_guard
from medkt.guard.modality import ModalityGuard

__all__ = ["ModalityGuard", "default_guard"]

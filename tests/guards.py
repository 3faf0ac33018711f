"""A guard that says what a test wants of it, and remembers nothing but how often it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medkt.concepts import Concept
from medkt.presence import Reason, Sight

STRANGE = Reason(code="unlike-modality", sentence="this does not look like a chest radiograph")
HALF = Reason(code="negation", sentence='its words say "no", which the model does not understand')


@dataclass
class SaysSo:
    """Holds back every study, for `image`, and every concept that `words` names."""

    image: tuple[Reason, ...] = ()
    words: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    seen: list[tuple[int, ...]] = field(default_factory=list)
    facts: str = "a guard of the tests"

    def of_image(self, sight: Sight) -> tuple[Reason, ...]:
        shown = [sight.show(index).shape for index in sight.indices]
        assert len(sight.features) == len(sight.indices) == len(shown)
        self.seen.append(tuple(sight.features.shape))
        return self.image

    def of_words(self, concept: Concept, prompts: Sequence[str], sight: Sight) -> tuple[Reason, ...]:
        assert prompts
        return self.words.get(concept.id, ())

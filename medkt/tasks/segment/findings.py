"""The findings that a run looks for, by what the options and the rows of its manifest call them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medkt.concepts import Concept, load_concept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFindings:
    """The findings that a run looks for.

    Attributes:
        concepts: by id; those that rows of the manifest name are added as they are met.
        own: ids of those that the options ask of every case.
        learnt: the concepts of the packages, by id.
        packages: the `.medkt` files, and the SHA-256 of each one's manifest.
    """

    concepts: dict[str, Concept]
    own: tuple[str, ...]
    learnt: Mapping[str, Concept]
    packages: Mapping[Path, str]

    def identify(self, name: str) -> str:
        """The id of what a row calls a concept; a learnt concept of that id or name comes first.

        Raises:
            UnknownNameError: there is none of this name.
        """
        concept = next((one for one in self.learnt.values() if one.is_called(name)), None) or load_concept(name)
        self.concepts[concept.id] = concept
        return concept.id

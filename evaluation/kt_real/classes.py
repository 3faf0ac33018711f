"""Which real classes are asked for, by what words, among which others, and how the small model met them.

The small model was trained on every real class of the open sets that `small_model.real_images` names, so hardly any is unseen:

- "new": no image of it, none of its organ and no text about it was ever met (liver lesion).
- "new name": other images of it were met, called something broader (pituitary adenoma: four slices as "brain tumour").
- "new word": its images and its usual name were met; an old word for it, never met, is asked for (scirrhus for breast
  carcinoma, phthisis for tuberculosis). This asks whether a description ties a word to what the model sees already.
- "met": by image and name. For other encoders these are the plain question.

Not taken: haemorrhage (head CT among chest CT is told apart by the skull alone), hippocampus and lung tumour (nothing of their kind
to tell them apart from), multiple sclerosis (one patient, no image to learn from, and the outline holds new lesions only).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies import Study, concepts_of_manifest

from medkt.concepts import Concept, load_concept
from medkt.concepts.captions import read_concepts
from medkt.domains import Domain, domain
from medkt.errors import InputError

HERE = Path(__file__).resolve().parent
NORMAL = ("us_normal", "cxr_normal")
FEWEST = 20
"""Test studies of a class, and of the others, below which there is no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One class of the open sets that is asked for.

    Attributes:
        concept: id of a concept of the catalogue or of a YAML file beside this one.
        labels: of the studies that show it.
        among: labels of the studies that do not.
        met: how the small model met it, see above.
    """

    concept: str
    labels: tuple[str, ...]
    among: tuple[str, ...]
    met: str


CHOSEN = (
    Chosen(concept="us_carcinoma", labels=("us_malignant",), among=("us_benign", "us_normal"), met="met"),
    Chosen(concept="real_scirrhus", labels=("us_malignant",), among=("us_benign", "us_normal"), met="new word"),
    Chosen(concept="real_benign_lesion", labels=("us_benign",), among=("us_malignant", "us_normal"), met="met"),
    Chosen(concept="cxr_tuberculosis", labels=("cxr_tuberculosis",), among=("cxr_normal",), met="met"),
    Chosen(concept="real_phthisis", labels=("cxr_tuberculosis",), among=("cxr_normal",), met="new word"),
    Chosen(concept="real_liver_lesion", labels=("us_liver",), among=("us_benign", "us_malignant", "us_normal"), met="new"),
    Chosen(concept="mri_pituitary_adenoma", labels=("mri_pituitary",), among=("mri_glioma", "mri_meningioma"), met="new name"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One class among others.

    Attributes:
        concept, domain: what is asked for.
        known: findings that it is told apart from, by name.
        met: how the small model met it; "" where that is not known.
        asked: studies that are asked about, those of the class first.
        mine: how many those are.
        given: studies of the class that may be learned from.
        others: studies of the same modality that may be rehearsed by, whatever they show but the class.
        normal: labels of studies without a finding.
    """

    concept: Concept
    domain: Domain
    known: tuple[Concept, ...]
    met: str
    asked: tuple[Study, ...]
    mine: int
    given: tuple[Study, ...]
    others: tuple[Study, ...]
    normal: tuple[str, ...]

    @property
    def decides(self) -> bool:
        """Whether there are enough studies for a verdict."""
        return min(self.mine, len(self.asked) - self.mine) >= FEWEST


def tasks_of(
    data: Path, studies: Sequence[Study], only: Sequence[str] = (), most: int | None = None
) -> tuple[Task, ...]:
    """Every class, or those that are named.

    Args:
        data: the folder of open sets, or a manifest.
        studies: from `read_studies`.
        only: ids of concepts; () for all.
        most: studies of each label that are asked about, the first ones; None for all.

    Raises:
        InputError: a concept that is not there, or a class with nothing to tell it apart from.
    """
    made = {task.concept.id: task for task in _every(data, studies, most)}
    if unknown := [name for name in only if name not in made]:
        raise InputError(f"no class {', '.join(unknown)} in {data}; there are {', '.join(made)}")
    return tuple(task for name, task in made.items() if not only or name in only)


def _every(data: Path, studies: Sequence[Study], most: int | None) -> Iterator[Task]:
    if data.is_dir():
        for chosen in CHOSEN:
            yield _task(_concept(chosen.concept), chosen.labels, chosen.among, studies, most, NORMAL, met=chosen.met)
        return
    found = concepts_of_manifest(data)
    normal = tuple(sorted({one.label for one in studies} - set(found)))
    for label, concept in found.items():
        modality = next(one.modality for one in studies if one.label == label)
        others = {one.label for one in studies if one.label != label and one.modality == modality}
        yield _task(concept, (label,), tuple(sorted(others)), studies, most, normal)


def _task(
    concept: Concept,
    labels: Sequence[str],
    among: Sequence[str],
    studies: Sequence[Study],
    most: int | None,
    normal: tuple[str, ...],
    met: str = "",
) -> Task:
    asked = [one for one in studies if one.role == "ask"]
    mine = [one for label in labels for one in _first(asked, label, most)]
    rest = [one for label in among for one in _first(asked, label, most)]
    if not mine or not rest:
        raise InputError(
            f"{concept.id}: {len(mine)} studies of it and {len(rest)} others to ask about; at least one of each is needed"
        )
    taught, kind = [one for one in studies if one.role == "teach"], domain(concept.modality)
    return Task(
        concept=concept, domain=kind, known=kind.others(concept), met=met, asked=(*mine, *rest), mine=len(mine),
        given=tuple(one for one in taught if one.label in labels), others=tuple(one for one in taught if one.label in among), normal=normal,
    )  # fmt: skip


def _first(studies: Sequence[Study], label: str, most: int | None) -> list[Study]:
    return [one for one in studies if one.label == label][:most]


def _concept(name: str) -> Concept:
    own = [one for path in sorted(HERE.glob("*.yaml")) for one in read_concepts(path) if one.id == name]
    return own[0] if own else load_concept(name)

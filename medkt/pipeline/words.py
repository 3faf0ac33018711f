"""From names, texts, files and packages to the concepts that are asked of a study, and what to warn of."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from medkt.concepts import Concept, concept_from_text, load_concept, read_package
from medkt.domains import Domain, detect_domain, domain, domains
from medkt.errors import AmbiguousInputError, SettingsError, UnknownNameError
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import View
from medkt.saliency.targets import ConceptTexts
from medkt.spatial import Image
from medkt.transfer.packages import Taught, is_package


def concept_or_name(one: Concept | str | Path, modality: str | None = None) -> Concept | str | Path:
    """The concept of that name; the name itself where it depends on the modality and that is not known yet.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: a file with several concepts, or a name that one modality uses twice.
    """
    try:
        return concept_in(one, modality or "")
    except AmbiguousInputError:
        if modality or _is_file(one):
            raise
        return one


def concept_in(one: Concept | str | Path, modality: str = "") -> Concept:
    """The concept of that name; where several modalities have one of this name or synonym, that of this modality.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: several have it and the modality decides for none; lists them.
        SettingsError: a `.medkt` file, whose concepts are more than words.
    """
    if isinstance(one, Concept):
        return one
    if is_package(one):
        raise SettingsError(
            f"{one}: a learnt concept goes with its model; `medkt segment`, `explain`, `classify` and `calibrate` take it"
        )
    if _is_file(one):
        return load_concept(one)
    meanings = dict(_meanings(one))
    if modality in meanings:
        return meanings[modality]
    ids = tuple(dict.fromkeys(concept.id for concept in meanings.values()))
    if len(ids) > 1:
        raise AmbiguousInputError(
            f"{str(one)!r} means {len(ids)} concepts ({', '.join(ids)}); name one by its id, or say --modality"
        )
    return load_concept(ids[0] if ids else one)  # an unknown name is an error here, with the names nearest to it


def _meanings(name: str | Path) -> Iterator[tuple[str, Concept]]:
    for modality in domains():
        with suppress(UnknownNameError):
            yield modality, load_concept(name, modality=modality)


def _is_file(one: Concept | str | Path) -> bool:
    return not isinstance(one, Concept) and Path(one).suffix in (".yaml", ".yml")


def domain_of(image: Image, view: View, concepts: Iterable[Concept | str | Path]) -> Domain:
    if view.modality:
        return domain(view.modality)
    if not image.modality:
        for one in concepts:
            concept_in(one, "")  # where this too is ambiguous, its list says more than that the modality is missing
    return detect_domain(image)


def texts_of(kind: Domain, concept: Concept) -> ConceptTexts:
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    return ConceptTexts(id=concept.id, prompts=kind.prompts(concept), normal=normal, confusable=others)


def wanted_in(
    concepts: Iterable[str | Path | Concept],
    prompts: Iterable[str] = (),
    *,
    taught: Taught | None = None,
    modality: str | None = None,
) -> tuple[Concept | str | Path, ...]:
    """What a user asks for, each once: packages as their concepts, texts as concepts of their own.

    A name stays a name where its meaning depends on what the study is.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: a file with several concepts, or a name that one modality uses twice.
        UnreadableError, UnsupportedError, ...: a package is not sound.
    """
    found: list[Concept | str | Path] = []
    for one in concepts:
        learnt = taught.named(one) if taught is not None and isinstance(one, str) else None
        if is_package(one):
            found += read_package(one).concepts
        else:
            found.append(learnt or concept_or_name(one, modality))
    found += [concept_from_text(text) for text in prompts]
    return tuple({one.id if isinstance(one, Concept) else str(one): one for one in found}.values())


def is_learnt(taught: Taught, one: Concept | str | Path) -> bool:
    return isinstance(one, str) and taught.named(one) is not None


def asked_of(taught: Taught, concepts: Iterable[Concept | str | Path], kind: Domain) -> tuple[Concept, ...]:
    """What is asked for, each id once; a name that was learnt means the learnt concept.

    Raises:
        SettingsError: a concept with the id of a learnt one and other words.
        UnknownNameError, AmbiguousInputError: as `concept_in`.
    """
    found: dict[str, Concept] = {}
    for one in concepts:
        learnt = taught.named(one) if isinstance(one, str) else None
        concept = learnt or concept_in(one, kind.name)
        taught.require_same_words(concept)
        found[concept.id] = concept
    return tuple(found.values())


def misplaced(concepts: Iterable[Concept], kind: Domain) -> list[str]:
    return [
        f"{concept.name} is described for {concept.modality}, the study is taken as {kind.name}"
        for concept in concepts
        if concept.modality not in ("", kind.name)
    ]


def contradicted(concepts: Iterable[Concept], image: Image, kind: Domain) -> list[str]:
    """Where the words ask of another side, view or part of the body than the file says that it shows."""
    stated, notes = image.stated, []
    if stated.view == "lateral" and kind.name == "cxr":
        notes.append("the file says a lateral view (ViewPosition): words and model are for frontal films")
    for concept in concepts:
        name = concept.name[:60]
        body = concept.body or kind.default_body
        if stated.body and stated.body != body and concept.modality in ("", kind.name):
            notes.append(
                f"{name}: is compared with captions of the {body}, the file says that it shows the {stated.body}"
            )
        asked = {side for side in ("left", "right") if side in _words_of(concept)}
        if stated.side and asked and stated.side not in asked:
            notes.append(f"{name}: asks for the {asked.pop()} side, the file says that it shows the {stated.side}")
    return notes


def _words_of(concept: Concept) -> set[str]:
    texts = (concept.name, *concept.texts("prompt"))
    return {word for one in texts for word in re.findall(r"[a-z]+", one.lower())}


def too_long(encoder: DualEncoder, concepts: Iterable[Concept], kind: Domain) -> list[str]:
    """Which concepts have prompts whose ends the encoder does not read."""
    cut = {concept.name: sum(encoder.tokenize(kind.prompts(concept)).truncated) for concept in concepts}
    length, model = encoder.spec.text_length, encoder.spec.name
    return [
        f"{name[:60]}: {number} of its prompts are longer than the {length} tokens that {model} reads, their ends are cut off"
        for name, number in cut.items()
        if number
    ]

"""From names, texts, files and packages to the concepts that are asked of a study, and what to warn of."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from medkt.concepts import Concept, concept_from_text, load_concept, read_package
from medkt.concepts.concept import Role
from medkt.concepts.meaning import CODES, RefusalCode, check_text
from medkt.concepts.phrases import phrases_of
from medkt.domains import Domain, detect_domain, domain, domains
from medkt.errors import AmbiguousInputError, InputError, SettingsError, UnknownNameError
from medkt.examine.examination import Examination
from medkt.examine.store import find_examination
from medkt.examine.told import negation_told, not_told
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import View
from medkt.saliency.targets import ConceptQuery, ConceptTexts
from medkt.segmentation.slicewise import Texts
from medkt.spatial import Image
from medkt.transfer.packages import AdaptedEncoder, is_package

log = logging.getLogger(__name__)

ASKED: tuple[Role, ...] = ("prompt", "contrast")
"""The captions that a study is compared with; those of the other roles are what is learnt and inverted."""
_QUOTED = 60
"""Letters of a text that a note quotes."""


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


def texts_of(kind: Domain, concept: Concept, which: Texts = "all", asked: ConceptQuery | None = None) -> ConceptTexts:
    """What a study is compared with for a concept; `which` of its prompts is `SegmentationSettings.texts`.

    `asked` are the directions of a learned concept (`AdaptedEncoder.asked`); who asks for the first prompt alone asks as published,
    without them.
    """
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    if which == "first":
        return ConceptTexts(id=concept.id, prompts=kind.prompts(concept)[:1], normal=normal, confusable=others)
    prompts = kind.prompts(concept) if asked is None else asked.texts
    return ConceptTexts(id=concept.id, prompts=prompts, normal=normal, confusable=others, asked=asked)


def wanted_in(
    concepts: Iterable[str | Path | Concept],
    prompts: Iterable[str] = (),
    *,
    taught: AdaptedEncoder | None = None,
    modality: str | None = None,
) -> tuple[Concept | str | Path, ...]:
    """What a user asks for, each once: packages as their concepts, texts as concepts of their own.

    A name stays a name where its meaning depends on what the study is.

    Raises:
        UnknownNameError: nothing has this name.
        AmbiguousInputError: a file with several concepts, or a name that one modality uses twice.
        UnreadableError, UnsupportedError, ...: a package is not sound.
        InputError: a text holds nothing like an English word.
    """
    found: list[Concept | str | Path] = []
    for one in concepts:
        learnt = taught.named(one) if taught is not None and isinstance(one, str) else None
        if is_package(one):
            found += read_package(one).concepts
        else:
            found.append(learnt or concept_or_name(one, modality))
    found += [concept_from_text(text) for text in prompts]
    require_words(found)
    return tuple({one.id if isinstance(one, Concept) else str(one): one for one in found}.values())


def is_learnt(taught: AdaptedEncoder, one: Concept | str | Path) -> bool:
    return isinstance(one, str) and taught.named(one) is not None


def asked_of(taught: AdaptedEncoder, concepts: Iterable[Concept | str | Path], kind: Domain) -> tuple[Concept, ...]:
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


def called_alike(concepts: Iterable[Concept]) -> list[str]:
    """Of findings that have one name, which their lines, titles and segments show alone."""
    by_name: dict[str, list[str]] = {}
    for concept in concepts:
        by_name.setdefault(concept.name.casefold(), []).append(concept.id)
    return [
        f"{' and '.join(ids)} are called {name[:60]!r} alike; tell them apart by their ids, which name their files"
        for name, ids in by_name.items()
        if len(ids) > 1
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


def require_words(
    concepts: Iterable[Concept | str | Path], encoder: DualEncoder | None = None, *, roles: Iterable[Role] = ASKED
) -> None:
    """That every text which is asked of a model means something to it; names of known findings do.

    Args:
        concepts: what is asked for; a name stands for a shipped concept.
        encoder: whose tokenizer is asked; None asks only what needs none.
        roles: which captions are used.

    Raises:
        InputError: the first text that means nothing, and what to do.
    """
    for concept in concepts:
        if not isinstance(concept, Concept):
            continue
        texts = [(text, encoder) for role in roles for text in concept.texts(role)]
        # templates hold the name; a model may have to learn what it means, but a word it has to be
        texts += [] if concept.is_free_text else [(concept.name, None)]
        for text, asked in texts:
            if refusal := check_text(asked, text).refusal:
                raise InputError(refusal if concept.is_free_text else f"{concept.id}: {refusal}")


def word_notes(
    encoder: DualEncoder,
    concept: Concept,
    kind: Domain,
    examination: Examination | None = None,
    *,
    by_phrases: bool = False,
) -> Mapping[RefusalCode, str]:
    """What a reader has to know of the words that are asked for a concept: a sentence for each code.

    Args:
        encoder: that is asked.
        concept: what is asked for.
        kind: what the study is.
        examination: of that encoder; without one nothing is said of what it does not tell apart.
        by_phrases: how it is asked; a denial or a second finding that makes a phrase of its own is no note then.
    """
    prompts = kind.prompts(concept)
    verdicts = [check_text(encoder, text, modality=kind.name) for text in (*prompts, *concept.texts("contrast"))]
    notes = {
        code: note
        for verdict in reversed(verdicts)
        for code, note in verdict.notes.items()
        if not (by_phrases and code in _read_by_phrases(verdict.text))
    }
    if said := cut_off_told(encoder, prompts):
        notes["cut_off"] = said
    if "negation" in notes:
        notes["negation"] += negation_told(examination)
    if said := not_told(examination, texts_said(concept)):
        notes["not_told_apart"] = said
    return {code: notes[code] for code in CODES if code in notes}


def cut_off_told(encoder: DualEncoder, texts: Sequence[str]) -> str:
    """Which texts are longer than an encoder reads, and how much of them it does; "" where it reads all to their ends.

    The first is quoted, the others are counted: they are one description in several templates.
    """
    cut = [text for text, lost in zip(texts, encoder.tokenize(list(texts)).truncated, strict=True) if lost]
    if not cut:
        return ""
    shown = cut[0] if len(cut[0]) <= _QUOTED else f"{cut[0][: _QUOTED - 3]}..."
    several = f" and {len(cut) - 1} more are" if len(cut) > 1 else " is"
    end = "their ends are" if len(cut) > 1 else "its end is"
    length, model = encoder.spec.text_length, encoder.spec.name
    return f"{shown!r}{several} longer than the {length} tokens that {model} reads, {end} cut off"


def texts_said(concept: Concept, roles: Iterable[Role] = ("prompt",)) -> tuple[str, ...]:
    """The name and the captions by which a concept is asked for or learnt; no template and no contrast."""
    return (concept.name, *(text for role in roles for text in concept.texts(role)))


def examination_of(encoder: DualEncoder) -> tuple[Examination | None, tuple[str, ...]]:
    """The examination of an encoder's weights, and what to know where it is there and cannot be read."""
    try:
        return find_examination(encoder.spec.digest), ()
    except InputError as error:  # it only warns, and a study shall not fail for it
        log.warning("%s", error)
        return None, (
            f"the examination of {encoder.spec.name} cannot be read, so nothing is said of what it does not tell apart; run "
            "`medkt models examine` again with --overwrite",
        )


def _read_by_phrases(text: str) -> set[RefusalCode]:
    phrases = phrases_of(text)
    read: set[RefusalCode] = {"negation"} if any(one.denied for one in phrases) else set()
    return read | {"several_findings"} if len(phrases) > 1 else read


def sentences_of(concept: Concept, notes: Mapping[RefusalCode, str]) -> list[str]:
    """Notes as warnings, each with the name that it is about."""
    return [f"{concept.name[:60]}: {note}" for note in notes.values()]

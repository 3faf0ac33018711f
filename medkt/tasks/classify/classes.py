"""The classes of a run that classifies: what each is called, and the words that stand for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medkt.concepts import Concept, load_concept
from medkt.datasets.case import Case
from medkt.datasets.manifest import MissingFiles, iterate_files, iterate_manifest
from medkt.datasets.protocol import Protocol
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.io.sha256 import sha256_of
from medkt.runs.work import Shard
from medkt.tasks.cases import KNOWN_COLUMNS, CasePlan
from medkt.tasks.protocols import digest_of_cases, require_columns

TRUE_CLASS = "class_name"  # the column of the manifest, and of the result table
LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWords:
    """One class.

    Attributes:
        name: what the data set, or the manifest, calls it.
        concept: whose prompts stand for it.
    """

    name: str
    concept: Concept

    def is_meant_by(self, concept: Concept) -> bool:
        """Whether a concept is this class: its id or, in any case, one of its names."""
        own = {self.name.casefold(), *(name.casefold() for name in self.concept.names)}
        return concept.id == self.concept.id or any(name.casefold() in own for name in concept.names)


def classes_of_protocol(protocol: Protocol, given: Iterable[Concept] = ()) -> tuple[ClassWords, ...]:
    """The classes of a data set, each with the words of the protocol or, where one is given for it, of another concept.

    Raises:
        SettingsError: a given concept is none of the classes, or two are one class; names the classes.
    """
    classes = [ClassWords(name=name, concept=load_concept(concept)) for name, concept in protocol.classes.items()]
    return replaced(classes, given)


def replaced(classes: Sequence[ClassWords], given: Iterable[Concept]) -> tuple[ClassWords, ...]:
    """The classes with given concepts in the places of those whose id or name they have.

    Raises:
        SettingsError: one is none of the classes, two are one class, or fewer than two classes are left to compare.
    """
    found: dict[int, Concept] = {}
    for concept in given:
        places = [n for n, one in enumerate(classes) if one.concept.id == concept.id]
        places = places or [n for n, one in enumerate(classes) if one.is_meant_by(concept)]
        if len(places) != 1:
            which = "none" if not places else f"{len(places)}"
            raise SettingsError(
                f"{concept.id} ({concept.name}) is {which} of the classes {_listed(classes)}; give a concept with the id or "
                "name of one of them"
            )
        if found.setdefault(places[0], concept).id != concept.id:
            raise SettingsError(
                f"{found[places[0]].id} and {concept.id} are both the class {classes[places[0]].name}; give one of them"
            )
    return _several([replace(one, concept=found.get(n, one.concept)) for n, one in enumerate(classes)])


def plan_of_classes(
    protocol: Protocol,
    data: Path,
    *,
    classes: Sequence[ClassWords],
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
) -> CasePlan:
    """The plan of a data set on disk whose images are told apart; as `plan_of_protocol`.

    Raises:
        InputError: the data set's files are not as they should be, or an image is of a class that the protocol lacks.
        SettingsError: a column that shall be kept is not there.
    """
    cases = tuple(replace(case, concept=case.class_name) for case in protocol.manifest(data).cases)
    names = {one.name for one in classes}
    other = next((case for case in cases if case.class_name not in names), None)
    if other is not None:
        raise InputError(
            f"{data}: an image is of class {other.class_name!r}, which is none of {_listed(classes)}; correct the protocol"
        )
    require_columns(cases, columns)
    return _plan(lambda: cases, digest_of_cases(cases, data), classes, shard, keep_ids, columns)


# ---- a manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a manifest says of classes.

    Attributes:
        names: the values of its column class_name, in the order in which they come, each with what its rows have in the
            column concept ("" for nothing).
        modality: of all rows, "" where they differ or do not say.
        columns: those that medkt does not know.
        digest: SHA-256 of the file.
        first: class -> the number of the first case of it.
        notes: on files that do not exist.
    """

    names: Mapping[str, str]
    modality: str
    columns: tuple[str, ...]
    digest: str
    first: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def survey_classes(manifest: Path) -> Survey:
    """Go through a manifest once.

    Raises:
        InputError: it is unusable, a case has no class, or a class has two concepts; says which.
    """
    digest = sha256_of(manifest) if manifest.is_file() else ""
    names: dict[str, str] = {}
    modalities: set[str] = set()
    columns: dict[str, None] = {}
    first: dict[str, int] = {}
    missing = MissingFiles(manifest)
    for number, case in enumerate(missing.watched(), start=1):
        if not case.class_name:
            raise InputError(
                f"{manifest}, case {number}, column {TRUE_CLASS}: empty; name the class of every image, or leave it out"
            )
        if names.setdefault(case.class_name, case.concept) != case.concept:
            raise InputError(
                f"{manifest}, case {number}: class {case.class_name!r} has the concept {case.concept!r} here and "
                f"{names[case.class_name]!r} before; one class is one concept"
            )
        first.setdefault(case.class_name, number)
        modalities.add(case.modality)
        columns |= dict.fromkeys(case.columns)
    modality = modalities.pop() if len(modalities) == 1 else ""
    return Survey(
        names=names, modality=modality, columns=tuple(columns), digest=digest, first=first, notes=tuple(missing.notes())
    )  # fmt: skip


def classes_of_manifest(
    survey: Survey, given: Sequence[Concept], *, only: bool, load: Callable[[str], Concept]
) -> tuple[ClassWords, ...]:
    """The classes among which the cases of a manifest are told apart.

    A class that the manifest names means its rows' column concept, or else the concept of its own name.

    Args:
        survey: of the manifest.
        given: concepts that the user names.
        only: the given concepts are all the classes; else they replace those of the manifest.
        load: gives the concept of a name.

    Raises:
        SettingsError: a class of the manifest is none of the given ones, or the other way round; fewer than two classes.
        UnknownNameError: `load`'s; says of which case.
    """
    if not only:
        classes = []
        for name, concept in survey.names.items():
            own = next((one for one in given if one.is_called(concept or name)), None)
            classes.append(ClassWords(name=name, concept=own or _loaded(load, concept or name, name, survey)))
        return replaced(classes, given)
    named: dict[str, str] = {}
    for name, concept in survey.names.items():
        own = next((one for one in given if one.is_called(name) or one.is_called(concept)), None)
        if own is None:
            raise SettingsError(
                f"class {name!r} of the manifest is none of {', '.join(one.id for one in given)}; give its concept too, or "
                "leave -c and -p out to take the classes from the manifest"
            )
        if named.setdefault(own.id, name) != name:
            raise SettingsError(
                f"classes {named[own.id]!r} and {name!r} of the manifest both mean {own.id}; rename one"
            )
    return _several([ClassWords(name=named.get(one.id, one.name), concept=one) for one in given])


def _loaded(load: Callable[[str], Concept], wanted: str, name: str, survey: Survey) -> Concept:
    try:
        return load(wanted)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"case {survey.first.get(name, 1)} of the manifest is of class {name!r}: {error} The column concept says which one a "
            "class means"
        ) from error


def plan_of_class_manifest(
    manifest: Path,
    survey: Survey,
    *,
    classes: Sequence[ClassWords],
    shard: Shard | None = None,
    keep_ids: bool = False,
    columns: Sequence[str] = (),
) -> CasePlan:
    """The plan of a manifest whose cases are told apart by class.

    Raises:
        SettingsError: a column that shall be kept is not there.
    """
    known = {*KNOWN_COLUMNS, *survey.columns}
    missing = [name for name in columns if name not in known]
    if missing:
        raise SettingsError(f"--by {missing[0]}: the manifest has no such column; it has {', '.join(sorted(known))}")

    def cases() -> Iterator[Case]:
        return (replace(case, concept=case.class_name) for case in iterate_manifest(manifest, check_files=False))

    plan = _plan(cases, survey.digest, classes, shard, keep_ids, columns)
    return replace(plan, notes=survey.notes, files=lambda: iterate_files(manifest))


def classes_record(classes: Sequence[ClassWords]) -> list[dict[str, Any]]:
    """The classes as `run.json` holds them; a concept's id is the end of its columns' names."""
    return [{"name": one.name, "concept": one.concept.id} for one in classes]


def _plan(
    cases: Callable[[], Iterable[Case]],
    digest: str,
    classes: Sequence[ClassWords],
    shard: Shard | None,
    keep_ids: bool,
    columns: Sequence[str],
) -> CasePlan:
    return CasePlan(
        cases=cases, digest=digest, concepts={one.name: one.concept.id for one in classes}, asked=(),
        shard=shard or Shard(), keep_ids=keep_ids, own_columns=(TRUE_CLASS,), columns=tuple(columns),
    )  # fmt: skip


def _several(classes: Sequence[ClassWords]) -> tuple[ClassWords, ...]:
    if len(classes) < 2:
        raise SettingsError(
            f"one class alone ({_listed(classes) or 'none'}) has nothing to be told apart from; give two or more"
        )
    ids = [one.concept.id for one in classes]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        names = ", ".join(one.name for one in classes if one.concept.id == twice[0])
        raise SettingsError(f"the classes {names} have one concept, {twice[0]}, and cannot be told apart; join them")
    return tuple(classes)


def _listed(classes: Sequence[ClassWords]) -> str:
    more = f" and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
    return ", ".join(f"{one.name} ({one.concept.id})" for one in classes[:LISTED]) + more

"""`concepts`, `concept list` and `concept show`: the findings that there are words for, and one of them whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.errors import InputError
from medkt.modalities import Choices
from medkt.requests.option import Option, Request, requested

if TYPE_CHECKING:
    from medkt.concepts import Concept, Package

_MODALITY = Option("list only these", choices=Choices())


@dataclass(frozen=True, kw_only=True)
class ConceptListRequest(Request):
    """Which concepts."""

    modality: Annotated[str | None, _MODALITY] = None


@dataclass(frozen=True, kw_only=True)
class ConceptsRequest(Request):
    """One concept, or which of all."""

    name: Annotated[str | None, Option("one concept to show whole; all are listed without it", positional=True)] = None
    modality: Annotated[str | None, _MODALITY] = None


@dataclass(frozen=True, kw_only=True)
class ConceptShowRequest(Request):
    """Which concept, or which file."""

    name: Annotated[str, Option("an id or name, a YAML file with one concept, or a .medkt file", positional=True)]
    card: Annotated[bool, Option("print the card of a .medkt file")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptShowResult:
    """A concept, or what is in a `.medkt` file.

    Attributes:
        concept: by its name or of a YAML file; None of a `.medkt` file.
        package: the content of a `.medkt` file, every byte checked; None of a concept.
        card: the cards of a `.medkt` file, one after the other, where they are asked for; else "".
    """

    concept: "Concept | None" = None
    package: "Package | None" = None
    card: str = ""


def find_concepts(request: ConceptsRequest | None = None, /, **options: Any) -> "tuple[Concept, ...]":
    """The concept of that name alone; without a name all that ship, or those of one modality.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        InputError: the concept of that id is of another modality than is said.
        MedktError: as `medkt.load_concept`.
    """
    from medkt.concepts import load_concept

    request = requested(ConceptsRequest, request, options)
    if not request.name:
        return concept_list(modality=request.modality)
    found = load_concept(request.name, modality=request.modality or "")
    if request.modality not in (None, found.modality):
        raise InputError(f"{request.name!r} is a finding of {found.modality}, not of {request.modality}")
    return (found,)


def concept_list(request: ConceptListRequest | None = None, /, **options: Any) -> "tuple[Concept, ...]":
    """Every concept that ships with medkt, or those of one modality, in the order of the files.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.
    """
    from medkt.concepts import concepts

    request = requested(ConceptListRequest, request, options)
    return tuple(one for one in concepts().values() if request.modality in (None, one.modality))


def concept_show(request: ConceptShowRequest | None = None, /, **options: Any) -> ConceptShowResult:
    """A concept by its name or from a file, or all that a `.medkt` file holds.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        InputError: a card is asked for of what is no `.medkt` file.
        MedktError: as `medkt.load_concept` and `medkt.read_package`.
    """
    from medkt.concepts import load_concept, read_package
    from medkt.errors import InputError

    request = requested(ConceptShowRequest, request, options)
    if Path(request.name).suffix != ".medkt":
        if request.card:
            raise InputError(f"{request.name}: only a .medkt file has a card")
        return ConceptShowResult(concept=load_concept(request.name))
    package = read_package(request.name)
    return ConceptShowResult(
        package=package, card="\n".join(one.card for one in package.learnt) if request.card else ""
    )

"""What is looked for: free texts, concepts by name, and files of learnt ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.concepts import Concept

NAMED = "names of concepts (`medkt concepts` lists them), "
_PROMPT = Option("free text; may be repeated", short="-p", metavar="TEXT", each=True)
_NOTHING = 'say what to look for: -p "a description" or -c CONCEPT (`medkt concepts` lists them)'


@dataclass(frozen=True, kw_only=True)
class WordOptions(Request):
    """What to look for."""

    prompt: Annotated[tuple[str, ...], _PROMPT] = ()
    concept: Annotated[tuple[str, ...], Option(f"{NAMED}or YAML files", short="-c", metavar="CONCEPT")] = ()


@dataclass(frozen=True, kw_only=True)
class LearntWordOptions(WordOptions):
    """What to look for.

    Files of learnt concepts may stand among the concepts.
    """

    prompt: Annotated[tuple[str, ...], _PROMPT] = ()
    concept: Annotated[
        tuple[str, ...],
        Option(f"{NAMED}YAML files, or .medkt files of learnt concepts", short="-c", metavar="CONCEPT"),
    ] = ()
    together: Annotated[
        bool,
        Option("sum what was learnt for several concepts into one encoder; by default each concept has its own"),
    ] = False


def wanted_of(request: WordOptions, modality: str | None) -> "tuple[Concept | str | Path, ...]":
    """What the user asked for, each once; a name stays a name where its meaning depends on what the study is.

    `modality` is what the user says that the studies are; None where the files shall say it.

    Raises:
        SettingsError: nothing was asked for.
    """
    from medkt.errors import SettingsError
    from medkt.pipeline import wanted_in

    if not request.concept and not request.prompt:
        raise SettingsError(_NOTHING)
    return wanted_in(request.concept, request.prompt, modality=modality)


def packages_of(request: WordOptions) -> tuple[str, ...]:
    """The `.medkt` files among the concepts, each once."""
    return tuple(dict.fromkeys(name for name in request.concept if Path(name).suffix == ".medkt"))

"""`concept new` and `concept lint`: a file of words begun, or made of a list or a text, and files of words checked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.modalities import Choices
from medkt.requests.option import Option, Request, requested

if TYPE_CHECKING:
    from medkt.concepts.encoder_lint import Forecast
    from medkt.concepts.problem import Problem
    from medkt.concepts.prose import Draft

FOR_TEXT = "--json and --model are for --from-text FILE; leave them out"


@dataclass(frozen=True, kw_only=True)
class ConceptNewRequest(Request):
    """Whose words, where they come from, and where the file goes."""

    modality: Annotated[str, Option(choices=Choices())]
    name: Annotated[str, Option("the finding, as a radiologist writes it")] = ""
    caption: Annotated[tuple[str, ...], Option("what it looks like; may be repeated", each=True)] = ()
    from_list: Annotated[Path | None, Option("take name<TAB>caption lines instead", metavar="FILE")] = None
    from_text: Annotated[
        Path | None,
        Option(
            "read a description in prose instead: what is seen becomes captions, the rest is set aside with the reason",
            metavar="FILE",
        ),
    ] = None
    model: Annotated[str | None, Option("with --from-text: cut captions to what this encoder reads", short="-m")] = None
    licence: Annotated[str, Option("of the words, such as CC-BY-4.0")] = ""
    author: Annotated[str, Option("of the words")] = ""
    source: Annotated[str, Option("where a list comes from")] = "given by the user"
    output: Annotated[Path | None, Option("the YAML file to write; stdout without", short="-o")] = None
    overwrite: Annotated[bool, Option("replace a file that is there")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptNewResult:
    """A concepts file.

    Attributes:
        text: of the file, YAML.
        file: where it was written; None where no place was given.
        draft: of a description in prose: what became of each of its sentences; else None.
        text_sha256: of that description; else "".
    """

    text: str
    file: Path | None = None
    draft: "Draft | None" = None
    text_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ConceptLintRequest(Request):
    """Which files, and which encoder is asked besides."""

    files: Annotated[tuple[Path, ...], Option(positional=True, metavar="FILE")]
    model: Annotated[
        str | None,
        Option("also ask this encoder: cut off, unknown words, nearest findings, forecast", short="-m"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptLintResult:
    """What is wrong with files of words, or could be, and what an encoder may make of them."""

    problems: "tuple[Problem, ...]"
    forecasts: "tuple[Forecast, ...]" = ()

    @property
    def errors(self) -> int:
        """How many of the problems have to be mended."""
        return sum(problem.level == "error" for problem in self.problems)

    @property
    def warnings(self) -> int:
        """How many of them should be looked at."""
        return sum(problem.level == "warning" for problem in self.problems)


def concept_new(request: ConceptNewRequest | None = None, /, **options: Any) -> ConceptNewResult:
    """A commented file of words to fill in, or one made of captions, of a list of captions or of a description in prose.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: options that do not go together, or a description without a name. OutputError: a file is there and may
        not be replaced, or it cannot be written.
        MedktError: as `medkt.concepts.skeleton`, `convert_caption_list` and `medkt.concepts.prose.read_draft`.
    """
    request = requested(ConceptNewRequest, request, options)
    require_one_origin(request)
    made = _of_prose(request) if request.from_text else ConceptNewResult(text=_words_of(request), file=request.output)
    if made.file is not None:
        _write(made.file, made.text, overwrite=request.overwrite)
    return made


def require_one_origin(request: ConceptNewRequest, *, as_json: bool = False) -> None:
    """That the words come from one place.

    Raises:
        SettingsError: they come from two, or what only a description in prose has is asked of others.
    """
    from medkt.errors import SettingsError

    if request.from_list and (request.name or request.caption):
        raise SettingsError("--from-list brings names and captions; leave out --name and --caption")
    if request.from_text and (request.from_list or request.caption):
        raise SettingsError("--from-text brings the captions; leave out --from-list and --caption")
    if not request.from_text and (as_json or request.model):
        raise SettingsError(FOR_TEXT)


def _words_of(request: ConceptNewRequest) -> str:
    from medkt.concepts import convert_caption_list
    from medkt.concepts.skeleton import skeleton

    owed = {"licence": request.licence, "author": request.author}
    if request.from_list:
        return convert_caption_list(request.from_list, modality=request.modality, source=request.source, **owed)
    return skeleton(request.modality, name=request.name, captions=request.caption, **owed)


def _of_prose(request: ConceptNewRequest) -> ConceptNewResult:
    from medkt.concepts.prose import as_concepts_file, read_draft
    from medkt.errors import SettingsError
    from medkt.requests.option import present

    if not request.name:
        raise SettingsError(
            "--from-text needs --name, as a radiologist writes it; a text does not say which of its words it is"
        )
    path = present(request.from_text, FOR_TEXT)
    draft, digest = read_draft(path, name=request.name, modality=request.modality, fits=_fits(request.model))
    text = as_concepts_file(
        draft, digest=digest, licence=request.licence, author=request.author, source=request.source
    )  # fmt: skip
    return ConceptNewResult(text=text, file=request.output, draft=draft, text_sha256=digest)


def _fits(model: str | None) -> Callable[[str], bool] | None:
    """Whether an encoder reads a text to its end; None without an encoder."""
    if model is None:
        return None
    from medkt.models.registry import load_encoder

    encoder = load_encoder(model)
    return lambda text: not bool(encoder.tokenize([text]).truncated[0])


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a concepts file, whole or not at all."""
    from medkt.errors import OutputError
    from medkt.io.atomic import write_atomically

    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def concept_lint(request: ConceptLintRequest | None = None, /, **options: Any) -> ConceptLintResult:
    """What is wrong with files of words, or could be; a file that cannot be read is a problem, not an error.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: from loading the encoder.
    """
    from medkt.errors import UnreadableError

    request = requested(ConceptLintRequest, request, options)
    problems: list[Problem] = []
    forecasts: list[Forecast] = []
    for path in request.files:
        try:
            found, said = _linted(path, request.model)
        except UnreadableError as error:  # the other files are still looked at
            found, said = [_unreadable(path, error)], []
        problems += found
        forecasts += said
    return ConceptLintResult(problems=tuple(problems), forecasts=tuple(forecasts))


def _unreadable(path: Path, error: Exception) -> "Problem":
    """A file that is no text or no YAML, as a problem of that file."""
    from medkt.concepts.problem import Problem

    said = " ".join(str(error).split()).removeprefix(str(path)).lstrip(":")
    line, found, rest = said.partition(": ")
    number, said = (int(line), rest) if found and line.isdigit() else (0, said.strip())
    message, _, remedy = said.rpartition("; ")
    return Problem(
        path=str(path), line=number, field="", rule="unreadable", level="error", message=message, remedy=remedy
    )  # fmt: skip


def _linted(path: Path, model: str | None) -> "tuple[list[Problem], list[Forecast]]":
    from medkt.concepts import concepts, parse_concepts
    from medkt.concepts.document import parse_document, read_text
    from medkt.concepts.lint import lint
    from medkt.concepts.schema import HOLDS, check
    from medkt.domains.registry import domains

    text = read_text(path)
    document = parse_document(text, str(path), holds=HOLDS)
    known = domains().values()
    problems = list(
        lint(
            document,
            windows={domain.name: tuple(domain.windows) for domain in known},
            bodies={domain.name: tuple(domain.words) for domain in known},
        )
    )
    if model is None or check(document):
        return problems, []
    from medkt.concepts.encoder_lint import forecast, lint_with
    from medkt.models.registry import load_encoder

    encoder = load_encoder(model)
    problems += lint_with(encoder, document)
    made = [
        forecast(encoder, one, [other for other in concepts().values() if one.modality in ("", other.modality)])
        for one in parse_concepts(text, str(path))
    ]
    return problems, [one for one in made if one is not None]

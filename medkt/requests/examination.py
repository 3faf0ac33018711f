"""`models examine`: what an encoder understands, found out on drawn pictures and kept for its weights."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import DEVICE, ThreadOptions, use_threads
from medkt.requests.option import Option, requested, text_of

if TYPE_CHECKING:
    from medkt.examine import Examination, IllustratedExamination

NAMES = ("examination.html", "examination.json")
"""What `output` gets; the last one last: where it is there, everything is."""
FEWEST = 60


@dataclass(frozen=True, kw_only=True)
class ModelsExamineRequest(ThreadOptions):
    """Which encoder, how much it is asked, and where the answer goes besides."""

    name: Annotated[str, Option("an encoder: a name of `medkt models list`, or a weights file", positional=True)]
    output: Annotated[
        Path | None, Option("also put the page with pictures and the JSON here", short="-o", metavar="FOLDER")
    ] = None
    overwrite: Annotated[bool, Option("replace an examination that is there")] = False
    pairs: Annotated[int, Option("of each row, 60 or more (default: %(default)s)", metavar="N")] = FEWEST
    pictures: Annotated[int, Option("with two lesions, 60 or more (default: %(default)s)", metavar="N")] = FEWEST
    seed: Annotated[int, Option("0 draws the pictures of medkt's own tables (default: %(default)s)", metavar="N")] = 0
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    threads: Annotated[int, Option(text_of(ThreadOptions, "threads"), metavar="N")] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsExamineResult:
    """What an encoder understands.

    Attributes:
        examination: the figures.
        files: the page and the JSON in medkt's own folder, then those in the folder that was asked for.
        seconds: that the examination took.
    """

    examination: "Examination"
    files: tuple[Path, ...]
    seconds: float


def models_examine(
    request: ModelsExamineRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> ModelsExamineResult:
    """Examine an encoder, and write the page and the JSON into medkt's own folder and, where asked, into another.

    Args:
        request: what is asked for.
        listener: is told how far it is.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: too few pairs or pictures, or a number that is none. OutputError: an examination is there and may not be
        replaced. UnknownNameError: no such encoder.
        MedktError: as `medkt.examine.examine`.
    """
    request = requested(ModelsExamineRequest, request, options)
    _require_enough(request)
    _require_free(request.output, NAMES, overwrite=request.overwrite)
    use_threads(request)

    from medkt.examine import ExamineSettings, examine
    from medkt.examine.store import examination_path
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device

    settings = ExamineSettings(pairs=request.pairs, pictures=request.pictures, seed=request.seed)
    encoder = load_encoder(request.name, device=resolve_device(request.device))
    kept = examination_path(encoder.spec.digest)
    own = (kept.with_suffix(".html").name, kept.name)
    _require_free(kept.parent, own, overwrite=request.overwrite)
    began = time.perf_counter()
    with listener.progress(f"examining {encoder.spec.name}") as tick:
        found = examine(encoder, settings, progress=tick)
    seconds = time.perf_counter() - began
    places = [(kept.parent, own), *([(request.output, NAMES)] if request.output else [])]
    return ModelsExamineResult(examination=found.examination, files=_write(found, places), seconds=seconds)


def _require_enough(request: ModelsExamineRequest) -> None:
    from medkt.errors import SettingsError

    for name, count in (("pairs", request.pairs), ("pictures", request.pictures)):
        if count < FEWEST:
            raise SettingsError(
                f"--{name} {count}: fewer than {FEWEST} give intervals that say little; take {FEWEST} or more"
            )
    if request.seed < 0:
        raise SettingsError(f"--seed is 0 or more, got {request.seed}")


def _require_free(folder: Path | None, names: Sequence[str], *, overwrite: bool) -> None:
    from medkt.errors import OutputError, SettingsError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, and two files are written; give -o a folder")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{folder / there[-1]}: exists already; say --overwrite to examine the model anew")


def _write(found: "IllustratedExamination", places: Sequence[tuple[Path, Sequence[str]]]) -> tuple[Path, ...]:
    """The page and the JSON in each place, both or none."""
    from medkt.errors import OutputError
    from medkt.examine.store import FORM
    from medkt.io.together import files_together
    from medkt.report.examination import render_examination

    page, text = render_examination(found), FORM.text(found.examination)
    for folder, (of_page, of_text) in places:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made ({error.strerror}); choose another place") from error
        with files_together(folder, (of_page, of_text)) as hidden:
            (hidden / of_page).write_text(page, encoding="utf-8")
            (hidden / of_text).write_text(text, encoding="utf-8")
    return tuple(folder / name for folder, names in places for name in names)

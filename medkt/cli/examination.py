"""`medkt models examine` and `medkt models show`: what a model understands, found out, and its card."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.fill import add_options, filled
from medkt.cli.terminal import Terminal
from medkt.requests.models import ThreadOptions, use_threads

if TYPE_CHECKING:
    from medkt.examine import Examination, IllustratedExamination
    from medkt.models.records import ModelRecord

NAMES = ("examination.html", "examination.json")
"""What `-o` gets; the last one last: where it is there, everything is."""


def configure_examine(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `examine`."""
    parser.description = (
        "Asks an encoder pairs of sentences that differ in one thing, each with a drawn picture that decides, and which of two "
        "lesions a sentence means. What is found is kept for these weights: `models show` prints it, `segment` and `learn` warn from it."
    )
    parser.add_argument("name", help="an encoder: a name of `medkt models list`, or a weights file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="also put the page with pictures and the JSON here"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an examination that is there")
    parser.add_argument(
        "--pairs", type=int, default=60, metavar="N", help="of each row, 60 or more (default: %(default)s)"
    )
    parser.add_argument(
        "--pictures", type=int, default=60, metavar="N", help="with two lesions, 60 or more (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="0 draws the pictures of medkt's own tables (default: %(default)s)",
    )
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_options(parser, ThreadOptions)


def configure_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    parser.description = (
        "Says what is known of a model: whose it is, its licence, what is here, and what it understands."
    )
    parser.add_argument("name", help="a name of `medkt models list`, or an encoder's weights file")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run_examine(arguments: argparse.Namespace) -> int:
    """Examine, then write the page and the JSON into medkt's own folder and, where asked, into another."""
    _require_enough(arguments)
    _require_free(arguments.output, NAMES, overwrite=arguments.overwrite)
    use_threads(filled(ThreadOptions, arguments))

    from medkt.examine import ExamineSettings, examine
    from medkt.examine.store import examination_path
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device

    settings = ExamineSettings(pairs=arguments.pairs, pictures=arguments.pictures, seed=arguments.seed)
    encoder = load_encoder(arguments.name, device=resolve_device(arguments.device))
    kept = examination_path(encoder.spec.digest)
    own = (kept.with_suffix(".html").name, kept.name)
    _require_free(kept.parent, own, overwrite=arguments.overwrite)
    began = time.perf_counter()
    with Terminal(arguments).progress(f"examining {encoder.spec.name}") as tick:
        found = examine(encoder, settings, progress=tick)
    seconds = time.perf_counter() - began
    places = [(kept.parent, own), *([(arguments.output, NAMES)] if arguments.output else [])]
    _say(found.examination, _write(found, places), seconds, as_json=arguments.json)
    return 0


def _require_enough(arguments: argparse.Namespace) -> None:
    from medkt.errors import SettingsError

    for name in ("pairs", "pictures"):
        if getattr(arguments, name) < 60:
            raise SettingsError(
                f"--{name} {getattr(arguments, name)}: fewer than 60 give intervals that say little; take 60 or more"
            )
    if arguments.seed < 0:
        raise SettingsError(f"--seed is 0 or more, got {arguments.seed}")


def _require_free(folder: Path | None, names: Sequence[str], *, overwrite: bool) -> None:
    from medkt.errors import OutputError, SettingsError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, and two files are written; give -o a folder")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{folder / there[-1]}: exists already; say --overwrite to examine the model anew")


def _write(found: "IllustratedExamination", places: Sequence[tuple[Path, Sequence[str]]]) -> list[Path]:
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
    return [folder / name for folder, names in places for name in names]


def _say(examination: "Examination", files: Sequence[Path], seconds: float, *, as_json: bool) -> None:
    from medkt.examine.store import FORM

    if as_json:
        record = {
            "examination": FORM.write(examination),
            "files": [str(file) for file in files],
            "seconds": round(seconds, 1),
        }
        print(json.dumps(record, allow_nan=False))
        return
    _say_examination(examination)
    for file in files:
        print(f"  {file}")


def _say_examination(examination: "Examination") -> None:
    from medkt.examine.told import in_a_line, lesions_table, table_of

    print(f"what {examination.encoder} understands ({examination.pairs} drawn pairs a row, guessing gets 0.50)")
    print(f"  {in_a_line(examination)}")
    _print_table(table_of(examination))
    _print_table(lesions_table(examination.lesions, examination.domains))
    found, unknown = examination.dependence, examination.vocabulary
    print(f"  of the score's variance {found.both:.0%} comes with picture and words together")
    print(f"  {len(unknown.unknown)} of {unknown.asked} words of captions are unknown")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from medkt.cli.console import drawing_on

    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    Console(file=drawing_on(sys.stdout), width=None if sys.stdout.isatty() else 140).print(table)


def run_show(arguments: argparse.Namespace, entry: dict[str, Any], record: "ModelRecord", digest: str | None) -> int:
    """Print a model's card.

    Args:
        arguments: of the command.
        entry: what `models list` says of it.
        record: of the model.
        digest: of its weights; None where they are not here.
    """
    from medkt.examine.store import FORM, find_examination

    found = find_examination(digest) if digest and record.kind == "encoder" else None
    if arguments.json:
        examined = None if found is None else FORM.write(found)
        print(json.dumps({**entry, "digest": digest, "examination": examined}, indent=2, allow_nan=False))
        return 0
    print(f"{entry['name']}: {record.title}")
    print(f"  {record.kind}; licence of the weights: {record.licence.title}. {record.licence.summary}")
    print(f"  published in: {record.citation}")
    print(f"  here: {entry['state']}{f', weights {digest[:12]}' if digest else ''}")
    if record.kind != "encoder":
        return 0
    if found is None:
        print(f"  not examined: `medkt models examine {arguments.name}` finds out what it understands")
        return 0
    _say_examination(found)
    return 0

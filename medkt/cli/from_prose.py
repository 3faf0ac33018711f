"""A description in prose on the command line: `medkt concept new --from-text FILE`."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path


def new(arguments: argparse.Namespace) -> int:
    """Carry `concept new --from-text` out: the draft on stdout, the concepts file where -o says.

    Without -o and --json the file itself goes to stdout, and the draft to stderr.
    """
    from medkt.concepts.prose import as_concepts_file, as_json, as_lines, read_draft
    from medkt.errors import SettingsError

    if not arguments.name:
        raise SettingsError(
            "--from-text needs --name, as a radiologist writes it; a text does not say which of its words it is"
        )
    draft, digest = read_draft(
        arguments.from_text, name=arguments.name, modality=arguments.modality, fits=_fits(arguments.model)
    )  # fmt: skip
    file = as_concepts_file(
        draft, digest=digest, licence=arguments.licence, author=arguments.author, source=arguments.source
    )  # fmt: skip
    if arguments.output is not None:
        write_words(arguments.output, file, overwrite=arguments.overwrite)
    if arguments.json:
        written = arguments.output and str(arguments.output)
        print(
            json.dumps({**as_json(draft), "text_sha256": digest, "file": written}, ensure_ascii=False, allow_nan=False)
        )
        return 0
    said = "\n".join(as_lines(draft))
    if arguments.output is None:
        print(said, file=sys.stderr)
        print(file, end="")
        return 0
    print(said)
    print(
        f"{arguments.output}: read it, then `medkt concept lint {arguments.output}`, `medkt learn {arguments.output}`"
    )
    return 0


def write_words(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a concepts file, whole or not at all.

    Raises:
        OutputError: a file is there and may not be replaced, or it cannot be written.
    """
    from medkt.errors import OutputError
    from medkt.io.atomic import write_atomically

    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _fits(model: str | None) -> Callable[[str], bool] | None:
    """Whether an encoder reads a text to its end; None without an encoder."""
    if model is None:
        return None
    from medkt.models.registry import load_encoder

    encoder = load_encoder(model)
    return lambda text: not bool(encoder.tokenize([text]).truncated[0])

"""A description in prose on the command line: `medkt concept new --from-text FILE`."""

import json
import sys
from typing import TYPE_CHECKING

from medkt.requests.concept_words import ConceptNewResult

if TYPE_CHECKING:
    from medkt.concepts.prose import Draft


def say_draft(draft: "Draft", made: ConceptNewResult, *, as_json: bool) -> None:
    """Say what became of the text: the draft on stdout, the concepts file where -o says.

    Without -o and --json the file itself goes to stdout, and the draft to stderr.
    """
    from medkt.concepts.prose import as_json as plain
    from medkt.concepts.prose import as_lines

    if as_json:
        written = made.file and str(made.file)
        record = {**plain(draft), "text_sha256": made.text_sha256, "file": written}
        print(json.dumps(record, ensure_ascii=False, allow_nan=False))
        return
    said = "\n".join(as_lines(draft))
    if made.file is None:
        print(said, file=sys.stderr)
        print(made.text, end="")
        return
    print(said)
    print(f"{made.file}: read it, then `medkt concept lint {made.file}`, `medkt learn {made.file}`")

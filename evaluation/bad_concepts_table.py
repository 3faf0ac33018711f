"""What `medkt concept` says to every kind of concept file, list, package and key that it cannot use.

    python evaluation/bad_concepts_table.py            # print
    python evaluation/bad_concepts_table.py --write    # and keep it in evaluation/results/bad_concepts.md

The kinds are those of `tests/concepts/bad_concepts.py`, which the tests check one by one.
"""

import argparse
import os
import re
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "concepts")]

from bad_concepts import KINDS, Kind  # noqa: E402

from medkt.about import __version__  # noqa: E402
from medkt.cli.main import COMMANDS  # noqa: E402
from medkt.cli.main import main as command  # noqa: E402


def row(kind: Kind, folder: Path) -> tuple[str, int, str]:
    """The action, the exit code and the line that says what is wrong, without the folder."""
    folder.mkdir()
    words = kind.make(folder)
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command(["concept", *words])
    said = err.getvalue() or next(line for line in out.getvalue().splitlines() if line.startswith("error: "))
    said = said.strip().replace(f"{folder}/", "")
    return (
        words[0],
        code,
        re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{16})\b", "(fingerprint)", said),
    )  # a new key has a new fingerprint each time


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the table in evaluation/results/bad_concepts.md")
    arguments = parser.parse_args()
    COMMANDS.setdefault("concept", ("medkt.cli.concept", "words for findings, and learnt concepts as files"))
    with tempfile.TemporaryDirectory() as name:
        os.environ["MEDKT_HOME"] = str(Path(name) / "home")
        rows = [(kind, *row(kind, Path(name) / f"{number:03d}")) for number, kind in enumerate(KINDS.values())]
    lines = [
        "# What medkt says to concept files and packages that it cannot use",
        "",
        f"medkt {__version__}, `python evaluation/bad_concepts_table.py --write`. {len(rows)} kinds; each is also a test in",
        "`tests/concepts/test_bad_concepts.py`. Files of words are `mine.yaml`, packages `*.medkt`.",
        "",
        "| kind | `medkt concept` | exit | message |",
        "|---|---|---|---|",
        *(f"| {kind.name} | {action} | {code} | {said.replace('|', '/')} |" for kind, action, code, said in rows),
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (ROOT / "evaluation" / "results" / "bad_concepts.md").write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

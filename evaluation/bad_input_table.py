"""What `medkt segment` says to every kind of input that it cannot use: a table of kind, exit code and message.

    python evaluation/bad_input_table.py            # print
    python evaluation/bad_input_table.py --write    # and keep it in evaluation/results/bad_input.md

The kinds are those of `tests/bad_input/kinds.py`, which the tests check one by one.
"""

import argparse
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "bad_input")]

from kinds import KINDS, Bench, Kind  # noqa: E402
from whole_line import Studies, load_bright  # noqa: E402

from medkt.about import __version__  # noqa: E402
from medkt.cli.main import main as command  # noqa: E402
from medkt.pipeline import Pipeline  # noqa: E402

LOAD = Pipeline.load


def row(kind: Kind, folder: Path, studies: Studies) -> tuple[int, str]:
    """The exit code and all of stderr; folders are shortened to what a user would have typed."""
    folder.mkdir()
    bad = kind.make(Bench(folder=folder, studies=studies))
    Pipeline.load = LOAD if kind.real_models else load_bright  # type: ignore[method-assign]
    out, err = (TextIOWrapper(BytesIO(), "utf-8") for _ in "oe")  # libraries ask a terminal for its encoding
    output = bad.output or folder / "out"
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = command(["segment", "-i", str(bad.study), "-o", str(output), *bad.words, *bad.options])
        except SystemExit as stop:
            code = int(stop.code or 0)
    err.seek(0)
    said = err.read().rstrip("\n")
    for place in (folder, *(studies[name].parent for name in studies.made), studies.folder):
        said = said.replace(f"{place}/", "")
    return code, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the table in evaluation/results/bad_input.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ["MEDKT_HOME"] = str(place / "studies" / "home")  # whose place is not of the table
        studies = Studies(place / "studies")
        rows = [(kind, *row(kind, place / f"{number:03d}", studies)) for number, kind in enumerate(KINDS.values())]
    lines = [
        "# What medkt says to input that it cannot use",
        "",
        f"medkt {__version__}, `python evaluation/bad_input_table.py --write`. {len(rows)} kinds; each is also a test in",
        "`tests/bad_input`. Exit 2: cannot be used as it is; 3: several things fit and the user must choose one.",
        "",
        "| kind | exit | message on stderr |",
        "|---|---|---|",
        *(f"| {kind.name} | {code} | {said.replace('|', '/').replace(chr(10), ' ⏎ ')} |" for kind, code, said in rows),
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        (ROOT / "evaluation" / "results" / "bad_input.md").write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

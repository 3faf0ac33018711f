"""What medkt says to the most likely mistakes in a data set, layout by layout: a table of mistake and message.

    python evaluation/bad_datasets_table.py            # print
    python evaluation/bad_datasets_table.py --write    # and keep it in evaluation/results/bad_datasets.md

Trees and mistakes are those of `tests/datasets`, where each is also a test.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "datasets"))

from dataset_mistakes import COMMON, MISTAKES, OPTIONS  # noqa: E402
from dataset_trees import TREES  # noqa: E402

from medkt.about import __version__  # noqa: E402
from medkt.datasets.builders import LAYOUTS, build_manifest  # noqa: E402
from medkt.errors import MedktError  # noqa: E402


def message(layout: str, mistake: str, sound: Path, place: Path) -> str:
    """What is said to one mistake; the temporary folder is left out of the paths."""
    root = place / layout
    shutil.copytree(sound, root)
    spoil, _ = (COMMON | MISTAKES[layout])[mistake]
    options = OPTIONS.get(layout, {}) | (spoil(root) or {})
    try:
        build_manifest(layout, root, checked=None, **options)
    except MedktError as error:
        return str(error).replace(f"{place}/", "").replace("|", "\\|")
    return "**nothing**"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the table in evaluation/results/bad_datasets.md")
    arguments = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        for layout in LAYOUTS.own:
            sound = Path(name) / "sound" / layout
            sound.mkdir(parents=True)
            TREES[layout](sound)
            for number, mistake in enumerate((*COMMON, *MISTAKES[layout])):
                place = Path(name) / f"{layout}-{number}"
                rows.append((layout, mistake, message(layout, mistake, sound, place)))
                shutil.rmtree(place)
    silent = sum(said == "**nothing**" for _, _, said in rows)
    lines = [
        "# What medkt says to mistakes in data sets",
        "",
        f"medkt {__version__}, `python evaluation/bad_datasets_table.py --write`. {len(rows)} mistakes in {len(LAYOUTS.own)} layouts; "
        f"{silent} passed unnoticed. Each is also a test in `tests/datasets`. Exit code 2 (3 where one of several must be chosen).",
        "",
        "| layout | mistake | message |",
        "|---|---|---|",
        *(f"| {layout} | {mistake} | {said} |" for layout, mistake, said in rows),
        "",
    ]
    text = "\n".join(lines)
    sys.stdout.write(text)
    if arguments.write:
        (ROOT / "evaluation" / "results" / "bad_datasets.md").write_text(text, encoding="utf-8")
    return int(silent > 0)


if __name__ == "__main__":
    raise SystemExit(main())

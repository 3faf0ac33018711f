"""What the embedded small model understands: the examination that ships with it, and the table in its card.

    python evaluation/small_model/examination.py           # both, about two minutes of one core
    python evaluation/small_model/examination.py --card    # the card's table alone, from the examination that is there

The pairs are those of `words.py words`, so the rows are those of results/words.md; `tests/examine` compares them. With new weights
the old examination counts for nothing (it is bound to their digest), and the check of the card fails until this was run.
"""

import argparse
import re
from pathlib import Path

import torch

from medkt.examine import ExamineSettings, examine, read_examination
from medkt.examine.store import FORM, SHIPPED
from medkt.examine.told import as_markdown, lesions_table, table_of
from medkt.io.atomic import write_atomically
from medkt.models.small import load_small

CARD = SHIPPED.parents[1] / "CARD.md"
PAIRS, PICTURES = 120, 60
_PART = re.compile(r"(<!-- examination -->\n).*?(<!-- end of examination -->)", re.DOTALL)


def main() -> None:
    """Examine, keep, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", action="store_true", help="only the card's table")
    if not parser.parse_args().card:
        torch.set_num_threads(1)
        found = examine(load_small(), ExamineSettings(pairs=PAIRS, pictures=PICTURES), progress=_say).examination
        write_atomically(SHIPPED, lambda part: part.write_text(FORM.text(found), encoding="utf-8"))
    card = CARD.read_text(encoding="utf-8")
    write_atomically(CARD, lambda part: part.write_text(with_table(card, SHIPPED), encoding="utf-8"))


def with_table(card: str, examination: Path) -> str:
    """The card with the tables of an examination in their place."""
    found = read_examination(examination)
    tables = "\n".join(as_markdown(one) for one in (table_of(found), lesions_table(found.lesions, found.domains)))
    if not _PART.search(card):
        raise LookupError("the card has no place for the examination")
    return _PART.sub(lambda match: match[1] + tables + match[2], card)


def _say(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}", flush=True)


if __name__ == "__main__":
    main()

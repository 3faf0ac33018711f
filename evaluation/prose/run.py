"""How the sentences of thirty paragraphs are read, against the roles that their writer gave them before there was a rule.

    python evaluation/prose/run.py                      # results/prose.md
    python evaluation/prose/run.py --wrong development  # and each sentence of a set that is read otherwise
    python evaluation/prose/run.py --model small        # captions cut by that encoder's tokenizer, and linted with it, too

Nothing is learned and nothing drawn: rules over word lists, the same on every machine. A sentence is right where the role read is
one of the writer's (one, in some two). Seen at all counts only whether it is kept as a look. The control calls every sentence "seen".
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from texts import FOLDER, SETS, Paragraph, paragraphs

from medkt.concepts.concept import mentions
from medkt.concepts.document import parse_document
from medkt.concepts.encoder_lint import TextEncoder, lint_with
from medkt.concepts.lint import lint
from medkt.concepts.prose import SENTENCE_ROLES, Draft, as_concepts_file, draft_of
from medkt.concepts.schema import HOLDS
from medkt.models.registry import load_encoder
from medkt.statistics import share_interval

RESULTS = FOLDER / "results" / "prose.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One paragraph, its draft, and how many errors and warnings the lint finds in what was made of it."""

    paragraph: Paragraph
    draft: Draft
    errors: int
    warnings: int

    @property
    def pairs(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """The writer's roles and the role read, of each sentence."""
        return tuple(
            (said.roles, read.role) for said, read in zip(self.paragraph.sentences, self.draft.sentences, strict=True)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", choices=SETS, help="print the sentences of this set that are read otherwise")
    parser.add_argument("--model", help="an encoder that cuts captions and lints them, too")
    parser.add_argument("--table", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.model) if arguments.model else None
    found = {name: [read(one, encoder) for one in paragraphs(name)] for name in SETS}
    if arguments.wrong:
        for line in wrong(found[arguments.wrong]):
            print(line)
    text = table(found, arguments.model or "")
    if arguments.model:
        print(text)
        return
    arguments.table.parent.mkdir(exist_ok=True)
    arguments.table.write_text(text, encoding="utf-8")
    print(arguments.table.relative_to(Path.cwd()) if arguments.table.is_relative_to(Path.cwd()) else arguments.table)


def read(paragraph: Paragraph, encoder: TextEncoder | None = None) -> Read:
    """A paragraph as `medkt concept new --from-text` reads it, linted as `medkt concept lint` does."""
    fits: Callable[[str], bool] | None = None
    if encoder is not None:
        fits = lambda text: not encoder.tokenize([text]).truncated[0]  # noqa: E731
    draft = draft_of(paragraph.text, name=paragraph.name, modality=paragraph.modality, shown=paragraph.id, fits=fits)
    require_same_sentences(paragraph, draft)
    file = as_concepts_file(draft, digest="of a table", licence="CC-BY-4.0", author="The medkt authors")
    document = parse_document(file, paragraph.id, holds=HOLDS)
    problems = [*lint(document), *(lint_with(encoder, document) if encoder else ())]
    levels = Counter(problem.level for problem in problems)
    return Read(paragraph=paragraph, draft=draft, errors=levels["error"], warnings=levels["warning"])


def require_same_sentences(paragraph: Paragraph, draft: Draft) -> None:
    """That the text was taken apart as it was written: else no label could be compared."""
    if len(draft.sentences) != len(paragraph.sentences):
        raise ValueError(f"{paragraph.id}: {len(draft.sentences)} sentences read, {len(paragraph.sentences)} written")


def wrong(found: Sequence[Read]) -> Iterator[str]:
    """Every sentence that is read otherwise than its writer labelled it."""
    for one in found:
        for said, got in zip(one.paragraph.sentences, one.draft.sentences, strict=True):
            if got.role not in said.roles:
                yield f"{one.paragraph.id}: {', '.join(said.roles)} read as {got.role}: {said.text}"


def table(found: dict[str, list[Read]], model: str = "") -> str:
    """The page: shares with intervals, each paragraph, and what was taken for what."""
    lines = [
        "# Descriptions in prose", "",
        "Made by `python evaluation/prose/run.py`; what the sets are, and what blind means, stands in `evaluation/prose/README.md`. 95 % intervals",
        "after Wilson, sentences of one paragraph going together. " + (f"Captions cut for and linted with `{model}`." if model else "Captions of at most 26 words."), "",
        "| set | paragraphs (not in the catalogue) | sentences (two roles) | right role | of seen, kept | of kept, seen | control: all seen | lint errors | warnings | captions with the name |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [_row(name, reads) for name, reads in found.items()]
    for name, reads in found.items():
        lines += ["", f"## {name.capitalize()}: each paragraph", "", *_each(reads)]
        lines += [
            "",
            f"## {name.capitalize()}: the writer's first role (rows) and the role read",
            "",
            *_confusion(reads),
        ]
    return "\n".join(lines) + "\n"


def _row(name: str, found: Sequence[Read]) -> str:
    pairs = [(one.paragraph.id, said, got) for one in found for said, got in one.pairs]
    right = [(place, got in said) for place, said, got in pairs]
    seen = [(place, got == "seen") for place, said, got in pairs if "seen" in said]
    kept = [(place, "seen" in said) for place, said, got in pairs if got == "seen"]
    new = sum(not one.paragraph.in_catalogue for one in found)
    two = sum(len(said) > 1 for _, said, _ in pairs)
    cells = [
        name, f"{len(found)} ({new})", f"{len(pairs)} ({two})", _share(right), _share(seen), _share(kept),
        f"{len(seen) / len(pairs):.3f}", f"{sum(one.errors for one in found)}", f"{sum(one.warnings for one in found)}",
        f"{sum(_named(one) for one in found)}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _named(one: Read) -> int:
    names = (one.paragraph.name, *one.draft.names.synonyms)
    return sum(mentions(look, names) for look in one.draft.looks)


def _share(held: Sequence[tuple[str, bool]]) -> str:
    """A share of sentences; those of one paragraph go together."""
    share = share_interval(np.array([one for _, one in held]), np.array([place for place, _ in held]))
    return f"{share.estimate:.3f} ({share.low:.3f} to {share.high:.3f})"


def _each(found: Sequence[Read]) -> Iterator[str]:
    yield "| paragraph | modality | in the catalogue | right | kept | lint errors | first caption |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        right = sum(read in said for said, read in one.pairs)
        known = "yes" if one.paragraph.in_catalogue else "no"
        yield (
            f"| {one.paragraph.name} | {one.paragraph.modality} | {known} | {right} of {len(one.pairs)} | {len(one.draft.kept)} | "
            f"{one.errors} | {one.draft.looks[0]} |"
        )


def _confusion(found: Sequence[Read]) -> Iterator[str]:
    """Right sentences stand in the diagonal also where the second of two roles was read."""
    counts = Counter((read if read in said else said[0], read) for one in found for said, read in one.pairs)
    roles = [role for role in SENTENCE_ROLES if any(role in pair for pair in counts)]
    yield f"| | {' | '.join(role.replace('_', ' ') for role in roles)} |"
    yield f"|---|{'---|' * len(roles)}"
    for said in roles:
        cells = " | ".join(str(counts[said, read] or "") for read in roles)
        yield f"| {said.replace('_', ' ')} | {cells} |"


if __name__ == "__main__":
    main()

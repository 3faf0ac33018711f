"""Whether captions made of a paragraph still say to a text tower which finding was described; no image is looked at.

    python evaluation/prose/meaning.py            # results/meaning.md, by the small model's text tower

For each paragraph on a finding of the catalogue: how near its first caption lies to the catalogue's own description of that finding, among
all findings of the modality (rank 1 is nearest). Beside it the paragraph as it stands, and, as a control, the mean rank that the first captions of
the other paragraphs of the modality reach. Captions are made without the catalogue's words; few paragraphs, so no test of anything but that words survive.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from texts import FOLDER, SETS, Paragraph, paragraphs

from medkt.concepts import concepts
from medkt.concepts.prose import draft_of
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder

RESULTS = FOLDER / "results" / "meaning.md"
Vector = Float[np.ndarray, " width"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One paragraph: its first caption as a vector, and the paragraph whole."""

    paragraph: Paragraph
    caption: str
    first: Vector
    whole: Vector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small")
    parser.add_argument("--table", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    arguments.table.write_text(table(load_encoder(arguments.model)), encoding="utf-8")


def table(encoder: DualEncoder) -> str:
    """The page."""
    told = [_told(encoder, one) for name in SETS for one in paragraphs(name)]
    lines = [
        "# What the captions of the paragraphs still mean", "",
        f"Made by `python evaluation/prose/meaning.py` with the text tower of `{encoder.spec.name}`, without any image: rank of the finding among those of its",
        "modality by likeness to the catalogue's description. The control is the mean rank by the first captions of the modality's other paragraphs.", "",
        "| finding | modality | findings | first caption | whole paragraph | control | caption |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    rows = list(_rows(encoder, told))
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    middle = [float(np.median([row[column] for row in rows])) for column in (3, 4, 5)]
    lines += ["", f"Median rank: {middle[0]:g} by the first caption, {middle[1]:g} by the whole paragraph, {middle[2]:.1f} control; {len(rows)} paragraphs."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _rows(encoder: DualEncoder, told: Sequence[Told]) -> Iterator[tuple[str | int | float, ...]]:
    known = {id_: one for id_, one in concepts().items() if one.texts("inversion")}
    described = {id_: _embedded(encoder, one.texts("inversion")) for id_, one in known.items()}
    for one in told:
        modality, name = one.paragraph.modality, one.paragraph.name
        here = {id_: vector for id_, vector in described.items() if known[id_].modality == modality}
        if (own := next((id_ for id_ in here if known[id_].is_called(name)), None)) is None:
            continue
        others = [_rank(two.first, here, own) for two in told if two.paragraph.modality == modality and two is not one]
        ranks = (_rank(one.first, here, own), _rank(one.whole, here, own), round(float(np.mean(others)), 1))
        yield name, modality, len(here), *ranks, one.caption


def _told(encoder: DualEncoder, paragraph: Paragraph) -> Told:
    first = draft_of(paragraph.text, name=paragraph.name, modality=paragraph.modality).looks[0]
    whole = [said.text for said in paragraph.sentences]  # sentence by sentence: no tower reads a paragraph at once
    return Told(paragraph=paragraph, caption=first, first=_embedded(encoder, [first]), whole=_embedded(encoder, whole))


def _rank(vector: Vector, described: Mapping[str, Vector], own: str) -> int:
    likeness = {id_: float(vector @ one) for id_, one in described.items()}
    return 1 + sum(value > likeness[own] for value in likeness.values())


def _embedded(encoder: DualEncoder, texts: Sequence[str]) -> Vector:
    features = encoder.encode_text(encoder.tokenize(list(texts))).detach().cpu().numpy().astype(np.float64)
    mean = (features / np.linalg.norm(features, axis=1, keepdims=True)).mean(axis=0)
    unit: Vector = mean / np.linalg.norm(mean)
    return unit


if __name__ == "__main__":
    main()

"""The paragraphs of `evaluation/prose`: read with their labels, and put together as a reader would paste them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SETS = ("development", "blind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One sentence as it was written, and the roles that its writer gave it (one, or two where either holds)."""

    text: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """One description.

    Attributes:
        id: the file's name.
        name, modality, source: of the finding.
        in_catalogue: whether medkt ships words for it.
        text: as it would stand in a file.
        sentences: with their labels, in order; headings are none.
    """

    id: str
    name: str
    modality: str
    source: str
    in_catalogue: bool
    text: str
    sentences: tuple[Labelled, ...]


def paragraphs(folder: str) -> Iterator[Paragraph]:
    """Those of one of `SETS`, in the order of their names."""
    for path in sorted((FOLDER / folder).glob("*.txt")):
        yield read_paragraph(path)


def read_paragraph(path: Path) -> Paragraph:
    """One file: four lines of facts, then `ROLE[, ROLE] | SENTENCE` lines."""
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    pieces: list[str] = []
    sentences: list[Labelled] = []
    for line in body.splitlines():
        said, _, text = line.partition(" | ")
        if not line:
            pieces.append("\n\n")
        elif said == "heading" or text.startswith("- "):
            pieces.append(f"\n{text}\n")
        else:
            pieces.append(f"{text} ")
        if line and said != "heading":
            sentences.append(Labelled(text=text.removeprefix("- "), roles=tuple(said.split(", "))))
    return Paragraph(
        id=path.stem, name=facts["name"], modality=facts["modality"], source=facts["source"],
        in_catalogue=facts["in_catalogue"] == "yes", text="".join(pieces).strip() + "\n", sentences=tuple(sentences),
    )  # fmt: skip

"""The worst and the best cases of a run, with the pictures that it wrote of them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medkt.errors import UnreadableError
from medkt.report.run.viewer import CaseVolume
from medkt.runs.columns import CASE
from medkt.tasks.masks.scores import Scores
from medkt.tasks.masks.words import figure
from medkt.tasks.table import open_table

MOST_CONCEPTS = 6  # with pictures; the others are in the tables


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePicture:
    """One case to look at.

    Attributes:
        case: its pseudonym.
        concept: what was looked for.
        kind: "worst" or "best".
        words: its numbers.
        png: its overlay as it stands in a `data:` address, "" where the run wrote none.
        volume: where it is one and the page has a viewer for it.
    """

    case: str
    concept: str
    kind: str
    words: str
    png: str
    volume: CaseVolume | None = None

    @property
    def alt(self) -> str:
        """What the picture shows, in words."""
        return (
            f"{self.concept}, {self.kind} case {self.case}: the image, the saliency over it, and the outline with the boxes "
            f"given to the segmenter; {self.words}"
        )


def cases_to_look_at(run: Path, scores: Scores, *, count: int = 3) -> tuple[CasePicture, ...]:
    """The worst and the best cases of each concept: by Dice where the reference shows the finding.

    Only what stands in the run's own folder is read. A table without references gives none.

    Args:
        run: its folder, with `results.parquet` and `cases`.
        scores: of that table.
        count: how many of each.

    Raises:
        UnreadableError: the table names a case that a run cannot have named so.
    """
    if "dsc" not in scores.numbers or not count:
        return ()
    names = _names(run)
    found: list[CasePicture] = []
    for concept in sorted(scores.concept.words)[:MOST_CONCEPTS]:
        held = np.flatnonzero(scores.concept.are(concept) & scores.positives & ~np.isnan(scores.numbers["dsc"]))
        ordered = held[np.argsort(scores.numbers["dsc"][held], kind="stable")]
        few = min(count, len(ordered) // 2)
        chosen = (("worst", ordered[:few]), ("best", ordered[::-1][:few]))
        found += [_picture(run, scores, names[row], row, kind) for kind, rows in chosen for row in rows.tolist()]
    return tuple(found)


def _names(run: Path) -> NDArray[np.object_]:
    held = open_table(run / "results.parquet", needed=(CASE,), by=(), kept=lambda _: False)
    names: NDArray[np.object_] = held.column(CASE).cast("string").to_numpy()
    if not all(isinstance(name, str) and Path(name).name == name for name in names.tolist()):
        raise UnreadableError(f"{run / 'results.parquet'}: a case has a name that names no folder; it is damaged")
    return names


def _picture(run: Path, scores: Scores, case: str, row: int, kind: str) -> CasePicture:
    shown = [name for name in scores.numbers if not name.startswith(("volume_", "lesion"))]
    numbers = [f"{name} {figure(float(scores.numbers[name][row]))}" for name in shown]
    return CasePicture(
        case=case, concept=scores.concept.words[int(scores.concept.codes[row])], kind=kind,
        words=", ".join([*numbers, *(["no claim"] if scores.silent[row] else [])]),
        png=_overlay(run / "cases" / case / "overlay.png"),
    )  # fmt: skip


def _overlay(path: Path) -> str:
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def without_picture(cases: Sequence[CasePicture]) -> int:
    """How many of the cases the run wrote no picture of."""
    return sum(not case.png for case in cases)

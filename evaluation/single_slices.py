"""What is seen in single slices of drawn CT, in Hounsfield units, by what they are held against.

    python evaluation/single_slices.py --normals 100 --each 15    # two minutes; results/single_slices.md

One slice each of drawn volumes: of normal ones any in the middle, asked for every known finding and for three texts; of those that show a
finding one that holds at least two fifths of its largest area, asked for that. *Pictures*: against the single images that ship, which are
pictures drawn in the window of the lung (65 %) or of soft tissue, as slices were held before. *Planes*: against the planes of the
volumes that ship in the window in which the slice is shown, as `medkt segment` does. Seeds are of no other evaluation.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from normals import share_cell

from medkt.concepts import Concept, concept_from_text, load_concept
from medkt.domains import domain
from medkt.io import read_image
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.finding import findings_of
from medkt.phantom.study import reference_path, write_study
from medkt.pipeline.answer import StudyAnswers
from medkt.pipeline.look import View, look_at, shown_plane
from medkt.pipeline.words import texts_of
from medkt.presence.normals import Normals, default_normals
from medkt.saliency.targets import embed_targets, texts_kept
from medkt.segmentation.presence import PresenceSettings, ThresholdRule
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Geometry, Image

RESULT = Path(__file__).resolve().parent / "results" / "single_slices.md"
SEED = 3_300_000
SHAPE, SPACING_MM = (24, 128, 128), (10.0, 2.8, 2.8)
MIDDLE, PART = (4, 20), 0.4
TEXTS = ("a small round bright spot in the lung", "a dark hole in the lung", "fluid beside the lung")
WAYS = ("pictures", "planes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--normals", type=int, default=100, help="slices without a finding")
    parser.add_argument("--each", type=int, default=15, help="slices of each finding")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with texts_kept():
        text = table(arguments.normals, arguments.each)
    RESULT.write_text(text, encoding="utf-8")
    print(text)


def table(normals: int, each: int) -> str:
    """One line a question: absent findings called seen, and present ones seen, by both ways."""
    encoder = load_small()
    known = default_normals(encoder)
    assert known is not None
    ways = {"pictures": pictures_alone(known), "planes": known}
    findings = [load_concept(one.id) for one in findings_of("ct")]
    asked = [*findings, *(concept_from_text(text) for text in TEXTS)]
    absent = [seen(encoder, one, asked, ways) for one in normal_slices(normals)]
    present = {one.id: [seen(encoder, image, [one], ways) for image in slices_with(one.id, each)] for one in findings}
    lines = [
        "# Single slices of CT, and what is seen in them", "",
        "`python evaluation/single_slices.py`, which says how. Shares with Wilson's intervals, 95 %.", "",
        "| asked for | window | absent, pictures | absent, planes | present, pictures | present, planes |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in asked:
        cells = [share_cell([row[way][one.id] for row in absent]) for way in WAYS]
        cells += [share_cell([row[way][one.id] for row in present.get(one.id, [])]) for way in WAYS]
        lines.append(f"| {one.name} | {one.window or 'lung'} | {' | '.join(cells)} |")
    cells = [share_cell([said for row in absent for said in row[way].values()]) for way in WAYS]
    cells += [
        share_cell([said for rows in present.values() for row in rows for said in row[way].values()]) for way in WAYS
    ]
    return "\n".join([*lines, f"| all | | {' | '.join(cells)} |", ""])


def pictures_alone(known: Normals) -> Normals:
    """The single images that ship, in place of the volumes: a slice in a window is held against what stands there."""
    return replace(known, groups=tuple(replace(one, step_mm=1.0) for one in known.groups if not one.step_mm))


def normal_slices(count: int) -> Iterator[Image]:
    random = np.random.default_rng(SEED)
    for number in range(count):
        image, _ = drawn("", SEED + number)
        yield slice_of(image, int(random.integers(*MIDDLE)))


def slices_with(finding: str, count: int) -> Iterator[Image]:
    random = np.random.default_rng(SEED + 1)
    for number in range(count):
        image, reference = drawn(finding, SEED + 100_000 + number)
        area = (reference.values > 0).sum(axis=(1, 2))
        yield slice_of(image, int(random.choice(np.flatnonzero(area >= PART * area.max()))))


def drawn(finding: str, seed: int) -> tuple[Image, Image]:
    """A volume and its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_study(
            Path(folder), domain="ct", finding=finding, seed=seed, format="nifti", shape=SHAPE, spacing_mm=SPACING_MM
        )
        return read_image(path), read_image(reference_path(path))


def slice_of(image: Image, index: int) -> Image:
    """A slice by itself, where it lies."""
    affine = image.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 0] * index
    geometry = Geometry(affine=affine, shape=(1, *image.geometry.shape[1:]))
    return replace(image, values=image.values[index : index + 1], geometry=geometry, native=None)


def seen(
    encoder: SmallEncoder, image: Image, concepts: list[Concept], ways: Mapping[str, Normals]
) -> dict[str, dict[str, bool]]:
    """Which of the concepts each way calls seen."""
    kind, settings = domain("ct"), PresenceSettings()
    found: dict[str, dict[str, bool]] = {way: {} for way in ways}
    for concept in concepts:
        looked = look_at(image, kind, View(modality="ct"), window=kind.window_for(concept))
        features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
        texts = texts_of(kind, concept)
        for way, normals in ways.items():
            answer = StudyAnswers(
                rule=ThresholdRule(settings=settings), guard=None, settings=settings, encoder=encoder, image=image, kind=kind,
                looked=looked, asked=[(concept, texts)], normals=normals,
            )  # fmt: skip
            (said,) = answer(features, embed_targets(encoder, [texts]))
            found[way][concept.id] = said.state == "seen"
    return found


if __name__ == "__main__":
    main()

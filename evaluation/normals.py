"""How often a finding that is absent is called seen, in drawn studies without a finding, and what is still seen where it is there.

    python evaluation/normals.py measure --normals 100 --each 4      # goes on where it ended; planes and volumes of each modality
    python evaluation/normals.py table                               # results/normals.md

Every normal study is asked for every finding of its modality, every study with a finding for that one, by the small model with its
defaults, with the guard and without, and by the thresholds of an encoder of which no normal studies are known ("fixed": 0.2, over
slices 0.5). No map is made, so that answers which cover too much count as seen. Volumes are thick (CT 20 slices of 10 mm, MRI 16 of
6 mm) and thin (CT 64 of 4 mm, MRI 48 of 3 mm) by turns. What was chosen (how odd a plane may be, the extent in CT, `presence.rate`
and the floor) was chosen on other seeds, with known findings alone; the normal studies that thresholds come from have seeds of
their own.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from medkt.concepts import Concept, load_concept
from medkt.domains import domain
from medkt.guard import default_guard
from medkt.io import read_image
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.finding import DOMAINS, DomainName, find, findings_of
from medkt.phantom.study import write_study
from medkt.pipeline import View, look_at
from medkt.pipeline.answer import StudyAnswers
from medkt.pipeline.look import shown_plane, windows_of
from medkt.pipeline.words import texts_of
from medkt.presence import Guard
from medkt.presence.normals import Normals, default_normals
from medkt.saliency.targets import embed_targets, texts_kept
from medkt.segmentation.presence import PresenceSettings, ThresholdRule
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image
from medkt.statistics import wilson

RESULTS = Path(__file__).resolve().parent / "results"
SEED = 1_500_000
KINDS = {
    "plane": dict.fromkeys(DOMAINS),
    "thick": {"ct": ((20, 128, 128), (10.0, 2.8, 2.8)), "mri": ((16, 128, 128), (6.0, 1.8, 1.8))},
    "thin": {"ct": ((64, 128, 128), (4.0, 2.8, 2.8)), "mri": ((48, 128, 128), (3.0, 1.8, 1.8))},
}
Study = tuple[str, DomainName, str, int]  # kind, domain, finding, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument(
        "--normals", type=int, default=100, help="of each modality: planes, and volumes half thick, half thin"
    )
    parser.add_argument("--each", type=int, default=4, help="studies of each finding, likewise")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--rows", type=Path, default=RESULTS / "normals.jsonl")
    arguments = parser.parse_args()
    if arguments.what == "table":
        text = table([json.loads(line) for line in arguments.rows.read_text(encoding="utf-8").splitlines()])
        (RESULTS / "normals.md").write_text(text, encoding="utf-8")
        print(text)
        return
    torch.set_num_threads(1)
    measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    rows = arguments.rows
    lines = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else []
    done = {tuple(json.loads(line)["study"]) for line in lines}
    encoder = load_small()
    guard = default_guard(encoder)
    with texts_kept():
        for study in studies(arguments):
            if study not in done:
                with rows.open("a", encoding="utf-8") as out:
                    out.write(
                        json.dumps({"study": study, "seen": seen_in(encoder, guard, study)}, allow_nan=False) + "\n"
                    )


def studies(arguments: argparse.Namespace) -> Iterator[Study]:
    """Those of one kind in turn over the modalities, so that what is there when it is ended is even."""
    for number in range(max(arguments.normals, arguments.each)):
        for name in arguments.domains:
            for kind in arguments.kinds:
                if name in KINDS[kind] and (kind == "plane" or number % 2 == ("thick", "thin").index(kind)):
                    if number < arguments.normals:
                        yield kind, name, "", SEED + 5000 + number
                    if number < arguments.each:
                        yield from ((kind, name, one.id, SEED + number) for one in findings_of(name))


def seen_in(encoder: SmallEncoder, guard: Guard, study: Study) -> dict[str, dict[str, str]]:
    """What is said of each finding that is asked for, with the guard and without."""
    kind, name, finding, seed = study
    asked = [one.id for one in findings_of(name)] if not finding else [finding]
    shape, spacing = KINDS[kind][name] or (None, None)
    with tempfile.TemporaryDirectory() as folder:
        written = write_study(
            Path(folder), domain=name, finding=finding, seed=seed, format="png" if kind == "plane" else "nifti", shape=shape,
            spacing_mm=spacing,
        )  # fmt: skip
        image = read_image(written)
    known = default_normals(encoder)
    ways = {"guard": (guard, known), "no guard": (None, known), "fixed": (guard, None)}
    return _answers(encoder, ways, image, name, [load_concept(one) for one in asked])


def _answers(
    encoder: SmallEncoder, ways: Mapping[str, tuple[Guard | None, Normals | None]], image: Image, name: DomainName,
    concepts: Sequence[Concept],
) -> dict[str, dict[str, str]]:  # fmt: skip
    """What each way says of each concept."""
    kind, settings = domain(name), PresenceSettings()
    found: dict[str, dict[str, str]] = {way: {} for way in ways}
    for window in windows_of(kind, concepts):
        looked = look_at(image, kind, View(modality=name), window=window)
        asked = [(one, texts_of(kind, one)) for one in concepts if kind.window_for(one) == window]
        features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
        targets = embed_targets(encoder, [texts for _, texts in asked])
        for way, (guard, normals) in ways.items():
            answer = StudyAnswers(
                rule=ThresholdRule(settings=settings), guard=guard, settings=settings, encoder=encoder, image=image,
                kind=kind, looked=looked, asked=asked, normals=normals,
            )  # fmt: skip
            said = answer(features, targets)
            found[way] |= {one.id: answered.state for (one, _), answered in zip(asked, said, strict=True)}
    return found


def table(rows: Sequence[dict[str, object]]) -> str:
    lines = [
        "# Studies without a finding, and what is seen in them", "",
        "`python evaluation/normals.py`, which says how. Absent: share of questions (finding x normal study) answered *seen*; any: share of",
        "normal studies with such an answer. Known, held out: share of studies with the finding in which it is seen. No claim counts as not",
        "seen. Intervals: Wilson's, 95 %; questions of one study are not independent, so those of *absent* are too narrow. Everything was",
        "chosen on other seeds. *Fixed*: with the guard, by 0.2 and over slices 0.5, which an encoder has of which no normal studies are known.",
        "*No guard*: the volumes that thresholds come from are without the planes that it gives no voice, so here they are too low.", "",
        "| modality | kind | way | absent | any | known | held out | no claim |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in DOMAINS:
        for kind in KINDS:
            of_kind = [row for row in rows if list(row["study"])[:2] == [kind, name]]  # type: ignore[call-overload]
            lines += [_line(name, kind, who, of_kind) for who in ("fixed", "no guard", "guard") if of_kind]
    return "\n".join(lines) + "\n"


def _line(name: str, kind: str, who: str, rows: Sequence[dict[str, object]]) -> str:
    said = [(str(list(row["study"])[2]), row["seen"][who]) for row in rows]  # type: ignore[call-overload, index]
    normal = [answers for finding, answers in said if not finding]
    held = {finding: find(finding).held_out for finding, _ in said if finding}
    there = [(held[finding], answers[finding] == "seen") for finding, answers in said if finding]
    cells = (
        [one == "seen" for answers in normal for one in answers.values()],
        ["seen" in answers.values() for answers in normal],
        [seen for out, seen in there if not out],
        [seen for out, seen in there if out],
        [one == "no claim" for _, answers in said for one in answers.values()],
    )
    return f"| {name} | {kind} | {who} | " + " | ".join(share_cell(one) for one in cells) + " |"


def share_cell(answers: Sequence[bool], digits: int = 3) -> str:
    """The share of answers that are yes with its interval, for a table."""
    if not answers:
        return "-"
    found = wilson(float(sum(answers)), len(answers))
    estimate, low, high = (f"{one:.{digits}f}" for one in (found.estimate, found.low, found.high))
    return f"{estimate} ({low} to {high}), n={len(answers)}"


if __name__ == "__main__":
    main()

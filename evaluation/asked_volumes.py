"""What is seen in drawn volumes by a finding that is asked well, nothing taught: where it is there, and where it is not.

    python evaluation/asked_volumes.py measure --normals 24 --each 12    # goes on where it ended
    python evaluation/asked_volumes.py table                              # results/asked_volumes.md

Every held-out and invented finding of CT and MRI is settled as `medkt learn --how text` does, and asked of normal volumes, of
volumes that show it and of those that show another of these findings, by the small model with its guard. Beside the way that a
package takes stands the one that packages took before, "virtual with bank". Each study is answered twice: by the bias alone, which was set on
planes ("bias"), and as `medkt segment` answers it, held against the drawn normal volumes that ship with the model, too ("seen"). No map is made.
Planes are the drawn normal ones that ship, 500 a modality, as the bias alone answers them; one window of CT each.

Volumes are thick (CT 20 slices of 10 mm, MRI 16 of 6 mm) and thin (CT 64 of 4 mm, MRI 48 of 3 mm) by turns; their seeds are of no other
evaluation. Settings may be chosen on the invented findings; the held-out ones are told apart in the table.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parent / "kt_phantom"))

from normals import KINDS, share_cell
from tasks import Task, development_tasks, held_out_tasks

from medkt.asking import leads, way_called
from medkt.asking.calibration import LeadCalibration
from medkt.asking.record import settle
from medkt.concepts import Concept
from medkt.domains import domain
from medkt.guard import default_guard
from medkt.io import read_image
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.finding import DomainName, findings
from medkt.phantom.study import write_study
from medkt.pipeline import View, look_at
from medkt.pipeline.answer import StudyAnswers
from medkt.pipeline.look import shown_plane, windows_of
from medkt.pipeline.words import texts_of
from medkt.presence.normals import Normals, default_normals
from medkt.presence.state import NoNormals
from medkt.saliency.targets import ConceptQuery, embed_targets, texts_kept
from medkt.segmentation.presence import PresenceSettings, ThresholdRule
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image
from medkt.transfer.packages import directions_of

RESULTS = Path(__file__).resolve().parent / "results"
SEED = 2_600_000
VOLUMES: tuple[DomainName, ...] = ("ct", "mri")
PACKAGE, BEFORE = WAYS = ("package", "virtual with bank")
Study = tuple[str, str, str, int]  # kind, domain, finding, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--normals", type=int, default=24, help="volumes of each modality, half thick, half thin")
    parser.add_argument("--each", type=int, default=12, help="of each finding, likewise")
    parser.add_argument("--rows", type=Path, default=RESULTS / "asked_volumes.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "measure":
        measure(arguments)
    rows = [json.loads(line) for line in arguments.rows.read_text(encoding="utf-8").splitlines()]
    text = table(rows)
    arguments.rows.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def measure(arguments: argparse.Namespace) -> None:
    rows = arguments.rows
    lines = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else []
    done = {tuple(json.loads(line)["study"]) for line in lines}
    encoder = load_small()
    with texts_kept():
        if ("planes", "", "", 0) not in done:
            _add(rows, {"study": ("planes", "", "", 0), "taken": dict(planes_taken(encoder))})
        for study in studies(arguments.normals, arguments.each):
            if study not in done:
                _add(rows, {"study": study, **answers(encoder, study)})


def _add(path: Path, row: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row, allow_nan=False) + "\n")


@cache
def tasks_in(name: str) -> tuple[Task, ...]:
    """The findings that are asked for in a modality, the held-out ones first."""
    return tuple(task for task in (*held_out_tasks(), *development_tasks()) if task.domain.name == name)


@cache
def asked_in(encoder: SmallEncoder, name: str) -> Mapping[str, Mapping[str, ConceptQuery]]:
    """How each of them is asked: as a package takes it ("package"), and as packages did."""
    return {task.concept.id: _asked(encoder, task) for task in tasks_in(name)}


def _asked(encoder: SmallEncoder, task: Task) -> Mapping[str, ConceptQuery]:
    calibration = _calibration(encoder, task.domain.name)
    found = {}
    for name, way in ((PACKAGE, None), (BEFORE, way_called(BEFORE))):
        record = settle(
            encoder, task.concept, task.domain, base_digest="", known=task.known, way=way, calibration=calibration
        )
        found[name] = ConceptQuery(
            directions=directions_of(record), known=len(record.known), bias=record.bias, texts=record.texts, way=record.way, digest="",
        )  # fmt: skip
    return found


@cache
def _calibration(encoder: SmallEncoder, name: str) -> LeadCalibration:
    """The drawn pictures are those of a modality, whichever of its findings is asked for."""
    task = tasks_in(name)[0]
    return LeadCalibration.of(encoder, task.concept, task.domain, task.known)


def studies(normals: int, each: int) -> Iterator[Study]:
    """In turn over modalities and findings, so that what is there when it is ended is even."""
    for number in range(max(normals, each)):
        kind = ("thick", "thin")[number % 2]
        for name in VOLUMES:
            if number < normals:
                yield kind, name, "", SEED + 5000 + number
            if number < each:
                yield from ((kind, name, task.finding.id, SEED + number) for task in tasks_in(name))


def answers(encoder: SmallEncoder, study: Study) -> dict[str, Any]:
    """Of each finding of the modality and each way: the score, from which on it is seen, and the answer."""
    _, name, finding, _ = study
    with tempfile.TemporaryDirectory() as folder:
        image = _drawn(Path(folder), study)
    concepts = [task.concept for task in tasks_in(name)]
    return {"shows": finding, "answers": _answered(encoder, image, name, concepts)}


def _drawn(folder: Path, study: Study) -> Image:
    kind, name, finding, seed = study
    shape, spacing = KINDS[kind][name]
    task = next((one for one in tasks_in(name) if one.finding.id == finding), None)
    invented = task is not None and finding not in findings()
    look = task.finding.draw(np.random.default_rng((seed, *finding.encode()))) if task and invented else None
    path = write_study(
        folder, domain=name, finding="unnamed" if invented else finding, seed=seed, format="nifti", shape=shape, spacing_mm=spacing,
        attributes=look,
    )  # fmt: skip
    return read_image(path)


def _answered(
    encoder: SmallEncoder, image: Image, name: str, concepts: Sequence[Concept]
) -> dict[str, dict[str, dict[str, Any]]]:
    """As the pipeline answers, with the guard and the model's normal volumes; each window is looked at once for both ways."""
    kind, settings, guard = domain(name), PresenceSettings(), default_guard(encoder)
    asked_of, normals = asked_in(encoder, name), default_normals(encoder)
    found: dict[str, dict[str, dict[str, Any]]] = {way: {} for way in WAYS}
    for window in windows_of(kind, concepts):
        looked = look_at(image, kind, View(modality=name), window=window)
        mine = [one for one in concepts if kind.window_for(one) == window]
        features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
        for way in WAYS:
            asked = [(one, texts_of(kind, one, asked=asked_of[one.id][way])) for one in mine]
            answer = StudyAnswers(
                rule=ThresholdRule(settings=settings), guard=guard, settings=settings, encoder=encoder, image=image, kind=kind,
                looked=looked, asked=asked, normals=normals,
            )  # fmt: skip
            for one, said in zip(
                mine, answer(features, embed_targets(encoder, [texts for _, texts in asked])), strict=True
            ):
                found[way][one.id] = {"score": round(said.score, 4), "from": round(said.strong, 4), "state": said.state}
    return found


def planes_taken(encoder: SmallEncoder) -> Iterator[tuple[str, dict[str, float]]]:
    """By finding, the part of the shipped drawn normal planes of its window that leads by more than the bias."""
    normals = default_normals(encoder)
    for task in (*held_out_tasks(), *development_tasks()):
        planes = _planes_of(normals, task) if normals else None
        if planes is not None:
            asked = asked_in(encoder, task.domain.name)[task.concept.id]
            yield (
                task.concept.id,
                {
                    way: round(float((leads(planes, one.directions) > one.bias).float().mean()), 4)
                    for way, one in asked.items()
                },
            )


def _planes_of(normals: Normals, task: Task) -> torch.Tensor | None:
    kind = task.domain
    group = normals.of(
        kind.name,
        task.concept.body or kind.default_body,
        kind.window_for(task.concept) or kind.default_window or "",
        is_volume=False,
    )
    return None if isinstance(group, NoNormals) else torch.from_numpy(group.features)


# ---- the table


@dataclass(frozen=True, slots=True)
class _Counted:
    """Of one finding and way, over volumes: normal ones called, others called, its own called; by the bias, and as answered."""

    normal: tuple[list[bool], list[bool]]
    others: tuple[list[bool], list[bool]]
    own: tuple[list[bool], list[bool]]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "# Drawn volumes, asked well", "",
        "`python evaluation/asked_volumes.py`, which says how; nothing is taught. *Bias*: share of volumes whose score is above that of the bias that was set on",
        "planes; *seen*: as `medkt segment` answers, held against normal volumes as well. Normal: volumes without a finding; others: with another held-out or invented one of the",
        "modality; own: with the finding. Wilson's intervals, 95 %, where it is one finding's; means over findings have none.", "",
        "| finding | way | planes, normal, bias | normal, bias | normal, seen | others, bias | others, seen | own, bias | own, seen |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    taken = next((row["taken"] for row in rows if row["study"][0] == "planes"), {})
    held = {task.concept.id for task in held_out_tasks()}
    volumes = [row for row in rows if row["study"][0] != "planes"]
    found = [task.concept.id for name in VOLUMES for task in tasks_in(name)]
    for way in WAYS:
        for title, group in (
            ("held out", [one for one in found if one in held]),
            ("invented", [one for one in found if one not in held]),
        ):
            counts = {one: _count(volumes, one, way) for one in group}
            lines += [_line(one, way, taken.get(one, {}).get(way), counts[one]) for one in group]
            lines.append(_mean(title, way, [taken.get(one, {}).get(way) for one in group], list(counts.values())))
    return "\n".join(lines) + "\n"


def _count(rows: Sequence[Mapping[str, Any]], finding: str, way: str) -> _Counted:
    parts: dict[str, tuple[list[bool], list[bool]]] = {"normal": ([], []), "others": ([], []), "own": ([], [])}
    for row in rows:
        said = row["answers"][way].get(finding)
        if said is not None:
            shows = row["study"][2]
            bias, seen = parts["own" if shows == finding else "others" if shows else "normal"]
            bias.append(said["score"] >= 0.5)
            seen.append(said["state"] == "seen")
    return _Counted(**parts)


def _line(finding: str, way: str, planes: float | None, counted: _Counted) -> str:
    cells = [share_cell(some, 2) for pair in (counted.normal, counted.others, counted.own) for some in pair]
    return f"| {finding} | {way} | {'-' if planes is None else f'{planes:.3f}'} | {' | '.join(cells)} |"


def _mean(title: str, way: str, planes: Sequence[float | None], counted: Sequence[_Counted]) -> str:
    known = [one for one in planes if one is not None]
    pairs = [(one.normal, one.others, one.own) for one in counted]
    cells = [
        f"{np.mean([np.mean(three[part][which]) for three in pairs]):.2f}" if all(three[part][which] for three in pairs) else "-"
        for part in range(3) for which in range(2)
    ]  # fmt: skip
    return f"| **{title}, mean** | {way} | {f'{np.mean(known):.3f}' if known else '-'} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

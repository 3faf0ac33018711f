"""`medkt segment` on phantoms of each finding, as a package that holds how it is asked is used: seen or not, and the mask.

    python evaluation/kt_phantom/segmented.py --findings held --teach base,local --seeds 1

One JSON line a (finding, condition, seed, way of asking) goes to `segmented.jsonl`; a second run goes on where the first ended. The way,
its directions and the lead from which the finding is seen are settled of the encoder that is asked (`medkt.asking.record`), as `medkt
learn` writes them into a package; "the package's" way is the one that its rule picks. "name, no lead": by the bare name alone and
the threshold of presence, as segmentation was measured before. Six phantoms of 256 x 256 pixels each; not seen counts DSC 0.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from pictures import TESTED, Gallery
from rows import Rows
from run import beside_of, in_turn
from segment import loaded, scores_by_name, study_of, view_of
from tasks import HERE, SETS, Task, tasks_of
from teach import PACKAGED, Bench, conditions, digest_of

from medkt.asking import way_called
from medkt.asking.calibration import LeadCalibration
from medkt.asking.record import settle
from medkt.concepts import Base, Package
from medkt.concepts.package import PackagedConcept
from medkt.metrics import evaluate_case
from medkt.models.encoder import DualEncoder
from medkt.models.weights import weights_digest
from medkt.pipeline import Pipeline
from medkt.transfer.trainable import TrainableParts, frozen_layer

NO_LEAD = "name, no lead"
ASKED = (NO_LEAD, "name", PACKAGED)
"""How each encoder is asked."""


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    torch.set_num_threads(1)
    encoder, rows = loaded().encoder, Rows(arguments.out)
    wanted = [(name, task) for name in arguments.findings.split(",") for task in in_turn(tasks_of(name))]
    for condition in conditions(arguments.teach):
        for seed in range(arguments.seeds):
            for name, task in wanted:
                gallery = Gallery(encoder, beside_of(name, task), frozen_layer(encoder, TrainableParts()), TESTED)
                measure(Bench(encoder, task, gallery, name), condition, seed, rows, arguments)


def measure(bench: Bench, condition: str, seed: int, rows: Rows, arguments: argparse.Namespace) -> None:
    """One condition and seed, asked in every way that has no row yet."""
    key = {"finding": bench.task.finding.id, "condition": condition, "seed": seed}
    missing = [way for way in arguments.ways.split(";") if not rows.has("segmented", way=way, **key)]
    encoder = bench.encoder(condition, seed) if missing else None
    if encoder is None:
        return
    task, set_on = bench.task, None
    for way in missing:
        if way != NO_LEAD and set_on is None:
            set_on = _calibration(encoder, task)  # once for all ways
        asked, found = outlined(encoder, task, way, range(arguments.studies), set_on)
        rows.add(
            **key, settings=digest_of(condition), way=way, set=bench.set, domain=bench.task.domain.name, asked=asked, segmented=found,
        )  # fmt: skip


def _calibration(encoder: DualEncoder, task: Task) -> LeadCalibration:
    """What the lead is set on; of the encoder as it ships once for all findings of a modality, whose drawn pictures are the same."""
    if encoder is not loaded().encoder:
        return LeadCalibration.of(encoder, task.concept, task.domain, task.known)
    return _drawn(task.domain.name)


@cache
def _drawn(modality: str) -> LeadCalibration:
    task = next(one for one in tasks_of("held") if one.domain.name == modality)
    return LeadCalibration.of(loaded().encoder, task.concept, task.domain, task.known)


def outlined(
    encoder: DualEncoder, task: Task, way: str, numbers: range, set_on: LeadCalibration | None
) -> tuple[str, list[dict[str, float]]]:
    """By which way it was asked, and of each phantom whether it is seen, and DSC."""
    studies = [study_of(task, n) for n in numbers]
    if way == NO_LEAD:
        found = scores_by_name(encoder, task.concept, task.domain, studies, view_of(task), tolerance_mm=2.0)
        return way, [{"seen": one["seen"], "dsc": round(one["dsc"], 4)} for one in found]
    pipeline, asked = packaged(encoder, task, way, set_on)
    found = []
    for image, reference in studies:
        result = pipeline.segment(image, [task.concept.id], view=view_of(task))
        (one,) = result.findings
        case = evaluate_case(reference=reference, prediction=result.mask(one), tolerance_mm=2.0)
        seen = one.found.presence.present
        found.append({"seen": float(seen), "dsc": round(case.numbers["dsc"], 4) if seen else 0.0})
    return asked, found


def packaged(encoder: DualEncoder, task: Task, way: str, set_on: LeadCalibration | None) -> tuple[Pipeline, str]:
    """The whole line with a package that says how the finding is asked of this encoder, and by which way that is."""
    digest = weights_digest(encoder.module)
    settled = None if way == PACKAGED else way_called(way)
    record = settle(
        encoder, task.concept, task.domain, base_digest=digest, known=task.known, way=settled, calibration=set_on
    )  # fmt: skip
    base = Base(name=encoder.spec.name, digest=digest)
    package = Package(learnt=(PackagedConcept(concept=task.concept, asking=record),), base=base)
    return replace(loaded(), encoder=encoder).with_packages([package]), record.way


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "segmented.jsonl")
    parser.add_argument("--findings", default="held", help=f"of {', '.join(SETS)}")
    parser.add_argument("--teach", default="base", help="conditions of run.py, in the order that they are run")
    parser.add_argument("--ways", default=";".join(ASKED), help="of asking, with ; between them")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--studies", type=int, default=6, help="phantoms of a finding")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

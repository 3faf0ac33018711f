"""How a concept is asked from now on: the way, its directions, and the lead from which it is seen. Nothing is trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from safetensors.torch import save

from medkt.asking.calibration import LeadCalibration, drawn_domain
from medkt.asking.choice import SEED as CHOOSING_SEED
from medkt.asking.choice import Choice, choose_way
from medkt.asking.ways import Way, known_names
from medkt.asking.words import AskingWords
from medkt.concepts import AskingRecord, Concept
from medkt.concepts.asking_record import NORMAL, RIVALS, WANTED
from medkt.domains import Domain
from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.phantom.reading import Reading, read
from medkt.progress import Progress
from medkt.saliency.directions import Directions


def settle(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    *,
    base_digest: str,
    known: Sequence[Concept] | None = None,
    way: Way | None = None,
    calibration: LeadCalibration | None = None,
    progress: Progress | None = None,
) -> AskingRecord:
    """Settle how a concept is asked of an encoder.

    Args:
        encoder: the base, or what learned the concept; its text tower is the base's.
        concept: with a caption for inversion, or a prompt, that describes it.
        domain: among whose findings it is asked.
        base_digest: `weights_digest` of the base, in whose text space the directions lie.
        known: what the model is taken to know; None takes the domain's findings without this one.
        way: None takes that which the rule of `medkt.asking.choice` picks.
        calibration: pictures that the lead is set on; None draws them.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: no known finding to tell it apart from, no caption, or nothing to set the lead on.
    """
    others = tuple(known) if known is not None else domain.others(concept)
    spoken = AskingWords.of(concept, domain, others, described_by(concept))
    names = known_names(encoder, spoken)
    calibration = calibration or LeadCalibration.of(encoder, concept, domain, others, progress=progress)
    if way is None:
        reading = _reading(concept, domain, spoken)
        choice = choose_way(
            encoder, spoken, reading, [one.id for one in others],
            handicapped=lambda asked: calibration.settled(asked, names)[0],
        )  # fmt: skip
    else:
        choice = Choice(way=way, why="it was asked for", figures={}, pictures={})
    directions, bias, set_on = calibration.settled(choice.way.directions(encoder, spoken), names)
    return AskingRecord(
        way=choice.way.name, texts=choice.way.texts(spoken),
        known=tuple(one.id for one in others), bank=_bank(spoken, len(directions.rivals) - len(others)),
        normal=spoken.normal if directions.normal is not None else (), handicap=round(directions.handicap, 6),
        sharpness=round(directions.sharpness, 6),
        bias=round(bias, 6), set_on=set_on, chosen=_as_json(choice), base_digest=base_digest, vectors=_stored(directions),
    )  # fmt: skip


def described_by(concept: Concept) -> tuple[str, ...]:
    """The captions that describe a concept: those for inversion, which never hold its name, else its prompts.

    Raises:
        InputError: it has none.
    """
    found = concept.texts("inversion") or concept.texts("prompt")
    if not found:
        raise InputError(f"{concept.id}: no caption that describes it; add one under captions: inversion")
    return found


def _reading(concept: Concept, domain: Domain, spoken: AskingWords) -> Reading | None:
    name = drawn_domain(concept, domain)
    return None if name is None else read(spoken.described[0], name)


def _bank(spoken: AskingWords, count: int) -> tuple[str, ...]:
    """The texts of so many of the bank's directions, in their order."""
    return (*spoken.replaced, *spoken.otherwise_bounded)[:count]


def _as_json(choice: Choice) -> dict[str, Any]:
    areas = {
        way: {kind: round(value, 4) if np.isfinite(value) else None for kind, value in found.items()}
        for way, found in choice.figures.items()
    }
    if not areas:
        return {"why": choice.why}
    return {
        "why": choice.why,
        "AUC of the lead on drawn pictures": areas,
        "pictures": dict(choice.pictures),
        "seed": CHOOSING_SEED,
    }


def _stored(directions: Directions) -> bytes:
    vectors = {WANTED: directions.wanted, RIVALS: directions.rivals}
    vectors |= {} if directions.normal is None else {NORMAL: directions.normal}
    return save({name: value.detach().float().cpu().contiguous() for name, value in vectors.items()})

"""`learn` with `how` "text": a concept asked well, in seconds, without any training."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.requests.learn import LearnRequest, LearnResult, SettledLearning, notes_of, told_late
from medkt.requests.learn_studies import studies_of
from medkt.requests.listener import Listener

if TYPE_CHECKING:
    from medkt.asking.studies import ShownStudies
    from medkt.models.encoder import EncoderSpec

_OF_TRAINING = {
    "settings": "--settings", "set": "--set", "max_forgetting": "--max-forgetting", "second": "--second", "cache": "--cache",
    "as_published": "--as-published", "images": "--images", "pool": "--pool", "dreamt_rehearsal": "--dreamt-rehearsal",
}  # fmt: skip


def require_no_training(request: LearnRequest) -> None:
    """That no option is given that says how to train.

    Raises:
        SettingsError: one is; it is named.
    """
    from medkt.errors import SettingsError

    given = [option for name, option in _OF_TRAINING.items() if getattr(request, name, None)]
    given += [f"--{name}" for name in ("preset", "delta") if request.gives(name)]
    given += ["--seeds"] if request.seeds != 1 else []
    if given:
        raise SettingsError(f"--how text trains nothing, so that {', '.join(given)} means nothing; leave it out")


def ask_concept(wanted: SettledLearning, target: Path, listener: Listener) -> LearnResult:
    """Settle how the concept is asked, examine it, and write the package; its studies are read one at a time."""
    from medkt.audit.probe import read_probe
    from medkt.learning.text_learning import ask_well
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device

    request, concept, kind = wanted.request, wanted.concept, wanted.kind
    given = asking_of(wanted)
    probe = None if request.probe is None else read_probe(request.probe, kind, concept)
    encoder = load_encoder(request.model, device=resolve_device(request.device))
    notes = [*notes_of(encoder, concept, kind), *drawn_notes(encoder.spec, given), *(probe.notes if probe else ())]
    listener.advise(notes)
    began = time.perf_counter()
    with listener.progress(f"asking for {concept.name}") as tick:
        made = ask_well(
            encoder, concept, kind, level=request.audit, probe=probe, keep_anyway=request.keep_anyway, progress=tick,
            normals=given.get("normals"), rehearse=given.get("rehearse"),
        )  # fmt: skip
    seconds = time.perf_counter() - began
    notes += told_late(made.asking, notes, listener)
    if made.refusal:
        return LearnResult(made=made, package=None, digest="", seconds=seconds, notes=tuple(notes))
    digest = made.save(target).digest
    return LearnResult(made=made, package=target, digest=digest, seconds=seconds, notes=tuple(notes))


def asking_of(wanted: SettledLearning) -> "Mapping[str, ShownStudies]":
    """The user's studies that a lead is set on, once no option says how to train."""
    require_no_training(wanted.request)
    return studies_of(wanted.request, wanted.kind, wanted.concept)


def drawn_notes(spec: "EncoderSpec", given: "Mapping[str, ShownStudies]") -> list[str]:
    """What to know where the lead of a model that is not the demonstration is set on drawn pictures."""
    if spec.drawn or "normals" in given:
        return []
    return [
        f"{spec.name} was not made for drawn pictures, and on these it is set from which lead on the finding is seen; give normal "
        "studies of your own with --normals DIR"
    ]

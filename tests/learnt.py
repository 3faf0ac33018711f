"""Learnt concepts for tests: packages over the plain encoder of `segmentation/bright_spots.py`, whose one weight changes."""

from pathlib import Path

import torch
from segmentation.bright_spots import BrightSpots

from medkt.concepts import Base, Concept, parse_concepts, write_package
from medkt.models.encoder import DualEncoder
from medkt.transfer.copies import copy_encoder
from medkt.transfer.delta import DeltaSettings, make_delta, to_bytes

GAIN = 3.0  # of the base


def make_words(id_: str, name: str, *, modality: str = "ultrasound") -> Concept:
    """A concept of a few words."""
    text = f"""\
version: 1
modality: {modality}
licence: CC-BY-4.0
author: a test
sources: {{own: "our own description"}}
concepts:
  - id: {id_}
    name: {name}
    source: [own]
    captions: {{prompt: ["a {name}"], inversion: ["a disc in the tissue"]}}
"""
    (concept,) = parse_concepts(text, "words.yaml")
    return concept


def with_gain(base: DualEncoder, gain: float) -> DualEncoder:
    """A copy with another gain."""
    adapted = copy_encoder(base)
    with torch.no_grad():
        adapted.module.get_parameter("gain").fill_(gain)
    return adapted


def write_learnt(path: Path, concept: Concept, gain: float, base: DualEncoder | None = None) -> Path:
    """A `.medkt` file that turns the gain of the plain encoder into this one."""
    base = base or BrightSpots()
    delta = make_delta(base, with_gain(base, gain), DeltaSettings(kind="full", storage="float32"))
    write_package(
        path, concept=concept, delta=to_bytes(delta), base=Base(name=base.spec.name, digest=delta.base_digest), recipe={}
    )  # fmt: skip
    return path

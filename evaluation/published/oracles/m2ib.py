"""M2IB's maps of images and of texts, with the noise of the public code in the place of medkt's own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from medkt.models.encoder import DualEncoder
from medkt.saliency import m2ib
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps
from medkt.saliency.targets import ConceptTexts, embed_targets
from medkt.saliency.text_map import TextMapSettings, text_maps
from oracles.difference import Difference
from oracles.models import biomedclip, clip

_ASKED = 1e-5
_PUBLISHED = M2IBSettings(beta=0.1, steps=10, samples=10, target="cosine", noise="unit", map_from="last_forward")


def m2ib_biomedclip(folder: Path) -> Iterator[Difference]:
    """Three maps of images."""
    held = np.load(folder / "m2ib_biomedclip.npz", allow_pickle=False)
    with biomedclip(folder) as encoder, _drawn(held["noise_int8"]):
        for case in ("case0", "case1", "case2"):
            text = str(held["texts"][int(held[f"{case}_text"])])
            beta, layer = float(held[f"{case}_beta"]), int(held[f"{case}_layer"])
            found = _of_image(encoder, _picture(encoder, folder, str(held[f"{case}_picture"])), text, beta, layer)
            yield from _compared(f"image, {case}", found, held[f"{case}_map"], held[f"{case}_losses"])


def m2ib_clip(folder: Path) -> Iterator[Difference]:
    """One map of an image, and two of its text."""
    held = np.load(folder / "m2ib_clip.npz", allow_pickle=False)
    encoder, text = clip(folder), str(held["text"])
    picture = _picture(encoder, folder, "a")
    with _drawn(held["noise_vision_int8"]):
        found = _of_image(encoder, picture, text, float(held["vision_beta"]), int(held["vision_layer"]))
        yield from _compared("image", found, held["vision_map"], held["vision_losses"])
    for name in ("text", "text7"):
        layer, beta = int(held[f"{name}_layer"]), float(held[f"{name}_beta"])
        settings = TextMapSettings(layer=layer, beta=beta, noise_seeds=1)
        with _drawn(held["noise_text_int8"]):
            (of_text,) = text_maps(encoder, picture, [text], _PUBLISHED, settings)
        what = f"text, layer {layer}"
        yield from _compared(what, (of_text.nats, of_text.losses), held[f"{name}_map"], held[f"{name}_losses"])
        unit = float(np.abs(of_text.units - held[f"{name}_map_unit"]).max())
        yield Difference(compared=f"{what}: map in [0, 1]", found=unit, asked=_ASKED)


def _of_image(
    encoder: DualEncoder, picture: Tensor, text: str, beta: float, layer: int
) -> tuple[np.ndarray, np.ndarray]:
    targets = embed_targets(encoder, [ConceptTexts(id="text", prompts=(text,))])
    found = m2ib_maps(encoder, picture[None], targets, replace(_PUBLISHED, beta=beta, layer=layer))
    return found.maps[0, 0], found.losses[0, 0]


def _compared(
    what: str, found: tuple[np.ndarray, np.ndarray], map_: np.ndarray, losses: np.ndarray
) -> Iterator[Difference]:
    """Nine losses of ten: the last update changes nothing that is read, and medkt does not run it."""
    apart = float(np.abs(found[0] - map_).max() / map_.max())
    yield Difference(compared=f"{what}: map, of its maximum", found=apart, asked=_ASKED)
    expected = losses[:9, 2]
    relative = float((np.abs(found[1][:9] - expected) / np.maximum(np.abs(expected), 1)).max())
    yield Difference(compared=f"{what}: losses", found=relative, asked=_ASKED)


def _picture(encoder: DualEncoder, folder: Path, name: str) -> Tensor:
    """(3, 224, 224), grey levels as they are, normalised."""
    grey = np.asarray(Image.open(folder / f"m2ib_picture_{name}.png").convert("L"), dtype=np.float32) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (encoder.spec.mean, encoder.spec.std))
    return (torch.from_numpy(grey)[None] - mean) / std


def _drawn(noise: np.ndarray) -> Any:
    steps = torch.from_numpy(noise.astype(np.float32)) / 32
    return patch.object(m2ib, "noise_steps", lambda *_: iter(steps))

"""Fine-tuning, ten images and one caption, three steps; and the loss and its gradient alone."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from medkt.config import resolve
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.models.hugging_face import biomedclip_layout
from medkt.transfer.finetune import Captions, FinetuneSettings
from medkt.transfer.finetune import finetune as tune
from medkt.transfer.losses import supcon
from oracles import models
from oracles.difference import Difference

_MODULE = sys.modules[tune.__module__]


def finetune(folder: Path) -> Iterator[Difference]:
    """`kt-code`: the loss of each step, and how far every weight moved, in each of the three recorded runs."""
    oracle = np.load(folder / "finetune.npz", allow_pickle=False)
    moved = load_file(folder / "finetune_deltas.safetensors")
    plain = resolve(FinetuneSettings, preset="kt-code", folder="transfer")
    runs = {
        "plain": replace(plain, text_dropout=False),
        "dropout": plain,
        "distill": replace(plain, text_dropout=False, distill=float(oracle["distill_weight"]), distill_by="mse"),
    }
    with models.biomedclip(folder) as encoder:
        for run, settings in runs.items():
            losses, after = _tuned(encoder, oracle, run, settings)
            apart = np.abs(np.array(losses) - oracle[f"{run}_loss"])
            yield Difference(compared=f"{run}: loss of three steps", found=float(apart.max()), asked=2e-5)
            one, other = _moved(encoder, after, moved, run)
            yield Difference(compared=f"{run}: change of weights", found=float((one - other).abs().max()), asked=5e-7)
            cosine = float(torch.nn.functional.cosine_similarity(one, other, dim=0))
            yield Difference(compared=f"{run}: cosine of all changes", found=cosine, asked=0.9999, kind="least")


def infonce(folder: Path) -> Iterator[Difference]:
    """The contrastive loss of sixteen batches."""
    oracle = np.load(folder / "finetune.npz", allow_pickle=False)
    losses, gradients = [], []
    for index in range(16):
        images = torch.from_numpy(oracle[f"infonce{index}_images"]).requires_grad_()
        texts = torch.from_numpy(oracle[f"infonce{index}_texts"])
        loss = supcon(images, texts, temperature=float(oracle[f"infonce{index}_tau"]))
        (gradient,) = torch.autograd.grad(loss, images)
        losses.append(abs(float(loss.detach()) - float(oracle[f"infonce{index}_loss"])))
        gradients.append(float((gradient - torch.from_numpy(oracle[f"infonce{index}_gradient"])).abs().max()))
    yield Difference(compared="loss", found=max(losses), asked=1e-5)
    yield Difference(compared="gradient for the images", found=max(gradients), asked=5e-6)


def _tuned(
    encoder: DualEncoder, oracle: Mapping[str, Any], run: str, settings: FinetuneSettings
) -> tuple[list[float], dict[str, Tensor]]:
    """The loss of each step and the weights at the end, in the recorded order and with the recorded noisy texts."""
    pixels = torch.from_numpy(oracle["images"][oracle[f"{run}_order"]]).permute(0, 3, 1, 2).float() / 255
    losses: list[float] = []

    def noisy(*_: object) -> tuple[Tensor, Tensor]:
        text = torch.from_numpy(oracle[f"{run}_text_unit"][len(losses)])
        return text[None, None], text[None][:0]

    captions = Captions(own=((str(oracle["caption"]),),))
    with patch.object(_MODULE, "_noisy_texts", noisy):
        adapted = tune(
            encoder, normalise(pixels, encoder.spec), captions, replace(settings, shuffle=False),
            on_step=lambda step: losses.append(step.loss),
        )  # fmt: skip
    return losses, adapted.module.state_dict()


def _moved(
    encoder: DualEncoder, after: Mapping[str, Tensor], recorded: Mapping[str, Tensor], run: str
) -> tuple[Tensor, Tensor]:
    """How far each recorded weight moved, here and there, one after another."""
    named = {name.removeprefix(f"{run}/"): value for name, value in recorded.items() if name.startswith(f"{run}/")}
    moved: dict[str, Tensor] = {}
    for name, before in encoder.module.state_dict().items():
        moved.update(biomedclip_layout(name, after[name] - before))  # under the names of the recording
    found = torch.cat([moved[name].flatten().double() for name in named])
    expected = torch.cat([value.flatten().double() / 1e5 for value in named.values()])
    return found, expected

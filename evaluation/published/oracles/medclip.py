"""MedCLIP: its encoders, its three poolings of a text, and its classifier of several prompts a class."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from medkt.config import resolve
from medkt.models.medclip import MedClipEncoder, MedClipSize, load_medclip
from medkt.models.records import record_of
from medkt.models.swin import SwinSize
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.slicewise import features_of_planes
from medkt.segmentation.zero_shot import ClassSettings, class_cosines, score_planes
from oracles.difference import Difference

_SIZE = MedClipSize(
    embedding=24, swin=SwinSize(width=12, depths=(1, 1, 2, 1), heads=(1, 2, 4, 8)), text_width=32, text_heads=2,
    text_layers=4, vocabulary=145, positions=80,
)  # fmt: skip


def medclip(folder: Path) -> Iterator[Difference]:
    """Twenty-four pictures, five classes of four prompts; then both rules on given features."""
    held = np.load(folder / "medclip" / "classifier.npz", allow_pickle=False)
    encoder = load_medclip(folder / "medclip" / "tiny_medclip_swin.safetensors", record_of("medclip-swin"), size=_SIZE)
    planes = held["images_28"].repeat(8, axis=1).repeat(8, axis=2).astype(np.float32) / 255
    images, _ = features_of_planes(encoder, range(len(planes)), planes.__getitem__, None)
    yield _most("features of images", images.numpy(), held["image_features"], 5e-6)
    yield from _texts(encoder, held)
    asked = [ConceptTexts(id=str(one), prompts=tuple(map(str, held[f"prompts|{one}"]))) for one in held["class_names"]]
    for name, published in (("medclip", "classes_max"), ("medclip-ensemble", "classes_mean")):
        settings = resolve(ClassSettings, preset=name, folder="classification")
        found = score_planes(encoder, range(len(planes)), planes.__getitem__, asked, settings)
        yield _most(f"--rule {name}: logits", found.cosines * encoder.logit_scale, held[published], 5e-5)
        same = float((found.probabilities.argmax(axis=1) == held[published].argmax(axis=1)).mean())
        yield Difference(compared=f"--rule {name}: images of the same class", found=same, asked=1, kind="least")
    yield from _given(held)


def _texts(encoder: MedClipEncoder, held: "np.lib.npyio.NpzFile") -> Iterator[Difference]:
    for pooling, name in (("single", "text_single"), ("masked", "text_single"), ("padded", "text_padded")):
        apart = 0.0
        for one in held["class_names"]:
            pooled = encoder.pooled(pooling)
            with torch.no_grad():
                found = pooled.encode_text(pooled.tokenize(list(map(str, held[f"prompts|{one}"]))))
            apart = max(apart, float(np.abs(found.numpy() - held[f"{name}|{one}"]).max()))
        yield Difference(compared=f"features of texts, {pooling}", found=apart, asked=5e-6)


def _given(held: "np.lib.npyio.NpzFile") -> Iterator[Difference]:
    for rule, name in (("largest", "classes_max"), ("mean", "classes_mean")):
        apart = 0.0
        for given in (0, 1):
            images, prompts = (normalize(torch.tensor(held[f"given{given}_{one}"])) for one in ("images", "prompts"))
            scale = np.exp(min(float(held[f"given{given}_log_scale"]), 4.6052))
            classes = torch.split(prompts, held[f"given{given}_counts"].tolist())
            found = scale * class_cosines(images, classes, rule).numpy()
            apart = max(apart, float(np.abs(found - held[f"given{given}_{name}"]).max()))
        yield Difference(compared=f"{rule} of given features: logits", found=apart, asked=5e-5)


def _most(compared: str, found: np.ndarray, expected: np.ndarray, asked: float) -> Difference:
    return Difference(compared=compared, found=float(np.abs(found - expected).max()), asked=asked)

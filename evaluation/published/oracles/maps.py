"""From a token map to a box as MedCLIP-SAMv2 goes: the map on a picture, the coarse mask, the boxes; and whole pictures."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from medkt.config import resolve
from medkt.domains import domain
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.models.framing import frame_plane
from medkt.saliency import m2ib
from medkt.saliency.explain import PlaneMap, explain_planes, prepare_plane
from medkt.saliency.targets import ConceptTexts, embed_targets
from medkt.segmentation.prompts import PromptSettings, prompts_of
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.segmentation.threshold import coarse_mask, components
from oracles.difference import Difference
from oracles.models import biomedclip

_SHAPES = ("585x766", "328x503", "224x224", "512x512", "300x200")
_SETTINGS = {"plain": "medclip-samv2", "breast": "medclip-samv2-breast"}


def published_map(folder: Path) -> Iterator[Difference]:
    """Two token maps over pictures of five shapes, to the pixel; four maps of two ultrasound pictures, by the whole way."""
    held = np.load(folder / "published_map.npz", allow_pickle=False)
    differ = 0
    for index, values in enumerate(held["grids"]):
        for shape in _SHAPES:
            framing = frame_plane(*map(int, shape.split("x")), 224, "crop", eight_bit=True)
            found = PlaneMap(concept="", values=values, framing=framing, specificity=None).on_plane("published")
            differ += int((_levels(found) != held[f"grid{index}_{shape}"]).sum())
    yield Difference(compared="token maps on pictures: pixels that differ", found=differ, asked=0)
    yield from _pictures(folder, held)


def _pictures(folder: Path, held: "np.lib.npyio.NpzFile") -> Iterator[Difference]:
    data = Path(os.environ.get("MEDKT_DATA", folder.parent / "data"))
    noise = np.load(folder / "m2ib_biomedclip.npz", allow_pickle=False)["noise_int8"]
    drawn = torch.tensor(noise, dtype=torch.float32) / 32
    with biomedclip(folder) as encoder, patch.object(m2ib, "noise_steps", lambda *_: iter(drawn)):
        targets = embed_targets(encoder, [ConceptTexts(id="text", prompts=(str(held["text"]),))])
        for index, path in enumerate(held["busi_paths"]):
            image = read_image(data / str(path))
            plane = domain("ultrasound").intensity(image, window="8-bit").apply(image.values[0])
            yield _shown(encoder, plane, held, index)
            for name, preset in _SETTINGS.items():
                settings = resolve(SegmentationSettings, preset=preset)
                ((map_,),) = explain_planes(
                    encoder, [prepare_plane(encoder, plane, eight_bit=settings.map.pixels == "8-bit")], targets,
                    settings.m2ib, patches=settings.relevance, check_words=False,
                )  # fmt: skip
                found = _levels(map_.on_plane(settings.map.resize)).astype(float)
                expected = held[f"busi{index}_{name}"].astype(float)
                what, apart = f"{Path(str(path)).stem}, {preset}", np.abs(found - expected)
                alike = float(np.corrcoef(found.ravel(), expected.ravel())[0, 1])
                yield Difference(compared=f"{what}: correlation", found=alike, asked=0.999, kind="least")
                yield Difference(compared=f"{what}: mean difference, levels", found=float(apart.mean()), asked=1)
                yield Difference(compared=f"{what}: largest difference, levels", found=float(apart.max()), asked=10)


def _shown(encoder: DualEncoder, plane: np.ndarray, held: "np.lib.npyio.NpzFile", index: int) -> Difference:
    """What the encoder is shown: means of its patches, infinitely far where the crop begins at another pixel."""
    prepared = prepare_plane(encoder, plane, eight_bit=True)
    framing = prepared.framing
    crop = [framing.resized_rows, framing.resized_columns, framing.cut_top, framing.cut_left]
    means = prepared.pixels.reshape(3, 14, 16, 14, 16).mean(dim=(0, 2, 4)).numpy()
    apart = float(np.abs(means - held[f"busi{index}_patch_means"]).max())
    same = crop == held["busi_crop"][index].tolist()
    return Difference(compared=f"picture {index}: crop and patch means", found=apart if same else np.inf, asked=1e-4)


def postprocessing(folder: Path) -> Iterator[Difference]:
    """Ten maps, one or two components kept, one box or one for each: to the pixel."""
    held = np.load(folder / "postprocessing.npz", allow_pickle=False)
    masks, boxes = 0, 0
    for index in range(10):
        map_ = held[f"map{index}"].astype(np.float32) / 255
        for keep in (1, 2):
            settings = resolve(SegmentationSettings, preset="medclip-samv2", sets=[f"threshold.keep={keep}"]).threshold
            parts = components(coarse_mask(map_, settings), map_, settings, pixel_area_mm2=None)
            found = np.logical_or.reduce([part.mask for part in parts])
            masks += not np.array_equal(found, held[f"coarse{index}_keep{keep}"])
            for how in ("one", "each"):
                drawn = prompts_of(parts, map_, PromptSettings(boxes=how), spacing_mm=None).boxes_xyxy
                boxes += sorted(drawn.tolist()) != sorted(held[f"boxes{index}_keep{keep}_{how}"].tolist())
    yield Difference(compared="coarse masks of 20 that differ", found=masks, asked=0)
    yield Difference(compared="sets of boxes of 40 that differ", found=boxes, asked=0)


def _levels(map_: np.ndarray) -> np.ndarray:
    return np.rint(map_ * 255).astype(np.uint8)

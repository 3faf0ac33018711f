"""The segmenter's training loop: phantoms and real outlines, two prompts an image."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from medkt.models.sam_parts import Sam
from medkt.models.small.segmenter import INPUT_SIZE, PROMPT_WIDTH, build_small_sam
from small_model.corpus import SIDE, Corpus
from small_model.prompts import Prompted, draw_prompt
from small_model.real_images import RealImage
from small_model.replace_files import write_together

log = logging.getLogger(__name__)
_FIRST, _SECOND = ("tight", "coarse"), ("coarse", "points", "both")  # kinds of an image's two prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterTraining:
    """How the segmenter is trained."""

    steps: int = 2400
    minutes: float = math.inf
    """The learning rate falls with whichever of steps and minutes is farther on; training ends with the first."""
    batch: int = 12
    learning_rate: float = 8e-4
    warm_up: int = 80
    weight_decay: float = 0.02
    real_share: float = 0.2
    seed: int = 0
    half: bool = True
    report_every: int = 25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Framed:
    """An image as Sam frames it: longest side 192, at the top left of a black square."""

    grey: UInt8[np.ndarray, "rows columns"]
    mask: Bool[np.ndarray, "rows columns"]


def frame(plane: np.ndarray[tuple[int, int], np.dtype[np.float32]], mask: Bool[np.ndarray, "_ _"]) -> Framed:
    """A plane in [0, 1] and its mask, framed."""
    rows, columns = plane.shape
    scale = INPUT_SIZE / max(rows, columns)
    size = (int(columns * scale + 0.5), int(rows * scale + 0.5))
    small = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
    outline = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)) >= 0.5
    grey, placed = np.zeros((INPUT_SIZE,) * 2, np.uint8), np.zeros((INPUT_SIZE,) * 2, np.bool_)
    grey[: size[1], : size[0]] = np.rint(np.clip(small, 0, 1) * 255)
    placed[: size[1], : size[0]] = outline
    return Framed(grey=grey, mask=placed)


def train_segmenter(
    corpus: Corpus, reals: Sequence[RealImage], settings: SegmenterTraining,
    *, on_report: Callable[[Sam, float], None] | None = None,
) -> tuple[Sam, list[dict[str, float]]]:  # fmt: skip
    """A Sam trained from nothing, and its losses over time. The same seed and steps give the same weights."""
    torch.manual_seed(settings.seed)
    sam, finder = build_small_sam().train(), Finder()
    named = [*sam.named_parameters(), *finder.named_parameters()]
    heavy = [p for n, p in named if p.ndim > 1 and "embed" not in n and "token" not in n]
    light = [p for n, p in named if not (p.ndim > 1 and "embed" not in n and "token" not in n)]
    groups = [{"params": heavy, "weight_decay": settings.weight_decay}, {"params": light, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.99))
    stream = _batches(corpus, reals, settings)
    started, history, sums = time.monotonic(), list[dict[str, float]](), np.zeros(4)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for step in range(settings.steps):
            seconds = time.monotonic() - started
            done = max(step / settings.steps, seconds / 60 / settings.minutes)
            if done >= 1:
                break
            warm = min(1.0, (step + 1) / settings.warm_up)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
            optimiser.zero_grad(set_to_none=True)
            halves = next(stream)
            sums += (
                np.sum(list(pool.map(lambda half: _backward(sam, finder, *half, half=settings.half), halves)), 0) / 2
            )
            torch.nn.utils.clip_grad_norm_(sam.parameters(), 1.0)
            optimiser.step()
            if (step + 1) % settings.report_every == 0:
                means = dict(zip(("loss", "dice", "iou_error", "found"), sums / settings.report_every, strict=True))
                history.append({"step": float(step + 1), "seconds": seconds, **{k: float(v) for k, v in means.items()}})
                log.info("%s", json.dumps({k: round(v, 4) for k, v in history[-1].items()}, allow_nan=False))
                sums = np.zeros(4)
                if on_report is not None:
                    on_report(sam, seconds)
    sam.eval()
    return sam, history


class Finder(nn.Module):
    """From image features to "is there a finding here", without a prompt; training throws it away.

    It teaches the image encoder what to look for sooner than prompts do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.ConvTranspose2d(PROMPT_WIDTH, 16, 4, stride=4)
        self.out = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, features: Float[Tensor, "images width rows columns"]) -> Float[Tensor, "images 1 low low"]:
        made: Tensor = self.out(F.gelu(self.large(features)))
        return made


Half = tuple[Float[Tensor, "images 3 side side"], Float[Tensor, "images side side"], list[list[Prompted]]]


def _batches(corpus: Corpus, reals: Sequence[RealImage], settings: SegmenterTraining) -> Iterator[tuple[Half, Half]]:
    """Endless batches of augmented images with their prompts, in two halves."""
    rng = np.random.default_rng((settings.seed, 3))
    usable = np.flatnonzero(np.asarray([bool(row.any()) for row in corpus.packed_masks]))
    usable = usable[[not corpus.rows[i].real for i in usable]]
    framed = [frame(r.plane, r.mask) for r in reals if r.mask is not None]
    cell = 8 * INPUT_SIZE / SIDE
    while True:
        images = []
        for _ in range(settings.batch):
            if framed and rng.random() < settings.real_share:
                images.append(framed[int(rng.integers(len(framed)))])
            else:
                n = int(rng.choice(usable))
                images.append(frame(corpus.images[n].astype(np.float32) / 255, corpus.masks([n])[0]))
        moved = [_augment(image, rng) for image in images]
        pixels = torch.from_numpy(np.stack([grey for grey, _ in moved]))[:, None].expand(-1, 3, -1, -1)
        kinds = [(str(rng.choice(_FIRST)), str(rng.choice(_SECOND))) for _ in moved]
        prompts = [[draw_prompt(m, k, rng, cell=cell) for k in two] for (_, m), two in zip(moved, kinds, strict=True)]
        middle = settings.batch // 2
        masks = torch.from_numpy(np.stack([mask for _, mask in moved]).astype(np.float32))
        yield (pixels[:middle], masks[:middle], prompts[:middle]), (pixels[middle:], masks[middle:], prompts[middle:])


def _augment(
    image: Framed, rng: np.random.Generator
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], Bool[np.ndarray, "rows columns"]]:
    """Mirrored, turned by quarter turns, zoomed by up to 1.5 around the mask, other gamma, contrast and noise."""
    grey: Float32[np.ndarray, "rows columns"] = np.asarray(image.grey / 255, np.float32)
    mask = image.mask
    if rng.random() < 0.5:
        grey, mask = grey[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.3:
        turns = int(rng.integers(4))
        grey, mask = np.rot90(grey, turns), np.rot90(mask, turns)
    zoomed = _zoom(np.ascontiguousarray(grey), np.ascontiguousarray(mask), rng) if rng.random() < 0.5 else None
    if zoomed is not None and zoomed[1].any():
        grey, mask = zoomed
    gain, shift = np.float32(rng.uniform(0.8, 1.2)), np.float32(rng.uniform(-0.06, 0.06))
    grey = np.asarray(grey ** np.float32(rng.uniform(0.7, 1.4)) * gain + shift, np.float32)
    grey = grey + rng.standard_normal(grey.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.03))
    grey = np.clip(grey, 0, 1)
    if rng.random() < 0.15:
        grey = 1 - grey  # other modalities show the same shapes in other greys
    return np.ascontiguousarray(grey, np.float32), np.ascontiguousarray(mask)


def _zoom(
    grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mask: Bool[np.ndarray, "rows columns"],
    rng: np.random.Generator,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], Bool[np.ndarray, "rows columns"]]:
    factor = np.float32(rng.uniform(0.67, 1.5))
    middle = np.argwhere(mask).mean(0)[::-1] / (INPUT_SIZE / 2) - 1  # (x, y) in [-1, 1]
    keep = middle * (1 - 1 / factor) + rng.uniform(-0.1, 0.1, 2)
    matrix = torch.tensor([[[1 / factor, 0, keep[0]], [0, 1 / factor, keep[1]]]], dtype=torch.float32)
    both = torch.from_numpy(np.stack([grey, mask.astype(np.float32)]))[None]
    flow = F.affine_grid(matrix, [1, 2, INPUT_SIZE, INPUT_SIZE], align_corners=False)
    moved = F.grid_sample(both, flow, align_corners=False)[0].numpy()
    return moved[0], moved[1] >= 0.5


def _backward(
    sam: Sam, finder: Finder, pixels: Tensor, masks: Tensor, prompts: list[list[Prompted]], *, half: bool
) -> list[float]:
    """Gradients of half a batch's loss into the parameters; loss, Dice, error of the predicted IoU, finder's loss."""
    flat = [(image, prompt) for image, two in enumerate(prompts) for prompt in two]
    groups: dict[tuple[bool, int], list[tuple[int, Prompted]]] = {}
    for image, prompt in flat:  # prompts of as many tokens are decoded together
        groups.setdefault((bool(np.isnan(prompt.box_xyxy[0])), len(prompt.points_xy)), []).append((image, prompt))
    with torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False):
        features = sam.image_encoder((pixels * 255 - sam.pixel_mean) / sam.pixel_std)
        answers = [_decode(sam, features, group) for group in groups.values()]
        found = finder(features)
    search = mask_loss(found.float(), masks).mean()
    logits = torch.cat([masks for masks, _ in answers]).float()
    quality = torch.cat([iou for _, iou in answers]).float()
    target = torch.from_numpy(np.stack([p.mask for group in groups.values() for _, p in group]).astype(np.float32))
    loss, overlap, error = segmenter_loss(logits, quality, target)
    torch.autograd.backward((loss + search) / 2)
    return [float(loss.detach()), overlap, error, float(search.detach())]


def _decode(sam: Sam, features: Tensor, group: Sequence[tuple[int, Prompted]]) -> tuple[Tensor, Tensor]:
    """All four masks (single, and three for an ambiguous prompt) and their predicted IoU, for prompts of one kind.

    As `MaskDecoder.predict_masks`, which takes many prompts of one image only.
    """
    first = group[0][1]
    points = boxes = None
    if len(first.points_xy):
        points = tuple(torch.from_numpy(np.stack([getattr(p, n) for _, p in group])) for n in ("points_xy", "labels"))
    if not np.isnan(first.box_xyxy[0]):
        boxes = torch.from_numpy(np.stack([p.box_xyxy for _, p in group]))
    sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=None)
    decoder, count = sam.mask_decoder, len(group)
    tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])[None].expand(count, -1, -1)
    tokens = torch.cat([tokens, sparse], 1)
    source = features[[image for image, _ in group]] + dense
    place = sam.prompt_encoder.get_dense_pe().expand(count, -1, -1, -1)
    answers, mixed = decoder.transformer(source, place, tokens)
    large = decoder.output_upscaling(mixed.transpose(1, 2).reshape(source.shape))
    kinds = range(decoder.num_mask_tokens)
    weights = torch.stack([decoder.output_hypernetworks_mlps[i](answers[:, 1 + i]) for i in kinds], 1)
    masks = (weights @ large.flatten(2)).unflatten(2, large.shape[2:])
    return masks, decoder.iou_prediction_head(answers[:, 0])


def segmenter_loss(
    logits: Float[Tensor, "prompts 4 low low"], quality: Float[Tensor, "prompts 4"],
    target: Float[Tensor, "prompts side side"],
) -> tuple[Tensor, float, float]:  # fmt: skip
    """Focal and Dice loss of the single mask and of the best of the three, and the squared error of each predicted IoU.

    Returns the loss, the mean Dice of the single mask and the mean error of its IoU.
    """
    large = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=False)
    wanted = target[:, None].expand_as(large)
    each = mask_loss(logits, target)  # (prompts, 4)
    with torch.no_grad():
        hard = large > 0
        both = (hard & (wanted > 0.5)).sum((2, 3))
        iou = both / (hard | (wanted > 0.5)).sum((2, 3)).clamp(min=1)
    error = (quality - iou) ** 2
    loss = each[:, 0].mean() + 0.5 * each[:, 1:].min(1).values.mean() + error.mean()
    dice = 2 * iou[:, 0] / (1 + iou[:, 0])
    return loss, float(dice.mean()), float(error[:, 0].detach().mean().sqrt())


def mask_loss(
    logits: Float[Tensor, "images masks low low"], target: Float[Tensor, "images side side"]
) -> Float[Tensor, "images masks"]:
    """Ten times the focal loss plus the Dice loss, of each mask at the target's size."""
    large = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=False)
    wanted = target[:, None].expand_as(large)
    chance = torch.sigmoid(large)
    cross = F.binary_cross_entropy_with_logits(large, wanted, reduction="none")
    focal = (cross * (wanted - chance) ** 2).mean((2, 3))
    shared, sizes = (chance * wanted).sum((2, 3)), chance.sum((2, 3)) + wanted.sum((2, 3))
    return 10 * focal + 1 - (2 * shared + 1) / (sizes + 1)


def export_segmenter(sam: Sam, folder: Path) -> None:
    """Write segmenter.safetensors (float16) and segmenter.json, which names its digest."""
    weights = save({k: v.detach().half().contiguous() for k, v in sam.state_dict().items()})
    record = {"sha256": hashlib.sha256(weights).hexdigest(), "input_size": INPUT_SIZE, "licence": "Apache-2.0"}
    described = json.dumps(record, indent=2, allow_nan=False) + "\n"
    write_together(folder, {"segmenter.safetensors": weights, "segmenter.json": described.encode()})

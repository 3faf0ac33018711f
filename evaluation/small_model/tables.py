"""How well the small model does, on phantoms that training never drew and on the real validation images.

Zero-shot classification: of all findings of a domain, held-out ones included, the one whose text has the highest
cosine with the image. "By description" compares with the test captions of `reports.canonical_descriptions`, whose
sentence frames training never saw; "by name" with the bare names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.descriptions import MODALITY, canonical_descriptions
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, DomainName, Finding, findings_of
from small_model.batches import normalise
from small_model.corpus import SIDE, letterbox
from small_model.real_images import RealImage
from small_model.reports import canonical_normals

Embedded = Float[Tensor, "rows embedding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many, with the 95 % interval of Wilson's score."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return (float("nan"), float("nan"))
        z, n, p = 1.959964, self.of, self.hits / self.of
        middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n)))

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{100 * self.value:.1f} % ({self.hits}/{self.of}; {100 * low:.1f} to {100 * high:.1f})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fresh:
    """Validation phantoms of one domain: `labels` are finding ids, "" for normal."""

    pixels: Float[Tensor, "images 3 side side"]
    masks: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    labels: tuple[str, ...]


def draw_fresh(domain: DomainName, *, each: int, seed: int) -> Fresh:
    """`each` phantoms of every finding of the domain, held-out ones included, and of normal anatomy.

    The seeds (seed, 9, finding, n) are none that training uses.
    """
    names = ["", *(f.id for f in findings_of(domain))]
    planes, masks, labels = [], [], []
    for index, name in enumerate(names):
        for n in range(each):
            drawn = DRAWERS[domain].draw_plane(name, np.random.default_rng((seed, 9, index, n)), side=SIDE)
            planes.append(np.rint(drawn.plane * 255).astype(np.float32) / 255)
            masks.append(drawn.mask)
            labels.append(name)
    return Fresh(pixels=normalise(torch.from_numpy(np.stack(planes))), masks=np.stack(masks), labels=tuple(labels))


@torch.inference_mode()
def embed_images(encoder: SmallEncoder, pixels: Float[Tensor, "images 3 side side"]) -> Embedded:
    """Unit image embeddings, 32 images at a time."""
    return F.normalize(torch.cat([encoder.encode_image(part) for part in torch.split(pixels, 32)]), dim=-1)


@torch.inference_mode()
def embed_texts(encoder: SmallEncoder, texts: Sequence[str]) -> Float[Tensor, " embedding"]:
    """The unit mean of the texts' unit embeddings."""
    units = F.normalize(encoder.encode_text(encoder.tokenize(texts)), dim=-1)
    return F.normalize(units.mean(0), dim=0)


def name_texts(finding: Finding) -> tuple[str, ...]:
    """The bare name, and the name with the modality."""
    return (finding.name, f"{MODALITY[finding.domain][0]} showing {finding.name}")


def zero_shot(encoder: SmallEncoder, *, each: int, seed: int) -> dict[str, dict[str, Share]]:
    """Shares of right answers by domain, and over all domains under "all"."""
    rows: dict[str, dict[str, Share]] = {}
    for domain in DOMAINS:
        fresh = draw_fresh(domain, each=each, seed=seed)
        rows[domain] = zero_shot_of(encoder, domain, fresh)
    columns = list(rows[DOMAINS[0]])
    rows["all"] = {
        c: Share(hits=sum(rows[d][c].hits for d in DOMAINS), of=sum(rows[d][c].of for d in DOMAINS)) for c in columns
    }
    return rows


def zero_shot_of(encoder: SmallEncoder, domain: DomainName, fresh: Fresh) -> dict[str, Share]:
    """The shares of one domain."""
    found = findings_of(domain)
    images = embed_images(encoder, fresh.pixels)
    described = torch.stack([embed_texts(encoder, canonical_descriptions(f)) for f in found])
    once = torch.stack([embed_texts(encoder, canonical_descriptions(f)[:1]) for f in found])
    named = torch.stack([embed_texts(encoder, name_texts(f)) for f in found])
    normal = embed_texts(encoder, canonical_normals(domain))[None]
    known = [f.id for f in found if not f.held_out]
    held = [f.id for f in found if f.held_out]

    def right(texts: Embedded, wanted: Sequence[str], candidates: Sequence[str] | None = None) -> Share:
        chosen = [i for i, f in enumerate(found) if candidates is None or f.id in candidates]
        rows = [i for i, label in enumerate(fresh.labels) if label in wanted]
        best = (images[rows] @ texts[chosen].T).argmax(1)
        hits = sum(found[chosen[int(b)]].id == fresh.labels[r] for b, r in zip(best, rows, strict=True))
        return Share(hits=hits, of=len(rows))

    return {
        "known, by name": right(named, known),
        "known, by description": right(described, known),
        "known, by one caption": right(once, known),
        "held out, by description": right(described, held),
        "held out, by one caption": right(once, held),
        "held out, by bare name": right(named, held),
        "normal or not": _presence(images, described, normal, fresh.labels),
    }


def _presence(
    images: Float[Tensor, "images embedding"], described: Float[Tensor, "findings embedding"],
    normal: Float[Tensor, "1 embedding"], labels: Sequence[str],
) -> Share:  # fmt: skip
    """How often the normal caption is nearer than every finding's exactly for the normal images."""
    says_normal = (images @ normal.T)[:, 0] > (images @ described.T).max(1).values
    return Share(
        hits=sum(bool(s) == (label == "") for s, label in zip(says_normal, labels, strict=True)), of=len(labels)
    )


def chance(domain: DomainName) -> float:
    """The share that guessing gets right."""
    return 1 / len(findings_of(domain))


REAL_TASKS: Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]] = {
    "breast ultrasound: benign or malignant": (
        ("us_benign", "us_malignant"),
        {"us_benign": ("benign breast lesion", "breast ultrasound showing benign breast lesion"),
         "us_malignant": ("breast carcinoma", "breast ultrasound showing breast carcinoma")},
    ),
    "breast ultrasound: lesion or normal": (
        ("us_benign", "us_malignant", "us_lesion", "us_normal"),
        {"us_benign us_malignant us_lesion": ("breast lesion", "breast ultrasound showing breast lesion"),
         "us_normal": ("normal breast ultrasound", "no abnormality")},
    ),
    "chest radiograph: tuberculosis or normal": (
        ("cxr_tuberculosis", "cxr_normal"),
        {"cxr_tuberculosis": ("tuberculosis", "chest radiograph showing tuberculosis"),
         "cxr_normal": ("normal chest radiograph", "no abnormality")},
    ),
}  # fmt: skip
"""Task name to the classes of its images, and the texts of each answer (keys list the classes that it is right for)."""


def real_zero_shot(encoder: SmallEncoder, images: Sequence[RealImage]) -> dict[str, dict[str, Share]]:
    """Shares of right answers in each of `REAL_TASKS`, for each class and over all."""
    made: dict[str, dict[str, Share]] = {}
    for task, (labels, answers) in REAL_TASKS.items():
        chosen = [image for image in images if image.label in labels]
        if not chosen:
            continue
        texts = torch.stack([embed_texts(encoder, prompts) for prompts in answers.values()])
        best = (embed_images(encoder, torch.cat([_pixels(image) for image in chosen])) @ texts.T).argmax(1)
        right = [image.label in list(answers)[int(b)].split() for b, image in zip(best, chosen, strict=True)]
        per = {
            label: Share(
                hits=sum(r for r, i in zip(right, chosen, strict=True) if i.label == label),
                of=sum(i.label == label for i in chosen),
            )
            for label in labels
        }
        made[task] = {**per, "all": Share(hits=sum(right), of=len(right))}
    return made


def _pixels(image: RealImage) -> Float[Tensor, "1 3 side side"]:
    grey, _ = letterbox(image.plane, np.zeros(image.plane.shape, np.bool_), SIDE)
    return normalise(torch.from_numpy(grey[None].astype(np.float32) / 255))


@torch.inference_mode()
def dense_contrast(encoder: SmallEncoder, *, each: int, seed: int) -> dict[str, dict[str, float]]:
    """How well the dense map alone tells the mask's patches from the others: mean area under the ROC curve."""
    made: dict[str, dict[str, float]] = {}
    for domain in DOMAINS:
        fresh = draw_fresh(domain, each=each, seed=seed)
        areas: dict[str, list[float]] = {"known": [], "held out": []}
        for finding in findings_of(domain):
            text = embed_texts(encoder, canonical_descriptions(finding))
            rows = [i for i, label in enumerate(fresh.labels) if label == finding.id]
            maps = F.normalize(encoder.dense(fresh.pixels[rows]), dim=-1) @ text
            for row, values in zip(rows, maps, strict=True):
                areas["held out" if finding.held_out else "known"].append(_area(values.numpy(), fresh.masks[row]))
        made[domain] = {kind: float(np.nanmean(found)) for kind, found in areas.items()}
    return made


def _area(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> float:
    rows, columns = values.shape
    covered = mask.reshape(rows, mask.shape[0] // rows, columns, -1).mean((1, 3)) > 0.25
    inside, outside = values[covered], values[~covered]
    if not inside.size or not outside.size:
        return float("nan")
    return float((inside[:, None] > outside[None]).mean())

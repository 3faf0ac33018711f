"""The training set as memory-mapped files: drawn once, read many times.

`images.npy` is (planes, side, side) uint8, `masks.npy` the masks as packed bits, `rows.jsonl` what each plane shows.
Plane n of a set is drawn from the seeds (seed, n), so a set does not depend on how many processes draw it.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from medkt.errors import InputError
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, Attributes, DomainName, findings_of, held_out_identities
from small_model.real_images import REAL, RealImage, read_real
from small_model.reports import ATTRIBUTES

SIDE = 128
_PIECE = 500  # planes that one task draws
Grey = UInt8[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one plane of the corpus shows. `known` are the attributes that a report may mention."""

    domain: DomainName
    finding: str
    attributes: Attributes | None
    known: tuple[str, ...] = ()
    real: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corpus:
    """A drawn set. `masks` are packed along their pixels; `mask(n)` unpacks one."""

    images: UInt8[np.ndarray, "planes rows columns"]
    packed_masks: UInt8[np.ndarray, "planes bytes"]
    rows: tuple[Row, ...]

    def masks(self, indices: Sequence[int]) -> Bool[np.ndarray, "chosen rows columns"]:
        """The masks of these planes."""
        side = self.images.shape[1]
        bits = np.unpackbits(self.packed_masks[np.asarray(indices)], axis=1, count=side * side)
        return np.ascontiguousarray(bits.reshape(-1, side, side).astype(np.bool_))


def draw_one(
    domain: DomainName, finding: str, rng: np.random.Generator
) -> tuple[Grey, Bool[np.ndarray, "rows columns"], Row]:
    """One phantom as the corpus stores it.

    Raises:
        InputError: the finding, or the look of an unnamed one, is held out.
    """
    drawer = DRAWERS[domain]
    attributes = drawer.draw_unnamed_attributes(rng) if finding == "unnamed" else None
    drawn = drawer.draw_plane(finding, rng, side=SIDE, attributes=attributes)
    if drawn.attributes is not None and drawn.attributes.identity in held_out_identities(domain):
        raise InputError(f"{drawn.attributes.identity} is held out of training in domain {domain}")
    grey = np.rint(drawn.plane * 255).astype(np.uint8)
    known = known_attributes(domain, finding, drawn.attributes)
    return grey, drawn.mask, Row(domain=domain, finding=finding, attributes=drawn.attributes, known=known)


def known_attributes(domain: DomainName, finding: str, attributes: Attributes | None) -> tuple[str, ...]:
    """The attributes that the image really shows: many lesions lie on both sides and, unnamed, anywhere."""
    if attributes is None:
        return ()
    known = set(ATTRIBUTES)
    if attributes.number != "single" or attributes.side not in ("left", "right"):
        known.discard("side")
    if attributes.number == "many" and finding == "unnamed" and domain in ("cxr", "ct"):
        known.discard("place")
    return tuple(a for a in ATTRIBUTES if a in known)


def draw_corpus(
    folder: Path, *, planes: int, seed: int, data: Path | None = None, real_share: float = 0.07, workers: int = 2
) -> Corpus:
    """Draw a training set into `folder`: a quarter of the phantoms for each domain, and real images where `data` is.

    Of the phantoms 44 % are lesions without a name, 41 % named findings that are not held out, 15 % normal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reals = list(read_real(data, "train")) if data is not None else []
    phantoms = planes - (round(planes * real_share) if reals else 0)
    starts = range(0, phantoms, _PIECE)
    jobs = [(seed, start, min(start + _PIECE, phantoms)) for start in starts]
    with ProcessPoolExecutor(workers) as pool:
        pieces = list(pool.map(_draw_piece, jobs))
    drawn = [one for piece in pieces for one in piece]
    drawn += [_augmented(reals, np.random.default_rng((seed, n)), n) for n in range(phantoms, planes)]
    np.save(folder / "images.npy", np.stack([grey for grey, _, _ in drawn]))
    np.save(folder / "masks.npy", np.stack([np.packbits(mask) for _, mask, _ in drawn]))
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(asdict(row), allow_nan=False) + "\n" for _, _, row in drawn), encoding="utf-8"
    )
    return read_corpus(folder)


def read_corpus(folder: Path) -> Corpus:
    """A set that `draw_corpus` wrote."""
    rows = [_row(json.loads(line)) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    images, masks = (np.load(folder / name, mmap_mode="r") for name in ("images.npy", "masks.npy"))
    return Corpus(images=images, packed_masks=masks, rows=tuple(rows))


def _row(raw: dict[str, Any]) -> Row:
    attributes = None if raw["attributes"] is None else Attributes(**raw["attributes"])
    return Row(**{**raw, "attributes": attributes, "known": tuple(raw["known"])})


def _draw_piece(job: tuple[int, int, int]) -> list[tuple[Grey, Bool[np.ndarray, "rows columns"], Row]]:
    seed, start, end = job
    return [_draw_nth(np.random.default_rng((seed, n)), n) for n in range(start, end)]


def _draw_nth(rng: np.random.Generator, n: int) -> tuple[Grey, Bool[np.ndarray, "rows columns"], Row]:
    domain = DOMAINS[n % len(DOMAINS)]
    kind = rng.random()
    named = findings_of(domain, held_out=False)
    finding = "" if kind < 0.15 else "unnamed" if kind < 0.59 else named[int(rng.integers(len(named)))].id
    return draw_one(domain, finding, rng)


def _augmented(
    reals: Sequence[RealImage], rng: np.random.Generator, n: int
) -> tuple[Grey, Bool[np.ndarray, "rows columns"], Row]:
    """A random view of a real image; each class is met equally often, as some have few images."""
    labels = sorted({real.label for real in reals})
    label = labels[n % len(labels)]
    same = [real for real in reals if real.label == label]
    real = same[int(rng.integers(len(same)))]
    plane, mask = real.plane, real.mask if real.mask is not None else np.zeros(real.plane.shape, np.bool_)
    if rng.random() < 0.6:
        plane, mask = _random_crop(plane, mask, rng)
    if REAL[label].domain == "ultrasound" and rng.random() < 0.5:  # no side is named there
        plane, mask = plane[:, ::-1], mask[:, ::-1]
    grey, outline = letterbox(np.ascontiguousarray(plane), np.ascontiguousarray(mask), SIDE)
    domain: DomainName = next(d for d in DOMAINS if d == REAL[label].domain)
    return grey, outline, Row(domain=domain, finding=f"real_{label}", attributes=None, real=label)


def _random_crop(
    plane: Float32[np.ndarray, "rows columns"], mask: Bool[np.ndarray, "rows columns"], rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "_ _"], Bool[np.ndarray, "_ _"]]:
    """A window of 75 to 100 % of each side that keeps the whole mask."""
    window = []
    for axis, length in enumerate(plane.shape):
        filled = np.flatnonzero(mask.any(1 - axis))
        size = round(length * rng.uniform(0.75, 1.0))
        low, high = 0, length - size
        if filled.size:
            low, high = max(low, int(filled[-1]) + 1 - size), min(high, int(filled[0]))
        start = int(rng.integers(low, high + 1)) if high >= low else max(0, min(low, length - size))
        window.append(slice(start, start + size))
    return plane[tuple(window)], mask[tuple(window)]


def letterbox(
    plane: Float32[np.ndarray, "_ _"], mask: Bool[np.ndarray, "_ _"], side: int
) -> tuple[Grey, Bool[np.ndarray, "_ _"]]:
    """The whole image in a black square, and its mask alike."""
    rows, columns = plane.shape
    scale = side / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
    outline = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)) >= 0.5
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    grey, placed = np.zeros((side, side), np.uint8), np.zeros((side, side), np.bool_)
    grey[top : top + size[1], left : left + size[0]] = np.rint(np.clip(small, 0, 1) * 255)
    placed[top : top + size[1], left : left + size[0]] = outline
    return grey, placed

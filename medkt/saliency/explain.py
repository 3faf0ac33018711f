"""Planes and words to maps on the planes: a method, the way home from the model's square, and the check of the words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from medkt.errors import SettingsError
from medkt.models.encoder import DualEncoder
from medkt.models.framing import Framing, prepare
from medkt.models.module import device_of
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.relevance import RelevanceSettings, combined, patch_features, relevance, stretched
from medkt.saliency.specificity import Specificity, specificity
from medkt.saliency.targets import NONSENSE_TEXT, Target, embed_texts
from medkt.shapes import Plane
from medkt.spatial.nearest import corner_nearest

Resize = Literal["bilinear", "published"]

NORMAL_CAPTION = "the normal caption"

_WITHOUT_PADDING = ("crop", "squash")
_PUBLISHED_LEVELS = 255  # the published maps are stored as 8-bit pictures before anything reads them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaneMap:
    """One concept on one plane.

    Attributes:
        concept: its id.
        values: (grid rows, grid columns) float32, 0 or more: of M2IB nats per place (its `reading`) unless patches were used; else without unit.
        framing: the way from the grid to the plane.
        specificity: how far the map depends on the words; None where that was not asked.
    """

    concept: str
    values: Float32[np.ndarray, "grid_rows grid_columns"]
    framing: Framing
    specificity: Specificity | None

    def on_plane(self, resize: Resize = "bilinear") -> Plane:
        """The map over the plane, stretched to [0, 1]; a constant map is 0 everywhere.

        "bilinear" goes from the grid to the plane in one step. "published" repeats MedCLIP-SAMv2: bilinear to the
        model's square, stretched to [0, 1] there, nearest over the whole plane, and rounded to 8 bits. Its authors do
        so although their model's square is the plane's middle: on an oblong plane the map is then beside its place,
        see `published_shift_px`. Under a framing with padding, which they do not use, it goes where it belongs.
        """
        if resize == "bilinear":
            seen = self.framing.home(np.ones((1, 1), dtype=np.float32)) > 0
            plane = np.zeros(seen.shape, dtype=np.float32)
            plane[seen] = stretched(self.framing.home(self.values)[seen][None])[
                0
            ]  # what is cut off is no part of the range
            return plane
        square = stretched(_bilinear(self.values, self.framing.size))
        home = _over_whole_plane if self.framing.policy in _WITHOUT_PADDING else _nearest_home
        return np.round(home(square, self.framing) * _PUBLISHED_LEVELS).astype(np.float32) / _PUBLISHED_LEVELS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderInput:
    """A plane ready for the encoder: (3, side, side) normalised pixels, and the way back."""

    pixels: Tensor
    framing: Framing


def published_shift_px(framing: Framing) -> float:
    """How far from its place a map lies at most that "published" brings onto the plane, in the plane's pixels; mostly 0."""
    if framing.policy != "crop":
        return 0.0
    return abs(framing.rows - framing.columns) / 2


def prepare_plane(encoder: DualEncoder, plane: Plane, *, eight_bit: bool = False) -> EncoderInput:
    """A plane in [0, 1] as the encoder wants it, on the encoder's device; for `eight_bit` see `frame_plane`."""
    pixels, framing = prepare(encoder.spec, plane, eight_bit=eight_bit)
    return EncoderInput(pixels=pixels[0].to(device_of(encoder)), framing=framing)


def explain_planes(
    encoder: DualEncoder,
    planes: Sequence[EncoderInput],
    targets: Sequence[Target],
    method: SaliencyMethod,
    *,
    patches: RelevanceSettings | None = None,
    check_words: bool = True,
    nonsense: Target | None = None,
    seeds: Sequence[int] | None = None,
) -> list[list[PlaneMap]]:
    """Maps of every concept on every plane, as `[plane][concept]`.

    Args:
        encoder: any dual encoder.
        planes: from `prepare_plane`.
        targets: the concepts, from `embed_targets`.
        method: with its settings.
        patches: how the patches' own fit enters a map of M2IB; None takes the defaults.
        check_words: also ask for a nonsense text and each concept's normal caption, in the same batch.
        nonsense: from `nonsense_target`, to embed it once for many calls; made here when None.
        seeds: see `SaliencyMethod.maps`.

    Raises:
        SettingsError: two concepts share an id, or the encoder cannot give what the method needs.
        NumericalError: see `SaliencyMethod.maps`.
    """
    if len({target.id for target in targets}) < len(targets):
        raise SettingsError(f"two concepts share an id: {', '.join(target.id for target in targets)}")
    if check_words and nonsense is None:
        nonsense = nonsense_target(encoder)
    checked = [_checks(target, nonsense, method) if check_words and nonsense else {} for target in targets]
    others = {key: other for checks in checked for key, other in checks.items()}  # shared ones are asked for once
    place = {key: len(targets) + index for index, key in enumerate(others)}
    asked = [*targets, *others.values()]
    pixels = torch.stack([plane.pixels for plane in planes])
    values = method.maps(encoder, pixels, asked, seeds=seeds)
    if isinstance(method, M2IBSettings):
        values = _with_patches(encoder, pixels, asked, values, patches)
    return [
        [
            PlaneMap(
                concept=target.id,
                values=maps[concept],
                framing=plane.framing,
                specificity=specificity(
                    maps[concept], {other.id: maps[place[key]] for key, other in checked[concept].items()}
                ),
            )
            for concept, target in enumerate(targets)
        ]
        for maps, plane in zip(values, planes, strict=True)
    ]


def nonsense_target(encoder: DualEncoder) -> Target:
    """`NONSENSE_TEXT` as a direction, with no contrasts of its own."""
    (wanted,) = embed_texts(encoder, [NONSENSE_TEXT])
    return Target(id=NONSENSE_TEXT, wanted=wanted, normal=None, confusable=wanted[None][:0])


def _with_patches(
    encoder: DualEncoder,
    pixels: Tensor,
    asked: Sequence[Target],
    capacities: Float32[np.ndarray, "images concepts rows columns"],
    settings: RelevanceSettings | None,
) -> Float32[np.ndarray, "images concepts rows columns"]:
    """The bottleneck's maps, multiplied with the patches' fit where there is one."""
    settings = settings or RelevanceSettings()
    features = patch_features(encoder, pixels, settings)
    if features is None:
        return capacities
    fits = relevance(features, asked, settings)
    return np.stack(
        [
            np.stack([combined(capacity, fit, settings) for capacity, fit in zip(*pair, strict=True)])
            for pair in zip(capacities, fits, strict=True)
        ]
    )


def _checks(target: Target, nonsense: Target, method: SaliencyMethod) -> dict[tuple[str, ...], Target]:
    """The other texts of one concept, by key. Under "cosine" concepts share them; a margin needs each its own."""
    own = () if method.target == "cosine" else (target.id,)
    checks = {("nonsense", *own): replace(nonsense, normal=target.normal, confusable=target.confusable)}
    if target.normal is not None:
        key = ("normal", *own, str(target.normal.tolist()))
        told_from = torch.cat([target.wanted[None], target.confusable])
        checks[key] = Target(id=NORMAL_CAPTION, wanted=target.normal, normal=None, confusable=told_from)
    return checks


def _bilinear(values: Float32[np.ndarray, "rows columns"], side: int) -> Float32[np.ndarray, "side side"]:
    grid = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    enlarged: np.ndarray = functional.interpolate(grid, (side, side), mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
    return enlarged


def _over_whole_plane(square: Float32[np.ndarray, "side side"], framing: Framing) -> Plane:
    taken: Plane = square[
        np.ix_(corner_nearest(framing.rows, framing.size), corner_nearest(framing.columns, framing.size))
    ]
    return taken


def _nearest_home(square: Float32[np.ndarray, "side side"], framing: Framing) -> Plane:
    (scale_x, scale_y), (shift_x, shift_y) = framing.scale_xy, framing.shift_xy
    rows = np.floor((np.arange(framing.rows) + 0.5) * scale_y + shift_y).astype(np.intp)
    columns = np.floor((np.arange(framing.columns) + 0.5) * scale_x + shift_x).astype(np.intp)
    seen = ((rows >= 0) & (rows < framing.size))[:, None] & ((columns >= 0) & (columns < framing.size))[None, :]
    last = framing.size - 1
    values = square[np.clip(rows, 0, last)[:, None], np.clip(columns, 0, last)[None, :]]
    return np.where(seen, values, np.float32(0)).astype(np.float32)

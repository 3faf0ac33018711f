"""What a finding is learned from where lesions are made inside normal studies, and what is rehearsed beside them.

The concept's images are local inversions of its first caption. Rehearsed are images with lesions, of which nobody says what
they show: the user's own studies, or drawn ones of the known findings; with them normal studies, and a few local inversions of
the known findings' captions. Without images with lesions the model forgets what it knows.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medkt.errors import InputError
from medkt.inversion import InvertedImages, invert_cached, local_invert
from medkt.models.encoder import DualEncoder
from medkt.phantom.blob import with_blob
from medkt.phantom.finding import DomainName
from medkt.progress import Progress
from medkt.transfer.alterations import some_altered
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import REHEARSAL, VALIDATION, Material, drawn_starts
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes, drawn_findings, drawn_names, drawn_normals
from medkt.transfer.vocabulary import Vocabulary, named

STARTS, HELD_BACK, BLOBS, RIVALS = 4_000_037, 5_000_011, 6_000_011, 7_000_003
"""Added to seeds, so that no drawn study is used twice."""


def gather_lesions(
    encoder: DualEncoder,
    vocabulary: Vocabulary,
    settings: LearnSettings,
    *,
    seed: int,
    studies: StudyPlanes = NOTHING_GIVEN,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Material:
    """Make what the settings ask for, or take it from the cache.

    Args:
        encoder: the base.
        vocabulary: the words; only the first caption is taught.
        settings: with `how` "local".
        seed: of the concept's images. What is rehearsed is the same for every concept and seed.
        studies: the user's own; None in a part takes drawn ones.
        cache: folder of inverted images.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: no normal studies are given, and medkt draws none of this part of the body.
    """
    began, teach = time.perf_counter(), settings.teaching
    words = of_first_caption(vocabulary)
    maker = _Maker(encoder, words, settings, studies, cache, progress)
    inverted = None
    if studies.images is None:
        inverted = maker.lesions("images of the concept", words.described, settings.images, seed)
    known = len(words.known)
    rehearsed = maker.lesions("images of known findings", words.rehearsed[:known], teach.known, REHEARSAL)
    rehearsal = maker.rehearsal(None if rehearsed is None else rehearsed.pixels.flatten(0, 1))
    validation = held = None
    if few := settings.validation_images:
        stage = "images to judge by"
        validation = maker.lesions(stage, words.described, few, seed + VALIDATION)
        held = maker.held_back(-(-few // 2))
    images = studies.images if inverted is None else inverted.pixels.flatten(0, 1)
    if images is None:
        raise InputError(f"{words.name}: nothing to learn from: no caption to picture, and no image")
    return Material(
        vocabulary=words, inverted=inverted, images=images, caption_of=(0,) * len(images), rehearsal=rehearsal,
        validation=None if validation is None else validation.pixels.flatten(0, 1),
        known_validation=None if held is None else held[0], known_of=() if held is None else held[1],
        strangers=maker.strangers(seed), rivals=maker.rivals(seed), known_inverted=rehearsed, studies=studies, seconds=time.perf_counter() - began,
    )  # fmt: skip


def of_first_caption(words: Vocabulary) -> Vocabulary:
    """The same with its first caption alone."""
    first = words.described[:1]
    gone = {*words.described[1:], *named(words.name, words.described[1:])}
    return replace(words, described=first, own=tuple(text for text in words.own if text not in gone))


class _Maker:
    """Makes the parts, or takes them from the cache."""

    def __init__(
        self,
        encoder: DualEncoder,
        words: Vocabulary,
        settings: LearnSettings,
        studies: StudyPlanes,
        cache: Path | None,
        progress: Progress | None,
    ) -> None:
        self._encoder, self._words, self._settings, self._studies = encoder, words, settings, studies
        self._cache, self._progress = cache, progress
        self._side, self._teach = encoder.spec.input_size, settings.teaching

    def lesions(self, stage: str, texts: Sequence[str], each: int, seed: int) -> InvertedImages | None:
        """So many local inversions of each text; None for none."""
        if not each or not texts:
            return None
        tick, how = self._progress, self._teach.inversion
        starts = self._starts(texts, each, seed)
        told = None if tick is None else lambda _, done, of: tick(stage, done, of)
        if self._studies.normals is None:
            return invert_cached(
                self._encoder, texts, how, images=each, seed=seed, start=starts, folder=self._cache, progress=told
            )
        # of patients: never kept in the cache
        return local_invert(self._encoder, texts, how, start=starts, seed=seed, progress=told)

    def rehearsal(self, known: Tensor | None) -> Tensor | None:
        """Images with lesions, normal studies, and the local inversions of known captions."""
        parts = [self._lesioned(), self._normals(self._teach.normals, REHEARSAL), known]
        there = [part.cpu() for part in parts if part is not None and len(part)]
        return torch.cat(there) if there else None

    def held_back(self, each: int) -> tuple[Tensor, tuple[str, ...]]:
        """Images of the rehearsal's kinds that are not rehearsed, and what each equal part of them shows."""
        if self._studies.rehearse is not None:
            held = held_back_of(self._studies.rehearse)
            return held, ("studies to rehearse by",) * len(held)
        drawn = self._drawn(each, REHEARSAL + HELD_BACK)
        normals = self._normals(each, REHEARSAL + HELD_BACK)
        names = self._drawn_names() if len(drawn) else ()
        return torch.cat([drawn, normals]), (*names, "normal")

    def strangers(self, seed: int) -> Tensor | None:
        """Normal studies with a blob of random texture, which the new name shall not fit; None for none."""
        count = self._teach.blobs
        if not count:
            return None
        rng = np.random.default_rng((seed, 7))
        planes = self._normals(count, seed + BLOBS)[:, 0].numpy()
        return _colour(torch.from_numpy(np.stack([with_blob(plane, rng) for plane in planes]))[:, None])

    def rivals(self, seed: int) -> InvertedImages | None:
        """Lesions of captions with one word altered; None where none is asked for, or no word can be altered."""
        drawn, teach = self._words.drawn, self._teach
        if not teach.rivals or drawn is None:
            return None
        texts = some_altered(self._words.described[0], drawn, teach.rival_captions, seed)
        return self.lesions("images of altered captions", texts, teach.rivals, seed + RIVALS)

    def _starts(self, texts: Sequence[str], each: int, seed: int) -> Float[Tensor, "texts images 1 side side"]:
        normals = self._studies.normals
        if normals is not None:
            grey = normals.mean(dim=1, keepdim=True)
            order = torch.randperm(len(grey), generator=torch.Generator().manual_seed(seed))
            rows = order[torch.arange(len(texts) * each) % len(grey)]
            return grey[rows].reshape(len(texts), each, *grey.shape[1:])
        return drawn_starts(self._drawn_domain(), texts, each, seed + STARTS, side=self._side)

    def _normals(self, count: int, seed: int) -> Tensor:
        if (given := self._studies.normals) is not None:
            return given[:count]
        return _colour(drawn_normals(self._drawn_domain(), count, seed, side=self._side))

    def _lesioned(self) -> Tensor:
        if (given := self._studies.rehearse) is not None:
            return rehearsed_of(given)
        return self._drawn(self._teach.drawn, REHEARSAL)

    def _drawn(self, each: int, seed: int) -> Tensor:
        return _colour(drawn_findings(self._drawn_domain(), self._words.known, each, seed, side=self._side))

    def _drawn_names(self) -> tuple[str, ...]:
        return drawn_names(self._drawn_domain(), self._words.known)

    def _drawn_domain(self) -> DomainName:
        if self._words.drawn is None:
            raise InputError(
                f"{self._words.name}: medkt draws no studies of this part of the body; give normal studies with --normals DIR and "
                "the usual mixture with --rehearse DIR"
            )
        return self._words.drawn


HELD_PART = 10
"""Every tenth of the user's studies is held back from the rehearsal, to see what takes the new name."""


def rehearsed_of(studies: Tensor) -> Tensor:
    """Those of the user's studies that are rehearsed."""
    return studies[torch.arange(len(studies)) % HELD_PART != HELD_PART - 1]


def held_back_of(studies: Tensor) -> Tensor:
    """The others; all of them where they are fewer than ten."""
    held = studies[HELD_PART - 1 :: HELD_PART]
    return held if len(held) else studies


def _colour(grey: Tensor) -> Tensor:
    return grey.expand(-1, 3, -1, -1).contiguous()

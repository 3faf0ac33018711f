"""Which images a learning asks for, said before one is made: what `material.gather` makes, or finds in the cache."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from medkt.inversion import InversionSettings, LocalSettings
from medkt.inversion.cache import cached
from medkt.models.encoder import DualEncoder
from medkt.transfer.alterations import some_altered
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.lesions import RIVALS, STARTS
from medkt.transfer.material import REHEARSAL, VALIDATION, WARM, drawn_starts
from medkt.transfer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionBatch:
    """Images of some texts that are made alike.

    Attributes:
        stage: as progress calls it.
        texts: each inverted by itself.
        images: of each text.
        seed: of the first of them.
        how: they are made.
        warm: whether they start from drawn studies.
    """

    stage: str
    texts: tuple[str, ...]
    images: int
    seed: int
    how: InversionSettings | LocalSettings
    warm: bool = False

    def cached(self, encoder: DualEncoder, vocabulary: Vocabulary, folder: Path | None) -> int:
        """How many of the texts need not be inverted, for their images are in the cache; the encoder has its weights."""
        start: Tensor | None = None
        if self.warm and vocabulary.drawn:
            seed = self.seed + (STARTS if isinstance(self.how, LocalSettings) else 0)
            start = drawn_starts(vocabulary.drawn, self.texts, self.images, seed, side=encoder.spec.input_size)
        found = cached(encoder, self.texts, self.how, images=self.images, seed=self.seed, start=start, folder=folder)
        return sum(found)


def wanted_images(vocabulary: Vocabulary, settings: LearnSettings, *, seed: int) -> tuple[InversionBatch, ...]:
    """What `gather_as` asks for in its order, where the model can picture every caption."""
    if settings.how == "local":
        return _lesions(vocabulary, settings, seed)
    made: list[InversionBatch] = []
    described, rehearsed, how = vocabulary.described, vocabulary.rehearsed, settings.rehearsed_with
    drawn = vocabulary.drawn is not None
    if count := settings.rehearsal_images:
        made += _partly_warm("images of known findings", rehearsed, count, REHEARSAL, how, settings, drawn=drawn)
    each = -(-settings.images // len(described))
    made += _partly_warm("images of the concept", described, each, seed, settings.inversion, settings, drawn=drawn)
    if count := settings.validation_images:
        stage, few = "images to judge by", -(-count // 2)
        each = -(-count // len(described))
        made.append(
            InversionBatch(stage=stage, texts=described, images=each, seed=seed + VALIDATION, how=settings.judged_with)
        )
        made.append(InversionBatch(stage=stage, texts=rehearsed, images=few, seed=REHEARSAL + VALIDATION, how=how))
    return tuple(made)


def _lesions(vocabulary: Vocabulary, settings: LearnSettings, seed: int) -> tuple[InversionBatch, ...]:
    """What `gather_lesions` asks for, where no studies of the user's are given: lesions inside drawn ones."""
    teach, first = settings.teaching, vocabulary.described[:1]
    known, drawn = vocabulary.rehearsed[: len(vocabulary.known)], vocabulary.drawn
    rivals = some_altered(first[0], drawn, teach.rival_captions, seed) if teach.rivals and drawn else ()
    rows = (
        ("images of the concept", first, settings.images, seed),
        ("images of known findings", known, teach.known, REHEARSAL),
        ("images to judge by", first, settings.validation_images, seed + VALIDATION),
        ("images of altered captions", rivals, teach.rivals, seed + RIVALS),
    )
    return tuple(
        InversionBatch(stage=stage, texts=texts, images=images, seed=own, how=teach.inversion, warm=True)
        for stage, texts, images, own in rows
        if texts and images
    )


def _partly_warm(
    stage: str,
    texts: tuple[str, ...],
    images: int,
    seed: int,
    how: InversionSettings,
    settings: LearnSettings,
    *,
    drawn: bool,
) -> Iterator[InversionBatch]:
    warm = round(images * settings.warm) if drawn else 0
    if warm < images:
        yield InversionBatch(stage=stage, texts=texts, images=images - warm, seed=seed, how=how)
    if warm:
        from_there = replace(how, init="normal", init_std=settings.warm_noise)
        yield InversionBatch(stage=stage, texts=texts, images=warm, seed=seed + WARM, how=from_there, warm=True)
